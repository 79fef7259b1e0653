"""Takes HL7 v2 messages over HTTP: `POST /hl7` with one message in, the same acknowledgement as over MLLP out.

| status | meaning | body |
|---|---|---|
| 200 | stored (AA, CA) | acknowledgement |
| 400 | never send it again (AR, CR) | acknowledgement |
| 413 | too large (AR, CR) | acknowledgement |
| 503 with Retry-After | not stored, send it again (AE, CE) | acknowledgement |
| 400, 401, 403, 405, 408, 415, 429 | not looked at: malformed, token, host, method, slow, type, too much | a sentence |

With a token set, `Authorization: Bearer …` must carry it, and a peer that shows ten wrong ones in a minute waits for
the next minute. Without one only loopback is heard, and who is one of the senders by certificate or network; loopback
only under a name of loopback: a web page that has its own name point here (DNS rebinding) sends that name in `Host`. A
sender that asks for no acknowledgement (MSH-15/MSH-16) gets the status with an empty body; one that asks for both gets
the application's, for 200 says the other.
"""

import asyncio
import hmac
import socket
import ssl
from collections.abc import Collection
from typing import Final

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from parsers.outcomes import RejectCode
from streams.listen.connections import Acceptor, Closed, Limits
from streams.listen.http_connection import TLS, Guarded, Server
from streams.listen.http_guard import Guesses, bearer, host_of, is_loopback, well_formed
from streams.listen.intake import Answer, Door, Fate
from streams.listen.senders import Caller, caller_of
from streams.listen.tls import failure_of
from streams.run import metrics
from streams.run.listening import bind
from streams.run.metrics import Stage, Way
from streams.run.settings import Settings

log = structlog.get_logger()

_TYPES: Final = frozenset({"application/hl7-v2", "x-application/hl7-v2+er7", "application/hl7-v2+er7"})
_ANSWER_TYPE: Final = "application/hl7-v2"
_RETRY_SECONDS: Final = "5"
_HEAD_BYTES: Final = 4096
_STEP_BYTES: Final = 5 * 65536  # reserved ahead of a body that does not say how long it is: most that comes at a time
_HANDSHAKE_SECONDS: Final = 10.0
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
        self._guesses = Guesses()
        self._acceptor: Acceptor | None = None
        self._server: Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._handshakes: set[asyncio.Task[None]] = set()

    @property
    def _asks_token(self) -> bool:
        return bool(self._token) or (self._gatekeeper is not None and self._gatekeeper.knows_tokens)

    def renew(self, tls: ssl.SSLContext | None, revoked: Collection[tuple[str, int]]) -> None:
        """As `MllpServer.renew`; a request in hand is answered before its connection ends."""
        self._tls = tls
        if self._server is not None:
            self._server.end_revoked(revoked)

    @property
    def running(self) -> list[asyncio.Task[None]]:
        """Tasks that must not end before `stop`."""
        return [task for task in (self._serving, self._acceptor and self._acceptor.task) if task]

    async def start(self) -> None:
        family = socket.AF_INET6 if ":" in self._settings.mllp_host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            address = (self._settings.mllp_host, self._settings.http_port)
            bind(listening, address, shared=self._settings.share_ports)
            listening.listen(512)
            listening.setblocking(False)
        except OSError:
            listening.close()
            raise
        self.port = listening.getsockname()[1]
        app = Starlette(routes=[Route("/hl7", self._hl7, methods=["POST"])])
        config = uvicorn.Config(
            well_formed(app, anybody=self._hears_by_any_name),
            http=Guarded,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=int(self._settings.accept_seconds) + 2,
        )
        self._server = Server(config)
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
        protocol: Guarded = self._server.protocol()
        place = self.limits.enter(host, Way.HTTP, lambda _: protocol.end())
        if isinstance(place, Closed):
            peer.close()
            return
        protocol.begin(self.limits, place)
        task = asyncio.create_task(self._open(peer, host, protocol))
        protocol.opening = task
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _open(self, peer: socket.socket, host: str, protocol: Guarded) -> None:
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
        caller = _caller(request)
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

    def _hears_by_any_name(self, peer: str, shows_token: bool) -> bool:
        """Whether it does not matter which of our names the peer chose: a token or another machine stands behind it."""
        if self._token or (shows_token and self._asks_token):
            return True
        return self._gatekeeper is not None and self._gatekeeper.asks and not is_loopback(peer)

    def _not_let_in(self, request: Request) -> Response | None:
        host, shown = host_of(request), bearer(request)
        if self._asks_token and "authorization" in request.headers:
            if wait := self._guesses.wait(host, shown):
                return PlainTextResponse("too many wrong tokens, try again later\n", 429, {"Retry-After": str(wait)})
            if shown and self._is_token(shown):
                self._guesses.was_right(host, shown)
                return None
            self._guesses.count(host)
            return _unauthorized()
        if self._token:
            return _unauthorized()
        if self._gatekeeper is not None and self._gatekeeper.sender(_caller(request)) is not None:
            return None
        return None if not self._asks_token and is_loopback(host) else _unauthorized()

    def _is_token(self, shown: str) -> bool:
        if self._token and hmac.compare_digest(shown.encode(), self._token.encode()):
            return True
        return bool(self._gatekeeper and self._gatekeeper.is_token(shown))


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


def _caller(request: Request) -> Caller:
    return caller_of(host_of(request), request.scope.get("state", {}).get(TLS), bearer(request))


def _unauthorized() -> Response:
    return PlainTextResponse("a bearer token is needed here\n", 401, {"WWW-Authenticate": "Bearer"})


def _too_much() -> Response:
    headers = {"Retry-After": _RETRY_SECONDS, "Connection": "close"}
    return PlainTextResponse("too much at once, try again\n", 429, headers)


def _response(answer: Answer, status: int) -> Response:
    ack, code = answer.acks[-1] if answer.acks else (b"", None)
    if code is not None:
        metrics.ACKS.labels(code).inc()
    headers = {"Retry-After": _RETRY_SECONDS} if status == 503 else {"Connection": "close"} if status == 413 else {}
    if answer.message_id:
        headers[MESSAGE_ID_HEADER] = answer.message_id
    return Response(ack, status, headers, media_type=_ANSWER_TYPE)
