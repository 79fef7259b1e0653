"""Subscriptions in; their handshakes and heartbeats sent, and what is over switched off.

A handshake is answered with 2xx, or the subscription is in error until its client asks again. A heartbeat goes when
nothing else went for so long, and raises no number.
"""

import os
from datetime import UTC, datetime, timedelta
from typing import Final

from rules.telling.destinations import Destination, FormKind, State
from streams.store import Store
from streams.store.destinations import BY_A_PERSON, REQUESTED, DestinationRow
from streams.tell.forms.notifications import Kind, notification
from streams.tell.parcels import notification_parcel
from streams.tell.serving.subscriptions import Subscriptions
from streams.tell.way import Delivered, NotDelivered, Parcel, Secrets

LOOK_SECONDS: Final = 2.0
LEASE_SECONDS: Final = 10.0  # renewed at each look while there is something to do


class Upkeep:
    """Looks after the subscriptions of all clients."""

    def __init__(self, store: Store, subscriptions: Subscriptions, secret: bytes) -> None:
        self._store = store
        self._subscriptions = subscriptions
        self._secret = secret
        self._me = os.urandom(8).hex()

    def is_ours(self, now: datetime) -> bool:
        """Whether this process looks after them: one does at a time, so that nobody shakes hands with two."""
        return self._store.keeping_up.lease("subscriptions", self._me, now, LEASE_SECONDS)

    def rows(self) -> list[DestinationRow]:
        return [row for row in self._store.destinations.all() if row.destination.form is FormKind.SUBSCRIPTION]

    def what(self, row: DestinationRow, now: datetime) -> Kind | None:
        """Which message a subscription needs now."""
        state, options = row.destination.state, row.destination.options
        if state is State.REQUESTED or (state is State.PAUSED and row.why == REQUESTED):
            return Kind.HANDSHAKE
        period = int(options.get("heartbeat", "0"))
        last = max(row.succeeded_at or _NEVER, row.last_failed_at or _NEVER)
        due = state is State.ACTIVE and period and now - last >= timedelta(seconds=period)
        return Kind.HEARTBEAT if due else None

    def over(self, row: DestinationRow, now: datetime) -> bool:
        end = row.destination.options.get("end")
        return bool(end) and row.destination.state is not State.OFF and datetime.fromisoformat(str(end)) <= now

    def switch_off(self, row: DestinationRow, now: datetime) -> None:
        why = row.why if row.why == BY_A_PERSON else "its end is over"
        self._store.destinations.move(row.destination.destination_id, State.OFF, now, why, as_of=row.changed_at)

    def made(self, destination: Destination, kind: Kind, now: datetime) -> tuple[Parcel, Secrets]:
        """The parcel and the secrets it goes with."""
        _, events = self._store.fhir.subscription(destination.destination_id) or (destination, 0)
        subject = self._subscriptions.subject(destination, events)
        bundle = notification(subject, kind, (), now, now.isoformat())
        secrets = self._store.destinations.secrets_of(destination.destination_id, self._secret, now)
        return notification_parcel(bundle, destination), Secrets(secrets)

    def settle(self, row: DestinationRow, kind: Kind, said: Delivered | NotDelivered, now: datetime) -> None:
        """What its client did meanwhile, such as deleting it, counts more than how a handshake before that ended."""
        where = row.destination.destination_id
        if kind is Kind.HANDSHAKE:
            state = State.ACTIVE if isinstance(said, Delivered) else State.PAUSED
            why = "" if isinstance(said, Delivered) else str(said.failure)
            if not self._store.destinations.move(where, state, now, why, as_of=row.changed_at):
                return
        if isinstance(said, Delivered):
            self._store.destinations.heard_well(where, now)
        elif kind is Kind.HEARTBEAT:
            self._store.destinations.failed(where, said.failure, now, now)


_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
