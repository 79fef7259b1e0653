"""What HL7 v2 messages of ours share: an alert's view in; fields, and the lines a person reads, out. Pure."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from parsers.events import EncounterClass
from rules.telling.views import AlertView
from streams.words.hl7 import ST, cut, shown_as

CONTROL_ID: Final = 20  # longest MSH-10 in 2.5.1
CLASSES: Final = {
    EncounterClass.INPATIENT: "I",
    EncounterClass.OBSERVATION: "O",
    EncounterClass.EMERGENCY: "E",
    EncounterClass.AMBULATORY: "O",
}  # table 0004


def person_fields(seen: AlertView) -> list[str]:
    """PID: the enrollee; where who it is is withheld, the stay's identifier and no name."""
    person = seen.person
    name = person.name if person else None
    parts = (name.family, name.given, name.middle, name.suffix) if name else ("WITHHELD",)
    pid = ["PID", "1", "", f"{shown_as(person.enrollee_id if person else seen.alert_id)}^^^WARMHANDOFF^PI", ""]
    pid += ["^".join(cut(part, ST) for part in parts).rstrip("^"), "", f"{person.birth_date:%Y%m%d}" if person else ""]
    return [*pid, shown_as(person.sex) if person else ""]


def summary(seen: AlertView, zone: ZoneInfo) -> list[str]:
    """The lines a person reads, first what happened; nothing that the view does not hold."""
    facts = (
        ("Alert", (seen.kind or "").replace("_", " ")),
        ("Status", seen.status or ""),
        ("Priority", seen.priority or ""),
        ("Why", ", ".join(reason.replace("_", " ") for reason in seen.reasons)),
        ("Hospital", seen.facility),
        ("Started", _shown(seen.started_at, zone)),
        ("Ended", _shown(seen.ended_at, zone)),
        ("Complaint", seen.complaint),
        (
            "Diagnoses",
            "; ".join(" ".join(filter(None, (diagnosis.code, diagnosis.text))) for diagnosis in seen.diagnoses),
        ),
        ("Attending", seen.attending),
        ("Disposition", seen.disposition),
    )
    lines = [f"{name}: {value}" for name, value in facts if value]
    lines += [f"Due: {clock.kind.replace('_', ' ')} {_shown(clock.due_at, zone)}" for clock in seen.clocks]
    return [*lines, *([seen.notice] if seen.notice else [])]


def _shown(at: datetime | None, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else ""
