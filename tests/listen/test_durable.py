"""Durability: AA means that it survives, AE comes in time, and what survived reaches the broker once it is there."""

import asyncio
import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from rules.endings import Ending, LedgerEntry
from streams.kafka.admin import ensure_topics
from streams.kafka.records import Envelope
from streams.kafka.topics import Topic
from streams.listen import into_kafka
from streams.listen import playback as publisher_module
from streams.listen.durable import Accepted, Away, Refused, Stored
from streams.listen.intake import Door
from streams.listen.into_journal import JournalDurable
from streams.listen.into_kafka import KafkaDurable
from streams.listen.journal import Journal
from streams.listen.message_ids import new_message_id
from streams.listen.mllp_client import MllpClient
from streams.listen.playback import Publisher
from streams.listen.process import serve
from streams.run import metrics
from streams.run.metrics import Way
from streams.run.settings import load_settings
from streams.store import Store
from streams.up.embedded_broker import BrokerMissing, EmbeddedBroker
from tests.conftest import missing

KEY = b"0123456789abcdef" * 2


def now():
    return datetime.now(UTC)


def accepted(data=b"MSH|^~\\&|", key=KEY):
    at = now()
    return Accepted(new_message_id(at), at, key, data)


def message(control_id):
    return (
        f"MSH|^~\\&|SND|NORTH|WH|WH|20261122103000-0500||ADT^A01^ADT_A01|{control_id}|P|2.5.1\r"
        f"EVN|A01|20261122103000-0500\rPID|1||P{control_id}^^^NORTH^MR||Doe^Jane||19700101|F\rPV1|1|I\r"
    ).encode()


