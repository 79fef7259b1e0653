"""Months of simulated feeds: every kind of silence is seen within the time README states, and seldom for nothing."""

import math
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from rules.feeds.rhythm import Talk
from rules.feeds.talk import LOOK_BACK, Heard, Said, State, What, said_by, state, usual

ZONE = ZoneInfo("America/New_York")
START = datetime(2026, 8, 3, 4, 0, tzinfo=UTC)  # Monday midnight in North Carolina
WEEKS = 10
END = START + timedelta(weeks=WEEKS)
HOLIDAY = datetime(2026, 9, 21, 16, 0, tzinfo=UTC)  # in the month that is looked at
BUSY = [0.3] * 6 + [1.3] * 16 + [0.5] * 2
NIGHTS_OF_NOTHING = [0.0] * 6 + [1.4] * 15 + [0.3] * 3
OFFICE = [0.0] * 8 + [2.6] * 9 + [0.0] * 7


class Shape(NamedTuple):
    """How many visits a day there are, and when."""

    per_day: float
    hours: list[float]
    weekend: float = 0.8
    holiday: float = 0.6


LARGE = Shape(400, BUSY)
MIDDLE = Shape(120, BUSY)
RURAL = Shape(20, NIGHTS_OF_NOTHING)
SPARSE = Shape(3, NIGHTS_OF_NOTHING)
SPARSER = Shape(1, NIGHTS_OF_NOTHING)
OFFICES = Shape(25, OFFICE, weekend=0.0, holiday=0.0)
SHAPES = {"large": LARGE, "middle": MIDDLE, "rural": RURAL, "sparse": SPARSE, "sparser": SPARSER, "office": OFFICES}


class Message(NamedTuple):
    at: datetime
    said: Said


@cache
def month(shape_name: str, seed: int) -> tuple[Message, ...]:
    """Visits by chance, days that differ by a fifth, a holiday (offices are closed); mostly updates."""
    shape, rng, messages, day_factor = SHAPES[shape_name], random.Random(seed), [], 1.0
    for hour in range(WEEKS * 168):
        at = START + timedelta(hours=hour)
        local = at.astimezone(ZONE)
        if local.hour == 0:
            day_factor = rng.lognormvariate(-0.02, 0.2) * (shape.holiday if local.date() == HOLIDAY.date() else 1.0)
        weekend = shape.weekend if local.weekday() >= 5 else 1.0
        rate = shape.per_day / sum(shape.hours) * shape.hours[local.hour] * weekend * day_factor
        for _ in range(_poisson(rng, rate)):
            came = at + timedelta(seconds=rng.uniform(0, 3600))
            stays = timedelta(
                hours=rng.lognormvariate(1.2, 0.5) if rng.random() < 0.7 else rng.lognormvariate(4.2, 0.6)
            )
            left = came + stays if shape.hours is not OFFICE else came + timedelta(hours=1)
            messages += [Message(came, Said.ARRIVAL), Message(left, Said.DISCHARGE)]
            messages += [Message(came + stays * rng.random(), Said.OTHER) for _ in range(_poisson(rng, 1.3))]
            messages += [Message(came + stays * rng.random(), Said.MOVE)] if rng.random() < 0.3 else []
    return tuple(sorted(message for message in messages if message.at < END))


def _poisson(rng: random.Random, rate: float) -> int:
    count, threshold, product = 0, math.exp(-rate), rng.random()
    while product > threshold:
        count, product = count + 1, product * rng.random()
    return count


class Ear:
    """What was heard of a feed by any moment."""

    def __init__(self, messages: tuple[Message, ...]) -> None:
        self.times = {said: [message.at for message in messages if message.said is said] for said in Said}
        self.hours = {
            said: Counter(at.replace(minute=0, second=0, microsecond=0) for at in times)
            for said, times in self.times.items()
        }

    def heard(self, now: datetime, back: timedelta) -> Heard:
        first = now.replace(minute=0, second=0, microsecond=0) - back
        wanted = [first + timedelta(hours=hour) for hour in range(int(back / timedelta(hours=1)))]
        hours: dict[Said, Mapping[datetime, int]] = {
            said: {at: counts[at] for at in wanted if at in counts} for said, counts in self.hours.items()
        }
        last = {said: times[place - 1] for said, times in self.times.items() if (place := bisect_right(times, now))}
        return Heard({said: counts for said, counts in hours.items() if counts}, last)


