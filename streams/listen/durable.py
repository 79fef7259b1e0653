"""Makes a message outlive any process: takes a frame, answers once it is stored or says that it is not.

Two places keep that promise. Apache Kafka itself (`KafkaDurable`: all replicas, idempotent producer), and on one
machine, where the embedded broker keeps its log in memory, the journal (`JournalDurable`: synced to disk, many frames
with one sync; `streams.listen.playback` brings them to the broker afterwards). Neither ever hangs:
past `accept_seconds` the answer is `Refused`, and the sender is told to send again. A frame whose
deadline passes while Kafka already has it in hand may still arrive there; the resend then ends as a duplicate by its
fingerprint.
"""

import asyncio
import collections
import contextlib
import errno
import os
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from streams.kafka.topics import Envelope, Topic
from streams.listen.journal import Journal, Record
from streams.run import metrics
from streams.run.metrics import Part, Way

log = structlog.get_logger()

_GROUP_BYTES: Final = 8 * 1024 * 1024  # most that one sync of the journal covers
_PROBE_SECONDS: Final = 3.0
_NO_ANSWER: Final = "Apache Kafka does not answer: check KAFKA_BOOTSTRAP_SERVERS and the broker"
_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)


class Accepted(NamedTuple):
    """A frame we would take: bytes as received, and what its record on `adt.raw.v1` needs besides."""

    message_id: str
    received_at: datetime
    key: bytes  # keyed hash of facility and patient, 32 hex digits
    data: bytes
    feed: str = ""
    way: Way = Way.MLLP


class Stored(NamedTuple):
    """The message survives any process being killed from now on."""

    message_id: str


class Away(StrEnum):
    """Why a message could not be stored; the sender should send it again."""

    BROKER = "broker"  # no connection, or the broker refused
    DISK = "disk"  # full or failing
    READ_ONLY = "read_only"  # the data folder cannot be written
    FILES = "files"  # no file descriptor left
    TIMEOUT = "timeout"
    STOPPING = "stopping"


class Refused(NamedTuple):
    code: Away


class Durable(Protocol):
    """Where accepted messages become safe. Frames are stored in the order of the calls."""

    def accept(self, frame: Accepted) -> Awaitable[Stored | Refused]:
        """Stores one frame. The result never takes longer than the set time and never raises."""

    async def run(self) -> None:
        """Keeps the place usable until cancelled; frames are taken only while this runs."""

    def trouble(self) -> str:
        """What is wrong right now, in words for `/readyz`; "" when frames can be stored."""


class _Waiting(NamedTuple):
    frame: Accepted
    result: asyncio.Future[Stored | Refused]
    deadline: float  # loop time


def _settle(result: asyncio.Future[Stored | Refused], verdict: Stored | Refused) -> bool:
    if result.done():
        return False
    result.set_result(verdict)
    return True


class _Line:
    """Frames in the order of their calls, each with the time by which it has its answer."""

    def __init__(self, accept_seconds: float) -> None:
        self._accept_seconds = accept_seconds
        self._waiting: collections.deque[_Waiting] = collections.deque()
        self._wake = asyncio.Event()

    def accept(self, frame: Accepted) -> Awaitable[Stored | Refused]:
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Stored | Refused] = loop.create_future()
        self._waiting.append(_Waiting(frame, result, loop.time() + self._accept_seconds))
        timer = loop.call_later(self._accept_seconds, _settle, result, Refused(Away.TIMEOUT))
        result.add_done_callback(lambda _: timer.cancel())
        self._wake.set()
        return result

    def _turn_away(self) -> None:
        while self._waiting:
            _settle(self._waiting.popleft().result, Refused(Away.STOPPING))


async def together(*coroutines: Coroutine[object, object, None]) -> None:
    """Runs all until one ends, which none should: then, or when cancelled, ends the others, and raises what it did."""
    tasks = [asyncio.create_task(one) for one in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _settle_stored(waiting: _Waiting) -> None:
    """A message that is stored after we said AE is received all the same: it will have its ending."""
    if not _settle(waiting.result, Stored(waiting.frame.message_id)):
        metrics.RECEIVED.labels(waiting.frame.way).inc()


_READ_ONLY: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT})
_NO_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE})


