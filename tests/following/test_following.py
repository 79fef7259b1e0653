"""Follow-up: total tables, a way on from every state, no act lost, and the order of delivery changes nothing."""

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.events import EncounterClass
from parsers.people import Role
from rules.decisions import (
    Action,
    Alert,
    AlertKind,
    Clock,
    ClockKind,
    ClockStatus,
    Priority,
    Reason,
    StayStatus,
)
from rules.following.acts import (
    Act,
    ActFault,
    ActKind,
    CloseReason,
    Mode,
    Outcome,
    With,
    Word,
    effective,
    faults,
    may_replace,
    word,
)
from rules.following.holder import holding
from rules.following.loop import loop
from rules.following.meets import MEETS, Verdict, standings, steps_left
from rules.following.state import (
    BEGINS,
    TABLE,
    WAYS_ON,
    FollowUpState,
    Ground,
    follow_up,
    may_be_given_up,
    struck_numbers,
)

ZONE = ZoneInfo("America/New_York")
HOME = datetime(2026, 11, 20, 19, 0, tzinfo=UTC)  # Friday 2 PM in North Carolina
DUE = datetime(2026, 11, 24, 22, 0, tzinfo=UTC)
STAFF = frozenset({"ortiz", "lee", "vance"})


def clock(kind: ClockKind = ClockKind.TCM_CONTACT, due: datetime = DUE, **changed: object) -> Clock:
    return Clock.model_validate({"kind": kind, "starts_at": HOME, "due_at": due, **changed})


def version(number: int = 1, **changed: object) -> Alert:
    plain: dict[str, object] = {
        "alert_id": "a", "version": number, "stay_id": "s", "enrollee_id": "E1", "kind": AlertKind.DISCHARGE,
        "encounter_class": EncounterClass.INPATIENT, "status": StayStatus.FINISHED, "priority": Priority.ROUTINE,
        "owners": (), "action": Action.NOTIFY, "reasons": (Reason.DISCHARGED,), "facility": "Mission",
        "occurred_at": HOME, "decided_at": HOME + timedelta(minutes=number), "message_id": f"m{number}",
        "trigger": "A03", "ended_at": HOME, "clocks": (clock(),),
    }  # fmt: skip
    return Alert.model_validate({**plain, **changed})


ADMITTED = {
    "kind": AlertKind.ADMISSION, "status": StayStatus.IN_PROGRESS, "ended_at": None, "clocks": (),
    "occurred_at": HOME - timedelta(days=3),
}  # fmt: skip


def act(kind: ActKind, minutes: float = 60, by: str = "ortiz", **changed: object) -> Act:
    at = HOME + timedelta(minutes=minutes)
    plain = {
        "act_id": f"{kind}-{by}-{minutes}", "kind": kind, "by": by, "role": Role.NURSE, "version": 1,
        "happened_at": at, "recorded_at": at,
    }  # fmt: skip
    return Act.model_validate({**plain, **changed})


def tried(minutes: float, outcome: Outcome = Outcome.NO_ANSWER, **changed: object) -> Act:
    return act(ActKind.ATTEMPT, minutes, outcome=outcome, mode=Mode.PHONE, **changed)


NOW = HOME + timedelta(days=2)


def state(versions: list[Alert], acts: list[Act], **given_: bool) -> FollowUpState:
    return follow_up(versions, acts, NOW, **given_).state


def test_who_was_tried_thrice_on_two_days_and_written_to_may_be_given_up() -> None:
    first, second, tomorrow = tried(60), tried(120), tried(60 * 24)
    letter = act(ActKind.ATTEMPT, 200, outcome=Outcome.SENT, mode=Mode.LETTER)
    went = tried(300).model_copy(update={"mode": Mode.IN_PERSON})
    enough = ([first, second, tomorrow, letter], [first, tomorrow, went])
    too_little = ([first, second, tomorrow], [first, tomorrow, letter], [first, second, tried(180), letter])
    assert [may_be_given_up(acts, HOME, ZONE) for acts in (*enough, *too_little)] == [True, True, False, False, False]
    assert not may_be_given_up(enough[0], HOME + timedelta(minutes=90), ZONE)  # what came before the ground was laid


