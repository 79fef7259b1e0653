"""Recent events about people who are not on the panel in, encrypted; those about somebody enrolled later out.

An event is found again by keyed hashes of what both sides know (birth date, numbers, SSN), so that neither table says
anything without the key. Whether it really is the same person is for the matcher to say.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import Connection

from parsers.events import Event
from parsers.panel import split_mrns
from streams.store.engine import Database, rows_among, write_rows
from streams.store.panel_rows import load_enrollees
from streams.store.schema import to_us, unmatched, unmatched_keys

FOUND_AT_ONCE = 500


@lru_cache(maxsize=4)
def _lock(secret: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"unmatched\x1f" + secret).digest()))


def _key(secret: bytes, kind: str, value: str) -> str:
    return hmac.new(secret, f"unmatched\x1f{kind}\x1f{value.casefold()}".encode(), hashlib.sha256).hexdigest()[:32]


def forget(connection: Connection, message_ids: Sequence[str]) -> None:
    """Keep these events no longer."""
    for start in range(0, len(message_ids), FOUND_AT_ONCE):
        some = message_ids[start : start + FOUND_AT_ONCE]
        connection.execute(unmatched.delete().where(unmatched.c.message_id.in_(some)))
        connection.execute(unmatched_keys.delete().where(unmatched_keys.c.message_id.in_(some)))


class Unmatched(Database):
    """What waits for late enrollment."""

    def keep_unmatched(self, events: Sequence[Event], secret: bytes) -> None:
        """Keep events, encrypted with a key made of `secret`; one that is kept already stays as it is."""
        lock = _lock(secret)
        rows, keys = [], set()
        for event in events:
            sealed = lock.encrypt(event.model_dump_json().encode())
            rows.append((event.message_id, to_us(event.received_at), sealed))
            facts = [("number", number.value) for number in event.patient.identifiers]
            facts.append(("ssn", event.patient.ssn))
            facts.append(("born", event.patient.birth_date.isoformat() if event.patient.birth_date else ""))
            keys |= {(_key(secret, kind, value), event.message_id) for kind, value in facts if value}
        with self.writing() as connection:
            columns = ("message_id", "received_us", "sealed")
            write_rows(connection, unmatched, columns, rows, "ON CONFLICT DO NOTHING")
            write_rows(connection, unmatched_keys, ("key", "message_id"), sorted(keys), "ON CONFLICT DO NOTHING")

    def unmatched_about(self, enrollee_ids: Iterable[str], secret: bytes) -> list[Event]:
        """Kept events that may be about one of these enrollees, in the order of receipt.

        Events written under another secret are left out: nobody can read them.
        """
        lock, found = _lock(secret), {}
        ids = list(enrollee_ids)
        with self.reading() as connection:
            for start in range(0, len(ids), FOUND_AT_ONCE):
                people, _ = load_enrollees(connection, ids[start : start + FOUND_AT_ONCE], None)
                keys = set()
                for row in people.values():
                    facts = [("number", value) for _, value in split_mrns(f"{row.mrns};{row.former_mrns}")]
                    facts += [("number", row.medicaid_id), ("ssn", row.ssn), ("born", row.birth_date)]
                    keys |= {_key(secret, kind, value) for kind, value in facts if value}
                statement = (
                    "SELECT DISTINCT u.message_id, u.sealed FROM unmatched u "
                    "JOIN unmatched_keys k ON k.message_id = u.message_id WHERE k.key IN :among"
                )
                found.update({row[0]: row[1] for row in rows_among(connection, statement, sorted(keys))})
        events = []
        for _, sealed in sorted(found.items()):
            try:
                events.append(Event.model_validate_json(lock.decrypt(bytes(sealed))))
            except InvalidToken:
                continue
        return events

    def drop_unmatched(self, message_ids: Sequence[str]) -> None:
        """Forget events that need not wait any longer."""
        if message_ids:
            with self.writing() as connection:
                forget(connection, message_ids)

    def prune_unmatched(self, now: datetime, days: int = 14) -> int:
        """Forget events received more than `days` ago; gives how many."""
        limit = to_us(now - timedelta(days=days))
        with self.writing() as connection:
            old = unmatched.select().with_only_columns(unmatched.c.message_id).where(unmatched.c.received_us < limit)
            connection.execute(unmatched_keys.delete().where(unmatched_keys.c.message_id.in_(old)))
            return connection.execute(unmatched.delete().where(unmatched.c.received_us < limit)).rowcount
