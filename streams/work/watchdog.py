"""Sees to it that a worker moves or ends: what the broker and the loops say in, health out, and as a last resort exit.

Runs in a daemon thread with its own event loop and its own clients, because a stuck worker runs none of its tasks.
Every second it (1) shows the group coordinator its error, without which aiokafka parks it for ever; (2) looks whether
a client's metadata task or the coordination task has ended; (3) asks the broker how far the group is; (4) has a worker
that was assigned nothing look at the topics again: right after a broker's restart a leader may know none, assigns none
to anybody, and would look again after five minutes. Lag that does not shrink while the broker answers is not health,
whatever the reason; past `STUCK_SECONDS` the process ends without acking and whoever runs it starts it again. A store
that is away is no reason to end: the batch in hand waits for it.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from enum import IntEnum, StrEnum
from typing import Any, Final, NamedTuple, Protocol

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams.kafka.admin import missing_topics
from streams.kafka.client import BrokerAway, client_dead, client_options
from streams.kafka.generation import current_generation
from streams.kafka.offsets import OffsetClient, Offsets
from streams.run import metrics
from streams.run.crash import traced
from streams.run.health import Check, Health, Needed
from streams.run.metrics import Part
from streams.run.settings import Settings
from streams.work.unavailable import Waiting

log = structlog.get_logger()

TICK_SECONDS: Final = 1.0
DOUBT_SECONDS: Final = 8.0  # not live any more
STUCK_SECONDS: Final = 15.0  # over: the process ends
_START_SECONDS: Final = 30.0  # the same before it has joined its group for the first time
_PARTITION_SECONDS: Final = 20.0  # for one of our partitions alone while others move
_SLOWEST_PACE: Final = 50.0  # records a second at which a backlog is worked off; a partition waits its turn so long
_LATE_SECONDS: Final = 5.0  # between two looks: the machine is out of breath, or held the process
_SILENT_SECONDS: Final = 10.0  # a loop that does not answer within is dead


class Exit(IntEnum):
    """Why the worker ends: AGAIN when asked to stop, or for a new broker."""

    AGAIN = 0
    STUCK = 70  # EX_SOFTWARE of sysexits.h


class Why(StrEnum):
    """What the watchdog ended the process for."""

    NEW_BROKER = "new_broker"
    TOPIC_GONE = "topic_gone"
    NO_PROGRESS = "no_progress"
    COORDINATION_ENDED = "coordination_ended"
    CLIENT_DEAD = "client_dead"
    LOOP_SILENT = "loop_silent"
    WATCHDOG_ENDED = "watchdog_ended"
    PANEL_WATCH_ENDED = "panel_watch_ended"


class Watched(Protocol):
    """The worker under watch."""

    def consumer(self) -> Any:
        """aiokafka's consumer, or None before it is there."""

    def consumer_loop(self) -> asyncio.AbstractEventLoop | None: ...

    def main_loop(self) -> asyncio.AbstractEventLoop: ...

    def dead_client(self) -> bool: ...


class Progress:
    """Whether committed offsets follow the end offsets. Times are seconds of one monotonic clock."""

    def __init__(self, now: float) -> None:
        self._moved = now  # when anything last moved, or nothing was left to do
        self._at: dict[TopicPartition, tuple[int, float]] = {}  # committed, and since when with lag
        self._lag = 0  # records in all
        self._looked = now

    def pause(self, now: float) -> None:
        """Nothing can move now for a known reason: every clock starts anew."""
        self._moved = self._looked = now
        self._at = {partition: (offset, now) for partition, (offset, _) in self._at.items()}

    def see(self, offsets: Offsets, now: float) -> None:
        """A look. One that comes late was held up with all of this process, so it is no proof of standing still."""
        if now - self._looked > _LATE_SECONDS:
            self.pause(now)
        self._looked = now
        moved = False
        self._lag = 0
        for partition, end in offsets.ends.items():
            committed = offsets.committed.get(partition, 0)
            before = self._at.get(partition)
            if before is None or committed != before[0] or committed >= end:
                self._at[partition] = (committed, now)
                moved = moved or before is None or committed != before[0]
            self._lag += max(0, end - committed)
        if moved or not self._lag:
            self._moved = now

    def standing(self, now: float, ours: Iterable[TopicPartition]) -> float:
        """Seconds that nothing has moved; a single partition of ours counts once it is over its own limit.

        Its limit grows with the backlog, in which the consumer serves one partition long before another.
        """
        still = now - self._moved
        alone = [now - self._at[partition][1] for partition in ours if partition in self._at]
        worst = max(alone, default=0.0) - self._lag / _SLOWEST_PACE
        return max(still, worst - (_PARTITION_SECONDS - STUCK_SECONDS))


class _Seen(NamedTuple):
    """What the last look found."""

    at: float
    broker: bool = False
    joined: bool = False
    standing: float = 0.0
    lag: int = 0


