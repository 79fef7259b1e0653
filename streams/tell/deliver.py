"""Deliveries that are due in; each tried by its way and ended, or given back with when it is tried again, out.

One turn at a time of each destination (`streams.tell.turns`), the longest waiting first, so that a slow or dead one
costs the others nothing. A destination that fails rests for a while, and after days of nothing but failure it is paused
and somebody is told. What one recipient may read is decided here and nowhere else: a form sees a view, never an alert.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final

import structlog

from rules.telling.attempts import UNKNOWN, Again, Failure, GiveUp, after_failure
from rules.telling.confidentiality import Tier
from rules.telling.destinations import NAME_THE_FIRST, Destination, FormKind, State, WayKind
from streams.run import metrics
from streams.run.crash import traced
from streams.store import Store, Unavailable
from streams.store.delivery import Claimed, DeliveryState, End
from streams.store.destinations import DestinationRow
from streams.tell.empties import Empties
from streams.tell.form import Form, Item
from streams.tell.in_hand import InHand
from streams.tell.in_thread import InThread
from streams.tell.resting import Resting
from streams.tell.seen import Known, seen_by
from streams.tell.settling import Settler
from streams.tell.slots import closed_for, span_of
from streams.tell.trying import tried
from streams.tell.turns import Turns
from streams.tell.way import Delivered, NotDelivered, Parcel, Secrets, Way

log = structlog.get_logger()

TURNS_OF_A_CLAIM: Final = 20
OF_ONE_DESTINATION: Final = 20
TURN: Final = timedelta(seconds=5)  # of one that is slow
ROWS_OF_A_FILE: Final = 5000
HOLD: Final = timedelta(seconds=60)  # renewed while the process lives; what a dead one had in hand waits so long
LOOK_AGAIN: Final = timedelta(seconds=1)  # for who has waited longest, while those of the look before get their turns
IDLE_SECONDS: Final = 0.2
EMPTIES_SECONDS: Final = 20.0


class Said(StrEnum):
    """How a try ended, for the counter."""

    DELIVERED = "delivered"
    AGAIN = "again"
    GIVEN_UP = "given_up"


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
        self._in_thread = InThread(executor)
        self._hold = hold
        self._now = now
        self._chance = chance
        self._turns = Turns()
        self._ready: deque[str] = deque()
        self._looked = datetime.min.replace(tzinfo=UTC)
        self._in_hand = InHand()
        self._stopping = False
        self.settler = Settler(lambda ends: self._in_thread(store.deliveries.settle, ends, name, now()))
        self._resting = Resting(store, self._in_thread)
        self._empty_files = Empties(
            store, forms, ways, known, secret, self._resting, self._in_thread, self._turns.__contains__, now
        )
        self.away = ""  # why nothing can be claimed; "" while it can

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
                    count = await self.once()
                    self.away = ""
                except Unavailable as error:
                    self.away = type(error).__name__
                    count = 0
                if not count:
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
        if not self._turns.room:
            await self._turns.change()
            return 1
        claimed = await self._claimed()
        by_destination: dict[str, list[Claimed]] = {}
        for delivery in claimed:
            by_destination.setdefault(delivery.destination_id, []).append(delivery)
        for destination_id, deliveries in by_destination.items():
            self._turns.begin(destination_id, self._serve(destination_id, deliveries))
        return len(claimed)

    async def _claimed(self) -> list[Claimed]:
        """What is due to some of those that wait. To find out who waits costs the more, the more of them there are: it
        is not asked for each turn.
        """
        store, fresh = self._store.deliveries, False
        while True:
            if not fresh and (not self._ready or not timedelta() <= self._now() - self._looked < LOOK_AGAIN):
                self._ready, self._looked = deque(await self._in_thread(store.ready, self._now())), self._now()
                fresh = True
            where: list[str] = []
            while self._ready and len(where) < min(self._turns.room, TURNS_OF_A_CLAIM):
                if (destination_id := self._ready.popleft()) not in self._turns:
                    where.append(destination_id)
            if where:
                now = self._now()
                claim = partial(store.claim, self._name, now, self._hold, where, each=OF_ONE_DESTINATION)
                if claimed := await self._in_thread(claim):
                    self._in_hand.take(claimed, now + self._hold)
                    return claimed
            if fresh and not self._ready:
                return []

    async def settled(self) -> None:
        """Returns when nothing is in hand."""
        await self._turns.ended()

    async def _hold_on(self) -> None:
        """Says from time to time that what is in hand still is."""
        while True:
            await asyncio.sleep(self._hold.total_seconds() / 4)
            try:
                held, until = self._in_hand.held(self._now()), self._now() + self._hold
                ours = await self._in_thread(self._store.deliveries.hold_on, held, self._name, until)
                self._in_hand.extend(ours, until)
            except Unavailable as error:
                self.away = type(error).__name__

    async def _settle(self, ends: Sequence[End]) -> None:
        await self.settler.settle(ends)
        self._in_hand.drop(end.delivery_id for end in ends)

    async def _release(self, claimed: Sequence[Claimed]) -> None:
        now = self._now()
        waiting = DeliveryState.WAITING
        await self._settle(
            [End(delivery.delivery_id, delivery.destination_id, waiting, now, tried=False) for delivery in claimed]
        )

    async def _serve(self, destination_id: str, claimed: Sequence[Claimed]) -> None:
        """One turn of one destination. What fails here is this destination's, and comes again."""
        try:
            row = await self._in_thread(self._store.destinations.find, destination_id)
            if row is None or row.destination.state is not State.ACTIVE:
                await self._release(claimed)
                return
            known = self._known()
            if opens := closed_for(row.destination, known.directory, self._now().astimezone(known.policy.tz)):
                await self._release(claimed)
                await self._in_thread(self._store.destinations.rest, destination_id, self._now() + opens)
                return
            await self._turn(row, claimed, known)
        except* Unavailable:  # in hand for a while longer; then they are tried again, under the same ids
            log.warning("destination_not_served", destination=destination_id)
        except* Exception as errors:  # one destination's fault must not end the others
            log.error("destination_crashed", destination=destination_id, **traced(errors.exceptions[0]))
        finally:
            self._in_hand.drop(delivery.delivery_id for delivery in claimed)

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
            await self._failed(destination, claimed, [None] * len(claimed), NotDelivered(Failure.MISCONFIGURED))
            return
        if form.batches:
            await self._file(row, claimed, known, form, way, secrets)
        else:
            await self._each(row, claimed, known, form, way, secrets)

    async def _each(
        self, row: DestinationRow, claimed: Sequence[Claimed], known: Known, form: Form, way: Way, secrets: Secrets
    ) -> None:
        """Every delivery by itself, some at once; a failure that is the destination's ends the turn, and so does time:
        whether it is told still, where and how much of it, is looked at anew.
        """
        destination = row.destination
        items = await self._in_thread(self._items, destination, claimed, known)
        left, until = deque(zip(claimed, items, strict=True)), self._now() + TURN
        stopped, ailing = False, row.failures > 0

        async def deliver_next() -> None:
            nonlocal stopped, ailing
            delivery, item = left.popleft()
            said = await self._try(form, way, [item], destination, secrets, 0)
            if isinstance(said, GiveUp):
                await self._given_up(destination, [delivery], said)
            elif isinstance(said, Delivered):
                first, ailing = ailing, False
                await self._done(row, [delivery], [item], said, first=first)
            elif not await self._failed(destination, [delivery], [item], said):
                stopped = True

        def goes_on() -> bool:
            now = self._now()
            ends = stopped or self._stopping or now >= until
            return bool(left) and not ends and self._in_hand.holds([left[0][0]], now)

        async def go_on() -> None:
            while goes_on():
                await deliver_next()

        if goes_on():
            await deliver_next()  # who does not answer is asked with one
        async with asyncio.TaskGroup() as group:
            for _ in range(way.at_once):
                group.create_task(go_on())
        await self._release([delivery for delivery, _ in left])

    async def _file(
        self, row: DestinationRow, claimed: Sequence[Claimed], known: Known, form: Form, way: Way, secrets: Secrets
    ) -> None:
        """All that is due in one parcel; the same again when it was cut off."""
        destination = row.destination
        where = destination.destination_id
        most = int(destination.options.get("max_count", ROWS_OF_A_FILE))
        now = self._now()
        claim_all = self._store.deliveries.claim_all
        taken = await self._in_thread(claim_all, where, self._name, now, self._hold, most, claimed)
        if not taken:
            return
        self._in_hand.take(taken, now + self._hold)
        try:
            number = taken[0].batch or await self._in_thread(self._store.deliveries.number_batch, where, taken)
            items = await self._in_thread(self._items, destination, taken, known)
            if not self._in_hand.holds(taken, self._now()):
                return
            said = await self._try(form, way, items, destination, secrets, number)
            if isinstance(said, GiveUp):
                await self._given_up(destination, taken, said)
            elif isinstance(said, Delivered):
                if destination.every_minutes and len(taken) < most:  # first of all: another process looks, too
                    every, zone = destination.every_minutes, known.policy.tz
                    _, next_begins = span_of(self._now(), every, zone, destination.hours)
                    await self._in_thread(self._store.destinations.rest, where, next_begins)
                await self._done(row, taken, items, said, first=row.failures > 0)
            else:
                await self._failed(destination, taken, items, said)
        finally:
            self._in_hand.drop(delivery.delivery_id for delivery in taken)

    async def _try(
        self, form: Form, way: Way, items: Sequence[Item], destination: Destination, secrets: Secrets, number: int
    ) -> Delivered | NotDelivered | GiveUp:
        async def once() -> Delivered | NotDelivered | GiveUp:
            parcel: Parcel | GiveUp = await self._in_thread(form.parcel, items, destination, number)
            return parcel if isinstance(parcel, GiveUp) else await way.deliver(parcel, destination, secrets)

        return await tried(once(), destination.destination_id)

    def _items(self, destination: Destination, claimed: Sequence[Claimed], known: Known) -> list[Item]:
        versions = [delivery.alert for delivery in claimed]
        people = self._store.deliveries.enrollees_of(versions)
        first: Mapping[tuple[str, int], int] = {}
        if destination.form in NAME_THE_FIRST:
            first = self._store.deliveries.first_told(destination.destination_id, versions)
        return [
            Item(
                delivery.delivery_id,
                delivery.made_at,
                seen_by(
                    destination,
                    delivery.alert,
                    people.get((delivery.alert.enrollee_id, delivery.alert.occurred_at)),
                    known,
                ),
                delivery.number,
                first.get((delivery.alert.alert_id, delivery.alert.version), 0),
            )
            for delivery in claimed
        ]

    async def _done(
        self, row: DestinationRow, claimed: Sequence[Claimed], items: Sequence[Item], said: Delivered, *, first: bool
    ) -> None:
        """Writes what arrived; `first`: after failures."""
        destination = row.destination
        now, where = self._now(), destination.destination_id
        await self._settle(
            [
                End(delivery.delivery_id, where, DeliveryState.DELIVERED, now, status=said.status, tier=item.seen.tier)
                for delivery, item in zip(claimed, items, strict=True)
            ]
        )
        metrics.DELIVERIES.labels(destination.way, destination.form, Said.DELIVERED).inc(len(claimed))
        for delivery in claimed:
            metrics.DELIVERY.labels(destination.way).observe(max(0.0, (now - delivery.made_at).total_seconds()))
        if first:
            await self._resting.recovered(row, now)

    async def _given_up(self, destination: Destination, claimed: Sequence[Claimed], why: GiveUp) -> None:
        now, given_up = self._now(), DeliveryState.GIVEN_UP
        where = destination.destination_id
        await self._settle(
            [End(delivery.delivery_id, where, given_up, now, why, tier=Tier.WITHHELD) for delivery in claimed]
        )
        metrics.DELIVERIES.labels(destination.way, destination.form, Said.GIVEN_UP).inc(len(claimed))

    async def _failed(
        self, destination: Destination, claimed: Sequence[Claimed], items: Sequence[Item | None], said: NotDelivered
    ) -> bool:
        """Writes a failed try; whether the destination may be tried further in this turn."""
        now, where, chance = self._now(), destination.destination_id, self._chance()
        maybe = said.failure in UNKNOWN
        ends, given_up = [], 0
        for delivery, item in zip(claimed, items, strict=True):
            what = after_failure(said.failure, delivery.tries + 1, delivery.made_at, now, chance, said.retry_after)
            again = isinstance(what, Again)
            given_up += not again
            state = DeliveryState.WAITING if again else DeliveryState.GIVEN_UP
            at = what.at if isinstance(what, Again) else now
            tier = item.seen.tier if item and maybe else ""
            ends.append(End(delivery.delivery_id, where, state, at, said.failure, said.status, tier, maybe))
        await self._settle(ends)
        metrics.DELIVERIES.labels(destination.way, destination.form, Said.AGAIN).inc(len(claimed) - given_up)
        metrics.DELIVERIES.labels(destination.way, destination.form, Said.GIVEN_UP).inc(given_up)
        metrics.DELIVERY_FAILURES.labels(destination.way, said.failure).inc()
        return not await self._resting.rests(destination, said.failure, now, said.retry_after)

    async def _empties(self) -> None:
        """Writes the file that says that nothing was, where it is wanted."""
        while True:
            try:
                await self._empty_files.write()
            except Unavailable as error:
                self.away = type(error).__name__
            await asyncio.sleep(EMPTIES_SECONDS)
