"""What a step of escalation puts into the mail of whom it asks, and takes out again when somebody acted.

A mail says how much waits and names nobody. Questions to one person within `GATHER_SECONDS` are due together, so that
they are one mail; what an outage held back is one, too.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, select, update

from rules.telling.attempts import GiveUp
from rules.telling.destinations import NO_PATIENT, Destination, State, Whose
from streams.store.database import write_rows
from streams.store.delivery import made_of
from streams.store.destinations import WAITING
from streams.store.tables import alerts, deliveries, to_us

if TYPE_CHECKING:
    from streams.store.looks import Looked

GATHER_SECONDS: Final = 120
_COLUMNS: Final = (
    *("delivery_id", "destination_id", "alert_id", "version", "position", "state", "due_us", "made_us", "step_key"),
)


def write_mail(connection: Connection, stay: "Looked", destinations: Sequence[Destination], now: datetime) -> None:
    """Write a delivery for every mail of everybody who is asked, in the transaction of the steps."""
    rows = []
    gather = GATHER_SECONDS * 1_000_000
    due_us = -(-to_us(now) // gather) * gather
    position = connection.scalar(select(alerts.c.position).where(alerts.c.alert_id == stay.alert_id))
    for done in stay.due:
        for destination in destinations:
            if done.person and _reaches(destination, done.person.case_manager_id):
                name = made_of(destination.destination_id, stay.alert_id, stay.version, done.step.key)
                where = (name, destination.destination_id, stay.alert_id, stay.version, position)
                rows.append((*where, WAITING, due_us, to_us(now), done.step.key))
    write_rows(connection, deliveries, _COLUMNS, rows, "ON CONFLICT DO NOTHING")


def stop_mail(connection: Connection, alert_id: str, now: datetime) -> None:
    """Take back what escalation put up about a stay and nobody has in hand: somebody acted."""
    connection.execute(
        update(deliveries)
        .where(
            deliveries.c.alert_id == alert_id,
            deliveries.c.step_key != "",
            deliveries.c.state == WAITING,
            deliveries.c.claimed_until_us == 0,
            deliveries.c.batch == 0,
        )
        .values(state="superseded", failure=str(GiveUp.SUPERSEDED), ended_us=to_us(now))
    )


def _reaches(destination: Destination, case_manager_id: str) -> bool:
    mail = destination.form in NO_PATIENT and destination.state is not State.REMOVED
    return mail and destination.whose is Whose.PERSON and destination.owner_id == case_manager_id
