"""Deliveries that are due in; each tried by its way and ended, or given back with when it is tried again, out.

One task a destination, so that a slow or dead one costs the others nothing; a bound on all of them. A destination that
fails rests for a while, and after days of nothing but failure it is paused and somebody is told. What one recipient may
read is decided here and nowhere else: a form sees a view, never an alert.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final, NamedTuple, TypeVar

import structlog

from parsers.hours import ALWAYS, DAY, WEEK, read_hours, within
from parsers.people import Enrollee
from rules.decisions import Alert
from rules.policy.policy import Policy
from rules.telling.attempts import STOPS_DESTINATION, UNKNOWN, Again, Failure, GiveUp, after_failure, pauses
from rules.telling.confidentiality import Confidentiality, Relationship, Tier
from rules.telling.destinations import Destination, FormKind, State, WayKind
from rules.telling.directory import Directory
from rules.telling.due import related
from rules.telling.views import AlertView, WhyWithheld, Withheld, view_as
from streams.run import metrics
from streams.store import Store, Unavailable
from streams.store.deliveries import Claimed, DeliveryState, End
from streams.store.destinations import DestinationRow
from streams.tell.form import Form, Item
from streams.tell.managers import told_by_mail
from streams.tell.settling import Settler
from streams.tell.way import Delivered, NotDelivered, Parcel, Secrets, Way

log = structlog.get_logger()
T = TypeVar("T")

CLAIMED_AT_ONCE: Final = 400
OF_ONE_DESTINATION: Final = 20
ROWS_OF_A_FILE: Final = 5000
HOLD: Final = timedelta(seconds=60)  # renewed while the process lives; what a dead one had in hand waits so long
DESTINATIONS_AT_ONCE: Final = 100
REST: Final = (timedelta(seconds=5), timedelta(minutes=10))  # after the first failure, and at most
IDLE_SECONDS: Final = 0.2
EMPTIES_SECONDS: Final = 20.0


class Said(StrEnum):
    """How a try ended, for the counter."""

    DELIVERED = "delivered"
    AGAIN = "again"
    GIVEN_UP = "given_up"


class Known(NamedTuple):
    """What is decided by, as it is now."""

    directory: Directory
    confidentiality: Confidentiality
    policy: Policy


class Teller:
    """Claims what is due and delivers it until it is stopped."""

    def __init__(
        self,
        store: Store,
        forms: Mapping[FormKind, Form],
        ways: Mapping[WayKind, Way],
        known: Callable[[], Known],
        secret: bytes,
        name: str,
        *,
        executor: Executor | None = None,
        hold: timedelta = HOLD,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._forms = forms
        self._ways = ways
        self._known = known
        self._secret = secret
        self._name = name
        self._executor = executor
        self._hold = hold
        self._now = now
        self._chance = chance
        self._running: dict[str, asyncio.Task[None]] = {}
        self._in_hand: set[str] = set()
        self._stopping = False
        self.settler = Settler(lambda ends: self._in_thread(store.deliveries.settle, ends, name, now()))
        self.away = ""  # why nothing can be claimed; "" while it can

    def _in_thread(self, function: Callable[..., T], *arguments: object) -> "asyncio.Future[T]":
        return asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping` is set; what is in flight then is finished, what is in hand untried is given back."""
        settling = asyncio.create_task(self.settler.run())
        holding = asyncio.create_task(self._hold_on())
        emptying = asyncio.create_task(self._empties())
        side = (settling, holding, emptying)
        try:
            while not stopping.is_set():
                for task in side:
                    if task.done():
                        task.result()  # it never ends unasked: raises what ended it
                try:
                    found = await self.once()
                    self.away = ""
                except Unavailable as error:
                    self.away = type(error).__name__
                    found = 0
                if not found:
                    try:
                        await asyncio.wait_for(stopping.wait(), IDLE_SECONDS)
                    except TimeoutError:
                        continue
            self._stopping = True
            await self.settled()
        finally:
            for task in side:
                task.cancel()
            await asyncio.gather(*side, return_exceptions=True)

    async def once(self) -> int:
        """Claims what is due and starts on it; gives how many deliveries. Raises `Unavailable`."""
        room = DESTINATIONS_AT_ONCE - len(self._running)
        if room <= 0:
            await asyncio.wait(self._running.values(), return_when=asyncio.FIRST_COMPLETED)
            return 1
        claim = partial(
            self._store.deliveries.claim,
            limit=CLAIMED_AT_ONCE,
            each=OF_ONE_DESTINATION,
            most=room,
            busy=tuple(self._running),
        )
        claimed = await self._in_thread(claim, self._name, self._now(), self._hold)
        by_destination: dict[str, list[Claimed]] = {}
        for one in claimed:
            self._in_hand.add(one.delivery_id)
            by_destination.setdefault(one.destination_id, []).append(one)
        for destination_id, deliveries in by_destination.items():
            task = asyncio.create_task(self._serve(destination_id, deliveries))
            self._running[destination_id] = task
            task.add_done_callback(partial(self._left, destination_id))
        return len(claimed)

    def _left(self, destination_id: str, _task: "asyncio.Task[None]") -> None:
        self._running.pop(destination_id, None)

    async def settled(self) -> None:
        """Returns when nothing is in hand."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    async def _hold_on(self) -> None:
        """Says from time to time that what is in hand still is."""
        while True:
            await asyncio.sleep(self._hold.total_seconds() / 4)
            try:
                await self._in_thread(
                    self._store.deliveries.hold_on, tuple(self._in_hand), self._name, self._now() + self._hold
                )
            except Unavailable as error:
                self.away = type(error).__name__

    async def _settle(self, ends: Sequence[End]) -> None:
        await self.settler.settle(ends)
        self._in_hand.difference_update(end.delivery_id for end in ends)

    async def _release(self, claimed: Sequence[Claimed]) -> None:
        now = self._now()
        waiting = DeliveryState.WAITING
        await self._settle([End(one.delivery_id, one.destination_id, waiting, now, tried=False) for one in claimed])

    async def _serve(self, destination_id: str, claimed: Sequence[Claimed]) -> None:
        """One turn of one destination. What fails here is this destination's, and comes again."""
        try:
            row = await self._in_thread(self._store.destinations.find, destination_id)
            if row is None or row.destination.state is not State.ACTIVE:
                await self._release(claimed)
                return
            known = self._known()
            if opens := opens_in(row.destination.hours, self._now().astimezone(known.policy.tz)):
                await self._release(claimed)
                await self._in_thread(self._store.destinations.rest, destination_id, self._now() + opens)
                return
            await self._turn(row, claimed, known)
        except* Unavailable:  # in hand for a while longer; then they are tried again, under the same ids
            log.warning("destination_not_served", destination=destination_id)
        except* Exception as errors:  # one destination's fault must not end the others
            log.error("destination_crashed", destination=destination_id, error=type(errors.exceptions[0]).__name__)
        finally:
            self._in_hand.difference_update(one.delivery_id for one in claimed)

    async def _turn(self, row: DestinationRow, claimed: Sequence[Claimed], known: Known) -> None:
        destination = row.destination
        form, way = self._forms.get(destination.form), self._ways.get(destination.way)
        try:
            secrets = Secrets(
                await self._in_thread(
                    self._store.destinations.secrets_of, destination.destination_id, self._secret, self._now()
                )
            )
        except ValueError:  # kept under another key
            form = None
            secrets = Secrets({})
        if form is None or way is None:
            await self._failed(destination, claimed, NotDelivered(Failure.MISCONFIGURED))
            return
        if form.batches:
            await self._file(row, claimed, known, form, way, secrets)
        else:
            await self._each(row, claimed, known, form, way, secrets)

    async def _each(
        self, row: DestinationRow, claimed: Sequence[Claimed], known: Known, form: Form, way: Way, secrets: Secrets
    ) -> None:
        """Every delivery by itself, some at once; a failure that is the destination's ends the turn."""
        destination = row.destination
        items = await self._in_thread(self._items, destination, claimed, known)
        left = deque(zip(claimed, items, strict=True))
        stopped = False

        async def some() -> None:
            nonlocal stopped
            while left and not stopped and not self._stopping:
                one, item = left.popleft()
                said = await self._try(form, way, [item], destination, secrets, 0)
                if said is None:
                    await self._withheld(destination, [one])
                elif isinstance(said, Delivered):
                    await self._done(row, [one], [item], said)
                elif not await self._failed(destination, [one], said):
                    stopped = True

        async with asyncio.TaskGroup() as group:
            for _ in range(1 if row.failures else way.at_once):  # who failed is asked with one
                group.create_task(some())
        await self._release([one for one, _ in left])

    async def _file(
        self, row: DestinationRow, claimed: Sequence[Claimed], known: Known, form: Form, way: Way, secrets: Secrets
    ) -> None:
        """All that is due in one parcel; the same again when it was cut off."""
        destination = row.destination
        where = destination.destination_id
        most = int(destination.options.get("max_count", ROWS_OF_A_FILE))
        taken = await self._in_thread(
            self._store.deliveries.claim_all, where, self._name, self._now(), self._hold, most, claimed
        )
        if not taken:
            return
        self._in_hand.update(one.delivery_id for one in taken)
        try:
            number = taken[0].batch or await self._in_thread(self._store.deliveries.number_batch, where, taken)
            items = await self._in_thread(self._items, destination, taken, known)
            said = await self._try(form, way, items, destination, secrets, number)
            if said is None:
                await self._withheld(destination, taken)
            elif isinstance(said, Delivered):
                await self._done(row, taken, items, said)
                if destination.every_minutes and len(taken) < most:
                    await self._in_thread(
                        self._store.destinations.rest, where, next_slot(self._now(), destination.every_minutes)
                    )
            else:
                await self._failed(destination, taken, said)
        finally:
            self._in_hand.difference_update(one.delivery_id for one in taken)

    async def _try(
        self, form: Form, way: Way, items: Sequence[Item], destination: Destination, secrets: Secrets, number: int
    ) -> Delivered | NotDelivered | None:
        """`None`: the form cannot tell it without what is withheld."""
        try:
            parcel: Parcel | None = await self._in_thread(form.parcel, items, destination, number)
            return None if parcel is None else await way.deliver(parcel, destination, secrets)
        except Unavailable:
            raise
        except Exception as error:  # a fault of ours in one parcel is a failure like others
            log.error("parcel_crashed", destination=destination.destination_id, error=type(error).__name__)
            return NotDelivered(Failure.CRASHED)

    def _items(self, destination: Destination, claimed: Sequence[Claimed], known: Known) -> list[Item]:
        people = self._store.deliveries.enrollees_of([one.alert for one in claimed])
        return [
            Item(
                one.delivery_id,
                one.made_at,
                seen_by(destination, one.alert, people.get((one.alert.enrollee_id, one.alert.occurred_at)), known),
                one.number,
            )
            for one in claimed
        ]

    async def _done(
        self, row: DestinationRow, claimed: Sequence[Claimed], items: Sequence[Item], said: Delivered
    ) -> None:
        now, destination = self._now(), row.destination
        where = destination.destination_id
        await self._settle(
            [
                End(one.delivery_id, where, DeliveryState.DELIVERED, now, status=said.status, tier=item.seen.tier)
                for one, item in zip(claimed, items, strict=True)
            ]
        )
        metrics.DELIVERIES.labels(destination.way, destination.form, Said.DELIVERED).inc(len(claimed))
        for one in claimed:
            metrics.DELIVERY.labels(destination.way).observe(max(0.0, (now - one.made_at).total_seconds()))
        if row.failures and (row.succeeded_at is None or row.succeeded_at < (row.last_failed_at or now)):
            log.info("destination_recovered", destination=where, failures=row.failures)

    async def _withheld(self, destination: Destination, claimed: Sequence[Claimed]) -> None:
        now, given_up = self._now(), DeliveryState.GIVEN_UP
        where = destination.destination_id
        await self._settle(
            [End(one.delivery_id, where, given_up, now, GiveUp.WITHHELD, tier=Tier.WITHHELD) for one in claimed]
        )
        metrics.DELIVERIES.labels(destination.way, destination.form, Said.GIVEN_UP).inc(len(claimed))

    async def _failed(self, destination: Destination, claimed: Sequence[Claimed], said: NotDelivered) -> bool:
        """Writes a failed try; whether the destination may be tried further in this turn."""
        now, where, chance = self._now(), destination.destination_id, self._chance()
        maybe = said.failure in UNKNOWN
        ends, given_up = [], 0
        for one in claimed:
            what = after_failure(said.failure, one.tries + 1, now, chance, said.retry_after)
            again = isinstance(what, Again)
            given_up += not again
            state = DeliveryState.WAITING if again else DeliveryState.GIVEN_UP
            at = what.at if isinstance(what, Again) else now
            ends.append(End(one.delivery_id, where, state, at, said.failure, said.status, maybe=maybe))
        await self._settle(ends)
        metrics.DELIVERIES.labels(destination.way, destination.form, Said.AGAIN).inc(len(claimed) - given_up)
        metrics.DELIVERIES.labels(destination.way, destination.form, Said.GIVEN_UP).inc(given_up)
        metrics.DELIVERY_FAILURES.labels(destination.way, said.failure).inc()
        return not await self._rests(destination, said.failure, now)

    async def _rests(self, destination: Destination, failure: Failure, now: datetime) -> bool:
        """Lets a destination rest, or pauses it; whether it rests. What is refused for its content rests nobody."""
        if failure in (Failure.REFUSED, Failure.NEVER, Failure.CRASHED):
            return False
        where = destination.destination_id
        row = await self._in_thread(self._store.destinations.failed, where, failure, now, now + REST[0])
        if row is None:
            return True
        rest = min(REST[0] * 2 ** min(row.failures - 1, 20), REST[1])
        await self._in_thread(self._store.destinations.rest, where, now + rest)
        first, last = row.first_failed_at or now, row.last_failed_at or now
        if (failure in STOPS_DESTINATION or pauses(first, last, row.succeeded_at, now)) and await self._in_thread(
            self._store.destinations.pause, where, failure, now
        ):
            metrics.DESTINATIONS_PAUSED.inc()
            log.error("destination_paused", destination=where, failure=failure)
            if destination.way is WayKind.SMTP:
                await self._tell_managers(destination)
        return True

    async def _tell_managers(self, paused: Destination) -> None:
        """A person whose mail comes back does not hear of it; whoever answers for them does."""
        directory, way = self._known().directory, self._ways[WayKind.SMTP]
        rows = await self._in_thread(self._store.destinations.all)
        reached = 0
        for manager, parcel in told_by_mail(paused, [row.destination for row in rows], directory):
            reached += isinstance(await way.deliver(parcel, manager, Secrets({})), Delivered)
        if not reached:
            log.error("nobody_told_of_paused_mail", destination=paused.destination_id)

    async def _empties(self) -> None:
        """Writes the file that says that nothing was, where it is wanted."""
        while True:
            try:
                for row in await self._in_thread(self._store.destinations.all):
                    await self._empty(row)
            except Unavailable as error:
                self.away = type(error).__name__
            await asyncio.sleep(EMPTIES_SECONDS)

    async def _empty(self, row: DestinationRow) -> None:
        destination, now = row.destination, self._now()
        form, way = self._forms.get(destination.form), self._ways.get(destination.way)
        every, where = destination.every_minutes, destination.destination_id
        if not (destination.empty_files and every and form and way) or destination.state is not State.ACTIVE:
            return
        slot = next_slot(now, every) - timedelta(minutes=every)
        if (row.succeeded_at and row.succeeded_at >= slot) or where in self._running:
            return
        if opens_in(destination.hours, now.astimezone(self._known().policy.tz)):
            return
        if await self._in_thread(self._store.deliveries.waits, where):
            return
        parcel = form.empty(destination, row.sequence + 1, slot)
        if parcel is None:
            return
        said = await way.deliver(parcel, destination, Secrets({}))
        if isinstance(said, NotDelivered):
            metrics.DELIVERY_FAILURES.labels(destination.way, said.failure).inc()
        elif await self._in_thread(self._store.deliveries.number_batch, where, (), row.sequence):
            await self._in_thread(self._store.destinations.heard_well, where, now)


