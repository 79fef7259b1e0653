"""Messages as received in, sealed, beside the alert versions they made; opened for whom they are passed on to, out.

Kept are only those behind a version that is due to a destination of that form, and only of messages about that one
patient: what names somebody else as well must not go along. They are forgotten after `KEPT_DAYS`, by when what was
passed on has long been delivered or taken back.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from cryptography.fernet import InvalidToken
from sqlalchemy import Connection, or_, select

from rules.decisions import Alert
from streams.kafka.records import EventRecord
from streams.store.database import Database, delete_in_steps, write_rows
from streams.store.delivery import DeliveryState, made_of
from streams.store.sealing import SealedFor, lock_for
from streams.store.tables import deliveries, received, to_us

KEPT_DAYS: Final = 35
MOST_BYTES: Final = 256 * 1024  # of one message; a larger one is not passed on
_AT_ONCE: Final = 500

Behind = dict[tuple[str, str], str]  # message id and enrollee to the sealed message


def seal_received(message: bytes, secret: bytes) -> str:
    """A message for `EventRecord.sealed`; "" when it is too large."""
    return lock_for(SealedFor.RECEIVED, secret).encrypt(message).decode() if len(message) <= MOST_BYTES else ""


def behind(records: Iterable[EventRecord]) -> Behind:
    """The messages among `records` that are about one patient alone, by what an alert names."""
    return {
        (record.event.message_id, record.match.enrollee_id): record.sealed
        for record in records
        if record.sealed and record.match.enrollee_id and not record.further and record.event.prior is None
    }


def keep_received(connection: Connection, versions: Iterable[Alert], sealed: Behind) -> None:
    """Keep what is behind `versions`, in the transaction that writes them."""
    rows = [
        (
            made_of(alert.alert_id, alert.version),
            alert.alert_id,
            alert.version,
            to_us(alert.decided_at),
            message.encode(),
        )
        for alert in versions
        if (message := sealed.get((alert.message_id, alert.enrollee_id)))
    ]
    columns = ("received_id", "alert_id", "version", "kept_us", "sealed")
    write_rows(connection, received, columns, rows, "ON CONFLICT DO NOTHING")


class Received:
    """What was received, by the version it made."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, secret: bytes, alert_id: str, version: int) -> bytes | None:
        """The message behind a version, `None` where none is kept."""
        wanted = select(received.c.sealed).where(received.c.alert_id == alert_id, received.c.version == version)
        with self._database.reading() as connection:
            return _opened(connection.scalar(wanted), secret)

    def told_before(self, secret: bytes, alert_id: str, version: int, destination_id: str) -> bytes | None:
        """The newest message before `version` that a destination has, or may have."""
        same = (deliveries.c.alert_id == received.c.alert_id) & (deliveries.c.version == received.c.version)
        has = or_(deliveries.c.state == str(DeliveryState.DELIVERED), deliveries.c.maybe == 1)
        wanted = (
            select(received.c.sealed)
            .join(deliveries, same)
            .where(received.c.alert_id == alert_id, received.c.version < version)
            .where(deliveries.c.destination_id == destination_id, has)
            .order_by(received.c.version.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            return _opened(connection.scalar(wanted), secret)

    def prune(self, now: datetime) -> int:
        """Forget what is older than `KEPT_DAYS`; gives how many."""
        old = received.c.kept_us < to_us(now - timedelta(days=KEPT_DAYS))
        return delete_in_steps(self._database, received, old, _AT_ONCE)


def _opened(sealed: bytes | None, secret: bytes) -> bytes | None:
    """`None` as well for what was sealed under another key."""
    try:
        return None if sealed is None else lock_for(SealedFor.RECEIVED, secret).decrypt(bytes(sealed))
    except InvalidToken:
        return None