def test_what_asks_for_no_call_is_closed_by_itself_after_the_days_of_the_policy() -> None:
    no_call = version(clocks=())

    def after(days: float, acts: tuple[Act, ...] = (), newest: Alert = no_call, **more: int) -> FollowUpState:
        now = HOME + timedelta(days=days, hours=1)
        return loop([newest], acts, STAFF, now, ZONE, **{"no_call_days": 30, **more}).follow_up.state

    assert (after(29), after(30)) == (FollowUpState.NO_CALL, FollowUpState.CLOSED)
    assert after(30, (act(ActKind.NOTE, 60 * 24 * 3, text="x"),)) is FollowUpState.NO_CALL
    assert after(30, newest=version(clocks=(clock(ClockKind.TCM_VISIT),))) is FollowUpState.NO_CALL  # asks for a visit
    assert after(30, newest=version()) is FollowUpState.TO_CALL
    closed = loop([no_call], (), STAFF, HOME + timedelta(days=40), ZONE, no_call_days=30).follow_up
    assert (closed.close_reason, closed.closed_by) == (CloseReason.NO_CALL_NEEDED, None)
    assert loop([no_call], (), STAFF, HOME + timedelta(days=400), ZONE).follow_up.state is FollowUpState.NO_CALL


def test_the_tables_are_total_and_every_state_has_a_way_on() -> None:
    folded = set(FollowUpState) - {FollowUpState.PAUSED, FollowUpState.DONE}
    assert all(set(row) == folded for row in TABLE.values())
    for before in folded:
        assert any(row[before] not in (before,) for row in TABLE.values()), before
    assert set(WAYS_ON) == set(FollowUpState)
    assert set(BEGINS) == set(Ground)


@pytest.mark.parametrize(
    ("acts", "expected"),
    [
        ([], FollowUpState.TO_CALL),
        ([tried(10)], FollowUpState.TRYING),
        ([tried(10, Outcome.REACHED)], FollowUpState.REACHED),
        ([tried(10, Outcome.REACHED, with_whom=With.FACILITY)], FollowUpState.TRYING),
        ([tried(-60, Outcome.REACHED)], FollowUpState.TO_CALL),  # before the discharge
        ([act(ActKind.UNABLE)], FollowUpState.TO_CALL),  # nobody tried
        ([tried(10), act(ActKind.UNABLE, 20)], FollowUpState.UNABLE),
        ([tried(10), act(ActKind.UNABLE, 20), tried(30, Outcome.REACHED)], FollowUpState.REACHED),
        ([act(ActKind.CLOSE, close_reason=CloseReason.OTHER)], FollowUpState.CLOSED),
        (
            [tried(10), act(ActKind.CLOSE, 20, close_reason=CloseReason.OTHER), act(ActKind.REOPEN, 30)],
            FollowUpState.TRYING,
        ),
        ([tried(10, Outcome.DECLINED)], FollowUpState.REACHED),
        ([tried(10, Outcome.IN_FACILITY)], FollowUpState.NO_CALL),
        ([act(ActKind.NOTE, text="x"), act(ActKind.VISIT_BOOKED, day=date(2026, 11, 27))], FollowUpState.TO_CALL),
    ],
)
def test_after_a_discharge(acts: list[Act], expected: FollowUpState) -> None:
    assert state([version()], acts) is expected


