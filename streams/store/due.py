"""Alert versions in, what they are due to written within their transaction, each delivery once."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, update

from parsers.people import Enrollee
from rules.decisions import Alert
from rules.telling.attempts import GiveUp
from rules.telling.destinations import Destination, FormKind
from streams.store.database import Row, rows_among, write_rows
from streams.store.delivery import DeliveryState, delivery_id
from streams.store.destinations import WAITING
from streams.store.fhir import count_events
from streams.store.received import Behind, keep_received
from streams.store.tables import deliveries, to_us

_COLUMNS: Final = (
    "delivery_id",
    "destination_id",
    "alert_id",
    "version",
    "position",
    "state",
    "due_us",
    "made_us",
    "enrollee_id",
    "number",
)
_TOLD: Final = (
    "SELECT alert_id, destination_id FROM deliveries WHERE alert_id IN :among"
    " AND (state IN ('delivered', 'waiting') OR maybe = 1)"
)


class Due(NamedTuple):
    """What a version is due to, as asked within the transaction that writes it."""

    alert: Alert
    enrollee: Enrollee
    told: frozenset[str]  # destination ids that have an earlier version, or may have


AskDue = Callable[[Due], Iterable[Destination]]


def write_due(
    connection: Connection,
    versions: Sequence[tuple[int, Alert, Enrollee | None]],
    ask: AskDue,
    sealed: Behind | None = None,
) -> int:
    """Write what `versions` (position, alert, enrollee on that day) are due to, in their transaction; gives how many.

    `sealed`: the messages behind them, kept where one is passed on as received.

    A version is also due to whom an earlier version still waits for. Where the form is a state, the newer one takes the
    place of an older one that nobody has in hand.
    """
    destinations_told: dict[str, set[str]] = {}
    again = sorted({alert.alert_id for _, alert, _ in versions if alert.version > 1})
    for alert_id, destination_id, *_ in rows_among(connection, _TOLD, again):
        destinations_told.setdefault(alert_id, set()).add(destination_id)
    rows: list[Row] = []
    events: Counter[str] = Counter()
    replaced: list[dict[str, Any]] = []
    passed_on: list[Alert] = []
    for position, alert, enrollee in versions:
        if enrollee is None:
            continue
        at = to_us(alert.decided_at)
        for destination in ask(Due(alert, enrollee, frozenset(destinations_told.get(alert.alert_id, ())))):
            where = destination.destination_id
            name = delivery_id(alert.alert_id, alert.version, where)
            events[where] += destination.form is FormKind.SUBSCRIPTION
            number = events[where]  # of this transaction, so far
            row = (name, where, alert.alert_id, alert.version, position, WAITING, at, at, alert.enrollee_id, number)
            rows.append(row)
            destinations_told.setdefault(alert.alert_id, set()).add(where)
            if destination.form is FormKind.HL7_RECEIVED:
                passed_on.append(alert)
            if destination.is_state and alert.version > 1:
                replaced.append({"b_alert": alert.alert_id, "b_where": where, "b_version": alert.version})
    first = {where: count_events(connection, where, count) for where, count in sorted(events.items()) if count}
    numbered = [(*row[:-1], first[row[1]] - 1 + row[-1] if row[1] in first else 0) for row in rows]
    written = write_rows(connection, deliveries, _COLUMNS, numbered, "ON CONFLICT DO NOTHING")
    keep_received(connection, passed_on, sealed or {})
    if replaced:
        connection.execute(
            update(deliveries)
            .where(
                deliveries.c.alert_id == bindparam("b_alert"),
                deliveries.c.destination_id == bindparam("b_where"),
                deliveries.c.version < bindparam("b_version"),
                deliveries.c.state == WAITING,
                deliveries.c.claimed_until_us == 0,
                deliveries.c.batch == 0,
            )
            .values(state=str(DeliveryState.SUPERSEDED), failure=str(GiveUp.SUPERSEDED), ended_us=deliveries.c.due_us),
            replaced,
        )
    return written
