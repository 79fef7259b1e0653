"""Everything we ask of a Kafka broker beside Faust: where it is, its topics, a producer, and how far a group has come.

Works the same on Apache Kafka and on the embedded broker, which knows no idempotent producers.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAlreadyExistsError,
    for_code,
)

from streams.kafka.topics import TOPICS, Topic
from streams.run.problems import Problem
from streams.run.settings import Settings, SettingsError
from streams.up.embedded_broker import current_generation

log = structlog.get_logger()

GROUP: Final = "warm-handoff-worker"  # the consumer group of all workers
_OVERHEAD_BYTES: Final = 64 * 1024  # of a record and its headers around the message's own bytes
_DAY_MS: Final = 24 * 3600 * 1000


class BrokerAway(Exception):
    """The broker cannot be reached or does not answer in time: try again, lose nothing."""


class TopicsUnusable(Problem):
    """A topic exists and cannot carry what we put on it; the text says what to do."""


class TopicWarning(NamedTuple):
    """A topic differs from the table in a way that works; `text` says what it means and what to do."""

    topic: Topic
    text: str


class Output(NamedTuple):
    """One record to be published."""

    topic: Topic
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]

    def __repr__(self) -> str:
        return f"<Output {self.topic.value}>"


def bootstrap_servers(settings: Settings) -> str:
    """`host:port,…` of the configured broker, or of the embedded one. Raises `BrokerAway` while that is not up."""
    if settings.kafka_bootstrap_servers:
        return settings.kafka_bootstrap_servers
    running = current_generation(settings.data_dir)
    if running is None:
        raise BrokerAway("no embedded broker runs on this data folder: start `handoff up`")
    return running.bootstrap


def record_bytes(settings: Settings) -> int:
    """The largest record we may have to put on a topic."""
    return settings.max_frame_bytes + _OVERHEAD_BYTES


def client_options(settings: Settings) -> dict[str, Any]:
    """How every aiokafka client of ours speaks to the broker: TLS and SASL as configured, nothing on the embedded one.

    Raises `SettingsError` for settings that do not fit together or files that cannot be used.
    """
    protocol = "PLAINTEXT" if settings.embedded else settings.kafka_security_protocol
    if protocol == "PLAINTEXT":
        return {}
    options: dict[str, Any] = {"security_protocol": protocol}
    if protocol.endswith("SSL"):
        options["ssl_context"] = _tls(settings)
    if protocol.startswith("SASL"):
        password = settings.kafka_sasl_password.get_secret_value()
        if not (settings.kafka_sasl_username and password):
            raise SettingsError(
                "HANDOFF_KAFKA_SECURITY_PROTOCOL asks for SASL: "
                "set HANDOFF_KAFKA_SASL_USERNAME and HANDOFF_KAFKA_SASL_PASSWORD"
            )
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = password
    return options


def _tls(settings: Settings) -> ssl.SSLContext:
    names = "HANDOFF_KAFKA_CA, HANDOFF_KAFKA_CERT and HANDOFF_KAFKA_KEY"
    if settings.kafka_key and not settings.kafka_cert:
        raise SettingsError("HANDOFF_KAFKA_KEY is set without HANDOFF_KAFKA_CERT: set both or none")
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca)
        if settings.kafka_cert:
            context.load_cert_chain(settings.kafka_cert, settings.kafka_key, password=lambda: "")
    except (OSError, ValueError):
        raise SettingsError(f"{names}: expected readable PEM files that fit, the key without a password") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def make_producer(settings: Settings, *, bootstrap: str | None = None) -> AIOKafkaProducer:
    """A producer, not started yet, whose acknowledgement means the broker holds the record (all in-sync replicas)."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap or bootstrap_servers(settings),
        acks="all",
        enable_idempotence=not settings.embedded,
        linger_ms=0 if settings.embedded else 2,
        max_request_size=record_bytes(settings) + 1024,
        request_timeout_ms=15_000,
        metadata_max_age_ms=60_000,
        **client_options(settings),
    )


def ensure_topics(settings: Settings, *, bootstrap: str | None = None, seconds: float = 30) -> tuple[TopicWarning, ...]:
    """Creates the topics of `streams.kafka.topics.TOPICS` that are missing and checks the others; gives what differs.

    Blocks for up to `seconds` while the broker does not answer, then raises `BrokerAway`; raises `TopicsUnusable` when
    a topic cannot take the largest message we accept.
    """
    return asyncio.run(ensure_topics_async(settings, bootstrap=bootstrap, seconds=seconds))


