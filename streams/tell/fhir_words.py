"""What FHIR resources of ours share: an alert's view in, codes and times out. Pure."""

import re
from datetime import datetime
from typing import Any, Final

from parsers.events import Diagnosis, EncounterClass
from parsers.hl7.dispositions import CODES
from rules.telling.views import AlertView

ENROLLEES: Final = "urn:x-warm-handoff:enrollee"
STAYS: Final = "urn:x-warm-handoff:stay"
TERMS: Final = "http://terminology.hl7.org/CodeSystem"
_DISPOSITIONS: Final = "http://www.nubc.org/patient-discharge"
_BETWEEN: Final = re.compile(r"[\s_-]")
_CODE_SETS: Final = (  # the system, its names in DG1-3.3 (HL7 table 0396), and what its codes look like
    ("http://hl7.org/fhir/sid/icd-10-cm", r"I10(?:CM?)?|ICD(?:10)?(?:CM)?", r"([A-Z][0-9][0-9A-Z])\.?([0-9A-Z]{0,4})"),
    ("http://hl7.org/fhir/sid/icd-9-cm", r"I9(?:CM?)?|ICD9?(?:CM)?", r"(E[0-9]{3}|V[0-9]{2}|[0-9]{3})\.?([0-9]{0,2})"),
    ("http://snomed.info/sct", r"SCT|SNOMED(?:CT)?", r"([1-9][0-9]{5,17})()"),
)


def encounter_status(seen: AlertView) -> str:
    """Encounter.status of a stay that was not taken back."""
    return seen.status.value if seen.status else "unknown"


def encounter_class(kind: EncounterClass | None) -> dict[str, str]:
    """Encounter.class."""
    if kind is None or kind is EncounterClass.UNKNOWN:
        return {"system": f"{TERMS}/v3-NullFlavor", "code": "UNK"}
    return {"system": f"{TERMS}/v3-ActCode", "code": kind.value}


def disposition(code: str) -> dict[str, Any]:
    """Encounter.hospitalization.dischargeDisposition: a code of UB-04, or the hospital's own word, which is none."""
    return {"coding": [{"system": _DISPOSITIONS, "code": code}]} if code in CODES else {"text": code}


def diagnosis_code(diagnosis: Diagnosis) -> dict[str, Any]:
    """Condition.code: its text, and a coding where the code is one of the set that the hospital names."""
    named, code = _BETWEEN.sub("", diagnosis.system.upper()), diagnosis.code.strip().upper()
    concept: dict[str, Any] = {"text": diagnosis.text or diagnosis.code}
    for system, names, pattern in _CODE_SETS:
        if re.fullmatch(names, named) and (parts := re.fullmatch(pattern, code)):
            concept["coding"] = [{"system": system, "code": ".".join(filter(None, parts.groups()))}]
            break
    return concept


def instant(at: datetime) -> str:
    """A FHIR instant."""
    return at.isoformat(timespec="milliseconds")
