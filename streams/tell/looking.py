"""A look and how often it is taken in; what it does, again and again, out."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from streams.store import Unavailable


async def look_every(seconds: float, look: Callable[[], Awaitable[None]]) -> None:
    """Until it is cancelled. While the store is away nothing is done: what is due then is due at the next look."""
    while True:
        with suppress(Unavailable):
            await look()
        await asyncio.sleep(seconds)
