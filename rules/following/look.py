"""A look at one stay at `now`: its loop and the steps written so far in; what is due, which questions are over, and
when to look again, out."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from rules.decisions import Alert
from rules.following.escalation import CameTo, Facts, StepDone, due, next_due
from rules.following.frozen import InForce, plan_frozen
from rules.following.loop import Loop
from rules.following.state import FollowUpState, laid_by
from rules.policy.policy import Policy
from rules.telling.directory import Directory

PAUSED_FOR: Final = timedelta(hours=12)  # the stay that pauses another may end without a word


class Rules(NamedTuple):
    """By what a look decides."""

    escalation: Sequence[InForce]
    policy: Policy
    directory: Directory


class Written(NamedTuple):
    """A step that was written before."""

    key: str
    run: str
    began_at: datetime
    came_to: CameTo
    person: str  # case_manager_id; "" for nobody
    over: bool  # nothing asks it any more


class Look(NamedTuple):
    """What a look comes to."""

    due: tuple[StepDone, ...]
    over: tuple[str, ...]  # keys of open questions that nothing asks any more
    spared: tuple[str, ...]  # people of whom no question is left open
    again_at: datetime | None  # when to look next; `None`: when something changes


def look(
    versions: Sequence[Alert], loop: Loop, practice_id: str, written: Iterable[Written], rules: Rules, now: datetime
) -> Look:
    """A look at a stay. `versions`: all of its alert, oldest first; `practice_id`: of the enrollee."""
    newest, written = versions[-1], tuple(written)
    facts = Facts(
        stay_id=newest.stay_id,
        priority=newest.priority,
        kind=newest.kind,
        risk_tier=newest.risk_tier,
        practice_id=practice_id,
        owners=tuple(owner.case_manager_id for owner in newest.owners),
        told_at=versions[laid_by(versions)[2] - 1].decided_at,
        follow_up=loop.follow_up,
        holding=loop.holding,
        standings=loop.standings,
    )
    steps = plan_frozen(facts, rules.escalation, rules.policy)
    keys = {step.key for step in written}
    begun = {(step.run, step.began_at) for step in steps}
    asked = {(step.run, step.person) for step in written if step.person and (step.run, step.began_at) in begun}
    done_now = due(facts, steps, keys, asked, rules.directory, now)
    runs = {_run_of(step.key) for step in steps}
    open_ = [step for step in written if step.came_to is CameTo.ASKED and not step.over]
    over = [step for step in open_ if _run_of(step.key) not in runs]
    left = {step.person for step in open_ if step not in over}
    paused = loop.follow_up.state is FollowUpState.PAUSED
    return Look(
        done_now,
        tuple(step.key for step in over),
        tuple({step.person for step in over} - left),
        now + PAUSED_FOR if paused else next_due(steps, keys | {done.step.key for done in done_now}, now),
    )


def _run_of(step_key: str) -> str:
    return step_key.rpartition(":")[0]
