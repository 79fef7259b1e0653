"""What became of deliveries in, written out: in one transaction what ended while the one before was written.

A write that the store cannot take now is tried until it can: what was delivered must not be forgotten for a hiccup. If
the lease is lost meanwhile, the write ends nothing and the receiver tells the repetition by its id.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from streams.store import Unavailable
from streams.store.delivery import End

log = structlog.get_logger()

AGAIN_SECONDS: Final = 0.5


class Settler:
    """`run` it as a task; `settle` returns when what it was given is written."""

    def __init__(self, write: Callable[[Sequence[End]], "asyncio.Future[int]"]) -> None:
        self._write = write
        self._waiting: list[tuple[Sequence[End], asyncio.Future[None]]] = []
        self._news = asyncio.Event()
        self.away = ""  # why nothing can be written; "" while it can

    async def settle(self, ends: Sequence[End]) -> None:
        """Returns when they are written."""
        if not ends:
            return
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((ends, written))
        self._news.set()
        await written

    async def run(self) -> None:
        """Writes until it is cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            taken, self._waiting = self._waiting, []
            ends = [end for some, _ in taken for end in some]
            ours = await self._written(ends)
            if ours < len(ends):
                log.warning("deliveries_lost_to_another", deliveries=len(ends) - ours)
            for _, written in taken:
                if not written.done():
                    written.set_result(None)

    async def _written(self, ends: Sequence[End]) -> int:
        while True:
            try:
                ours = await self._write(ends)
            except Unavailable as error:
                self.away = type(error).__name__
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                self.away = ""
                return ours
