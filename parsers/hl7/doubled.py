"""A message about one visit in; which segments it carries twice with two contents, noted, out.

The first of each counts: HL7 chapter 3 knows one EVN, PID, PV1 and PV2 of a visit. Two patients are more than a note:
the visit may be the other one's (`rules.deciding.groups.unsure`).
"""

from typing import TYPE_CHECKING, Final

from parsers.events import Finding
from parsers.hl7.pid import two_patients
from parsers.hl7.reader import MAX_REPETITIONS

if TYPE_CHECKING:
    from parsers.hl7.reader import Reader

_TELLS_APART: Final = {"EVN": 1, "PV1": 19, "PV2": 3}  # trigger, visit number, complaint


def note_doubled(reader: "Reader") -> None:
    """PID of two patients; EVN, PV1 and PV2 that name two triggers, visits or complaints."""
    message = reader.message
    if len(message.segments("PID")) > 1 and two_patients(reader):
        reader.note(Finding.STRUCTURE_WRONG, "PID")
    for name, number in _TELLS_APART.items():
        segments = message.segments(name)[:MAX_REPETITIONS]
        if len(segments) > 1 and len({segment.raw(number) for segment in segments} - {""}) > 1:
            reader.note(Finding.STRUCTURE_WRONG, name)
