"""One alert version as its recipient may read it in; an HL7 v2.5.1 MDM message with a readable summary out.

A first version is MDM^T02 (original document and content), a later one T10 (replacement), what was taken back T11
(cancel), both of which name the first document in TXA-13 (HL7 v2.5.1 chapter 9). MSH-10 is made from the delivery id,
so a retry is the same message byte for byte.
"""

from typing import Final
from zoneinfo import ZoneInfo

from rules.decisions import Action
from rules.telling.views import AlertView
from streams.tell.hl7_words import CLASSES, CONTROL_ID, person_fields, summary
from streams.words.hl7 import sent_at, shown_as

CONTENT_TYPE: Final = "x-application/hl7-v2+er7"


def mdm(seen: AlertView, delivery_id: str, receiver: tuple[str, str], zone: ZoneInfo) -> bytes | None:
    """The message to `receiver` (MSH-5, MSH-6). `None` where the recipient may not know whom it is about and nothing is
    taken back.
    """
    retracted = seen.action is Action.RETRACT
    if seen.person is None and not retracted:
        return None
    trigger = "T11" if retracted else "T02" if seen.action is Action.NOTIFY else "T10"
    structure = "MDM_T01" if retracted else "MDM_T02"
    at = sent_at(seen.decided_at, zone)
    visit = CLASSES.get(seen.encounter_class, "U") if seen.encounter_class else "U"
    document = [""] * 18
    document[:4] = ["TXA", "1", "PN", "TX"]
    document[12] = f"{seen.alert_id}.{seen.version}^WARMHANDOFF"
    document[13] = "" if trigger == "T02" else f"{seen.alert_id}.1^WARMHANDOFF"
    document[17] = "AU"
    lines = [
        ["MSH", "^~\\&", "WARMHANDOFF", "WARMHANDOFF", shown_as(receiver[0]), shown_as(receiver[1]), at, "",
         f"MDM^{trigger}^{structure}", delivery_id[:CONTROL_ID], "P", "2.5.1", "", "", "", "", "", "UNICODE UTF-8"],
        ["EVN", "", at],
        person_fields(seen),
        ["PV1", "1", visit],
        document,
    ]  # fmt: skip
    if not retracted:
        lines += [
            ["OBX", str(number), "TX", "SUMMARY^Stay summary^L", str(number), shown_as(text), "", "", "", "", "", "F"]
            for number, text in enumerate(summary(seen, zone), 1)
        ]
    return "".join("|".join(line).rstrip("|") + "\r" for line in lines).encode()
