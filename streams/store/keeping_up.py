"""What keeps workers going, and what they ask about it: attempts at records, parked feeds, leases, the key's trace."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import delete, select

from streams.store.database import Database, delete_in_steps, rows_among, write_rows
from streams.store.tables import attempts, facts, from_us, leases, parked_feeds, sessions, sign_in_links, to_us

HASH_KEY: Final = "hash_key"  # the fact that holds the trace of the key
BACKED_UP: Final = "backed_up_at"  # the fact that says when the last backup ended
SESSION_DAYS: Final = 7
ATTEMPT_DAYS: Final = 1
CLOCKS_APART_US: Final = 3_600_000_000  # no two machines are further apart, unless one of them is wrong
_AT_ONCE: Final = 5_000


class ParkedFeed(NamedTuple):
    """A sender that is set aside. `sender` is a configured feed's name or "MSH-3|MSH-4"; `code` the last failure."""

    sender: str
    feed: str
    code: str
    since: datetime


class KeepingUp:
    """Small tables beside the way of a message; none of them is touched for an ordinary record."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take_up(self, records: Sequence[str], now: datetime) -> dict[str, int]:
        """Notes one attempt more at each of the records; gives how many each has had, this one included."""
        rows = [(record, 1, to_us(now)) for record in sorted(set(records))]
        if not rows:
            return {}
        with self._database.writing() as connection:
            write_rows(
                connection,
                attempts,
                ("record", "taken", "at_us"),
                rows,
                "ON CONFLICT (record) DO UPDATE SET taken = attempts.taken + 1, at_us = excluded.at_us",
            )
            attempted = rows_among(
                connection, "SELECT record, taken FROM attempts WHERE record IN :among", [row[0] for row in rows]
            )
        return {row[0]: int(row[1]) for row in attempted}

    def taken_up(self, records: Sequence[str]) -> dict[str, int]:
        """How many attempts each of the records has had that are noted already."""
        with self._database.reading() as connection:
            rows = rows_among(connection, "SELECT record, taken FROM attempts WHERE record IN :among", records)
        return {row[0]: int(row[1]) for row in rows}

    def came_through(self, records: Sequence[str]) -> None:
        """Forgets the attempts at records that stopped nobody."""
        if records:
            with self._database.writing() as connection:
                connection.execute(delete(attempts).where(attempts.c.record.in_(list(records))))

    def park(self, sender: str, feed: str, code: str, now: datetime) -> bool:
        """Sets a sender aside; False when it was already."""
        with self._database.writing() as connection:
            row = (sender, feed, code, to_us(now))
            columns = ("sender", "feed", "code", "since_us")
            return write_rows(connection, parked_feeds, columns, [row], "ON CONFLICT DO NOTHING") == 1

    def unpark(self, sender: str) -> bool:
        """Takes a sender's messages again from now on; False when it was not parked."""
        with self._database.writing() as connection:
            return connection.execute(delete(parked_feeds).where(parked_feeds.c.sender == sender)).rowcount == 1

    def parked(self) -> tuple[ParkedFeed, ...]:
        """Every sender that is set aside, the first first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(parked_feeds).order_by(parked_feeds.c.since_us)).all()
        return tuple(ParkedFeed(row.sender, row.feed, row.code, from_us(row.since_us)) for row in rows)

    def lease(self, name: str, holder: str, now: datetime, seconds: float) -> bool:
        """Whether `holder` may do `name` until `seconds` from now: nobody else holds it, or not any longer.

        What a clock that was wrong has written of a later time holds nobody up once it is right again.
        """
        row = (name, holder, to_us(now + timedelta(seconds=seconds)))
        with self._database.writing() as connection:
            rest = (
                "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_us = excluded.until_us "
                "WHERE leases.holder = excluded.holder "
                f"OR leases.until_us < excluded.until_us - {int(seconds * 1_000_000)} "
                f"OR leases.until_us > excluded.until_us + {CLOCKS_APART_US}"
            )
            return write_rows(connection, leases, ("name", "holder", "until_us"), [row], rest) == 1

    def fact(self, name: str) -> str:
        """What is noted under a name; "" for nothing."""
        with self._database.reading() as connection:
            return str(connection.scalar(select(facts.c.value).where(facts.c.name == name)) or "")

    def note_fact(self, name: str, value: str, *, replace: bool = False) -> str:
        """Notes it unless something is noted already (or in its place); gives what stands there now."""
        with self._database.writing() as connection:
            if replace:
                connection.execute(delete(facts).where(facts.c.name == name))
            write_rows(connection, facts, ("name", "value"), [(name, value)], "ON CONFLICT DO NOTHING")
            return str(connection.scalar(select(facts.c.value).where(facts.c.name == name)) or "")

    def forget_fact(self, name: str) -> None:
        """Nothing is noted under this name any more."""
        with self._database.writing() as connection:
            connection.execute(delete(facts).where(facts.c.name == name))

    def prune_sessions(self, now: datetime) -> int:
        """Forgets sign-ins and links of more than a week ago, and attempts of yesterday; gives how many sessions."""
        old = to_us(now - timedelta(days=SESSION_DAYS))
        tried = to_us(now - timedelta(days=ATTEMPT_DAYS))
        gone = delete_in_steps(self._database, sessions, sessions.c.made_us < old, _AT_ONCE)
        delete_in_steps(self._database, sign_in_links, sign_in_links.c.expires_us < old, _AT_ONCE)
        delete_in_steps(self._database, attempts, attempts.c.at_us < tried, _AT_ONCE)
        return gone
