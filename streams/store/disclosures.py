"""What left about a person in; each time that it did or may have, with its own date, out (45 CFR 164.528(b)).

A delivery's row says when it arrived last. What it cannot say stands beside it: a time before a replay, a try that
nobody answered, what a process that died had in hand, a message that came back.
"""

from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, insert, literal, select

from rules.telling.destinations import NO_PATIENT, Destination
from streams.store.database import Database
from streams.store.tables import deliveries, destinations, disclosures, from_us, to_us

DELIVERED: Final = "delivered"  # streams.store.delivery.DeliveryState
_COLUMNS: Final = ("delivery_id", "at_us", "tier", "arrived")


class Disclosure(NamedTuple):
    """One time that a version left."""

    at: datetime
    destination_id: str
    alert_id: str
    version: int
    tier: str  # "": nobody knows
    arrived: bool  # False: maybe


class Disclosures:
    """What left about people."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, enrollee_id: str) -> list[Disclosure]:
        """All that left about one person, or may have, newest first: also of a stay that is another's now. A mail or
        text of counts is about nobody.
        """
        row = deliveries.c
        which, about = (row.destination_id, row.alert_id, row.version), row.enrollee_id == enrollee_id
        newest = select(*which, row.ended_us.label("at_us"), row.tier, literal(1).label("arrived"))
        before = select(*which, disclosures.c.at_us, disclosures.c.tier, disclosures.c.arrived)
        both = newest.where(about, row.state == DELIVERED).union_all(
            before.join(disclosures, disclosures.c.delivery_id == row.delivery_id).where(about)
        )
        with self._database.reading() as connection:
            rows = connection.execute(both).all()
            where = select(destinations).where(destinations.c.destination_id.in_({row.destination_id for row in rows}))
            documents = {place.destination_id: place.document for place in connection.execute(where)}
        nobody_s = {name for name, document in documents.items() if Destination.read(document).form in NO_PATIENT}
        left = [
            Disclosure(
                from_us(row.at_us), row.destination_id, row.alert_id, row.version, row.tier, arrived=bool(row.arrived)
            )
            for row in rows
            if row.destination_id not in nobody_s
        ]
        return sorted(left, key=lambda disclosure: (disclosure.at, disclosure.version), reverse=True)


def keep_when(connection: Connection, which: ColumnElement[bool], at: Any, tier: Any, *, arrived: bool) -> None:
    """Note that deliveries left `at`, a column or what is bound for it, before their rows say something else."""
    connection.execute(keeping(which, at, tier, arrived=arrived))


def keeping(which: ColumnElement[bool], at: Any, tier: Any, *, arrived: bool) -> Any:
    """The statement of it; a time that is noted already stays as it is."""
    noted = select(disclosures.c.delivery_id).where(
        and_(disclosures.c.delivery_id == deliveries.c.delivery_id, disclosures.c.at_us == at)
    )
    rows = select(deliveries.c.delivery_id, at, tier, literal(int(arrived))).where(which, ~noted.exists())
    return insert(disclosures).from_select(_COLUMNS, rows)


def lapsed(now: datetime) -> ColumnElement[bool]:
    """What somebody had in hand for too long."""
    return deliveries.c.claimed_until_us.between(1, to_us(now))
