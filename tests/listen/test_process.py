"""The listener as a process: who may start, what a low limit, new certificates and a bad folder do to it."""

import asyncio
import contextlib
import datetime as dt
import http.client
import json
import os
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from streams.listen import process as listener
from streams.listen.mllp_client import MllpClient
from streams.listen.process import TaskEnded, serve
from streams.listen.tls import TlsFiles
from streams.run.problems import Problem
from streams.run.settings import load_settings
from streams.store import Store
from tests.listen.test_mllp import certificates, client_context, frame, message, tls_settings

__all__ = ["certificates"]


@pytest.fixture
def settings(tmp_path):
    loaded = load_settings(
        data_dir=tmp_path / "data", mllp_port=0, http_port=0, listen_metrics_port=0,
        kafka_bootstrap_servers="", database_url="",
    )  # fmt: skip
    loaded.data_dir.mkdir()
    Store.open(loaded.store_url, migrate=True).close()
    return loaded


@contextlib.contextmanager
def listening(settings, before=None, **overrides):
    """`handoff listen` of its own; gives the process, where it listens, and the file of its log."""
    environment = {
        **os.environ,
        "HANDOFF_DATA_DIR": str(settings.data_dir),
        **{f"HANDOFF_{name}_PORT": "0" for name in ("MLLP", "HTTP", "LISTEN_METRICS")},
        **{"KAFKA_BOOTSTRAP_SERVERS": "", "DATABASE_URL": ""},
        **{f"HANDOFF_{name.upper()}": str(value) for name, value in overrides.items() if value},
    }
    where = settings.data_dir / "listener.json"
    where.unlink(missing_ok=True)
    logs = settings.data_dir.parent / "listener.log"
    with logs.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams", "listen"], env=environment, stderr=log, stdout=log, preexec_fn=before
        )
        try:
            deadline = time.monotonic() + 30
            while not where.exists():
                assert process.poll() is None, logs.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield process, json.loads(where.read_text()), logs
        finally:
            process.terminate()
            process.wait(20)


def ack(port, control_id):
    with socket.create_connection(("127.0.0.1", port), 5) as peer:
        peer.sendall(frame(message(control_id)))
        return peer.recv(65536)


def test_a_second_listener_is_refused_and_the_first_goes_on(settings):
    with listening(settings) as (process, where, _):
        assert b"MSA|AA|before" in ack(where["mllp_port"], "before")
        second = subprocess.run(
            [sys.executable, "-m", "streams", "listen"],
            env={**os.environ, "HANDOFF_DATA_DIR": str(settings.data_dir), "KAFKA_BOOTSTRAP_SERVERS": ""},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert second.returncode == 2
        assert f"`handoff listen` (process {process.pid}) already runs on" in second.stderr
        assert "Traceback" not in second.stderr
        assert b"MSA|AA|after" in ack(where["mllp_port"], "after")


def test_a_low_limit_of_open_files_ends_nothing_and_fills_no_log(settings):
    def low():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    with listening(settings, before=low) as (process, where, logs):
        crowd = []
        for _ in range(200):
            with contextlib.suppress(OSError):
                crowd.append(socket.create_connection(("127.0.0.1", where["mllp_port"]), 5))
        time.sleep(4)
        assert process.poll() is None
        assert b"MSA|AA|late" in ack(where["mllp_port"], "late")
        for connection in crowd:
            connection.close()
        assert "few_file_descriptors" in logs.read_text()
        assert logs.stat().st_size < 20_000


def test_the_limit_of_open_files_is_raised(settings):
    def low():
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    with listening(settings, before=low) as (process, where, _):
        assert b"MSA|AA|a" in ack(where["mllp_port"], "a")
        soft, _ = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        assert soft > 1000


def revoked(folder, name):
    """The CA's list on which one certificate is."""
    certificate = x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())
    ca = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    now = dt.datetime.now(dt.UTC)
    entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(now).build()
    crl = x509.CertificateRevocationListBuilder().issuer_name(ca.subject).last_update(now - dt.timedelta(days=1))
    crl = crl.next_update(now + dt.timedelta(days=1)).add_revoked_certificate(entry).sign(key, hashes.SHA256())
    return crl.public_bytes(serialization.Encoding.PEM)


async def gets_in(port, context):
    client = MllpClient("127.0.0.1", port, tls=context)
    try:
        await client.connect()
        return (await client.send_and_wait(message("a"), 5)).positive
    except (ConnectionError, TimeoutError):
        return False
    finally:
        await client.close()


