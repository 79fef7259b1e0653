"""One alert version as its recipient may read it in; an HL7 v2.5.1 MDM message with a readable summary out.

A first version is MDM^T02 (original document and content), a later one T10 (replacement), what was taken back T11
(cancel), both of which name the first document in TXA-13 (HL7 v2.5.1 chapter 9). MSH-10 is made from the delivery id,
so a retry is the same message byte for byte.
"""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from parsers.events import EncounterClass
from rules.decisions import Action
from rules.telling.views import AlertView

CONTENT_TYPE: Final = "x-application/hl7-v2+er7"
CONTROL_ID: Final = 20  # longest MSH-10 in 2.5.1
_ESCAPES: Final = str.maketrans(
    {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\r": " ", "\n": " "}
)
_CLASSES: Final = {
    EncounterClass.INPATIENT: "I",
    EncounterClass.OBSERVATION: "O",
    EncounterClass.EMERGENCY: "E",
    EncounterClass.AMBULATORY: "O",
}  # table 0004


def mdm(seen: AlertView, delivery_id: str, receiver: tuple[str, str], zone: ZoneInfo) -> bytes | None:
    """The message to `receiver` (MSH-5, MSH-6). `None` where the recipient may not know whom it is about and nothing is
    taken back.
    """
    person = seen.person
    retracted = seen.action is Action.RETRACT
    if person is None and not retracted:
        return None
    trigger = "T11" if retracted else "T02" if seen.action is Action.NOTIFY else "T10"
    structure = "MDM_T01" if retracted else "MDM_T02"
    at = _time(seen.decided_at, zone)
    name = person.name if person else None
    parts = (name.family, name.given, name.middle, name.suffix) if name else ("WITHHELD",)
    pid = ["PID", "1", "", f"{_text(person.enrollee_id if person else seen.alert_id)}^^^WARMHANDOFF^PI", ""]
    pid += ["^".join(map(_text, parts)).rstrip("^"), "", f"{person.birth_date:%Y%m%d}" if person else ""]
    pid += [_text(person.sex) if person else ""]
    visit = _CLASSES.get(seen.encounter_class, "U") if seen.encounter_class else "U"
    document = [""] * 18
    document[:4] = ["TXA", "1", "PN", "TX"]
    document[12] = f"{seen.alert_id}.{seen.version}^WARMHANDOFF"
    document[13] = "" if trigger == "T02" else f"{seen.alert_id}.1^WARMHANDOFF"
    document[17] = "AU"
    lines = [
        ["MSH", "^~\\&", "WARMHANDOFF", "WARMHANDOFF", _text(receiver[0]), _text(receiver[1]), at, "",
         f"MDM^{trigger}^{structure}", delivery_id[:CONTROL_ID], "P", "2.5.1", "", "", "", "", "", "UNICODE UTF-8"],
        ["EVN", "", at],
        pid,
        ["PV1", "1", visit],
        document,
    ]  # fmt: skip
    if not retracted:
        lines += [
            ["OBX", str(number), "TX", "SUMMARY^Stay summary^L", str(number), _text(text), "", "", "", "", "", "F"]
            for number, text in enumerate(summary(seen, zone), 1)
        ]
    return "".join("|".join(line).rstrip("|") + "\r" for line in lines).encode()


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
        ("Diagnoses", "; ".join(" ".join(filter(None, (one.code, one.text))) for one in seen.diagnoses)),
        ("Attending", seen.attending),
        ("Disposition", seen.disposition),
    )
    lines = [f"{name}: {value}" for name, value in facts if value]
    lines += [f"Due: {clock.kind.replace('_', ' ')} {_shown(clock.due_at, zone)}" for clock in seen.clocks]
    return [*lines, *([seen.notice] if seen.notice else [])]


def _text(value: str) -> str:
    return value.translate(_ESCAPES)


def _time(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y%m%d%H%M%S%z}"


def _shown(at: datetime | None, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else ""
