"""What escalation makes of stays at `now`: what is due, which questions are over, when to look next. Reads only."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, select

from rules.following.escalation import CameTo, StepDone
from rules.following.look import Rules, Written, look
from streams.store.acts import acts_of
from streams.store.database import rows_among
from streams.store.loops import loops_of, versions_of
from streams.store.tables import escalation_steps, from_us, to_us

NEVER: Final = 2**62  # look at it when something changes


class Looked(NamedTuple):
    """What a look at one stay comes to, as `rules.following.look.Look` says it, of which version."""

    alert_id: str
    version: int
    due: tuple[StepDone, ...]
    over: tuple[str, ...]
    spared: tuple[str, ...]
    look_us: int  # when to look next


def looked_at(connection: Connection, alert_ids: Sequence[str], rules: Rules, now: datetime) -> dict[str, Looked]:
    """A look at each of these stays."""
    done = acts_of(connection, alert_ids)
    versions = versions_of(connection, list(done))
    loops = loops_of(connection, versions, done, rules.directory, rules.policy, now)
    practices = dict(
        rows_among(
            connection,
            "SELECT enrollee_id, practice_id FROM enrollees WHERE enrollee_id IN :among",
            list({its_versions[-1].enrollee_id for its_versions in versions.values()}),
        )
    )
    written: dict[str, list[Written]] = {}
    wanted = select(escalation_steps).where(escalation_steps.c.alert_id.in_(list(versions)))
    for row in connection.execute(wanted):
        written.setdefault(row.alert_id, []).append(_written(row))
    looks: dict[str, Looked] = {}
    for alert_id, its_versions in versions.items():
        newest = its_versions[-1]
        practice_id = practices.get(newest.enrollee_id, "")
        seen = look(its_versions, loops[alert_id], practice_id, written.get(alert_id, ()), rules, now)
        again_us = to_us(seen.again_at) if seen.again_at else NEVER
        looks[alert_id] = Looked(alert_id, newest.version, seen.due, seen.over, seen.spared, again_us)
    return looks


def _written(row: Any) -> Written:
    return Written(
        row.step_key, row.run, from_us(row.began_us), CameTo(row.came_to), row.case_manager_id, bool(row.ended_us)
    )
