"""What HL7 v2 messages of ours are written of: texts, times and segments in, fields and bytes out. Pure."""

import re
from collections.abc import Iterable
from datetime import datetime
from textwrap import wrap
from typing import Final
from zoneinfo import ZoneInfo

ST: Final = 199  # characters of a value of that type (HL7 v2.5.1 2.A.75)
IS: Final = 20  # 2.A.36
OID: Final = re.compile(r"[0-2](\.[0-9]+)+")  # an authority's universal id of type ISO (2.A.33)
_LONGEST_ESCAPE: Final = 3
_ESCAPES: Final = str.maketrans(
    {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
    | dict.fromkeys((*range(32), *range(127, 160)), " ")
)


def shown_as(value: str) -> str:
    """A text as HL7 v2 escapes it; control characters, which would end its segment or its frame, are blanks."""
    return value.translate(_ESCAPES)


def cut(value: str, most: int) -> str:
    """The same in no more than so many characters, the escapes counted; what was cut ends with …"""
    shown = shown_as(value)
    if len(shown) <= most:
        return shown
    kept, room = "", most - 1
    for letter in map(shown_as, value):
        room -= len(letter)
        if room < 0:
            break
        kept += letter
    return f"{kept}…"


def lines_of(text: str, most: int) -> list[str]:
    """The same in lines of no more than so many characters."""
    shown = shown_as(text)
    return [shown] if len(shown) <= most else [shown_as(line) for line in wrap(text, most // _LONGEST_ESCAPE)]


def sent_at(at: datetime, zone: ZoneInfo) -> str:
    """A TS with its offset."""
    return f"{at.astimezone(zone):%Y%m%d%H%M%S%z}"


def written(segments: Iterable[list[str]]) -> bytes:
    """A message of these segments, each a list of its fields, the name first."""
    return "".join("|".join(segment).rstrip("|") + "\r" for segment in segments).encode()
