"""The MLLP server on real sockets: one right acknowledgement each, in order, whatever peers do to it or each other."""

import asyncio
import contextlib
import datetime as dt
import io
import ipaddress
import itertools
import ssl
import time
from pathlib import Path

import hl7.client
import hl7.mllp
import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.exposition import generate_latest

from parsers.hl7.er7 import Peek, peek
from parsers.hl7.several import messages_in
from streams.listen import mllp as mllp_server
from streams.listen import mllp_connection
from streams.listen.connections import Closed, Limits
from streams.listen.durable import Away, Refused, Stored
from streams.listen.http import HttpIn
from streams.listen.intake import Door, Fate, ack_code, second_ack_code
from streams.listen.mllp import MllpServer
from streams.listen.mllp_client import MllpClient, read_ack
from streams.listen.mllp_connection import WINDOW
from streams.listen.tls import tls_context
from streams.run import metrics
from streams.run.problems import Problem
from streams.run.settings import load_settings

MARKER = "QZXPHI"
SECRET = b"secret of the tests"


def message(control_id, *, kind="ADT^A01^ADT_A01", end="\r", accept="", application="", padding=0, version="2.5.1"):
    segments = [
        f"MSH|^~\\&|SND|NORTH|WH|WH|20261122103000-0500||{kind}|{control_id}|T|{version}|||{accept}|{application}",
        "EVN|A01|20261122103000-0500",
        f"PID|1||{MARKER}1^^^NORTH^MR||{MARKER}2^{MARKER}3||19700101|F",
        f"PV1|1|I|4W^401^A|||||||||||||||{MARKER}4",
    ]
    if padding:
        segments.append("ZZZ|" + "x" * padding)
    return (end.join(segments) + end).encode()


def frame(data):
    return b"\x0b" + data + b"\x1c\r"


class Memory:
    """A durable place that remembers, and fails or dawdles when told to."""

    def __init__(self):
        self.frames = []
        self.refuse = None
        self.gate = None

    def accept(self, taken):
        if self.refuse:
            return asyncio.ensure_future(self._later(Refused(self.refuse)))
        self.frames.append(taken)
        return asyncio.ensure_future(self._later(Stored(taken.message_id)))

    async def _later(self, verdict):
        if self.gate is not None:
            await self.gate.wait()
        return verdict

    def trouble(self):
        return ""


