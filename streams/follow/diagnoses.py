"""Discharges of a day and of a week ago in; whether each has its diagnosis by now, on report cards, out."""

from datetime import datetime
from typing import Final

from streams.store import Store
from streams.store.ticks import Turn

EVERY_SECONDS: Final = 60.0


class LateDiagnoses:
    """Looks at discharges again on the days that they are marked for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run(self, turn: Turn, now: datetime) -> None:
        """One tick. Raises `Unavailable`, also when another process has taken the turn over."""
        while self._store.diagnosis_marks.count(turn, now):
            pass