class Watchdog:
    """Start it before the worker's loop does anything; `health` may be called from any thread."""

    def __init__(
        self,
        settings: Settings,
        bootstrap: str,
        waiting: Waiting,
        worker: Watched,
        panel_alive: Callable[[], bool],
        leave: Callable[[int, str], None],
    ) -> None:
        self._settings = settings
        self._bootstrap = bootstrap
        self._waiting = waiting
        self._worker = worker
        self._panel_alive = panel_alive
        self._leave = leave
        self._options = client_options(settings)
        now = time.monotonic()
        running = current_generation(settings.data_dir) if settings.embedded else None
        self._generation = running.generation if running else None
        metrics.BROKER_GENERATION.set(self._generation or 0)
        self._progress = Progress(now)
        self._seen = _Seen(now)
        self._started = now
        self._joins = -1  # generation of the consumer group that was joined last
        self._answered = {"consumer": now, "main": now}
        self._asked = {"consumer": 0.0, "main": 0.0}

    def start(self) -> None:
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def _run(self) -> None:
        """Nobody watches the watchdog: when it ends, the process does."""
        try:
            asyncio.run(self._watch())
        except BaseException as error:  # whatever it is
            log.error("watchdog_ended", **traced(error))
        self._end(Exit.STUCK, Why.WATCHDOG_ENDED)

    def health(self) -> Health:
        """What was last seen, from memory."""
        seen, now = self._seen, time.monotonic()
        store = self._waiting.seconds(Part.STORE)
        return Health(
            (
                Check("watchdog", now - seen.at < 30, f"last look {now - seen.at:.0f} s ago", Needed.LIVE),
                Check(
                    "progress",
                    seen.standing < DOUBT_SECONDS,
                    f"{seen.lag} records wait and nothing has moved for {seen.standing:.0f} s"
                    if seen.standing >= DOUBT_SECONDS
                    else "",
                    Needed.LIVE,
                ),
                Check("broker", seen.broker, "" if seen.broker else "the broker does not answer"),
                Check("group", seen.joined, "" if seen.joined else "not a member of the consumer group now"),
                Check("store", store == 0, f"the database has been away for {store:.0f} s" if store else ""),
            )
        )

    async def _watch(self) -> None:
        offsets = OffsetClient(self._bootstrap, **self._options)
        misses = 0
        while True:
            began = time.monotonic()
            self._look_at_generation()
            self._look_at_loops(began)
            if not self._panel_alive():
                self._end(Exit.STUCK, Why.PANEL_WATCH_ENDED)
            try:
                positions = await offsets.ask()
            except BrokerAway:
                misses += 1
                self._progress.pause(time.monotonic())
                self._seen = _Seen(time.monotonic(), joined=self._joined())
                if misses >= 2:
                    await self._look_for_topics()
            else:
                misses = 0
                self._take(positions)
            await asyncio.sleep(max(0.1, TICK_SECONDS - (time.monotonic() - began)))

    def _take(self, positions: Offsets) -> None:
        now = time.monotonic()
        lags = positions.lag()
        for topic, lag in lags.items():
            metrics.LAG.labels(topic).set(lag)
        if self._waiting.seconds(Part.STORE) or self._has_joined_anew():
            self._progress.pause(now)
        self._progress.see(positions, now)
        standing = self._progress.standing(now, self._assignment())
        self._seen = _Seen(now, True, self._joined(), standing, sum(lags.values()))
        if standing > (STUCK_SECONDS if self._joins >= 0 else _START_SECONDS):
            self._end(Exit.STUCK, Why.NO_PROGRESS)

    def _has_joined_anew(self) -> bool:
        """Whether a rebalance has come to its end since the last look: nobody could move meanwhile, and a worker that
        ends because of it begins the next one."""
        generation = getattr(getattr(self._worker.consumer(), "_coordinator", None), "generation", -1)
        joined_anew, self._joins = generation > self._joins, max(generation, self._joins)
        return joined_anew

    def _look_at_generation(self) -> None:
        if not self._settings.embedded:
            return
        running = current_generation(self._settings.data_dir)
        if running and running.generation != self._generation:
            self._end(Exit.AGAIN, Why.NEW_BROKER)

    def _look_at_loops(self, now: float) -> None:
        if self._worker.dead_client():
            self._end(Exit.STUCK, Why.CLIENT_DEAD)
        loops = {"main": self._worker.main_loop(), "consumer": self._worker.consumer_loop()}
        for name, loop in loops.items():
            if loop is None:
                continue
            if self._asked[name] > self._answered[name]:
                if now - self._asked[name] > _SILENT_SECONDS:
                    self._end(Exit.STUCK, Why.LOOP_SILENT)
                continue
            self._asked[name] = now
            loop.call_soon_threadsafe(self._answer, name)

    def _answer(self, name: str) -> None:
        """On the loop that was asked."""
        self._answered[name] = time.monotonic()
        if name != "consumer":
            return
        consumer = self._worker.consumer()
        coordinator = getattr(consumer, "_coordinator", None)
        if coordinator is None:
            return
        task = getattr(coordinator, "_coordination_task", None)
        if task is not None and task.done() and not coordinator._closing.done():
            self._end(Exit.STUCK, Why.COORDINATION_ENDED)
        try:
            coordinator.check_errors()
        except KafkaError as error:
            metrics.COORDINATOR_ERRORS.inc()
            log.warning("coordinator_error", error=type(error).__name__)
        if client_dead(consumer._client):
            self._end(Exit.STUCK, Why.CLIENT_DEAD)
        if self._joined() and not self._assignment():
            consumer._client.force_metadata_update()  # what it finds new makes the group join again

    async def _look_for_topics(self) -> None:
        try:
            missing = await missing_topics(self._bootstrap, **self._options)
        except BrokerAway:
            return
        if missing:
            self._end(Exit.STUCK, Why.TOPIC_GONE)

    def _joined(self) -> bool:
        coordinator = getattr(self._worker.consumer(), "_coordinator", None)
        return coordinator is not None and coordinator.generation >= 0 and coordinator.coordinator_id is not None

    def _assignment(self) -> set[TopicPartition]:
        consumer = self._worker.consumer()
        try:
            return set(consumer.assignment()) if consumer is not None else set()
        except RuntimeError:  # changed on its own thread while we copied it
            return set()

    def _end(self, code: Exit, why: Why) -> None:
        if self._waiting.stopping:
            return
        self._leave(code, why)
