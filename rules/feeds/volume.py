"""What was heard of a feed in each hour in; the span in which much less came than usual, if there is one, out. Pure.

A day that loses nearly all is seen by itself. Less than that is seen over the last full days: what each lacked, in
standard deviations of such a day, is weighed by how much a loss would show on it and, for a loss that grows by as much
each day, by how near it is to today (matched filters). One day counts for so much and no more, so that an outage that
is over is no fade. Days on which next to nothing is due are left out: of an office the last seven are those of a week
and a half. Full days of the feed's own calendar, so the answer is the same from midnight to midnight.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from operator import mul
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from rules.feeds.rhythm import LEARNING, LONG, Rhythm, patient

DAY: Final = timedelta(days=1)
BEYOND: Final = 3.5  # standard deviations of one day that are no chance
NEWEST: Final = timedelta(hours=12)  # of that day: it must be thin as well, or the feed is back
LOW: Final = 0.6  # of the usual
LOSSES: Final = ((7, 6, 5, 4, 3, 2, 1), tuple(range(14, 0, -1)), (1,) * 7)  # of the last days, newest first: how much
FADED: Final = 2.5  # standard deviations of all of them that are no chance
MOST_DAYS: Final = 28  # that are looked through for open ones
MOST_OF_A_DAY: Final = 1.5  # standard deviations that one day counts for
GONE: Final = 0.1  # of the usual: less on a day is a silence, which was told then
STILL: Final = 0.8  # of the usual: with more on its newest day the feed is back

Spans = Sequence[tuple[datetime, datetime]]


class Thin(NamedTuple):
    """A span in which much less came than usual."""

    since: datetime
    due: float
    came: int


class _Span(NamedTuple):
    """A day of a feed, or part of one: what was due, what came, and by how much that varies by chance."""

    since: datetime
    due: float
    came: int
    spread: float

    @property
    def lack(self) -> float:
        """In standard deviations."""
        return (self.due - self.came) / self.spread


class Volume:
    """What came of a feed, held against its rhythm. `slow_days` and `pauses` as in `rules.feeds.talk.state`."""

    def __init__(
        self,
        rhythm: Rhythm,
        counts: Mapping[datetime, int],
        zone: ZoneInfo,
        slow_days: Sequence[datetime],
        pauses: Spans,
    ) -> None:
        self._rhythm = rhythm
        self._counts = counts
        self._zone = zone
        self._slow_days = slow_days
        self._pauses = pauses
        self._slow = {day.astimezone(zone).date() for day in slow_days}

    def thin(self, now: datetime) -> Thin | None:
        """The span in which much less came than usual, when it still does."""
        until = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        if self._learned(until - DAY):
            day = self._span(until - DAY, until)
            newest = self._span(until - NEWEST, until)
            if day.lack >= BEYOND and newest.came < LOW * newest.due:
                return Thin(*day[:3])
        return self._faded(now)

    def _faded(self, now: datetime) -> Thin | None:
        today = now.astimezone(self._zone).date()
        days = list(islice(self._open_days(today), max(map(len, LOSSES))))
        for losses in LOSSES:
            last = days[: len(losses)]
            if len(last) < len(losses) or last[0].came > STILL * last[0].due:
                continue
            shows = [self._shows(day) for day in last]
            weights = list(map(mul, losses, shows))
            lacks = (max(-MOST_OF_A_DAY, min(day.lack, MOST_OF_A_DAY)) for day in last)
            lack = sum(map(mul, weights, lacks))
            unsure = self._rhythm.unsure * sum(map(mul, weights, shows))
            if lack >= FADED * math.hypot(*weights, unsure) > 0:
                return Thin(last[-1].since, sum(day.due for day in last), sum(day.came for day in last))
        return None

    def _open_days(self, today: date) -> Iterator[_Span]:
        """The newest first. On the others next to nothing is due."""
        for back in range(1, MOST_DAYS + 1):
            since = self._midnight(today - back * DAY)
            if not self._learned(since):
                return
            day = self._span(since, self._midnight(today - (back - 1) * DAY))
            if day.due >= LONG:
                yield day

    def _shows(self, day: _Span) -> float:
        """How many standard deviations the loss of all would be; a slow day says nothing (nobody knows how slow), nor
        does one of silence."""
        is_slow = day.since.astimezone(self._zone).date() in self._slow
        return 0.0 if is_slow or day.came < GONE * day.due else day.due / day.spread

    def _midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self._zone).astimezone(UTC)

    def _learned(self, since: datetime) -> bool:
        return since >= self._rhythm.since + LEARNING

    def _span(self, since: datetime, until: datetime) -> _Span:
        came, due = self._against(since, until)
        by_chance = self._rhythm.clump * max(due, 1.0)
        return _Span(since, due, came, math.sqrt(by_chance + (self._rhythm.days_differ * due) ** 2))

    def _against(self, since: datetime, until: datetime) -> tuple[int, float]:
        """What came in a span and what was due, but for planned pauses."""
        came = sum(count for at, count in self._counts.items() if since <= at < until)
        down = [(max(start, since), min(end, until)) for start, end in self._pauses if start < until and end > since]
        paused = sum(self._due(start, end) for start, end in down)
        return came, max(0.0, self._due(since, until) - paused)

    def _due(self, since: datetime, until: datetime) -> float:
        return patient(self._rhythm, since, until, self._zone, self._slow_days)
