"""What escalation makes of stays at `now`: what is due, which questions are over, when to look next. Reads only."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, select

from rules.decisions import Alert
from rules.following.escalation import CameTo, Facts, Step, StepDone, due, next_due
from rules.following.frozen import InForce, plan_frozen
from rules.following.loop import Loop
from rules.following.state import FollowUpState, laid_by
from rules.policy.policy import Policy
from rules.telling.destinations import Destination
from rules.telling.directory import Directory
from streams.store.acts import acts_of
from streams.store.database import rows_among
from streams.store.loops import loops_of, versions_of
from streams.store.tables import escalation_steps, to_us

NEVER: Final = 2**62  # look at it when something changes
PAUSED_FOR: Final = timedelta(hours=12)  # the stay that pauses another may end without a word


class Rules(NamedTuple):
    """By what a look decides."""

    escalation: Sequence[InForce]
    policy: Policy
    directory: Directory
    mail: Sequence[Destination] = ()


class Look(NamedTuple):
    """What a look at one stay comes to."""

    alert_id: str
    version: int
    due: tuple[StepDone, ...]
    over: tuple[str, ...]  # keys of open questions that nothing asks any more
    spared: tuple[str, ...]  # people of whom no question is left open
    look_us: int  # when to look next


def looked_at(connection: Connection, alert_ids: Sequence[str], rules: Rules, now: datetime) -> dict[str, Look]:
    """A look at each of these stays."""
    done = acts_of(connection, alert_ids)
    versions = versions_of(connection, list(done))
    loops = loops_of(connection, versions, done, rules.directory, rules.policy, now)
    practices = dict(
        rows_among(
            connection,
            "SELECT enrollee_id, practice_id FROM enrollees WHERE enrollee_id IN :among",
            list({told[-1].enrollee_id for told in versions.values()}),
        )
    )
    written: dict[str, list[Any]] = {}
    wanted = select(escalation_steps).where(escalation_steps.c.alert_id.in_(list(versions)))
    for row in connection.execute(wanted):
        written.setdefault(row.alert_id, []).append(row)
    return {
        alert_id: _look(
            told, loops[alert_id], practices.get(told[-1].enrollee_id, ""), written.get(alert_id, ()), rules, now
        )
        for alert_id, told in versions.items()
    }


def _look(
    versions: Sequence[Alert], loop: Loop, practice_id: str, written: Sequence[Any], rules: Rules, now: datetime
) -> Look:
    newest = versions[-1]
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
    keys = {row.step_key for row in written}
    begun = {(step.run, to_us(step.began_at)) for step in steps}
    asked = {(row.run, row.case_manager_id) for row in written if (row.run, row.began_us) in begun}
    found = due(facts, steps, keys, asked - {(run, "") for run, _ in begun}, rules.directory, now)
    open_ = [row for row in written if row.came_to == CameTo.ASKED and not row.ended_us]
    over = [row for row in open_ if _run_of(row.step_key) not in {_run_of(step.key) for step in steps}]
    left = {row.case_manager_id for row in open_ if row not in over}
    return Look(
        newest.alert_id,
        newest.version,
        found,
        tuple(row.step_key for row in over),
        tuple({row.case_manager_id for row in over} - left),
        _next(steps, keys | {done.step.key for done in found}, loop, now),
    )


def _run_of(step_key: str) -> str:
    return step_key.rpartition(":")[0]


def _next(steps: Sequence[Step], done: set[str], loop: Loop, now: datetime) -> int:
    if loop.follow_up.state is FollowUpState.PAUSED:
        return to_us(now + PAUSED_FOR)
    at = next_due(steps, done, now)
    return to_us(at) if at is not None else NEVER
