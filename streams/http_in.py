"""Takes HL7 v2 messages over HTTP: `POST /hl7` with one message in, the same acknowledgement as over MLLP out.

| status | meaning | body |
|---|---|---|
| 200 | stored (AA, CA) | acknowledgement |
| 400 | never send it again (AR, CR) | acknowledgement |
| 413 | too large (AR, CR) | acknowledgement |
| 503 with Retry-After | not stored, send it again (AE, CE) | acknowledgement |
| 401, 405, 408, 415, 429 | not looked at: token, method, too slow, content type, too many at once | a sentence |

With a token set, `Authorization: Bearer …` must carry it; without one only loopback is heard. A sender that asks for no
acknowledgement (MSH-15/MSH-16) gets the status with an empty body.
"""

import asyncio
import collections
import contextlib
import hmac
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import h11
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from parsers.outcomes import RejectCode
from streams import metrics
from streams.door import Answer, Door, Fate
from streams.metrics import Stage, Way
from streams.settings import Settings

_TYPES: Final = frozenset({"application/hl7-v2", "x-application/hl7-v2+er7", "application/hl7-v2+er7"})
_ANSWER_TYPE: Final = "application/hl7-v2"
_RETRY_SECONDS: Final = "5"
_HEAD_BYTES: Final = 4096
_BEGIN_SECONDS: Final = 10.0  # from a request's first byte, or the connection, to the end of its header
MESSAGE_ID_HEADER: Final = "Handoff-Message-Id"  # our id of a stored message


class HttpIn:
    """The HTTP way in, from `start` to `stop`; `port` is the bound one. `start` raises `OSError` when that fails."""

    def __init__(self, settings: Settings, door: Door, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self._settings = settings
        self._door = door
        self._tls = tls
        self._token = settings.http_token.get_secret_value()
        self._held = 0
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        family = socket.AF_INET6 if ":" in self._settings.mllp_host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((self._settings.mllp_host, self._settings.http_port))
        except OSError:
            listening.close()
            raise
        self.port = listening.getsockname()[1]
        app = Starlette(routes=[Route("/hl7", self._hl7, methods=["POST"])])
        tls = self._tls
        config = uvicorn.Config(
            app,
            http=_guarded(self._settings),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=int(self._settings.accept_seconds) + 2,
            ssl_context_factory=None if tls is None else lambda _config, _default: tls,
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        await self._server.ready.wait()

    async def stop(self) -> None:
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving

    async def _hl7(self, request: Request) -> Response:
        if not self._may_come_in(request):
            return PlainTextResponse("a bearer token is needed here\n", 401, {"WWW-Authenticate": "Bearer"})
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _TYPES:
            return PlainTextResponse(f"send one message as {_ANSWER_TYPE}\n", 415)
        began = asyncio.get_running_loop().time()
        announced = request.headers.get("content-length", "")
        expected = int(announced) if announced.isdigit() else self._settings.max_frame_bytes
        if self._held + min(expected, self._settings.max_frame_bytes) > self._settings.max_buffered_bytes:
            return PlainTextResponse("too much at once, try again\n", 429, {"Retry-After": _RETRY_SECONDS})
        body = bytearray()
        try:
            async with asyncio.timeout(self._settings.frame_seconds):
                async for piece in request.stream():
                    body += piece
                    self._hold(len(piece))
                    if len(body) > self._settings.max_frame_bytes:
                        head = bytes(body[:_HEAD_BYTES])
                        return _response(self._door.refuse(RejectCode.FRAME_TOO_LARGE, head), 413)
            answer = await self._door.take(bytes(body), Way.HTTP)
        except TimeoutError:
            metrics.REFUSED.labels(RejectCode.FRAME_TIMEOUT).inc()
            return PlainTextResponse("the message did not arrive in time\n", 408, {"Connection": "close"})
        except ClientDisconnect:
            return Response(status_code=400)
        finally:
            self._hold(-len(body))
        metrics.STAGE.labels(Stage.ACK).observe(asyncio.get_running_loop().time() - began)
        match answer.fate:
            case Fate.STORED:
                return _response(answer, 200)
            case Fate.REFUSED:
                return _response(answer, 400)
            case Fate.UNAVAILABLE:
                return _response(answer, 503)

    def _hold(self, size: int) -> None:
        self._held += size

    def _may_come_in(self, request: Request) -> bool:
        if self._token:
            scheme, _, shown = request.headers.get("authorization", "").partition(" ")
            return scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), self._token.encode())
        try:
            return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
        except ValueError:
            return False


def _response(answer: Answer, status: int) -> Response:
    if answer.code is not None:
        metrics.ACKS.labels(answer.code).inc()
    headers = {"Retry-After": _RETRY_SECONDS} if status == 503 else {"Connection": "close"} if status == 413 else {}
    if answer.message_id:
        headers[MESSAGE_ID_HEADER] = answer.message_id
    return Response(answer.ack or b"", status, headers, media_type=_ANSWER_TYPE)


def _guarded(settings: Settings) -> type[H11Protocol]:
    """HTTP/1.1 with the limits of connections, and of the time a request may take to begin."""
    peers: collections.Counter[str] = collections.Counter()

    class Guarded(H11Protocol):
        _beginning: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            metrics.CONNECTIONS.labels(Way.HTTP).inc()
            host = self.client[0] if self.client else ""
            peers[host] += 1
            if peers.total() > settings.max_connections or peers[host] > settings.max_connections_per_peer:
                metrics.CONNECTIONS_REFUSED.labels(Way.HTTP).inc()
                transport.abort()
                return
            self._beginning = self.loop.call_later(_BEGIN_SECONDS, transport.abort)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:
                self._begun()
            elif self._beginning is None:
                self._beginning = self.loop.call_later(_BEGIN_SECONDS, self.transport.abort)

        def connection_lost(self, exc: Exception | None) -> None:
            self._begun()
            metrics.CONNECTIONS.labels(Way.HTTP).dec()
            host = self.client[0] if self.client else ""
            peers[host] -= 1
            if not peers[host]:
                del peers[host]
            super().connection_lost(exc)

        def _begun(self) -> None:
            if self._beginning is not None:
                self._beginning.cancel()
                self._beginning = None

    return Guarded


class _Server(uvicorn.Server):
    """Leaves the signals to the listener, and tells when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