def _why_not_written(error: OSError) -> tuple[Away, str]:
    if error.errno in _READ_ONLY:
        return Away.READ_ONLY, "the journal cannot be written: the data folder is gone, read-only or not ours: mend it"
    if error.errno in _NO_FILES:
        return Away.FILES, "the journal cannot be written: out of file descriptors: raise the limit (ulimit -n)"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Away.DISK, "the journal cannot be written, the disk is full: free space on the disk of the data folder"
    text = os.strerror(error.errno or errno.EIO)
    return Away.DISK, f"the journal cannot be written ({text}): check the disk of the data folder and its free space"


class JournalDurable(_Line):
    """Stored means synced to the journal. `appended` is set whenever there is something new to publish."""

    def __init__(self, journal: Journal, accept_seconds: float) -> None:
        super().__init__(accept_seconds)
        self._journal = journal
        self._failing = ""
        self.appended = asyncio.Event()

    async def run(self) -> None:
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PROBE_SECONDS if self._failing else None):
                        await self._wake.wait()
                self._wake.clear()
                while group := self._next_group():
                    await self._store(group)
                if self._failing:
                    await self._probe()
        finally:
            self._turn_away()

    def trouble(self) -> str:
        return self._failing

    async def _probe(self) -> None:
        """Heals without a sender: who looks at `/readyz` sends nothing until it is well."""
        try:
            await asyncio.to_thread(self._journal.probe)
        except OSError as error:
            _, self._failing = _why_not_written(error)
        else:
            self._healed()

    def _healed(self) -> None:
        if self._failing:
            log.info("journal_writable_again")
            self._failing = ""

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        size = 0
        while self._waiting and size < _GROUP_BYTES:
            waiting = self._waiting.popleft()
            if not waiting.result.done():
                group.append(waiting)
                size += len(waiting.frame.data)
        return group

    async def _store(self, group: list[_Waiting]) -> None:
        records = [
            Record(w.frame.message_id, w.frame.received_at, w.frame.key, w.frame.data, w.frame.feed) for w in group
        ]
        writing = asyncio.create_task(asyncio.to_thread(self._journal.append, records))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            if not writing.cancelled():
                with contextlib.suppress(OSError):
                    await writing
                    self._stored(group)
            raise
        except OSError as error:
            away, why = _why_not_written(error)
            if not self._failing:
                log.error("journal_not_writable", errno=error.errno, text=why)
            self._failing = why
            metrics.UNAVAILABLE.labels(Part.DISK).inc()
            for waiting in group:
                _settle(waiting.result, Refused(away))
            return
        self._healed()
        self._stored(group)

    def _stored(self, group: list[_Waiting]) -> None:
        for waiting in group:
            _settle_stored(waiting)
        metrics.JOURNAL_BYTES.set(self._journal.bytes)
        self.appended.set()


