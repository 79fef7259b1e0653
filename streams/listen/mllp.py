"""Serves MLLP: frames from sockets in, one acknowledgement each in their order out, whatever the peer does.

A connection has two tasks. One reads, cuts frames and hands each to the door at once; the other writes the answers in
the order of the frames. Between them stand at most `WINDOW` unanswered frames; when they are all in use the socket is
not read, and TCP makes the sender wait. Nobody waits for anybody else: reads, writes, handshakes and the closing of
each connection have their own deadline, large reads are taken in small bites, and what all may hold together is in
`streams.listen.connections`. Every connection ends with a word of `Closed`, counted and logged. An empty frame is no
message and gets no answer (some engines keep a line alive so); a message whose VT was lost gets AR.
"""

import asyncio
import socket
import ssl
from collections.abc import Collection
from typing import Final

import structlog

from streams.listen.connections import Acceptor, Closed, Limits, Place
from streams.listen.intake import Door
from streams.listen.mllp_connection import Connection
from streams.listen.tls import failure_of
from streams.run import metrics
from streams.run.crash import traced
from streams.run.listening import bind
from streams.run.metrics import Way
from streams.run.settings import Settings

log = structlog.get_logger()

_READ_BYTES: Final = 65536
_HANDSHAKE_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 2.0


class MllpServer:
    """Listens from `start` to `stop`; `port` is the bound one. `start` raises `OSError` when it cannot bind."""

    def __init__(
        self, settings: Settings, door: Door, tls: ssl.SSLContext | None = None, limits: Limits | None = None
    ) -> None:
        self.settings = settings
        self.door = door
        self.port = 0
        self._tls = tls
        self.limits = limits or Limits(settings)
        self._listening: list[Acceptor] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: set[Connection] = set()
        self._stopping = False

    def renew(self, tls: ssl.SSLContext | None, revoked: Collection[tuple[str, int]]) -> None:
        """New connections speak this. Those that stand stay as they are, unless their certificate, by issuer and serial
        number, is revoked; with another they come back."""
        self._tls = tls
        for connection in list(self._connections):
            if connection.certificate in revoked:
                connection.end(Closed.REVOKED)

    @property
    def running(self) -> list[asyncio.Task[None]]:
        """Tasks that must not end before `stop`."""
        return [acceptor.task for acceptor in self._listening]

    async def start(self) -> None:
        host, port = self.settings.mllp_host, self.settings.mllp_port
        addresses = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, address in dict.fromkeys(addresses):
            listening = socket.socket(family, kind, protocol)
            try:
                if family == socket.AF_INET6:
                    listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                bind(listening, (address[0], self.port or port), shared=self.settings.share_ports)
                listening.listen(512)
                listening.setblocking(False)
            except OSError:
                listening.close()
                self._stop_listening()
                raise
            self.port = listening.getsockname()[1]
            self._listening.append(Acceptor(listening, Way.MLLP, self.limits, self._take_in))

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
        for acceptor in self._listening:
            acceptor.close()
        self._listening.clear()

    def _take_in(self, peer: socket.socket, host: str) -> None:
        """Gives a new connection its place and its task; the place is left when the task ends."""
        task: asyncio.Task[None]
        connection = Connection(self.settings, self.door, self.limits, host)

        def end(outcome: Closed) -> None:
            if connection.begun:
                connection.end(outcome)
            else:
                connection.told = outcome
                task.cancel()

        place = Closed.STOPPING if self._stopping else self.limits.enter(host, Way.MLLP, end)
        if isinstance(place, Closed):
            metrics.CONNECTIONS_CLOSED.labels(place).inc()
            peer.close()
            return
        connection.place = place
        task = asyncio.create_task(self._serve(peer, connection, place))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, peer: socket.socket, connection: Connection, place: Place) -> None:
        outcome = Closed.LOST
        cause = ""
        try:
            try:
                reader, writer = await self._open(peer)
            except (OSError, EOFError) as error:
                if self._tls:
                    outcome, cause = Closed.TLS_FAILED, failure_of(error)
                    metrics.TLS_FAILURES.labels(cause).inc()
                return
            self._connections.add(connection)
            self.limits.holders.add(connection)
            try:
                outcome = await connection.run(reader, writer)
            finally:
                self._connections.discard(connection)
                self.limits.holders.discard(connection)
                self.limits.release(connection.held)
        except asyncio.CancelledError:
            outcome = connection.told or Closed.STOPPING
            if not connection.told:
                raise
        except OSError as error:
            log.debug("mllp_connection_failed", error=type(error).__name__)
        except Exception as error:  # our bug, and its text may hold PHI: one connection ends, nothing else
            outcome = Closed.CRASHED
            log.error("mllp_connection_crashed", **traced(error))
        finally:
            peer.close()
            self.limits.leave(place)
            self._ended(outcome, connection.host, cause)

    async def _open(self, peer: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        reader = asyncio.StreamReader(limit=_READ_BYTES // 2)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, peer, ssl=self._tls, ssl_handshake_timeout=_HANDSHAKE_SECONDS if self._tls else None
        )
        if hasattr(transport, "max_size"):
            transport.max_size = _READ_BYTES  # most that asyncio reads at a time before we can say stop
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    @staticmethod
    def _ended(outcome: Closed, host: str, cause: str) -> None:
        metrics.CONNECTIONS_CLOSED.labels(outcome).inc()
        if outcome not in (Closed.PEER, Closed.STOPPING):
            why = {"cause": cause} if cause else {}
            log.warning("mllp_connection_ended", outcome=outcome, peer=host, **why)
