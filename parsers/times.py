"""An HL7 time as sent and the zone of its facility in; an aware time in UTC, its precision and what was odd out.

HL7 2.A.22 (DTM): YYYY[MM[DD[HH[MM[SS[.S…]]]]]][+/-ZZZZ]; 2.1 to 2.4 add a precision component, which is ignored
because the digits say it. ISO 8601 with dashes, colons and T is read too: senders use it. An offset wins over the zone.
A local time that the clock skipped in spring is read with the offset before the change; one that it passed twice in
autumn is read as the first of the two. Both are stated.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from parsers.events import Finding

_LONGEST: Final = 40
_DTM: Final = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:[.,](\d*))?)?)?)?)?)?(Z|[+-]\d{1,2}:?(?:\d{2})?)?",
    re.ASCII | re.IGNORECASE,
)
_ISO: Final = re.compile(
    r"(\d{4})-(\d{1,2})(?:-(\d{1,2})(?:[T ](\d{1,2})(?::(\d{2})(?::(\d{2})(?:[.,](\d*))?)?)?)?)?"
    r" ?(Z|[+-]\d{1,2}:?(?:\d{2})?)?",
    re.ASCII | re.IGNORECASE,
)
_AMERICAN: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)


class Precision(IntEnum):
    """The smallest part that was sent."""

    YEAR = 1
    MONTH = 2
    DAY = 3
    HOUR = 4
    MINUTE = 5
    SECOND = 6


class Moment(NamedTuple):
    """A time in UTC, the calendar day it has at the facility, and how it was written."""

    at: datetime
    day: date
    precision: Precision
    offset_sent: bool
    finding: Finding | None = None


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo | None:
    """The IANA zone of that name; `None` when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@lru_cache(maxsize=4096)
def read_time(raw: str, zone: str) -> Moment | Finding | None:
    """`raw` at a facility in `zone`; `None` when empty, `Finding.TIME_UNREADABLE` when it is no time."""
    text = raw.strip()
    if not text:
        return None
    found = _fields(text)
    if found is None:
        return Finding.TIME_UNREADABLE
    numbers, fraction, offset = found
    precision = Precision(len(numbers))
    year, month, day, hour, minute, second = (*numbers, *(1, 1, 1, 0, 0, 0)[len(numbers) :])
    try:
        later = timedelta()
        if hour == 24 and minute == second == 0:
            hour, later = 0, timedelta(days=1)
        if second == 60:
            second, later = 59, timedelta(seconds=1)
        local = datetime(year, month, day, hour, minute, second, fraction) + later  # noqa: DTZ001
        if offset is not None:
            return Moment(local.replace(tzinfo=timezone(offset)).astimezone(UTC), local.date(), precision, True)
        return _in_zone(local, zone, precision)
    except (ValueError, OverflowError):
        return Finding.TIME_UNREADABLE


def read_date(raw: str) -> date | Finding | None:
    """The calendar day in `raw`, whatever follows it; `None` when empty."""
    text = raw.strip()
    if not text:
        return None
    try:
        if len(text) == 8 and text.isascii() and text.isdecimal():
            return date(int(text[:4]), int(text[4:6]), int(text[6:]))
        found = _fields(text)
        if found is None or len(found[0]) < Precision.DAY:
            return Finding.TIME_UNREADABLE
        return date(*found[0][:3])
    except ValueError:
        return Finding.TIME_UNREADABLE


def _fields(text: str) -> tuple[list[int], int, timedelta | None] | None:
    """Numbers as far as sent, microseconds, offset."""
    if len(text) > _LONGEST:
        return None
    if american := _AMERICAN.fullmatch(text):
        return [int(american[3]), int(american[1]), int(american[2])], 0, None
    found = _DTM.fullmatch(text) or _ISO.fullmatch(text)
    if found is None:
        return None
    *parts, fraction, offset = found.groups()
    numbers = [int(part) for part in parts if part is not None]
    return numbers, int(f"{fraction or ''}000000"[:6]), _offset(offset) if offset else None


def _offset(text: str) -> timedelta | None:
    if text in ("Z", "z"):
        return timedelta()
    digits = text[1:].replace(":", "")
    hours, minutes = (int(digits[:-2]), int(digits[-2:])) if len(digits) > 2 else (int(digits), 0)
    size = timedelta(hours=hours, minutes=minutes)
    return -size if text[0] == "-" else size


def _in_zone(local: datetime, zone: str, precision: Precision) -> Moment:
    place = zone_of(zone) or UTC
    first = local.replace(tzinfo=place)
    at = first.astimezone(UTC)
    finding = None
    if first.utcoffset() != local.replace(tzinfo=place, fold=1).utcoffset():
        skipped = at.astimezone(place).replace(tzinfo=None) != local
        finding = Finding.TIME_NONEXISTENT if skipped else Finding.TIME_AMBIGUOUS
    return Moment(at, local.date(), precision, False, finding)
