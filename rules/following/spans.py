"""A length of time as people say it in (`2 working hours`), and the moment that long after another out.

Working time is the office's hours on days that are neither weekend, holiday nor closed; a working day is as long as the
longest day of those hours. Everything is counted in the policy's zone.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from parsers.hours import DAY, Spans
from rules.deciding.clocks import is_business_day
from rules.policy.policy import Business

_SPAN: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(working\s+)?(s|sec|seconds?|min|minutes?|h|hours?|days?)\s*", re.I)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FAR: Final = 400  # days looked ahead or back for a working moment


class Span(NamedTuple):
    """So many seconds, or seconds of working time, or working days."""

    seconds: float
    working: bool = False
    days: bool = False  # `seconds` counts working days

    @classmethod
    def read(cls, text: str) -> "Span | None":
        """The span, or `None` when the text is not one."""
        match = _SPAN.fullmatch(text)
        if match is None:
            return None
        number, working, unit = float(match[1]), bool(match[2]), match[3][0].lower()
        return cls(number, True, True) if working and unit == "d" else cls(number * _SECONDS[unit], working)


class Office(NamedTuple):
    """When people work."""

    hours: Spans
    business: Business
    zone: ZoneInfo

    def opens(self, day: date) -> list[tuple[datetime, datetime]]:
        """The working spans of a local day, in UTC."""
        if not is_business_day(day, self.business):
            return []
        base = day.weekday() * DAY
        spans = []
        for start, end in self.hours:
            low, high = max(start - base, 0), min(end - base, DAY)
            if low < high:
                spans.append((_at(day, low, self.zone), _at(day, high, self.zone)))
        return spans

    def day_seconds(self) -> float:
        """The length of a working day: the longest of the week."""
        return max(
            sum(max(0, min(end - day * DAY, DAY) - max(start - day * DAY, 0)) for start, end in self.hours) * 60.0
            for day in range(7)
        )

    def working(self, at: datetime) -> bool:
        return any(start <= at < end for start, end in self.opens(at.astimezone(self.zone).date()))

    def next_opening(self, at: datetime) -> datetime:
        """`at` itself while people work, else when they next begin."""
        day = at.astimezone(self.zone).date()
        for number in range(_FAR):
            for start, end in self.opens(day + timedelta(days=number)):
                if at < end:
                    return max(at, start)
        return at

    def after(self, start: datetime, span: Span) -> datetime:
        """The moment `span` after `start`."""
        if not span.working:
            return start + timedelta(seconds=span.seconds)
        left = span.seconds * self.day_seconds() if span.days else span.seconds
        day = start.astimezone(self.zone).date()
        for number in range(_FAR):
            for opens, closes in self.opens(day + timedelta(days=number)):
                there = (closes - max(opens, start)).total_seconds()
                if there >= left and there > 0:
                    return max(opens, start) + timedelta(seconds=left)
                left -= max(there, 0.0)
        return start + timedelta(seconds=span.seconds)

    def before(self, end: datetime, span: Span) -> datetime:
        """The moment `span` before `end`."""
        if not span.working:
            return end - timedelta(seconds=span.seconds)
        left = span.seconds * self.day_seconds() if span.days else span.seconds
        day = end.astimezone(self.zone).date()
        for number in range(_FAR):
            for opens, closes in reversed(self.opens(day - timedelta(days=number))):
                there = (min(closes, end) - opens).total_seconds()
                if there >= left and there > 0:
                    return min(closes, end) - timedelta(seconds=left)
                left -= max(there, 0.0)
        return end - timedelta(seconds=span.seconds)


def _at(day: date, minute: int, zone: ZoneInfo) -> datetime:
    whole = day + timedelta(days=minute // DAY)
    return datetime.combine(whole, time(minute % DAY // 60, minute % 60), zone).astimezone(UTC)
