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
from rules.following.state import FollowUp, follow_up


class Loop(NamedTuple):
    """How far we are with the patient, who has the stay, and how each of its clocks stands."""

    follow_up: FollowUp
    holding: Holding
    standings: tuple[Standing, ...]


def loop(
    versions: Sequence[Alert],
    acts: Iterable[Act],
    staff: Collection[str],
    now: datetime,
    zone: ZoneInfo,
    *,
    in_hospital_again: bool = False,
    no_call_days: int | None = None,
) -> Loop:
    """The loop of one stay. `versions`: all of its alert, oldest first; `staff`: everybody in the directory today;
    `no_call_days`: as in the policy, after which a follow-up that asks for nothing is closed by itself."""
    acts, newest = tuple(acts), versions[-1]
    standing = standings(newest.clocks, acts, now, zone)
    left = steps_left(standing)
    return Loop(
        follow_up(versions, acts, now, in_hospital_again=in_hospital_again, steps_left=left, no_call_days=no_call_days),
        holding(acts, [owner.case_manager_id for owner in newest.owners], staff),
        standing,
    )
