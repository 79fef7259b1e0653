"""A parcel and an address in, one request and what the answer means out.

Signed as Standard Webhooks 1.0.0 (`streams.tell.signing`) when the destination has a signing secret. The
connection goes to the address that was judged (`streams.tell.addresses`), with the host's own name for TLS and in
`Host`. Redirects are never followed; of an answer at most 20 kB are read, and nothing but its status is kept.
"""

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx2 as httpx

from rules.telling.attempts import Failure
from rules.telling.destinations import Destination
from streams.tell.addresses import NotAllowed, Target, look_up
from streams.tell.connecting import Streams, opened, reached
from streams.tell.signing import SIGNING, SIGNING_KEY, signature
from streams.tell.way import BEARER, Delivered, NotDelivered, Parcel, Secrets

CONNECT_SECONDS: Final = 10.0  # where this machine is short of time, half of it is our own
ALL_SECONDS: Final = 20.0
BODY_SECONDS: Final = 5.0  # of an answer, after its status
FETCH_SECONDS: Final = 10.0
READ_AT_MOST: Final = 20_000  # bytes of an answer
HEADERS: Final = "headers"  # name of a secret: JSON of name and value pairs
METHOD: Final = "method"  # name of an option: GET, where it is not POST
USER_AGENT: Final = "warm-handoff"

_STATUS: Final[Mapping[int, Failure]] = {
    400: Failure.REFUSED, 404: Failure.REFUSED, 405: Failure.REFUSED, 413: Failure.REFUSED, 422: Failure.REFUSED,
    401: Failure.NOT_ALLOWED, 403: Failure.NOT_ALLOWED, 408: Failure.SERVER_ERROR, 410: Failure.GONE,
    425: Failure.SERVER_ERROR, 429: Failure.SLOW_DOWN, 502: Failure.CONNECTION_LOST, 504: Failure.TIMED_OUT,
}  # fmt: skip


def failure_of(status: int) -> Failure:
    """What a status that is not 2xx means."""
    if 300 <= status < 400:
        return Failure.REDIRECTED
    return _STATUS.get(status, Failure.SERVER_ERROR if status >= 500 else Failure.REFUSED)


def retry_after(value: str, now: datetime) -> timedelta | None:
    """`Retry-After` as a wait, from seconds or an HTTP date (RFC 9110 10.2.3); `None` when it is neither."""
    said = value.strip()[:40]
    if said.isdecimal():
        return timedelta(seconds=min(int(said), 86_400 * 30))
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return None
    return max((at if at.tzinfo else at.replace(tzinfo=UTC)) - now, timedelta())