def next_slot(now: datetime, every_minutes: int) -> datetime:
    """When the next of the spans of so many minutes begins, counted from 1970 in UTC."""
    every = every_minutes * 60
    return datetime.fromtimestamp((int(now.timestamp()) // every + 1) * every, UTC)


def opens_in(hours: str, local: datetime) -> timedelta:
    """How long until a destination with these hours may be told; nothing when it may be now."""
    spans = read_hours(hours) or ALWAYS
    if within(spans, local):
        return timedelta()
    minute = local.weekday() * DAY + local.hour * 60 + local.minute
    wait = min((start - minute) % WEEK for start, _ in spans)
    return timedelta(minutes=wait) - timedelta(seconds=local.second, microseconds=local.microsecond)


def seen_by(destination: Destination, alert: Alert, enrollee: Enrollee | None, known: Known) -> AlertView:
    """What a destination may read of an alert: as the one it belongs to would on the page, and no more than its row.

    Of somebody who is nothing to it any more, or is not known any more: ids only.
    """
    if enrollee is None:
        return AlertView(
            alert_id=alert.alert_id,
            version=alert.version,
            action=alert.action,
            decided_at=alert.decided_at,
            tier=Tier.WITHHELD,
            relationship=Relationship.NONE,
            withheld=tuple(Withheld(part=part, why=WhyWithheld.NOT_YOURS) for part in ("person", "stay")),
        )
    relationship = related(destination, alert, enrollee, known.directory)
    who = destination.owner_id or destination.destination_id
    return view_as(alert, enrollee, relationship, who, known.confidentiality, destination.tier)
