"""Endings of messages in, each kept once by message id; which have ended, and how many ended how."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Connection, func, select

from parsers.feeds import BY_HAND
from rules.endings import Ending, LedgerEntry
from streams.store.database import Database, Row, Unavailable, rows_among, write_new, write_rows
from streams.store.feed_talk import tally
from streams.store.tables import feeds, fingerprints, from_us, ledger, to_us

COLUMNS: Final = ("message_id", "ending", "code", "received_us", "ended_us", "place", "feed", "control_id", "trigger")
PRUNED_AT_ONCE: Final = 5_000
HEARD_EVERY_US: Final = 3_000_000


class Timing(NamedTuple):
    """One message's way through; times are whole microseconds since 1970 UTC."""

    message_id: str
    ending: str
    code: str
    received_us: int
    ended_us: int


class NotTaken(NamedTuple):
    """One message that was refused, or that our code failed on. Nothing of a patient."""

    message_id: str
    ending: str
    code: str
    received_at: datetime
    place: str
    feed: str
    control_id: str
    trigger: str


def ledger_row(entry: LedgerEntry, ended_us: int) -> Row:
    """The row of one ending, in the order of `COLUMNS`. `ended_us`: now, the same for all rows of a transaction."""
    return (
        entry.message_id,
        str(entry.ending),
        entry.code,
        to_us(entry.received_at),
        ended_us,
        entry.place,
        entry.feed,
        entry.control_id,
        entry.trigger,
    )


def first_id(at: datetime) -> str:
    """What the ids of messages received from `at` on sort behind."""
    return f"{int(at.timestamp() * 1000) << 16:016x}"


