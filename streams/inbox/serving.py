"""HTTP/1.1 of the inbox: a request comes whole within a time, a peer that answers nothing is given up."""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any, Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from streams.run.problems import Problem

REQUEST_SECONDS: Final = 10.0
UNANSWERED_MS: Final = 20_000  # bytes that nobody acknowledges for so long end the connection (RFC 5482)


class TimedProtocol(H11Protocol):
    """uvicorn has a time-out between requests and none within one."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state not in {h11.IDLE, h11.SEND_BODY} or self.transport.is_closing():
            self._unwatch()
        elif self._late is None:
            self._late = self.loop.call_later(REQUEST_SECONDS, self._give_up)

    def _unwatch(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        self.transport.close()


class StoppingServer(uvicorn.Server):
    """Ends open event streams first when it is told to stop, so that stopping takes no time."""

    def __init__(self, config: uvicorn.Config, before_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._before_stop = before_stop

    def handle_exit(self, sig: int, frame: Any) -> None:
        self._before_stop()
        super().handle_exit(sig, frame)


def listening_socket(host: str, port: int) -> socket.socket:
    """A bound socket whose connections end by themselves when their peer has vanished. Raises `Problem`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MS)
    try:
        listening.bind((host, port))
        listening.listen(256)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise Problem(
            f"HANDOFF_INBOX_HOST and HANDOFF_INBOX_PORT: cannot listen there ({why}): choose another"
        ) from None
    return listening
