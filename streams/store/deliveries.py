"""Deliveries that are due in; claimed, tried and ended, each once, out.

A delivery is one alert version to one destination and keeps its id for good. The sum that must hold, for every
destination and for all: due = delivered + waiting + given up + superseded.

Whoever claims one holds it for a while and ends it with the name it claimed it under; a worker that hung loses it, and
the receiver tells the repetition by the id. What is due is written in `due`; what may be claimed stands in `claiming`.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Text, and_, bindparam, case, func, literal, or_, select, update

from parsers.people import Enrollee
from rules.decisions import Action, Alert
from rules.telling.confidentiality import OPENNESS
from rules.telling.destinations import Destination, State
from rules.telling.directory import Directory
from streams.store.claiming import READY, in_another_hand, oldest, take, waiting_for
from streams.store.database import Database, rows_among
from streams.store.delivery import Backlog, Claimed, DeliveryRow, DeliveryState, End, Standing, Sums
from streams.store.destinations import GIVEN_UP, WAITING, WELL, give_up_waiting
from streams.store.disclosures import keeping
from streams.store.panel_rows import enrollee_on, load_enrollees
from streams.store.replaying import replay
from streams.store.tables import alert_versions, deliveries, destinations, from_us, to_us


class Deliveries:
    """What is due to destinations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ready(self, now: datetime) -> list[str]:
        """The destinations that something could be tried at, those first that have waited longest; none that is paused
        or rests.
        """
        with self._database.reading() as connection:
            rows = connection.execute(READY, {"now": to_us(now)}).all()
        return [where for _, where in sorted((first, where) for where, first in rows if first is not None)]

    def claim(self, by: str, now: datetime, hold: timedelta, where: Iterable[str], *, each: int) -> list[Claimed]:
        """Take what is due to these destinations in hand until `now + hold`: at most `each` of one, of an alert only
        the oldest version that waits there.
        """
        claimed: list[Claimed] = []
        with self._database.writing() as connection:
            for destination_id in where:
                claimed += take(connection, by, now, hold, oldest(destination_id, now).limit(each))
        return claimed

    def claim_all(
        self, destination_id: str, by: str, now: datetime, hold: timedelta, limit: int, in_hand: Sequence[Claimed]
    ) -> list[Claimed]:
        """What is due to one destination, for one file: `in_hand` and every version more, in order.

        When a file was cut off, only what went into it: the same file again. Nothing while another has anything of that
        destination in hand: two would each write a part, under one number or in one night.
        """
        mine = deliveries.c.claimed_by == by
        cut = min((delivery.batch for delivery in in_hand if delivery.batch), default=0)
        older = deliveries.alias("older")
        blocked = (
            select(older.c.delivery_id)
            .where(
                older.c.alert_id == deliveries.c.alert_id,
                older.c.destination_id == deliveries.c.destination_id,
                older.c.version < deliveries.c.version,
                older.c.state == WAITING,
                or_(older.c.batch != cut, older.c.due_us > to_us(now)),
            )
            .exists()
        )
        wanted = waiting_for(destination_id).where(
            or_(deliveries.c.claimed_until_us <= to_us(now), mine), deliveries.c.batch == cut
        )
        if not cut:
            wanted = wanted.where(deliveries.c.due_us <= to_us(now), ~blocked).limit(limit)
        with self._database.writing() as connection:
            taken = []
            if not connection.scalar(in_another_hand(destination_id, by, now)):
                taken = take(connection, by, now, hold, wanted.order_by(deliveries.c.position, deliveries.c.version))
            kept = {delivery.delivery_id for delivery in taken}
            others = [delivery.delivery_id for delivery in in_hand if delivery.delivery_id not in kept]
            if others:
                connection.execute(
                    update(deliveries)
                    .where(deliveries.c.delivery_id.in_(others), mine, deliveries.c.state == WAITING)
                    .values(claimed_until_us=0, claimed_by="")
                )
        return taken

    def number_batch(self, destination_id: str, claimed: Sequence[Claimed], after: int | None = None) -> int:
        """Give deliveries that go into one file the file's number, so that a cut repeats the same file; gives it.

        `after`: only when this was the number before, else 0.
        """
        counting = update(destinations).where(destinations.c.destination_id == destination_id)
        if after is not None:
            counting = counting.where(destinations.c.sequence == after)
        with self._database.writing() as connection:
            number = connection.execute(
                counting.values(sequence=destinations.c.sequence + 1).returning(destinations.c.sequence)
            ).scalar_one_or_none()
            if number is None:
                return 0
            if claimed:
                connection.execute(
                    update(deliveries)
                    .where(deliveries.c.delivery_id == bindparam("b_id"))
                    .values(batch=bindparam("b_number")),
                    [{"b_id": delivery.delivery_id, "b_number": number} for delivery in claimed],
                )
            return int(number)

    def settle(self, ends: Sequence[End], by: str, now: datetime) -> int:
        """Write what became of deliveries in hand; gives how many were still ours.

        What was delivered also says that its destination is well. Rows are taken in one order by everybody who takes
        several, so that nobody waits for who waits for them.
        """
        if not ends:
            return 0
        ends = sorted(ends, key=lambda end: end.delivery_id)
        well = sorted({end.destination_id for end in ends if end.state is DeliveryState.DELIVERED})
        unknown = [{"b_id": end.delivery_id, "b_by": by, "b_tier": end.tier} for end in ends if end.maybe]
        with self._database.writing() as connection:
            if unknown:
                connection.execute(keeping(_OURS, literal(to_us(now)), _TIER, arrived=False), unknown)
            result = connection.execute(_SETTLE, [_settled(end, by) for end in ends])
            if well:
                connection.execute(WELL, [{"b_where": where, "b_now": to_us(now)} for where in well])
            return int(result.rowcount)

    def hold_on(self, delivery_ids: Collection[str], by: str, until: datetime) -> list[str]:
        """Keep deliveries in hand for longer; gives those that were still ours."""
        if not delivery_ids:
            return []
        ids, until_us = sorted(delivery_ids), to_us(until)
        with self._database.writing() as connection:
            connection.execute(
                update(deliveries)
                .where(
                    deliveries.c.delivery_id == bindparam("b_id"),
                    deliveries.c.claimed_by == by,
                    deliveries.c.state == WAITING,
                )
                .values(claimed_until_us=until_us),
                [{"b_id": delivery_id} for delivery_id in ids],
            )
            rows = rows_among(connection, _IN_HAND, ids)
            return [name for name, claimed_by, until_then in rows if (claimed_by, until_then) == (by, until_us)]

    def waits(self, destination_id: str) -> bool:
        """Whether anything waits for a destination."""
        wanted = select(deliveries.c.delivery_id).where(
            deliveries.c.state == WAITING, deliveries.c.destination_id == destination_id
        )
        with self._database.reading() as connection:
            return connection.scalar(wanted.limit(1)) is not None

    def first_told(self, destination_id: str, versions: Sequence[Alert]) -> dict[tuple[str, int], int]:
        """By (alert_id, version) the first version before it that the destination has, or may have, since it was last
        told that the stay was taken back; of a version with none before, nothing.
        """
        known: dict[str, list[tuple[int, str]]] = {}
        wanted = (
            select(deliveries.c.alert_id, deliveries.c.version, alert_versions.c.document)
            .join(
                alert_versions,
                (alert_versions.c.alert_id == deliveries.c.alert_id)
                & (alert_versions.c.version == deliveries.c.version),
            )
            .where(
                deliveries.c.alert_id.in_({alert.alert_id for alert in versions if alert.version > 1}),
                deliveries.c.destination_id == destination_id,
                or_(deliveries.c.state == str(DeliveryState.DELIVERED), deliveries.c.maybe == 1),
            )
            .order_by(deliveries.c.version)
        )
        with self._database.reading() as connection:
            for alert_id, version, document in connection.execute(wanted):
                known.setdefault(alert_id, []).append((version, json.loads(document)["action"]))
        first: dict[tuple[str, int], int] = {}
        for alert in versions:
            since = 0
            for version, action in known.get(alert.alert_id, ()):
                if version < alert.version:
                    since = 0 if action == Action.RETRACT else since or version
            if since:
                first[alert.alert_id, alert.version] = since
        return first

    def enrollees_of(self, versions: Sequence[Alert]) -> dict[tuple[str, datetime], Enrollee]:
        """The enrollee of each version as on the day it tells of, by (enrollee_id, occurred_at)."""
        with self._database.reading() as connection:
            return self._people_of(connection, versions)

    def _people_of(self, connection: Connection, versions: Sequence[Alert]) -> dict[tuple[str, datetime], Enrollee]:
        if not versions:
            return {}
        earliest = min(alert.occurred_at for alert in versions)
        rows, homes = load_enrollees(connection, {alert.enrollee_id for alert in versions}, self._day(earliest))
        return {
            (alert.enrollee_id, alert.occurred_at): enrollee_on(
                rows[alert.enrollee_id], homes.get(alert.enrollee_id, ()), self._day(alert.occurred_at)
            )
            for alert in versions
            if alert.enrollee_id in rows
        }

    def _day(self, at: datetime) -> date:
        return at.astimezone(self._database.zone).date()

    def replay(
        self,
        destination: Destination,
        since: datetime,
        until: datetime,
        states: Collection[DeliveryState],
        now: datetime,
        directory: Directory,
    ) -> int:
        """Make deliveries of a span wait again, under the same ids, and what followed them; gives how many."""
        with self._database.writing() as connection:
            return replay(connection, destination, (since, until), states, now, self._people_of, directory)

    def give_up_removed(self, now: datetime) -> int:
        """End what became due to a destination, or was in hand, while it was being removed; gives how many."""
        removed = select(destinations.c.destination_id).where(destinations.c.state == str(State.REMOVED))
        late = deliveries.c.destination_id.in_(removed)
        waits = select(deliveries.c.delivery_id).where(late, deliveries.c.state == WAITING)
        with self._database.reading() as connection:
            if not connection.scalar(waits.limit(1)):
                return 0
        with self._database.writing() as connection:
            return give_up_waiting(connection, late, now)

    def sums(self) -> dict[str, Sums]:
        """How many deliveries of each destination are where."""
        wanted = select(deliveries.c.destination_id, deliveries.c.state, func.count()).group_by(
            deliveries.c.destination_id, deliveries.c.state
        )
        sums: dict[str, Sums] = {}
        with self._database.reading() as connection:
            for destination_id, state, count in connection.execute(wanted):
                before = sums.get(destination_id, Sums())
                sums[destination_id] = before._replace(**{state: count, "due": before.due + count})
        return sums

    def totals(self) -> dict[DeliveryState, int]:
        """How many deliveries are where, of all destinations there are or were."""
        wanted = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
        with self._database.reading() as connection:
            counts = {str(state): int(count) for state, count in connection.execute(wanted)}
        return {state: counts.get(state, 0) for state in DeliveryState}

    def standing(self, destination_ids: Collection[str]) -> dict[str, Standing]:
        """How each of these destinations stands; of one to which nothing was ever due, nothing."""
        columns = (deliveries.c.destination_id, deliveries.c.state, deliveries.c.failure)
        wanted = (
            select(*columns, func.count(), func.min(deliveries.c.made_us))
            .where(deliveries.c.destination_id.in_(sorted(destination_ids)))
            .group_by(*columns)
        )
        standings: dict[str, Standing] = {}
        with self._database.reading() as connection:
            for destination_id, state, failure, count, made_us in connection.execute(wanted):
                so_far = standings.get(destination_id, Standing())
                sums, since, failures = so_far.sums, so_far.waiting_since, dict(so_far.failures)
                sums = sums._replace(**{state: getattr(sums, state) + count, "due": sums.due + count})
                if state == WAITING:
                    since = min(from_us(made_us), since or from_us(made_us))
                if failure and state in (WAITING, GIVEN_UP):
                    failures[failure] = failures.get(failure, 0) + count
                standings[destination_id] = Standing(sums, since, failures)
        return standings

    def backlog(self, now: datetime) -> Backlog:
        """How many deliveries wait, and since when the oldest that could be tried."""
        with self._database.reading() as connection:
            count = connection.scalar(select(func.count()).select_from(deliveries).where(deliveries.c.state == WAITING))
            ready = connection.execute(READY, {"now": to_us(now)}).all()
        oldest = min((first for _, first in ready if first is not None), default=None)
        return Backlog(int(count or 0), from_us(oldest) if oldest is not None else None)

    def of(self, *, alert_id: str = "", destination_id: str = "", limit: int = 500) -> list[DeliveryRow]:
        """Newest first: of one alert, or of one destination."""
        wanted = select(deliveries)
        if alert_id:
            wanted = wanted.where(deliveries.c.alert_id == alert_id)
        if destination_id:
            wanted = wanted.where(deliveries.c.destination_id == destination_id)
        return self._shown(wanted, limit)

    def _shown(self, wanted: Any, limit: int | None = None) -> list[DeliveryRow]:
        newest = wanted.order_by(deliveries.c.position.desc(), deliveries.c.destination_id).limit(limit)
        with self._database.reading() as connection:
            return [_shown(row) for row in connection.execute(newest)]


