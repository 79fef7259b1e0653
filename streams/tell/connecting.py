"""A connection that is being opened in; the same open, or why there is none, out."""

import asyncio
import ssl
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any, Final

from rules.telling.attempts import Failure
from streams.tell.addresses import NotAllowed
from streams.tell.way import Delivered, NotDelivered

CONNECT_SECONDS: Final = 5.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def opened(addresses: Sequence[str], port: int, **tls: Any) -> Streams:
    """A connection to the first of these that takes one. Raises `OSError`."""
    for address in addresses[:-1]:
        with suppress(OSError):
            return await asyncio.open_connection(address, port, **tls)
    return await asyncio.open_connection(addresses[-1], port, **tls)


async def connected(opening: Awaitable[Streams]) -> Streams | NotDelivered:
    """What fails is a value; the wait ends."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await opening
    except NotAllowed:
        return NotDelivered(Failure.ADDRESS_REFUSED)
    except ssl.SSLError:
        return NotDelivered(Failure.TLS)
    except (OSError, TimeoutError, ValueError):
        return NotDelivered(Failure.NO_CONNECTION)


async def reached(opening: Awaitable[Streams]) -> Delivered | NotDelivered:
    """Whether it can be opened; it is closed again."""
    streams = await connected(opening)
    if isinstance(streams, NotDelivered):
        return streams
    streams[1].close()
    return Delivered()
