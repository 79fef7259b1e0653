"""What nobody did in time: stays, acts, the directory and the escalation rules in, questions to the next person out."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from rules.following.escalation import CameTo, Escalation
from rules.following.look import Rules
from rules.policy.policy import Policy
from rules.telling.destinations import Destination, Whose
from rules.telling.directory import Directory
from streams.run import metrics
from streams.run.crash import traced
from streams.store import Store, Unavailable
from streams.store.ticks import Turn

log = structlog.get_logger()
LOOKS_AT_ONCE: Final = 50
WORK_SECONDS: Final = 0.5  # of a tick: messages come first
AGAIN_AFTER: Final = timedelta(minutes=10)  # a stay that could not be looked at
GRACE: Final = timedelta(minutes=2)  # a look that is later than this is counted as missed


class Overdue:
    """Looks at what has changed and at what is due."""

    def __init__(
        self,
        store: Store,
        escalation: Callable[[], Escalation],
        policy: Callable[[], Policy],
        directory: Callable[[], Directory],
    ) -> None:
        self._store = store
        self._escalation = escalation
        self._policy = policy
        self._directory = directory

    def run(self, turn: Turn, now: datetime) -> None:
        """One tick. Raises `Unavailable`, also when another process has taken the turn over."""
        store = self._store.escalations
        rules = Rules(store.in_force(turn, self._escalation(), now), self._policy(), self._directory())
        mail = [row.destination for row in self._store.destinations.all() if row.destination.whose is Whose.PERSON]
        until = time.monotonic() + WORK_SECONDS
        while store.hear(turn) and time.monotonic() < until:
            pass
        while (stays := store.to_look_at(now, LOOKS_AT_ONCE)) and time.monotonic() < until:
            self._look(turn, stays, rules, mail, now)
        metrics.ESCALATION_UNLOOKED.set(store.unlooked(now, GRACE))
        metrics.ESCALATION_UNHEARD.set(store.unheard(turn.name))

    def _look(
        self, turn: Turn, stays: Mapping[str, int], rules: Rules, mail: Sequence[Destination], now: datetime
    ) -> None:
        try:
            steps = self._store.escalations.look(turn, stays, rules, mail, now)
        except Unavailable:
            raise
        except Exception as error:
            if len(stays) > 1:
                for alert_id, seen in stays.items():
                    self._look(turn, {alert_id: seen}, rules, mail, now)
                return
            metrics.ESCALATION_FAILED.inc()
            log.error("stay_not_looked_at", **traced(error))
            self._store.escalations.put_off(turn, next(iter(stays)), now + AGAIN_AFTER)
            return
        for step in steps:
            metrics.ESCALATION_STEPS.labels(step.run, step.came_to).inc()
            if step.came_to is CameTo.ASKED:
                log.info("asked_because_nobody_acted", run=step.run, step=step.number)
