"""What each feed said in; whether it has fallen silent for its own rhythm, written for pages, mails and ops, out."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from parsers.feeds import Feeds
from rules.deciding.clocks import is_business_day
from rules.feeds.heard import Hearing
from rules.feeds.rhythm import WEEKS, Talk
from rules.feeds.talk import LOOK_BACK, Heard, State, Usual, state, usual
from rules.policy.policy import Policy
from streams.run import metrics
from streams.store import Store
from streams.store.ticks import Turn

EVERY_SECONDS: Final = 30.0
LEARN_EVERY: Final = timedelta(hours=6)
FORGOTTEN: Final = timedelta(days=30)  # a feed that has said nothing for so long is none any more
LEVELS: Final = {Talk.LATE: 1, Talk.SILENT: 2}


class Silence:
    """Knows how each feed usually talks, and holds what it says now against that."""

    def __init__(self, store: Store, feeds: Callable[[], Feeds], policy: Callable[[], Policy]) -> None:
        self._store = store
        self._feeds = feeds
        self._policy = policy
        self._usual: dict[str, Usual] = {}
        self._learned_at: datetime | None = None
        self._hearing: Hearing | None = None
        self._turn: Turn | None = None  # of which `_hearing` has seen everything that was folded

    def run(self, turn: Turn, now: datetime) -> None:
        """One tick. Raises `Unavailable`, also when another process has taken the turn over."""
        heard = self._hear(turn, now - LOOK_BACK)
        if self._learned_at is None or not timedelta() <= now - self._learned_at < LEARN_EVERY:
            learned = self._store.feed_talk.heard(now - timedelta(weeks=WEEKS))
            self._usual = {feed: usual(heard, self._zone(feed)) for feed, heard in learned.items()}
            self._learned_at = now
        slow = self._holidays(now)
        parked = {parking.feed for parking in self._store.keeping_up.parked()}
        states = {feed: self._state(feed, said, now, slow) for feed, said in heard.items() if _known(said, now)}
        states |= {feed: State(Talk.PAUSED) for feed in states if feed in parked}
        self._store.feed_talk.put(turn, states, now)

    def _hear(self, turn: Turn, since: datetime) -> dict[str, Heard]:
        """What each feed said since then: read once in a turn, kept up by what is folded under it."""
        hearing, self._hearing = self._hearing, None  # whatever fails below, the next tick reads anew
        if turn != self._turn or (hearing is not None and since < hearing.begins):
            hearing = None
        more = True
        while more:
            added, more = self._store.feed_talk.fold(turn)
            if hearing is not None:
                hearing.add(added)
        self._hearing = hearing or Hearing(self._store.feed_talk.heard(since), since)
        self._turn = turn
        return self._hearing.since(since)

    def _state(self, feed: str, heard: Heard, now: datetime, slow: list[datetime]) -> State:
        configured = self._feeds().named(feed)
        pauses = configured.planned() if configured else ()
        return state(self._usual.get(feed, Usual()), heard, now, self._zone(feed), slow, pauses)

    def _zone(self, feed: str) -> ZoneInfo:
        configured = self._feeds().named(feed)
        return ZoneInfo(configured.zone) if configured else self._policy().tz

    def _holidays(self, now: datetime) -> list[datetime]:
        business = self._policy().business
        days = [now - timedelta(days=back) for back in range(FORGOTTEN.days)]
        local = [day.astimezone(self._policy().tz) for day in days]
        return [day for day in local if day.weekday() < 5 and not is_business_day(day.date(), business)]


def _known(heard: Heard, now: datetime) -> bool:
    last = heard.last_of(*heard.last)
    return last is not None and now - last < FORGOTTEN


def gauge(store: Store, shown: set[str]) -> None:
    """Say how quiet each feed is, in every process, whoever looked. `shown`: feeds that were said before, kept up here.

    Raises `Unavailable`.
    """
    now_known = {talk.feed: LEVELS.get(talk.state.talk, 0) for talk in store.feed_talk.all()}
    for feed, level in now_known.items():
        metrics.FEED_QUIET.labels(feed).set(level)
    for feed in shown - now_known.keys():
        metrics.FEED_QUIET.remove(feed)
    shown.clear()
    shown.update(now_known)
