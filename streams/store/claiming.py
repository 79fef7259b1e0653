"""Which deliveries a worker may take in hand, in what order; taken, out.

Of one alert a destination has at most one delivery in hand, the oldest, so that versions arrive in order; another alert
never waits for it. What somebody had in hand for too long may have arrived: a process that was killed tells nobody.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, case, literal, select, text, update

from rules.decisions import Alert
from rules.telling.destinations import State
from streams.store.delivery import Claimed
from streams.store.destinations import WAITING
from streams.store.disclosures import keeping, lapsed
from streams.store.tables import alert_versions, deliveries, destinations, from_us, to_us

# One step an index entry: from each destination for which something waits to the next, whatever the backlog of each.
READY: Final = text(
    "WITH RECURSIVE those(id) AS ("
    " SELECT (SELECT min(destination_id) FROM deliveries WHERE state = 'waiting')"
    " UNION ALL"
    " SELECT (SELECT min(destination_id) FROM deliveries WHERE state = 'waiting' AND destination_id > those.id)"
    " FROM those WHERE those.id IS NOT NULL)"
    " SELECT those.id, ("
    "  SELECT due_us FROM deliveries AS one WHERE state = 'waiting' AND destination_id = those.id AND due_us <= :now"
    "  AND claimed_until_us <= :now AND NOT EXISTS (SELECT 1 FROM deliveries AS older"
    "   WHERE older.alert_id = one.alert_id AND older.destination_id = one.destination_id"
    "   AND older.version < one.version AND older.state = 'waiting') ORDER BY due_us LIMIT 1) AS first"
    " FROM those JOIN destinations ON destinations.destination_id = those.id"
    " WHERE destinations.state = 'active' AND destinations.rests_until_us <= :now"
)


def waiting_for(destination_id: str) -> Any:
    return (
        select(deliveries, alert_versions.c.document)
        .join(
            alert_versions,
            (alert_versions.c.alert_id == deliveries.c.alert_id) & (alert_versions.c.version == deliveries.c.version),
        )
        .where(deliveries.c.destination_id == destination_id, deliveries.c.state == WAITING)
        .with_for_update(of=deliveries, skip_locked=True)
    )


def in_another_hand(destination_id: str, by: str, now: datetime) -> Any:
    """Whether somebody else has something for a destination in hand."""
    return select(
        select(deliveries.c.delivery_id)
        .where(
            deliveries.c.destination_id == destination_id,
            deliveries.c.state == WAITING,
            deliveries.c.claimed_until_us > to_us(now),
            deliveries.c.claimed_by != by,
        )
        .exists()
    )


def oldest(destination_id: str, now: datetime) -> Any:
    """What is due to a destination unless it is paused or rests, of each alert only the oldest version that waits."""
    takes = select(destinations.c.destination_id).where(
        destinations.c.destination_id == destination_id,
        destinations.c.state == str(State.ACTIVE),
        destinations.c.rests_until_us <= to_us(now),
    )
    older = deliveries.alias("older")
    return (
        waiting_for(destination_id)
        .where(
            takes.exists(),
            deliveries.c.due_us <= to_us(now),
            deliveries.c.claimed_until_us <= to_us(now),
            ~select(older.c.delivery_id)
            .where(
                older.c.alert_id == deliveries.c.alert_id,
                older.c.destination_id == deliveries.c.destination_id,
                older.c.version < deliveries.c.version,
                older.c.state == WAITING,
            )
            .exists(),
        )
        .order_by(deliveries.c.due_us, deliveries.c.position)
    )


def take(connection: Connection, by: str, now: datetime, hold: timedelta, wanted: Any) -> list[Claimed]:
    rows = connection.execute(wanted).all()
    if rows:
        of_the_dead = deliveries.c.delivery_id == bindparam("b_id")
        dead = [{"b_id": row.delivery_id} for row in rows if 0 < row.claimed_until_us <= to_us(now)]
        if dead:
            connection.execute(keeping(of_the_dead, deliveries.c.claimed_until_us, literal(""), arrived=False), dead)
        connection.execute(
            update(deliveries)
            .where(deliveries.c.delivery_id == bindparam("b_id"))
            .values(
                claimed_until_us=to_us(now + hold),
                claimed_by=by,
                maybe=case((lapsed(now), 1), else_=deliveries.c.maybe),
            ),
            [{"b_id": row.delivery_id} for row in rows],
        )
    return [_claimed(row) for row in rows]


def _claimed(row: Any) -> Claimed:
    return Claimed(
        row.delivery_id,
        row.destination_id,
        Alert.read(row.document),
        row.position,
        row.tries,
        from_us(row.made_us),
        row.batch,
        row.number,
    )
