"""Referrals: made of acts, in their order, late by policy, ended for good."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from parsers.people import Role
from rules.following.acts import Act, ActKind, ReferralStep
from rules.following.referrals import NEXT, RESTS, referrals

ZONE = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)


def step(number, of, said, days=0, **more):
    at = NOW + timedelta(days=days)
    values = {
        "act_id": f"a{number}", "kind": ActKind.REFERRAL, "by": "ortiz", "role": Role.NURSE, "happened_at": at,
        "recorded_at": at, "referral_id": of, "referral_step": said,
    }  # fmt: skip
    return Act(**(values | more))


def test_two_referrals_keep_their_steps_and_whom_they_are_to():
    acts = [
        step(1, "r1", ReferralStep.MADE, referral_to="Meals on Wheels"),
        step(2, "r2", ReferralStep.MADE, 1, referral_to="Cardiology"),
        step(3, "r1", ReferralStep.SENT, 2),
        step(4, "", ReferralStep.SENT, 2),
    ]
    meals, heart = referrals(reversed(acts), ZONE)
    assert (meals.to, meals.step, heart.to, heart.step) == (
        "Meals on Wheels", ReferralStep.SENT, "Cardiology", ReferralStep.MADE,
    )  # fmt: skip
    assert meals.next == NEXT[ReferralStep.SENT]


def test_a_step_taken_back_is_not_there():
    undo = step(3, "", None, 3, kind=ActKind.UNDO, supersedes="a2")
    (referral,) = referrals([step(1, "r", ReferralStep.MADE), step(2, "r", ReferralStep.DECLINED, 1), undo], ZONE)
    assert referral.step is ReferralStep.MADE


@pytest.mark.parametrize("said", ReferralStep)
def test_each_step_has_a_way_on_and_is_late_after_its_rest_or_is_an_end(said):
    (referral,) = referrals([step(1, "r", said)], ZONE)
    assert bool(referral.next) == (referral.due_at is not None)
    if referral.due_at is not None:
        assert not referral.overdue(referral.due_at)
        assert referral.overdue(NOW + RESTS[said] + timedelta(minutes=1))
    else:
        assert not referral.overdue(NOW + timedelta(days=999))


def test_a_booked_one_is_late_a_day_after_its_day():
    (referral,) = referrals([step(1, "r", ReferralStep.BOOKED, day=date(2026, 12, 1))], ZONE)
    assert referral.due_at == datetime(2026, 12, 3, 5, 0, tzinfo=UTC)