class Running:
    def __init__(self, server, durable, http):
        self.server = server
        self.durable = durable
        self.http = http

    async def connect(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        return Peer(reader, writer)


class Peer:
    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def acks(self, count, seconds=5):
        answered = []
        async with asyncio.timeout(seconds):
            for _ in range(count):
                raw = await self.reader.readuntil(b"\x1c\r")
                assert raw[:1] == b"\x0b"
                answered.append(read_ack(raw[1:-2]))
        return answered

    async def ack(self, data):
        await self.send(data)
        return (await self.acks(1))[0]

    async def closed(self, seconds=5):
        """What came before the server closed."""
        async with asyncio.timeout(seconds):
            try:
                return await self.reader.read()
            except OSError:
                return b""

    async def close(self):
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def serving(tmp_path, http=False, **overrides):
    settings = load_settings(**{"data_dir": tmp_path, "mllp_port": 0, "http_port": 0, "accept_seconds": 2, **overrides})
    durable = Memory()
    door = Door(durable, SECRET)
    tls = tls_context(settings)
    limits = Limits(settings)
    server = MllpServer(settings, door, tls, limits)
    http_in = HttpIn(settings, door, tls, limits) if http else None
    await server.start()
    if http_in:
        await http_in.start()
    try:
        yield Running(server, durable, http_in)
    finally:
        await server.stop()
        if http_in:
            await http_in.stop()
        assert server.limits.held == 0
        assert not server.limits.peers


def count(name, **labels):
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


@contextlib.contextmanager
def counted(name, by=1, **labels):
    before = count(name, **labels)
    yield
    assert count(name, **labels) - before == by, (name, labels)


def run(story):
    return asyncio.run(asyncio.wait_for(story, 60))


# what a peer may put before, between and into frames; each is followed by a good message that must be acknowledged
STREAMS = {
    "one frame": (frame(message("a")), [("AA", "a")]),
    "two frames in one write": (frame(message("a")) + frame(message("b")), [("AA", "a"), ("AA", "b")]),
    "line ends LF": (frame(message("a", end="\n")), [("AA", "a")]),
    "line ends CRLF": (frame(message("a", end="\r\n")), [("AA", "a")]),
    "garbage before": (b"garbage" + frame(message("a")), [("AA", "a")]),
    "garbage between": (frame(message("a")) + b"noise" + frame(message("b")), [("AA", "a"), ("AA", "b")]),
    "blanks between": (frame(message("a")) + b"\r\n \r\n" + frame(message("b")), [("AA", "a"), ("AA", "b")]),
    "FS without CR": (b"\x0b" + message("a") + b"\x1c", [("AA", "a")]),
    "empty frame, which is no message": (frame(b""), []),
    "a message without a start": (message("u") + b"\x1c\r", [("AR", "u")]),
    "a message with another start": (b"\x02" + message("u") + b"\x1c\r", [("AR", "u")]),
    "a large message without a start": (message("u", padding=9000) + b"\x1c\r", [("AR", "u")]),
    "both acknowledgements": (frame(message("a", accept="AL", application="AL")), [("CA", "a"), ("AA", "a")]),
    "none of both": (frame(message("a", kind="ORU^R01", accept="AL", application="AL")), [("CR", "a")]),
    "an application acknowledgement of errors": (frame(message("a", accept="AL", application="ER")), [("CA", "a")]),
    "no trigger anywhere": (frame(message("a", kind="ADT").replace(b"EVN|A01", b"EVN|")), [("AR", "a")]),
    "no trigger and no EVN": (frame(message("a", kind="ADT^").replace(b"EVN|A01", b"ZZZ|A01")), [("AR", "a")]),
    "a trigger in EVN only": (frame(message("a", kind="ADT")), [("AA", "a")]),
    "delete in both conditions": (frame(message("a", accept='""', application='""')), [("AA", "a")]),
    "not HL7": (frame(b"hello world"), [("AR", "")]),
    "delimiters that cannot be used": (frame(b"MSHAAAAAAA|x"), [("AR", "")]),
    "another message type": (frame(message("a", kind="ORU^R01")), [("AR", "a")]),
    "an acknowledgement": (frame(b"MSH|^~\\&|A|B|C|D|20260101||ACK^A01|9|P|2.5\rMSA|AA|1\r"), []),
    "two messages in one frame": (frame(message("a") + message("b")), [("AA", "a"), ("AA", "b")]),
    "nothing of a message but MSH": (frame(b"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|only|P|2.5"), [("AA", "only")]),
    "too large": (frame(message("big", padding=20_000)), [("AR", "big")]),
    "too large, enhanced": (frame(message("big", padding=20_000, accept="AL")), [("CR", "big")]),
    "too large without a readable beginning": (frame(b"x" * 20_000), [("AR", "")]),
    "a frame cut by the next": (b"\x0bMSH|^~\\&|cut" + frame(message("b")), [("AA", "b")]),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("cut", ["whole", "in ten", "byte by byte"])
def test_every_stream_is_answered_and_the_next_good_message_too(tmp_path, name, cut):
    stream, expected = STREAMS[name]
    if cut == "byte by byte" and len(stream) > 5000:
        cut = "in ten"

    async def story():
        async with serving(tmp_path, max_frame_bytes=16_384) as running:
            peer = await running.connect()
            size = {"whole": len(stream), "in ten": len(stream) // 10 + 1, "byte by byte": 1}[cut]
            for at in range(0, len(stream), size):
                await peer.send(stream[at : at + size])
                if cut == "in ten":
                    await asyncio.sleep(0.002)
            await peer.send(frame(message("last")))
            got = [(ack.code, ack.control_id) for ack in await peer.acks(len(expected) + 1)]
            assert got == [*expected, ("AA", "last")]
            stored = [taken.data for taken in running.durable.frames]
            assert len(stored) == len({control_id for code, control_id in got if code in {"AA", "CA"}})
            assert all(data in stream + frame(message("last")) for data in stored)
            await peer.close()

    run(story())


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 2000), max_size=12))
def test_any_cutting_gives_the_same_answers(tmp_path_factory, cuts):
    stream = b"".join(frame(message(f"m{n}", end="\n" if n % 2 else "\r")) for n in range(5))

    async def story():
        async with serving(tmp_path_factory.mktemp("data")) as running:
            peer = await running.connect()
            places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
            for start, end in itertools.pairwise(places):
                await peer.send(stream[start:end])
                await asyncio.sleep(0)
            assert [ack.control_id for ack in await peer.acks(5)] == [f"m{n}" for n in range(5)]
            assert [taken.data for taken in running.durable.frames] == [
                message(f"m{n}", end="\n" if n % 2 else "\r") for n in range(5)
            ]
            await peer.close()

    run(story())


