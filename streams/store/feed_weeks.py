"""Facts about feeds' messages in, summed by week; what a report card is made of out."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Connection, func, select

from streams.store.database import Database, delete_in_steps, write_rows
from streams.store.tables import feed_weeks, from_us, to_us

CARD_DAYS: Final = 7 * 57
_AT_ONCE: Final = 5_000
_WEEK_US: Final = 7 * 24 * 3_600_000_000
_MONDAY_US: Final = 4 * 24 * 3_600_000_000  # 5 January 1970


class Week(NamedTuple):
    """One week of a feed, from Monday 00:00 UTC: how often each fact was so."""

    begins: datetime
    counts: dict[str, int]


def add_to_weeks(connection: Connection, rows: Iterable[tuple[str, int, str, int]]) -> None:
    """Add (feed, microsecond in the week, fact, messages)."""
    sums: Counter[tuple[str, int, str]] = Counter()
    for feed, at, fact, messages in rows:
        sums[feed, at - (at - _MONDAY_US) % _WEEK_US, fact] += messages
    write_rows(
        connection,
        feed_weeks,
        ("feed", "week_us", "fact", "messages"),
        [(*key, count) for key, count in sorted(sums.items())],
        "ON CONFLICT (feed, week_us, fact) DO UPDATE SET messages = feed_weeks.messages + excluded.messages",
    )


class FeedWeeks:
    """The sums of report cards."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def feeds(self) -> tuple[str, ...]:
        """Every feed with a card."""
        with self._database.reading() as connection:
            wanted = select(feed_weeks.c.feed).distinct().order_by(feed_weeks.c.feed)
            return tuple(connection.scalars(wanted))

    def newest(self, feed: str, weeks: int) -> list[Week]:
        """The newest weeks in which the feed sent anything, the newest first."""
        facts: defaultdict[int, dict[str, int]] = defaultdict(dict)
        mine = select(feed_weeks.c.week_us).where(feed_weeks.c.feed == feed).distinct()
        with self._database.reading() as connection:
            wanted = list(connection.scalars(mine.order_by(feed_weeks.c.week_us.desc()).limit(weeks)))
            where = (feed_weeks.c.feed == feed) & feed_weeks.c.week_us.in_(wanted)
            for row in connection.execute(select(feed_weeks).where(where)):
                facts[row.week_us][row.fact] = row.messages
        return [Week(from_us(at), facts[at]) for at in wanted]

    def sums(self, since: datetime) -> dict[str, dict[str, int]]:
        """How often each fact was so, by feed, in the weeks that ended after `since`."""
        sums: defaultdict[str, dict[str, int]] = defaultdict(dict)
        newer = feed_weeks.c.week_us > to_us(since) - _WEEK_US
        wanted = select(feed_weeks.c.feed, feed_weeks.c.fact, func.sum(feed_weeks.c.messages)).where(newer)
        with self._database.reading() as connection:
            for feed, fact, messages in connection.execute(wanted.group_by(feed_weeks.c.feed, feed_weeks.c.fact)):
                sums[feed][fact] = int(messages)
        return dict(sums)

    def prune(self, now: datetime) -> None:
        """Forget weeks of more than a year ago."""
        old = feed_weeks.c.week_us < to_us(now - timedelta(days=CARD_DAYS))
        delete_in_steps(self._database, feed_weeks, old, _AT_ONCE)
