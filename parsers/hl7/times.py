"""An HL7 time as sent and the zone of its facility in; an aware time in UTC, its precision and what was odd out.

HL7 2.A.22 (DTM): YYYY[MM[DD[HH[MM[SS[.S…]]]]]][+/-ZZZZ]; 2.1 to 2.4 add a precision component, which is ignored
because the digits say it. An offset wins over the zone. What senders write instead is read as well, as far as it is
certain:

| written | read as |
|---|---|
| `20261101120000123`, `20261101T120000`, `20261101 12:00` | a fraction without its point; date and time parted |
| `2026-11-01T12:00:00Z`, `2026/11/1 1:05 PM`, `2024-05` | ISO 8601 and its like; a year and a month, not an offset |
| `11/01/2026 13:05`, `31/12/2026` | month first, as in the United States, unless only the other way makes a date |
| `01-NOV-2026 12:00`, `Nov 1, 2026` | English months |
| `… EST`, `… PT`, `… UTC` | clock time in that zone of the United States, in summer and in winter |
| `20261101256000`, `202611011200 approx.` | as far as it makes sense, with `Finding.TIME_CUT` |

A date that does not exist is no time. A local time that the clock skipped in spring is read with the offset before the
change; one that it passed twice in autumn is read as the first of the two. Both are stated.
"""

import re
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from parsers.events import Finding

_LONGEST: Final = 60  # characters that are looked at
_DTM: Final = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:[.,](\d*))?)?)?)?)?)?(Z|[+-]\d{1,2}:?(?:\d{2})?)?",
    re.ASCII | re.IGNORECASE,
)
_DATES: Final = tuple(
    re.compile(pattern, re.ASCII | re.IGNORECASE)
    for pattern in (
        r"(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)(?!\d*[-/.]\d\d?[-/.])",
        r"(?P<y>\d{4})([-/.])(?P<m>\d{1,2})\2(?P<d>\d{1,2})(?!\d)",
        r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})(?!\d)",
        r"(?P<m>\d{1,2})([-/.])(?P<d>\d{1,2})\2(?P<y>\d{4})(?!\d)",
        r"(?P<d>\d{1,2})[- ]?(?P<n>[a-z]{3})[a-z]{0,6}\.?[- ,]{0,2}(?P<y>\d{4})(?!\d)",
        r"(?P<n>[a-z]{3})[a-z]{0,6}\.? ?(?P<d>\d{1,2}),? ?(?P<y>\d{4})(?!\d)",
        r"(?P<y>\d{4})(?P<m>\d\d)(?=\d?(?:\D|$))",
    )
)
_CLOCK: Final = re.compile(
    r"[T ]{0,2}(?:(\d\d)(?:(\d\d)(?:(\d\d)[.,:]?(\d*))?)?(?![:\d])"
    r"|(\d{1,2})(?::(\d\d)(?::(\d\d)(?:[.,:](\d*))?)?|(?= ?[AP]\.?M)))",
    re.ASCII | re.IGNORECASE,
)
_DIGITS: Final = re.compile(r"[T ]{0,2}(\d\d)(\d\d)?", re.ASCII | re.IGNORECASE)
_HALF: Final = re.compile(r" ?([AP])\.?M\b\.?", re.IGNORECASE)
_OFFSET: Final = re.compile(
    r" ?(?:(Z|UTC|GMT)\b|([+-]\d\d?:?(?:\d\d)?)(?!\d)|([ECMP])[SD]?T\b)", re.ASCII | re.IGNORECASE
)
_MONTHS: Final = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
_ZONES: Final = {
    "E": "America/New_York",
    "C": "America/Chicago",
    "M": "America/Denver",
    "P": "America/Los_Angeles",
}
_LARGEST_OFFSET: Final = timedelta(hours=14)


class Precision(IntEnum):
    """The smallest part that was sent."""

    YEAR = 1
    MONTH = 2
    DAY = 3
    HOUR = 4
    MINUTE = 5
    SECOND = 6


_PRECISIONS: Final = dict(enumerate(Precision, 1))  # by how many numbers were sent
_LEAST: Final = (1, 1, 1, 0, 0, 0)  # of what was not sent


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


class _Written(NamedTuple):
    """What a text holds: numbers as far as they were sent, microseconds, and the offset or zone it names."""

    numbers: list[int]
    fraction: int = 0
    offset: timedelta | None = None
    zone: str = ""
    cut: bool = False  # something follows, or lies outside of what a clock shows


