"""Takes HL7 v2 messages over HTTP: `POST /hl7` with one message in, the same acknowledgement as over MLLP out.

| status | meaning | body |
|---|---|---|
| 200 | stored (AA, CA) | acknowledgement |
| 400 | never send it again (AR, CR) | acknowledgement |
| 413 | too large (AR, CR) | acknowledgement |
| 503 with Retry-After | not stored, send it again (AE, CE) | acknowledgement |
| 400, 401, 403, 405, 408, 415, 429 | not looked at: malformed, token, host, method, slow, type, too much | a sentence |

With a token set, `Authorization: Bearer …` must carry it, and a peer that shows ten wrong ones in a minute waits for
the next minute. Without one only loopback is heard, and only under a name of loopback: a web page that has its own name
point here (DNS rebinding) sends that name in `Host`. A sender that asks for no acknowledgement (MSH-15/MSH-16) gets the
status with an empty body; one that asks for both gets the application's, for 200 says the other.
"""

import asyncio
import contextlib
import hmac
import ipaddress
import re
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import h11
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from parsers.outcomes import RejectCode
from streams.listen.connections import Acceptor, Closed, Limits, Place, peer_of
from streams.listen.intake import Answer, Door, Fate
from streams.listen.senders import caller_of
from streams.listen.tls import failure_of
from streams.run import metrics
from streams.run.metrics import Stage, Way
from streams.run.settings import Settings

log = structlog.get_logger()

_TYPES: Final = frozenset({"application/hl7-v2", "x-application/hl7-v2+er7", "application/hl7-v2+er7"})
_ANSWER_TYPE: Final = "application/hl7-v2"
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{0,5})?")
_RETRY_SECONDS: Final = "5"
_HEAD_BYTES: Final = 4096
_STEP_BYTES: Final = 5 * 65536  # reserved ahead of a body that does not say how long it is: most that comes at a time
_READ_BYTES: Final = 65536
_HANDSHAKE_SECONDS: Final = 10.0
_GUESSES: Final = 10  # wrong tokens of one peer in
_GUESSES_SECONDS: Final = 60.0
_MOST_GUESSERS: Final = 1000
_BEGIN_SECONDS: Final = 10.0  # from a request's first byte, or the connection, to the end of its header
_TLS: Final = "tls"  # key of the connection's SSL object in the scope's state
MESSAGE_ID_HEADER: Final = "Handoff-Message-Id"  # our id of a stored message


