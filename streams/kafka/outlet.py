"""Records out through a producer of ours, which is made anew after a failure."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from streams.kafka.client import BrokerAway, client_dead, make_producer
from streams.kafka.topics import Topic
from streams.run import metrics
from streams.run.settings import Settings

log = structlog.get_logger()


class Output(NamedTuple):
    """One record to be published."""

    topic: Topic
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]

    def __repr__(self) -> str:
        return f"<Output {self.topic.value}>"


class Outlet:
    """Publishes records and waits until the broker holds them; one on each event loop.

    After a failure the producer is thrown away and the next attempt starts another one: after a broker's death an old
    producer may never work again. A repeated attempt may publish a record twice; its id tells.
    """

    def __init__(self, settings: Settings, bootstrap: Callable[[], str]) -> None:
        self._settings = settings
        self._bootstrap = bootstrap
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def publish(self, outputs: Sequence[Output], seconds: float = 20) -> dict[int, str]:
        """Publishes all; gives the index and error name of those the broker will never take, such as too large ones.

        Raises `BrokerAway` when not every other one is known to be held by the broker.
        """
        if not outputs:
            return {}
        refused: dict[int, str] = {}
        for index, error in (await self._attempt(outputs, seconds)).items():
            # a batch is refused whole for one record in it, so each has to be refused alone
            if not await self._attempt([outputs[index]], seconds):
                continue
            refused[index] = error
            metrics.TOO_LARGE.inc()
            log.error("record_refused", topic=outputs[index].topic.value, error=error)
        return refused

    def dead(self) -> bool:
        """The producer's metadata task has ended, so it would wait for ever."""
        producer = self._producer
        return producer is not None and client_dead(producer.client)

    async def close(self) -> None:
        self._discard()
        if self._closing:
            await asyncio.wait(self._closing, timeout=2)

    async def _attempt(self, outputs: Sequence[Output], seconds: float) -> dict[int, str]:
        refused: dict[int, str] = {}
        try:
            async with asyncio.timeout(seconds):
                producer = await self._started()
                sent: list[Awaitable[Any] | None] = []
                for index, output in enumerate(outputs):
                    try:
                        sent.append(
                            await producer.send(
                                output.topic.value, output.value, key=output.key, headers=output.headers
                            )
                        )
                    except MessageSizeTooLargeError as error:
                        refused[index] = type(error).__name__
                        sent.append(None)
                for index, future in enumerate(sent):
                    if future is None:
                        continue
                    try:
                        await future
                    except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
                        refused[index] = type(error).__name__
        except (KafkaError, OSError, TimeoutError, BrokerAway) as error:
            self._discard()
            raise BrokerAway(type(error).__name__) from None
        return refused

    async def _started(self) -> AIOKafkaProducer:
        async with self._lock:
            if self._producer is not None and client_dead(self._producer.client):
                self._discard()
            if self._producer is None:
                producer = make_producer(self._settings, bootstrap=self._bootstrap())
                try:
                    await producer.start()
                except BaseException:
                    self._close_later(producer)
                    raise
                self._producer = producer
            return self._producer

    def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            self._close_later(producer)

    def _close_later(self, producer: AIOKafkaProducer) -> None:
        async def stop() -> None:
            with suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(5):
                    await producer.stop()

        task = asyncio.get_running_loop().create_task(stop())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
