"""What a process is waiting for, and the one way to wait: try again in place, never skip, tell health since when."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from streams.kafka.client import BrokerAway
from streams.run import metrics
from streams.run.metrics import Part
from streams.store import Unavailable

log = structlog.get_logger()

T = TypeVar("T")

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0


class Waiting:
    """Parts that are away now, by when they were first missed. Read by the health thread, written by the loop."""

    def __init__(self) -> None:
        self._since: dict[tuple[Part, str], float] = {}
        self.stopping = False  # once set, whoever waits waits for ever: the process is about to end

    def seconds(self, part: Part) -> float:
        """How long `part` has been away for anybody here; 0 when it is there for all."""
        since = min((since for (waited_for, _), since in list(self._since.items()) if waited_for is part), default=None)
        return time.monotonic() - since if since is not None else 0.0

    def away(self, part: Part, error: str, by: str = "") -> None:
        """`by` is who misses it: what one can do (read) says nothing about another (write to a full disk)."""
        metrics.UNAVAILABLE.labels(part).inc()
        if (part, by) not in self._since:
            self._since[part, by] = time.monotonic()
            log.warning("waiting", part=part.value, error=error)

    def back(self, part: Part, by: str = "") -> None:
        since = self._since.pop((part, by), None)
        if since is not None:
            log.info("back", part=part.value, seconds=round(time.monotonic() - since, 1))

    async def until(self, part: Part, attempt: Callable[[], Awaitable[T]], by: str = "") -> T:
        """The result of the first attempt that does not end in `Unavailable` or `BrokerAway`."""
        pause = _FIRST_PAUSE
        while True:
            try:
                result = await attempt()
            except (Unavailable, BrokerAway) as error:
                self.away(part, type(error).__name__, by)
            else:
                self.back(part, by)
                return result
            if self.stopping:
                await park()
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)


async def park() -> None:
    """Never returns: a batch in hand is neither finished nor acked, so that it comes again after the restart."""
    await asyncio.Event().wait()
