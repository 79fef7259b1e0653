"""Raw records in; for each an event for the decision, a named ending, or a crash out, and all of them safely kept.

`Reader` reads and matches and does no I/O. `ReadStage` publishes first and writes the ledger then, so a kill between
the two repeats an output and loses nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final, TypeVar

import structlog

from parsers.events import Event
from rules.endings import LedgerEntry
from streams.kafka.client import BrokerAway
from streams.kafka.outlet import Outlet, Output
from streams.kafka.records import Envelope
from streams.run import metrics
from streams.run.metrics import Newer, Part, Stage
from streams.store import Store
from streams.work.attempts import TAKEN_UP_TOO_OFTEN, Attempts
from streams.work.counting import write_endings
from streams.work.grammar import GrammarSamples
from streams.work.newer import is_newer
from streams.work.quarantine import PARKED, Brake, Crash
from streams.work.reader import Ended, Forward, RawRecord, ReadBatch, Reader, envelope_of, gathered
from streams.work.replay import keep, keep_rejected
from streams.work.unavailable import Waiting

log = structlog.get_logger()
T = TypeVar("T")
_ASIDE_BYTES: Final = 64 * 1024  # a larger record is read in a thread, so that the loop goes on
_SLICE_SECONDS: Final = 0.02  # of reading, between two looks of the loop at what else is to be done


class ReadStage:
    """Does with a batch what `Reader` found: outputs to the broker, then endings to the ledger."""

    def __init__(
        self,
        reader: Reader,
        outlet: Outlet,
        store: Store,
        executor: Executor,
        waiting: Waiting,
        brake: Brake,
        secret: bytes,
        samples: GrammarSamples,
    ) -> None:
        self._reader = reader
        self._samples = samples
        self._outlet = outlet
        self._store = store
        self._executor = executor
        self._waiting = waiting
        self._brake = brake
        self._secret = secret
        self._aside = ThreadPoolExecutor(1, "read-aside")
        self._attempts: Attempts[RawRecord] = Attempts(
            store, Stage.READ, lambda record: envelope_of(record).message_id, self._in_store
        )

    async def run(self, records: Sequence[RawRecord]) -> None:
        """Returns when every record's forward or ending is safe."""
        metrics.BATCH.labels(Stage.READ).observe(len(records))
        await self._attempts.each(records, self._run, self._give_up)

    async def _give_up(self, record: RawRecord) -> None:
        await self._keep(gathered([self._reader.crash(record, TAKEN_UP_TOO_OFTEN)]), [record])

    async def _run(self, records: Sequence[RawRecord]) -> None:
        await self._keep(await self._read(records), records)

    async def _read(self, records: Sequence[RawRecord]) -> ReadBatch:
        """In slices, and large records in a thread: whatever they hold, the loop is not kept waiting."""
        loop = asyncio.get_running_loop()
        results: list[Forward | Ended | Crash] = []
        began = time.monotonic()
        for record in records:
            if len(record.value or b"") > _ASIDE_BYTES:
                results.append(await loop.run_in_executor(self._aside, self._reader.read, record))
            else:
                results.append(self._reader.read(record))
            self._sample(results[-1], record)
            if time.monotonic() - began > _SLICE_SECONDS:
                await asyncio.sleep(0)
                began = time.monotonic()
        return gathered(results)

    def _sample(self, result: Forward | Ended | Crash, record: RawRecord) -> None:
        """Offers what was read as an event to those who hold it against its grammar."""
        match result:
            case Forward():
                self._samples.offer(result.feed, result.trigger, record.value or b"")
            case Ended() if result.entry.facts:
                self._samples.offer(result.entry.feed, result.entry.trigger, record.value or b"")

    async def _keep(self, batch: ReadBatch, records: Sequence[RawRecord]) -> None:
        crashes = list(batch.crashes)
        announced = [item for item in batch.ended if item.output]
        outputs = [forward.output for forward in batch.forwards] + [item.output for item in announced if item.output]
        refused, _ = await asyncio.gather(  # of different messages, so neither has to wait for the other
            self._publish(outputs),
            self._end([item for item in batch.ended if not item.output]),
        )
        by_id = {envelope_of(record).message_id: record for record in records} if refused else {}
        lost = set()
        for index, error in refused.items():
            envelope = Envelope.from_headers(outputs[index].headers)
            record = by_id[envelope.message_id]
            lost.add(envelope.message_id)
            crashes.append(self._reader.crash(record, error))
        if crashes:
            await self._publish([crash.output() for crash in crashes])
            await self._in_store(keep, self._store, crashes, self._secret)
        rejected = [item for item in announced if item.entry.message_id not in lost]
        if rejected:
            kept = [item.output for item in rejected if item.output]
            await self._in_store(keep_rejected, self._store, kept, self._secret)
        await self._end(rejected + [Ended(crash.entry()) for crash in crashes])
        now = datetime.now(UTC)
        for forward in batch.forwards:
            metrics.STAGE.labels(Stage.READ).observe((now - forward.envelope.received_at).total_seconds())
        await brake_on(crashes, self._brake, self._store, self._in_store)

    async def _publish(self, outputs: Sequence[Output]) -> dict[int, str]:
        """As `Outlet.publish`, however long the broker is away: whoever ends us meanwhile ends us not for a record."""

        async def publish() -> dict[int, str]:
            try:
                return await self._outlet.publish(outputs)
            except BrokerAway:
                await self._attempts.came_through()
                raise

        return await self._waiting.until(Part.BROKER, publish, "read")

    async def _in_store(self, function: Callable[..., T], *arguments: object) -> T:
        loop = asyncio.get_running_loop()
        return await self._waiting.until(
            Part.STORE, lambda: loop.run_in_executor(self._executor, function, *arguments), "read"
        )

    async def _end(self, ended: Sequence[Ended]) -> None:
        """Returns when the endings are in the ledger, and what is kept for late enrollment in its place."""
        if not ended:
            return
        entries = [item.entry for item in ended]
        unmatched = [item.unmatched for item in ended if item.unmatched]
        await self._in_store(self._write, entries, unmatched)

    def _write(self, entries: list[LedgerEntry], unmatched: list[Event]) -> None:
        """In the thread of the store. Raises `Unavailable`, having written whole messages or none."""
        if unmatched:
            self._store.unmatched.keep(unmatched, self._secret)
        write_endings(self._store, entries, Stage.READ)


async def brake_on(
    crashes: Sequence[Crash], brake: Brake, store: Store, in_store: Callable[..., Awaitable[object]]
) -> None:
    """Counts crashes, and parks a sender that has too many of them."""
    for crash in crashes:
        if is_newer(crash.error):
            metrics.NEWER.labels(Newer.SET_ASIDE).inc()
        elif crash.error == PARKED:
            metrics.PARKED.inc()
        elif brake.count(crash):
            await in_store(store.keeping_up.park, crash.sender, crash.envelope.feed, crash.code, datetime.now(UTC))
            brake.take_over({*brake.parked, crash.sender})
            log.error("feed_parked", feed=crash.envelope.feed, code=crash.code, place=crash.place)
