"""What our own code failed on or could not use, kept with its bytes, sealed; given back to the way it came from once it
is mended.

The ledger says how a message ended, and `quarantined` and `rejected` are the endings that may give way to another:
`release` takes it away in the transaction in which the record is lined up again, under the message id it always had.
So at any moment a message is on its way or has one ending, and `handoff quarantine replay` moves it once, however often
it is run. The hospital's bytes are what is kept: a message that could be read after all and then not be decided is read
once more. Of what a sender's data made us reject the newest of each feed is kept; `adt.rejects.v1` has all.
"""

import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, delete, func, select, update

from rules.endings import Ending
from streams.run.hash_keys import keys_in
from streams.store.database import Database, delete_in_steps, write_rows
from streams.store.sealing import SealedFor, key_for
from streams.store.tables import attempts, from_us, ledger, quarantine, to_us

KEPT_DAYS: Final = 90
REJECTED_DAYS: Final = 30
MOST_REJECTED: Final = 1_000  # of one feed
_NONCE: Final = 12
_AT_ONCE: Final = 1_000
_COLUMNS: Final = (
    *("message_id", "state", "stage", "code", "place", "sender", "feed", "release"),
    *("received_us", "first_us", "last_us", "key", "sealed"),
)
_AS_IT_CAME: Final = ", ".join(
    f"{name} = CASE WHEN quarantine.stage = 'read' THEN quarantine.{name} ELSE excluded.{name} END"
    for name in ("stage", "key", "sealed")
)


class State(StrEnum):
    """Where a record of the quarantine is; stored."""

    WAITING = "waiting"
    REJECTED = "rejected"  # the sender's data, for which nobody here has to do anything
    LINED_UP = "lined_up"  # to be published again
    REPLAYED = "replayed"  # published; the ledger says what became of it
    DISMISSED = "dismissed"  # by a person, with why


OPEN: Final = (State.WAITING, State.REJECTED)  # may be replayed


class Failed(NamedTuple):
    """A record our code failed on, or could not use. `key` is the record's own, 32 hex digits; `value` its bytes."""

    message_id: str
    stage: str
    code: str
    place: str
    sender: str
    feed: str
    received_at: datetime
    key: bytes
    value: bytes

    def __repr__(self) -> str:
        return f"<Failed {self.message_id} {self.code}>"


class Quarantined(NamedTuple):
    """What may be said of a record without looking into it."""

    message_id: str
    state: State
    stage: str
    code: str
    place: str
    sender: str
    feed: str
    release: str
    received_at: datetime
    first_at: datetime
    last_at: datetime
    failures: int
    why: str
    corrected: bool
    ending: str  # of the message now; "" while it is on its way


