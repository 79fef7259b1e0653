"""What was told or done after a position in: which stays, in the order of the commits, and how far that was read, out.

Positions become visible in their order, so what is read up to the counter is read whole.
"""

from sqlalchemy import Connection, select

from streams.store.tables import acts, alert_versions, counters


def changes_since(connection: Connection, after: int, most: int) -> tuple[list[tuple[int, str]], int]:
    """At most so many (position, alert_id) of new versions and acts, and the position to go on from."""
    last = position_of(connection)
    changes: list[tuple[int, str]] = []
    for table in (alert_versions, acts):
        wanted = select(table.c.position, table.c.alert_id).where(table.c.position > after)
        rows = connection.execute(wanted.order_by(table.c.position).limit(most))
        changes += [(position, alert_id) for position, alert_id in rows]
    changes = sorted(changes)[:most]
    return changes, changes[-1][0] if len(changes) == most else max(last, after)


def position_of(connection: Connection) -> int:
    """The position of the last commit."""
    return int(connection.scalar(select(counters.c.value).where(counters.c.name == "position")) or 0)