def test_twelve_megabytes_are_refused_and_ten_are_taken(tmp_path):
    async def story():
        async with serving(tmp_path) as running:
            peer = await running.connect()
            with counted("toc_refused_total", code="frame_too_large"):
                ack = await peer.ack(frame(message("twelve", padding=12 << 20)))
            assert (ack.code, ack.control_id) == ("AR", "twelve")
            assert "frame_too_large" in ack.error
            ten = message("ten", padding=(10 << 20) - 400)
            assert (await peer.ack(frame(ten))).code == "AA"
            assert running.durable.frames[0].data == ten
            await peer.close()

    run(story())


def test_acks_come_in_order_when_storing_does_not(tmp_path):
    class Shuffling(Memory):
        async def _later(self, verdict):
            await asyncio.sleep(0.05 if len(self.frames) % 2 else 0.001)
            return verdict

    async def story():
        async with serving(tmp_path) as running:
            running.server.door._durable = Shuffling()
            peer = await running.connect()
            await peer.send(b"".join(frame(message(f"m{n}")) for n in range(300)))
            assert [ack.control_id for ack in await peer.acks(300)] == [f"m{n}" for n in range(300)]
            await peer.close()

    run(story())


MODES = {
    ("", ""): {"A": "AA", "E": "AE", "R": "AR"},
    ("AL", ""): {"A": "CA", "E": "CE", "R": "CR"},
    ("AL", "NE"): {"A": "CA", "E": "CE", "R": "CR"},
    ("AL", "AL"): {"A": "CA", "E": "CE", "R": "CR"},
    ("ER", "NE"): {"A": None, "E": "CE", "R": "CR"},
    ("SU", "NE"): {"A": "CA", "E": None, "R": None},
    ("NE", "AL"): {"A": "AA", "E": "AE", "R": "AR"},
    ("NE", "ER"): {"A": None, "E": "AE", "R": "AR"},
    ("ER", "SU"): {"A": "AA", "E": "CE", "R": "CR"},
    ("NE", "NE"): {"A": None, "E": None, "R": None},
    ("ne", "Ne"): {"A": None, "E": None, "R": None},
    ("", "AL"): {"A": "AA", "E": "AE", "R": "AR"},
    ("odd", ""): {"A": "CA", "E": "CE", "R": "CR"},
    ('""', '""'): {"A": "AA", "E": "AE", "R": "AR"},
    ('""', "AL"): {"A": "AA", "E": "AE", "R": "AR"},
    ("AL", '""'): {"A": "CA", "E": "CE", "R": "CR"},
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fate", Fate)
def test_original_and_enhanced_mode(mode, fate):
    assert ack_code(*mode, fate) == MODES[mode][fate]


BOTH = {
    ("AL", "AL"): {"A": "AA", "E": None, "R": None},
    ("AL", "SU"): {"A": "AA", "E": None, "R": None},
    ("SU", "AL"): {"A": "AA", "E": None, "R": None},
    ("AL", "ER"): {"A": None, "E": None, "R": None},
    ("AL", "NE"): {"A": None, "E": None, "R": None},
    ("AL", ""): {"A": None, "E": None, "R": None},
    ("NE", "AL"): {"A": None, "E": None, "R": None},
    ("ER", "AL"): {"A": None, "E": None, "R": None},
    ("", ""): {"A": None, "E": None, "R": None},
}


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("fate", Fate)
def test_the_application_acknowledgement_follows_where_both_are_asked_for(mode, fate):
    assert second_ack_code(*mode, fate) == BOTH[mode][fate]


def test_both_acknowledgements_have_ids_of_their_own(tmp_path):
    async def story():
        async with serving(tmp_path) as running:
            peer = await running.connect()
            await peer.send(frame(message("a", accept="AL", application="AL")))
            accept, application = await peer.acks(2)
            assert (accept.code, application.code) == ("CA", "AA")
            assert accept.raw.split(b"|")[9] != application.raw.split(b"|")[9]
            await peer.close()

    run(story())


def test_modes_over_the_wire(tmp_path):
    async def story():
        async with serving(tmp_path) as running:
            peer = await running.connect()
            assert (await peer.ack(frame(message("a", accept="AL", application="NE")))).code == "CA"
            await peer.send(frame(message("silent", accept="NE", application="NE")))
            assert (await peer.ack(frame(message("b")))).control_id == "b"
            running.durable.refuse = Away.DISK
            assert (await peer.ack(frame(message("c", accept="AL")))).code == "CE"
            ack = await peer.ack(frame(message("d")))
            assert (ack.code, ack.control_id) == ("AE", "d")
            running.durable.refuse = None
            assert (await peer.ack(frame(message("d")))).code == "AA"
            assert [taken.data[40:60] for taken in running.durable.frames] == [
                message(name, accept=accept, application=application)[40:60]
                for name, accept, application in [
                    ("a", "AL", "NE"),
                    ("silent", "NE", "NE"),
                    ("b", "", ""),
                    ("d", "", ""),
                ]
            ]
            await peer.close()

    run(story())


FOREIGN = {
    "HTTP": b"POST /hl7 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    "HTTP in pieces": b"GET / HTTP/1.1\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a10303") + bytes(100),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_another_protocol_is_named_and_closed(tmp_path, name):
    async def story():
        async with serving(tmp_path) as running:
            peer = await running.connect()
            with (
                counted("toc_refused_total", code="not_mllp"),
                counted("toc_connections_closed_total", outcome="not_mllp"),
            ):
                if "pieces" in name:
                    for at in range(8):
                        await peer.send(FOREIGN[name][at : at + 1])
                        await asyncio.sleep(0.002)
                else:
                    await peer.send(FOREIGN[name])
                answer = await peer.closed()
                await peer.close()
                await asyncio.sleep(0.05)
            assert answer.startswith(b"HTTP/1.1 400") == name.startswith("HTTP")
            again = await running.connect()
            assert (await again.ack(frame(message("a")))).code == "AA"
            await again.close()

    run(story())


def test_a_frame_without_an_end_and_a_silent_peer(tmp_path):
    async def story():
        async with serving(tmp_path, frame_seconds=0.3, idle_seconds=0.6) as running:
            with counted("toc_refused_total", code="frame_timeout"):
                peer = await running.connect()
                assert (await peer.ack(frame(message("a")))).code == "AA"
                started = time.monotonic()
                await peer.send(b"\x0b" + message("slow"))
                for _ in range(50):
                    await asyncio.sleep(0.02)
                    with contextlib.suppress(OSError):
                        await peer.send(b"x")
                    if peer.reader.at_eof() or time.monotonic() - started > 0.5:
                        break
                ack = read_ack((await peer.closed())[1:-2])
                assert (ack.code, ack.control_id) == ("AE", "slow")
                assert "frame_timeout" in ack.error
                assert time.monotonic() - started < 2
                await peer.close()
            with counted("toc_connections_closed_total", outcome="idle"):
                silent = await running.connect()
                assert await silent.closed() == b""
                await silent.close()
                await asyncio.sleep(0.05)
            assert len(running.durable.frames) == 1

    run(story())


def test_a_slow_and_a_deaf_peer_do_not_slow_a_fast_one(tmp_path, monkeypatch):
    monkeypatch.setattr(mllp_connection, "_WRITE_SECONDS", 0.5)

    async def story():
        async with serving(tmp_path) as running:
            slow = [await running.connect() for _ in range(20)]
            for peer in slow:
                await peer.send(b"\x0bMSH|^~\\&|")
            deaf = await running.connect()

            async def never_read():
                with contextlib.suppress(OSError):
                    for n in range(100_000):
                        await deaf.send(frame(message(f"d{n}")))

            shouting = asyncio.create_task(never_read())
            fast = await running.connect()
            took = []
            with counted("toc_connections_closed_total", outcome="write_timeout"):
                for n in range(100):
                    started = time.perf_counter()
                    assert (await fast.ack(frame(message(f"f{n}")))).code == "AA"
                    took.append(time.perf_counter() - started)
                    for peer in slow:
                        peer.writer.write(b"x")
                async with asyncio.timeout(30):
                    while not shouting.done():
                        await asyncio.sleep(0.05)
                await asyncio.sleep(0.2)
            assert sorted(took)[50] < 0.25
            for peer in [*slow, fast, deaf]:
                await peer.close()

    run(story())


def test_backpressure_reaches_the_sender(tmp_path):
    async def story():
        async with serving(tmp_path, accept_seconds=30) as running:
            running.durable.gate = asyncio.Event()
            peer = await running.connect()
            data = frame(message("m", padding=20_000))
            sent = 0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.5):
                    while sent < 2000:
                        await peer.send(data)
                        sent += 1
            assert sent < 2000
            assert len(running.durable.frames) <= WINDOW
            assert count("toc_buffered_bytes") <= (WINDOW + 5) * len(data)
            running.durable.gate.set()
            assert len(await peer.acks(sent, 20)) == sent
            await peer.close()

    run(story())


def test_the_hoarder_goes_when_buffers_are_full(tmp_path):
    async def story():
        async with serving(tmp_path, max_buffered_bytes=4 << 20, max_frame_bytes=3 << 20) as running:
            small = await running.connect()
            hoarders = [await running.connect() for _ in range(4)]
            with counted("toc_connections_closed_total", by=3, outcome="buffers_full"):
                for peer in hoarders:
                    with contextlib.suppress(OSError):
                        await peer.send(b"\x0bMSH|^~\\&|" + b"x" * (2 << 20))
                    await asyncio.sleep(0.1)
                    assert (await small.ack(frame(message("s")))).code == "AA"
            for peer in [small, *hoarders]:
                await peer.close()

    run(story())


def test_connections_are_limited_in_all_and_per_peer(tmp_path):
    async def story():
        async with serving(tmp_path, max_connections=3, max_connections_per_peer=2) as running:
            first, second = await running.connect(), await running.connect()
            assert (await second.ack(frame(message("a")))).code == "AA"
            with counted("toc_connections_closed_total", outcome=Closed.TOO_MANY_OF_PEER):
                third = await running.connect()
                assert await third.closed() == b""
            await first.close()
            await asyncio.sleep(0.1)
            fourth = await running.connect()
            assert (await fourth.ack(frame(message("b")))).code == "AA"
            for peer in (second, third, fourth):
                await peer.close()

    run(story())


def test_stopping_answers_what_is_in_flight(tmp_path):
    async def story():
        async with serving(tmp_path) as running:
            running.durable.gate = asyncio.Event()
            peer = await running.connect()
            await peer.send(b"".join(frame(message(f"m{n}")) for n in range(10)) + b"\x0bMSH|half")
            await asyncio.sleep(0.1)
            stopping = asyncio.create_task(running.server.stop())
            await asyncio.sleep(0.1)
            with pytest.raises(OSError):
                await running.connect()
            running.durable.gate.set()
            assert [ack.code for ack in await peer.acks(10)] == ["AA"] * 10
            assert await peer.closed() == b""
            await stopping
            await peer.close()

    run(story())


def test_the_client_of_python_hl7(tmp_path):
    async def story():
        async with serving(tmp_path) as running:

            def talk():
                with hl7.client.MLLPClient("127.0.0.1", running.server.port) as client:
                    answers = [client.send_message(message(f"m{n}")) for n in range(50)]
                    client.socket.settimeout(5)
                return [hl7.parse(answer.strip(b"\x0b\x1c\r").decode()) for answer in answers]

            for n, answer in enumerate(await asyncio.to_thread(talk)):
                assert str(answer.segment("MSA")[1]) == "AA"
                assert str(answer.segment("MSA")[2]) == f"m{n}"

            reader, writer = await hl7.mllp.open_hl7_connection("127.0.0.1", running.server.port)
            for n in range(50):
                writer.writemessage(hl7.parse(message(f"n{n}").decode()))
            for n in range(50):
                assert str((await reader.readmessage()).segment("MSA")[2]) == f"n{n}"
            writer.close()
            await writer.wait_closed()
            assert len(running.durable.frames) == 100

    run(story())


def test_our_client_pipelines_and_comes_back(tmp_path):
    async def story():
        async with serving(tmp_path) as running, MllpClient("127.0.0.1", running.server.port) as client:
            answers = [await client.send(message(f"m{n}")) for n in range(200)]
            assert [(await answer).control_id for answer in answers] == [f"m{n}" for n in range(200)]
            running.durable.gate = asyncio.Event()
            waiting = await client.send(message("unanswered"))
            await client.close()
            with pytest.raises(ConnectionError):
                await waiting
            with pytest.raises(ConnectionError):
                await client.send(message("closed"))
            running.durable.gate.set()
            await client.connect()
            assert (await client.send_and_wait(message("again"))).positive

    run(story())


def answers_of(data):
    """How many answers the content of one frame asks for."""
    glances = [peek(content) for content in messages_in(data)]
    return sum(
        1 + (isinstance(glance, Peek) and second_ack_code(*glance[6:8], Fate.STORED) is not None) for glance in glances
    )


def test_foreign_messages_over_one_connection_and_many(tmp_path, corpus):
    files = sorted((corpus / "adt").iterdir()) + sorted((corpus / "malformed").iterdir())
    contents = [path.read_bytes().strip(b"\x0b\x1c\r\n") for path in files]
    contents = [data for data in contents if b"\x0b" not in data and b"\x1c" not in data and data]
    contents = [data for data in contents if answers_of(data) == 1]

    async def story():
        async with serving(tmp_path) as running:
            peer = await running.connect()
            sending = asyncio.create_task(peer.send(b"".join(frame(data) for data in contents)))
            acks = await peer.acks(len(contents), 30)
            await sending
            assert sum(ack.positive for ack in acks) == len(running.durable.frames)
            stored = {taken.data for taken in running.durable.frames}
            for data, ack in zip(contents, acks, strict=True):
                assert ack.code in {"AA", "AR", "CA", "CR"}
                assert ack.positive == (data in stored)
            peers = [await running.connect() for _ in range(10)]
            for n, data in enumerate(contents):
                again = await peers[n % 10].ack(frame(data))
                assert (again.code, again.control_id, again.error) == (acks[n].code, acks[n].control_id, acks[n].error)
            for standing in [peer, *peers]:
                await standing.close()

    run(story())


# TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    now = dt.datetime.now(dt.UTC)

    def make(name, signer=None, ca=False):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer, signing = signer if signer else (subject, key)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), False)
            .sign(signing, hashes.SHA256())
        )
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return subject, key

    ca = make("ca", ca=True)
    make("server", ca)
    make("client", ca)
    make("renewed", ca)
    make("stranger", make("other-ca", ca=True))
    return folder


