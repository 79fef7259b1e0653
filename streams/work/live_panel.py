"""Keeps what the worker decides by in memory and fresh: the store's panel, crosswalk and directory in, live values out.

A thread asks the store several times a second. Small changes are applied to the index in use; a large load is built
aside and swapped in. While the store is away the last known values serve.
"""

import gc
import threading
import time
from typing import Final

import structlog

from rules.matching.index import PanelIndex
from rules.telling.directory import Directory
from streams.run import metrics
from streams.run.metrics import Part
from streams.store import Store, Unavailable
from streams.work.unavailable import Waiting

log = structlog.get_logger()

_POLL_SECONDS: Final = 0.3
_GAUGE_SECONDS: Final = 10.0
_REBUILD_FROM: Final = 20_000  # changed lines at which building anew costs less than changing what is being read


class PanelWatch:
    """`start` it, `wait` until the first load, then read `index` and `directory` as often as you like."""

    def __init__(self, store: Store, waiting: Waiting) -> None:
        self._store = store
        self._waiting = waiting
        self._seq = 0
        self._directory_version = -1
        self._index = PanelIndex.build([], [])
        self._directory = Directory()
        self._loaded = threading.Event()
        self._stopped = threading.Event()
        self._gauged = 0.0
        self._thread = threading.Thread(target=self._run, name="panel-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(5)

    def wait(self, seconds: float | None = None) -> bool:
        """True once panel and directory are there."""
        return self._loaded.wait(seconds)

    @property
    def loaded(self) -> bool:
        return self._loaded.is_set()

    def alive(self) -> bool:
        """False when the thread has ended by a bug of ours: from then on the panel would grow old unnoticed."""
        return self._thread.is_alive() or not self._thread.ident

    def index(self) -> PanelIndex:
        return self._index

    def directory(self) -> Directory:
        return self._directory

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.refresh()
            except Unavailable as error:
                self._waiting.away(Part.STORE, type(error).__name__, "panel")
                self._stopped.wait(1.0)
            else:
                self._waiting.back(Part.STORE, "panel")
                self._loaded.set()
            self._stopped.wait(_POLL_SECONDS)

    def refresh(self) -> None:
        """Takes over what has changed in the store since the last call. Raises `Unavailable`."""
        version = self._store.directory.version()
        if version != self._directory_version:
            self._directory = self._store.directory.read()
            self._directory_version = version
        if not self._loaded.is_set():
            self._rebuild(self._store.panel.seq())
        else:
            changes = self._store.panel.changes(self._seq)
            if len(changes.enrollee_ids) + len(changes.removed) >= _REBUILD_FROM:
                self._rebuild(changes.seq)
            elif changes.seq != self._seq:
                records = self._store.panel.records(changes.enrollee_ids) if changes.enrollee_ids else ()
                self._index.apply(records, changes.removed, changes.crosswalk)
                self._seq = changes.seq
        if time.monotonic() - self._gauged >= _GAUGE_SECONDS:
            self._gauged = time.monotonic()
            metrics.PANEL_SIZE.set(len(self._index))
            if (age := self._store.panel.age()) is not None:
                metrics.PANEL_AGE.set(max(0.0, age.total_seconds()))

    def _rebuild(self, seq: int) -> None:
        started = time.monotonic()
        self._index = PanelIndex.build(self._store.panel.records(), self._store.panel.crosswalk())
        self._seq = seq
        gc.collect()
        gc.freeze()  # hundreds of thousands of lines that live on: the collector need not walk them again and again
        log.info("panel_loaded", enrollees=len(self._index), seconds=round(time.monotonic() - started, 2))