class HttpIn:
    """The HTTP way in, from `start` to `stop`; `port` is the bound one. `start` raises `OSError` when that fails."""

    def __init__(
        self, settings: Settings, door: Door, tls: ssl.SSLContext | None = None, limits: Limits | None = None
    ) -> None:
        self.port = 0
        self._tls = tls
        self.limits = limits or Limits(settings)
        self._settings = settings
        self._door = door
        self._token = settings.http_token.get_secret_value()
        self._gatekeeper = door.gatekeeper
        self._guesses = _Guesses()
        self._acceptor: Acceptor | None = None
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._handshakes: set[asyncio.Task[None]] = set()

    @property
    def _asks_token(self) -> bool:
        return bool(self._token) or (self._gatekeeper is not None and self._gatekeeper.knows_tokens)

    @property
    def _held(self) -> int:
        return self.limits.held

    def renew(self, tls: ssl.SSLContext | None) -> None:
        """New connections speak this; those that stand stay as they are."""
        self._tls = tls

    @property
    def running(self) -> list[asyncio.Task[None]]:
        """Tasks that must not end before `stop`."""
        return [task for task in (self._serving, self._acceptor and self._acceptor.task) if task]

    async def start(self) -> None:
        family = socket.AF_INET6 if ":" in self._settings.mllp_host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((self._settings.mllp_host, self._settings.http_port))
            listening.listen(512)
            listening.setblocking(False)
        except OSError:
            listening.close()
            raise
        self.port = listening.getsockname()[1]
        app = Starlette(routes=[Route("/hl7", self._hl7, methods=["POST"])])
        config = uvicorn.Config(
            _well_formed(app, anybody=lambda: self._asks_token),
            http=_Guarded,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=int(self._settings.accept_seconds) + 2,
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve())
        await self._server.ready.wait()
        self._acceptor = Acceptor(listening, Way.HTTP, self.limits, self._take_in)

    async def stop(self) -> None:
        if self._acceptor is not None:
            self._acceptor.close()
        for task in list(self._handshakes):
            task.cancel()
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving

    def _take_in(self, peer: socket.socket, host: str) -> None:
        """Gives a new connection its place before it may shake hands; the place is left when the connection ends."""
        assert self._server is not None
        protocol: _Guarded = self._server.protocol()
        place = self.limits.enter(host, Way.HTTP, lambda _: protocol.end())
        if isinstance(place, Closed):
            peer.close()
            return
        protocol.begin(self.limits, place)
        task = asyncio.create_task(self._open(peer, host, protocol))
        protocol.opening = task
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _open(self, peer: socket.socket, host: str, protocol: "_Guarded") -> None:
        seconds = _HANDSHAKE_SECONDS if self._tls else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol, peer, ssl=self._tls, ssl_handshake_timeout=seconds
            )
        except (OSError, EOFError) as error:
            if self._tls:
                cause = failure_of(error)
                metrics.TLS_FAILURES.labels(cause).inc()
                log.warning("http_tls_failed", cause=cause, peer=host)
            protocol.leave()
            peer.close()
        except asyncio.CancelledError:
            protocol.leave()
            peer.close()
            raise

    async def _hl7(self, request: Request) -> Response:
        if refused := self._not_let_in(request):
            return refused
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _TYPES:
            return PlainTextResponse(f"send one message as {_ANSWER_TYPE}\n", 415)
        if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            return PlainTextResponse("a compressed body is not read here: send it plain\n", 415)
        began = asyncio.get_running_loop().time()
        announced = request.headers.get("content-length", "")
        expected = int(announced) if announced.isdecimal() else _STEP_BYTES
        caller = caller_of(_host_of(request), request.scope.get("state", {}).get(_TLS), _bearer(request))
        upload = _Upload(self.limits)
        try:
            async with asyncio.timeout(self._settings.frame_seconds) as upload.scope:
                if not await upload.reserve(min(expected, self._settings.max_frame_bytes)):
                    return _too_much()
                async for piece in request.stream():
                    upload.add(piece)
                    if len(upload.body) > self._settings.max_frame_bytes:
                        head = bytes(upload.body[:_HEAD_BYTES])
                        return _response(self._door.refuse(RejectCode.FRAME_TOO_LARGE, head), 413)
                    if not announced and not await upload.reserve(len(upload.body) + _STEP_BYTES):
                        return _too_much()
                looked = await self._door.look(upload.whole(), several=False, caller=caller)
            taking = self._door.take(looked[0].data, Way.HTTP, judged=looked[0].judged)
            answer = await self._door.counted(taking, caller)
        except TimeoutError:
            if upload.ended:
                return _too_much()
            metrics.REFUSED.labels(RejectCode.FRAME_TIMEOUT).inc()
            return PlainTextResponse("the message did not arrive in time\n", 408, {"Connection": "close"})
        except ClientDisconnect:
            return Response(status_code=400)
        finally:
            upload.close()
        metrics.STAGE.labels(Stage.ACK).observe(asyncio.get_running_loop().time() - began)
        match answer.fate:
            case Fate.STORED:
                return _response(answer, 200)
            case Fate.REFUSED:
                return _response(answer, 400)
            case Fate.UNAVAILABLE:
                return _response(answer, 503)

    def _not_let_in(self, request: Request) -> Response | None:
        host = _host_of(request)
        if not self._asks_token:
            try:
                near = ipaddress.ip_address(host).is_loopback
            except ValueError:
                near = False
            return None if near else _unauthorized()
        if wait := self._guesses.wait(host):
            return PlainTextResponse("too many wrong tokens, try again later\n", 429, {"Retry-After": str(wait)})
        shown = _bearer(request)
        if shown and self._token and hmac.compare_digest(shown.encode(), self._token.encode()):
            return None
        if shown and self._gatekeeper and self._gatekeeper.is_token(shown):
            return None
        if "authorization" in request.headers:
            self._guesses.count(host)
        return _unauthorized()


class _Guesses:
    """Wrong tokens of each peer, by the minute."""

    def __init__(self) -> None:
        self._began = 0.0
        self._counts: Counter[str] = Counter()

    def wait(self, host: str) -> int:
        """Seconds this peer has to wait; 0 when it may show a token."""
        left = self._began + _GUESSES_SECONDS - time.monotonic()
        return max(1, int(left)) if left > 0 and self._counts[peer_of(host)] >= _GUESSES else 0

    def count(self, host: str) -> None:
        metrics.TOKEN_GUESSES.inc()
        now = time.monotonic()
        if now - self._began >= _GUESSES_SECONDS or len(self._counts) >= _MOST_GUESSERS:
            self._counts.clear()
            self._began = now
        peer = peer_of(host)
        self._counts[peer] += 1
        if self._counts[peer] in (1, _GUESSES):
            log.warning("http_wrong_token", peer=host, times=self._counts[peer])


