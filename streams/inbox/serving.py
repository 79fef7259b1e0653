"""HTTP/1.1 of the inbox: a request comes whole within a time, a peer that answers nothing is given up."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

import h11
import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from streams.run.certificates import say_until
from streams.run.file_stamp import Stamp, stamp
from streams.run.listening import bind
from streams.run.metrics import CertificateFile
from streams.run.problems import Problem

REQUEST_SECONDS: Final = 10.0
LOOK_TICKS: Final = 300
UNANSWERED_MS: Final = 20_000  # bytes that nobody acknowledges for so long end the connection (RFC 5482)

log = structlog.get_logger()


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
    """When it is told to stop it hears nobody new any more and then ends its event streams: stopping takes no time, and
    a page that comes back at once finds another inbox behind the same port."""

    def __init__(
        self, config: uvicorn.Config, before_stop: Callable[[], None], certificates: "Certificates | None" = None
    ) -> None:
        super().__init__(config)
        self._before_stop = before_stop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._certificates = certificates
        if certificates:
            config.load()
            config.ssl = certificates.context

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; the certificate's files are looked at twice a minute."""
        if self._certificates and counter % LOOK_TICKS == 0:
            self._certificates.look()
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """In the signal's handler."""
        super().handle_exit(sig, frame)
        if self._loop:
            self._loop.call_soon_threadsafe(self._close)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._close()
        await super().shutdown(sockets)

    def _close(self) -> None:
        for server in self.servers:
            server.close()
        self._before_stop()


class Certificates:
    """TLS 1.2 or newer by PEM files; after a change `look` reads them again, for new connections."""

    def __init__(self, cert: Path, key: Path | None) -> None:
        """Raises `Problem` when they cannot be used."""
        self._files = (cert, key)
        self._seen = self._state()
        try:
            self.context = self._read()
            say_until(CertificateFile.INBOX_TLS_CERT, cert)
        except (OSError, ValueError) as error:
            raise Problem(
                f"HANDOFF_INBOX_TLS_CERT and HANDOFF_INBOX_TLS_KEY: cannot be used ({type(error).__name__}): expected "
                "readable PEM files that fit"
            ) from None

    def look(self) -> bool:
        """Whether new files came in force; what cannot be used leaves the old ones."""
        seen = self._state()
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self._read()
            self.context.load_cert_chain(*self._files)
            say_until(CertificateFile.INBOX_TLS_CERT, self._files[0])
        except (OSError, ValueError) as error:
            log.error("inbox_tls_files_not_usable", error=type(error).__name__)
            return False
        log.info("inbox_tls_files_read_again")
        return True

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*self._files)
        return context

    def _state(self) -> tuple[Stamp | None, ...]:
        return tuple(stamp(path) for path in self._files)


def listening_socket(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A bound socket whose connections end by themselves when their peer has vanished. Raises `Problem`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MS)
    try:
        bind(listening, (host, port), shared=shared)
        listening.listen(256)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise Problem(
            f"HANDOFF_INBOX_HOST and HANDOFF_INBOX_PORT: cannot listen there ({why}): choose another"
        ) from None
    return listening
