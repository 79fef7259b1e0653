"""A connection that is being opened in; the same open, or why there is none, out."""

import asyncio
import ssl
from collections.abc import Awaitable
from typing import Final

from rules.telling.attempts import Failure
from streams.tell.addresses import NotAllowed
from streams.tell.way import Delivered, NotDelivered

CONNECT_SECONDS: Final = 5.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


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
