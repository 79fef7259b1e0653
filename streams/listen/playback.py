"""Brings journaled messages to the embedded broker: the journal in, read from disk in order; `adt.raw.v1` out.

Memory stays bounded whatever the backlog, because only one window of records is in hand. Three truths:
- *published* says nothing for ever: the broker keeps its log in memory. On every new generation of `broker.json` the
  journal is played back from the oldest message that has no ending, leaving out those that have one.
- *ended* is what the ledger says. Behind the mark up to which every message has ended, segments are free.
- A message that was published long ago, has no ending, and whose fellows do not get on either, is published again
  (the ledger and the fingerprint make a second delivery harmless).
"""

import asyncio
import collections
import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.kafka.generation import Generation, current_generation
from streams.kafka.records import Envelope
from streams.kafka.topics import Topic
from streams.listen.durable import together
from streams.listen.into_journal import JournalDurable
from streams.listen.into_kafka import abandon, is_dead
from streams.listen.journal import Journal, Position, Record
from streams.listen.message_ids import new_message_id
from streams.run import metrics
from streams.run.metrics import Part
from streams.run.settings import Settings
from streams.store import Unavailable

log = structlog.get_logger()

_WINDOW_RECORDS: Final = 500
_WINDOW_BYTES: Final = 4 * 1024 * 1024
_DELIVERY_SECONDS: Final = 15.0
_GATHER_SECONDS: Final = 0.01  # for a window to fill; a tenth of what one hop over the embedded broker takes at best
_LOOK_SECONDS: Final = 0.1  # between two looks at broker.json
_CHECK_SECONDS: Final = 10.0  # between two looks at the ledger
_OVERDUE_SECONDS: Final = 60.0  # after publication, without an ending
_LONGEST_OVERDUE_SECONDS: Final = 3600.0
_MOST_UNENDED: Final = 10_000  # messages on the broker, and
_MOST_UNENDED_BYTES: Final = 24 * 1024 * 1024  # their bytes; with the events made of them well below its size limit
_MOST_REPLAYED: Final = 500  # at one time


class Ledger(Protocol):
    """What we ask of the store; blocking. Raises `streams.store.Unavailable`."""

    def ended_between(self, first_id: str, last_id: str) -> set[str]:
        """Ids between the two, both included, that have their ending."""

    def count_ended(self, first_id: str, last_id: str) -> int:
        """How many messages between the two, both included, have their ending."""


class _Cursor:
    """How far we are in the journal: how many records of that segment, and in all, lie behind us, and the last one."""

    def __init__(self, at: Position, last_id: str, passed: int = 0, total: int = 0) -> None:
        self.at = at
        self.last_id = last_id  # of the record before, at the start of the one behind
        self.passed = passed
        self.total = total

    def pass_one(self, record: Record, after: Position) -> None:
        self.passed = self.passed + 1 if after.segment == self.at.segment else 1
        self.total += 1
        self.last_id = record.message_id
        self.at = after

    def copy(self) -> "_Cursor":
        return _Cursor(self.at, self.last_id, self.passed, self.total)