def test_what_a_later_version_does() -> None:
    reached = [tried(10, Outcome.REACHED)]
    closed = [act(ActKind.CLOSE, close_reason=CloseReason.DONE)]
    back_in = version(2, status=StayStatus.IN_PROGRESS, kind=AlertKind.ADMISSION, ended_at=None,
                      occurred_at=HOME + timedelta(hours=5), clocks=())  # fmt: skip
    home_again = version(3, ended_at=HOME + timedelta(days=1), occurred_at=HOME + timedelta(days=1))
    assert state([version(), back_in], reached) is FollowUpState.IN_HOSPITAL
    assert state([version(), back_in, home_again], reached) is FollowUpState.TO_CALL  # a call is due after this one
    assert state([version(), version(2, ended_at=HOME - timedelta(hours=2))], reached) is FollowUpState.REACHED
    assert state([version(), back_in], closed) is FollowUpState.IN_HOSPITAL  # it says something else
    assert state([version(), version(2, priority=Priority.HIGH)], closed) is FollowUpState.CLOSED
    retracted = version(2, action=Action.RETRACT, status=StayStatus.CANCELLED)
    voided = follow_up([version(), retracted], reached, NOW)
    assert (voided.state, voided.called_before_it_was_void) == (FollowUpState.VOID, True)
    noted = act(ActKind.NOTED, 90, version=2)
    assert state([version(), retracted], [*reached, noted]) is FollowUpState.CLOSED
    assert state([version(), retracted], [act(ActKind.NOTED, 90, version=1)]) is FollowUpState.VOID
    assert state([version(), version(2, kind=AlertKind.DEATH)], reached) is FollowUpState.DIED
    assert state([version()], [tried(10)], in_hospital_again=True) is FollowUpState.PAUSED
    assert state([version()], reached, steps_left=False) is FollowUpState.DONE
    assert state([version(clocks=())], []) is FollowUpState.NO_CALL
    assert state([version(clocks=(), priority=Priority.URGENT)], []) is FollowUpState.TO_CALL
    assert state([version(1, **ADMITTED)], []) is FollowUpState.IN_HOSPITAL


def test_undoing_and_correcting() -> None:
    call = tried(10, Outcome.REACHED)
    undo = act(ActKind.UNDO, 10.1, supersedes=call.act_id)
    assert state([version()], [call, undo]) is FollowUpState.TO_CALL
    correction = tried(20, Outcome.NO_ANSWER, supersedes=call.act_id)
    assert state([version()], [call, correction]) is FollowUpState.TRYING
    taken_back = act(ActKind.UNDO, 20.2, supersedes=correction.act_id)
    assert state([version()], [call, correction, taken_back]) is FollowUpState.REACHED
    assert may_replace(undo, [call]) is None
    late = act(ActKind.UNDO, 12, supersedes=call.act_id)
    foreign = act(ActKind.UNDO, 10.1, by="lee", supersedes=call.act_id)
    for wrong, code in ((late, ActFault.TOO_LATE_TO_UNDO), (foreign, ActFault.NOT_YOURS)):
        assert (fault := may_replace(wrong, [call])) and fault.code is code
    assert (fault := may_replace(undo, [])) and fault.code is ActFault.NO_SUCH_ACT


def test_what_is_wrong_with_an_act_is_said_at_once() -> None:
    bad = act(ActKind.ATTEMPT, -100_000, text="x" * 1001)
    assert {fault.code for fault in faults(bad, HOME - timedelta(days=1))} == {
        ActFault.FIELD_MISSING, ActFault.TOO_LONG, ActFault.BEFORE_THE_EVENT,
    }  # fmt: skip
    ahead = act(ActKind.TAKE, recorded_at=HOME)
    assert [fault.code for fault in faults(ahead, None)] == [ActFault.IN_THE_FUTURE]
    clerk = act(ActKind.MEDICINES_RECONCILED, role=Role.SOCIAL_WORKER)
    assert [fault.code for fault in faults(clerk, None)] == [ActFault.ROLE_MAY_NOT]
    assert faults(tried(10), HOME) == ()


