"""Serves MLLP: frames from sockets in, one acknowledgement each in their order out, whatever the peer does.

A connection has two tasks. One reads, cuts frames and hands each to the door at once; the other writes the answers in
the order of the frames. Between them stand at most `WINDOW` unanswered frames; when they are all in use the socket is
not read, and TCP makes the sender wait. Nobody waits for anybody else: reads, writes, handshakes and the closing of
each connection have their own deadline, and when all connections together hold more than `max_buffered_bytes`, the one
with the largest unfinished frame is closed. Every connection ends with a word of `Closed`, counted and logged.
"""

import asyncio
import collections
import errno
import socket
import ssl
from collections.abc import Awaitable
from enum import StrEnum
from typing import Final, NamedTuple

import structlog

from parsers.mllp import Decoder, FrameFault, frame
from parsers.outcomes import RejectCode
from streams import metrics
from streams.door import Answer, Door, Fate
from streams.metrics import Stage, Way
from streams.settings import Settings

log = structlog.get_logger()

WINDOW: Final = 128  # unanswered frames of one connection
_READ_BYTES: Final = 65536
_TURN: Final = 16  # frames of one connection before others get their turn
_HANDSHAKE_SECONDS: Final = 10.0
_WRITE_SECONDS: Final = 15.0  # a peer that does not take its acknowledgements for so long is closed
_CLOSE_SECONDS: Final = 2.0
_LARGE: Final = 65536  # an unfinished frame below this is never the one to go
_GARBAGE_BYTES: Final = 1024 * 1024  # outside frames; more of it in a row is no MLLP
_NO_FRAME: Final = frozenset({RejectCode.FRAME_GARBAGE, RejectCode.NOT_MLLP})
_HTTP_ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 62\r\n\r\n"
    b"This port speaks MLLP. POST /hl7 is on the HTTP port instead.\n"
)
_OUT_OF_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Closed(StrEnum):
    """How a connection ended."""

    PEER = "peer"  # orderly, between frames
    IN_FRAME = "in_frame"  # the peer went away with a frame unfinished
    LOST = "lost"  # reset
    IDLE = "idle"
    FRAME_TIMEOUT = "frame_timeout"
    WRITE_TIMEOUT = "write_timeout"
    BUFFERS_FULL = "buffers_full"
    NOT_MLLP = "not_mllp"
    TLS_FAILED = "tls_failed"
    TOO_MANY = "too_many"
    TOO_MANY_OF_PEER = "too_many_of_peer"
    STOPPING = "stopping"
    CRASHED = "crashed"  # a bug of ours


_AT_ONCE: Final = frozenset({Closed.LOST, Closed.CRASHED, Closed.IN_FRAME, Closed.WRITE_TIMEOUT, Closed.BUFFERS_FULL})


class _Unanswered(NamedTuple):
    answer: Awaitable[Answer]
    size: int
    since: float  # loop time at which the frame was complete
    last: bool = False  # nothing is read behind it