@lru_cache(maxsize=4096)
def read_time(raw: str, zone: str) -> Moment | Finding | None:
    """`raw` at a facility in `zone`; `None` when empty, `Finding.TIME_UNREADABLE` when it is no time."""
    text = raw.strip()
    if not text:
        return None
    written = _written(text)
    if written is None:
        return Finding.TIME_UNREADABLE
    numbers, fraction, offset, named, cut = written
    precision = _PRECISIONS[len(numbers)]
    year, month, day, hour, minute, second = (*numbers, *_LEAST[len(numbers) :])
    try:
        later = None
        if hour == 24 and minute == second == 0:
            hour, later = 0, timedelta(days=1)
        if second == 60:
            second, later = 59, timedelta(seconds=1)
        local = datetime(year, month, day, hour, minute, second, fraction)  # noqa: DTZ001
        if later:
            local += later
        if offset is not None:
            at = (local - offset).replace(tzinfo=UTC)
            return Moment(at, local.date(), precision, True, Finding.TIME_CUT if cut else None)
        moment = _in_zone(local, named or zone, precision)
        if named:
            moment = moment._replace(offset_sent=True)
        return moment._replace(finding=Finding.TIME_CUT) if cut and not moment.finding else moment
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
        written = _written(text)
        if written is None or len(written.numbers) < Precision.DAY:
            return Finding.TIME_UNREADABLE
        return date(*written.numbers[:3])
    except ValueError:
        return Finding.TIME_UNREADABLE


def _written(text: str) -> _Written | None:
    """The parts of a time by the standard's grammar, else by what senders write."""
    match = _DTM.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None or (match[2] is None and match[8] and len(match[8]) <= 3):
        return _loosely(text[:_LONGEST], len(text) > _LONGEST)
    *parts, fraction, offset = match.groups()
    numbers = [int(part) for part in parts if part]
    kept = _on_a_clock(numbers)
    shift = _offset(offset) if offset else None
    if shift and abs(shift) > _LARGEST_OFFSET:
        return _Written(kept, cut=True)
    if len(kept) < len(numbers):
        return _Written(kept, 0, shift, cut=True)
    return _Written(numbers, int(f"{fraction}000000"[:6]) if fraction else 0, shift)


def _on_a_clock(numbers: list[int]) -> list[int]:
    """The numbers without what no clock shows: hour 25, minute 60."""
    hour, minute, second = (*numbers[3:], *(0, 0, 0)[len(numbers[3:]) :])
    if hour > 24 or (hour == 24 and (minute or second)):
        return numbers[:3]
    return numbers[:4] if minute > 59 else numbers[:5] if second > 60 else numbers


def _loosely(text: str, cut: bool) -> _Written | None:
    match = next((match for pattern in _DATES if (match := pattern.match(text))), None)
    if match is None:
        return None
    parts = match.groupdict()
    month = int(parts["m"]) if parts.get("m") else _month(parts.get("n") or "")
    numbers = [int(parts["y"]), month]
    if parts.get("d"):
        day = int(parts["d"])
        if month > 12 >= day and match.end("y") > match.end("m") and not parts.get("n"):
            numbers[1], day = day, month
        numbers.append(day)
    if not 1 <= numbers[1] <= 12:
        return None
    rest = text[match.end() :]
    fraction = 0
    if len(numbers) == Precision.DAY and (clock := _CLOCK.match(rest) or _DIGITS.match(rest)):
        times = [part for part in clock.groups() if part is not None]
        tail = rest[clock.end() :]
        half = _HALF.match(tail)
        numbers += [int(part) for part in times[:3]]
        fraction = int(f"{times[3] if len(times) > 3 else ''}000000"[:6])
        if half and 1 <= numbers[3] <= 12:
            numbers[3] = numbers[3] % 12 + (12 if half[1] in "Pp" else 0)
            tail = tail[half.end() :]
        rest = tail
    kept = _on_a_clock(numbers)
    if len(kept) < len(numbers):
        cut, fraction = True, 0
    offset = _OFFSET.match(rest)
    if offset is None:
        return _Written(kept, fraction, cut=cut or bool(rest.strip()))
    cut = cut or bool(rest[offset.end() :].strip())
    if offset[3]:
        return _Written(kept, fraction, None, _ZONES[offset[3].upper()], cut)
    shift = timedelta(0) if offset[1] else _offset(offset[2])
    if abs(shift) > _LARGEST_OFFSET:
        return _Written(kept, fraction, cut=True)
    return _Written(kept, fraction, shift, cut=cut)


def _month(name: str) -> int:
    """1 to 12; 0 for what is no month."""
    return _MONTHS.index(name.upper()) + 1 if name.upper() in _MONTHS else 0


@lru_cache(maxsize=256)
def _offset(text: str) -> timedelta:
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