_TIER: Final = bindparam("b_tier", type_=Text)
_OURS: Final = and_(
    deliveries.c.delivery_id == bindparam("b_id"),
    deliveries.c.claimed_by == bindparam("b_by"),
    deliveries.c.state == WAITING,
)
_MOST_TOLD: Final = case(  # a try after another may have told less; what was told stays told
    *((or_(deliveries.c.tier == str(tier), literal(str(tier)) == _TIER), str(tier)) for tier in reversed(OPENNESS)),
    else_="",
)
_IN_HAND: Final = "SELECT delivery_id, claimed_by, claimed_until_us FROM deliveries WHERE delivery_id IN :among"
_SETTLE: Final = (
    update(deliveries)
    .where(_OURS)
    .values(
        state=bindparam("b_state"),
        due_us=func.coalesce(bindparam("b_due", type_=BigInteger), deliveries.c.due_us),
        ended_us=bindparam("b_ended"),
        failure=func.coalesce(bindparam("b_failure", type_=Text), deliveries.c.failure),
        status=func.coalesce(bindparam("b_status", type_=Text), deliveries.c.status),
        tier=_MOST_TOLD,
        maybe=deliveries.c.maybe + (1 - deliveries.c.maybe) * bindparam("b_maybe"),
        tries=deliveries.c.tries + bindparam("b_tried"),
        claimed_until_us=0,
        claimed_by="",
    )
)


def _settled(end: End, by: str) -> dict[str, Any]:
    waits = end.state is DeliveryState.WAITING
    return {
        "b_id": end.delivery_id,
        "b_by": by,
        "b_state": str(end.state),
        "b_due": to_us(end.at) if waits and end.tried else None,
        "b_ended": 0 if waits else to_us(end.at),
        "b_failure": end.failure if end.tried else None,
        "b_status": end.status if end.tried else None,
        "b_tier": end.tier,
        "b_maybe": int(end.maybe),
        "b_tried": int(end.tried),
    }


def _shown(row: Any) -> DeliveryRow:
    return DeliveryRow(
        row.delivery_id,
        row.destination_id,
        row.alert_id,
        row.version,
        DeliveryState(row.state),
        row.tries,
        row.failure,
        row.status,
        row.tier,
        bool(row.maybe),
        from_us(row.made_us),
        from_us(row.ended_us) if row.ended_us else None,
        from_us(row.due_us) if row.state == WAITING else None,
    )