class Quarantine:
    """The records, over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rejected: Counter[str] = Counter()  # by feed, since its oldest were forgotten

    def keep(
        self, records: Sequence[Failed], release: str, secret: bytes, now: datetime, state: State = State.WAITING
    ) -> None:
        """Before their endings are written. One that fails once more is as open as before; a dismissed one stays so."""
        rows = [
            (
                *(each.message_id, str(state), each.stage, each.code, each.place, each.sender, each.feed),
                *(release, to_us(each.received_at), to_us(now), to_us(now), each.key.decode("ascii", "replace")),
                sealed_record(secret, each.message_id, each.value),
            )
            for each in {each.message_id: each for each in records}.values()
        ]
        with self._database.writing() as connection:
            write_rows(
                connection,
                quarantine,
                _COLUMNS,
                rows,
                f"ON CONFLICT (message_id) DO UPDATE SET {_AS_IT_CAME}, state = excluded.state, code = excluded.code, "
                "place = excluded.place, release = excluded.release, last_us = excluded.last_us, "
                f"failures = quarantine.failures + 1 WHERE quarantine.state <> '{State.DISMISSED}'",
            )
        if state is State.REJECTED:
            self._rejected.update(each.feed for each in records)
            for feed in [feed for feed, count in self._rejected.items() if count >= MOST_REJECTED // 10]:
                del self._rejected[feed]
                self._forget_rejected(feed)

    def all(
        self,
        *,
        message_id: str = "",
        sender: str = "",
        code: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        states: Collection[State] = (State.WAITING,),
    ) -> list[Quarantined]:
        """In order of receipt: what is so, one message or of one sender, code or span of receipt if named."""
        wanted = select(quarantine, ledger.c.ending).join(
            ledger, ledger.c.message_id == quarantine.c.message_id, isouter=True
        )
        wanted = wanted.where(quarantine.c.state.in_([str(state) for state in states]))
        for column, value in (
            (quarantine.c.message_id, message_id),
            (quarantine.c.sender, sender),
            (quarantine.c.code, code),
        ):
            if value:
                wanted = wanted.where(column == value)
        if since:
            wanted = wanted.where(quarantine.c.received_us >= to_us(since))
        if until:
            wanted = wanted.where(quarantine.c.received_us < to_us(until))
        with self._database.reading() as connection:
            return [_quarantined(row) for row in connection.execute(wanted.order_by(quarantine.c.message_id))]

    def under(self, codes: Collection[str], before: datetime, count: int) -> list[str]:
        """Ids of records that wait under one of these codes since `before`, oldest first."""
        where = (
            quarantine.c.state == str(State.WAITING),
            quarantine.c.code.in_(codes),
            quarantine.c.last_us < to_us(before),
        )
        wanted = select(quarantine.c.message_id).where(*where).order_by(quarantine.c.message_id).limit(count)
        with self._database.reading() as connection:
            return list(connection.scalars(wanted))

    def waiting(self) -> int:
        """How many records wait for somebody."""
        with self._database.reading() as connection:
            where = quarantine.c.state == str(State.WAITING)
            return int(connection.scalar(select(func.count()).select_from(quarantine).where(where)) or 0)

    def content(self, message_id: str, secret: bytes) -> tuple[bytes, bytes | None] | None:
        """The bytes as they came and the corrected ones, if any. Holds PHI."""
        with self._database.reading() as connection:
            row = connection.execute(
                select(quarantine.c.sealed, quarantine.c.corrected).where(quarantine.c.message_id == message_id)
            ).first()
        if row is None:
            return None
        corrected = None if row.corrected is None else opened_record(secret, message_id, row.corrected)
        return opened_record(secret, message_id, row.sealed), corrected

    def correct(self, message_id: str, value: bytes, secret: bytes) -> bool:
        """Lay a corrected copy beside the original; False when no such message is open."""
        return self._change(message_id, *OPEN, corrected=sealed_record(secret, message_id, value))

    def dismiss(self, message_id: str, why: str) -> bool:
        """It will not be replayed; `why` holds no PHI. False when no such message waits."""
        return self._change(message_id, State.WAITING, state=str(State.DISMISSED), why=why)

    def release(self, message_ids: Iterable[str], secret: bytes) -> int:
        """Line up those that are open, each with its ending taken away; gives how many. Not under a lost key."""
        asked, released = sorted(set(message_ids)), 0
        for start in range(0, len(asked), _AT_ONCE):
            some = asked[start : start + _AT_ONCE]
            with self._database.writing() as connection:
                released += _line_up(connection, some, secret)
        return released

    def line_up_again(self, since: datetime) -> int:
        """What was published again and has not ended, of what was received since then: its broker may be gone with it.
        One that is on its way after all changes nothing when it comes twice."""
        ended = select(ledger.c.message_id).where(ledger.c.message_id == quarantine.c.message_id).exists()
        where = (quarantine.c.state == str(State.REPLAYED), quarantine.c.received_us >= to_us(since), ~ended)
        with self._database.writing() as connection:
            return connection.execute(update(quarantine).where(*where).values(state=str(State.LINED_UP))).rowcount

    def lined_up(self, count: int, secret: bytes) -> list[Failed]:
        """What is to be published again, the corrected copy where there is one, oldest first."""
        wanted = select(quarantine).where(quarantine.c.state == str(State.LINED_UP))
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(quarantine.c.message_id).limit(count)).all()
        return [
            Failed(
                *(row.message_id, row.stage, row.code, row.place, row.sender, row.feed, from_us(row.received_us)),
                row.key.encode(),
                opened_record(secret, row.message_id, row.corrected or row.sealed),
            )
            for row in rows
        ]

    def published(self, message_ids: Sequence[str]) -> None:
        """They stand on their topic again. One that failed again meanwhile is waiting and stays so."""
        if message_ids:
            with self._database.writing() as connection:
                connection.execute(
                    update(quarantine)
                    .where(quarantine.c.message_id.in_(list(message_ids)), quarantine.c.state == str(State.LINED_UP))
                    .values(state=str(State.REPLAYED))
                )

    def prune(self, now: datetime) -> int:
        """Forget what came more than `KEPT_DAYS` ago, and what was rejected more than `REJECTED_DAYS` ago; gives how
        many. Small transactions, none long."""
        old = quarantine.c.received_us < to_us(now - timedelta(days=KEPT_DAYS))
        older = quarantine.c.received_us < to_us(now - timedelta(days=REJECTED_DAYS))
        rejected = quarantine.c.state == str(State.REJECTED)
        return delete_in_steps(self._database, quarantine, old | (rejected & older), _AT_ONCE)

    def _forget_rejected(self, feed: str) -> None:
        """All but the newest of a feed."""
        of_feed = (quarantine.c.state == str(State.REJECTED), quarantine.c.feed == feed)
        newest = select(quarantine.c.message_id).where(*of_feed).order_by(quarantine.c.message_id.desc())
        with self._database.writing() as connection:
            last = connection.scalar(newest.offset(MOST_REJECTED).limit(1))
            connection.execute(delete(quarantine).where(*of_feed, quarantine.c.message_id <= (last or "")))

    def _change(self, message_id: str, *before: State, **values: object) -> bool:
        with self._database.writing() as connection:
            where = (quarantine.c.message_id == message_id, quarantine.c.state.in_([str(state) for state in before]))
            return connection.execute(update(quarantine).where(*where).values(**values)).rowcount == 1


def _line_up(connection: Connection, message_ids: list[str], secret: bytes) -> int:
    where = (quarantine.c.message_id.in_(message_ids), quarantine.c.state.in_([str(state) for state in OPEN]))
    rows = connection.execute(select(quarantine.c.message_id, quarantine.c.sealed).where(*where).with_for_update())
    waiting = [row.message_id for row in rows if opened_record(secret, row.message_id, row.sealed)]
    ending = ledger.c.ending.not_in(
        [str(Ending.QUARANTINED), str(Ending.REJECTED)]
    )  # of a copy that came through meanwhile
    done = set(connection.scalars(select(ledger.c.message_id).where(ledger.c.message_id.in_(waiting), ending)))
    free = [each for each in waiting if each not in done]
    connection.execute(delete(ledger).where(ledger.c.message_id.in_(free)))
    tried = [f"{stage}:{message_id}" for message_id in free for stage in ("read", "decide")]
    connection.execute(delete(attempts).where(attempts.c.record.in_(tried)))
    for which, state in ((free, State.LINED_UP), (done, State.REPLAYED)):
        connection.execute(update(quarantine).where(quarantine.c.message_id.in_(which)).values(state=str(state)))
    return len(free)


def _quarantined(row: Any) -> Quarantined:
    return Quarantined(
        *(row.message_id, State(row.state), row.stage, row.code, row.place, row.sender, row.feed, row.release),
        *(from_us(row.received_us), from_us(row.first_us), from_us(row.last_us), row.failures, row.why),
        row.corrected is not None,
        row.ending or "",
    )


@lru_cache(maxsize=4)
def _ciphers(secret: bytes) -> tuple[AESGCM, ...]:
    return tuple(AESGCM(key_for(SealedFor.QUARANTINE, key)) for key in keys_in(secret))


def sealed_record(secret: bytes, message_id: str, value: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    return nonce + _ciphers(secret)[0].encrypt(nonce, value, message_id.encode())


def opened_record(secret: bytes, message_id: str, sealed: bytes) -> bytes:
    """Empty where the key is another one by now: such a record can only be dismissed."""
    for cipher in _ciphers(secret):
        with suppress(InvalidTag):
            return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], message_id.encode())
    return b""
