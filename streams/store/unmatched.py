"""Recent events about people who are not on the panel in, encrypted; those about somebody enrolled later out.

An event is found again by keyed hashes of what both sides know (birth date, numbers, SSN), so that neither table says
anything without the key. Whether it really is the same person is for the matcher to say.
"""

import hmac
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from cryptography.fernet import InvalidToken
from sqlalchemy import Connection, func, select

from parsers.events import Event, EventKind
from parsers.files.panel_columns import split_mrns
from rules.deciding.late_enrollment import looks_back
from streams.run.hash_keys import keys_in
from streams.store.database import Database, rows_among, write_rows
from streams.store.panel_rows import stream_rows
from streams.store.sealing import SealedFor, lock_for
from streams.store.tables import enrollees, to_us, unmatched, unmatched_keys

FOUND_AT_ONCE: Final = 500
OPENED_AT_ONCE: Final = 5_000
HASHES_PER_EVENT: Final = 10  # to open an event costs as much as to hash so many people
Fact = tuple[str, str]
_PEOPLE: Final = "SELECT mrns, former_mrns, medicaid_id, ssn, birth_date FROM enrollees"


def _keys(secret: bytes, kind: str, value: str) -> list[str]:
    """By what is kept under each of the hash keys, first the one that is written."""
    said = f"unmatched\x1f{kind}\x1f{value.casefold()}".encode()
    return [hmac.digest(key, said, "sha256").hex()[:32] for key in keys_in(secret)]


def kept_under(event: Event, secret: bytes) -> set[tuple[str, str]]:
    """Rows of `unmatched_keys` by which an event is found again."""
    return {(_keys(secret, kind, value)[0], event.message_id) for kind, value in _ways_to(event) if value}


def _facts_of(event: Event) -> Iterator[Fact]:
    for number in event.patient.identifiers:
        yield "number", number.value
    yield "ssn", event.patient.ssn
    if event.patient.birth_date:
        yield "born", event.patient.birth_date.isoformat()


def _ways_to(event: Event) -> Iterator[Fact]:
    """By what a kept event is found again: by whom it is about, and by the visit it is about."""
    yield from _facts_of(event)
    for key in event.stay_keys[:1]:
        yield "visit", f"{key.system}\x1f{key.value}"


def _facts_on(row: Sequence[str]) -> Iterator[Fact]:
    """What a row of `_PEOPLE` says."""
    mrns, former_mrns, medicaid_id, ssn, birth_date = row
    if mrns or former_mrns:
        for _, value in split_mrns(f"{mrns};{former_mrns}"):
            yield "number", value
    yield "number", medicaid_id
    yield "ssn", ssn
    yield "born", birth_date


def forget(connection: Connection, message_ids: Sequence[str]) -> None:
    """Keep these events no longer."""
    for start in range(0, len(message_ids), FOUND_AT_ONCE):
        some = message_ids[start : start + FOUND_AT_ONCE]
        connection.execute(unmatched.delete().where(unmatched.c.message_id.in_(some)))
        connection.execute(unmatched_keys.delete().where(unmatched_keys.c.message_id.in_(some)))


def _about(connection: Connection, people: Iterable[Sequence[str]], secret: bytes) -> set[str]:
    """Message ids of kept events that share a key with rows of `_PEOPLE`."""
    message_ids: set[str] = set()
    rows = iter(people)
    while some := list(islice(rows, FOUND_AT_ONCE)):
        facts = {(kind, value) for row in some for kind, value in _facts_on(row) if value}
        keys = {key for fact in facts for key in _keys(secret, *fact)}
        statement = "SELECT DISTINCT message_id FROM unmatched_keys WHERE key IN :among"
        message_ids.update(row[0] for row in rows_among(connection, statement, sorted(keys)))
    return message_ids


def _shared(asked: set[Fact], people: Iterable[Sequence[str]]) -> set[Fact]:
    """Those of the facts `asked` that rows of `_PEOPLE` say as well."""
    by_kind: dict[str, set[str]] = {"number": set(), "ssn": set(), "born": set()}
    for kind, value in asked:
        by_kind[kind].add(value)
    numbers, ssns, births = by_kind["number"], by_kind["ssn"], by_kind["born"]
    shared: set[Fact] = set()
    for row in people:
        mrns, former_mrns, medicaid_id, ssn, birth_date = row
        if birth_date in births:
            shared.add(("born", birth_date))
        if ssn in ssns:
            shared.add(("ssn", ssn))
        if medicaid_id.casefold() in numbers:
            shared.add(("number", medicaid_id.casefold()))
        if mrns or former_mrns:
            values = {value.casefold() for _, value in split_mrns(f"{mrns};{former_mrns}")}
            shared.update(("number", value) for value in values & numbers)
    return shared


def earlier_of(connection: Connection, events: Iterable[Event], secret: bytes) -> list[Event]:
    """Kept events that these may be the continuation of (`looks_back`), oldest first, within the transaction."""
    keys: set[str] = set()
    for event in events:
        for number in looks_back(event):
            merged = event.kind is EventKind.PERSON_MERGED
            fact = ("number", number.value) if merged else ("visit", f"{number.system}\x1f{number.value}")
            keys.update(_keys(secret, *fact))
    if not keys:
        return []
    statement = "SELECT DISTINCT message_id FROM unmatched_keys WHERE key IN :among"
    message_ids = sorted({row[0] for row in rows_among(connection, statement, sorted(keys))})[:FOUND_AT_ONCE]
    sealed = rows_among(connection, "SELECT message_id, sealed FROM unmatched WHERE message_id IN :among", message_ids)
    lock = lock_for(SealedFor.UNMATCHED, secret)
    opened = []
    for _, data in sorted(sealed):
        with suppress(InvalidToken):
            opened.append(Event.read(lock.decrypt(bytes(data))))
    return opened


