"""What a version is decided from: the world of the moment and the case of one stay."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from parsers.events import Event, EventKind
from parsers.people import Enrollee
from rules.decisions import (
    Action,
    Alert,
    AlertKind,
    Match,
    Reason,
    Stay,
)
from rules.policy.policy import Policy
from rules.stays.draft import Step
from rules.telling.routes import Routed

Route = Callable[[Enrollee | None, AlertKind, frozenset[Reason], datetime], Routed]


class World(NamedTuple):
    """Everything a decision depends on that is not about the event."""

    policy: Policy
    route: Route
    now: datetime


class Case(NamedTuple):
    """One event on one stay, with all that is known around it."""

    event: Event
    kind: EventKind  # what the event counts as here
    step: Step
    before: Stay | None
    previous: Alert | None  # the last version told of this stay
    others: tuple[Stay, ...]  # the enrollee's other stays
    enrollee: Enrollee | None
    match: Match
    extra: tuple[Reason, ...] = ()  # why this is told at all, beyond what the stay says

    @property
    def living(self) -> bool:
        return self.previous is not None and self.previous.action is not Action.RETRACT


Silence = tuple[Reason, ...]
