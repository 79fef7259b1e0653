"""Things to be done in, what came of each out: some at a time, so that who is slow holds up the others little."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def few_at_once(at_once: int, do: Callable[[T], Awaitable[R]], things: Iterable[T]) -> list[R]:
    """The results in the order of `things`. Raises what the first to fail raised, once all have ended."""
    room = asyncio.Semaphore(at_once)

    async def done(thing: T) -> R:
        async with room:
            return await do(thing)

    results = await asyncio.gather(*map(done, things), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
