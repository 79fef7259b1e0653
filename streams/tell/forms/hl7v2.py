"""One alert version as its recipient may read it in; an HL7 v2.5.1 MDM message with a readable summary out.

The first version that its recipient is told is MDM^T02, a later one T10, what was taken back T11; these two name the
document that the recipient has.
"""

from typing import Final
from zoneinfo import ZoneInfo

from rules.decisions import Action
from rules.telling.views import AlertView
from streams.tell.hl7_documents import Document, message
from streams.tell.hl7_words import person_fields, summary

CONTENT_TYPE: Final = "x-application/hl7-v2+er7"


def mdm(
    seen: AlertView, delivery_id: str, receiver: tuple[str, str], zone: ZoneInfo, first_told: int = 0
) -> bytes | None:
    """A readable summary to `receiver` (MSH-5, MSH-6). `None` where the recipient may not know whom it is about and
    nothing is taken back. `first_told`: as of an `Item`.
    """
    retracted = seen.action is Action.RETRACT
    if seen.person is None and not retracted:
        return None
    trigger = "T11" if retracted else "T10" if first_told else "T02"
    first = "" if trigger == "T02" else f"{seen.alert_id}.{first_told or 1}"
    lines = () if retracted else summary(seen, zone)
    document = Document(trigger, f"{seen.alert_id}.{seen.version}", first, "SUMMARY^Stay summary^L", lines)
    return message(seen, document, person_fields(seen), delivery_id, receiver, zone)
