"""What one process at a time does again and again: the table of it in, each done by whoever has its turn out.

A tick that fails makes the process not ready until it works, there or elsewhere. It gives its turn back: a process of a
newer version may read what this one cannot. Other ticks, and the messages, go on.
"""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import uuid4

import structlog

from streams.run import metrics
from streams.run.crash import traced
from streams.run.health import Check
from streams.store import Store, Unavailable
from streams.store.ticks import Turn

log = structlog.get_logger()
PATIENCE_SECONDS: Final = 15.0  # so long a holder may stand still before another process takes over
_BEAT_SECONDS: Final = 2.0


class TickName(StrEnum):
    ESCALATION = "escalation"
    SILENCE = "silence"
    DIAGNOSES = "diagnoses"
    REPORTS = "reports"
    LATE_ENROLLMENT = "late_enrollment"


class Tick(NamedTuple):
    """One thing to do; `run` takes the turn it writes under and the time."""

    name: TickName
    every_seconds: float
    run: Callable[[Turn, datetime], None]


class Ticker:
    """Does the ticks in a thread of its own, those whose turn this process has."""

    def __init__(self, store: Store, ticks: Sequence[Tick]) -> None:
        self._store = store
        self._ticks = ticks
        self._me = uuid4().hex
        self._next: dict[TickName, float] = {}
        self._failing: dict[TickName, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ticks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Ends after the tick in hand, and lets another process take over at once."""
        self._stop.set()
        self._thread.join(seconds)

    def check(self) -> Check:
        """Whether every tick works."""
        failing = [f"{name}: {error}" for name, error in sorted(self._failing.items())]
        if not self._thread.is_alive() and not self._stop.is_set():
            failing.append("the thread has ended")
        why = f"a repeated task fails ({', '.join(failing)}): see the log" if failing else ""
        return Check("ticks", ok=not failing, why=why)

    def once(self, now: datetime) -> None:
        """Whatever is due, for which this process has the turn. Raises `Unavailable` when each has had its try."""
        away: Unavailable | None = None
        for tick in self._ticks:
            if time.monotonic() < self._next.get(tick.name, 0.0):
                continue
            self._next[tick.name] = time.monotonic() + tick.every_seconds
            try:
                self._take_turn(tick, now)
            except Unavailable as error:
                away = error
        if away is not None:
            raise away

    def _take_turn(self, tick: Tick, now: datetime) -> None:
        turn = self._store.ticks.take(tick.name, self._me, PATIENCE_SECONDS)
        if turn is not None:
            self._run(tick, turn, now)
        else:
            self._failing.pop(tick.name, None)  # somebody else does it
        last = self._store.ticks.last_run(tick.name)
        metrics.TICK_RAN.labels(tick.name).set(last.timestamp() if last else 0)

    def _run(self, tick: Tick, turn: Turn, now: datetime) -> None:
        try:
            tick.run(turn, now)
            self._store.ticks.ran(turn, now)
        except Unavailable:
            raise
        except Exception as error:
            self._failing[tick.name] = type(error).__name__
            log.error("tick_failed", tick=tick.name.value, **traced(error))
            self._store.ticks.give_back(turn)
        else:
            self._failing.pop(tick.name, None)

    def _work(self) -> None:
        while not self._stop.wait(_BEAT_SECONDS):
            try:
                self.once(datetime.now(UTC))
            except Unavailable as error:
                metrics.UNAVAILABLE.labels(metrics.Part.STORE).inc()
                log.info("ticks_wait", why=type(error).__name__)
        self._give_back()

    def _give_back(self) -> None:
        try:
            for tick in self._ticks:
                if (turn := self._store.ticks.take(tick.name, self._me, PATIENCE_SECONDS)) is not None:
                    self._store.ticks.give_back(turn)
        except Unavailable:
            pass  # whoever waits takes over after `PATIENCE_SECONDS`
