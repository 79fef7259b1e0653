"""What all senders together may take: places, bytes and file descriptors, before and after a handshake."""

import asyncio
import contextlib
import errno
import resource
import socket
import time

import pytest
import structlog

from streams.listen import connections
from streams.listen.connections import Closed, Limits, peer_of
from streams.listen.mllp_client import MllpClient
from streams.run.metrics import Way
from streams.run.settings import load_settings
from tests.listen.test_mllp import certificates, client_context, counted, frame, message, run, serving, tls_settings

__all__ = ["certificates"]


def limits(tmp_path, **overrides):
    return Limits(load_settings(data_dir=tmp_path, **overrides))


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("?", "?"),
    ],
)
def test_a_network_of_64_bits_is_one_peer(host, peer):
    assert peer_of(host) == peer


def test_an_ipv6_network_has_no_more_places_than_an_address(tmp_path):
    ours = limits(tmp_path, max_connections_per_peer=2)
    hosts = ["2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2::3", "2001:db8:1:3::1"]
    came = [ours.enter(host, Way.MLLP, lambda _: None) for host in hosts]
    assert [closed is Closed.TOO_MANY_OF_PEER for closed in came] == [False, False, True, False]


def test_the_silent_go_first_and_who_brought_something_last(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(connections.time, "monotonic", lambda: now[0])
    ours, gone = limits(tmp_path, max_connections=3), []

    def enter(name):
        return ours.enter(name, Way.MLLP, lambda outcome: gone.append((name, outcome)))

    sender = enter("sender")
    sender.brought = True
    now[0] += 1
    enter("first")
    enter("second")
    assert enter("too soon") is Closed.TOO_MANY
    now[0] += 5
    enter("third")
    assert gone == [("first", Closed.MADE_ROOM)]
    now[0] += 5
    enter("fourth")
    enter("fifth")
    assert [name for name, _ in gone] == ["first", "second", "third"]
    assert enter("too many") is Closed.TOO_MANY
    now[0] += 100
    for name in ("sixth", "seventh", "eighth"):
        enter(name)
    assert [name for name, _ in gone][3:] == ["fourth", "fifth", "sender"]


def test_a_silent_crowd_does_not_shut_a_sender_out(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "_SILENT_SECONDS", 0.2)

    async def story():
        async with serving(tmp_path, max_connections=10, max_connections_per_peer=100) as running:
            busy = await running.connect()
            assert (await busy.ack(frame(message("a")))).code == "AA"
            silent = [await running.connect() for _ in range(9)]
            await asyncio.sleep(0.3)
            with counted("toc_connections_closed_total", by=3, outcome="made_room"):
                for n in range(3):
                    late = await running.connect()
                    assert (await late.ack(frame(message(f"late{n}")))).code == "AA"
                    silent.append(late)
                assert await silent[0].closed() == b""
            assert (await busy.ack(frame(message("b")))).code == "AA"
            for peer in [busy, *silent]:
                await peer.close()

    run(story())


@pytest.mark.parametrize("way", ["mllp", "http"])
def test_limits_are_counted_before_the_handshake(tmp_path, certificates, way):
    async def story():
        overrides = {"max_connections": 5, "http": True, **tls_settings(certificates, clients=False)}
        async with serving(tmp_path, **overrides) as running:
            port = running.server.port if way == "mllp" else running.http.port
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
            await asyncio.sleep(0.1)
            with counted("toc_connections_refused_total", by=3, way=way):
                for _ in range(3):
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    with contextlib.suppress(OSError):
                        assert await asyncio.wait_for(reader.read(), 2) == b""
                    writer.close()
            for _, writer in silent:
                writer.close()

    run(story())


def test_bytes_are_reserved_before_they_are_read_and_the_hoarder_goes(tmp_path):
    class Hoarder:
        unfinished = 3 << 20

        def __init__(self):
            self.outcome = None

        def end(self, outcome):
            self.outcome = outcome
            ours.release(self.unfinished)
            self.unfinished = 0

    async def story():
        assert await ours.reserve(2 << 20)
        assert not await ours.reserve((2 << 20) + 1)
        assert not await ours.reserve(5 << 20)
        ours.release(2 << 20)
        assert ours.held == 0
        hoarder = Hoarder()
        ours.holders.add(hoarder)
        ours.hold(hoarder.unfinished)
        assert not await ours.reserve(4 << 20)
        assert hoarder.outcome is None
        assert await ours.reserve(2 << 20)
        assert hoarder.outcome is Closed.BUFFERS_FULL

    ours = limits(tmp_path, max_buffered_bytes=4 << 20)
    asyncio.run(story())


def test_out_of_file_descriptors_is_refused_by_name_and_logged_once(tmp_path, monkeypatch):
    """The system has none left for a while; who waits is closed, and afterwards all is as before."""

    async def none_left(_):
        await asyncio.sleep(0.01)
        raise OSError(errno.EMFILE, "too many open files")

    async def story():
        async with serving(tmp_path) as running:
            first = await running.connect()
            last_one = await running.connect()
            with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
                patch.setattr(asyncio.get_running_loop(), "sock_accept", none_left)
                crowd = [await running.connect() for _ in range(5)]
                for peer in crowd[1:]:
                    assert await peer.closed() == b""
            assert [entry["why"] for entry in logs if entry["event"] == "connection_refused"] == ["no_files"]
            assert (await first.ack(frame(message("b")))).code == "AA"
            await asyncio.sleep(0.1)
            again = await running.connect()
            assert (await again.ack(frame(message("c")))).code == "AA"
            for peer in (first, last_one, again, *crowd):
                await peer.close()

    run(story())


def test_file_descriptors_are_kept_back(tmp_path, monkeypatch):
    for soft, most in ((64, 16), (256, 192), (1 << 20, 1000), (resource.RLIM_INFINITY, 1000)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        assert limits(tmp_path).most == most


def test_a_soft_limit_is_raised_as_far_as_the_hard_one_lets(monkeypatch):
    for soft, hard, raised in (
        (1024, 4096, 1256),
        (1024, 1100, 1100),
        (1024, resource.RLIM_INFINITY, 1256),
        (2000, 4096, None),
    ):
        set_to = []
        monkeypatch.setattr(resource, "getrlimit", lambda _, both=(soft, hard): both)
        monkeypatch.setattr(resource, "setrlimit", lambda _, both, kept=set_to: kept.append(both))
        connections.raise_file_limit(1000)
        assert set_to == ([(raised, hard)] if raised else [])


@pytest.mark.parametrize(
    "content", [b"\x0b" * 9_000_000, b"\x0bMSH" * 2_000_000, b"\x1c" * 9_000_000], ids=["VT", "cut", "FS"]
)
def test_a_flood_of_one_peer_does_not_delay_another(tmp_path, content):
    async def story():
        async with serving(tmp_path) as running:
            flood, other = await running.connect(), await running.connect()

            async def send():
                with contextlib.suppress(OSError):
                    await flood.send(b"\x0b" + content + b"\x1c\r")

            sending = asyncio.create_task(send())
            slowest = 0.0
            for n in range(100):
                began = time.monotonic()
                assert (await other.ack(frame(message(f"m{n}")))).code == "AA"
                slowest = max(slowest, time.monotonic() - began)
                await asyncio.sleep(0.005)
            await sending
            assert slowest < 1
            for peer in (flood, other):
                peer.writer.transport.abort()

    run(story())


def test_tls_failures_say_their_cause(tmp_path, certificates):
    async def story():
        async with serving(tmp_path, **tls_settings(certificates)) as running:
            with counted("toc_tls_failures_total", reason="not_tls"):
                plain = await running.connect()
                await plain.send(frame(message("a")))
                await plain.closed()
                await plain.close()
                await asyncio.sleep(0.1)
            for name, reason in (("", "no_certificate"), ("stranger", "unknown_ca")):
                with counted("toc_tls_failures_total", reason=reason), structlog.testing.capture_logs() as logs:
                    client = MllpClient("127.0.0.1", running.server.port, tls=client_context(certificates, name))
                    with pytest.raises(ConnectionError):
                        await client.connect()
                        await client.send_and_wait(message("a"), 5)
                    await client.close()
                    await asyncio.sleep(0.1)
                assert [entry["cause"] for entry in logs if "cause" in entry] == [reason]

    run(story())


def test_a_connection_in_its_handshake_can_make_room(tmp_path, certificates, monkeypatch):
    monkeypatch.setattr(connections, "_SILENT_SECONDS", 0.1)

    async def story():
        async with serving(tmp_path, max_connections=2, **tls_settings(certificates)) as running:
            silent = [socket.create_connection(("127.0.0.1", running.server.port)) for _ in range(2)]
            await asyncio.sleep(0.3)
            context = client_context(certificates, "client")
            async with MllpClient("127.0.0.1", running.server.port, tls=context) as client:
                assert (await client.send_and_wait(message("a"), 5)).positive
            for connection in silent:
                connection.close()

    run(story())
