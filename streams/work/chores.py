"""What a worker does beside its messages, every few seconds: what waits in the store published, what is old forgotten,
what has changed heard of, what waits counted.

What only a newer version of this program can read is left to it: migrated first, the store may hold documents of newer
workers while this one goes on.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import structlog

from rules.endings import Ending
from streams.follow.prune import forget
from streams.follow.silence import gauge
from streams.kafka.client import BrokerAway
from streams.run import metrics
from streams.run.metrics import Part
from streams.run.settings import Settings
from streams.store import Store, Unavailable
from streams.store.keeping_up import BACKED_UP
from streams.store.ledger import first_id
from streams.work.newer import store_beyond
from streams.work.quarantine import Brake
from streams.work.unavailable import Waiting

log = structlog.get_logger()
ROUND_SECONDS: Final = 2.0
_LEDGER_SPAN: Final = timedelta(minutes=10)
_COUNT_SECONDS: Final = 60.0
_PRUNE_SECONDS: Final = 3600.0
Step = Callable[[datetime], Awaitable[object]]


class Steps(NamedTuple):
    """What is done in each round, by whoever knows how."""

    publish: tuple[Step, ...]
    gauge: Step
    look: tuple[Callable[[], None], ...]  # in a thread


class Chores:
    """Two loops that never end by themselves. `steps`: each raises `Unavailable` or `BrokerAway`, or is done."""

    def __init__(self, settings: Settings, store: Store, waiting: Waiting, brake: Brake, steps: Steps) -> None:
        self._settings = settings
        self._store = store
        self._waiting = waiting
        self._brake = brake
        self._steps = steps
        self._quiet_feeds: set[str] = set()
        self._newer = ""

    async def publish(self) -> None:
        """Publishes what waits for it, and forgets what is old enough."""
        pruned = 0.0
        while not self._waiting.stopping:
            for step in self._steps.publish:
                with suppress(Unavailable, BrokerAway):
                    await self._unless_newer(step(datetime.now(UTC)))
            if time.monotonic() - pruned > _PRUNE_SECONDS:
                with suppress(Unavailable):
                    await asyncio.to_thread(forget, self._store, self._settings, datetime.now(UTC))
                    pruned = time.monotonic()
            await asyncio.sleep(ROUND_SECONDS)

    async def look_around(self) -> None:
        """Tells how much is to be published, and hears which senders are parked and which rules have changed."""
        counted = -_COUNT_SECONDS
        while not self._waiting.stopping:
            try:
                for look in self._steps.look:
                    await self._unless_newer(asyncio.to_thread(look))
                await self._steps.gauge(datetime.now(UTC))
                parked = await asyncio.to_thread(self._store.keeping_up.parked)
                if time.monotonic() - counted >= _COUNT_SECONDS:
                    await self._unless_newer(asyncio.to_thread(self._count))
                    counted = time.monotonic()
            except Unavailable as error:
                self._waiting.away(Part.STORE, type(error).__name__, "look_around")
            else:
                self._waiting.back(Part.STORE, "look_around")
                self._brake.take_over(feed.sender for feed in parked)
            await asyncio.sleep(ROUND_SECONDS)

    async def _unless_newer(self, step: Awaitable[object]) -> None:
        try:
            await step
        except ValueError:  # a document, or a word of a closed set
            newer = await asyncio.to_thread(store_beyond, self._store)
            if not newer:
                raise
            if newer != self._newer:
                log.warning("left_to_a_newer_worker", code=newer)
            self._newer = newer

    def _count(self) -> None:
        """The gauges that change slowly. Raises `Unavailable`."""
        backed_up = self._store.keeping_up.fact(BACKED_UP)
        metrics.BACKED_UP.set(datetime.fromisoformat(backed_up).timestamp() if backed_up else 0)
        metrics.QUARANTINE_WAITING.set(self._store.quarantine.waiting())
        ended = self._store.ledger.endings(first_id(datetime.now(UTC) - _LEDGER_SPAN))
        for ending in Ending:
            metrics.LEDGER.labels(ending).set(ended.get(ending, 0))
        gauge(self._store, self._quiet_feeds)