def client_context(folder: Path, name="", versions=None):
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    if name:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    if versions:
        context.minimum_version = context.maximum_version = versions
    return context


def tls_settings(folder: Path, clients=True):
    return {
        "tls_cert": folder / "server.pem",
        "tls_key": folder / "server.key",
        "tls_client_ca": folder / "ca.pem" if clients else None,
    }


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_with_a_client_certificate(tmp_path, certificates, version):
    async def story():
        async with serving(tmp_path, **tls_settings(certificates)) as running:
            context = client_context(certificates, "client", version)
            async with MllpClient("127.0.0.1", running.server.port, tls=context) as client:
                answers = [await client.send(message(f"m{n}", padding=5000)) for n in range(100)]
                assert all([(await answer).positive for answer in answers])

    run(story())


@pytest.mark.parametrize("name", ["", "stranger"])
def test_tls_without_the_right_certificate(tmp_path, certificates, name):
    async def story():
        async with serving(tmp_path, **tls_settings(certificates)) as running:
            with counted("toc_connections_closed_total", outcome="tls_failed"):
                client = MllpClient("127.0.0.1", running.server.port, tls=client_context(certificates, name))
                with pytest.raises(ConnectionError):
                    await client.connect()
                    await client.send_and_wait(message("a"), 5)
                await client.close()
                await asyncio.sleep(0.1)
            assert not running.durable.frames
            good = client_context(certificates, "client")
            async with MllpClient("127.0.0.1", running.server.port, tls=good) as right:
                assert (await right.send_and_wait(message("b"), 5)).positive

    run(story())


