"""Which version of each alert a person has looked at, and how long that took."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, select, tuple_

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
    _observe(connection, case_manager_id, versions, at)
    write_rows(
        connection,
        seen,
        ("case_manager_id", "alert_id", "version", "seen_us"),
        [(case_manager_id, alert_id, version, to_us(at)) for alert_id, version in sorted(versions.items())],
        "ON CONFLICT (case_manager_id, alert_id) DO UPDATE SET version = excluded.version, seen_us = excluded.seen_us "
        "WHERE excluded.version >= seen.version",
    )


def looked_at(connection: Connection, case_manager_id: str, alert_id: str) -> datetime | None:
    """When a person looked at an alert, at the newest version they did."""
    mine = (seen.c.case_manager_id == case_manager_id) & (seen.c.alert_id == alert_id)
    seen_us = connection.scalar(select(seen.c.seen_us).where(mine))
    return None if seen_us is None else from_us(seen_us)


def _observe(connection: Connection, case_manager_id: str, versions: Mapping[str, int], at: datetime) -> None:
    """How long it took from each version to a person's first look at it."""
    mine = (seen.c.case_manager_id == case_manager_id) & seen.c.alert_id.in_(list(versions))
    before = {
        row.alert_id: row.version for row in connection.execute(select(seen.c.alert_id, seen.c.version).where(mine))
    }
    new = [item for item in versions.items() if before.get(item[0], -1) < item[1]]
    if not new:
        return
    these = tuple_(alert_versions.c.alert_id, alert_versions.c.version).in_(new)
    for decided_us in connection.scalars(select(alert_versions.c.decided_us).where(these)):
        DELAY.labels(Delay.SHOWN_TO_SEEN).observe(max(0.0, (at - from_us(decided_us)).total_seconds()))