async def ensure_topics_async(
    settings: Settings, *, bootstrap: str | None = None, seconds: float = 30
) -> tuple[TopicWarning, ...]:
    """As `ensure_topics`, on a running loop."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    return await _create_and_check(settings, bootstrap or bootstrap_servers(settings))
                except (KafkaError, OSError, BrokerAway):
                    await asyncio.sleep(0.2)
    except TimeoutError:
        raise BrokerAway(f"no answer from the broker in {seconds:g} s: is KAFKA_BOOTSTRAP_SERVERS right?") from None


async def _create_and_check(settings: Settings, bootstrap: str) -> tuple[TopicWarning, ...]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000, **client_options(settings))
    await admin.start()
    try:
        existing = await _create(admin, settings)
        return await _check(admin, settings, existing) if existing else ()
    finally:
        with suppress(KafkaError, OSError):
            await admin.close()


def _topic_configs(topic: Topic, settings: Settings) -> dict[str, str]:
    spec = TOPICS[topic]
    return {
        "retention.ms": str(spec.retention_days * _DAY_MS),
        "cleanup.policy": spec.cleanup,
        "max.message.bytes": str(record_bytes(settings)),
    }


async def _create(admin: AIOKafkaAdminClient, settings: Settings) -> list[Topic]:
    """Creates what is missing; gives the topics that were there already."""
    wanted = [
        NewTopic(topic.value, settings.partitions, settings.replication, topic_configs=_topic_configs(topic, settings))
        for topic in TOPICS
    ]
    response = await admin.create_topics(wanted)
    existing = []
    for name, code, *_ in response.topic_errors:
        if code == TopicAlreadyExistsError.errno:
            existing.append(Topic(name))
        elif code:
            raise_for_topic(Topic(name), code, settings)
    return existing


def raise_for_topic(topic: Topic, code: int, settings: Settings) -> None:
    """Raises what a broker's refusal to create a topic comes to: `TopicsUnusable`, or the retriable Kafka error."""
    error = for_code(code)
    if getattr(error, "retriable", False):
        raise error()
    raise TopicsUnusable(
        f"{topic.value} cannot be created ({error.__name__}): check HANDOFF_REPLICATION={settings.replication} against "
        "the number of brokers and our right to create topics, or create it by hand as the README's table says"
    )


async def _check(admin: AIOKafkaAdminClient, settings: Settings, topics: Sequence[Topic]) -> tuple[TopicWarning, ...]:
    warnings = []
    described = await admin.describe_topics([topic.value for topic in topics])
    for found in described:
        topic = Topic(found["topic"])
        if found["error_code"]:
            raise for_code(found["error_code"])()
        count = len(found["partitions"])
        if count != settings.partitions:
            text = (
                f"{topic.value} has {count} partitions, HANDOFF_PARTITIONS says {settings.partitions}: it works as it "
                f"is; to change it, drain the topic, alter its partitions and set HANDOFF_PARTITIONS to the same"
            )
            warnings.append(TopicWarning(topic, text))
    for topic, configs in (await _describe_configs(admin, topics)).items():
        largest = int(configs.get("max.message.bytes", record_bytes(settings)))
        if largest < record_bytes(settings):
            raise TopicsUnusable(
                f"{topic.value} takes records of at most {largest} bytes, we accept messages of "
                f"{settings.max_frame_bytes}: set its max.message.bytes to {record_bytes(settings)} or more, or lower "
                f"HANDOFF_MAX_FRAME_BYTES to {max(1024, largest - _OVERHEAD_BYTES)}"
            )
        policy = TOPICS[topic].cleanup
        if configs.get("cleanup.policy", policy) != policy:
            text = f"{topic.value} has another cleanup.policy than {policy}: records may go before they are read"
            warnings.append(TopicWarning(topic, text))
    return tuple(warnings)


async def _describe_configs(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> dict[Topic, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.value) for topic in topics]
    found: dict[Topic, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for _code, _message, _type, name, entries in response.resources:
            found[Topic(name)] = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
    return found


async def missing_topics(bootstrap: str, seconds: float = 5, **options: Any) -> set[Topic]:
    """Which of our topics the broker does not know; `options` as of `client_options`. Raises `BrokerAway`."""
    try:
        async with asyncio.timeout(seconds):
            admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=4_000, **options)
            await admin.start()
            try:
                return set(Topic) - {Topic(name) for name in await admin.list_topics() if name in set(Topic)}
            finally:
                await admin.close()
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerAway(type(error).__name__) from None


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


def client_dead(client: Any) -> bool:
    """True when the task that keeps an aiokafka client's metadata fresh has ended: who waits for it waits for ever."""
    task = getattr(client, "_sync_task", None)
    return task is not None and bool(task.done())