def test_plain_mllp_and_a_silent_handshake_on_the_tls_port(tmp_path, certificates, monkeypatch):
    monkeypatch.setattr(mllp_server, "_HANDSHAKE_SECONDS", 0.3)

    async def story():
        async with serving(tmp_path, **tls_settings(certificates, clients=False)) as running:
            with counted("toc_connections_closed_total", by=2, outcome="tls_failed"):
                plain, silent = await running.connect(), await running.connect()
                await plain.send(frame(message("a")))
                assert b"MSA" not in await plain.closed()
                assert await silent.closed() == b""
                await asyncio.sleep(0.1)
            assert not running.durable.frames
            async with MllpClient("127.0.0.1", running.server.port, tls=client_context(certificates)) as client:
                assert (await client.send_and_wait(message("b"), 5)).positive
            await plain.close()
            await silent.close()

    run(story())


def test_tls_files_that_cannot_be_used_name_the_setting(tmp_path, certificates):
    for wrong in ({"tls_cert": certificates / "ca.key"}, {"tls_cert": tmp_path / "nowhere"}):
        with pytest.raises(Problem, match="HANDOFF_TLS_CERT"):
            tls_context(load_settings(data_dir=tmp_path, **wrong))
    with pytest.raises(Problem, match="HANDOFF_TLS_CLIENT_CA"):
        tls_context(load_settings(data_dir=tmp_path, **tls_settings(certificates) | {"tls_client_ca": tmp_path / "no"}))
    with pytest.raises(Problem, match="HANDOFF_TLS_CERT"):
        tls_context(load_settings(data_dir=tmp_path, tls_client_ca=certificates / "ca.pem"))


# PHI


def test_no_phi_leaves_by_any_way(tmp_path, capsys):
    """The marker is in every message; only the stored bytes may hold it."""
    answers = []
    logged = io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(logged))

    async def story():
        async with serving(tmp_path, max_frame_bytes=16_384, frame_seconds=0.3) as running:
            peer = await running.connect()
            for stream, _ in STREAMS.values():
                await peer.send(stream)
            running.durable.refuse = Away.TIMEOUT
            await peer.send(frame(message("e")) + b"\x0b" + message("never ends"))
            answers.append(await peer.closed())
            await peer.close()
            cut = await running.connect()
            await cut.send(b"\x0b" + message("cut"))
            cut.writer.transport.abort()
            await asyncio.sleep(0.1)
            for taken in running.durable.frames:
                assert MARKER not in f"{taken.message_id}{taken.key}{taken.feed}"

    try:
        run(story())
    finally:
        structlog.reset_defaults()
    out = capsys.readouterr()
    everything = (
        answers[0].decode() + out.out + out.err + logged.getvalue() + generate_latest(metrics.REGISTRY).decode()
    )
    assert "MSA|AE|e" in everything
    assert "mllp_connection_ended" in logged.getvalue()
    assert MARKER not in everything
