"""What was told and done in; what each stay counts as in the report of its week, kept up, out."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from rules.policy.policy import Policy
from streams.store import Store
from streams.store.ticks import Turn

EVERY_SECONDS: Final = 10.0
WORK_SECONDS: Final = 1.0  # of a tick: messages come first


class Reports:
    """Counts whatever has changed; after an upgrade everything there is, a little at each tick."""

    def __init__(self, store: Store, policy: Callable[[], Policy]) -> None:
        self._store = store
        self._policy = policy

    def run(self, turn: Turn, _now: datetime) -> None:
        """One tick. Raises `Unavailable`, also when another process has taken the turn over."""
        until = time.monotonic() + WORK_SECONDS
        while self._store.week_counts.count(turn, self._policy().tz) and time.monotonic() < until:
            pass
