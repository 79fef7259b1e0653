"""Event records in; decisions in the store and alert versions on `toc.alerts.v1` out, all of them safely kept.

A batch is one transaction. One that fails is run record by record, and only the record that fails alone goes to
quarantine. What the store says is told is published while the next batch is decided; `relay` publishes what a kill left
in the outbox.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeVar

from pydantic import ValidationError

from rules.decide import World, decide
from rules.decisions import Decision, History
from streams import metrics
from streams.kafka import Outlet, Output
from streams.metrics import Part, Stage
from streams.quarantine import Brake, Crash
from streams.reading import RawRecord, count_ending, envelope_of, event_output, write_endings
from streams.store import Outcome, Store, Unavailable
from streams.topics import AlertRecord, Envelope, EventRecord, Topic, keyed_hash
from streams.waiting import Waiting

T = TypeVar("T")

_RELAY_BATCH: Final = 500
_IN_HAND_SECONDS: Final = 5.0  # a younger outbox row is still in the hands of whoever wrote it


class _Taken(NamedTuple):
    """A record of `toc.events.v1` that could be read."""

    envelope: Envelope
    record: EventRecord
    raw: RawRecord

    def crash(self, error: str) -> Crash:
        return Crash(Stage.DECIDE, error, self.envelope, self.raw.key or b"", self.raw.value or b"")


class DecideStage:
    """Decides batches of event records. `world` gives policy, routing and the time to decide by."""

    def __init__(
        self,
        store: Store,
        outlet: Outlet,
        executor: Executor,
        waiting: Waiting,
        brake: Brake,
        world: Callable[[], World],
        secret: bytes,
    ) -> None:
        self._store = store
        self._outlet = outlet
        self._executor = executor
        self._waiting = waiting
        self._brake = brake
        self._world = world
        self._secret = secret
        self._telling: asyncio.Task[None] | None = None

    async def run(self, records: Sequence[RawRecord]) -> None:
        """Returns when every record is decided or in quarantine; what is told lies in the outbox until it is.

        So the next batch need not wait for it. Raises `TooManyCrashes` over the limit.
        """
        metrics.BATCH.labels(Stage.DECIDE).observe(len(records))
        taken, crashes = _take(records)
        outcomes, failed = await self._waiting.until(Part.STORE, lambda: self._in_thread(self._decide, taken))
        crashes += failed
        if crashes:
            dead = [crash.output() for crash in crashes]
            await self._waiting.until(Part.BROKER, lambda: self._outlet.publish(dead))
            entries = [crash.entry() for crash in crashes]
            await self._waiting.until(
                Part.STORE, lambda: self._in_thread(write_endings, self._store, entries, Stage.DECIDE)
            )
        self._count(taken, outcomes)
        alerts = [alert for outcome in outcomes for alert in outcome.alerts]
        if alerts:
            await self.told()
            self._telling = asyncio.create_task(self._tell_now(alerts))
        for crash in crashes:
            self._brake.count(crash)

    async def relay(self, now: datetime) -> int:
        """Publishes what lies in the outbox longer than it should, alerts and released events; gives how many."""
        alerts = await self._in_thread(self._store.unsent, _RELAY_BATCH)
        old = [record for _, record in alerts if now - record.alert.decided_at >= timedelta(seconds=_IN_HAND_SECONDS)]
        metrics.OUTBOX_SIZE.set(len(alerts))
        oldest = max((now - record.alert.decided_at for _, record in alerts), default=timedelta())
        metrics.OUTBOX_AGE.set(max(0.0, oldest.total_seconds()))
        await self._tell(old)
        await self._in_thread(self._store.take_effect, now)
        events = await self._in_thread(self._store.unsent_events, _RELAY_BATCH)
        if events:
            outputs = [self._event_output(record) for _, record in events]
            await self._waiting.until(Part.BROKER, lambda: self._outlet.publish(outputs))
            await self._in_thread(self._store.sent_events, [outbox_id for outbox_id, _ in events])
        return len(old) + len(events)

    def _event_output(self, record: EventRecord) -> Output:
        owner = record.match.enrollee_id or (record.prior_match.enrollee_id if record.prior_match else None)
        envelope = Envelope(record.event.message_id, record.event.received_at)
        return event_output(record, keyed_hash(self._secret, owner or record.event.message_id), envelope)

    def _in_thread(self, function: Callable[..., T], *arguments: object) -> "asyncio.Future[T]":
        return asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    async def told(self) -> None:
        """Returns when the alerts of the last batch stand on their topic."""
        if self._telling:
            await self._telling

    async def _tell_now(self, alerts: Sequence[AlertRecord]) -> None:
        committed = datetime.now(UTC)
        await self._tell(alerts)
        metrics.STAGE.labels(Stage.TOLD).observe(metrics.seconds_since(committed))

    async def _tell(self, alerts: Sequence[AlertRecord]) -> None:
        if not alerts:
            return
        outputs = [
            Output(
                Topic.ALERTS,
                keyed_hash(self._secret, record.alert.alert_id),
                record.__pydantic_serializer__.to_json(record),
                [("id", f"{record.alert.alert_id}:{record.alert.version}".encode()), ("schema", b"1")],
            )
            for record in alerts
        ]
        await self._waiting.until(Part.BROKER, lambda: self._outlet.publish(outputs))
        positions = [record.position for record in alerts]
        await self._waiting.until(Part.STORE, lambda: self._in_thread(self._store.sent, positions))

    def _decide(self, taken: Sequence[_Taken]) -> tuple[list[Outcome], list[Crash]]:
        """In the thread of the store. Raises `Unavailable`, having written whole records or none."""
        try:
            return self._commit(taken), []
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 the one guard: isolate the record that fails
            if len(taken) == 1:
                return [], [taken[0].crash(type(error).__name__)]
        outcomes: list[Outcome] = []
        crashes: list[Crash] = []
        for one in taken:
            some, failed = self._decide([one])
            outcomes += some
            crashes += failed
        return outcomes, crashes

    def _commit(self, taken: Sequence[_Taken]) -> list[Outcome]:
        if not taken:
            return []
        world = self._world()

        def conclude(record: EventRecord, history: History) -> Decision:
            return decide(record.event, record.match, record.prior_match, history, world, released=record.released)

        return self._store.decide([one.record for one in taken], conclude, world.now)

    @staticmethod
    def _count(taken: Sequence[_Taken], outcomes: Sequence[Outcome]) -> None:
        forwarded = {one.envelope.message_id: one.raw.timestamp for one in taken}
        now = datetime.now(UTC).timestamp()
        for outcome in outcomes:
            if outcome.entry is None:
                metrics.REDELIVERED.labels(Stage.DECIDE).inc()
                continue
            count_ending(outcome.entry)
            if outcome.decision and outcome.decision.reasons:
                metrics.REASONS.labels(outcome.decision.reasons[0]).inc()
            metrics.STAGE.labels(Stage.DECIDE).observe(max(0.0, now - forwarded.get(outcome.message_id, now)))


def _take(records: Sequence[RawRecord]) -> tuple[list[_Taken], list[Crash]]:
    taken, crashes = [], []
    for raw in records:
        envelope = envelope_of(raw)
        try:
            record = EventRecord.model_validate_json(raw.value or b"")
        except (ValidationError, ValueError) as error:
            crashes.append(Crash(Stage.DECIDE, type(error).__name__, envelope, raw.key or b"", raw.value or b""))
            continue
        taken.append(_Taken(envelope._replace(message_id=record.event.message_id), record, raw))
    return taken, crashes
