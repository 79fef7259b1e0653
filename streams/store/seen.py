"""Which version of each alert a person has looked at, and how long that took."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from streams.run.metrics import DELAY, Delay
from streams.store.database import Database, write_rows
from streams.store.tables import alert_versions, from_us, seen, to_us


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
    for alert_id, version in versions.items():
        _observe(connection, case_manager_id, alert_id, version, at)
    write_rows(
        connection,
        seen,
        ("case_manager_id", "alert_id", "version", "seen_us"),
        [(case_manager_id, alert_id, version, to_us(at)) for alert_id, version in sorted(versions.items())],
        "ON CONFLICT (case_manager_id, alert_id) DO UPDATE SET version = excluded.version, seen_us = excluded.seen_us "
        "WHERE excluded.version >= seen.version",
    )


def looked_at(connection: Connection, case_manager_id: str, alert_id: str) -> tuple[int, datetime] | None:
    """The newest version of an alert that a person has looked at, and when."""
    mine = (seen.c.case_manager_id == case_manager_id) & (seen.c.alert_id == alert_id)
    row = connection.execute(select(seen.c.version, seen.c.seen_us).where(mine)).first()
    return (row.version, from_us(row.seen_us)) if row else None


def _observe(connection: Connection, case_manager_id: str, alert_id: str, version: int, at: datetime) -> None:
    """How long it took from a version to a person's first look at it."""
    before = looked_at(connection, case_manager_id, alert_id)
    if before is None or before[0] < version:
        this = (alert_versions.c.alert_id == alert_id) & (alert_versions.c.version == version)
        decided_us = connection.scalar(select(alert_versions.c.decided_us).where(this))
        if decided_us is not None:
            seconds = (at - from_us(decided_us)).total_seconds()
            DELAY.labels(Delay.SHOWN_TO_SEEN).observe(max(0.0, seconds))
