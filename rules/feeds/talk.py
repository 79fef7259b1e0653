"""What was heard of a feed, by what it says, in; how it talks as a whole and in its parts, and since when not, out.

Three ways to fall silent: nothing that happens once is told any more (also when updates go on), one part of it has
stopped (no discharges, no admissions), or much less comes than usual. The parts and the volume are looked at only
while the whole talks, so a feed has one state.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from rules.feeds.rhythm import Rhythm, Talk, learn, silence
from rules.feeds.volume import DAY, MOST_DAYS, Volume


class Said(StrEnum):
    """What a message tells, by its trigger."""

    ARRIVAL = "arrival"
    DISCHARGE = "discharge"
    MOVE = "move"
    OTHER = "other"  # updates and the like, which come in bursts


SAID: Final[Mapping[str, Said]] = {
    "A01": Said.ARRIVAL,
    "A04": Said.ARRIVAL,
    "A03": Said.DISCHARGE,
    "A02": Said.MOVE,
    "A06": Said.MOVE,
    "A07": Said.MOVE,
}  # HL7 chapter 3


class What(StrEnum):
    """What of a feed is quiet."""

    FEED = "feed"
    ARRIVALS = "arrivals"
    DISCHARGES = "discharges"
    VOLUME = "volume"


ONCE: Final = (Said.ARRIVAL, Said.DISCHARGE, Said.MOVE)  # what happens once and by chance
EVENTS_LEAST: Final = 0.05  # of the messages: with fewer events, a feed is one that tells none
PARTS: Final = {What.ARRIVALS: Said.ARRIVAL, What.DISCHARGES: Said.DISCHARGE}
LOOK_BACK: Final = (MOST_DAYS + 2) * DAY  # of what was heard: full days, and the one before a silence began
PART_LEAST: Final = 60.0  # events a month: fewer say nothing about a part
PART_DOUBT: Final = 1.3  # a part's level is so much higher, because there are several


class Heard(NamedTuple):
    """What was heard of one feed in each full hour (UTC), and when last."""

    hours: Mapping[Said, Mapping[datetime, int]]
    last: Mapping[Said, datetime]

    def counts(self, *said: Said) -> Counter[datetime]:
        """How often any of these was said, by hour."""
        by_hour: Counter[datetime] = Counter()
        for kind in said:
            by_hour.update(self.hours.get(kind, {}))
        return by_hour

    def last_of(self, *said: Said) -> datetime | None:
        """When one of these was said last."""
        return max((self.last[kind] for kind in said if kind in self.last), default=None)


class Usual(NamedTuple):
    """How one feed usually talks."""

    whole: Rhythm | None = None
    of: tuple[Said, ...] = tuple(Said)  # what the whole is: events, or all of a feed that tells next to none
    parts: Mapping[What, Rhythm] = {}
    burst: float = 1.0  # messages for each event


class State(NamedTuple):
    """How a feed is now."""

    talk: Talk
    what: What = What.FEED
    since: datetime | None = None  # the last of it; of a volume, where the span begins
    usual: float = 0.0  # messages that usually come meanwhile; of a part, events
    came: int = 0  # of a volume
    until: datetime | None = None  # of a planned pause: when it ends

    @property
    def is_quiet(self) -> bool:
        """Whether people are told: it is silent, a part of it is, or it has been thin for a day or longer."""
        return self.talk is Talk.SILENT or self.what is What.VOLUME


def said_by(trigger: str) -> Said:
    """What a message with this trigger tells."""
    return SAID.get(trigger, Said.OTHER)


def usual(heard: Heard, zone: ZoneInfo) -> Usual:
    """How a feed usually talks, learned from what was heard of it until it spoke last: a silence teaches nothing."""
    events, messages = heard.counts(*ONCE), heard.counts(*Said)
    of = ONCE if events.total() >= EVENTS_LEAST * messages.total() else tuple(Said)
    learned = {what: _learned(heard, zone, said) for what, said in PARTS.items()}
    parts = {what: rhythm for what, rhythm in learned.items() if rhythm and rhythm.month >= PART_LEAST}
    return Usual(_learned(heard, zone, *of), of, parts, messages.total() / max(1, heard.counts(*of).total()))


def _learned(heard: Heard, zone: ZoneInfo, *said: Said) -> Rhythm | None:
    last = heard.last_of(*said)
    return learn(heard.counts(*said), last, zone) if last else None


def state(
    how: Usual,
    heard: Heard,
    now: datetime,
    zone: ZoneInfo,
    slow_days: Sequence[datetime] = (),
    pauses: Sequence[tuple[datetime, datetime]] = (),
) -> State:
    """How a feed is at `now`. `slow_days`: any moment of each day that is usually slow, such as a holiday; `pauses`:
    from when to when it is down as planned."""
    counts, last = heard.counts(*how.of), heard.last_of(*how.of)
    whole = silence(how.whole, last, counts, now, zone, pauses=pauses, slow_days=slow_days)
    if whole.talk is Talk.PAUSED:
        return State(Talk.PAUSED, since=last, until=max(end for start, end in pauses if start <= now < end))
    whole_state = State(whole.talk, What.FEED, last, whole.expected * how.burst)
    if whole.talk in (Talk.SILENT, Talk.LEARNING) or how.whole is None:
        return whole_state
    for what, rhythm in how.parts.items():
        said = PARTS[what]
        part = silence(rhythm, heard.last_of(said), heard.counts(said), now, zone, pauses=pauses, slow_days=slow_days)
        if part.talk is Talk.SILENT and part.expected >= PART_DOUBT * rhythm.level:
            return State(Talk.SILENT, what, part.last_heard, part.expected)
    if whole.talk is Talk.TALKING:
        thin = Volume(how.whole, counts, zone, slow_days, pauses).thin(now)
        if thin is not None:
            return State(Talk.LATE, What.VOLUME, thin.since, thin.due * how.burst, round(thin.came * how.burst))
    return whole_state
