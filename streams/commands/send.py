"""Sends HL7 files over MLLP: files and an address in, the acknowledgement of every message out.

`MllpClient` is one connection, for the demo, the bench and whoever else sends: many messages may be on their way at
once, answers come back in order. Answers are matched to messages by MSA-2 and, where a listener leaves that empty, by
order. When the connection breaks, whatever was unanswered ends in `ConnectionError`; `connect` makes it usable again.
"""

import asyncio
import collections
import functools
import json
import re
import ssl
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from parsers.hl7.batches import split
from parsers.hl7.er7 import peek
from parsers.hl7.mllp import Decoder, frame
from parsers.outcomes import Reject
from streams.run.problems import Problem

_CHUNK: Final = 1 << 16
_LARGEST_ACK: Final = 1 << 20
_MOST_SHOWN: Final = 200  # rows of the table
_POSITIVE: Final = frozenset({"AA", "CA"})
_SEGMENTS: Final = re.compile(rb"[\r\n]+")


class Ack(NamedTuple):
    """An acknowledgement: MSA-1, MSA-2, what ERR says (or MSA-3), and how long it took. `raw` are its bytes."""

    code: str
    control_id: str
    error: str
    ms: float
    raw: bytes = b""

    @property
    def positive(self) -> bool:
        return self.code in _POSITIVE


def read_ack(data: bytes, ms: float = 0.0) -> Ack:
    """What an acknowledgement says; `code` is "" when it has no MSA."""
    separator = data[3:4] or b"|"
    code = control_id = error = ""
    for segment in _SEGMENTS.split(data.strip()):
        fields = [field.decode("utf-8", "replace") for field in segment.split(separator)]
        if fields[0] == "MSA":
            code, control_id, text = [*fields[1:4], "", "", ""][:3]
            error = error or text
        elif fields[0] == "ERR":
            error = " ".join(field for field in fields[1:] if field)
    return Ack(code, control_id, error, ms, data)


class MllpClient:
    """One MLLP connection. Every method raises `ConnectionError` when the connection cannot carry it out."""

    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None = None, server_hostname: str | None = None):
        self._host = host
        self._port = port
        self._tls = tls
        self._server_hostname = server_hostname or (host if tls else None)
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: collections.deque[tuple[str, float, asyncio.Future[Ack]]] = collections.deque()

    async def __aenter__(self) -> "MllpClient":
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        return self._reading is not None and not self._reading.done()

    async def connect(self, seconds: float = 10) -> None:
        """Opens the connection, anew where there was one."""
        await self.close()
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_connection(
                    self._host, self._port, ssl=self._tls, server_hostname=self._server_hostname
                )
        except TimeoutError:
            raise ConnectionError("no connection in time") from None
        except OSError as error:
            raise ConnectionError(f"no connection ({type(error).__name__}: {error.strerror or error})") from None
        self._writer = writer
        self._reading = asyncio.create_task(self._read(reader))

    async def close(self) -> None:
        """Closes the connection; unanswered messages end in `ConnectionError`."""
        reading, self._reading = self._reading, None
        writer, self._writer = self._writer, None
        if reading is not None:
            reading.cancel()
            await asyncio.wait({reading})
        if writer is not None:
            writer.close()
            try:
                async with asyncio.timeout(2):
                    await writer.wait_closed()
            except (OSError, TimeoutError):
                writer.transport.abort()
        self._fail("connection closed")

    async def send(self, message: bytes, control_id: str | None = None) -> "asyncio.Future[Ack]":
        """Writes one message and gives the future of its answer. `control_id` is read from MSH-10 unless given."""
        if self._writer is None or not self.connected:
            raise ConnectionError("not connected")
        if control_id is None:
            control_id = control_id_of(message)
        answer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self._waiting.append((control_id, time.perf_counter(), answer))
        try:
            self._writer.write(frame(message))
            await self._writer.drain()
        except OSError as error:
            self._fail("connection lost")
            raise ConnectionError(f"connection lost ({type(error).__name__})") from None
        return answer

    async def send_and_wait(self, message: bytes, seconds: float = 30, control_id: str | None = None) -> Ack:
        """The answer to one message. Raises `TimeoutError` when there is none in time (the connection is closed)."""
        answer = await self.send(message, control_id)
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            await self.close()
            raise

    async def _read(self, reader: asyncio.StreamReader) -> None:
        decoder = Decoder(_LARGEST_ACK)
        why = "connection closed by the listener"
        try:
            while data := await reader.read(_CHUNK):
                for item in decoder.feed(data):
                    if isinstance(item, bytes):
                        self._answered(item)
        except OSError as error:
            why = f"connection lost ({type(error).__name__})"
        finally:
            self._fail(why)

    def _answered(self, data: bytes) -> None:
        now = time.perf_counter()
        ack = read_ack(data)
        if not ack.control_id:
            index = 0
        else:
            index = next((n for n, waiting in enumerate(self._waiting) if waiting[0] == ack.control_id), -1)
        if index < 0 or not self._waiting:
            return
        _, since, answer = self._waiting[index]
        del self._waiting[index]
        if not answer.done():
            answer.set_result(ack._replace(ms=(now - since) * 1000))

    def _fail(self, why: str) -> None:
        while self._waiting:
            _, _, answer = self._waiting.popleft()
            if not answer.done():
                answer.set_exception(ConnectionError(why))
                answer.exception()


def control_id_of(message: bytes) -> str:
    """MSH-10 of a message; "" when there is none to be read."""
    found = peek(message)
    return "" if isinstance(found, Reject) else found.control_id


