"""What was committed, in the order of commits: a reader that asks for everything after a position misses nothing.

Alert versions, acts and steps draw their positions from one counter whose row a transaction takes last and holds to its
end, so a smaller position never becomes visible after a greater one.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import func, literal, select, union_all

from rules.decisions import Alert
from streams.kafka.records import AlertRecord
from streams.store.database import Database, rows_among
from streams.store.tables import acts, alert_owners, alert_versions, alerts, escalation_steps, from_us, outbox, to_us


class FeedKind(StrEnum):
    ALERT = "alert"  # a new version
    ACTION = "action"  # somebody did something: `rules.following.acts`
    STEP = "step"  # somebody was asked because nobody acted, or is not asked any more


class FeedItem(NamedTuple):
    """One change of one alert. `people`: everyone the alert was ever for."""

    position: int
    kind: FeedKind
    alert_id: str
    version: int
    at: datetime
    people: tuple[str, ...]
    by: str = ""  # case_manager_id of an act; whom a step asked
    action: str = ""  # rules.following.acts.ActKind; rules.following.escalation.CameTo


class Changes:
    """Positions, changes and the outbox."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def position(self) -> int:
        """The position of the last commit; 0 before the first."""
        with self._database.reading() as connection:
            rows = rows_among(connection, "SELECT value FROM counters WHERE name IN :among", ["position"])
            return int(rows[0][0]) if rows else 0

    def after(self, after: int, limit: int = 500) -> list[FeedItem]:
        """What was committed after a position, oldest first, at most `limit` items."""
        versions = select(
            alert_versions.c.position,
            literal(str(FeedKind.ALERT)).label("kind"),
            alert_versions.c.alert_id,
            alert_versions.c.version,
            alert_versions.c.decided_us.label("at_us"),
            literal("").label("by"),
            literal("").label("action"),
        ).where(alert_versions.c.position > after)
        done = select(
            acts.c.position,
            literal(str(FeedKind.ACTION)),
            acts.c.alert_id,
            acts.c.version,
            acts.c.recorded_us,
            acts.c.case_manager_id,
            acts.c.kind,
        ).where(acts.c.position > after)
        steps = select(
            escalation_steps.c.position,
            literal(str(FeedKind.STEP)),
            escalation_steps.c.alert_id,
            literal(0),
            escalation_steps.c.at_us,
            escalation_steps.c.case_manager_id,
            escalation_steps.c.came_to,
        ).where(escalation_steps.c.position > after)
        with self._database.reading() as connection:
            rows = connection.execute(
                union_all(
                    select(versions.order_by(alert_versions.c.position).limit(limit).subquery()),
                    select(done.order_by(acts.c.position).limit(limit).subquery()),
                    select(steps.order_by(escalation_steps.c.position).limit(limit).subquery()),
                )
            ).all()
            rows = sorted(rows, key=lambda row: row[0])[:limit]
            people: dict[str, list[str]] = {}
            owners = (
                "SELECT alert_id, case_manager_id FROM alert_owners WHERE alert_id IN :among ORDER BY case_manager_id"
            )
            for alert_id, person in rows_among(connection, owners, list({row[2] for row in rows})):
                people.setdefault(alert_id, []).append(person)
        return [
            FeedItem(
                row[0], FeedKind(row[1]), row[2], row[3], from_us(row[4]), tuple(people.get(row[2], ())), row[5], row[6]
            )
            for row in rows
        ]

    def unsent(self, limit: int = 500) -> list[tuple[int, AlertRecord]]:
        """Alert versions that are not yet on the alerts topic, oldest first: (position, record)."""
        wanted = (
            select(alert_versions.c.position, alert_versions.c.document)
            .join(outbox, outbox.c.position == alert_versions.c.position)
            .order_by(outbox.c.position)
            .limit(limit)
        )
        with self._database.reading() as connection:
            rows = connection.execute(wanted).all()
        return [(position, _record(position, document)) for position, document in rows]

    def versions(self, after: int, limit: int = 500) -> list[AlertRecord]:
        """Alert versions after a position, oldest first."""
        wanted = select(alert_versions.c.position, alert_versions.c.document).where(alert_versions.c.position > after)
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(alert_versions.c.position).limit(limit)).all()
        return [_record(position, document) for position, document in rows]

    def versions_at(self, positions: Sequence[int]) -> list[tuple[int, Alert, datetime | None]]:
        """Position, version, and when the message that caused it was received, as far as the ledger still knows."""
        wanted = select(alert_versions.c.position, alert_versions.c.document)
        with self._database.reading() as connection:
            documents = connection.execute(wanted.where(alert_versions.c.position.in_(positions))).all()
            told_alerts = [(position, Alert.read(document)) for position, document in documents]
            statement = "SELECT message_id, received_us FROM ledger WHERE message_id IN :among"
            messages = list({alert.message_id for _, alert in told_alerts})
            received = {message: from_us(at) for message, at in rows_among(connection, statement, messages)}
        return [(position, alert, received.get(alert.message_id)) for position, alert in told_alerts]

    def last_told_at(self, case_manager_id: str) -> datetime | None:
        """When this person was last told something."""
        wanted = (
            select(func.max(alerts.c.decided_us))
            .join(alert_owners, alert_owners.c.alert_id == alerts.c.alert_id)
            .where(alert_owners.c.case_manager_id == case_manager_id)
        )
        with self._database.reading() as connection:
            last = connection.scalar(wanted)
        return from_us(last) if last is not None else None

    def told_since(self, case_manager_id: str, since: datetime) -> list[str]:
        """The alerts of this person that have news since then, as alert_ids."""
        wanted = (
            select(alerts.c.alert_id)
            .join(alert_owners, alert_owners.c.alert_id == alerts.c.alert_id)
            .where(alert_owners.c.case_manager_id == case_manager_id, alerts.c.decided_us > to_us(since))
        )
        with self._database.reading() as connection:
            return list(connection.scalars(wanted))

    def sent(self, positions: Sequence[int]) -> None:
        """Forget what is on the alerts topic now."""
        if positions:
            with self._database.writing() as connection:
                connection.execute(outbox.delete().where(outbox.c.position.in_(positions)))

    def outbox_size(self) -> int:
        """How many alert versions are not yet on the alerts topic."""
        with self._database.reading() as connection:
            return int(connection.scalar(select(func.count()).select_from(outbox)) or 0)

    def outbox_age(self, now: datetime) -> float:
        """Seconds since the oldest unsent alert version was decided; 0 when all are sent."""
        with self._database.reading() as connection:
            oldest = connection.scalar(select(func.min(outbox.c.decided_us)))
        return max(0.0, (now - from_us(oldest)).total_seconds()) if oldest else 0.0


def _record(position: int, document: str) -> AlertRecord:
    return AlertRecord.read(f'{{"position":{position},"alert":{document}}}')
