"""One alert version as its recipient may read it in; our own HL7 v2.5.1 ADT message out.

Not the hospital's message: what we know of the stay, as far as this recipient may know it. The first version that its
recipient is told is A01 (A04 in the emergency department), a transfer A02, a discharge A03, another change A08, what
was taken back A11. PV1-19 is the stay's identifier over all versions. MSH-10 is made from the delivery id, so a retry
is the same byte for byte.
"""

from typing import Final
from zoneinfo import ZoneInfo

from parsers.events import EncounterClass
from rules.decisions import AlertKind, StayStatus
from rules.stays.open import is_void
from rules.telling.views import AlertView
from streams.tell.hl7_words import CLASSES, CONTROL_ID, person_fields
from streams.words.hl7 import IS, ST, cut, sent_at, shown_as, written

_STRUCTURES: Final = {"A01": "ADT_A01", "A02": "ADT_A02", "A03": "ADT_A03", "A04": "ADT_A01", "A08": "ADT_A01",
                      "A11": "ADT_A09"}  # fmt: skip  # HL7 v2.5.1 table 0354


def trigger(seen: AlertView, first_told: int = 0) -> str:
    """MSH-9.2 of a version. `first_told`: as of an `Item`."""
    if is_void(seen.action, seen.status):
        return "A11"
    if seen.status is StayStatus.FINISHED:
        return "A03"
    if seen.kind is AlertKind.TRANSFER:
        return "A02"
    if first_told:
        return "A08"
    return "A04" if seen.encounter_class is EncounterClass.EMERGENCY else "A01"


def adt(
    seen: AlertView, delivery_id: str, receiver: tuple[str, str], zone: ZoneInfo, first_told: int = 0
) -> bytes | None:
    """The message to `receiver` (MSH-5, MSH-6). `None` where the recipient may not know whom it is about and nothing is
    taken back.
    """
    event = trigger(seen, first_told)
    if seen.person is None and event != "A11":
        return None
    at = sent_at(seen.decided_at, zone)
    occurred = sent_at(seen.occurred_at or seen.decided_at, zone)
    visit = [""] * 46
    visit[0:2] = ["PV1", "1"]
    visit[2] = CLASSES.get(seen.encounter_class, "U") if seen.encounter_class else "U"
    facility = cut(seen.facility, IS)
    visit[3] = f"^^^{facility}" if facility else ""
    visit[3] += f"^^^^^{cut(seen.facility, ST)}" if len(seen.facility) > IS else ""  # PL.9: whole
    visit[19] = f"{seen.alert_id}^^^WARMHANDOFF^VN"
    disposition = shown_as(seen.disposition)
    visit[36] = disposition if event == "A03" and len(disposition) <= IS else ""  # a part of a word is none
    visit[44] = sent_at(seen.started_at, zone) if seen.started_at else ""
    visit[45] = sent_at(seen.ended_at, zone) if seen.ended_at and event == "A03" else ""
    lines = [
        ["MSH", "^~\\&", "WARMHANDOFF", "WARMHANDOFF", shown_as(receiver[0]), shown_as(receiver[1]), at, "",
         f"ADT^{event}^{_STRUCTURES[event]}", delivery_id[:CONTROL_ID], "P", "2.5.1", "", "", "", "", "",
         "UNICODE UTF-8"],
        ["EVN", "", at, "", "", "", occurred, facility],
        person_fields(seen),
        visit,
    ]  # fmt: skip
    if event in ("A01", "A04") and seen.complaint:
        lines.append(["PV2", "", "", f"^{cut(seen.complaint, ST)}"])
    if seen.notice:
        lines.append(["OBX", "1", "TX", "NOTICE^Notice^L", "1", shown_as(seen.notice), "", "", "", "", "", "F"])
    return written(lines)