class MllpServer:
    """Listens from `start` to `stop`; `port` is the bound one. `start` raises `OSError` when it cannot bind."""

    def __init__(self, settings: Settings, door: Door, tls: ssl.SSLContext | None = None) -> None:
        self.settings = settings
        self.door = door
        self.port = 0
        self._tls = tls
        self._listening: list[tuple[socket.socket, asyncio.Task[None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._peers: collections.Counter[str] = collections.Counter()
        self._connections: set[_Connection] = set()
        self._buffered = 0
        self._freed = asyncio.Event()
        self._stopping = False

    async def start(self) -> None:
        host, port = self.settings.mllp_host, self.settings.mllp_port
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, address in dict.fromkeys(found):
            listening = socket.socket(family, kind, protocol)
            try:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listening.bind((address[0], self.port or port))
                listening.listen(512)
                listening.setblocking(False)
            except OSError:
                listening.close()
                self._stop_listening()
                raise
            self.port = listening.getsockname()[1]
            self._listening.append((listening, asyncio.create_task(self._accept(listening))))

    async def stop(self) -> None:
        """Takes no more connections and frames, answers the frames it has, and closes. Bounded."""
        self._stopping = True
        self._stop_listening()
        for connection in list(self._connections):
            connection.end(Closed.STOPPING)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self.settings.accept_seconds + _CLOSE_SECONDS + 1)
        for task in list(self._tasks):
            task.cancel()

    def _stop_listening(self) -> None:
        for listening, task in self._listening:
            task.cancel()
            listening.close()
        self._listening.clear()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                peer, address = await loop.sock_accept(listening)
            except OSError as error:
                log.error("mllp_cannot_accept", errno=error.errno)
                await asyncio.sleep(0.5 if error.errno in _OUT_OF_FILES else 0.01)
                continue
            task = asyncio.create_task(self._serve(peer, str(address[0])))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, peer: socket.socket, host: str) -> None:
        if refused := self._over_limit(host):
            metrics.CONNECTIONS_REFUSED.labels(Way.MLLP).inc()
            self._ended(refused, host)
            peer.close()
            return
        self._peers[host] += 1
        metrics.CONNECTIONS.labels(Way.MLLP).inc()
        outcome = Closed.TLS_FAILED if self._tls else Closed.LOST
        try:
            reader, writer = await self._open(peer)
            outcome = Closed.LOST
            connection = _Connection(self, reader, writer)
            self._connections.add(connection)
            try:
                outcome = await connection.run()
            finally:
                self._connections.discard(connection)
                self.release(connection.held)
        except OSError as error:
            log.debug("mllp_connection_failed", error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 our bug, and its text may hold PHI: one connection ends, nothing else
            outcome = Closed.CRASHED
            log.error("mllp_connection_crashed", error=type(error).__name__)
        finally:
            peer.close()
            self._peers[host] -= 1
            if not self._peers[host]:
                del self._peers[host]
            metrics.CONNECTIONS.labels(Way.MLLP).dec()
            self._ended(outcome, host)

    def _over_limit(self, host: str) -> Closed | None:
        if self._stopping:
            return Closed.STOPPING
        if self._peers.total() >= self.settings.max_connections:
            return Closed.TOO_MANY
        if self._peers[host] >= self.settings.max_connections_per_peer:
            return Closed.TOO_MANY_OF_PEER
        return None

    async def _open(self, peer: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        reader = asyncio.StreamReader(limit=_READ_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, peer, ssl=self._tls, ssl_handshake_timeout=_HANDSHAKE_SECONDS if self._tls else None
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    def hold(self, size: int) -> None:
        self._buffered += size
        metrics.BUFFERED.set(self._buffered)

    def release(self, size: int) -> None:
        self._buffered -= size
        metrics.BUFFERED.set(self._buffered)
        self._freed.set()

    async def room(self) -> None:
        """Returns when another read is affordable; makes room where somebody hoards."""
        while self._buffered > self.settings.max_buffered_bytes:
            largest = max(self._connections, key=lambda connection: connection.unfinished)
            if largest.unfinished > _LARGE:
                largest.end(Closed.BUFFERS_FULL)
            self._freed.clear()
            await self._freed.wait()

    @staticmethod
    def _ended(outcome: Closed, host: str) -> None:
        metrics.CONNECTIONS_CLOSED.labels(outcome).inc()
        if outcome not in (Closed.PEER, Closed.STOPPING):
            log.warning("mllp_connection_ended", outcome=outcome, peer=host)


class _Connection:
    """One peer, from its first byte to its last. `held` counts its bytes in the server's budget."""

    def __init__(self, server: MllpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder(server.settings.max_frame_bytes)
        self._unanswered: asyncio.Queue[_Unanswered | None] = asyncio.Queue()
        self._window = asyncio.Semaphore(WINDOW)
        self._reading: asyncio.Task[Closed] | None = None
        self._told: Closed | None = None
        self._outcome = Closed.LOST
        self.held = 0
        self.unfinished = 0

    def end(self, outcome: Closed) -> None:
        """Stops reading; what has been taken is still answered."""
        if self._told is None:
            self._told = outcome
            if self._reading is not None:
                self._reading.cancel()

    async def run(self) -> Closed:
        """Serves until either side ends it."""
        try:
            self._outcome = await self._serve()
        finally:
            await self._close()
        return self._outcome

    async def _serve(self) -> Closed:
        reading = self._reading = asyncio.create_task(self._read())
        answering = asyncio.create_task(self._answer())
        try:
            await asyncio.wait({reading, answering}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                reading.cancel()
                await asyncio.wait({reading})
                return answering.result() or Closed.LOST
            outcome = self._told if reading.cancelled() and self._told else reading.result()
            self._drop_unfinished()
            self._unanswered.put_nowait(None)
            return await answering or outcome
        finally:
            reading.cancel()
            answering.cancel()
            await asyncio.wait({reading, answering})

    async def _close(self) -> None:
        """Lets the last answer arrive: bytes that nobody read would make the system throw it away."""
        if self._outcome in _AT_ONCE:
            self._writer.transport.abort()
            return
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                if self._outcome is not Closed.PEER and self._writer.can_write_eof():
                    self._writer.write_eof()
                    while not self._reader.at_eof() and await self._reader.read(_READ_BYTES):
                        pass
                self._writer.close()
                await self._writer.wait_closed()
        except (OSError, TimeoutError, RuntimeError):
            self._writer.transport.abort()

    async def _read(self) -> Closed:
        loop = asyncio.get_running_loop()
        settings = self._server.settings
        decoder = self._decoder
        since = loop.time()  # of the unfinished frame's first bytes, else of the last bytes at all
        outside = 0  # bytes since the last frame
        first = b""
        while True:
            await self._server.room()
            in_frame = decoder.open
            try:
                async with asyncio.timeout_at(since + (settings.frame_seconds if in_frame else settings.idle_seconds)):
                    data = await self._reader.read(_READ_BYTES)
            except TimeoutError:
                return self._out_of_time() if in_frame else Closed.IDLE
            except OSError:
                return Closed.LOST
            if not data:
                for fault in decoder.finish():
                    metrics.REFUSED.labels(fault.code).inc()
                return Closed.IN_FRAME if in_frame else Closed.PEER
            first = first or data[:1]
            items = decoder.feed(data)
            self._count_unfinished()
            outside += len(data)
            for number, item in enumerate(items, 1):
                if number % _TURN == 0:
                    await asyncio.sleep(0)
                if not isinstance(item, FrameFault) or item.code not in _NO_FRAME:
                    outside = 0
                    await self._window.acquire()
                    self._take(item)
                    continue
                metrics.REFUSED.labels(item.code).inc()
                if item.code is RejectCode.NOT_MLLP:
                    if first.isalpha():
                        self._writer.write(_HTTP_ANSWER)
                    return Closed.NOT_MLLP
            outside = 0 if decoder.open else outside
            if outside > _GARBAGE_BYTES:
                return Closed.NOT_MLLP
            if not (in_frame and decoder.open and not items):
                since = loop.time()

    def _take(self, item: bytes | FrameFault) -> None:
        now = asyncio.get_running_loop().time()
        if isinstance(item, FrameFault):
            self._unanswered.put_nowait(_Unanswered(_settled(self._server.door.refuse(item.code, item.head)), 0, now))
            return
        self._server.hold(len(item))
        self.held += len(item)
        self._unanswered.put_nowait(_Unanswered(self._server.door.take(item, Way.MLLP), len(item), now))

    def _out_of_time(self) -> Closed:
        unfinished = self._decoder.finish()
        if not unfinished:  # the rest of a frame that has its answer: it was too large
            metrics.REFUSED.labels(RejectCode.FRAME_TIMEOUT).inc()
            return Closed.FRAME_TIMEOUT
        answer = self._server.door.refuse(RejectCode.FRAME_TIMEOUT, unfinished[0].head, Fate.UNAVAILABLE)
        self._unanswered.put_nowait(_Unanswered(_settled(answer), 0, asyncio.get_running_loop().time()))
        return Closed.FRAME_TIMEOUT

    def _count_unfinished(self) -> None:
        change = self._decoder.buffered - self.unfinished
        self.unfinished += change
        self.held += change
        self._server.hold(change)

    def _drop_unfinished(self) -> None:
        self.held -= self.unfinished
        self._server.release(self.unfinished)
        self.unfinished = 0

    async def _answer(self) -> Closed | None:
        """Writes answers until told to stop (None) or the peer does not take them."""
        loop = asyncio.get_running_loop()
        writer = self._writer
        written = 0
        while (unanswered := await self._unanswered.get()) is not None:
            answer = await unanswered.answer
            written += 1
            if written % _TURN == 0:
                await asyncio.sleep(0)
            try:
                if answer.ack is not None and answer.code is not None:
                    writer.write(frame(answer.ack))
                    metrics.ACKS.labels(answer.code).inc()
                    metrics.STAGE.labels(Stage.ACK).observe(loop.time() - unanswered.since)
                async with asyncio.timeout(_WRITE_SECONDS):
                    await writer.drain()
            except TimeoutError:
                return Closed.WRITE_TIMEOUT
            except OSError:
                return Closed.LOST
            finally:
                self.held -= unanswered.size
                self._server.release(unanswered.size)
                self._window.release()
        return None


def _settled(answer: Answer) -> Awaitable[Answer]:
    done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    done.set_result(answer)
    return done