class Http:
    """POST to any number of addresses. One client, whose pool is bounded."""

    at_once = 4

    def __init__(
        self,
        allowed: tuple[str, ...] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = allowed
        self._now = now
        self._context = context or ssl.create_default_context()
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(ALL_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=500, max_keepalive_connections=0),
            follow_redirects=False,
            trust_env=False,
            verify=self._context,
        )

    async def deliver(self, parcel: Parcel, to: Destination, secrets: Secrets) -> Delivered | NotDelivered:
        try:
            target = await look_up(to.address, private=to.allow_private, allowed=self._allowed)
        except NotAllowed:
            return NotDelivered(Failure.ADDRESS_REFUSED)
        except (OSError, TimeoutError, UnicodeError):
            return NotDelivered(Failure.NO_CONNECTION)
        try:
            async with asyncio.timeout(min(ALL_SECONDS, float(to.options.get("timeout", ALL_SECONDS)))):
                return await self._send(parcel, to, target, dict(self._headers(parcel, to, secrets)))
        except TimeoutError:
            return NotDelivered(Failure.TIMED_OUT)
        except httpx.ConnectTimeout:
            return NotDelivered(Failure.NO_CONNECTION)
        except httpx.TimeoutException:
            return NotDelivered(Failure.TIMED_OUT)
        except httpx.ConnectError as error:
            return NotDelivered(Failure.TLS if _is_tls(error) else Failure.NO_CONNECTION)
        except (httpx.RemoteProtocolError, httpx.DecodingError):
            return NotDelivered(Failure.CONNECTION_LOST)
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            return NotDelivered(Failure.CONNECTION_LOST)

    async def reach(self, to: Destination, secrets: Secrets) -> Delivered | NotDelivered:
        del secrets
        return await reached(self._connect(to))

    async def _connect(self, to: Destination) -> Streams:
        target = await look_up(to.address, private=to.allow_private, allowed=self._allowed)
        tls: dict[str, Any] = {"ssl": self._context, "server_hostname": target.host} if target.scheme == "https" else {}
        return await opened(target.addresses, target.port, **tls)

    async def fetch(self, address: str, private: bool, most_bytes: int) -> bytes | None:
        """What a GET answers with 200; `None` where the address may not be asked, or says anything else or more."""
        try:
            target = await look_up(address, private=private, allowed=self._allowed)
            async with asyncio.timeout(FETCH_SECONDS):
                headers = {"user-agent": USER_AGENT, "accept": "application/json", "accept-encoding": "identity"}
                answer = await self._ask("GET", target, headers)
                try:
                    body, whole = await _read(answer, most_bytes)
                finally:
                    await answer.aclose()
        except (NotAllowed, httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, UnicodeError):
            return None
        return body if whole and answer.status_code == 200 else None

    async def _ask(self, method: str, target: Target, headers: Mapping[str, str], body: bytes = b"") -> httpx.Response:
        """The answer of the first address that takes a connection; its body is not read yet."""
        for address in target.addresses[:-1]:
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await self._client.send(self._request(method, target, address, headers, body), stream=True)
        request = self._request(method, target, target.addresses[-1], headers, body)
        return await self._client.send(request, stream=True)

    def _request(
        self, method: str, target: Target, address: str, headers: Mapping[str, str], body: bytes
    ) -> httpx.Request:
        """To an address that was judged, under the host's own name."""
        where = f"[{address}]" if ":" in address else address
        return self._client.build_request(
            method,
            f"{target.scheme}://{where}:{target.port}{target.path}",
            content=body or None,
            headers={**headers, "host": target.authority},
            extensions={"sni_hostname": target.host},
        )

    async def _send(
        self, parcel: Parcel, to: Destination, target: Target, headers: dict[str, str]
    ) -> Delivered | NotDelivered:
        if to.options.get(METHOD) == "GET":  # of a gateway for texts: what would be the body is its query
            between = "&" if "?" in target.path else "?"
            target = target._replace(path=f"{target.path}{between}{parcel.body.decode()}")
            answer = await self._ask("GET", target, headers)
        else:
            answer = await self._ask("POST", target, headers, parcel.body)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                await _read(answer, READ_AT_MOST)
        except (httpx.HTTPError, OSError):  # a receiver that took it may say so as slowly as it likes
            if not answer.is_success:
                raise
        finally:
            await answer.aclose()
        if answer.is_success:
            return Delivered(str(answer.status_code))
        wait = retry_after(answer.headers.get("retry-after", ""), self._now())
        return NotDelivered(failure_of(answer.status_code), str(answer.status_code), wait)

    def _headers(self, parcel: Parcel, to: Destination, secrets: Secrets) -> list[tuple[str, str]]:
        at = self._now()
        headers = [("user-agent", USER_AGENT), ("content-type", parcel.content_type)]
        headers += [(name.lower(), value) for name, value in to.headers]
        headers += [(name.lower(), value) for name, value in json.loads(secrets.newest(HEADERS) or "[]")]
        headers += [(name.lower(), value) for name, value in parcel.headers.items()]
        signing = (*secrets.values.get(SIGNING, ()), *secrets.values.get(SIGNING_KEY, ()))
        if signing:
            headers += [
                ("webhook-id", parcel.delivery_id),
                ("webhook-timestamp", str(int(at.timestamp()))),
                ("webhook-signature", signature(parcel.delivery_id, at, parcel.body, signing)),
            ]
        if bearer := secrets.newest(BEARER):
            headers.append(("authorization", f"Bearer {bearer}"))
        return headers

    async def close(self) -> None:
        await self._client.aclose()


async def _read(answer: httpx.Response, at_most: int) -> tuple[bytes, bool]:
    """The body as it came, and whether that is all of it."""
    parts, size = [], 0
    async for chunk in answer.aiter_raw():
        parts.append(chunk)
        size += len(chunk)
        if size > at_most:
            return b"".join(parts), False
    return b"".join(parts), True


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
