"""A request before its body is read in, whether it is heard out: unambiguous headers, names of this host, tokens."""

import hashlib
import ipaddress
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from streams.listen.connections import peer_of
from streams.run import metrics

log = structlog.get_logger()

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{0,5})?")
_GUESSES: Final = 10  # wrong tokens of one peer in
_GUESSES_SECONDS: Final = 60.0
_MOST_GUESSERS: Final = 1000


class Guesses:
    """Wrong tokens of each peer, by the minute, and who showed which right one: another interface behind the same
    address that has an old token must not hold a hospital's messages up."""

    def __init__(self) -> None:
        self._began = 0.0
        self._counts: Counter[str] = Counter()
        self._right: set[tuple[str, bytes]] = set()

    def was_right(self, host: str, token: str) -> None:
        if len(self._right) >= _MOST_GUESSERS:
            self._right.clear()
        self._right.add((peer_of(host), hashlib.sha256(token.encode()).digest()))

    def wait(self, host: str, token: str = "") -> int:
        """Seconds this peer has to wait; 0 when it may show a token, or shows again one that was right."""
        if (peer_of(host), hashlib.sha256(token.encode()).digest()) in self._right:
            return 0
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


def host_of(request: Request) -> str:
    return request.client.host if request.client else ""


def bearer(request: Request) -> str:
    """The bearer token that was shown."""
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else ""


def well_formed(app: ASGIApp, *, anybody: Callable[[str, bool], bool]) -> ASGIApp:
    """Refuses what two readers might understand in two ways, and names of this host that a stranger may have chosen.
    `anybody`: whether any name is right for this peer, who shows a token or none."""

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        headers = Counter(name for name, _ in scope["headers"])
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        refused: Response | None = None
        peer, _ = scope.get("client") or ("", 0)
        by_any_name = anybody(peer, headers[b"authorization"] > 0)
        if headers[b"content-length"] and headers[b"transfer-encoding"]:
            refused = PlainTextResponse("content-length and transfer-encoding contradict each other\n", 400)
        elif len(hosts) > 1 or (hosts and _host_name(hosts[0]) is None):
            refused = PlainTextResponse("the host header cannot be read\n", 400)
        elif not by_any_name and not (hosts and is_loopback(_host_name(hosts[0]) or "")):
            refused = PlainTextResponse("without a token this answers to localhost, 127.0.0.1 and [::1] only\n", 403)
        elif not by_any_name and headers[b"origin"]:
            refused = PlainTextResponse("web pages are not heard here without a token\n", 403)
        if refused is None:
            await app(scope, receive, send)
        else:
            refused.headers["Connection"] = "close"
            await refused(scope, receive, send)

    return checked


def _host_name(raw: bytes) -> str | None:
    """The name in a Host header, without its port; None when it is none (RFC 9110, 7.2)."""
    match = _HOST.fullmatch(raw.decode("latin-1").strip())
    return None if match is None else match[1]


def is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name.lower().rstrip(".") == "localhost"