async def records(bootstrap, seconds=15, until=None, topic=Topic.RAW):
    """All records on a topic, by header id, in the order of each partition; waits for `until` of them."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    came = []
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        if not partitions:
            consumer._client.add_topic(topic)
            await consumer._client.force_metadata_update()
            partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(partitions)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and (until is None or len(came) < until):
            batches = await consumer.getmany(timeout_ms=500)
            came += [record for batch in batches.values() for record in batch]
            if until is None and not batches:
                ends = await consumer.end_offsets(partitions)
                if all([await consumer.position(partition) >= ends[partition] for partition in partitions]):
                    break
    finally:
        await consumer.stop()
    return came


def ids(came):
    return [Envelope.from_headers(list(record.headers)).message_id for record in came]


# the journal


@contextlib.asynccontextmanager
async def journaling(tmp_path, **options):
    journal = Journal.open(tmp_path / "journal", 1 << 20)
    durable = JournalDurable(journal, options.get("accept_seconds", 2))
    running = asyncio.create_task(durable.run())
    try:
        yield durable, journal
    finally:
        running.cancel()
        await asyncio.wait({running})
        journal.close()


def test_many_frames_share_one_sync(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("streams.listen.journal._sync", lambda fd: (synced.append(fd), time.sleep(0.02), os.fsync(fd)))

    async def story():
        async with journaling(tmp_path) as (durable, journal):
            frames = [accepted(b"%d" % n) for n in range(200)]
            verdicts = await asyncio.gather(*[durable.accept(frame) for frame in frames])
            assert verdicts == [Stored(frame.message_id) for frame in frames]
            chunk = journal.read(journal.start, journal.end)
            assert [journaled.data for journaled, _ in chunk.records] == [frame.data for frame in frames]
            assert len(synced) < 10

    asyncio.run(story())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_full_disk_is_ae_and_heals(tmp_path, monkeypatch, number):
    async def story():
        async with journaling(tmp_path) as (durable, journal):
            first = accepted()
            assert await durable.accept(first) == Stored(first.message_id)
            with monkeypatch.context() as patch:
                patch.setattr(
                    "streams.listen.journal.os.pwrite", lambda *_: (_ for _ in ()).throw(OSError(number, "no"))
                )
                assert await durable.accept(accepted()) == Refused(Away.DISK)
                assert "free space" in durable.trouble()
            last = accepted()
            assert await durable.accept(last) == Stored(last.message_id)
            assert durable.trouble() == ""
            assert [journaled.message_id for journaled, _ in journal.read(journal.start, journal.end).records] == [
                first.message_id,
                last.message_id,
            ]

    asyncio.run(story())


def test_a_disk_that_hangs_is_ae_in_time(tmp_path, monkeypatch):
    async def story():
        async with journaling(tmp_path, accept_seconds=0.2) as (durable, _):
            monkeypatch.setattr("streams.listen.journal._sync", lambda _fd: time.sleep(1))
            started = time.monotonic()
            assert await durable.accept(accepted()) == Refused(Away.TIMEOUT)
            assert await durable.accept(accepted()) == Refused(Away.TIMEOUT)
            assert time.monotonic() - started < 0.8

    asyncio.run(story())


# from the journal to the embedded broker


@pytest.fixture
def embedded(tmp_path):
    settings = load_settings(
        data_dir=tmp_path / "data", mllp_port=0, http_port=0, listen_metrics_port=0, kafka_bootstrap_servers="",
        database_url="", partitions=2, journal_segment_bytes=1 << 20, journal_keep_hours=0,
    )  # fmt: skip
    settings.data_dir.mkdir()
    Store.open(settings.store_url, migrate=True).close()
    broker = EmbeddedBroker(settings)
    try:
        new_broker(settings, broker)
    except BrokerMissing as reason:
        missing(str(reason))
    yield settings, broker
    broker.stop()


def new_broker(settings, broker):
    broker.stop()
    bootstrap = broker.start()
    ensure_topics(settings, bootstrap=bootstrap)
    broker.announce(bootstrap)
    return bootstrap


class FakeLedger:
    def __init__(self):
        self.ended = set()

    def ended_between(self, first, last):
        return {message_id for message_id in self.ended if first <= message_id <= last}

    def count_ended(self, first, last):
        return len(self.ended_between(first, last))


@contextlib.asynccontextmanager
async def publishing(settings, ledger):
    journal = Journal.open(settings.data_dir / "journal", settings.journal_segment_bytes)
    durable = JournalDurable(journal, 5)
    publisher = Publisher(settings, journal, durable, ledger)
    tasks = [asyncio.create_task(durable.run()), asyncio.create_task(publisher.run())]
    try:
        yield durable, journal, publisher
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        journal.close()


def bootstrap_of(settings):
    return json.loads((settings.data_dir / "broker.json").read_text())["bootstrap"]


def test_a_new_broker_gets_what_has_no_ending_in_order(embedded):
    settings, broker = embedded
    ledger = FakeLedger()

    async def story():
        frames = [accepted(b"%05d" % n) for n in range(3000)]
        async with publishing(settings, ledger) as (durable, _, _):
            await asyncio.gather(*[durable.accept(frame) for frame in frames[:2000]])
            published = await records(bootstrap_of(settings), until=2000)
            assert ids(published) == [frame.message_id for frame in frames[:2000]]
            assert [record.value for record in published] == [frame.data for frame in frames[:2000]]
            assert {record.key for record in published} == {KEY}
            ledger.ended = {frame.message_id for n, frame in enumerate(frames[:2000]) if n % 3 or n < 600}
            left = [frame.message_id for frame in frames[:2000] if frame.message_id not in ledger.ended]
            await asyncio.to_thread(broker.stop)
            await asyncio.gather(*[durable.accept(frame) for frame in frames[2000:2500]])
            await asyncio.to_thread(new_broker, settings, broker)
            await asyncio.gather(*[durable.accept(frame) for frame in frames[2500:2700]])
            expected = left + [frame.message_id for frame in frames[2000:2700]]
            assert ids(await records(bootstrap_of(settings), until=len(expected))) == expected
        # the listener is killed and started again: nothing of what it had published counts as ended
        async with publishing(settings, ledger) as (durable, _, _):
            await asyncio.gather(*[durable.accept(frame) for frame in frames[2700:]])
            again = left + [frame.message_id for frame in frames[2000:]]
            published = ids(await records(bootstrap_of(settings), until=len(expected) + len(again)))
            assert published[len(expected) :] == again

    asyncio.run(story())


def test_ended_segments_are_freed_and_overdue_messages_are_published_again(embedded, monkeypatch):
    settings, _ = embedded
    ledger = FakeLedger()
    monkeypatch.setattr(publisher_module, "_OVERDUE_SECONDS", 0.3)

    async def story():
        async with publishing(settings, ledger) as (durable, journal, publisher):
            publisher._overdue_seconds = 0.3
            frames = [accepted(b"%05d" % n + bytes(20_000)) for n in range(200)]
            for frame in frames:
                await durable.accept(frame)
            assert len(journal.segments()) >= 4
            await records(bootstrap_of(settings), until=200)
            await publisher.check()
            assert not any(segment.ended for segment in journal.segments())
            lost = {frames[5].message_id, frames[180].message_id}
            ledger.ended = {frame.message_id for frame in frames} - lost
            await asyncio.sleep(0.5)
            await publisher.check()
            await publisher.check()
            published = ids(await records(bootstrap_of(settings), until=202))
            assert set(published[200:]) == lost
            ledger.ended |= lost
            await publisher.check()
            await asyncio.sleep(0.05)
            publisher._free()
            assert len(journal.segments()) == 1
            assert len(list((settings.data_dir / "journal").iterdir())) == 1

    asyncio.run(story())


def test_publishing_waits_for_the_worker(embedded, monkeypatch):
    """However much waits in the journal, the broker holds only so much; a stuck message blocks nothing."""
    settings, _ = embedded
    ledger = FakeLedger()
    monkeypatch.setattr(publisher_module, "_MOST_UNENDED", 1000)

    async def story():
        async with publishing(settings, ledger) as (durable, _, _):
            frames = [accepted(b"%05d" % n) for n in range(5000)]
            await asyncio.gather(*[durable.accept(frame) for frame in frames])
            published = ids(await records(bootstrap_of(settings), seconds=3, until=5000))
            assert 1000 <= len(published) <= 1501
            while len(published) < 5000:
                ledger.ended |= set(published) - {frames[7].message_id}
                more = ids(await records(bootstrap_of(settings), seconds=10, until=min(5000, len(published) + 900)))
                assert len(more) > len(published)
                published = more
            assert published == [frame.message_id for frame in frames]

    asyncio.run(story())


def test_publishing_holds_bytes_in_hand_not_a_mean(embedded, monkeypatch):
    """Large messages after many small ones: the broker never holds more of what has not ended than its bound."""
    settings, _ = embedded
    ledger = FakeLedger()
    monkeypatch.setattr(publisher_module, "_MOST_UNENDED_BYTES", 1_000_000)
    monkeypatch.setattr(publisher_module, "_WINDOW_BYTES", 300_000)

    async def story():
        async with publishing(settings, ledger) as (durable, _, publisher):
            small = [accepted(b"%05d" % n) for n in range(2000)]
            large = [accepted(b"%05d" % n + bytes(250_000)) for n in range(20)]
            ledger.ended |= {frame.message_id for frame in small}
            for frame in [*small, *large]:
                await durable.accept(frame)
            async with asyncio.timeout(20):
                while publisher._at.total <= 2000:
                    await asyncio.sleep(0.05)
            published = ids(await records(bootstrap_of(settings), seconds=6, until=2020))
            assert 0 < len({frame.message_id for frame in large}.intersection(published)) <= 4
            assert 2000 < publisher._at.total <= 2004
            for _ in range(200):
                done = {message_id for message_id, _, _ in publisher._in_hand} - {large[1].message_id}
                ledger.ended |= done
                assert publisher._in_hand_bytes <= 1_000_000
                if publisher._at.total == 2020:
                    break
                await asyncio.sleep(0.05)
            assert publisher._at.total == 2020  # one that never ends held nobody up

    asyncio.run(story())


def listener(settings):
    environment = {
        **os.environ,
        "HANDOFF_DATA_DIR": str(settings.data_dir),
        **{f"HANDOFF_{name}_PORT": "0" for name in ("MLLP", "HTTP", "LISTEN_METRICS")},
        "HANDOFF_JOURNAL_SEGMENT_BYTES": "1048576",
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "DATABASE_URL": "",
    }
    where = settings.data_dir / "listener.json"
    where.unlink(missing_ok=True)
    process = subprocess.Popen([sys.executable, "-m", "streams", "listen"], env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not where.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    return process, json.loads(where.read_text())["mllp_port"]


def test_kill_9_between_sync_and_publish_loses_nothing(embedded):
    """The broker is away, so nothing can be published; the listener is killed while it answers; then all is back."""
    settings, broker = embedded
    acknowledged = set()

    async def send(port, numbers):
        async with MllpClient("127.0.0.1", port) as client:
            for number in numbers:
                answer = await client.send(message(f"m{number}"), f"m{number}")
                answer.add_done_callback(
                    lambda done: acknowledged.add(done.result().control_id) if not done.exception() else None
                )
            enough = len(acknowledged) + min(100, len(numbers))
            async with asyncio.timeout(30):
                while len(acknowledged) < enough:
                    await asyncio.sleep(0.001)

    broker.stop()
    process, port = listener(settings)
    asyncio.run(send(port, range(2000)))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(acknowledged) >= 100
    new_broker(settings, broker)
    process, port = listener(settings)
    try:
        published = asyncio.run(records(bootstrap_of(settings), until=2000, seconds=8))
        controls = [record.value.split(b"|")[9].decode() for record in published]
        assert acknowledged <= set(controls)
        assert len(set(ids(published))) == len(published)
        asyncio.run(send(port, range(5000, 5010)))
    finally:
        process.terminate()
        assert process.wait(20) == 0
    assert not (settings.data_dir / "listener.json").exists()


def test_the_ledger_of_the_real_store_is_what_decides(embedded):
    settings, broker = embedded

    async def story():
        stop = asyncio.Event()
        running = asyncio.create_task(serve(settings, stop))
        where = settings.data_dir / "listener.json"
        while not where.exists():
            await asyncio.sleep(0.02)
        async with MllpClient("127.0.0.1", json.loads(where.read_text())["mllp_port"]) as client:
            for n in range(20):
                assert (await client.send_and_wait(message(f"m{n}"))).positive
        first = ids(await records(bootstrap_of(settings), until=20))
        store = Store.open(settings.store_url)
        store.ledger.end(
            [LedgerEntry(message_id, Ending.SUPPRESSED, "not_on_panel", now()) for message_id in first[:15]]
        )
        store.close()
        await asyncio.to_thread(new_broker, settings, broker)
        assert set(ids(await records(bootstrap_of(settings), until=5))) == set(first[15:])
        stop.set()
        await running

    asyncio.run(story())


# Apache Kafka


@contextlib.asynccontextmanager
async def on_kafka(bootstrap, seconds=2.0):
    durable = KafkaDurable(bootstrap, accept_seconds=seconds, max_request_bytes=11 << 20)
    running = asyncio.create_task(durable.run())
    try:
        yield durable
    finally:
        running.cancel()
        await asyncio.wait({running})


def test_no_kafka_is_ae_in_time_and_never_aa(port):
    async def story():
        async with on_kafka(f"127.0.0.1:{port}", 0.5) as durable:
            started = time.monotonic()
            verdicts = await asyncio.gather(*[durable.accept(accepted()) for _ in range(50)])
            assert verdicts == [Refused(Away.TIMEOUT)] * 50
            assert 0.4 < time.monotonic() - started < 1.5
            assert "KAFKA_BOOTSTRAP_SERVERS" in durable.trouble() or "not connected" in durable.trouble()

    asyncio.run(story())


class FakeProducer:
    """Delivers at once what has another key than `slow`; fails what is left when it is abandoned, as aiokafka does."""

    def __init__(self, slow):
        self.slow, self.keys, self.in_hand = slow, [], []

    async def send(self, _topic, _data, *, key, **_):
        delivery = asyncio.get_running_loop().create_future()
        self.keys.append(key)
        if key in self.slow:
            self.in_hand.append(delivery)
        else:
            delivery.set_result(None)
        return delivery


@contextlib.asynccontextmanager
async def on_producers(monkeypatch, *producers):
    made = iter(producers)

    async def connect(_self):
        return next(made)

    async def abandon(producer):
        for delivery in producer.in_hand:
            delivery.set_exception(into_kafka.Abandoned())
        await asyncio.sleep(0)

    async def probe(*_):
        await asyncio.Event().wait()

    monkeypatch.setattr(KafkaDurable, "_connect", connect)
    monkeypatch.setattr(KafkaDurable, "_probe", probe)
    monkeypatch.setattr(into_kafka, "abandon", abandon)
    monkeypatch.setattr(into_kafka, "is_dead", lambda _: False)
    async with on_kafka("none:1", 1.0) as durable:
        yield durable


def test_what_got_its_ae_while_kafka_is_away_is_held_no_longer(port):
    async def story():
        async with on_kafka(f"127.0.0.1:{port}", 0.05) as durable:
            for _ in range(4):  # its senders send again, for hours
                await asyncio.gather(*[durable.accept(accepted()) for _ in range(50)])
                assert len(durable._waiting) <= 50

    asyncio.run(story())


def test_a_slow_partition_costs_its_own_frames_an_ae_and_nobody_else_one(monkeypatch):
    async def story():
        first = FakeProducer({b"slow"})
        async with on_producers(monkeypatch, first) as durable:
            late = [durable.accept(accepted(key=b"slow")) for _ in range(5)]
            for number in range(12):
                assert isinstance(await durable.accept(accepted(key=b"%d" % number)), Stored)
                await asyncio.sleep(0.1)
            assert await asyncio.gather(*late) == [Refused(Away.TIMEOUT)] * 5
            assert first.keys[-1] == b"11"

    asyncio.run(story())


def test_a_producer_that_delivers_nothing_is_replaced_once_and_what_it_had_in_hand_is_delivered(monkeypatch):
    async def story():
        keys = [b"%d" % number for number in range(8)]
        stuck, works = FakeProducer(set(keys)), FakeProducer(set())
        async with on_producers(monkeypatch, stuck, works) as durable:
            answers = []
            for key in keys:  # the deadlines of what is in hand follow one another closely
                answers.append(durable.accept(accepted(key=key)))
                await asyncio.sleep(0.1)
            verdicts = await asyncio.gather(*answers)
            late = verdicts.count(Refused(Away.TIMEOUT))
            assert 1 <= late < len(keys)
            assert all(isinstance(verdict, Stored) for verdict in verdicts[late:])
            assert works.keys == keys[late:]

    asyncio.run(story())


@pytest.mark.servers
def test_kafka_killed_and_back_without_a_restart_of_ours(tmp_path):
    from tests.rigs.servers import KafkaServer, missing_kafka

    if reason := missing_kafka():
        missing(reason)
    server = KafkaServer(tmp_path / "kafka")
    server.start()
    settings = load_settings(data_dir=tmp_path / "data", kafka_bootstrap_servers=server.bootstrap, partitions=2)
    ensure_topics(settings)

    async def story():
        stored = []
        async with on_kafka(server.bootstrap) as durable:

            async def keep_sending(until):
                outcomes = []
                while not until():
                    frame = accepted()
                    started = time.monotonic()
                    verdict = await durable.accept(frame)
                    assert time.monotonic() - started < 3.5
                    outcomes.append(verdict)
                    if isinstance(verdict, Stored):
                        stored.append(frame.message_id)
                    await asyncio.sleep(0.01)
                return outcomes

            deadline = time.monotonic() + 20
            await keep_sending(lambda: len(stored) >= 100 or time.monotonic() > deadline)
            assert len(stored) >= 100
            await asyncio.to_thread(server.kill)
            deadline = time.monotonic() + 5
            dead = await keep_sending(lambda: time.monotonic() > deadline)
            assert dead
            assert "does not answer" in durable.trouble()
            assert not any(isinstance(verdict, Stored) for verdict in dead[1:])
            before = len(stored)
            await asyncio.to_thread(server.start)
            deadline = time.monotonic() + 40
            await keep_sending(lambda: len(stored) >= before + 100 or time.monotonic() > deadline)
            assert len(stored) >= before + 100
            assert durable.trouble() == ""
        published = ids(await records(server.bootstrap))
        assert set(stored) <= set(published)

    try:
        asyncio.run(story())
    finally:
        server.stop()


@pytest.mark.servers
def test_the_door_on_kafka_keeps_the_order_of_a_patient(kafka_cluster, tmp_path):
    settings = load_settings(data_dir=tmp_path, kafka_bootstrap_servers=kafka_cluster.bootstrap)
    ensure_topics(settings)

    async def story():
        async with on_kafka(kafka_cluster.bootstrap, 10) as durable:
            door = Door(durable, b"secret")
            sent = [message("same").replace(b"20261122103000", b"202611221%05d" % n) for n in range(2000)]
            answers = await asyncio.gather(*[door.take(data, "mllp") for data in sent])
            assert all(answer.code == "AA" for answer in answers)
            large = message("large") + b"ZZZ|" + b"x" * (9 << 20)
            assert (await door.take(large, "mllp")).code == "AA"
        mine = {answer.message_id for answer in answers}
        published = [
            record for record in await records(kafka_cluster.bootstrap)
            if Envelope.from_headers(list(record.headers)).message_id in mine
        ]  # fmt: skip
        assert [record.value for record in published] == sent
        assert len({record.partition for record in published}) == 1
        assert all(
            abs(record.timestamp / 1000 - time.time()) < timedelta(minutes=5).total_seconds() for record in published
        )

    asyncio.run(story())


# what nobody watched


def test_a_task_of_the_kafka_producer_that_ends_ends_the_whole(port, monkeypatch):
    """It used to die alone: AE for ever, and `/readyz` content."""

    async def story():
        durable = KafkaDurable(f"127.0.0.1:{port}", accept_seconds=0.3, max_request_bytes=1 << 20)

        async def broken():
            raise KeyError("a bug of ours")

        monkeypatch.setattr(durable, "_submit", broken)
        with pytest.raises(KeyError):
            await asyncio.wait_for(durable.run(), 5)
        assert durable.trouble()

    asyncio.run(story())


def test_a_task_of_the_publisher_that_ends_ends_the_whole(tmp_path, monkeypatch):
    async def story():
        settings = load_settings(data_dir=tmp_path, kafka_bootstrap_servers="", database_url="")
        async with journaling(tmp_path) as (durable, journal):
            publisher = Publisher(settings, journal, durable, FakeLedger())

            async def broken():
                raise KeyError("a bug of ours")

            monkeypatch.setattr(publisher, "check", broken)
            monkeypatch.setattr(publisher_module, "_CHECK_SECONDS", 0.05)
            with pytest.raises(KeyError):
                await asyncio.wait_for(publisher.run(), 5)

    asyncio.run(story())


def test_the_publisher_survives_a_folder_that_cannot_be_read_for_a_while(tmp_path, monkeypatch):
    async def story():
        settings = load_settings(data_dir=tmp_path, kafka_bootstrap_servers="", database_url="")
        async with journaling(tmp_path) as (durable, journal):

            def no_files(_):
                raise OSError(errno.EMFILE, "too many open files")

            monkeypatch.setattr(publisher_module, "current_generation", no_files)
            running = asyncio.create_task(Publisher(settings, journal, durable, FakeLedger()).run())
            await asyncio.sleep(0.2)
            assert not running.done()
            running.cancel()
            await asyncio.wait({running})

    asyncio.run(story())


@pytest.mark.parametrize(
    ("number", "away", "words"),
    [
        (errno.EROFS, Away.READ_ONLY, "read-only"),
        (errno.EMFILE, Away.FILES, "ulimit"),
        (errno.ENOSPC, Away.DISK, "disk is full"),
        (errno.EIO, Away.DISK, "Input/output error"),
    ],
)
def test_what_the_disk_says_is_named_and_heals_without_a_sender(tmp_path, monkeypatch, number, away, words):
    monkeypatch.setattr("streams.listen.into_journal.PROBE_SECONDS", 0.05)

    async def story():
        async with journaling(tmp_path) as (durable, _):
            with monkeypatch.context() as patch:
                patch.setattr(
                    "streams.listen.journal.os.pwrite", lambda *_: (_ for _ in ()).throw(OSError(number, "no"))
                )
                assert await durable.accept(accepted()) == Refused(away)
                await asyncio.sleep(0.2)
                assert words in durable.trouble()
            async with asyncio.timeout(5):
                while durable.trouble():
                    await asyncio.sleep(0.02)

    asyncio.run(story())


def test_the_answer_says_why_a_message_was_not_kept(tmp_path, monkeypatch):
    async def story():
        async with journaling(tmp_path) as (durable, _):
            monkeypatch.setattr(
                "streams.listen.journal._sync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "no"))
            )
            answer = await Door(durable, b"secret").take(message("a"), Way.MLLP)
            assert b"MSA|AE|a|unavailable: disk\r" in answer.ack

    asyncio.run(story())


def test_a_message_that_is_stored_after_its_ae_counts_as_received(tmp_path, monkeypatch):
    """It will have its ending, and received must equal ended."""
    received = metrics.RECEIVED.labels(Way.HTTP)._value

    async def story():
        async with journaling(tmp_path, accept_seconds=0.1) as (durable, journal):
            monkeypatch.setattr("streams.listen.journal._sync", lambda fd: (time.sleep(0.4), os.fsync(fd)))
            before = received.get()
            answer = await Door(durable, b"secret").take(message("a"), Way.HTTP)
            assert answer.code == "AE"
            assert received.get() == before
            await asyncio.sleep(0.6)
            assert len(journal.read(journal.start, journal.end).records) == 1
            assert received.get() == before + 1

    asyncio.run(story())
