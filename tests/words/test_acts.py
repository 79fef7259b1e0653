"""What people did about a stay, in words."""

from datetime import UTC, date, datetime, timedelta

import pytest

from parsers.people import Role
from rules.decisions import Clock, ClockKind, ClockStatus
from rules.following.acts import Act, ActKind, CloseReason, Mode, Outcome, ReferralStep, With
from rules.following.meets import Standing, Verdict
from rules.following.state import FollowUp, FollowUpState, Ground
from streams.words import acts as act_words

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
NAMES = {"ortiz": "M. Ortiz, RN", "park": "D. Park, PharmD", "lee": "J. Lee, RN"}


def act(kind, **more):
    values = {"act_id": "a", "kind": kind, "by": "ortiz", "role": Role.NURSE, "happened_at": NOW, "recorded_at": NOW}
    return Act(**(values | more))


@pytest.mark.parametrize(
    ("done", "words"),
    [
        (act(ActKind.TAKE), "M. Ortiz, RN has this one"),
        (act(ActKind.TAKE, on_behalf_of="lee"), "M. Ortiz, RN (for J. Lee, RN) has this one"),
        (act(ActKind.HAND_OVER, for_id="lee"), "M. Ortiz, RN offered this to J. Lee, RN"),
        (act(ActKind.ASK, for_id="park", text="Dose?"), "M. Ortiz, RN asked D. Park, PharmD"),
        (
            act(ActKind.ATTEMPT, outcome=Outcome.REACHED, mode=Mode.PHONE, with_whom=With.CAREGIVER),
            "M. Ortiz, RN talked with a family member or helper by phone",
        ),
        (act(ActKind.ATTEMPT, outcome=Outcome.REACHED), "M. Ortiz, RN talked with the patient"),
        (act(ActKind.ATTEMPT, outcome=Outcome.NO_ANSWER, mode=Mode.PHONE), "M. Ortiz, RN called, no answer"),
        (
            act(ActKind.ATTEMPT, outcome=Outcome.LEFT_MESSAGE, mode=Mode.PHONE),
            "M. Ortiz, RN left a message by phone",
        ),
        (act(ActKind.CLOSE, close_reason=CloseReason.DECLINED), "M. Ortiz, RN closed this: the patient declined"),
        (
            act(ActKind.REFERRAL, referral_step=ReferralStep.REPORTED, referral_to="Meals on Wheels"),
            "M. Ortiz, RN noted of the referral to Meals on Wheels: report is back",
        ),
        (act(ActKind.REFERRAL, referral_step=ReferralStep.SENT), "M. Ortiz, RN noted of the referral: sent"),
        (act(ActKind.VISIT_KEPT, day=date(2026, 11, 24)), "M. Ortiz, RN noted that the visit happened"),
    ],
)
def test_an_act_is_a_sentence(done, words):
    assert act_words.did(done, NAMES.get) == words


def test_what_was_written_later_says_when_it_happened_and_details_stand_under_it():
    done = act(
        ActKind.ATTEMPT, outcome=Outcome.LEFT_MESSAGE, mode=Mode.PHONE, happened_at=NOW - timedelta(hours=2),
        number="8285550147", until=NOW + timedelta(days=1), text="Her son will call", minutes=3, language="Spanish",
        interpreter=True, who="Ana, daughter",
    )  # fmt: skip
    lines = act_words.details(done, NOW)
    assert lines[0].startswith("happened ")
    assert set(lines) >= {"number 828-555-0147", "3 minutes", "in Spanish", "with an interpreter", "Ana, daughter"}
    assert lines[-1] == "“Her son will call”"
    assert act_words.details(act(ActKind.TAKE), NOW) == ()
    assert act_words.details(act(ActKind.VISIT_BOOKED, day=date(2026, 11, 30)), NOW) == ("Nov 30, 2026",)


def follow_up(state, **more):
    values = {
        "state": state, "ground": Ground.CALL, "since": NOW, "tries": 0, "last_attempt": None, "remind_at": None,
        "booked": None, "closed_by": None, "close_reason": None, "called_before_it_was_void": False,
    }  # fmt: skip
    return FollowUp(**(values | more))


CALLED = act(ActKind.ATTEMPT, outcome=Outcome.REACHED)


@pytest.mark.parametrize(
    ("stand", "start"),
    [
        (follow_up(FollowUpState.TRYING, tries=1), "1 try, not reached"),
        (follow_up(FollowUpState.TRYING, tries=3), "3 tries, not reached"),
        (follow_up(FollowUpState.REACHED, last_attempt=CALLED), "Talked "),
        (
            follow_up(FollowUpState.CLOSED, closed_by=CALLED, close_reason=CloseReason.MOVED_AWAY),
            "Closed: moved away, M. Ortiz, RN",
        ),
        (follow_up(FollowUpState.CLOSED), "Closed"),
        (
            follow_up(FollowUpState.VOID, last_attempt=CALLED, called_before_it_was_void=True),
            "Somebody called about this",
        ),
        (follow_up(FollowUpState.DIED), "Died. Do not call the patient."),
    ],
)
def test_how_far_a_follow_up_is(stand, start):
    assert act_words.where_it_is(stand, NAMES.get, NOW).startswith(start)


CLOCK = Clock(kind=ClockKind.TCM_CONTACT, starts_at=NOW, due_at=NOW)


@pytest.mark.parametrize(
    ("standing", "start"),
    [
        (Standing(CLOCK, Verdict.MET, CALLED, 0), "done in time: M. Ortiz, RN talked with the patient, "),
        (Standing(CLOCK, Verdict.MET_LATE, CALLED, 0), "done late: "),
        (
            Standing(CLOCK, Verdict.MET, act(ActKind.VISIT_KEPT, day=date(2026, 11, 24)), 0),
            "done in time: M. Ortiz, RN noted that the visit happened, Nov 24, 2026",
        ),
        (Standing(CLOCK, Verdict.TRIED, CALLED, 2), "tried 2 times in time; the call is still to make: "),
        (Standing(CLOCK, Verdict.OPEN, None, 1), "still to do, 1 try so far"),
        (Standing(CLOCK, Verdict.MISSED, None, 0), "the time has passed and it is not done"),
        (
            Standing(CLOCK.model_copy(update={"status": ClockStatus.MET, "met_at": NOW}), Verdict.MET, None, 0),
            "noted for you, ",
        ),
    ],
)
def test_how_a_clock_stands_and_who_made_it_so(standing, start):
    assert act_words.verdict(standing, NAMES.get, NOW).startswith(start)
