"""A document about one stay in; the HL7 v2.5.1 MDM message that carries it out (HL7 v2.5.1 chapter 9). Pure.

T02 is the original with its content, T10 a replacement, T11 a cancellation; both of these name the first document in
TXA-13. MSH-10 is made from the delivery id, so a retry is the same message byte for byte.
"""

from collections.abc import Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rules.telling.views import AlertView
from streams.tell.hl7_words import CLASSES, CONTROL_ID
from streams.words.hl7 import ST, lines_of, sent_at, shown_as, written


class Document(NamedTuple):
    """What TXA and OBX hold."""

    trigger: str
    number: str  # TXA-12
    first: str  # TXA-13, of the one that it replaces or cancels
    title: str  # OBX-3
    lines: Sequence[str]


def message(
    seen: AlertView,
    document: Document,
    person: list[str],
    delivery_id: str,
    receiver: tuple[str, str],
    zone: ZoneInfo,
) -> bytes:
    """The message that carries a document. `person`: the fields of PID."""
    at = sent_at(seen.decided_at, zone)
    visit = CLASSES.get(seen.encounter_class, "U") if seen.encounter_class else "U"
    structure = "MDM_T02" if document.lines else "MDM_T01"
    shown = [line for text in document.lines for line in lines_of(text, ST)]  # some readers take TX for ST
    notes = [""] * 18
    notes[:4] = ["TXA", "1", "PN", "TX"]
    notes[12] = f"{document.number}^WARMHANDOFF"
    notes[13] = f"{document.first}^WARMHANDOFF" if document.first else ""
    notes[17] = "AU"
    return written(
        [
            ["MSH", "^~\\&", "WARMHANDOFF", "WARMHANDOFF", shown_as(receiver[0]), shown_as(receiver[1]), at, "",
             f"MDM^{document.trigger}^{structure}", delivery_id[:CONTROL_ID], "P", "2.5.1", "", "", "", "", "",
             "UNICODE UTF-8"],
            ["EVN", "", at],
            person,
            ["PV1", "1", visit],
            notes,
            *(
                ["OBX", str(number), "TX", document.title, str(number), line, "", "", "", "", "", "F"]
                for number, line in enumerate(shown, 1)
            ),
        ]
    )  # fmt: skip


def as_training(body: bytes) -> bytes:
    """A message of ours with MSH-11 T."""
    return body.replace(b"|P|2.5.1|", b"|T|2.5.1|", 1)