class _Upload:
    """One body as it comes in. `unfinished` are its bytes in the budget, reserved before they are read."""

    scope: asyncio.Timeout

    def __init__(self, limits: Limits) -> None:
        self.body = bytearray()
        self.unfinished = 0
        self.ended: Closed | None = None
        self._reserved = 0
        self._limits = limits
        limits.holders.add(self)

    async def reserve(self, size: int) -> bool:
        more = size - self._reserved
        if more > 0:
            if not await self._limits.reserve(more):
                return False
            self._reserved += more
            self.unfinished = self._reserved
        return True

    def add(self, piece: bytes) -> None:
        self.body += piece
        if (more := len(self.body) - self._reserved) > 0:
            self._limits.hold(more)
            self._reserved += more
            self.unfinished = self._reserved

    def whole(self) -> bytes:
        """The message; what was reserved for nothing is free again."""
        data = bytes(self.body)
        self.body.clear()
        self._limits.holders.discard(self)
        self._limits.release(self._reserved - len(data))
        self._reserved = len(data)
        return data

    def end(self, outcome: Closed) -> None:
        if self.ended is None:
            self.ended = outcome
            self.scope.reschedule(asyncio.get_running_loop().time())

    def close(self) -> None:
        self._limits.holders.discard(self)
        self._limits.release(self._reserved)
        self._reserved = self.unfinished = 0


def _host_of(request: Request) -> str:
    return request.client.host if request.client else ""


def _bearer(request: Request) -> str:
    """The bearer token that was shown."""
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else ""


def _unauthorized() -> Response:
    return PlainTextResponse("a bearer token is needed here\n", 401, {"WWW-Authenticate": "Bearer"})


def _too_much() -> Response:
    headers = {"Retry-After": _RETRY_SECONDS, "Connection": "close"}
    return PlainTextResponse("too much at once, try again\n", 429, headers)


def _well_formed(app: ASGIApp, *, anybody: Callable[[], bool]) -> ASGIApp:
    """Refuses what two readers might understand in two ways, and names of this host that a stranger may have chosen."""

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        headers = Counter(name for name, _ in scope["headers"])
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        refused: Response | None = None
        if headers[b"content-length"] and headers[b"transfer-encoding"]:
            refused = PlainTextResponse("content-length and transfer-encoding contradict each other\n", 400)
        elif len(hosts) > 1 or (hosts and _host_name(hosts[0]) is None):
            refused = PlainTextResponse("the host header cannot be read\n", 400)
        elif not anybody() and not (hosts and _is_loopback(_host_name(hosts[0]) or "")):
            refused = PlainTextResponse("without a token this answers to localhost, 127.0.0.1 and [::1] only\n", 403)
        elif not anybody() and headers[b"origin"]:
            refused = PlainTextResponse("web pages are not heard here without a token\n", 403)
        if refused is None:
            await app(scope, receive, send)
        else:
            refused.headers["Connection"] = "close"
            await refused(scope, receive, send)

    return checked


def _host_name(raw: bytes) -> str | None:
    """The name in a Host header, without its port; None when it is none (RFC 9110, 7.2)."""
    found = _HOST.fullmatch(raw.decode("latin-1").strip())
    return None if found is None else found[1]


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name.lower().rstrip(".") == "localhost"


def _response(answer: Answer, status: int) -> Response:
    ack, code = answer.acks[-1] if answer.acks else (b"", None)
    if code is not None:
        metrics.ACKS.labels(code).inc()
    headers = {"Retry-After": _RETRY_SECONDS} if status == 503 else {"Connection": "close"} if status == 413 else {}
    if answer.message_id:
        headers[MESSAGE_ID_HEADER] = answer.message_id
    return Response(ack, status, headers, media_type=_ANSWER_TYPE)


class _Guarded(H11Protocol):
    """HTTP/1.1 with a place among all connections, and a limit of the time a request may take to begin."""

    opening: asyncio.Task[None] | None = None
    _limits: Limits | None = None
    _place: Place | None = None
    _beginning: asyncio.TimerHandle | None = None

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
        self.app_state = {**self.app_state, _TLS: transport.get_extra_info("ssl_object")}
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


class _Server(uvicorn.Server):
    """Leaves the sockets to `HttpIn` and the signals to the listener, and tells when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    def protocol(self) -> _Guarded:
        """What serves one new connection."""
        return _Guarded(self.config, self.server_state, self.lifespan.state, asyncio.get_running_loop())

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        self.servers = []
        self.started = True
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
