"""How far a group has come on its topics, asked of the broker."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    KafkaError,
)

from streams.kafka.client import BrokerAway
from streams.kafka.topics import Topic

GROUP: Final = "warm-handoff-worker"  # the consumer group of all workers


class Offsets(NamedTuple):
    """How far a topic's partitions reach and how far the workers' group has committed."""

    ends: Mapping[TopicPartition, int]
    committed: Mapping[TopicPartition, int]

    def lag(self) -> dict[Topic, int]:
        """Records not committed, by topic."""
        lags: dict[Topic, int] = {}
        for partition, end in self.ends.items():
            behind = max(0, end - self.committed.get(partition, 0))
            lags[Topic(partition.topic)] = lags.get(Topic(partition.topic), 0) + behind
        return lags


class OffsetClient:
    """Asks the broker itself, with clients of its own, how far a group is; joins no group. One event loop only.

    The embedded broker counts one record only of the last batch of a partition, so its end offsets may be short by the
    rest of that batch.
    """

    def __init__(
        self,
        bootstrap: str,
        topics: Iterable[Topic] = (Topic.RAW, Topic.EVENTS),
        group: str = GROUP,
        **options: Any,
    ) -> None:
        self._bootstrap = bootstrap
        self._options = options
        self._topics = tuple(topics)
        self._group = group
        self._consumer: AIOKafkaConsumer | None = None

    async def ask(self, seconds: float = 5) -> Offsets:
        """End offsets and committed offsets now. Raises `BrokerAway`; the next call starts with a new client."""
        try:
            async with asyncio.timeout(seconds):
                consumer = self._consumer or await self._start()
                partitions = sorted(consumer.assignment())
                ends = await consumer.end_offsets(partitions)
                starts = await consumer.beginning_offsets(partitions)
                committed = {}
                for partition in partitions:
                    offset = await consumer.committed(partition)
                    committed[partition] = max(starts[partition], offset or 0)
                return Offsets(ends, committed)
        except (KafkaError, OSError, TimeoutError) as error:
            await self.close()
            raise BrokerAway(type(error).__name__) from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(2):
                    await consumer.stop()

    async def _start(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=self._group,
            enable_auto_commit=False,
            request_timeout_ms=4_000,
            session_timeout_ms=4_000,
            heartbeat_interval_ms=1_000,
            **self._options,
        )
        self._consumer = consumer
        await consumer.start()
        partitions = []
        for topic in self._topics:
            known = await self._partitions_of(consumer, topic)
            partitions += [TopicPartition(topic.value, number) for number in sorted(known)]
        consumer.assign(partitions)
        consumer.pause(*partitions)
        return consumer

    @staticmethod
    async def _partitions_of(consumer: AIOKafkaConsumer, topic: Topic) -> set[int]:
        consumer._client.add_topic(topic.value)
        while not (known := consumer.partitions_for_topic(topic.value)):
            await consumer._client.force_metadata_update()
            await asyncio.sleep(0.05)
        return set(known)
