"""What FHIR resources of ours share: an alert's view in, codes and times out. Pure."""

from datetime import datetime
from typing import Final

from parsers.events import EncounterClass
from rules.telling.views import AlertView

ENROLLEES: Final = "urn:x-warm-handoff:enrollee"
STAYS: Final = "urn:x-warm-handoff:stay"
TERMS: Final = "http://terminology.hl7.org/CodeSystem"


def encounter_status(seen: AlertView) -> str:
    """Encounter.status of a stay that was not taken back."""
    return seen.status.value if seen.status else "unknown"


def encounter_class(kind: EncounterClass | None) -> dict[str, str]:
    """Encounter.class."""
    if kind is None or kind is EncounterClass.UNKNOWN:
        return {"system": f"{TERMS}/v3-NullFlavor", "code": "UNK"}
    return {"system": f"{TERMS}/v3-ActCode", "code": kind.value}


def instant(at: datetime) -> str:
    """A FHIR instant."""
    return at.isoformat(timespec="milliseconds")
