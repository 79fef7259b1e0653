"""Tests of destinations that a page asks for in; each taken by one process that tells, and what came of it, out."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, update

from streams.store.database import Database, write_rows
from streams.store.tables import destination_tests, from_us, to_us


class Test(NamedTuple):
    """The last test of a destination."""

    asked_at: datetime
    ended_at: datetime | None  # `None`: nobody has answered yet
    failure: str  # "": it was taken
    status: str  # the receiver's code


class DestinationTests:
    """What was asked for and what came of it; of each destination the last."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, destination_id: str, now: datetime) -> None:
        """Ask for a test, in place of the one before."""
        columns = ("destination_id", "asked_us", "taken_us", "ended_us", "failure", "status")
        again = "ON CONFLICT (destination_id) DO UPDATE SET asked_us = excluded.asked_us, taken_us = 0, ended_us = 0"
        with self._database.writing() as connection:
            write_rows(connection, destination_tests, columns, [(destination_id, to_us(now), 0, 0, "", "")], again)

    def take(self, now: datetime) -> list[str]:
        """The destinations whose test nobody has taken yet; they are the caller's now."""
        asked = select(destination_tests.c.destination_id).where(destination_tests.c.taken_us == 0)
        with self._database.reading() as connection:
            if connection.execute(asked.limit(1)).one_or_none() is None:
                return []
        taking = (
            update(destination_tests)
            .where(destination_tests.c.taken_us == 0)
            .values(taken_us=to_us(now))
            .returning(destination_tests.c.destination_id)
        )
        with self._database.writing() as connection:
            return sorted(connection.execute(taking).scalars())

    def end(self, destination_id: str, failure: str, status: str, now: datetime) -> None:
        """Write what came of it."""
        mine = destination_tests.c.destination_id == destination_id
        with self._database.writing() as connection:
            connection.execute(
                update(destination_tests).where(mine).values(ended_us=to_us(now), failure=failure, status=status)
            )

    def of(self, destination_ids: Collection[str]) -> dict[str, Test]:
        """The last test of each that was ever tested."""
        wanted = select(destination_tests).where(destination_tests.c.destination_id.in_(sorted(destination_ids)))
        with self._database.reading() as connection:
            return {
                row.destination_id: Test(
                    from_us(row.asked_us), from_us(row.ended_us) if row.ended_us else None, row.failure, row.status
                )
                for row in connection.execute(wanted)
            }
