"""One ADT message in; where it first departs from the grammar of its own version, as hl7apy has it, out.

What is judged is which segments there are and how many, fields that are required, and data types. MSH and EVN-1 are
not: what may be wrong with them is found in reading. It takes some 15 ms, a hundred times what reading does.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from hl7apy import SUPPORTED_LIBRARIES
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message

from parsers.hl7.er7 import Message
from parsers.hl7.triggers import STRUCTURES
from parsers.outcomes import Reject

ELSEWHERE: Final = "elsewhere"  # no segment of `SEGMENTS`, or a group of them
SEGMENTS: Final = frozenset(
    "ACC AL1 ARV DB1 DG1 DRG ERR EVN GT1 IAM IN1 IN2 IN3 MRG NK1 NPU NTE OBX PD1 PDA PID PR1 PRT PV1 PV2 ROL SFT UAC "
    "UB1 UB2".split()
)  # of HL7 chapter 3
_PLACE: Final = re.compile(r"\b([A-Z][A-Z0-9]{2})(?:_([0-9]{1,2}))?\b")
_VERSIONS: Final = frozenset(SUPPORTED_LIBRARIES) - {"2.1"}  # whose times need a precision that nobody sends
_EVN_1_GONE: Final = "2.7"
_WITHOUT_STRUCTURE: Final = frozenset({"2.2", "2.3"})  # MSH-9.3 came with 2.3.1


def departs_at(data: bytes, trigger: str) -> str | None:
    """A segment or field ("PV1", "PID-5"), "" where it conforms; `None` where nobody can say.

    That is so of a trigger or version that hl7apy has no grammar for, of unusual delimiters, and where it fails itself.
    """
    message = Message.parse(data)
    if isinstance(message, Reject) or message.unread or trigger not in STRUCTURES:
        return None
    version = message.get("MSH-12").strip()
    field, component, repetition, escape, subcomponent, _ = message.values.delimiters
    if version not in _VERSIONS or not subcomponent:
        return None
    structure = [] if version in _WITHOUT_STRUCTURE else [STRUCTURES[trigger]]
    kind = component.join(["ADT", trigger, *structure])
    marks = component + repetition + escape + subcomponent
    header = field.join(["MSH", marks, "A", "A", "A", "A", "20200101", "", kind, "1", "P", version])
    code = "" if version >= _EVN_1_GONE else trigger
    lines = [_with_code(line, field, code) if line.startswith("EVN") else line for line in message.lines[1:]]
    try:
        parsed = parse_message("\r".join([header, *lines]), VALIDATION_LEVEL.TOLERANT, find_groups=True)
        parsed.validate()
        placed = Counter(_segments(parsed))
    except HL7apyException as error:
        return _place(str(error))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):  # hl7apy's own
        return None
    left = Counter(line[:3] for line in lines if line[:1] != "Z") - placed  # hl7apy leaves out what fits nowhere
    return next((name if name in SEGMENTS else ELSEWHERE for name in left), "")


def _with_code(line: str, field: str, code: str) -> str:
    """EVN with this EVN-1."""
    name, _, rest = line.partition(field)
    return f"{name}{field}{code}{field}{rest.partition(field)[2]}"


def _segments(element: Any) -> Iterator[str]:
    for child in element.children:
        if child.classname == "Segment":
            yield child.name
        else:
            yield from _segments(child)


def _place(said: str) -> str:
    """The field, else the segment that hl7apy names; nothing else of its words, which may be the sender's."""
    named = [(name, number) for name, number in _PLACE.findall(said) if name in SEGMENTS]
    fields = [f"{name}-{number}" for name, number in named if number]
    return next(iter([*fields, *(name for name, _ in named)]), ELSEWHERE)
