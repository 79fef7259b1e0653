"""What the follow-up of one stay comes to at `now`: versions, acts and directory in, state, holder and clocks out.

Nothing of it is stored: whoever has the same versions and acts comes to the same loop, in whatever order they came.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rules.decisions import Alert
from rules.following.acts import Act
from rules.following.holder import Holding, holding
from rules.following.meets import Standing, standings, steps_left
from rules.following.sides import Side, holding_of, is_divided, of_side
from rules.following.state import FollowUp, follow_up


class Loop(NamedTuple):
    """How far we are with the patient, who has the stay, and how each of its clocks stands."""

    follow_up: FollowUp
    holding: Holding
    standings: tuple[Standing, ...]
    beside: str = ""  # who has it on the other side, where both look after the patient


def loop(
    versions: Sequence[Alert],
    acts: Iterable[Act],
    staff: Collection[str],
    now: datetime,
    zone: ZoneInfo,
    *,
    in_hospital_again: bool = False,
    no_call_days: int | None = None,
    side: Side = Side.HOME,
    at_plans: Collection[str] = frozenset(),
) -> Loop:
    """The loop of one stay, as one side has it. `versions`: all of its alert, oldest first; `staff`: everybody in the
    directory today; `at_plans`: those of them at an LME/MCO; `no_call_days`: as in the policy, after which a follow-up
    that asks for nothing is closed by itself."""
    acts, newest = tuple(acts), versions[-1]
    everybody = [owner.case_manager_id for owner in newest.owners]
    owners, ours = of_side(side, everybody, acts, at_plans)
    standing = standings(newest.clocks, acts, now, zone)
    left = steps_left(standing)
    divided = is_divided(everybody, at_plans)
    return Loop(
        follow_up(versions, ours, now, in_hospital_again=in_hospital_again, steps_left=left, no_call_days=no_call_days),
        holding(ours, owners, staff),
        standing,
        holding_of(side.other, everybody, acts, staff, at_plans).holder if divided else "",
    )
