"""Topics on a broker: made as the table says, and what differs from it said."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaError,
    TopicAlreadyExistsError,
    for_code,
)

from streams.kafka.client import OVERHEAD_BYTES, BrokerAway, bootstrap_servers, client_options, record_bytes
from streams.kafka.topics import TOPICS, Topic
from streams.run.problems import Problem
from streams.run.settings import Settings

_DAY_MS: Final = 24 * 3600 * 1000
_WITH_QUORUM: Final = 3  # replicas, of which one may go and what was acknowledged still stands on two
_IN_SYNC: Final = 2


class TopicsUnusable(Problem):
    """A topic exists and cannot carry what we put on it; the text says what to do."""


class TopicWarning(NamedTuple):
    """A topic differs from the table in a way that works; `text` says what it means and what to do."""

    topic: Topic
    text: str


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
    configs = {
        "retention.ms": str(spec.retention_days * _DAY_MS),
        "cleanup.policy": spec.cleanup,
        "max.message.bytes": str(record_bytes(settings)),
    }
    if settings.replication >= _WITH_QUORUM:
        configs["min.insync.replicas"] = str(_IN_SYNC)
    return configs


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
    for description in described:
        topic = Topic(description["topic"])
        if description["error_code"]:
            raise for_code(description["error_code"])()
        count = len(description["partitions"])
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
                f"HANDOFF_MAX_FRAME_BYTES to {max(1024, largest - OVERHEAD_BYTES)}"
            )
        policy = TOPICS[topic].cleanup
        if configs.get("cleanup.policy", policy) != policy:
            text = f"{topic.value} has another cleanup.policy than {policy}: records may go before they are read"
            warnings.append(TopicWarning(topic, text))
        if settings.replication >= _WITH_QUORUM and int(configs.get("min.insync.replicas", _IN_SYNC)) < _IN_SYNC:
            text = f"{topic.value} acknowledges what one broker alone holds: set its min.insync.replicas to {_IN_SYNC}"
            warnings.append(TopicWarning(topic, text))
    return tuple(warnings)


async def _describe_configs(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> dict[Topic, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.value) for topic in topics]
    configs: dict[Topic, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for _code, _message, _type, name, entries in response.resources:
            configs[Topic(name)] = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
    return configs


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