def test_who_has_it() -> None:
    take = act(ActKind.TAKE, 10, by="lee")
    assert holding([], {"ortiz"}, STAFF).holder == "ortiz"
    assert holding([], {"ortiz", "lee"}, STAFF).holder == ""
    assert holding([take], {"ortiz"}, STAFF)[:3] == ("lee", take.happened_at, "ortiz")
    assert holding([take, act(ActKind.GIVE_BACK, 20, by="lee")], {"ortiz"}, STAFF).holder == ""
    offer = act(ActKind.HAND_OVER, 30, by="lee", for_id="vance")
    assert holding([take, offer], set(), STAFF).offered_to == "vance"
    assert holding([take, offer], set(), STAFF).holder == "lee"
    accepted = act(ActKind.ACCEPT, 40, by="vance", answers_act=offer.act_id)
    assert holding([take, offer, accepted], set(), STAFF)[:4:3] == ("vance", "")
    assert holding([take], set(), STAFF - {"lee"}).holder == ""
    question = act(ActKind.ASK, 50, for_id="vance", text="warfarin?")
    answer = act(ActKind.ANSWER, 60, by="vance", answers_act=question.act_id, text="half")
    asked = holding([question, answer], set(), STAFF).questions
    assert [(exchange.asked, exchange.answered) for exchange in asked] == [(question, answer)]


@pytest.mark.parametrize(
    ("kind", "acts", "now", "verdict"),
    [
        (ClockKind.TCM_CONTACT, [], NOW, Verdict.OPEN),
        (ClockKind.TCM_CONTACT, [], DUE + timedelta(seconds=1), Verdict.MISSED),
        (ClockKind.TCM_CONTACT, [tried(60, Outcome.REACHED)], NOW, Verdict.MET),
        (ClockKind.TCM_CONTACT, [tried(9000, Outcome.REACHED)], NOW, Verdict.MET_LATE),
        (ClockKind.TCM_CONTACT, [tried(60), tried(200)], NOW, Verdict.TRIED),
        (ClockKind.TCM_CONTACT, [tried(60), tried(61)], NOW, Verdict.OPEN),  # one go
        (ClockKind.TCM_CONTACT, [tried(60), tried(200), tried(300, Outcome.REACHED)], NOW, Verdict.MET),
        (ClockKind.TCM_CONTACT, [tried(60, Outcome.LEFT_MESSAGE)], NOW, Verdict.OPEN),
        (ClockKind.TCM_VISIT, [tried(60, Outcome.REACHED)], NOW, Verdict.OPEN),
        (ClockKind.TCM_VISIT, [act(ActKind.VISIT_BOOKED, day=date(2026, 11, 23))], NOW, Verdict.OPEN),
        (ClockKind.TCM_VISIT, [act(ActKind.VISIT_KEPT, day=date(2026, 11, 23))], NOW, Verdict.MET),
        (ClockKind.TRC_ENGAGEMENT, [tried(60, Outcome.REACHED)], NOW, Verdict.OPEN),  # the same day
        (ClockKind.TRC_ENGAGEMENT, [tried(1500, Outcome.REACHED)], NOW, Verdict.MET),
        (ClockKind.FUH_7, [act(ActKind.VISIT_KEPT, day=date(2026, 11, 20))], NOW, Verdict.OPEN),
        (ClockKind.FUM_7, [act(ActKind.VISIT_KEPT, day=date(2026, 11, 20))], NOW, Verdict.MET),
        (ClockKind.TRC_MEDICATION_RECONCILIATION, [act(ActKind.MEDICINES_RECONCILED)], NOW, Verdict.MET),
        (ClockKind.TRC_DISCHARGE_INFORMATION, [act(ActKind.PAPERS_FILED, day=date(2026, 11, 23))], NOW, Verdict.MET),
    ],
)
def test_which_act_stops_which_clock(kind: ClockKind, acts: list[Act], now: datetime, verdict: Verdict) -> None:
    (standing,) = standings([clock(kind)], acts, now, ZONE)
    assert standing.verdict is verdict
    if verdict in (Verdict.MET, Verdict.MET_LATE, Verdict.TRIED):
        assert standing.act in acts
    assert steps_left([standing]) is (MEETS[kind].must and verdict not in (Verdict.MET, Verdict.MET_LATE))


