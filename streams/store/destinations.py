"""Destinations and their secrets in; what is kept of them and how each does out.

The secret of a destination is encrypted under the key that every process has (`HANDOFF_HASH_KEY`) and is never shown
again; while one is rotated two are valid at once.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from cryptography.fernet import InvalidToken
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)

from rules.telling.attempts import OF_CONTENT, Failure, GiveUp
from rules.telling.destinations import Destination, FormKind, State
from streams.store.database import Database, next_values, rows_among
from streams.store.disclosures import keep_when, lapsed
from streams.store.notices import NoticeKind, leave
from streams.store.sealing import SealedFor, lock_for
from streams.store.tables import deliveries, destination_secrets, destinations, from_us, to_us

WAITING: Final = "waiting"  # streams.store.delivery.DeliveryState
GIVEN_UP: Final = "given_up"
BY_A_PERSON: Final = "by a person"  # why one is paused
REQUESTED: Final = "requested"  # why a FHIR subscription is paused: it is told again after a handshake
_ANEW: Final = {"rests_until_us": 0, "failures": 0, "first_failed_us": 0}


class DestinationRow(NamedTuple):
    """A destination and how it does."""

    destination: Destination
    why: str  # of its state
    failures: int  # one after the other
    first_failed_at: datetime | None  # since the last success
    last_failed_at: datetime | None
    succeeded_at: datetime | None
    last_failure: str
    sequence: int  # of its last file
    rests_until: datetime | None  # after a failure; nothing is tried before
    changed_at: datetime  # the row or its state, last

    @property
    def is_its_client_s_to_start(self) -> bool:
        """A FHIR subscription that stands still is, but for what a person paused."""
        still = self.destination.state is not State.ACTIVE and self.why != BY_A_PERSON
        return still and self.destination.form is FormKind.SUBSCRIPTION


class Destinations:
    """Destinations, their secrets and their health."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._parsed: dict[str, tuple[str, Destination]] = {}  # by id, with the document it was read from

    def put(self, destination: Destination, now: datetime, why: str = "") -> None:
        """Write a destination, new or changed, whose health begins anew; one that was removed stays so, and one that a
        person paused stays paused.
        """
        by_a_person = destinations.c.why == BY_A_PERSON
        values = {"state": str(destination.state), "why": why}
        held = {name: case((by_a_person, destinations.c[name]), else_=value) for name, value in values.items()}
        written = {"document": destination.written().decode(), "changed_us": to_us(now)}
        with self._database.writing() as connection:
            this = destinations.c.destination_id == destination.destination_id
            kept = connection.execute(
                update(destinations)
                .where(this, destinations.c.state != str(State.REMOVED))
                .values(**held, **written, **_ANEW)
            )
            if not kept.rowcount and connection.scalar(select(destinations.c.state).where(this)) is None:
                row = {"destination_id": destination.destination_id, **values, **written}
                connection.execute(insert(destinations).values(row))
            next_values(connection, "destinations", 1)

    def move(
        self, destination_id: str, state: State, now: datetime, why: str = "", *, as_of: datetime | None = None
    ) -> bool:
        """Change the state and nothing else; gives whether that was done.

        Not of one that was removed, nor of one that was changed after `as_of`. One that is told again begins anew: what
        it failed in before does not pause it, and what waits for another try is due. What waits for one that is removed
        now is given up, unless somebody has it in hand, and its secrets go.
        """
        this = destinations.c.destination_id == destination_id
        unchanged = destinations.c.changed_us <= to_us(as_of) if as_of else true()
        with self._database.writing() as connection:
            moved = connection.execute(
                update(destinations)
                .where(this, destinations.c.state != str(State.REMOVED), unchanged)
                .values(state=str(state), why=why, changed_us=to_us(now), **(_ANEW if state is State.ACTIVE else {}))
            )
            if not moved.rowcount:
                return False
            if state is State.ACTIVE:
                _hasten(connection, destination_id, now)
            if state is State.REMOVED:
                give_up_waiting(connection, deliveries.c.destination_id == destination_id, now)
                of_it = destination_secrets.c.destination_id == destination_id
                connection.execute(delete(destination_secrets).where(of_it))
            next_values(connection, "destinations", 1)
            return True

    def resume(self, row: DestinationRow, now: datetime) -> State:
        """Tell one again that stood still; gives its state now. A FHIR subscription that a person paused is told again
        after a handshake; one that its client switched off meanwhile stays so.
        """
        state, why = State.ACTIVE, ""
        if row.destination.form is FormKind.SUBSCRIPTION and row.destination.state is not State.ACTIVE:
            off = row.destination.state is State.OFF
            state, why = (State.OFF, "") if off else (State.PAUSED, REQUESTED)
        self.move(row.destination.destination_id, state, now, why)
        return state

    def version(self) -> int:
        """Grows with every change of a destination."""
        with self._database.reading() as connection:
            rows = rows_among(connection, "SELECT value FROM counters WHERE name IN :among", ["destinations"])
            return int(rows[0][0]) if rows else 0

    def all(self) -> list[DestinationRow]:
        """Every destination that was not removed, by id."""
        wanted = (
            select(destinations)
            .where(destinations.c.state != str(State.REMOVED))
            .order_by(destinations.c.destination_id)
        )
        with self._database.reading() as connection:
            return [self._destination(row) for row in connection.execute(wanted)]

    def find(self, destination_id: str) -> DestinationRow | None:
        """One destination that was not removed."""
        wanted = select(destinations).where(
            destinations.c.destination_id == destination_id, destinations.c.state != str(State.REMOVED)
        )
        with self._database.reading() as connection:
            row = connection.execute(wanted).one_or_none()
            return self._destination(row) if row else None

    def among(self, destination_ids: Collection[str]) -> dict[str, Destination]:
        """Those of these ids, by id: also what was removed, which stays in what was told."""
        wanted = select(destinations).where(destinations.c.destination_id.in_(sorted(destination_ids)))
        with self._database.reading() as connection:
            return {row.destination_id: self._destination(row).destination for row in connection.execute(wanted)}

    def was_ever(self, destination_id: str) -> bool:
        """Whether there is or was one of that id: what it was told stays under it, so it is never another's."""
        wanted = select(destinations.c.destination_id).where(destinations.c.destination_id == destination_id)
        with self._database.reading() as connection:
            return connection.scalar(wanted) is not None

    # secrets

    def put_secret(
        self, destination_id: str, name: str, value: str, key: bytes, now: datetime, overlap: timedelta
    ) -> None:
        """Keep a secret encrypted; what was valid under that name stays so for `overlap` at most, what ended before
        goes.
        """
        ends = to_us(now + overlap)
        of_name = (destination_secrets.c.destination_id == destination_id, destination_secrets.c.name == name)
        until = destination_secrets.c.until_us
        with self._database.writing() as connection:
            connection.execute(
                update(destination_secrets).where(*of_name, or_(until == 0, until > ends)).values(until_us=ends)
            )
            connection.execute(delete(destination_secrets).where(*of_name, until != 0, until <= to_us(now)))
            connection.execute(
                insert(destination_secrets).values(
                    destination_id=destination_id,
                    name=name,
                    made_us=to_us(now),
                    sealed=lock_for(SealedFor.DESTINATIONS, key).encrypt(value.encode()),
                )
            )

    def secrets_of(self, destination_id: str, key: bytes, now: datetime) -> dict[str, tuple[str, ...]]:
        """The secrets that are valid now, by name, the newest of each first. Raises `ValueError` under another key."""
        wanted = (
            select(destination_secrets)
            .where(destination_secrets.c.destination_id == destination_id)
            .order_by(destination_secrets.c.made_us.desc())
        )
        valid: dict[str, tuple[str, ...]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(wanted):
                if row.until_us and row.until_us <= to_us(now):
                    continue
                try:
                    value = lock_for(SealedFor.DESTINATIONS, key).decrypt(row.sealed).decode()
                except InvalidToken:
                    raise ValueError("the secrets of this store were kept under another HANDOFF_HASH_KEY") from None
                valid[row.name] = (*valid.get(row.name, ()), value)
        return valid

    # how each does

    def hasten(self, destination_id: str, now: datetime) -> int:
        """Make due what waits for another try at a destination that is back; gives how many."""
        with self._database.writing() as connection:
            return _hasten(connection, destination_id, now)

    def rest(self, destination_id: str, until: datetime) -> None:
        """Try nothing at a destination before `until`."""
        with self._database.writing() as connection:
            connection.execute(
                update(destinations)
                .where(destinations.c.destination_id == destination_id)
                .values(rests_until_us=to_us(until))
            )

    def heard_well(self, destination_id: str, now: datetime) -> None:
        """A destination took something."""
        with self._database.writing() as connection:
            connection.execute(WELL, [{"b_where": destination_id, "b_now": to_us(now)}])

    def failed(
        self, destination_id: str, failure: Failure, now: datetime, rests_until: datetime | None
    ) -> DestinationRow | None:
        """A destination failed and rests, or not; gives how it does now."""
        rests = {} if rests_until is None else {"rests_until_us": to_us(rests_until)}
        with self._database.writing() as connection:
            connection.execute(
                update(destinations)
                .where(destinations.c.destination_id == destination_id)
                .values(
                    failures=destinations.c.failures + 1,
                    first_failed_us=func.coalesce(func.nullif(destinations.c.first_failed_us, 0), to_us(now)),
                    last_failed_us=to_us(now),
                    last_failure=str(failure),
                    **rests,
                )
            )
            row = connection.execute(
                select(destinations).where(destinations.c.destination_id == destination_id)
            ).one_or_none()
            return self._destination(row) if row else None

    def pause(self, destination_id: str, why: str, now: datetime, *, tell: bool = False) -> bool:
        """Pause one that is active; gives whether it was. `tell`: somebody hears of it by mail."""
        with self._database.writing() as connection:
            paused = connection.execute(
                update(destinations)
                .where(
                    destinations.c.destination_id == destination_id,
                    destinations.c.state == str(State.ACTIVE),
                )
                .values(state=str(State.PAUSED), why=why, changed_us=to_us(now))
            )
            if paused.rowcount:
                next_values(connection, "destinations", 1)
                if tell:
                    leave(connection, NoticeKind.PAUSED, destination_id, now)
            return bool(paused.rowcount)

    def _destination(self, row: Any) -> DestinationRow:
        """A document is parsed once: there may be ten thousand, and they rarely change."""
        document, destination = self._parsed.get(row.destination_id, ("", None))
        if destination is None or document != row.document:
            destination = Destination.read(row.document)
            self._parsed[row.destination_id] = row.document, destination
        if destination.state != row.state:
            destination = destination.model_copy(update={"state": State(row.state)})
        return DestinationRow(
            destination,
            row.why,
            row.failures,
            from_us(row.first_failed_us) if row.first_failed_us else None,
            from_us(row.last_failed_us) if row.last_failed_us else None,
            from_us(row.succeeded_us) if row.succeeded_us else None,
            row.last_failure,
            row.sequence,
            from_us(row.rests_until_us) if row.rests_until_us else None,
            from_us(row.changed_us),
        )


def give_up_waiting(connection: Connection, where: ColumnElement[bool], now: datetime) -> int:
    """End what waits for destinations that were removed and is in nobody's hand; gives how many.

    What was in the hand of a process that died may have arrived.
    """
    waits = and_(where, deliveries.c.state == WAITING, deliveries.c.claimed_until_us <= to_us(now))
    keep_when(connection, waits & lapsed(now), deliveries.c.claimed_until_us, literal(""), arrived=False)
    ended = connection.execute(
        update(deliveries)
        .where(waits)
        .values(
            state=GIVEN_UP,
            failure=str(GiveUp.REMOVED),
            ended_us=to_us(now),
            maybe=case((lapsed(now), 1), else_=deliveries.c.maybe),
        )
    )
    return int(ended.rowcount)


def _hasten(connection: Connection, destination_id: str, now: datetime) -> int:
    """What was refused for what it holds keeps its time."""
    later = (
        select(deliveries.c.delivery_id)
        .where(
            deliveries.c.destination_id == destination_id,
            deliveries.c.state == WAITING,
            deliveries.c.due_us > to_us(now),
            deliveries.c.failure.not_in(["", *sorted(OF_CONTENT)]),
        )
        .order_by(deliveries.c.delivery_id)
        .with_for_update(skip_locked=True)
    )
    hastened = update(deliveries).where(deliveries.c.delivery_id.in_(later)).values(due_us=to_us(now))
    return int(connection.execute(hastened).rowcount)


WELL: Final = (
    update(destinations)
    .where(destinations.c.destination_id == bindparam("b_where"))
    .values(succeeded_us=bindparam("b_now"), failures=0, first_failed_us=0, last_failure="")
)
