"""Turns of destinations in; each a task, one at a time of each destination and so many in all, out.

A turn that goes on for longer than a moment is slow: its destination hangs, or has much to get. It counts among the
slow ones from then on and makes room for another, so that who hangs costs who answers nothing.
"""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Final

AT_ONCE: Final = 100
SLOW_AT_ONCE: Final = 400  # beside those
SLOW_SECONDS: Final = 1.0


class Turns:
    """The turns that are under way."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._slow: set[str] = set()
        self._change = asyncio.Event()

    def __contains__(self, destination_id: str) -> bool:
        return destination_id in self._tasks

    @property
    def room(self) -> int:
        """How many more may begin."""
        quick = len(self._tasks) - min(len(self._slow), SLOW_AT_ONCE)
        return max(0, AT_ONCE - quick)

    def begin(self, destination_id: str, turn: Coroutine[None, None, None]) -> None:
        """Begins the turn of a destination that has none."""
        task = asyncio.create_task(turn)
        self._tasks[destination_id] = task
        slow = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._is_slow, destination_id)
        task.add_done_callback(partial(self._ended, destination_id, slow))

    async def change(self) -> None:
        """Returns when one ended or became slow."""
        self._change.clear()
        await self._change.wait()

    async def ended(self) -> None:
        """Returns when none is under way."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    def _is_slow(self, destination_id: str) -> None:
        self._slow.add(destination_id)
        self._change.set()

    def _ended(self, destination_id: str, slow: asyncio.TimerHandle, _task: "asyncio.Task[None]") -> None:
        slow.cancel()
        self._tasks.pop(destination_id, None)
        self._slow.discard(destination_id)
        self._change.set()
