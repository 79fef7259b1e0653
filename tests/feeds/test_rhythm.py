"""Silence: what large, small and night-quiet feeds come to in simulated months, with and without an outage."""

import math
import random
from bisect import bisect_left, bisect_right
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from rules.feeds.rhythm import (
    LEARNING,
    Rhythm,
    Silence,
    Talk,
    expected,
    hour_of_week,
    learn,
    silence,
)

ZONE = ZoneInfo("America/New_York")
START = datetime(2026, 8, 3, 4, 0, tzinfo=UTC)  # Monday midnight in North Carolina
WEEKS = 14
NIGHT = [0.15] * 6 + [1.3] * 16 + [0.4] * 2
OFFICE = [0.0] * 8 + [2.0] * 9 + [0.0] * 7


def shape(hour: int, kind: str) -> float:
    if kind == "weekdays":
        return OFFICE[hour % 24] * 24 / 18 * 7 / 5 if hour < 120 else 0.0
    return NIGHT[hour % 24] * 24 / sum(NIGHT)


def visits(per_day: float, kind: str, seed: int) -> list[datetime]:
    """Poisson visits over the weeks; days differ by a fifth."""
    rng = random.Random(seed)
    times = []
    day_factor = 1.0
    for hour in range(WEEKS * 168):
        if hour % 24 == 0:
            day_factor = rng.lognormvariate(-0.02, 0.2)
        at = START + timedelta(hours=hour)
        rate = per_day / 24 * shape(hour_of_week(at, ZONE), kind) * day_factor
        count = 0
        threshold, product = math.exp(-rate), rng.random()
        while product > threshold:
            count += 1
            product *= rng.random()
        times += [at + timedelta(seconds=rng.uniform(0, 3600)) for _ in range(count)]
    return sorted(times)


def by_hour(times: list[datetime]) -> Counter[datetime]:
    return Counter(at.replace(minute=0, second=0, microsecond=0) for at in times)


def look(times: list[datetime], rhythm: Rhythm | None, now: datetime) -> Silence:
    heard = [at for at in times if at <= now]
    return silence(rhythm, heard[-1] if heard else None, by_hour(heard), now, ZONE)


def alarms(times: list[datetime], since: datetime, until: datetime) -> int:
    """How many incidents of silence there are, looking every half hour, with a rhythm learned each week."""
    count, was, now, rhythm = 0, False, since, None
    while now < until:
        if rhythm is None or hour_of_week(now, ZONE) == 6:
            rhythm = learn(by_hour(times[: bisect_right(times, now)]), now, ZONE)
        recent = times[bisect_left(times, now - timedelta(days=4)) : bisect_right(times, now)]
        last = recent[-1] if recent else None
        is_silent = False
        if last is None or now - last > timedelta(minutes=30):
            is_silent = silence(rhythm, last, by_hour(recent), now, ZONE).talk is Talk.SILENT
        count += is_silent and not was
        was, now = is_silent, now + timedelta(minutes=30)
    return count


@pytest.mark.parametrize(
    ("per_day", "kind", "within_hours"),
    [(600, "nights", 2), (120, "nights", 6), (20, "nights", 24), (25, "weekdays", 24)],
)
def test_silence_is_seen_in_time_and_seldom_for_nothing(per_day: float, kind: str, within_hours: float) -> None:
    times = visits(per_day, kind, seed=7)
    end = START + timedelta(weeks=WEEKS)
    month = end - timedelta(days=30)
    assert alarms(times, month, end) <= 1
    cut = (end - timedelta(days=10)).replace(hour=15, minute=0)  # a Thursday, 10 or 11 AM
    quiet = [at for at in times if at < cut]
    rhythm = learn(by_hour(quiet), cut, ZONE)
    assert look(quiet, rhythm, cut + timedelta(hours=within_hours * 2)).talk is Talk.SILENT
    assert look(quiet, rhythm, cut).talk in (Talk.TALKING, Talk.LATE)


def test_a_new_feed_is_learned_first_and_a_planned_pause_is_no_silence() -> None:
    times = visits(600, "nights", seed=3)
    early = START + LEARNING / 2
    rhythm = learn(by_hour([at for at in times if at <= early]), early, ZONE)
    assert look([times[0]], rhythm, early).talk is Talk.LEARNING
    assert silence(None, None, {}, early, ZONE).talk is Talk.LEARNING
    end = START + timedelta(weeks=WEEKS)
    whole = learn(by_hour(times), end, ZONE)
    down = (end, end + timedelta(hours=12))
    inside = silence(whole, times[-1], by_hour(times), end + timedelta(hours=6), ZONE, pauses=[down])
    after = silence(whole, times[-1], by_hour(times), down[1] + timedelta(minutes=5), ZONE, pauses=[down])
    assert (inside.talk, after.talk) == (Talk.PAUSED, Talk.TALKING)
    assert learn({}, end, ZONE) is None


def test_a_backlog_after_an_outage_is_no_habit() -> None:
    """It came on a Saturday to a feed of weekdays: the Saturdays after it are as quiet as those before."""
    times = visits(25, "weekdays", seed=5)
    down = START + timedelta(weeks=10), START + timedelta(weeks=10, days=5, hours=9)
    held_back = [at for at in times if down[0] <= at < down[1]]
    late = [down[1] + timedelta(seconds=20 * number) for number in range(len(held_back))]
    heard = sorted([*(at for at in times if at not in held_back), *late])
    for weeks in (11, 12):
        saturday = START + timedelta(weeks=weeks, days=5, hours=12)
        said = [at for at in heard if at <= saturday]
        assert look(said, learn(by_hour(said), said[-1], ZONE), saturday).talk is Talk.TALKING


def test_expectation_adds_up_and_a_slow_day_makes_patient() -> None:
    rhythm = Rhythm((2.0,) * 168, START, 1440)
    assert expected(rhythm, START, START + timedelta(hours=2, minutes=30), ZONE) == pytest.approx(5.0)
    later = START + timedelta(weeks=3)
    usual = silence(
        rhythm, later, {later - timedelta(hours=hour): 2 for hour in range(1, 25)}, later + timedelta(hours=6), ZONE
    )
    holiday = silence(rhythm, later, {later - timedelta(hours=hour): 2 for hour in range(1, 25)},
                      later + timedelta(hours=6), ZONE, slow_days=[later + timedelta(hours=3)])  # fmt: skip
    slow = silence(rhythm, later, {}, later + timedelta(hours=6), ZONE)
    assert slow.expected < holiday.expected < usual.expected
