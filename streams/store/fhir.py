"""FHIR clients and what their subscriptions were told in; who may sign in, which events there were, out.

The number of an event is given in the transaction that makes the version (`streams.store.due.write_due`), so
numbers have no hole, whatever fails later.
"""

import hashlib
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, delete, select, update

from parsers.events import Value
from rules.decisions import Alert
from rules.telling.confidentiality import Tier
from rules.telling.destinations import Destination, State, Whose
from streams.store.audit import Audited, note
from streams.store.database import Database, write_rows
from streams.store.tables import (
    alert_versions,
    alerts,
    deliveries,
    destinations,
    fhir_assertions,
    fhir_clients,
    from_us,
    to_us,
)

MOST: Final = 1000  # events of one answer
CLIENT: Final = "client"  # name of an option of a destination: whose subscription it is
_NOT_DELETED: Final = select(destinations.c.document, destinations.c.state, destinations.c.events).where(
    destinations.c.state != str(State.REMOVED)
)


class FhirClient(Value):
    """A system that may sign in to the FHIR server (SMART Backend Services), and whose it is."""

    client_id: str
    whose: Whose
    owner_id: str = ""
    tier: Tier = Tier.FULL  # at most
    keys: dict[str, Any] = {}  # a JSON Web Key Set, public keys only
    jwks_url: str = ""  # or where the client publishes them
    allow_private: bool = False  # its endpoints may lie in one's own network


class Event(NamedTuple):
    """One event of a subscription."""

    number: int
    alert: Alert
    made_at: datetime


class Fhir:
    """What the FHIR server remembers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_client(self, client: FhirClient, now: datetime, *, by: str = "") -> None:
        """`by`: whose deed it is, in the audit."""
        with self._database.writing() as connection:
            if by:
                whose = f"{client.whose}:{client.owner_id}" if client.owner_id else client.whose
                detail = f"FHIR client {client.client_id} of {whose}, {client.tier} tier"
                note(connection, now, by, Audited.BOUND, detail=detail)
            write_rows(
                connection,
                fhir_clients,
                ("client_id", "document", "changed_us"),
                [(client.client_id, client.written().decode(), to_us(now))],
                "ON CONFLICT (client_id) DO UPDATE SET document = excluded.document, changed_us = excluded.changed_us",
            )

    def remove_client(self, client_id: str, now: datetime, *, by: str = "") -> bool:
        """Its tokens end with it; gives whether there was one. `by`: whose deed it is, in the audit."""
        with self._database.writing() as connection:
            gone = connection.execute(delete(fhir_clients).where(fhir_clients.c.client_id == client_id))
            if gone.rowcount and by:
                note(connection, now, by, Audited.UNBOUND, detail=f"FHIR client {client_id}")
            return bool(gone.rowcount)

    def clients(self) -> list[FhirClient]:
        with self._database.reading() as connection:
            documents = connection.scalars(select(fhir_clients.c.document).order_by(fhir_clients.c.client_id))
            return [FhirClient.read(document) for document in documents]

    def client(self, client_id: str) -> FhirClient | None:
        wanted = select(fhir_clients.c.document).where(fhir_clients.c.client_id == client_id)
        with self._database.reading() as connection:
            document = connection.scalar(wanted)
            return FhirClient.read(document) if document else None

    def first_use(self, client_id: str, jti: str, now: datetime, until: datetime) -> bool:
        """Whether a client's assertion comes for the first time; remembered until it ends by itself."""
        name = hashlib.sha256(f"{client_id}\x1f{jti}".encode()).hexdigest()
        with self._database.writing() as connection:
            connection.execute(delete(fhir_assertions).where(fhir_assertions.c.until_us < to_us(now)))
            row = (name, to_us(until))
            return write_rows(connection, fhir_assertions, ("name", "until_us"), [row], "ON CONFLICT DO NOTHING") == 1

    def subscriptions(self, client_id: str) -> list[tuple[Destination, int]]:
        """The subscriptions of a client that were not deleted, each with how many events it had."""
        named = destinations.c.destination_id
        wanted = _NOT_DELETED.where(named.like("sub-%")).order_by(named)
        with self._database.reading() as connection:
            rows = list(map(_subscription, connection.execute(wanted)))
        return [subscription for subscription in rows if subscription[0].options.get(CLIENT) == client_id]

    def subscription(self, subscription_id: str) -> tuple[Destination, int] | None:
        """One that was not deleted, with how many events it had."""
        wanted = _NOT_DELETED.where(destinations.c.destination_id == subscription_id)
        with self._database.reading() as connection:
            row = connection.execute(wanted).one_or_none()
        return _subscription(row) if row else None

    def events(self, subscription_id: str, since: int, until: int) -> list[Event]:
        """Events of a subscription by number, both ends included, oldest first, at most `MOST`."""
        wanted = (
            select(deliveries.c.number, deliveries.c.made_us, alert_versions.c.document)
            .join(
                alert_versions,
                (alert_versions.c.alert_id == deliveries.c.alert_id)
                & (alert_versions.c.version == deliveries.c.version),
            )
            .where(deliveries.c.destination_id == subscription_id, deliveries.c.number.between(max(since, 1), until))
            .order_by(deliveries.c.number)
            .limit(MOST)
        )
        with self._database.reading() as connection:
            return [
                Event(row.number, Alert.read(row.document), from_us(row.made_us)) for row in connection.execute(wanted)
            ]

    def told_to(self, client_id: str, *, alert_id: str = "", enrollee_id: str = "") -> list[tuple[Destination, Alert]]:
        """The newest version that is due to a subscription of this client: of one alert, or of one person's newest."""
        mine = {subscription.destination_id: subscription for subscription, _ in self.subscriptions(client_id)}
        wanted = (
            select(deliveries.c.destination_id, alert_versions.c.document)
            .join(
                alert_versions,
                (alert_versions.c.alert_id == deliveries.c.alert_id)
                & (alert_versions.c.version == deliveries.c.version),
            )
            .join(alerts, alerts.c.alert_id == deliveries.c.alert_id)
            .where(deliveries.c.destination_id.in_(mine))
            .order_by(deliveries.c.position.desc())
            .limit(1)
        )
        wanted = wanted.where(alerts.c.alert_id == alert_id) if alert_id else wanted
        wanted = wanted.where(alerts.c.enrollee_id == enrollee_id) if enrollee_id else wanted
        with self._database.reading() as connection:
            return [(mine[row.destination_id], Alert.read(row.document)) for row in connection.execute(wanted)]


def _subscription(row: Any) -> tuple[Destination, int]:
    return Destination.read(row.document).model_copy(update={"state": State(row.state)}), row.events


def count_events(connection: Connection, destination_id: str, count: int) -> int:
    """Take the next `count` numbers of a subscription, within the caller's transaction; gives the first."""
    newest = connection.execute(
        update(destinations)
        .where(destinations.c.destination_id == destination_id)
        .values(events=destinations.c.events + count)
        .returning(destinations.c.events)
    ).scalar_one()
    return int(newest) - count + 1
