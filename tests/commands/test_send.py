"""`handoff send` and `handoff ingest`: files in, what became of every message out, and an honest exit status."""

import asyncio
import json
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from aiokafka import AIOKafkaConsumer

from rules.endings import Ending, LedgerEntry
from streams.commands.ingest import run_ingest
from streams.commands.send import run_send
from streams.kafka.admin import ensure_topics
from streams.kafka.records import Envelope
from streams.kafka.topics import Topic
from streams.listen.durable import Away
from streams.listen.mllp_client import read_ack
from streams.run.problems import Problem
from streams.run.settings import load_settings
from streams.store import Store
from tests.listen.test_mllp import certificates, message, serving, tls_settings

__all__ = ["certificates"]


@contextmanager
def listening(tmp_path, on_start=None, **overrides):
    """A server on a loop of its own, as the commands expect it; gives it with its address."""
    ready, stop = threading.Event(), threading.Event()
    started = {}

    async def serve():
        async with serving(tmp_path, http=True, **overrides) as running:
            started["running"] = running
            if on_start:
                on_start(running)
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield started["running"], f"127.0.0.1:{started['running'].server.port}"
    finally:
        stop.set()
        thread.join(10)


@pytest.fixture
def files(tmp_path):
    single = tmp_path / "one.hl7"
    single.write_bytes(message("one", end="\n"))
    batch = tmp_path / "batch.hl7"
    batch.write_bytes(
        b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + message("b1") + b"MSH|broken\r" + message("b2") + b"BTS|7\rFTS|1\r"
    )
    return single, batch


def test_send_prints_an_object_a_message(tmp_path, files, capsys):
    single, batch = files
    with listening(tmp_path) as (running, address):
        assert run_send([single], address, repeat=3, as_json=True) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["control_id"] for line in lines] == ["one"] * 3
        assert all(set(line) == {"control_id", "ack", "error", "ms"} and line["ack"] == "AA" for line in lines)
        assert all(line["ms"] > 0 and line["error"] == "" for line in lines)
        assert len(running.durable.frames) == 3

        assert run_send([single, batch], address, as_json=True) == 1
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(line["control_id"], line["ack"]) for line in lines if line["ack"] == "AA"] == [
            ("one", "AA"),
            ("b1", "AA"),
            ("b2", "AA"),
        ]


def test_send_paces_itself_and_uses_connections(tmp_path, files, capsys):
    with listening(tmp_path) as (running, address):
        began = datetime.now(UTC)
        assert run_send([files[0]], address, repeat=20, rate=40, connections=4) == 0
        assert 0.4 < (datetime.now(UTC) - began).total_seconds() < 3
        assert "20 of 20 acknowledged positively" in capsys.readouterr().out
        assert len(running.durable.frames) == 20


def refuse(running):
    running.durable.refuse = Away.BROKER


def test_send_ends_with_1_when_one_is_not_positive(tmp_path, files, capsys, port):
    with listening(tmp_path, refuse) as (_, address):
        assert run_send([files[0]], address, as_json=True) == 1
        line = json.loads(capsys.readouterr().out)
        assert (line["ack"], line["control_id"]) == ("AE", "one")
        assert "unavailable" in line["error"]
    assert run_send([files[0]], f"127.0.0.1:{port}", as_json=True) == 1
    line = json.loads(capsys.readouterr().out)
    assert (line["ack"], line["ms"]) == ("", None)
    assert "no connection" in line["error"]


def test_send_says_when_no_acknowledgement_comes(tmp_path, capsys):
    silent = tmp_path / "silent.hl7"
    silent.write_bytes(message("silent", accept="NE"))
    with listening(tmp_path) as (_, address):
        assert run_send([silent], address, timeout=0.3, as_json=True) == 1
    assert "no acknowledgement" in json.loads(capsys.readouterr().out)["error"]


def test_send_over_tls(tmp_path, files, certificates, capsys):
    with listening(tmp_path, **tls_settings(certificates)) as (_, address):
        ours = {"ca": certificates / "ca.pem", "cert": certificates / "client.pem", "key": certificates / "client.key"}
        assert run_send([files[0]], address, as_json=True, **ours) == 0
        assert run_send([files[0]], address, as_json=True, **ours | {"ca": None, "insecure": True}) == 0
        assert run_send([files[0]], address, as_json=True, tls=True, timeout=3) == 1
    with pytest.raises(Problem, match="--ca"):
        run_send([files[0]], address, ca=files[0])


@pytest.mark.parametrize("to", ["nowhere", ":1", "host:", "host:port"])
def test_send_names_a_wrong_address(files, to):
    with pytest.raises(Problem, match="--to"):
        run_send([files[0]], to)


def test_an_acknowledgement_is_read_whatever_it_looks_like():
    assert read_ack(b"MSH|^~\\&|\nMSA|AA|1\n")[:3] == ("AA", "1", "")
    assert read_ack(b"MSH#^~\\&#\rMSA#AE#1#busy\r")[:3] == ("AE", "1", "busy")
    assert read_ack(b"nonsense")[:3] == ("", "", "")
    assert read_ack(b"")[:3] == ("", "", "")


# ingest without Kafka: a running listener is found by its file


@pytest.fixture
def data(tmp_path):
    settings = load_settings(data_dir=tmp_path / "data", kafka_bootstrap_servers="", database_url="")
    settings.data_dir.mkdir()
    Store.open(settings.store_url, migrate=True).close()
    return settings


