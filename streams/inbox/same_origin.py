"""Requests in, only those that a page of ours could have made out: host, origin, length, and headers that keep content
here.

A name that resolves to this address is not enough (DNS rebinding), nor is a form on another site (CSRF: Origin, plus
the token that `app` checks); nothing is cached, framed, or told to other sites.
"""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.inbox.guesses import as_itself

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",  # "no-referrer" would also blank the Origin of our own forms
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
CLOSES: Final = {"Connection": "close"}
BY_TLS_ALONE: Final = {"Strict-Transport-Security": "max-age=31536000"}  # a year (RFC 6797)
MOST_BYTES: Final = 500_000  # of a body; a page's longest form has a tenth of it


class Guard:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, *names: str, https: bool = False) -> None:
        """`names`: under which this inbox answers, beside `localhost` and addresses; `https`: by TLS alone."""
        self._app = app
        self._headers = {**HEADERS, **(BY_TLS_ALONE if https else {})}
        self._names = {"localhost", *(name.lower() for name in names if name)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["client"]:
            scope = {**scope, "client": (as_itself(scope["client"][0]), scope["client"][1])}
        headers = Headers(scope=scope)
        if refusal := self._refusal(scope["method"], headers):
            await refusal(scope, receive, send)
            return
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            return message if read <= MOST_BYTES else {"type": "http.disconnect"}

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer_headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    answer_headers[name] = value
                answer_headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, limited, guarded)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        """Why a request is not heard."""
        if not self._ours(headers.get("host", "")):
            return PlainTextResponse("This inbox does not answer under that name.", 421)
        if method not in {"GET", "HEAD"} and not _same_origin(headers):
            return PlainTextResponse("This did not come from a page of this inbox.", 403)
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers and "content-length" in headers:  # two readers might read two bodies
            return PlainTextResponse("It says in two ways how long it is.", 400, CLOSES)
        if not length.isdecimal() or int(length) > MOST_BYTES:
            return PlainTextResponse("That is too long.", 413, CLOSES)
        return None

    def _ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            if name in self._names:
                return True
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _same_origin(headers: Headers) -> bool:
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}
    try:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    except ValueError:
        return False
