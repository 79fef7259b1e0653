"""When a feed was heard in; how it usually talks and whether it has fallen silent out. Pure: `now` is an argument.

What is counted is events that happen once and by chance (admissions, discharges, moves), not messages, which come in
bursts. The rhythm is the mean number of them in each hour of the week over the last eight weeks, smoothed over three
hours, with a floor. A feed is late once so many were to be expected since the last one that none is unlikely, and
silent at the level L = ln(30 N) for N of them a month: a Poisson feed then raises about one false alarm a month,
whatever its size. A moving mean of the last day scales the expectation down on holidays and other slow days.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from statistics import median_low
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

HOURS: Final = 168  # of a week, from Monday 00:00 local
WEEKS: Final = 8
FLOOR: Final = 0.02  # events an hour
LEARNING: Final = timedelta(weeks=2)
LATE_AT: Final = 0.6  # of the level
SLOWEST: Final = 0.25  # a day is never taken to be slower than this share of the usual
BURST: Final = 4.0  # standard deviations by chance that one week may be above the others
BURST_LEAST: Final = 3.0  # events that are no burst, however few there usually are
DOUBT: Final = 1.25  # the level is raised by so much for what days differ beyond chance


class Talk(StrEnum):
    """How a feed is."""

    LEARNING = "learning"
    TALKING = "talking"
    LATE = "late"
    SILENT = "silent"
    PAUSED = "paused"  # planned, by a person


class Rhythm(NamedTuple):
    """How a feed usually talks."""

    per_hour: tuple[float, ...]  # events, for each hour of the week
    since: datetime  # heard first
    month: float  # events in thirty days

    @property
    def level(self) -> float:
        return DOUBT * math.log(30 * max(self.month, 2.0))


class Silence(NamedTuple):
    """How a feed is now, and what was to be expected."""

    talk: Talk
    last_heard: datetime | None
    expected: float  # events since then


def hour_of_week(at: datetime, zone: ZoneInfo) -> int:
    """0 is Monday from midnight to one, local."""
    local = at.astimezone(zone)
    return local.weekday() * 24 + local.hour


def learn(counts: Mapping[datetime, int], now: datetime, zone: ZoneInfo) -> Rhythm | None:
    """The rhythm out of events by full hour (UTC). `None` before the first."""
    heard = [at for at, count in counts.items() if count and at <= now]
    if not heard:
        return None
    since = min(heard)
    start = max(since, now - timedelta(weeks=WEEKS)).replace(minute=0, second=0, microsecond=0)
    weeks: list[list[int]] = [[] for _ in range(HOURS)]
    at = start
    while at + timedelta(hours=1) <= now:
        weeks[hour_of_week(at, zone)].append(counts.get(at, 0))
        at += timedelta(hours=1)
    sums, hours = [_without_bursts(came) for came in weeks], [len(came) for came in weeks]
    total, count = sum(sums), sum(hours)
    mean = total / count if count else 0.0
    rates = [sums[place] / hours[place] if hours[place] else mean for place in range(HOURS)]
    smooth = tuple(
        max((rates[place - 1] + rates[place] + rates[(place + 1) % HOURS]) / 3, FLOOR) for place in range(HOURS)
    )
    return Rhythm(smooth, since, mean * 720)


def _without_bursts(came: Sequence[int]) -> float:
    """The sum of one hour over the weeks. What one week brought beyond chance (a backlog after an outage, the first
    load of a new feed) is no habit, and would be missed in every week after."""
    if not came:
        return 0.0
    usual = median_low(came)
    most = usual + BURST * math.sqrt(usual) + BURST_LEAST
    return sum(min(count, most) for count in came)


def expected(rhythm: Rhythm, since: datetime, until: datetime, zone: ZoneInfo) -> float:
    """Events to be expected in a span."""
    total, at, place = 0.0, since, hour_of_week(since, zone)
    one_offset = since.astimezone(zone).utcoffset() == until.astimezone(zone).utcoffset()
    while at < until:
        edge = min(at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1), until)
        total += rhythm.per_hour[place] * (edge - at).total_seconds() / 3600
        at, place = edge, (place + 1) % HOURS if one_offset else hour_of_week(edge, zone)
    return total


def pace(rhythm: Rhythm, counts: Mapping[datetime, int], until: datetime, zone: ZoneInfo) -> float:
    """How fast the day before `until` was against the usual, at most 1: slow days make us patient, never hasty."""
    start = until - timedelta(hours=24)
    usual = expected(rhythm, start, until, zone)
    came = sum(count for at, count in counts.items() if start <= at < until)
    return min(1.0, max(SLOWEST, (came + 1.0) / (usual + 1.0)))


def silence(
    rhythm: Rhythm | None,
    last_heard: datetime | None,
    counts: Mapping[datetime, int],
    now: datetime,
    zone: ZoneInfo,
    *,
    pauses: Sequence[tuple[datetime, datetime]] = (),
    slow_days: Sequence[datetime] = (),
) -> Silence:
    """How a feed is at `now`. `pauses`: planned down-times. `slow_days`: days that go slow (any moment of each)."""
    if any(start <= now < end for start, end in pauses):
        return Silence(Talk.PAUSED, last_heard, 0.0)
    if rhythm is None or last_heard is None:
        return Silence(Talk.LEARNING, last_heard, 0.0)
    since = max([last_heard, *(end for _, end in pauses if end <= now)])
    due = patient(rhythm, since, now, zone, slow_days) * pace(rhythm, counts, last_heard, zone)
    if now - rhythm.since < LEARNING:
        return Silence(Talk.LEARNING, last_heard, due)
    if due >= rhythm.level:
        return Silence(Talk.SILENT, last_heard, due)
    return Silence(Talk.LATE if due >= LATE_AT * rhythm.level else Talk.TALKING, last_heard, due)


def patient(rhythm: Rhythm, since: datetime, until: datetime, zone: ZoneInfo, slow_days: Sequence[datetime]) -> float:
    """What was to be expected in a span, a slow day counting for half, or as a Sunday where that is less: who is closed
    on weekends is closed on holidays."""
    slow = {day.astimezone(zone).date() for day in slow_days}
    total, at = 0.0, since
    while at < until:
        midnight = (at.astimezone(zone) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        edge = min(midnight.astimezone(UTC), until)
        due = expected(rhythm, at, edge, zone)
        if (day := at.astimezone(zone).date()) in slow:
            to_sunday = timedelta(days=6 - day.weekday())
            due = min(due / 2, expected(rhythm, at + to_sunday, edge + to_sunday, zone))
        total, at = total + due, edge
    return total