def looks(messages: tuple[Message, ...], since: datetime, until: datetime, step: int) -> list[tuple[datetime, State]]:
    """The state every `step` hours, the rhythm learned anew each week."""
    ear, states, how = Ear(messages), [], None
    for number in range(0, int((until - since) / timedelta(hours=1)), step):
        now = since + timedelta(hours=number)
        if how is None or not number % 168:
            how = usual(ear.heard(now, timedelta(weeks=8)), ZONE)
        states.append((now, state(how, ear.heard(now, LOOK_BACK), now, ZONE, [HOLIDAY])))
    return states


def incidents(states: list[tuple[datetime, State]]) -> int:
    """How often it began to be silent, or thin."""
    wrong = [stand.is_quiet for _, stand in states]
    return sum(now and not before for before, now in zip([False, *wrong], wrong, strict=False))


@pytest.mark.parametrize(
    ("name", "seed"), [("large", 1), *((name, seed) for name in ("middle", "rural", "office") for seed in (1, 2))]
)
def test_at_most_one_false_alarm_a_feed_and_month(name: str, seed: int) -> None:
    assert incidents(looks(month(name, seed), END - timedelta(days=30), END, step=2)) <= 1


@pytest.mark.parametrize(("name", "seed"), [("sparse", 5), ("sparse", 34), ("sparser", 1)])
def test_of_a_feed_that_says_little_little_is_known_and_it_is_waited_for_longer(name: str, seed: int) -> None:
    """In the first month that is looked at."""
    begin = START + timedelta(days=14)
    assert incidents(looks(month(name, seed), begin, begin + timedelta(days=30), step=4)) <= 1


CUT = (END - timedelta(days=12)).replace(hour=15)  # a Wednesday, 11 AM


def all_gone(message: Message, rng: random.Random) -> bool:
    return message.at < CUT


def only_updates(message: Message, rng: random.Random) -> bool:
    return message.at < CUT or message.said is Said.OTHER


def no_discharges(message: Message, rng: random.Random) -> bool:
    return message.at < CUT or message.said is not Said.DISCHARGE


def no_arrivals(message: Message, rng: random.Random) -> bool:
    return message.at < CUT or message.said is not Said.ARRIVAL


def half(message: Message, rng: random.Random) -> bool:
    return message.at < CUT or rng.random() < 0.5


def fade(message: Message, rng: random.Random) -> bool:
    """Less every day until nothing is left after ten."""
    return rng.random() > (message.at - CUT) / timedelta(days=10)


def slow_fade(message: Message, rng: random.Random) -> bool:
    """A twentieth less every day."""
    return message.at < CUT or rng.random() < 0.95 ** ((message.at - CUT) / timedelta(days=1))


Loss = Callable[[Message, random.Random], bool]


@pytest.mark.parametrize(
    ("loss", "what", "hours"),
    [
        (all_gone, What.FEED, {"large": 1, "middle": 4, "rural": 24, "office": 24}),
        (only_updates, What.FEED, {"large": 1, "middle": 4, "rural": 24, "office": 24}),
        (no_discharges, What.DISCHARGES, {"large": 2, "middle": 8, "rural": 48, "office": 48}),
        (no_arrivals, What.ARRIVALS, {"large": 2, "middle": 8, "rural": 48, "office": 48}),
        (all_gone, What.FEED, {"sparse": 5 * 24}),
        (half, What.VOLUME, {"large": 5 * 24, "middle": 5 * 24}),
        (slow_fade, What.VOLUME, {"large": 12 * 24, "middle": 12 * 24}),
        (fade, None, {"large": 8 * 24, "middle": 8 * 24, "rural": 10 * 24, "office": 10 * 24}),
    ],
)
def test_a_loss_is_seen_in_time(loss: Loss, what: What | None, hours: dict[str, int]) -> None:
    for name, within in hours.items():
        rng = random.Random(7)
        heard = tuple(message for message in month(name, 1) if loss(message, rng))
        states = looks(heard, CUT, CUT + timedelta(hours=within + 1), step=1 if within <= 48 else 12)
        seen = next(((at, stand) for at, stand in states if stand.is_quiet), None)
        assert seen, f"{name} is not seen within {within} h"
        assert what in (None, seen[1].what)
        assert seen[0] - CUT <= timedelta(hours=within)


BEFORE: Final = timedelta(weeks=2)  # so that there is time to see it


