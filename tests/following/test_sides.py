"""A stay that a medical home and a behavioral-health plan both look after: two holders, two states, one story."""

from datetime import timedelta

import pytest

from parsers.people import Role
from rules.decisions import ClockKind, Owner
from rules.following.acts import Act, ActKind, CloseReason, Outcome
from rules.following.loop import Loop, loop
from rules.following.meets import Verdict
from rules.following.sides import Side
from rules.following.state import FollowUpState
from tests.following.test_following import HOME, NOW, ZONE, act, clock, tried, version

STAFF = frozenset({"ortiz", "lee", "ray", "kim"})
AT_PLANS = frozenset({"ray", "kim"})
VISIT = clock(ClockKind.FUH_7, HOME + timedelta(days=7))


def looked_after(side: Side, acts: list[Act], owners: tuple[str, ...] = ("ortiz", "ray")) -> Loop:
    newest = version(owners=tuple(Owner(case_manager_id=who, because="x") for who in owners), clocks=(VISIT,))
    return loop([newest], acts, STAFF, NOW, ZONE, side=side, at_plans=AT_PLANS)


def of_plan(kind: ActKind, minutes: float = 60, by: str = "ray", **changed: object) -> Act:
    return act(kind, minutes, by, role=Role.CARE_COORDINATOR, **changed)


def holders(acts: list[Act], owners: tuple[str, ...] = ("ortiz", "ray")) -> tuple[str, str]:
    home, plan = (looked_after(side, acts, owners) for side in Side)
    assert (home.beside, plan.beside) in {(plan.holding.holder, home.holding.holder), ("", "")}
    return home.holding.holder, plan.holding.holder


def test_each_side_has_its_own_holder_from_the_start() -> None:
    assert holders([]) == ("ortiz", "ray")
    assert looked_after(Side.HOME, []).beside == "ray"
    assert holders([], ("ortiz", "lee", "ray")) == ("", "ray")


@pytest.mark.parametrize(
    ("done", "after"),
    [
        (of_plan(ActKind.TAKE, by="kim"), ("ortiz", "kim")),
        (act(ActKind.TAKE, by="lee"), ("lee", "ray")),
        (of_plan(ActKind.GIVE_BACK), ("ortiz", "")),
        (of_plan(ActKind.NOT_OURS), ("ortiz", "")),
        (act(ActKind.ASSIGN, by="vance", for_id="lee"), ("lee", "ray")),
        (act(ActKind.ASSIGN, by="vance", for_id="kim"), ("ortiz", "kim")),
    ],
)
def test_what_changes_hands_on_one_side_stays_where_it_is_on_the_other(done: Act, after: tuple[str, str]) -> None:
    assert holders([done]) == after


def test_what_is_handed_over_to_the_other_side_is_held_there_once_it_is_accepted() -> None:
    offer = act(ActKind.HAND_OVER, for_id="kim")
    assert looked_after(Side.HOME, [offer]).holding.on_lists_of == {"ortiz", "kim"}
    assert holders([offer, of_plan(ActKind.ACCEPT, 70, "kim", answers_act=offer.act_id)]) == ("kim", "ray")


def test_a_call_and_a_closing_count_on_the_side_whose_they_are() -> None:
    called = tried(60, Outcome.REACHED, by="ray", role=Role.CARE_COORDINATOR)
    closed = of_plan(ActKind.CLOSE, 90, close_reason=CloseReason.OTHER)
    home, plan = (looked_after(side, [called, closed]).follow_up.state for side in Side)
    assert home is not FollowUpState.CLOSED and plan is FollowUpState.CLOSED
    assert looked_after(Side.HOME, [called]).follow_up.tries == 0
    assert looked_after(Side.PLAN, [called]).follow_up.state is FollowUpState.REACHED


def test_a_visit_kept_with_either_stops_the_clock_of_both() -> None:
    kept = of_plan(ActKind.VISIT_KEPT, 60 * 24, day=(HOME + timedelta(days=1)).date())
    assert [looked_after(side, [kept]).standings[0].verdict for side in Side] == [Verdict.MET, Verdict.MET]


def test_a_question_to_the_other_side_is_before_both() -> None:
    asked = act(ActKind.ASK, for_id="ray", text="x")
    assert [len(looked_after(side, [asked]).holding.questions) for side in Side] == [1, 1]


@pytest.mark.parametrize("owners", [("ortiz",), ("ray",), ("ray", "kim"), ()])
def test_where_one_side_was_told_nothing_is_divided(owners: tuple[str, ...]) -> None:
    acts = [of_plan(ActKind.TAKE, by="kim"), act(ActKind.CLOSE, 90, close_reason=CloseReason.OTHER)]
    home, plan = (looked_after(side, acts, owners) for side in Side)
    assert home == plan
    assert (home.holding.holder, home.beside) == ("kim", "")
