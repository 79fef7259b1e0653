"""Keeps the destinations in memory and fresh: the store's rows in, the question "to whom is this due" out.

Nothing is asked, and nothing costs anything, while there are none.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from rules.telling.destinations import Destination, FormKind
from rules.telling.directory import Directory
from rules.telling.due import DestinationIndex
from streams.store import Store
from streams.store.due import AskDue, Due

log = structlog.get_logger()

POLL_SECONDS: Final = 1.0


class LiveDestinations:
    """Ask `ask` for each batch; it looks at the store at most once a second, in the caller's thread."""

    def __init__(self, store: Store, directory: Callable[[], Directory]) -> None:
        self._store = store
        self._directory = directory
        self._version = -1
        self._index = DestinationIndex()
        self._looked = float("-inf")
        self.passes_on = False  # whether messages go on to somebody as received

    def ask(self) -> AskDue | None:
        """The question for one transaction, `None` while nobody is to be told. Raises `Unavailable`."""
        self.look()
        index, directory = self._index, self._directory()
        if not len(index):
            return None

        def due(version: Due) -> Iterable[Destination]:
            return index.due(version.alert, version.enrollee, version.told, directory)

        return due

    def look(self) -> None:
        """Hears of changes, at most once a second. Raises `Unavailable`."""
        if time.monotonic() - self._looked < POLL_SECONDS:
            return
        version = self._store.destinations.version()
        if version != self._version:
            destinations = [row.destination for row in self._store.destinations.all()]
            self._index = DestinationIndex(destinations)
            self.passes_on = any(destination.form is FormKind.HL7_RECEIVED for destination in destinations)
            self._version = version
            log.info("destinations_loaded", destinations=len(self._index))
        self._looked = time.monotonic()