def endings_of(connection: Connection, message_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """(ending, code) of those of the messages that have ended."""
    rows = rows_among(connection, "SELECT message_id, ending, code FROM ledger WHERE message_id IN :among", message_ids)
    return {row[0]: (row[1], row[2]) for row in rows}


def ended_at(connection: Connection, moments: Mapping[str, int]) -> set[str]:
    """Those of the messages that ended at just these moments: by the transaction that wrote them so, and no other."""
    if not moments:
        return set()
    rows = rows_among(connection, "SELECT message_id, ended_us FROM ledger WHERE message_id IN :among", list(moments))
    return {row[0] for row in rows if row[1] == moments[row[0]]}


def ended_first(entries: Iterable[LedgerEntry], new: set[str]) -> list[LedgerEntry]:
    """The entries of the messages in `new`, each message once."""
    return [entry for message_id, entry in {entry.message_id: entry for entry in entries}.items() if message_id in new]


class Ledger:
    """The ledger, and when each feed was last heard."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._heard: dict[str, int] = {}
        self._in_doubt: dict[str, int] = {}  # new when written, at this moment, and nobody heard of the COMMIT

    def end(self, entries: Sequence[LedgerEntry]) -> int:
        """Write endings, with what feeds said by them; a message that has ended already keeps its ending.

        Gives how many were new. Raises `Unavailable`.
        """
        return len(self.end_new(entries))

    def end_new(self, entries: Sequence[LedgerEntry]) -> set[str]:
        """As `end`; gives the ids of the messages whose ending is new, or of an earlier try that was `Unavailable`."""
        if not entries:
            return set()
        ended_us = to_us(datetime.now(UTC))
        rows, new = [ledger_row(entry, ended_us) for entry in entries], set[str]()
        tried = {row[0]: self._in_doubt.pop(row[0]) for row in rows if row[0] in self._in_doubt}
        try:
            with self._database.writing() as connection:  # one transaction: a kill leaves no ending not added up
                new = write_new(connection, ledger, COLUMNS, rows)
                tally(connection, ended_first(entries, new))
                self.hear(connection, entries)
                return new | ended_at(connection, tried)
        except Unavailable:
            self._in_doubt |= tried | dict.fromkeys(new, ended_us)
            raise

    def feeds(self) -> dict[str, datetime]:
        """When each feed last sent something, a few seconds coarse."""
        with self._database.reading() as connection:
            return {row.feed: from_us(row.received_us) for row in connection.execute(select(feeds))}

    def hear(self, connection: Connection, entries: Iterable[LedgerEntry]) -> None:
        """Note the feeds that were heard, each seldom enough that no two transactions wait for its row."""
        newest: dict[str, int] = {}
        for entry in entries:
            if entry.feed not in ("", BY_HAND):
                newest[entry.feed] = max(newest.get(entry.feed, 0), to_us(entry.received_at))
        stale = [(feed, us) for feed, us in sorted(newest.items()) if us - self._heard.get(feed, 0) > HEARD_EVERY_US]
        rest = "ON CONFLICT (feed) DO UPDATE SET received_us = excluded.received_us "
        write_rows(
            connection,
            feeds,
            ("feed", "received_us"),
            stale,
            rest + "WHERE excluded.received_us > feeds.received_us",
        )
        self._heard.update(stale)

    def ended(self, message_ids: Sequence[str]) -> set[str]:
        """Those of the messages that have ended."""
        with self._database.reading() as connection:
            return set(endings_of(connection, message_ids))

    def count_ended(self, first_id: str, last_id: str) -> int:
        """How many messages between the two ids, both included, have ended."""
        with self._database.reading() as connection:
            where = ledger.c.message_id.between(first_id, last_id)
            return int(connection.scalar(select(func.count()).select_from(ledger).where(where)) or 0)

    def ended_between(self, first_id: str, last_id: str) -> set[str]:
        """Ids of the messages between the two, both included, that have ended."""
        with self._database.reading() as connection:
            where = ledger.c.message_id.between(first_id, last_id)
            return set(connection.scalars(select(ledger.c.message_id).where(where)))

    def endings(self, since: str = "") -> dict[str, int]:
        """How many messages in the ledger ended how; with `since`, of those from that message id on."""
        with self._database.reading() as connection:
            where = ledger.c.message_id >= since
            rows = connection.execute(select(ledger.c.ending, func.count()).where(where).group_by(ledger.c.ending))
            return {row[0]: row[1] for row in rows}

    def not_taken(self, since: datetime, feeds_: Collection[str] | None, limit: int) -> list[NotTaken]:
        """The newest messages from `since` on that were refused or that our code failed on, of these feeds (`None`: of
        all)."""
        wanted = select(ledger).where(
            ledger.c.message_id >= first_id(since),
            ledger.c.ending.in_((Ending.REJECTED, Ending.QUARANTINED)),
        )
        if feeds_ is not None:
            wanted = wanted.where(ledger.c.feed.in_(feeds_))
        with self._database.reading() as connection:
            return [
                NotTaken(
                    row.message_id,
                    row.ending,
                    row.code,
                    from_us(row.received_us),
                    row.place,
                    row.feed,
                    row.control_id,
                    row.trigger,
                )
                for row in connection.execute(wanted.order_by(ledger.c.message_id.desc()).limit(limit))
            ]

    def timings(self, since: str) -> Iterator[Timing]:
        """When each message from this id on was received and ended, in order of receipt."""
        columns = (ledger.c.message_id, ledger.c.ending, ledger.c.code, ledger.c.received_us, ledger.c.ended_us)
        with self._database.reading() as connection:
            where = ledger.c.message_id >= since
            for row in connection.execute(select(*columns).where(where).order_by(ledger.c.message_id)):
                yield Timing(*row)

    def prune(self, now: datetime, days: int = 35) -> int:
        """Forget endings of messages received more than `days` ago; gives how many. Small transactions, none long."""
        limit, gone = to_us(now - timedelta(days=days)), 0
        for table, key in ((ledger, ledger.c.message_id), (fingerprints, fingerprints.c.fingerprint)):
            order = key if table is ledger else fingerprints.c.received_us
            while True:
                oldest = select(key.label("key"), table.c.received_us).order_by(order).limit(PRUNED_AT_ONCE).subquery()
                with self._database.writing() as connection:
                    old = select(oldest.c.key).where(oldest.c.received_us < limit)
                    count = connection.execute(table.delete().where(key.in_(old))).rowcount
                gone += count if table is ledger else 0
                if count < PRUNED_AT_ONCE:
                    break
        return gone
