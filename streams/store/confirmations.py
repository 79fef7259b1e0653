"""What came back of mails that a relay had taken in; the deliveries they were, confirmed or given up, out.

A mail is known by its `Message-ID`: that of a Direct message is its delivery's id, that of a counting mail is made of
our key, its destination and its number. Who never had the mail guesses neither, and so pauses no address.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, and_, func, select, update

from rules.telling.attempts import Failure
from rules.telling.destinations import Destination, WayKind
from streams.store.database import Database
from streams.store.delivery import DeliveryState, mail_ids
from streams.store.destinations import Destinations
from streams.store.disclosures import keep_when
from streams.store.tables import deliveries, to_us

NUMBERS_BACK: Final = 500  # of the mails of one destination: how far back a report finds its own
CONFIRMED_WITHIN: Final = timedelta(hours=1)
LOOKS_BACK: Final = timedelta(days=7)
PROCESSED: Final = "processed"
DISPATCHED: Final = "dispatched"


class Sent(NamedTuple):
    """A mail that was sent: to which destination, as which deliveries."""

    destination: Destination
    delivery_ids: tuple[str, ...]
    in_hand: bool  # what the relay said of it is not written yet


class Confirmations:
    """What is known of mails after a relay took them."""

    def __init__(self, database: Database, destinations: Destinations) -> None:
        self._database = database
        self._destinations = destinations

    def find(self, about: Collection[str], secret: bytes) -> Sent | None:
        """The mail one of whose ids is among `about`. `secret`: the key of the ids of counting mails."""
        mine: ColumnElement[bool] = deliveries.c.delivery_id.in_(sorted(about))
        batch = self._batch(frozenset(about), secret)
        if batch:
            mine = (deliveries.c.destination_id == batch[0]) & (deliveries.c.batch == batch[1])
        with self._database.reading() as connection:
            rows = connection.execute(select(deliveries).where(mine)).all()
        row = self._destinations.find(rows[0].destination_id) if rows else None
        if row is None:
            return None
        in_hand = any(delivery.state == DeliveryState.WAITING for delivery in rows)
        return Sent(row.destination, tuple(delivery.delivery_id for delivery in rows), in_hand)

    def confirm(self, delivery_ids: Collection[str], word: str) -> bool:
        """What was delivered is confirmed as `word`, unless it is dispatched; whether anything was."""
        with self._database.writing() as connection:
            confirmed = connection.execute(update(deliveries).where(_delivered(delivery_ids)).values(status=word))
            return confirmed.rowcount > 0

    def came_back(self, delivery_ids: Collection[str], status: str, now: datetime) -> bool:
        """What was delivered is given up, unless it is dispatched; whether anything was.

        It counts as told, maybe: somebody on the way had it.
        """
        which = _delivered(delivery_ids)
        given_up = {"state": str(DeliveryState.GIVEN_UP), "failure": str(Failure.BOUNCED), "maybe": 1}
        with self._database.writing() as connection:
            keep_when(connection, which, deliveries.c.ended_us, deliveries.c.tier, arrived=False)
            came = connection.execute(
                update(deliveries).where(which).values(**given_up, status=status, ended_us=to_us(now))
            )
            return came.rowcount > 0

    def unconfirmed(self, now: datetime) -> dict[str, int]:
        """How many Direct messages of the last days nobody confirmed within the hour, by destination."""
        direct = [
            row.destination.destination_id for row in self._destinations.all() if row.destination.way is WayKind.DIRECT
        ]
        if not direct:
            return {}
        wanted = (
            select(deliveries.c.destination_id, func.count())
            .where(
                deliveries.c.destination_id.in_(direct),
                deliveries.c.made_us >= to_us(now - LOOKS_BACK),
                deliveries.c.state == str(DeliveryState.DELIVERED),
                deliveries.c.ended_us < to_us(now - CONFIRMED_WITHIN),
                deliveries.c.status.not_in((PROCESSED, DISPATCHED)),
            )
            .group_by(deliveries.c.destination_id)
        )
        with self._database.reading() as connection:
            return {where: int(count) for where, count in connection.execute(wanted)}

    def _batch(self, about: frozenset[str], secret: bytes) -> tuple[str, int] | None:
        """Destination and number of the counting mail with one of these ids."""
        for row in self._destinations.all():
            if row.destination.way is not WayKind.SMTP:
                continue
            where = row.destination.destination_id
            for number in range(row.sequence, max(0, row.sequence - NUMBERS_BACK), -1):
                if not about.isdisjoint(mail_ids(secret, where, number)):
                    return where, number
        return None


def _delivered(delivery_ids: Collection[str]) -> ColumnElement[bool]:
    """Those that arrived and are not known to be dispatched."""
    return and_(
        deliveries.c.delivery_id.in_(sorted(delivery_ids)),
        deliveries.c.state == str(DeliveryState.DELIVERED),
        deliveries.c.status != DISPATCHED,
    )