@pytest.mark.parametrize(("loss", "seed"), [(half, 4), (half, 5), (slow_fade, 1)])
def test_of_an_office_the_days_on_which_it_is_open_count(loss: Loss, seed: int) -> None:
    rng = random.Random(7 * seed)
    heard = tuple(message for message in month("office", seed) if loss(message._replace(at=message.at + BEFORE), rng))
    began = CUT - BEFORE
    states = looks(heard, began, began + timedelta(days=21), step=24)
    assert What.VOLUME in {stand.what for _, stand in states if stand.is_quiet}


def test_what_a_trigger_tells_and_a_feed_that_tells_only_updates() -> None:
    assert [said_by(trigger) for trigger in ("A01", "A03", "A06", "A08", "")] == [
        *(Said.ARRIVAL, Said.DISCHARGE, Said.MOVE, Said.OTHER, Said.OTHER)
    ]
    ear = Ear(tuple(message for message in month("middle", 1) if message.said is Said.OTHER))
    heard = ear.heard(END, timedelta(weeks=8))
    how = usual(heard, ZONE)
    assert (how.of, how.burst) == (tuple(Said), 1.0)
    assert state(how, heard, END + timedelta(days=2), ZONE).talk is Talk.SILENT


def test_a_feed_is_learned_first_and_nothing_heard_is_nothing_learned() -> None:
    ear = Ear(month("middle", 1))
    early = START + timedelta(days=5)
    heard = ear.heard(early, timedelta(days=5))
    assert state(usual(heard, ZONE), heard, early + timedelta(days=3), ZONE).talk is Talk.LEARNING
    nothing = Heard({}, {})
    assert state(usual(nothing, ZONE), nothing, early, ZONE) == State(Talk.LEARNING)


def test_a_feed_that_came_back_is_not_thin_for_days() -> None:
    down = CUT + timedelta(days=2)
    messages = tuple(message for message in month("middle", 1) if not CUT <= message.at < down)
    after = looks(messages, down + timedelta(hours=12), down + timedelta(days=5), step=3)
    assert [look for look in after if look[1].is_quiet] == []


def test_who_is_closed_on_weekends_is_no_silence_on_a_holiday() -> None:
    closed = [HOLIDAY.astimezone(ZONE).replace(hour=hour) for hour in (9, 12, 17, 23)]
    ear = Ear(month("office", 1))
    how = usual(ear.heard(closed[0], timedelta(weeks=8)), ZONE)
    for at in closed:
        heard = ear.heard(at.astimezone(UTC), LOOK_BACK)
        assert state(how, heard, at, ZONE, [HOLIDAY]).talk is Talk.TALKING
    assert state(how, heard, closed[-1], ZONE).talk is Talk.SILENT  # on any other Monday


def test_two_open_days_a_week_even_out_less_than_seven() -> None:
    """Half of the usual: of seven days that is no chance, of two it may be one."""
    whole_week = {START + timedelta(hours=hour): 4 for hour in range(8 * 168) if hour % 24 in range(13, 21)}
    weekend = {at: 14 for at in whole_week if at.astimezone(ZONE).weekday() >= 5}
    now = START + timedelta(weeks=8)
    for hours, what in ((whole_week, What.VOLUME), (weekend, What.FEED)):
        last_week = {at: count // 2 if at >= now - timedelta(weeks=1) else count for at, count in hours.items()}
        how = usual(Heard({Said.ARRIVAL: hours}, {Said.ARRIVAL: now - timedelta(weeks=1)}), ZONE)
        heard = Heard({Said.ARRIVAL: last_week}, {Said.ARRIVAL: max(hours)})
        assert state(how, heard, now, ZONE).what is what


def test_a_planned_pause_is_not_held_against_a_feed_that_is_back() -> None:
    pause = (CUT, CUT + timedelta(hours=24))
    messages = tuple(message for message in month("large", 1) if not pause[0] <= message.at < pause[1])
    ear, now = Ear(messages), pause[1] + timedelta(hours=1, minutes=10)
    how, heard = usual(ear.heard(CUT, timedelta(weeks=8)), ZONE), ear.heard(now, LOOK_BACK)
    assert state(how, heard, now, ZONE).what is What.VOLUME
    assert state(how, heard, now, ZONE, (), [pause]).talk is Talk.TALKING
    inside = CUT + timedelta(hours=10)
    paused = state(how, ear.heard(inside, LOOK_BACK), inside, ZONE, (), [pause, (CUT, inside)])
    assert (paused.talk, paused.until, paused.is_quiet) == (Talk.PAUSED, pause[1], False)
