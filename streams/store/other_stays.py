"""The other stays of a person: those that still run, those before this one. Reads only."""

from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, or_, select

from rules.decisions import Alert, Stay
from rules.stays.open import goes_on
from streams.store.database import rows_among
from streams.store.open_alerts import STAY_HAPPENED, TAKEN_BACK
from streams.store.tables import alerts, from_us, stays, to_us

EARLIER_DAYS: Final = 365


class Running(NamedTuple):
    """An alert whose stay still runs."""

    alert: Alert
    heard_at: datetime | None


class EarlierStay(NamedTuple):
    stay: Stay
    alert: Alert | None


def running_of(connection: Connection, enrollee_ids: set[str]) -> dict[str, list[Running]]:
    """Alerts of these people whose stay still runs."""
    running: dict[str, list[Running]] = {}
    columns = "a.enrollee_id, a.status, a.action, s.active_us, a.document"
    statement = (
        f"SELECT {columns} FROM alerts a LEFT JOIN stays s ON s.stay_id = a.stay_id WHERE a.enrollee_id IN :among"  # noqa: S608
    )
    for enrollee_id, status, action, active_us, document in rows_among(connection, statement, list(enrollee_ids)):
        if goes_on(action, status):
            heard = from_us(active_us) if active_us is not None else None
            running.setdefault(enrollee_id, []).append(Running(Alert.read(document), heard))
    return running


def earlier_than(connection: Connection, alert: Alert) -> tuple[EarlierStay, ...]:
    until = to_us(alert.started_at or alert.occurred_at)
    since = until - EARLIER_DAYS * 24 * 3600 * 1_000_000
    rows = connection.execute(
        select(stays.c.document, alerts.c.document)
        .outerjoin(alerts, alerts.c.stay_id == stays.c.stay_id)
        .where(stays.c.enrollee_id == alert.enrollee_id, stays.c.active_us >= since, stays.c.stay_id != alert.stay_id)
        .where(STAY_HAPPENED, or_(alerts.c.action.is_(None), ~TAKEN_BACK))
        .order_by(stays.c.active_us.desc())
    )
    earlier_stays = [
        EarlierStay(Stay.read(stay), Alert.read(alert_document) if alert_document else None)
        for stay, alert_document in rows
    ]
    return tuple(
        earlier for earlier in earlier_stays if not earlier.stay.started_at or to_us(earlier.stay.started_at) <= until
    )
