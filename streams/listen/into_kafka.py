"""Frames in, held by every replica of Apache Kafka; stored, or why not, out."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from streams.kafka.records import Envelope
from streams.kafka.topics import Topic
from streams.listen.durable import (
    PROBE_SECONDS,
    Away,
    Line,
    Refused,
    Stored,
    WaitingFrame,
    settle_stored,
    settle_waiting,
    together,
)
from streams.run import metrics
from streams.run.metrics import Part

log = structlog.get_logger()
_NO_ANSWER: Final = "Apache Kafka does not answer: check KAFKA_BOOTSTRAP_SERVERS and the broker"
_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)


class Abandoned(KafkaError):  # type: ignore[misc]
    """Of a record that was in hand when its producer was given up: the broker may have it or not."""


class KafkaDurable(Line):
    """Stored means that all in-sync replicas hold the record on `adt.raw.v1`.

    One producer at a time, in asyncio's own loop; it is replaced when it is broken for good, when its metadata task
    has died, and when it delivers nothing at all while a frame waits. A slow partition is no reason: its frames get
    AE, each by itself. What the old one had in hand goes to the new one under the same message ids, while there is
    time for it, so that a replacement costs nobody an AE. `prepare` is awaited before each producer is made (topics
    exist afterwards) and may raise.
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
        self._delivered_at = 0.0  # loop time of what was delivered last
        self._given_back: list[WaitingFrame] = []  # by a producer that was given up, in their order
        self._trouble = "not connected to Apache Kafka yet"

    async def run(self) -> None:
        try:
            await together(self._submit(), self._keep_connected())
        finally:
            self._trouble = _NO_ANSWER
            self._waiting.extendleft(reversed(self._given_back))
            self._turn_away()

    async def _keep_connected(self) -> None:
        while True:
            producer = await self._connect()
            self._broken.clear()
            self._waiting.extendleft(reversed(self._given_back))
            self._given_back.clear()
            self._wake.set()
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
            await asyncio.sleep(PROBE_SECONDS)
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
                settle_waiting(waiting.result, Refused(Away.BROKER))
            except TimeoutError:
                if loop.time() - began > self._accept_seconds / 2:
                    self._give_up(producer)
            except (KafkaError, AssertionError):
                self._waiting.appendleft(waiting)
                self._give_up(producer)
            else:
                delivery.add_done_callback(self._delivered(waiting, producer))
                waiting.result.add_done_callback(self._unless_late(producer, began))

    def _give_up(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._connected.clear()
            self._broken.set()

    def _unless_late(
        self, producer: AIOKafkaProducer, handed_at: float
    ) -> Callable[[asyncio.Future[Stored | Refused]], None]:
        def check(result: asyncio.Future[Stored | Refused]) -> None:
            if not result.cancelled() and result.result() == Refused(Away.TIMEOUT):
                metrics.UNAVAILABLE.labels(Part.BROKER).inc()
                had_time = asyncio.get_running_loop().time() - handed_at > self._accept_seconds / 2
                if had_time and self._delivered_at < handed_at:
                    self._give_up(producer)

        return check

    def _delivered(self, waiting: WaitingFrame, producer: AIOKafkaProducer) -> Callable[[asyncio.Future[Any]], None]:
        def settle(delivery: asyncio.Future[Any]) -> None:
            if delivery.cancelled():
                settle_waiting(waiting.result, Refused(Away.BROKER))
            elif (error := delivery.exception()) is None:
                self._delivered_at = asyncio.get_running_loop().time()
                settle_stored(waiting)
            elif isinstance(error, Abandoned):
                self._given_back.append(waiting)
            else:
                if settle_waiting(waiting.result, Refused(Away.BROKER)):
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
    producer._message_accumulator.fail_all(Abandoned())
    sending = producer._sender.sender_task
    if sending is not None:
        sending.cancel()
    with contextlib.suppress(Exception):
        await asyncio.wait_for(producer.client.close(), 2)
    if sending is not None:
        await asyncio.wait([sending], timeout=2)
        if sending.done() and not sending.cancelled():
            sending.exception()
