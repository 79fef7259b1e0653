"""When a feed was heard in; how it usually talks and whether it has fallen silent out. Pure: `now` is an argument.

What is counted is events that happen once and by chance (admissions, discharges, moves), not messages, which come in
bursts. The rhythm is the mean number of them in each hour of the week over the last eight weeks, smoothed over three
hours, with a floor. A feed is late once so many were to be expected since the last one that none is unlikely, and
silent at the level L = c ln(30 N / c) for N of them a month: a feed whose events come c at a time, each time by chance
(Poisson), then raises one false alarm in thirty months, whatever its size. How many come at a time is learned from how
often the feed said nothing for longer than chance would have it: where three visits are a day's work, the admission,
the move and the discharge of one are not three. A moving mean of the last day scales the expectation down on holidays
and other slow days.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import groupby
from statistics import median, median_low
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
UNSURE: Final = 3.0  # and by so many standard deviations of what is usual, for it is known of few weeks
LONG: Final = 4.0  # events to be expected in a gap that says how many come at a time
OUTAGES: Final = 2  # longest gaps that say nothing of it
MOST_AT_A_TIME: Final = 4.0
DAYS_DIFFER: Final = 0.2  # least standard deviation of one day's volume beyond chance, as a share of it
MOST_DIFFER: Final = 0.6
BY_MEDIAN: Final = 1.4826  # standard deviation of what is normal, by its median from the middle


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
    clump: float = 1.0  # events that come at a time
    days_differ: float = DAYS_DIFFER  # standard deviation of one day's volume beyond chance, as a share of it
    events: float = math.inf  # that it was learned from

    @property
    def unsure(self) -> float:
        """Standard deviation of what is usual, as a share of it: it was learned from so few events."""
        return math.sqrt(self.clump / max(self.events, self.clump))

    @property
    def level(self) -> float:
        """Events to be expected in a silence that is none by chance."""
        return (DOUBT + UNSURE * self.unsure) * self.clump * math.log(30 * max(self.month / self.clump, 2.0))


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
    said: list[tuple[int, int]] = []  # each hour's place in the week, and events
    at = start
    while at + timedelta(hours=1) <= now:
        said.append((hour_of_week(at, zone), counts.get(at, 0)))
        at += timedelta(hours=1)
    weeks: list[list[int]] = [[] for _ in range(HOURS)]
    for place, events in said:
        weeks[place].append(events)
    sums, hours = [_without_bursts(came) for came in weeks], [len(came) for came in weeks]
    total, count = sum(sums), sum(hours)
    mean = total / count if count else 0.0
    rates = [sums[place] / hours[place] if hours[place] else mean for place in range(HOURS)]
    smooth = tuple(
        max((rates[place - 1] + rates[place] + rates[(place + 1) % HOURS]) / 3, FLOOR) for place in range(HOURS)
    )
    others = _by_the_others(sums, hours, said)
    clump = _clump(others, said)
    return Rhythm(smooth, since, mean * 720, clump, _days_differ(others, said, clump), total)


def _by_the_others(sums: Sequence[float], hours: Sequence[int], said: Sequence[tuple[int, int]]) -> list[float]:
    """What is due in each hour by all weeks but its own: else what did not come would never have been due."""
    came = [0, *(events for _, events in said), 0]
    due = []
    for number, (place, _) in enumerate(said):
        near = (place - 1, place, (place + 1) % HOURS)
        own = sum(came[number : number + 3])
        due.append(max(FLOOR, (sum(sums[at] for at in near) - own) / max(1, sum(hours[at] for at in near) - len(near))))
    return due


def _clump(due: Sequence[float], said: Sequence[tuple[int, int]]) -> float:
    """How many events come at a time, by how many gaps were long: as many as chance would have made of so many."""
    silent = [not events for _, events in said]
    gaps = [
        sum(hour for _, hour in gap)
        for none, gap in groupby(zip(silent, due, strict=True), lambda hour: hour[0])
        if none
    ]
    long = sum(gap >= LONG for gap in gaps) - OUTAGES
    chances = list(zip(due, _long_ahead(due), strict=False))

    def by_chance(clump: float) -> float:
        return sum((1 - math.exp(-hour / clump)) * math.exp(-ahead / clump) for hour, ahead in chances)

    low, high = 1.0, MOST_AT_A_TIME
    if long <= by_chance(low):
        return low
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (middle, high) if by_chance(middle) < long else (low, middle)
    return high


def _long_ahead(due: Sequence[float]) -> Iterator[float]:
    """After each hour what is due in the shortest gap that is long, as far as there are hours for one."""
    ahead, end = 0.0, 1
    for begin in range(1, len(due)):
        while ahead < LONG:
            if end == len(due):
                return
            ahead += due[end]
            end += 1
        yield ahead
        ahead -= due[begin]


def _days_differ(due: Sequence[float], said: Sequence[tuple[int, int]], clump: float) -> float:
    """The standard deviation of a full day's volume beyond chance, as a share of what is due on it; by the median, so
    that an outage says little of it."""
    hours = [(place // 24, hour, events) for hour, (place, events) in zip(due, said, strict=True)]
    days = [list(day) for _, day in groupby(hours, lambda hour: hour[0])][1:-1]
    both = [(sum(hour for _, hour, _ in day), sum(events for _, _, events in day)) for day in days]
    open_days = [(usual, came) for usual, came in both if usual >= LONG]
    if not open_days:
        return DAYS_DIFFER
    in_all = (BY_MEDIAN * median(abs(came / usual - 1) for usual, came in open_days)) ** 2
    by_chance = clump * median(1 / usual for usual, _ in open_days)
    return min(MOST_DIFFER, math.sqrt(max(in_all - by_chance, DAYS_DIFFER**2)))


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
