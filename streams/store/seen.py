"""Which version of each alert a person has looked at."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from streams.store.database import Database, write_rows
from streams.store.tables import seen, to_us


class Seen:
    """What people have looked at."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def mark(self, case_manager_id: str, versions: Mapping[str, int], at: datetime) -> None:
        """Remember which version of each alert a person has looked at; an older one never takes a newer one's place."""
        if versions:
            with self._database.writing() as connection:
                see(connection, case_manager_id, versions, at)


def see(connection: Connection, case_manager_id: str, versions: Mapping[str, int], at: datetime) -> None:
    """The same within a transaction."""
    write_rows(
        connection,
        seen,
        ("case_manager_id", "alert_id", "version", "seen_us"),
        [(case_manager_id, alert_id, version, to_us(at)) for alert_id, version in sorted(versions.items())],
        "ON CONFLICT (case_manager_id, alert_id) DO UPDATE SET version = excluded.version, seen_us = excluded.seen_us "
        "WHERE excluded.version >= seen.version",
    )