class Publisher:
    """Runs beside `JournalDurable` on the same loop."""

    def __init__(self, settings: Settings, journal: Journal, durable: JournalDurable, ledger: Ledger) -> None:
        self._settings = settings
        self._journal = journal
        self._durable = durable
        self._ledger = ledger
        begins = [segment.first_id for segment in journal.segments() if segment.records and not segment.ended]
        first_id = begins[0] if begins else new_message_id(datetime.now(UTC))
        self._at = _Cursor(
            journal.start, first_id
        )  # what is before has been published on this generation, or has ended
        self._ended = _Cursor(journal.start, first_id)  # what is before has ended
        self._published: collections.deque[tuple[float, Position]] = collections.deque()
        self._generation: Generation | None = None
        self._replay: list[Record] = []
        self._overdue_seconds = _OVERDUE_SECONDS
        self._missing_before: frozenset[str] = frozenset()
        self._in_hand: list[tuple[str, int, float]] = []  # id, bytes, when: published, perhaps not ended
        self._in_hand_bytes = 0

    async def run(self) -> None:
        """Publishes until cancelled. Raises what ended one of its two tasks."""
        await together(self._keep_checking(), self._keep_publishing())

    async def _keep_publishing(self) -> None:
        failing = False
        while True:
            try:
                generation = await self._next_generation()
                producer = await self._connect(generation)
                if producer is None:
                    continue
                try:
                    await self._publish_to(producer, generation)
                finally:
                    await abandon(producer)
                failing = False
            except (KafkaError, TimeoutError, AssertionError) as error:
                metrics.UNAVAILABLE.labels(Part.BROKER).inc()
                log.warning("publishing_interrupted", error=type(error).__name__)
                await asyncio.sleep(_LOOK_SECONDS)
            except OSError as error:
                metrics.UNAVAILABLE.labels(Part.DISK).inc()
                if not failing:
                    log.error("journal_not_readable", errno=error.errno)
                failing = True
                await asyncio.sleep(1)

    async def _next_generation(self) -> Generation:
        while True:
            generation = current_generation(self._settings.data_dir)
            if generation is not None:
                if generation != self._generation:
                    self._begin(generation)
                return generation
            await asyncio.sleep(_LOOK_SECONDS)

    def _begin(self, generation: Generation) -> None:
        """Whatever the last broker held is gone."""
        self._generation = generation
        self._at = self._ended.copy()
        self._published.clear()
        self._replay = []
        self._in_hand.clear()
        self._in_hand_bytes = 0
        self._missing_before = frozenset()
        self._overdue_seconds = _OVERDUE_SECONDS
        metrics.BROKER_GENERATION.set(generation.generation)
        log.info("broker_generation", generation=generation.generation)

    async def _connect(self, generation: Generation) -> AIOKafkaProducer | None:
        producer = AIOKafkaProducer(
            bootstrap_servers=generation.bootstrap,
            acks="all",
            max_request_size=self._settings.max_frame_bytes + 128 * 1024,
            max_batch_size=1 << 20,
            request_timeout_ms=int(_DELIVERY_SECONDS * 1000),
        )
        try:
            async with asyncio.timeout(5):
                await producer.start()
                await producer.partitions_for(Topic.RAW)
        except (KafkaError, OSError, TimeoutError) as error:
            await abandon(producer)
            metrics.UNAVAILABLE.labels(Part.BROKER).inc()
            log.warning("embedded_broker_not_reachable", error=type(error).__name__)
            await asyncio.sleep(_LOOK_SECONDS * 2)
            return None
        except asyncio.CancelledError:
            await abandon(producer)
            raise
        return producer

    async def _publish_to(self, producer: AIOKafkaProducer, generation: Generation) -> None:
        """Returns when there is a new broker or the producer is dead. Raises `KafkaError` and `TimeoutError`."""
        publishing = asyncio.create_task(self._publish(producer))
        try:
            while current_generation(self._settings.data_dir) == generation and not is_dead(producer):
                done, _ = await asyncio.wait({publishing}, timeout=_LOOK_SECONDS)
                if done:
                    publishing.result()
        finally:
            publishing.cancel()
            await asyncio.wait({publishing})

    async def _publish(self, producer: AIOKafkaProducer) -> None:
        """Window after window, for ever."""
        known = self._journal.end  # what was there before: the ledger may know its ending
        while True:
            replay, self._replay = self._replay, []
            if replay:
                await self._send_bounded(producer, replay)
                metrics.PLAYED_BACK.inc(len(replay))
            await self._worker_keeps_up()
            self._durable.appended.clear()
            limit = self._journal.end
            chunk = await asyncio.to_thread(
                self._journal.read, self._at.at, limit, most_records=_WINDOW_RECORDS, most_bytes=_WINDOW_BYTES
            )
            if not chunk.records:
                metrics.JOURNAL_BACKLOG.set(0)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._durable.appended.wait(), 1)
                    await asyncio.sleep(_GATHER_SECONDS)
                continue
            records = [record for record, _ in chunk.records]
            if self._at.at < known:
                records = await self._without_ending(records)
                metrics.PLAYED_BACK.inc(len(records))
            await self._send_bounded(producer, records)
            for record, after in chunk.records:
                self._at.pass_one(record, after)
            metrics.JOURNAL_BACKLOG.set(self._journal.count_behind(self._at.at) - self._at.passed)
            self._published.append((asyncio.get_running_loop().time(), chunk.after))
            self._forget_marks()

    async def _send(self, producer: AIOKafkaProducer, records: Sequence[Record]) -> None:
        async with asyncio.timeout(_DELIVERY_SECONDS):
            deliveries = [
                await producer.send(
                    Topic.RAW,
                    record.data,
                    key=record.key,
                    timestamp_ms=int(record.received_at.timestamp() * 1000),
                    headers=Envelope(record.message_id, record.received_at, record.feed).headers(),
                )
                for record in records
            ]
            outcomes = await asyncio.gather(*deliveries, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _send_bounded(self, producer: AIOKafkaProducer, records: Sequence[Record]) -> None:
        """Sends in parts, each once what the broker holds without an ending leaves room for its bytes."""
        part: list[Record] = []
        size = 0
        for record in records:
            if part and size + len(record.data) > _WINDOW_BYTES:
                await self._send_part(producer, part, size)
                part, size = [], 0
            part.append(record)
            size += len(record.data)
        if part:
            await self._send_part(producer, part, size)

    async def _send_part(self, producer: AIOKafkaProducer, part: Sequence[Record], size: int) -> None:
        while self._in_hand and self._in_hand_bytes + size > _MOST_UNENDED_BYTES:
            await self._forget_ended()
            if self._in_hand and self._in_hand_bytes + size > _MOST_UNENDED_BYTES:
                await asyncio.sleep(_LOOK_SECONDS)
        now = asyncio.get_running_loop().time()
        self._in_hand += [(record.message_id, len(record.data), now) for record in part]
        self._in_hand_bytes += size
        await self._send(producer, part)

    async def _forget_ended(self) -> None:
        """Waits no longer for what has ended, nor for what is overdue: a stuck message must not hold the others up."""
        ids = [message_id for message_id, _, _ in self._in_hand]
        try:
            ended = await asyncio.to_thread(self._ledger.ended_between, min(ids), max(ids))
        except Unavailable:
            metrics.UNAVAILABLE.labels(Part.STORE).inc()
            return
        latest = asyncio.get_running_loop().time() - _OVERDUE_SECONDS
        self._in_hand = [item for item in self._in_hand if item[0] not in ended and item[2] > latest]
        self._in_hand_bytes = sum(size for _, size, _ in self._in_hand)

    async def _worker_keeps_up(self) -> None:
        """Waits while the broker holds too many that have no ending: what it does not hold does not cost memory."""
        most = _MOST_UNENDED
        while self._at.total - self._ended.total > most:
            ended, at = self._ended.copy(), self._at.copy()
            try:
                done = await asyncio.to_thread(self._ledger.count_ended, ended.last_id, at.last_id)
            except Unavailable:
                metrics.UNAVAILABLE.labels(Part.STORE).inc()
            else:
                if at.total - ended.total - done <= most:
                    return
            metrics.JOURNAL_BACKLOG.set(self._journal.count_behind(at.at) - at.passed)
            await asyncio.sleep(_LOOK_SECONDS * 2)

    async def _without_ending(self, records: Sequence[Record]) -> list[Record]:
        while True:
            try:
                ended = await asyncio.to_thread(
                    self._ledger.ended_between, records[0].message_id, records[-1].message_id
                )
            except Unavailable:
                metrics.UNAVAILABLE.labels(Part.STORE).inc()
                await asyncio.sleep(1)
                continue
            return [record for record in records if record.message_id not in ended]

    def _forget_marks(self) -> None:
        """Keeps about one mark a second of where publishing was, for as long as messages may be overdue."""
        marks = self._published
        if len(marks) > 2 and marks[-1][0] - marks[-3][0] < 1:
            del marks[-2]

    def _overdue_before(self) -> Position:
        """Everything before was published at least `_overdue_seconds` ago."""
        latest = asyncio.get_running_loop().time() - self._overdue_seconds
        overdue = Position(0, 0)
        for at, position in self._published:
            if at > latest:
                break
            overdue = position
        return overdue

    async def _keep_checking(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            try:
                await self.check()
            except Unavailable:
                metrics.UNAVAILABLE.labels(Part.STORE).inc()
            except OSError as error:
                metrics.UNAVAILABLE.labels(Part.DISK).inc()
                log.error("journal_not_readable", errno=error.errno)

    async def check(self) -> None:
        """Moves the mark of what has ended, frees segments, and finds what should be published again."""
        missing: list[Record] = []
        overdue = self._overdue_before()
        position, limit, whole = self._ended.at, self._at.at, True
        while position < limit and len(missing) < _MOST_REPLAYED:
            chunk = await asyncio.to_thread(
                self._journal.read, position, limit, most_records=_WINDOW_RECORDS, most_bytes=_WINDOW_BYTES
            )
            if not chunk.records:
                break
            first, last = chunk.records[0][0].message_id, chunk.records[-1][0].message_id
            ended = await asyncio.to_thread(self._ledger.ended_between, first, last)
            for record, after in chunk.records:
                if record.message_id not in ended:
                    whole = False
                    if after <= overdue:
                        missing.append(record)
                elif whole:
                    self._ended.pass_one(record, after)
            position = chunk.after
            if not whole and position > overdue:
                break
        self._judge_missing(missing)
        await asyncio.to_thread(self._free)
        while len(self._published) > 1 and self._published[1][1] <= self._ended.at:
            self._published.popleft()

    def _judge_missing(self, missing: list[Record]) -> None:
        """Publishes again what made no progress since the last look, ever more rarely while that does not help."""
        ids = frozenset(record.message_id for record in missing)
        if not ids:
            self._overdue_seconds = _OVERDUE_SECONDS
        elif ids == self._missing_before:
            log.warning("journal_played_again", messages=len(missing))
            self._replay = missing[:_MOST_REPLAYED]
            self._overdue_seconds = min(_LONGEST_OVERDUE_SECONDS, self._overdue_seconds * 2)
            ids = frozenset()
        self._missing_before = ids

    def _free(self) -> None:
        freed = self._journal.mark_ended(self._ended.at)
        now = datetime.now(UTC)
        deleted = self._journal.delete_ended(timedelta(hours=self._settings.journal_keep_hours), now)
        if freed or deleted:
            log.info("journal_segments", ended=freed, deleted=deleted)
        metrics.JOURNAL_BYTES.set(self._journal.bytes)