class KafkaDurable(_Line):
    """Stored means that all in-sync replicas hold the record on `adt.raw.v1`.

    One producer at a time, in asyncio's own loop; it is replaced when it is broken for good, when its metadata task has
    died, and when a frame was not delivered in time: what the old one still had in hand is then given up, as far as it
    had not left us. `prepare` is awaited before each producer is made (topics exist afterwards) and may raise.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        accept_seconds: float,
        max_request_bytes: int,
        prepare: Callable[[], Awaitable[None]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(accept_seconds)
        self._bootstrap = bootstrap
        self._max_request_bytes = max_request_bytes
        self._prepare = prepare
        self._options = options
        self._broken = asyncio.Event()
        self._connected = asyncio.Event()
        self._producer: AIOKafkaProducer | None = None
        self._trouble = "not connected to Apache Kafka yet"

    async def run(self) -> None:
        try:
            await together(self._submit(), self._keep_connected())
        finally:
            self._trouble = _NO_ANSWER
            self._turn_away()

    async def _keep_connected(self) -> None:
        while True:
            producer = await self._connect()
            self._broken.clear()
            self._producer = producer
            self._trouble = ""
            self._connected.set()
            log.info("kafka_connected")
            try:
                await self._watch(producer)
            finally:
                self._connected.clear()
                self._producer = None
                self._trouble = _NO_ANSWER
                await abandon(producer)
            log.warning("kafka_producer_replaced")

    def trouble(self) -> str:
        return self._trouble

    async def _connect(self) -> AIOKafkaProducer:
        pause = 0.1
        while True:
            producer = None
            try:
                if self._prepare is not None:
                    await self._prepare()
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    acks="all",
                    enable_idempotence=True,
                    max_request_size=self._max_request_bytes,
                    max_batch_size=1 << 20,
                    request_timeout_ms=max(1000, int(self._accept_seconds * 1000)),
                    metadata_max_age_ms=60_000,
                    **self._options,
                )
                async with asyncio.timeout(self._accept_seconds + 5):
                    await producer.start()
                    await producer.partitions_for(Topic.RAW)
            except (KafkaError, OSError, TimeoutError) as error:
                if producer is not None:
                    await abandon(producer)
                metrics.UNAVAILABLE.labels(Part.BROKER).inc()
                log.warning("kafka_not_reachable", error=type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(1.0, pause * 2)
            except asyncio.CancelledError:
                if producer is not None:
                    await abandon(producer)
                raise
            else:
                return producer

    async def _watch(self, producer: AIOKafkaProducer) -> None:
        """Returns when the producer is of no use any more."""
        probing = asyncio.create_task(self._probe(producer))
        try:
            while not (self._broken.is_set() or is_dead(producer)):
                if probing.done():
                    probing.result()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._broken.wait(), 0.5)
        finally:
            probing.cancel()
            await asyncio.wait({probing})

    async def _probe(self, producer: AIOKafkaProducer) -> None:
        """Keeps `trouble` true while nobody sends."""
        while True:
            await asyncio.sleep(_PROBE_SECONDS)
            try:
                async with asyncio.timeout(self._accept_seconds):
                    await producer.client.fetch_all_metadata()
            except (KafkaError, OSError, TimeoutError):
                self._trouble = _NO_ANSWER
            else:
                self._trouble = ""

    async def _submit(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._connected.wait()
            producer = self._producer
            if producer is None:
                continue
            waiting = self._waiting.popleft()
            if waiting.result.done():
                continue
            frame = waiting.frame
            began = loop.time()
            try:
                async with asyncio.timeout_at(waiting.deadline):
                    delivery = await producer.send(
                        Topic.RAW,
                        frame.data,
                        key=frame.key,
                        timestamp_ms=int(frame.received_at.timestamp() * 1000),
                        headers=Envelope(frame.message_id, frame.received_at, frame.feed).headers(),
                    )
            except _TOO_LARGE:
                _settle(waiting.result, Refused(Away.BROKER))
            except TimeoutError:
                if loop.time() - began > self._accept_seconds / 2:
                    self._give_up(producer)
            except (KafkaError, AssertionError):
                self._waiting.appendleft(waiting)
                self._give_up(producer)
            else:
                delivery.add_done_callback(self._delivered(waiting, producer))
                waiting.result.add_done_callback(self._unless_late(producer))

    def _give_up(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._connected.clear()
            self._broken.set()

    def _unless_late(self, producer: AIOKafkaProducer) -> Callable[[asyncio.Future[Stored | Refused]], None]:
        def check(result: asyncio.Future[Stored | Refused]) -> None:
            if not result.cancelled() and result.result() == Refused(Away.TIMEOUT):
                metrics.UNAVAILABLE.labels(Part.BROKER).inc()
                self._give_up(producer)

        return check

    def _delivered(self, waiting: _Waiting, producer: AIOKafkaProducer) -> Callable[[asyncio.Future[Any]], None]:
        def settle(delivery: asyncio.Future[Any]) -> None:
            if delivery.cancelled():
                _settle(waiting.result, Refused(Away.BROKER))
            elif (error := delivery.exception()) is None:
                _settle_stored(waiting)
            else:
                if _settle(waiting.result, Refused(Away.BROKER)):
                    metrics.UNAVAILABLE.labels(Part.BROKER).inc()
                if not isinstance(error, _TOO_LARGE):
                    self._give_up(producer)

        return settle


def is_dead(producer: AIOKafkaProducer) -> bool:
    """Whether a task the producer cannot live without has ended (aiokafka does not notice by itself)."""
    syncing = producer.client._sync_task
    sending = producer._sender.sender_task
    return bool((syncing is not None and syncing.done()) or (sending is not None and sending.done()))


async def abandon(producer: AIOKafkaProducer) -> None:
    """Ends a producer without waiting for its broker: what it has not delivered fails now and is not sent later."""
    producer._closed = True
    producer._message_accumulator.fail_all(KafkaError("producer abandoned"))
    sending = producer._sender.sender_task
    if sending is not None:
        sending.cancel()
    with contextlib.suppress(Exception):
        await asyncio.wait_for(producer.client.close(), 2)
    if sending is not None:
        await asyncio.wait([sending], timeout=2)
        if sending.done() and not sending.cancelled():
            sending.exception()
