"""Messages made of what people entered in, sealed; those that have not ended, to be published, out."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import delete, or_, select, update

from streams.store.database import Database, write_rows
from streams.store.ledger import endings_of
from streams.store.sealing import SealedFor, lock_for
from streams.store.tables import from_us, hand_events, to_us

_AT_ONCE: Final = 50
_AGAIN_AFTER: Final = timedelta(minutes=1)  # a broker in memory may have lost it


class HandEvent(NamedTuple):
    """One message. `key`: the record's on its topic, 32 hex digits."""

    message_id: str
    key: bytes
    received_at: datetime
    message: bytes
    published: bool = False  # it has been before

    def __repr__(self) -> str:
        return f"<HandEvent {self.message_id}>"


class HandEvents:
    """What people entered, until it has its ending."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, event: HandEvent, secret: bytes) -> bool:
        """Line one up; False when it was entered already."""
        sealed = lock_for(SealedFor.BY_HAND, secret).encrypt(event.message)
        row = (event.message_id, event.key.decode(), to_us(event.received_at), sealed)
        with self._database.writing() as connection:
            columns = ("message_id", "key", "at_us", "sealed")
            return write_rows(connection, hand_events, columns, [row], "ON CONFLICT DO NOTHING") == 1

    def due(self, now: datetime, secret: bytes) -> list[HandEvent]:
        """Those to be published now, the oldest first; what has ended is forgotten."""
        column = hand_events.c.published_us
        wanted = select(hand_events).where(or_(column == 0, column < to_us(now - _AGAIN_AFTER)))
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(hand_events.c.message_id).limit(_AT_ONCE)).all()
            ended = endings_of(connection, [row.message_id for row in rows if row.published_us])
        if ended:
            with self._database.writing() as connection:
                connection.execute(delete(hand_events).where(hand_events.c.message_id.in_(list(ended))))
        lock = lock_for(SealedFor.BY_HAND, secret)
        return [
            HandEvent(
                *(row.message_id, row.key.encode(), from_us(row.at_us), lock.decrypt(row.sealed)), row.published_us > 0
            )
            for row in rows
            if row.message_id not in ended
        ]

    def published(self, message_ids: Sequence[str], now: datetime) -> None:
        """They are on the topic; kept until they have ended."""
        with self._database.writing() as connection:
            mine = hand_events.c.message_id.in_(list(message_ids))
            connection.execute(update(hand_events).where(mine).values(published_us=to_us(now)))