def read_messages(files: Sequence[Path]) -> Iterator[bytes | Reject]:
    """Every message in the files, and what was wrong with their batches. Raises `Problem` for an unreadable file."""
    for path in files:
        try:
            with path.open("rb") as file:
                for message, reject in split(iter(functools.partial(file.read, _CHUNK), b"")):
                    yield message if reject is None else reject
        except OSError as error:
            raise Problem(f"{path}: cannot be read ({error.strerror})") from None


class _Sent(NamedTuple):
    control_id: str
    ack: str  # MSA-1, "" when there was none
    error: str
    ms: float | None


def client_tls(
    *, tls: bool, ca: Path | None, cert: Path | None, key: Path | None, insecure: bool
) -> ssl.SSLContext | None:
    """The client's side of TLS, or None when none of the options asks for it. Raises `Problem`."""
    if not (tls or ca or cert or insecure):
        return None
    try:
        context = ssl.create_default_context(cafile=ca)
        if cert is not None:
            context.load_cert_chain(cert, key)
    except (OSError, ValueError) as error:
        raise Problem(f"--ca, --cert or --key cannot be used ({type(error).__name__}): expected PEM files") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def run_send(
    files: Sequence[Path],
    to: str,
    *,
    tls: bool = False,
    ca: Path | None = None,
    cert: Path | None = None,
    key: Path | None = None,
    insecure: bool = False,
    rate: float | None = None,
    repeat: int = 1,
    connections: int = 1,
    timeout: float = 30,
    as_json: bool = False,
) -> int:
    """Sends every message of `files`; 0 when all were acknowledged positively, else 1. `rate` is messages a second."""
    host, _, port = to.rpartition(":")
    if not host or not port.isdigit():
        raise Problem("--to: expected HOST:PORT, for example 127.0.0.1:2575")
    context = client_tls(tls=tls, ca=ca, cert=cert, key=key, insecure=insecure)
    clients = [MllpClient(host.strip("[]"), int(port), tls=context) for _ in range(connections)]
    messages = (message for _ in range(repeat) for message in read_messages(files))
    sending = _Sending(messages, clients, rate, timeout)
    sent = asyncio.run(sending.run(lambda one: print_json(one._asdict()) if as_json else None))
    if not as_json:
        _show(sent, sending)
    return 0 if sending.total and sending.positive == sending.total else 1


def print_json(value: object) -> None:
    """One line of JSON on standard output."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


class _Sending:
    """One run over shared messages: each connection takes the next one when its last is answered."""

    def __init__(
        self, messages: Iterable[bytes | Reject], clients: Sequence[MllpClient], rate: float | None, timeout: float
    ) -> None:
        self._messages = iter(messages)
        self._clients = clients
        self._rate = rate
        self._timeout = timeout
        self._next_at = 0.0
        self.total = 0
        self.positive = 0
        self.faults: list[Reject] = []
        self.seconds = 0.0

    async def run(self, tell: Callable[[_Sent], None]) -> list[_Sent]:
        """What became of each message; only the last ones and the failed ones are kept."""
        began = time.perf_counter()
        kept: collections.deque[_Sent] = collections.deque(maxlen=_MOST_SHOWN)

        async def over(client: MllpClient) -> None:
            while (message := self._next_message()) is not None:
                await self._pace()
                one = await self._send(client, message)
                self.total += 1
                self.positive += one.ack in _POSITIVE
                kept.append(one)
                tell(one)

        try:
            async with asyncio.TaskGroup() as group:
                for client in self._clients:
                    group.create_task(over(client))
        finally:
            await asyncio.gather(*(client.close() for client in self._clients))
        self.seconds = time.perf_counter() - began
        return list(kept)

    def _next_message(self) -> bytes | None:
        for item in self._messages:
            if isinstance(item, Reject):
                self.faults.append(item)
            else:
                return item
        return None

    async def _pace(self) -> None:
        if self._rate is None:
            return
        now = time.perf_counter()
        at = self._next_at = max(now, self._next_at)
        self._next_at += 1 / self._rate
        await asyncio.sleep(at - now)

    async def _send(self, client: MllpClient, message: bytes) -> _Sent:
        control_id = control_id_of(message)
        try:
            if not client.connected:
                await client.connect(self._timeout)
            ack = await client.send_and_wait(message, self._timeout, control_id)
        except TimeoutError:
            return _Sent(control_id, "", f"no acknowledgement in {self._timeout:g} s", None)
        except ConnectionError as error:
            return _Sent(control_id, "", str(error), None)
        return _Sent(control_id, ack.code, ack.error, round(ack.ms, 1))


def _show(sent: Sequence[_Sent], sending: _Sending) -> None:
    console = Console()
    table = Table("control id", "ACK", "ms", "error", box=None)
    for one in sent:
        style = "" if one.ack in _POSITIVE else "red"
        table.add_row(
            one.control_id, one.ack or "none", "" if one.ms is None else f"{one.ms:.1f}", one.error, style=style
        )
    console.print(table)
    for fault in sending.faults:
        console.print(f"in the file: {fault.code.value} at {fault.place or 'the message'}", style="yellow")
    if sending.total > len(sent):
        console.print(f"(the last {len(sent)} of {sending.total})")
    rate = f", {sending.total / sending.seconds:.0f} messages/s" if sending.seconds else ""
    console.print(f"{sending.positive} of {sending.total} acknowledged positively{rate}")
