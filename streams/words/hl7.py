"""What HL7 v2 messages of ours are written of: texts, times and segments in, fields and bytes out. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

_ESCAPES: Final = str.maketrans(
    {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
    | dict.fromkeys((*range(32), *range(127, 160)), " ")
)


def shown_as(value: str) -> str:
    """A text as HL7 v2 escapes it; control characters, which would end its segment or its frame, are blanks."""
    return value.translate(_ESCAPES)


def sent_at(at: datetime, zone: ZoneInfo) -> str:
    """A TS with its offset."""
    return f"{at.astimezone(zone):%Y%m%d%H%M%S%z}"


def written(segments: Iterable[list[str]]) -> bytes:
    """A message of these segments, each a list of its fields, the name first."""
    return "".join("|".join(segment).rstrip("|") + "\r" for segment in segments).encode()
