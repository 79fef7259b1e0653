"""Weekly hours: text such as `Mon-Fri 08:00-17:00; Sat 09:00-12:00` in, spans of minutes of the week out."""

import re
from datetime import datetime
from functools import lru_cache
from typing import Final

Spans = tuple[tuple[int, int], ...]  # minutes since Monday 00:00 local, start inclusive, end exclusive, sorted

DAY: Final = 24 * 60
WEEK: Final = 7 * DAY
ALWAYS: Final[Spans] = ((0, WEEK),)
EXPECTED: Final = "hours such as 'Mon-Fri 08:00-17:00; Sat 09:00-12:00'"

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_PART: Final = re.compile(
    r"(?:([a-z]{3})[a-z]*(?:-([a-z]{3})[a-z]*)?\s+)?(\d{1,2}):?(\d\d)\s*-\s*(\d{1,2}):?(\d\d)", re.IGNORECASE
)


@lru_cache(maxsize=1024)
def read_hours(text: str) -> Spans | None:
    """Spans of the week, `ALWAYS` for empty text, `None` when the text cannot be read.

    Without days a part holds for every day; an end at or before its start is on the next day.
    """
    if not text.strip():
        return ALWAYS
    spans: list[tuple[int, int]] = []
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        span = _PART.fullmatch(part)
        if span is None:
            return None
        first, last, *clock = span.groups()
        days = _days(first, last)
        opens, closes = int(clock[0]) * 60 + int(clock[1]), int(clock[2]) * 60 + int(clock[3])
        if not days or opens >= DAY or closes > DAY or int(clock[1]) > 59 or int(clock[3]) > 59:
            return None
        length = (closes - opens) % DAY or DAY
        for day in days:
            start = day * DAY + opens
            end = start + length
            spans.append((start, min(end, WEEK)))
            if end > WEEK:
                spans.append((0, end - WEEK))
    return _joined(spans)


def within(spans: Spans, local: datetime) -> bool:
    """Whether a local time falls into the spans."""
    minute = local.weekday() * DAY + local.hour * 60 + local.minute
    return any(start <= minute < end for start, end in spans)


def _days(first: str | None, last: str | None) -> list[int]:
    if first is None:
        return list(range(7))
    names = [name.lower() for name in (first, last or first)]
    if any(name not in _DAYS for name in names):
        return []
    start, end = (_DAYS.index(name) for name in names)
    return [day % 7 for day in range(start, end + 1 if end >= start else end + 8)]


def _joined(spans: list[tuple[int, int]]) -> Spans:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)