class Unmatched:
    """What waits for late enrollment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, events: Sequence[Event], secret: bytes) -> None:
        """Keep events, encrypted with a key made of `secret`; one that is kept already stays as it is."""
        lock = lock_for(SealedFor.UNMATCHED, secret)
        rows, keys = [], set()
        for event in events:
            sealed = lock.encrypt(event.written())
            rows.append((event.message_id, to_us(event.received_at), sealed))
            keys |= kept_under(event, secret)
        with self._database.writing() as connection:
            columns = ("message_id", "received_us", "sealed")
            write_rows(connection, unmatched, columns, rows, "ON CONFLICT DO NOTHING")
            write_rows(connection, unmatched_keys, ("key", "message_id"), sorted(keys), "ON CONFLICT DO NOTHING")

    def about(self, enrollee_ids: Iterable[str], secret: bytes) -> list[Event]:
        """Kept events that may be about one of these enrollees, in the order of receipt.

        Events written under another secret are left out: nobody can read them.
        """
        ids = list(enrollee_ids)
        with self._database.reading() as connection:
            people: list[Sequence[str]] = []
            for start in range(0, len(ids), FOUND_AT_ONCE):
                some = ids[start : start + FOUND_AT_ONCE]
                people += rows_among(connection, f"{_PEOPLE} WHERE enrollee_id IN :among", some)
            message_ids = sorted(_about(connection, people, secret))
        return list(self._opened(message_ids, secret))

    def of_load(self, seq: int, secret: bytes, since: datetime | None = None) -> Iterator[Event]:
        """As `about`, for everybody in the lines last written by load `seq`; some thousand events at a time.

        Only events received from `since` on, if that is given. The fewer are gone through: the events, each compared
        with the lines, or the lines, each hashed.
        """
        newer = unmatched.c.received_us >= (to_us(since) if since else 0)
        of_load = enrollees.c.seq == seq
        with self._database.reading() as connection:
            kept = int(connection.scalar(select(func.count()).select_from(unmatched).where(newer)) or 0)
            people = int(connection.scalar(select(func.count()).select_from(enrollees).where(of_load)) or 0)
        lines = f"{_PEOPLE} WHERE gone = 0 AND seq = {int(seq)}"
        if not kept or not people:
            return
        if since is None and kept * HASHES_PER_EVENT > people:
            with self._database.reading() as connection:
                message_ids = sorted(_about(connection, stream_rows(connection, lines), secret))
            yield from self._opened(message_ids, secret)
            return
        with self._database.reading() as connection:
            ids = list(connection.scalars(select(unmatched.c.message_id).where(newer).order_by(unmatched.c.message_id)))
        for start in range(0, len(ids), OPENED_AT_ONCE):
            events = list(self._opened(ids[start : start + OPENED_AT_ONCE], secret))
            facts = {
                event.message_id: {(kind, value.casefold()) for kind, value in _facts_of(event)} for event in events
            }
            asked = {fact for some in facts.values() for fact in some if fact[1]}
            with self._database.reading() as connection:
                shared = _shared(asked, stream_rows(connection, lines))
            yield from (event for event in events if not shared.isdisjoint(facts[event.message_id]))

    def _opened(self, message_ids: Sequence[str], secret: bytes) -> Iterator[Event]:
        """Those of these kept events that can be read, in the same order."""
        lock = lock_for(SealedFor.UNMATCHED, secret)
        for start in range(0, len(message_ids), FOUND_AT_ONCE):
            some = message_ids[start : start + FOUND_AT_ONCE]
            with self._database.reading() as connection:
                sealed = rows_among(
                    connection, "SELECT message_id, sealed FROM unmatched WHERE message_id IN :among", some
                )
            for _, data in sorted(sealed):
                try:
                    yield Event.read(lock.decrypt(bytes(data)))
                except InvalidToken:
                    continue

    def drop(self, message_ids: Sequence[str]) -> None:
        """Forget events that need not wait any longer."""
        if message_ids:
            with self._database.writing() as connection:
                forget(connection, message_ids)

    def prune(self, now: datetime, days: int = 14) -> int:
        """Forget events received more than `days` ago; gives how many. Small transactions, none long."""
        limit, gone = to_us(now - timedelta(days=days)), 0
        old = unmatched.select().with_only_columns(unmatched.c.message_id).where(unmatched.c.received_us < limit)
        while True:
            with self._database.writing() as connection:
                some = list(connection.scalars(old.limit(FOUND_AT_ONCE)))
                forget(connection, some)
            gone += len(some)
            if len(some) < FOUND_AT_ONCE:
                return gone

    def seals(self) -> bool:
        """Whether anything is kept that only the hash key opens."""
        with self._database.reading() as connection:
            return connection.scalar(unmatched.select().with_only_columns(unmatched.c.message_id).limit(1)) is not None
