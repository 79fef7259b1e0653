"""Store and rules in; everything that is done again and again by one worker at a time out."""

from collections.abc import Callable
from typing import Final

from parsers.feeds import Feeds
from rules.following.escalation import Escalation
from rules.matching.index import PanelIndex
from rules.policy.policy import Policy
from rules.telling.directory import Directory
from streams.follow import diagnoses, late_enrollment, reports, silence
from streams.follow.diagnoses import LateDiagnoses
from streams.follow.late_enrollment import LateEnrollment
from streams.follow.overdue import Overdue
from streams.follow.reports import Reports
from streams.follow.silence import Silence
from streams.follow.ticks import Tick, TickName
from streams.run.settings import Settings
from streams.store import Store

OVERDUE_SECONDS: Final = 2.0


def ticks_of(
    settings: Settings,
    store: Store,
    escalation: Callable[[], Escalation],
    policy: Callable[[], Policy],
    feeds: Callable[[], Feeds],
    directory: Callable[[], Directory],
    index: Callable[[], PanelIndex],
) -> tuple[Tick, ...]:
    """One tick for each name."""
    return (
        Tick(TickName.ESCALATION, OVERDUE_SECONDS, Overdue(store, escalation, policy, directory).run),
        Tick(TickName.SILENCE, silence.EVERY_SECONDS, Silence(store, feeds, policy).run),
        Tick(TickName.DIAGNOSES, diagnoses.EVERY_SECONDS, LateDiagnoses(store).run),
        Tick(TickName.REPORTS, reports.EVERY_SECONDS, Reports(store, policy).run),
        Tick(TickName.LATE_ENROLLMENT, late_enrollment.EVERY_SECONDS, LateEnrollment(settings, store, index).run),
    )
