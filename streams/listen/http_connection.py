"""HTTP/1.1 connections with their place among all and a limit of how long a request may take to begin; their server."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Collection, Iterator
from typing import Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from streams.listen.connections import Closed, Limits, Place
from streams.listen.senders import caller_of
from streams.run import metrics

_READ_BYTES: Final = 65536
_BEGIN_SECONDS: Final = 10.0  # from a request's first byte, or the connection, to the end of its header
TLS: Final = "tls"  # key of the connection's SSL object in the scope's state


class Guarded(H11Protocol):
    """HTTP/1.1 with a place among all connections, and a limit of the time a request may take to begin."""

    opening: asyncio.Task[None] | None = None
    _limits: Limits | None = None
    _place: Place | None = None
    _beginning: asyncio.TimerHandle | None = None

    certificate: tuple[str, int] = ("", 0)  # the issuer and serial number of what it showed

    def begin(self, limits: Limits, place: Place) -> None:
        self._limits, self._place = limits, place

    def end(self) -> None:
        """Makes room: this connection has brought nothing for long."""
        metrics.CONNECTIONS_CLOSED.labels(Closed.MADE_ROOM).inc()
        if self.opening is not None and not self.opening.done():
            self.opening.cancel()
        else:
            self.transport.abort()

    def leave(self) -> None:
        if self._limits is not None and self._place is not None:
            self._limits.leave(self._place)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        self.app_state = {**self.app_state, TLS: tls}
        caller = caller_of("", tls)
        self.certificate = caller.issuer, caller.serial
        if hasattr(transport, "max_size"):
            transport.max_size = _READ_BYTES
        self._beginning = self.loop.call_later(_BEGIN_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._begun()
            if self._place is not None:
                self._place.heard = time.monotonic()
                self._place.brought = True
        elif self._beginning is None:
            self._beginning = self.loop.call_later(_BEGIN_SECONDS, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._begun()
        self.leave()
        super().connection_lost(exc)

    def _begun(self) -> None:
        if self._beginning is not None:
            self._beginning.cancel()
            self._beginning = None


class Server(uvicorn.Server):
    """Leaves the sockets to `HttpIn` and the signals to the listener, and tells when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    def protocol(self) -> Guarded:
        """What serves one new connection."""
        return Guarded(self.config, self.server_state, self.lifespan.state, asyncio.get_running_loop())

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        self.servers = []
        self.started = True
        self.ready.set()

    def end_revoked(self, revoked: Collection[tuple[str, int]]) -> None:
        """Ends connections whose certificate is one of these, once the request in hand is answered."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, Guarded) and connection.certificate in revoked:
                metrics.CONNECTIONS_CLOSED.labels(Closed.REVOKED).inc()
                connection.shutdown()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
