"""Event records in; decisions in the store and alert versions on `toc.alerts.v1` out, all of them safely kept.

A batch is one transaction. One that fails is run record by record, and only the record that fails alone goes to
quarantine. What the store says is told is published while the next batch is decided; `relay` publishes what a kill left
in the outbox.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar

from pydantic import ValidationError

from rules.deciding.case import World
from rules.deciding.decide import decide
from rules.decisions import Decision, History
from rules.endings import Ending
from streams.kafka.outlet import Outlet, Output
from streams.kafka.records import AlertRecord, Envelope, EventRecord, keyed_hash
from streams.kafka.topics import Topic
from streams.run import metrics
from streams.run.crash import place_of
from streams.run.metrics import Delay, Newer, Part, Stage
from streams.store import Outcome, Store, Unavailable
from streams.store.due import AskDue
from streams.work.attempts import TAKEN_UP_TOO_OFTEN, Attempts
from streams.work.counting import count_ending, write_endings
from streams.work.newer import record_beyond, store_beyond
from streams.work.quarantine import Brake, Crash
from streams.work.read import brake_on
from streams.work.reader import RawRecord, envelope_of, event_output
from streams.work.replay import keep
from streams.work.unavailable import Waiting

T = TypeVar("T")

_RELAY_BATCH: Final = 500
_LEASE_SECONDS: Final = 30.0  # in which others leave the outbox to whoever began with it
_RELEASED: Final = b'"released":true'
_TOLD: Final = frozenset({Ending.ALERTED, Ending.AMENDED, Ending.RETRACTED})
_UP_TO_DECIDED: Final = (Delay.EVENT_TO_RECORDED, Delay.RECORDED_TO_RECEIVED, Delay.RECEIVED_TO_DECIDED)
_IN_HAND_SECONDS: Final = 5.0  # so young an outbox row is in the hands of whoever wrote it; a wrong clock may be ahead


class _Taken(NamedTuple):
    """A record of `toc.events.v1` that could be read."""

    envelope: Envelope
    record: EventRecord
    raw: RawRecord

    def crash(self, error: str, place: str = "") -> Crash:
        return _crash(self.raw, self.envelope, error, place)


class _Work:
    """A batch that is being decided: what is left of it, and what came of the rest."""

    def __init__(self, taken: Sequence[_Taken]) -> None:
        self.left = list(taken)
        self.one_by_one = False
        self.outcomes: list[Outcome] = []
        self.crashes: list[Crash] = []


class DecideStage:
    """Decides batches of event records. `world` gives policy, routing and the time to decide by; `ask_due` to whom a
    new version is due, `None` while there is no destination.
    """

    def __init__(
        self,
        store: Store,
        outlet: Outlet,
        executor: Executor,
        waiting: Waiting,
        brake: Brake,
        world: Callable[[], World],
        secret: bytes,
        ask_due: Callable[[], AskDue | None] = lambda: None,
    ) -> None:
        self._store = store
        self._ask_due = ask_due
        self._outlet = outlet
        self._executor = executor
        self._waiting = waiting
        self._brake = brake
        self._world = world
        self._secret = secret
        self._me = uuid.uuid4().hex
        self._telling: asyncio.Task[None] | None = None
        self._attempts: Attempts[RawRecord] = Attempts(store, Stage.DECIDE, _id_of, self._in_store)

    async def run(self, records: Sequence[RawRecord]) -> None:
        """Returns when every record is decided or in quarantine; what is told lies in the outbox until it is.

        So the next batch need not wait for it.
        """
        metrics.BATCH.labels(Stage.DECIDE).observe(len(records))
        released = {_id_of(raw) for raw in records if _RELEASED in (raw.value or b"")}
        await self._attempts.each(records, self._run, self._give_up, released)

    async def _give_up(self, raw: RawRecord) -> None:
        await self._quarantine([_crash(raw, envelope_of(raw), TAKEN_UP_TOO_OFTEN)])

    async def _run(self, records: Sequence[RawRecord]) -> None:
        taken, crashes = _take(records)
        work = _Work(taken)
        await self._in_store(self._decide, work)
        self._count(taken, work.outcomes)
        alerts = [alert for outcome in work.outcomes for alert in outcome.alerts]
        if alerts:
            await self.published()
            self._telling = asyncio.create_task(self._tell_now(alerts))
        await self._quarantine(crashes + work.crashes)

    async def _quarantine(self, crashes: Sequence[Crash]) -> None:
        if crashes:
            dead = [crash.output() for crash in crashes]
            await self._waiting.until(Part.BROKER, lambda: self._outlet.publish(dead), "decide")
            await self._in_store(keep, self._store, crashes, self._secret)
            await self._in_store(write_endings, self._store, [crash.entry() for crash in crashes], Stage.DECIDE)
            await brake_on(crashes, self._brake, self._store, self._in_store)

    async def gauge(self, now: datetime) -> None:
        """Says how much lies in the outbox, also while the broker is away. Raises `Unavailable`."""
        metrics.OUTBOX_SIZE.set(await self._in_thread(self._store.changes.outbox_size))
        metrics.OUTBOX_AGE.set(await self._in_thread(self._store.changes.outbox_age, now))

    async def relay(self, now: datetime) -> int:
        """Publishes what lies in the outbox longer than it should, alerts and released events; gives how many.

        One worker at a time does it for all; one that ends leaves it to the others soon after.
        """
        await self._in_thread(self._store.reviews.take_effect, now)
        alerts = await self._in_thread(self._store.changes.unsent, _RELAY_BATCH)
        in_hand = timedelta(seconds=_IN_HAND_SECONDS)
        old = [record for _, record in alerts if abs(now - record.alert.decided_at) >= in_hand]
        events = await self._in_thread(self._store.reviews.unsent_events, _RELAY_BATCH)
        if not (old or events):
            return 0
        if not await self._in_thread(self._store.keeping_up.lease, "relay", self._me, now, _LEASE_SECONDS):
            return 0
        await self._tell(old)
        if events:
            outputs = [self._event_output(record) for _, record in events]
            refused = await self._waiting.until(Part.BROKER, lambda: self._outlet.publish(outputs), "relay")
            await self._quarantine([_of_output(outputs[index], error) for index, error in refused.items()])
            await self._in_thread(self._store.reviews.sent_events, [outbox_id for outbox_id, _ in events])
        return len(old) + len(events)

    def _event_output(self, record: EventRecord) -> Output:
        matches = (match for part in record.parts() for match in (part.match, part.prior_match) if match)
        owner = next((match.enrollee_id for match in matches if match.enrollee_id), None)
        envelope = Envelope(record.event.message_id, record.event.received_at)
        return event_output(record, keyed_hash(self._secret, owner or record.event.message_id), envelope)

    def _in_thread(self, function: Callable[..., T], *arguments: object) -> "asyncio.Future[T]":
        return asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    async def _in_store(self, function: Callable[..., T], *arguments: object) -> T:
        return await self._waiting.until(Part.STORE, lambda: self._in_thread(function, *arguments), "decide")

    async def published(self) -> None:
        """Returns when the alerts of the last batch stand on their topic."""
        if self._telling:
            await self._telling

    async def _tell_now(self, alerts: Sequence[AlertRecord]) -> None:
        committed = datetime.now(UTC)
        await self._tell(alerts)
        metrics.STAGE.labels(Stage.TOLD).observe(metrics.seconds_since(committed))

    async def _tell(self, alerts: Sequence[AlertRecord]) -> None:
        """One that the broker does not take for its size, which needs a limit below 700 kB, is counted by the outlet;
        page and destinations have it all the same.
        """
        if not alerts:
            return
        outputs = [
            Output(
                Topic.ALERTS,
                keyed_hash(self._secret, record.alert.alert_id),
                record.written(),
                [("id", f"{record.alert.alert_id}:{record.alert.version}".encode()), ("schema", b"1")],
            )
            for record in alerts
        ]
        await self._waiting.until(Part.BROKER, lambda: self._outlet.publish(outputs), "tell")
        positions = [record.position for record in alerts]
        await self._waiting.until(Part.STORE, lambda: self._in_thread(self._store.changes.sent, positions), "tell")

    def _decide(self, work: "_Work") -> None:
        """In the thread of the store. Raises `Unavailable`; called again with the same work it goes on behind that."""
        if not work.one_by_one:
            try:
                work.outcomes += self._commit(work.left)
                work.left = []
            except Unavailable:
                raise
            except Exception:  # the one guard: isolate the record that fails
                work.one_by_one = True
        while work.left:
            suspect = work.left[0]
            try:
                work.outcomes += self._commit([suspect])
            except Unavailable:
                raise
            except ValidationError as error:
                beyond = store_beyond(self._store)
                work.crashes.append(suspect.crash(beyond or type(error).__name__, place_of(error)))
            except Exception as error:  # as above
                work.crashes.append(suspect.crash(type(error).__name__, place_of(error)))
            work.left = work.left[1:]

    def _commit(self, taken: Sequence[_Taken]) -> list[Outcome]:
        if not taken:
            return []
        world = self._world()

        def conclude(record: EventRecord, history: History) -> Decision:
            further = [(whose.match, whose.prior_match) for whose in record.further]
            return decide(
                record.event,
                record.match,
                record.prior_match,
                history,
                world,
                released=record.released,
                further=further,
            )

        return self._store.decisions.decide(
            [taken_record.record for taken_record in taken], conclude, world.now, self._secret, self._ask_due()
        )

    @staticmethod
    def _count(taken: Sequence[_Taken], outcomes: Sequence[Outcome]) -> None:
        forwarded = {taken_record.envelope.message_id: taken_record.raw.timestamp for taken_record in taken}
        prompt = {each.envelope.message_id: each.record.event for each in taken if not each.record.released}
        now = datetime.now(UTC).timestamp()
        for outcome in outcomes:
            if outcome.entry is None:
                metrics.REDELIVERED.labels(Stage.DECIDE).inc()
                continue
            for entry in (outcome.entry, *outcome.apart):
                count_ending(entry)
            if outcome.decision and outcome.decision.reasons:
                metrics.REASONS.labels(outcome.decision.reasons[0]).inc()
            metrics.STAGE.labels(Stage.DECIDE).observe(max(0.0, now - forwarded.get(outcome.message_id, now)))
            if outcome.entry.ending in _TOLD and (event := prompt.get(outcome.message_id)):
                times = (event.occurred_at, event.recorded_at, event.received_at, datetime.fromtimestamp(now, UTC))
                for part, (before, after) in zip(_UP_TO_DECIDED, pairwise(times), strict=True):
                    metrics.DELAY.labels(part).observe(max(0.0, (after - before).total_seconds()))


def _id_of(raw: RawRecord) -> str:
    return envelope_of(raw).message_id


def _crash(raw: RawRecord, envelope: Envelope, error: str, place: str = "") -> Crash:
    sender = envelope.sender or envelope.feed
    return Crash(Stage.DECIDE, error, envelope, raw.key or b"", raw.value or b"", place, sender)


def _of_output(output: Output, error: str) -> Crash:
    envelope = Envelope.from_headers(output.headers)
    return Crash(Stage.DECIDE, error, envelope, output.key, output.value, sender=envelope.sender)


def _take(records: Sequence[RawRecord]) -> tuple[list[_Taken], list[Crash]]:
    taken, crashes = [], []
    for raw in records:
        envelope = envelope_of(raw)
        if beyond := record_beyond(envelope):
            crashes.append(_crash(raw, envelope, beyond))
            continue
        try:
            record = EventRecord.read(raw.value or b"")
        except (ValidationError, ValueError) as error:
            crashes.append(_crash(raw, envelope, type(error).__name__, place_of(error)))
            continue
        if record.carries:
            metrics.NEWER.labels(Newer.READ_OVER).inc()
        taken.append(_Taken(envelope._replace(message_id=record.event.message_id), record, raw))
    return taken, crashes
