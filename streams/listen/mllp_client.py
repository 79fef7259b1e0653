"""A message to an MLLP listener in; its acknowledgment out."""

import asyncio
import collections
import re
import ssl
import time
from typing import Final, NamedTuple

from parsers.hl7.er7 import peek
from parsers.hl7.mllp import Decoder, frame
from parsers.outcomes import Reject

CHUNK: Final = 1 << 16
_LARGEST_ACK: Final = 1 << 20
POSITIVE: Final = frozenset({"AA", "CA"})
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
        return self.code in POSITIVE


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
            while data := await reader.read(CHUNK):
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
    seen = peek(message)
    return "" if isinstance(seen, Reject) else seen.control_id