def end_everything(settings, ending=Ending.SUPPRESSED):
    """A worker of four lines: whatever is stored ends at once."""

    def on_start(running):
        store = running.durable.store = Store.open(settings.store_url)
        accept = running.durable.accept

        def accept_and_end(taken):
            store.ledger.end([LedgerEntry(taken.message_id, ending, "test", datetime.now(UTC))])
            return accept(taken)

        running.durable.accept = accept_and_end
        where = {"pid": 1, "host": "127.0.0.1", "http_port": running.http.port, "tls": running.server._tls is not None}
        (settings.data_dir / "listener.json").write_text(json.dumps(where))

    return on_start


def test_ingest_counts_every_ending_and_hides_nothing(tmp_path, data, files, capsys):
    many = tmp_path / "many.hl7"
    many.write_bytes(b"".join(message(f"m{n}") for n in range(100)) + message("oru", kind="ORU^R01"))
    with listening(tmp_path, end_everything(data)) as (running, _):
        assert run_ingest(data, [files[0]], as_json=True) == 0
        first = json.loads(capsys.readouterr().out)
        assert first == {
            "messages": 1, "accepted": 1, "refused": {}, "endings": {"suppressed": 1}, "without_ending": 0,
            "batch_faults": [],
        }  # fmt: skip
        assert run_ingest(data, [files[1], many], as_json=True) == 1
        report = json.loads(capsys.readouterr().out)
        assert report["endings"] == {"suppressed": report["accepted"]}
        assert report["accepted"] == 102
        assert report["refused"]["not_adt"] == 1
        assert {"code": "batch_count", "place": "BTS-1"} in report["batch_faults"]
        order = [taken.data for taken in running.durable.frames[1:]]
        assert [b"|m%d|" % n in content for n, content in enumerate(order[2:])] == [True] * 100
        running.durable.store.close()


def test_ingest_reports_a_quarantined_message(tmp_path, data, files):
    with listening(tmp_path, end_everything(data, Ending.QUARANTINED)) as (running, _):
        assert run_ingest(data, [files[0]]) == 1
        running.durable.store.close()


def test_ingest_over_tls_to_our_own_listener(tmp_path, data, files, certificates):
    overrides = tls_settings(certificates)
    settings = data.model_copy(update=overrides)
    with listening(tmp_path, end_everything(data), **overrides) as (running, _):
        assert run_ingest(settings, [files[0]]) == 0
        running.durable.store.close()


def test_ingest_says_at_once_that_the_listener_wants_another_certificate(tmp_path, data, files, certificates):
    """A server's certificate that the client CA did not sign: each message would hear the same a minute later."""
    overrides = tls_settings(certificates)
    overrides |= {"tls_cert": certificates / "stranger.pem", "tls_key": certificates / "stranger.key"}
    settings = data.model_copy(update=overrides)
    with listening(tmp_path, end_everything(data), **overrides) as (running, _):
        began = time.monotonic()
        with pytest.raises(Problem, match="HANDOFF_TLS_CLIENT_CA"):
            run_ingest(settings, [files[0]])
        assert time.monotonic() - began < 5
        running.durable.store.close()


def test_ingest_says_what_to_do_when_nothing_runs(data, files):
    with pytest.raises(Problem, match="handoff up"):
        run_ingest(data, [files[0]])


def test_ingest_says_so_when_the_listener_was_killed(data, files, port):
    (data.data_dir / "listener.json").write_text(
        json.dumps({"pid": 1, "host": "0.0.0.0", "http_port": port, "tls": False})
    )
    with pytest.raises(Problem, match="handoff up"):
        run_ingest(data, [files[0]])


@pytest.mark.servers
def test_ingest_goes_straight_to_kafka(kafka_cluster, data, files, capsys):
    """A consumer that ends whatever comes stands for the worker."""
    settings = data.model_copy(update={"kafka_bootstrap_servers": kafka_cluster.bootstrap})
    ensure_topics(settings)
    many = files[0].with_name("many.hl7")
    many.write_bytes(b"".join(message(f"m{n}") for n in range(500)) + message("oru", kind="ORU^R01"))
    stop = threading.Event()
    ready = threading.Event()

    async def work():
        consumer = AIOKafkaConsumer(Topic.RAW, bootstrap_servers=kafka_cluster.bootstrap, auto_offset_reset="latest")
        await consumer.start()
        await consumer.seek_to_end()
        for partition in consumer.assignment():
            await consumer.position(partition)
        ready.set()
        store = Store.open(settings.store_url)
        while not stop.is_set():
            for batch in (await consumer.getmany(timeout_ms=100)).values():
                ids = [Envelope.from_headers(list(record.headers)).message_id for record in batch]
                store.ledger.end(
                    [LedgerEntry(message_id, Ending.SUPPRESSED, "test", datetime.now(UTC)) for message_id in ids]
                )
        store.close()
        await consumer.stop()

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    assert ready.wait(20)
    try:
        assert run_ingest(settings, [many], as_json=True) == 1
    finally:
        stop.set()
        thread.join(10)
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (report["messages"], report["accepted"], report["endings"]) == (501, 500, {"suppressed": 500})
    assert report["refused"] == {"not_adt": 1}
