"""Two sides may look after one patient: whose acts count for which of them, out of a stay's owners and acts.

The medical home (practice, network, central office) and the behavioral-health plan of the county (LME/MCO) own some
people together. Where a stay was told to both, each side has its own holder and its own follow-up state, so that a
coordinator who closes it does not take it off the nurse's list. The story and the clocks stay one: each sees what the
other did, and a visit kept with either is kept. Where only one side was told, nothing is divided.
"""

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import Final

from parsers.people import CaseManager
from rules.following.acts import Act, ActKind, effective
from rules.following.holder import Holding, holding


class Side(StrEnum):
    HOME = "home"  # practice, network, central office
    PLAN = "plan"  # LME/MCO

    @property
    def other(self) -> "Side":
        return Side.PLAN if self is Side.HOME else Side.HOME


_OF_BOTH: Final = frozenset({ActKind.ASK, ActKind.ANSWER, ActKind.ACCEPT})  # may go over to the other side


def side_of(person: CaseManager) -> Side:
    return Side.PLAN if person.is_at_plan else Side.HOME


def is_divided(owners: Collection[str], at_plans: Collection[str]) -> bool:
    """Whether both sides were told. `at_plans`: everybody at an LME/MCO."""
    return 0 < sum(owner in at_plans for owner in owners) < len(owners)


def of_side(
    side: Side, owners: Sequence[str], acts: Iterable[Act], at_plans: Collection[str]
) -> tuple[Sequence[str], tuple[Act, ...]]:
    """The owners and the acts that count for one side."""
    if not is_divided(owners, at_plans):
        return owners, tuple(acts)
    ours = [owner for owner in owners if _side(owner, at_plans) is side]
    return ours, tuple(act for act in effective(acts) if _counts_for(side, act, at_plans))


def holding_of(
    side: Side, owners: Sequence[str], acts: Iterable[Act], staff: Collection[str], at_plans: Collection[str]
) -> Holding:
    """Who of one side has the stay, and what is asked of whom."""
    ours, counting = of_side(side, owners, acts, at_plans)
    return holding(counting, ours, staff)


def _counts_for(side: Side, act: Act, at_plans: Collection[str]) -> bool:
    if act.kind in _OF_BOTH:
        return True
    who = act.for_id if act.kind is ActKind.ASSIGN else act.on_behalf_of or act.by
    return _side(who, at_plans) is side


def _side(who: str, at_plans: Collection[str]) -> Side:
    return Side.PLAN if who in at_plans else Side.HOME
