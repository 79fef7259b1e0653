"""What feeds said in, each hour's sums and how each feed is against its own rhythm out. Facts go to the report cards.

Endings are added up in their own transaction, as rows nobody else touches: several workers end messages of one feed at
once, and none waits for another's row. Whoever has the turn folds them into the hours.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, func, select, update

from parsers.feeds import BY_HAND
from rules.endings import Ending, LedgerEntry
from rules.feeds.card import counted
from rules.feeds.heard import Added
from rules.feeds.rhythm import WEEKS, Talk
from rules.feeds.talk import Heard, Said, State, What, said_by
from streams.store.database import Database, delete_in_steps, write_rows
from streams.store.feed_weeks import add_to_weeks
from streams.store.tables import feed_hours, feed_talk, feed_tallies, from_us, to_us
from streams.store.ticks import Turn, fence

HOURS_DAYS: Final = 7 * (WEEKS + 1)  # the rhythm is learned from eight weeks
HOUR_US: Final = 3_600_000_000
_AT_ONCE: Final = 5_000
_TALKS: Final = frozenset(said.value for said in Said)
_TALK: Final = ("feed", "talk", "what", "since_us", "usual", "came", "until_us", "changed_us")


class FeedTalk(NamedTuple):
    """How one feed is, since when it is so, and when its hospital was told."""

    feed: str
    state: State
    changed_at: datetime
    told_at: datetime | None


class Folded(NamedTuple):
    """What was taken up of what feeds said, and whether there is more."""

    added: tuple[Added, ...]
    more: bool


def tally(connection: Connection, entries: Iterable[LedgerEntry]) -> None:
    """Add up what feeds said with these messages, which ended just now. Test messages say nothing about a feed."""
    counts: Counter[tuple[str, str, int]] = Counter()
    last: dict[tuple[str, str, int], int] = {}
    for entry in entries:
        if entry.feed not in ("", BY_HAND) and entry.ending is not Ending.TEST_MESSAGE:
            at = to_us(entry.received_at)
            for said in (said_by(entry.trigger), *counted(entry)):
                key = (entry.feed, str(said), at - at % HOUR_US)
                counts[key] += 1
                last[key] = max(last.get(key, 0), at)
    rows = [(*key, count, last[key]) for key, count in sorted(counts.items())]
    write_rows(connection, feed_tallies, ("feed", "said", "hour_us", "messages", "last_us"), rows)


def add_facts(connection: Connection, facts: Iterable[tuple[str, str]], now: datetime) -> None:
    """Add (feed, fact) that no ending carries to the report cards."""
    at = to_us(now)
    rows = [
        (feed, fact, at - at % HOUR_US, count, at)
        for (feed, fact), count in sorted(Counter(facts).items())
        if feed not in ("", BY_HAND)
    ]
    write_rows(connection, feed_tallies, ("feed", "said", "hour_us", "messages", "last_us"), rows)


class FeedTalks:
    """Sums by hour, and the newest state of each feed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fold(self, turn: Turn) -> Folded:
        """Take up what was added up since. Raises `Unavailable`."""
        with self._database.writing() as connection:
            fence(connection, turn)
            rows = connection.execute(select(feed_tallies).order_by(feed_tallies.c.tally_id).limit(_AT_ONCE)).all()
            talk = [row for row in rows if row.said in _TALKS]
            _into_hours(connection, ((row.feed, row.hour_us, row.said, row.messages, row.last_us) for row in talk))
            facts = [row for row in rows if row.said not in _TALKS]
            add_to_weeks(connection, ((row.feed, row.hour_us, row.said, row.messages) for row in facts))
            for first in range(0, len(rows), 500):
                ids = [row.tally_id for row in rows[first : first + 500]]
                connection.execute(delete(feed_tallies).where(feed_tallies.c.tally_id.in_(ids)))
        added = tuple(
            Added(row.feed, Said(row.said), from_us(row.hour_us), row.messages, from_us(row.last_us)) for row in talk
        )
        return Folded(added, len(rows) == _AT_ONCE)

    def add(self, facts: Iterable[tuple[str, str]], now: datetime) -> None:
        """Add (feed, fact) that no ending carries to the report cards. Raises `Unavailable`."""
        with self._database.writing() as connection:
            add_facts(connection, facts, now)

    def heard(self, since: datetime) -> dict[str, Heard]:
        """What each feed said in each hour from `since` on, and when it said each thing last."""
        hours: defaultdict[str, dict[Said, dict[datetime, int]]] = defaultdict(dict)
        last: defaultdict[str, dict[Said, datetime]] = defaultdict(dict)
        newest = select(feed_hours.c.feed, feed_hours.c.said, func.max(feed_hours.c.last_us))
        with self._database.reading() as connection:
            for row in connection.execute(select(feed_hours).where(feed_hours.c.hour_us >= to_us(since))):
                hours[row.feed].setdefault(Said(row.said), {})[from_us(row.hour_us)] = row.messages
            for feed, said, at in connection.execute(newest.group_by(feed_hours.c.feed, feed_hours.c.said)):
                last[feed][Said(said)] = from_us(at)
        return {feed: Heard(hours[feed], said) for feed, said in last.items()}

    def every(self, since: datetime, now: datetime) -> dict[str, timedelta]:
        """How long after the one before a feed's message usually came since then; nothing of which none came."""
        hours = (func.sum(feed_hours.c.messages), func.min(feed_hours.c.hour_us))
        newer = feed_hours.c.hour_us >= to_us(since)
        wanted = select(feed_hours.c.feed, *hours).where(newer).group_by(feed_hours.c.feed)
        with self._database.reading() as connection:
            rows = connection.execute(wanted).all()
        return {feed: (now - from_us(first)) / int(messages) for feed, messages, first in rows}

    def put(self, turn: Turn, states: Mapping[str, State], now: datetime) -> None:
        """Write how feeds are; what was told of a silence is forgotten once it ends. Raises `Unavailable`."""
        before = {talk.feed: talk for talk in self.all()}
        rows = []
        for feed, state in sorted(states.items()):
            was = before.get(feed)
            since = was.changed_at if was and was.state.talk is state.talk and was.state.what is state.what else now
            at = to_us(state.since) if state.since else 0
            until = to_us(state.until) if state.until else 0
            rows.append((feed, state.talk.value, state.what.value, at, state.usual, state.came, until, to_us(since)))
        rest = ", ".join(f"{name} = excluded.{name}" for name in _TALK[1:])
        talks = (Talk.SILENT.value, Talk.LATE.value)
        with self._database.writing() as connection:
            fence(connection, turn)
            write_rows(connection, feed_talk, _TALK, rows, f"ON CONFLICT (feed) DO UPDATE SET {rest}")
            connection.execute(update(feed_talk).where(feed_talk.c.talk.not_in(talks)).values(told_us=0))
            connection.execute(delete(feed_talk).where(feed_talk.c.feed.not_in(list(states))))

    def all(self) -> tuple[FeedTalk, ...]:
        """How each feed was when somebody looked last."""
        with self._database.reading() as connection:
            rows = connection.execute(select(feed_talk).order_by(feed_talk.c.feed)).all()
        return tuple(
            FeedTalk(
                row.feed,
                State(
                    Talk(row.talk),
                    What(row.what),
                    from_us(row.since_us) if row.since_us else None,
                    row.usual,
                    row.came,
                    from_us(row.until_us) if row.until_us else None,
                ),
                from_us(row.changed_us),
                from_us(row.told_us) if row.told_us else None,
            )
            for row in rows
        )

    def note_told(self, feed: str, now: datetime) -> None:
        """The hospital was told of this silence."""
        with self._database.writing() as connection:
            connection.execute(update(feed_talk).where(feed_talk.c.feed == feed).values(told_us=to_us(now)))

    def prune(self, now: datetime) -> None:
        """Forget hours that no rhythm is learned from any more."""
        old = to_us(now.astimezone(UTC) - timedelta(days=HOURS_DAYS))
        delete_in_steps(self._database, feed_hours, feed_hours.c.hour_us < old, _AT_ONCE)


def _into_hours(connection: Connection, rows: Iterable[tuple[str, int, str, int, int]]) -> None:
    sums: dict[tuple[str, int, str], tuple[int, int]] = {}
    for feed, hour, said, count, last in rows:
        before = sums.get((feed, hour, said), (0, 0))
        sums[feed, hour, said] = (before[0] + count, max(before[1], last))
    write_rows(
        connection,
        feed_hours,
        ("feed", "hour_us", "said", "messages", "last_us"),
        [(*key, *summed) for key, summed in sorted(sums.items())],
        "ON CONFLICT (feed, hour_us, said) DO UPDATE SET messages = feed_hours.messages + excluded.messages, "
        "last_us = CASE WHEN excluded.last_us > feed_hours.last_us THEN excluded.last_us ELSE feed_hours.last_us END",
    )
