"""What lies sealed under hash keys of before in, the same under the first of the keys out, some hundred rows at a time.

Each row is changed only if it still is what was read, so others may go on writing; broken off, it is begun again and
finds done what is done. The keyed hashes of an event that waits are written anew in the transaction of its seal.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from cryptography.fernet import InvalidToken
from sqlalchemy import Column, Connection, Table, delete, select, tuple_, update

from parsers.events import Event
from streams.run.hash_keys import keys_in
from streams.store.database import Database, write_rows
from streams.store.quarantine import opened_record, sealed_record
from streams.store.sealing import SealedFor, lock_for
from streams.store.tables import (
    destination_secrets,
    drafts,
    hand_events,
    passwords,
    quarantine,
    received,
    unmatched,
    unmatched_keys,
)
from streams.store.unmatched import kept_under

_AT_ONCE: Final = 50  # a record may be 10 MB
# Row, sealed, secret in; sealed anew, b"" where no key opens it, or None where there is nothing to do out.
Anew = Callable[[Any, bytes, bytes], bytes | None]


class Resealed(NamedTuple):
    """How many are sealed anew, and how many none of the keys opens."""

    anew: int
    lost: int


def _text_anew(purpose: SealedFor, _row: Any, sealed: bytes, secret: bytes) -> bytes | None:
    try:
        lock_for(purpose, keys_in(secret)[0]).decrypt(sealed)
    except InvalidToken:
        try:
            return lock_for(purpose, secret).rotate(sealed)
        except InvalidToken:
            return b""
    return None


def _record_anew(row: Any, sealed: bytes, secret: bytes) -> bytes | None:
    if opened_record(keys_in(secret)[0], row.message_id, sealed):
        return None
    value = opened_record(secret, row.message_id, sealed)
    return sealed_record(secret, row.message_id, value) if value else b""


SEALED: Final[dict[Column[Any], Anew]] = {
    unmatched.c.sealed: partial(_text_anew, SealedFor.UNMATCHED),
    destination_secrets.c.sealed: partial(_text_anew, SealedFor.DESTINATIONS),
    hand_events.c.sealed: partial(_text_anew, SealedFor.BY_HAND),
    passwords.c.sealed: partial(_text_anew, SealedFor.SECOND_FACTOR),
    received.c.sealed: partial(_text_anew, SealedFor.RECEIVED),
    drafts.c.sealed: partial(_text_anew, SealedFor.DRAFTS),
    quarantine.c.sealed: _record_anew,
    quarantine.c.corrected: _record_anew,
}


class Resealing:
    """Everything in one store that only the hash keys open."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self, secret: bytes) -> Resealed:
        """Seal all that any of the keys opens with the first of them."""
        counts = [self._column(column, anew, secret) for column, anew in SEALED.items()]
        return Resealed(sum(anew for anew, _ in counts), sum(lost for _, lost in counts))

    def _column(self, column: Column[Any], sealed_anew: Anew, secret: bytes) -> Resealed:
        table = column.table
        assert isinstance(table, Table)
        key = tuple(table.primary_key.columns)
        rows = select(*key, column.label("kept_sealed")).where(column.is_not(None)).order_by(*key)
        after, anew, lost = rows.limit(_AT_ONCE), 0, 0
        while True:
            with self._database.writing() as connection:
                some = connection.execute(after).all()
                for row in some:
                    sealed = bytes(row.kept_sealed)
                    new = sealed_anew(row, sealed, secret)
                    lost += new == b""
                    if new and _write(connection, column, dict(zip(key, row, strict=False)), sealed, new):
                        anew += 1
                        if table is unmatched:
                            _hash_anew(connection, row.message_id, new, secret)
            if len(some) < _AT_ONCE:
                return Resealed(anew, lost)
            after = rows.where(tuple_(*key) > tuple_(*some[-1][: len(key)])).limit(_AT_ONCE)


def _write(
    connection: Connection, column: Column[Any], key: Mapping[Column[Any], Any], before: bytes, new: bytes
) -> bool:
    """False when the row is another one by now."""
    same = [part == value for part, value in key.items()]
    changed = update(column.table).where(*same, column == before).values({column.name: new})
    return connection.execute(changed).rowcount == 1


def _hash_anew(connection: Connection, message_id: str, sealed: bytes, secret: bytes) -> None:
    event = Event.read(lock_for(SealedFor.UNMATCHED, secret).decrypt(sealed))
    connection.execute(delete(unmatched_keys).where(unmatched_keys.c.message_id == message_id))
    rows = sorted(kept_under(event, secret))
    write_rows(connection, unmatched_keys, ("key", "message_id"), rows, "ON CONFLICT DO NOTHING")
