"""Requests in by way of the named proxy out, with the address of who really asks; others are not let through.

The proxy speaks TLS for the inbox, so a request that did not come by it came in clear. Of `X-Forwarded-For` only the
last address is believed that is not a proxy's own: what stands before it anybody can write.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_network
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from streams.inbox.guesses import plain


class BehindProxy:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, proxies: Sequence[str]) -> None:
        self._app = app
        self._proxies = [ip_network(proxy) for proxy in proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if not self._is_proxy(scope["client"][0] if scope["client"] else ""):
                await PlainTextResponse("Come by the inbox's own address.", 403)(scope, receive, send)
                return
            scope = {**scope, "client": (self._asker(Headers(scope=scope), scope["client"][0]), 0), "scheme": "https"}
        await self._app(scope, receive, send)

    def _asker(self, headers: Headers, peer: str) -> str:
        passed = [hop.strip() for line in headers.getlist("x-forwarded-for") for hop in line.split(",")]
        for address in reversed(passed):
            hop = _address(address)
            if hop is None:
                break
            peer = str(hop)
            if not self._is_proxy(address):
                break
        return peer

    def _is_proxy(self, address: str) -> bool:
        ip = _address(address)
        return ip is not None and any(ip in network for network in self._proxies)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address that a hop is named by, with or without its port."""
    try:
        return plain(text)
    except ValueError:
        pass
    try:
        return plain(urlsplit(f"//{text}").hostname or "")
    except ValueError:
        return None