def test_a_corrected_discharge_corrects_the_verdict() -> None:
    call = tried(60, Outcome.REACHED)
    later = clock(starts_at=HOME + timedelta(hours=3))
    assert standings([later], [call], NOW, ZONE)[0].verdict is Verdict.OPEN
    assert standings([clock(status=ClockStatus.STOPPED)], [call], NOW, ZONE)[0].verdict is Verdict.WITHDRAWN


def test_a_wrong_number_is_struck_until_somebody_answers_there() -> None:
    wrong = tried(10, Outcome.WRONG_NUMBER, number="8285550001")
    assert struck_numbers([wrong]) == {"8285550001"}
    assert struck_numbers([wrong, tried(20, Outcome.REACHED, number="8285550001")]) == frozenset()


def test_a_reminder_hides_until_its_time_or_the_next_deed() -> None:
    later = NOW + timedelta(hours=4)
    remind = act(ActKind.REMIND, 60, until=later)
    assert follow_up([version()], [remind], NOW).remind_at == later
    assert follow_up([version()], [remind], later).remind_at is None
    assert follow_up([version()], [remind, tried(70)], NOW).remind_at is None
    assert follow_up([version()], [tried(50, until=later)], NOW).remind_at == later


_ACTS = st.lists(
    st.builds(
        lambda kind, outcome, who, minutes, number: Act(
            act_id=f"{who}{number}",
            kind=kind,
            by=who,
            role=Role.NURSE,
            version=1 + number % 3,
            outcome=outcome,
            mode=Mode.PHONE,
            happened_at=HOME + timedelta(minutes=minutes),
            recorded_at=HOME + timedelta(minutes=5000 + number),
            close_reason=CloseReason.OTHER,
            for_id="lee",
            day=date(2026, 11, 23),
            referral_id="r",
        ),
        st.sampled_from([kind for kind in ActKind if kind is not ActKind.UNDO]),
        st.sampled_from(list(Outcome)),
        st.sampled_from(sorted(STAFF)),
        st.integers(-500, 4000),
        st.integers(0, 10_000),
    ),
    max_size=25,
)


@settings(max_examples=300, deadline=None)
@given(_ACTS, st.integers(0, 1000), st.lists(st.sampled_from(["home", "in", "void", "died"]), min_size=1, max_size=4))
def test_order_and_repetition_of_delivery_change_nothing(acts: list[Act], seed: int, said: list[str]) -> None:
    unique = list({done.act_id: done for done in acts}.values())
    grounds = {
        "home": {}, "in": ADMITTED, "void": {"action": Action.RETRACT}, "died": {"kind": AlertKind.DEATH},
    }  # fmt: skip
    versions = [version(number, **grounds[ground]) for number, ground in enumerate(said, 1)]
    shuffled = [*unique, *unique]
    random.Random(seed).shuffle(shuffled)
    in_order, other = follow_up(versions, unique, NOW), follow_up(versions, shuffled, NOW)
    assert in_order == other
    assert len(effective(shuffled)) == len(unique)  # none is lost
    assert holding(unique, {"ortiz"}, STAFF) == holding(shuffled, {"ortiz"}, STAFF)
    clocks = [clock(kind) for kind in ClockKind]
    verdicts = standings(clocks, shuffled, NOW, ZONE)
    assert verdicts == standings(clocks, unique, NOW, ZONE)
    assert len({standing.clock.kind for standing in verdicts}) == len(clocks)  # none is met twice
    assert isinstance(word(unique[0]), Word) if unique else True