def posted(connection, control_id):
    connection.request("POST", "/hl7", message(control_id), {"Content-Type": "application/hl7-v2"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def test_a_revocation_list_is_read_on_sighup_and_other_connections_stay(settings, certificates, tmp_path):
    folder = tmp_path / "tls"
    shutil.copytree(certificates, folder)
    ours = client_context(folder, "client")

    async def story(process, where, logs):
        revoked_one = MllpClient("127.0.0.1", where["mllp_port"], tls=ours)
        await revoked_one.connect()
        assert (await revoked_one.send_and_wait(message("first"), 5)).positive
        standing = MllpClient("127.0.0.1", where["mllp_port"], tls=client_context(folder, "renewed"))
        await standing.connect()
        assert (await standing.send_and_wait(message("renewed"), 5)).positive
        assert await gets_in(where["mllp_port"], ours)
        kept_alive = http.client.HTTPSConnection("127.0.0.1", where["http_port"], timeout=10, context=ours)
        assert posted(kept_alive, "by http") == 200
        (folder / "ca.pem").write_bytes((certificates / "ca.pem").read_bytes() + revoked(folder, "client"))
        process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(10):
            while "tls_files_read_again" not in logs.read_text():
                await asyncio.sleep(0.02)
        assert not await gets_in(where["mllp_port"], ours)
        async with asyncio.timeout(10):
            while "revoked" not in logs.read_text():
                await asyncio.sleep(0.02)
        with pytest.raises(ConnectionError):
            await revoked_one.send_and_wait(message("again"), 5)
        with pytest.raises((ConnectionError, ssl.SSLError)):
            posted(kept_alive, "again by http")
        assert '"outcome": "revoked"' in logs.read_text()
        assert (await standing.send_and_wait(message("second"), 5)).positive
        (folder / "server.pem").write_text("no certificate")
        process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(10):
            while "tls_files_not_usable" not in logs.read_text():
                await asyncio.sleep(0.02)
        assert (await standing.send_and_wait(message("third"), 5)).positive
        await standing.close()

    with listening(settings, **tls_settings(folder)) as running:
        asyncio.run(story(*running))


def test_files_that_changed_come_in_force_and_bad_ones_do_not(settings, certificates, tmp_path):
    folder = tmp_path / "tls"
    shutil.copytree(certificates, folder)
    files = TlsFiles(settings.model_copy(update=tls_settings(folder)))
    first = files.context
    assert not files.look()
    assert not first.verify_flags & ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    (folder / "ca.pem").write_bytes((certificates / "ca.pem").read_bytes() + revoked(folder, "client"))
    assert files.look()
    second = files.context
    assert second.verify_flags & ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    (folder / "server.key").unlink()
    assert not files.look()
    assert files.context is second
    assert "HANDOFF_TLS_CERT" in files.trouble


def test_new_files_come_in_force_by_the_clock_alone(settings, certificates, tmp_path, monkeypatch):
    folder = tmp_path / "tls"
    shutil.copytree(certificates, folder)
    assert listener._LOOK_SECONDS <= 60
    monkeypatch.setattr(listener, "_LOOK_SECONDS", 0.05)
    ours = client_context(folder, "client")

    async def story():
        stop = asyncio.Event()
        serving = asyncio.create_task(serve(settings.model_copy(update=tls_settings(folder)), stop))
        where = settings.data_dir / "listener.json"
        async with asyncio.timeout(60):
            while not where.exists():
                await asyncio.sleep(0.02)
            port = json.loads(where.read_text())["mllp_port"]
            assert await gets_in(port, ours)
            (folder / "ca.pem").write_bytes((certificates / "ca.pem").read_bytes() + revoked(folder, "client"))
            while await gets_in(port, ours):
                await asyncio.sleep(0.02)
            (folder / "ca.pem").write_bytes((certificates / "ca.pem").read_bytes())
            while not await gets_in(port, ours):
                await asyncio.sleep(0.02)
        stop.set()
        await serving

    asyncio.run(story())


def test_sighup_without_tls_ends_nothing(settings):
    with listening(settings) as (process, where, _):
        process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        assert b"MSA|AA|a" in ack(where["mllp_port"], "a")


def test_listening_to_the_network_without_encryption_is_said(settings):
    with listening(settings, mllp_host="0.0.0.0") as (_, _, logs):
        assert "listening_without_encryption" in logs.read_text()
    with listening(settings) as (_, _, logs):
        assert "listening_without_encryption" not in logs.read_text()


def test_a_folder_that_cannot_be_used_is_a_sentence(settings, tmp_path, monkeypatch):
    taken = tmp_path / "a file"
    taken.write_text("")
    with pytest.raises(Problem, match="HANDOFF_DATA_DIR"):
        asyncio.run(serve(settings.model_copy(update={"data_dir": taken / "below"})))

    def read_only(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("streams.listen.process.private_folder", read_only)
    with pytest.raises(Problem, match="Read-only file system"):
        asyncio.run(serve(settings))


def test_a_task_that_ends_unasked_ends_the_process_with_its_place(settings, monkeypatch):
    def broken(*_, **__):
        raise KeyError("QZXPHI")

    monkeypatch.setattr(listener.TlsFiles, "look", broken)
    monkeypatch.setattr(listener, "_LOOK_SECONDS", 0.05)
    with pytest.raises(TaskEnded, match=r"ended unasked \(KeyError at streams/listen/process.py:\d+\)") as raised:
        asyncio.run(asyncio.wait_for(serve(settings), 30))
    assert "QZXPHI" not in str(raised.value)
    assert listener.run_listener(settings) == 70
