"""A span of what was due to a destination in; the same due again, under the ids it had, out.

Who is told a version again is told all that came after it, in order, so that the last that is heard of a stay is the
newest there is: also what was never due there because nothing had arrived, such as a retraction. Where the form is a
state, only the newest of a stay is told again.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, and_, case, or_, select, update

from parsers.people import Enrollee
from rules.decisions import Alert
from rules.telling.destinations import Destination
from rules.telling.directory import Directory
from rules.telling.due import DestinationIndex
from streams.store.delivery import DeliveryState
from streams.store.destinations import WAITING
from streams.store.disclosures import keep_when
from streams.store.due import write_due
from streams.store.tables import alert_versions, deliveries, to_us

People = Callable[[Connection, Sequence[Alert]], Mapping[tuple[str, datetime], Enrollee]]
_ENDED: Final = (str(DeliveryState.DELIVERED), str(DeliveryState.GIVEN_UP))


def replay(
    connection: Connection,
    destination: Destination,
    span: tuple[datetime, datetime],
    states: Collection[DeliveryState],
    now: datetime,
    people_of: People,
    directory: Directory,
) -> int:
    """Make deliveries of a span that ended in one of `states` wait again, and what follows them; gives how many."""
    which = deliveries.c.delivery_id.in_(_again(destination, span, states))
    arrived = deliveries.c.state == str(DeliveryState.DELIVERED)
    keep_when(connection, which & arrived, deliveries.c.ended_us, deliveries.c.tier, arrived=True)
    again = connection.execute(
        update(deliveries)
        .where(which)
        .values(
            state=WAITING,
            due_us=to_us(now),
            tries=0,
            ended_us=0,
            batch=0,
            claimed_until_us=0,
            claimed_by="",
            maybe=case((arrived, 1), else_=deliveries.c.maybe),
        )
    )
    later = {
        (row.alert_id, row.version): (row.position, Alert.read(row.document))
        for row in connection.execute(_never_due(destination, now))
    }
    people = people_of(connection, [alert for _, alert in later.values()])
    versions = [
        (position, alert, people.get((alert.enrollee_id, alert.occurred_at))) for position, alert in later.values()
    ]
    index = DestinationIndex([destination])
    follow = write_due(connection, versions, lambda due: index.due(due.alert, due.enrollee, due.told, directory))
    return int(again.rowcount) + follow


def _again(destination: Destination, span: tuple[datetime, datetime], states: Collection[DeliveryState]) -> Any:
    """The ids of what was asked for and of what followed it."""
    since, until = map(to_us, span)
    mine, earlier, newer = deliveries.c, deliveries.alias("earlier").c, deliveries.alias("newer").c

    def asked(rows: Any) -> Any:
        return and_(rows.made_us >= since, rows.made_us < until, rows.state.in_([str(state) for state in states]))

    def of_the_stay(rows: Any) -> Any:
        return and_(rows.alert_id == mine.alert_id, rows.destination_id == mine.destination_id)

    follows = select(earlier.delivery_id).where(of_the_stay(earlier), earlier.version < mine.version, asked(earlier))
    wanted = select(mine.delivery_id).where(
        mine.destination_id == destination.destination_id,
        or_(asked(mine), mine.state.in_(_ENDED) & follows.exists()),
    )
    if destination.is_state:
        wanted = wanted.where(
            ~select(newer.delivery_id).where(of_the_stay(newer), newer.version > mine.version).exists()
        )
    return wanted.order_by(mine.delivery_id).with_for_update(of=deliveries)


def _never_due(destination: Destination, now: datetime) -> Any:
    """The versions after what was just made due that were never due to the destination, oldest first."""
    mine, same = deliveries.c, deliveries.alias("same").c
    return (
        select(alert_versions)
        .join(deliveries, (mine.alert_id == alert_versions.c.alert_id) & (mine.version < alert_versions.c.version))
        .where(
            mine.destination_id == destination.destination_id,
            mine.state == WAITING,
            mine.due_us == to_us(now),
            ~select(same.delivery_id)
            .where(
                same.alert_id == alert_versions.c.alert_id,
                same.version == alert_versions.c.version,
                same.destination_id == destination.destination_id,
            )
            .exists(),
        )
        .order_by(alert_versions.c.position)
    )
