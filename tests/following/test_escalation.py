"""Escalation: spans as people say them, each step once and in order, somebody on duty, nobody after a deed."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.hours import read_hours
from parsers.people import Absence, CaseManager, Network, Practice, RiskTier, Role
from rules.decisions import AlertKind, Clock, ClockKind, Priority
from rules.following.escalation import (
    Ask,
    CameTo,
    Escalation,
    Facts,
    When,
    default_escalation,
    due,
    load_escalation,
    next_due,
    plan,
)
from rules.following.holder import Holding
from rules.following.meets import Standing, Verdict
from rules.following.spans import Office, Span
from rules.following.state import FollowUp, FollowUpState, Ground
from rules.policy.policy import default_policy
from rules.telling.directory import Directory

POLICY = default_policy()
ZONE = ZoneInfo("America/New_York")
OFFICE = Office(read_hours("Mon-Fri 08:00-17:00") or (), POLICY.business, ZONE)
TOLD = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # Friday 10 AM
HOURS = "Mon-Fri 08:00-17:00"
DIRECTORY = Directory(
    networks=[Network(network_id="N1", name="West")],
    practices=[Practice(practice_id="P1", name="Ayers", network_id="N1")],
    case_managers=[
        CaseManager(
            case_manager_id="ortiz", name="M. Ortiz", role=Role.NURSE, practices=("P1",), network_id="N1", hours=HOURS
        ),
        CaseManager(case_manager_id="boss", name="T. Vance", role=Role.MANAGER, network_id="N1", hours=HOURS),
    ],
)  # fmt: skip


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


@pytest.mark.parametrize(
    ("start", "span", "expected"),
    [
        ("2026-11-20T10:00", "30 min", "2026-11-20T10:30"),
        ("2026-11-20T16:00", "2 working hours", "2026-11-23T09:00"),  # over the weekend
        ("2026-11-20T18:00", "2 working hours", "2026-11-23T10:00"),
        ("2026-11-25T16:30", "1 working hour", "2026-11-30T08:30"),  # Thanksgiving and the day after
        ("2026-11-20T10:00", "1 working day", "2026-11-23T10:00"),
        ("2026-10-31T23:30", "2 hours", "2026-11-01T01:30"),  # the hour that is there twice
        ("2026-11-20T10:00", "20 s", "2026-11-20T10:00:20"),
    ],
)
def test_so_long_after(start: str, span: str, expected: str) -> None:
    read = Span.read(span)
    assert read is not None
    assert OFFICE.after(local(start), read) == local(expected)


def test_so_long_before_and_what_is_no_span() -> None:
    two_hours = Span.read("2 working hours")
    assert two_hours
    assert OFFICE.before(local("2026-11-24T17:00"), two_hours) == local("2026-11-24T15:00")
    assert OFFICE.before(local("2026-11-23T09:00"), two_hours) == local("2026-11-20T16:00")
    assert OFFICE.next_opening(local("2026-11-21T12:00")) == local("2026-11-23T08:00")
    assert [Span.read(text) for text in ("", "soon", "2 weeks", "-1 h", "2 working")] == [None] * 5


def facts(**changed: object) -> Facts:
    state = changed.pop("state", FollowUpState.TO_CALL)
    holder = str(changed.pop("holder", ""))
    follow = FollowUp(state, Ground.CALL, TOLD, 0, None, None, None, None, None, False)  # type: ignore[arg-type]
    plain = Facts(
        stay_id="s", priority=Priority.URGENT, kind=AlertKind.DISCHARGE, risk_tier=RiskTier.HIGH, practice_id="P1",
        owners=("ortiz",), told_at=TOLD, follow_up=follow, holding=Holding(holder, None, "", "", None, ()),
        standings=(),
    )  # fmt: skip
    return plain._replace(**changed)  # type: ignore[arg-type]


RULES = default_escalation()
NOBODY = "[[runs]]\nname='a'\nwhen='nobody_took'\n"


def test_an_urgent_stay_that_nobody_takes_goes_up_to_somebody_on_duty() -> None:
    steps = plan(facts(), RULES, POLICY)
    assert [step.due_at - TOLD for step in steps] == [timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=2)]
    done: set[str] = set()
    asked: set[tuple[str, str]] = set()
    people = []
    for minutes in (10, 16, 17, 31, 125, 300):
        for due_step in due(facts(), steps, done, asked, DIRECTORY, TOLD + timedelta(minutes=minutes)):
            done.add(due_step.step.key)
            assert due_step.came_to is CameTo.ASKED and due_step.person
            asked.add((due_step.step.run, due_step.person.case_manager_id))
            people.append((minutes, due_step.person.case_manager_id))
    assert people == [(16, "ortiz"), (31, "boss"), (125, "central-office")]
    assert next_due(steps, set(), TOLD) == TOLD + timedelta(minutes=15)
    assert next_due(steps, done, TOLD + timedelta(days=1)) is None


def test_acting_ends_it() -> None:
    for state in (
        FollowUpState.CLOSED,
        FollowUpState.DONE,
        FollowUpState.VOID,
        FollowUpState.DIED,
        FollowUpState.PAUSED,
    ):
        assert plan(facts(state=state), RULES, POLICY) == ()
    held = plan(facts(holder="ortiz"), RULES, POLICY)
    assert {step.run for step in held} == {"urgent_and_nobody_tried"}
    assert plan(facts(holder="ortiz", state=FollowUpState.TRYING), RULES, POLICY) == ()


def test_after_an_outage_one_question_and_the_rest_is_kept_as_overtaken() -> None:
    steps = plan(facts(), RULES, POLICY)
    late = due(facts(), steps, set(), set(), DIRECTORY, TOLD + timedelta(days=5))
    assert [due_step.came_to for due_step in late] == [CameTo.OVERTAKEN, CameTo.OVERTAKEN, CameTo.ASKED]


def test_who_is_away_is_passed_over_at_once() -> None:
    away = Directory(
        networks=DIRECTORY.networks.values(),
        practices=DIRECTORY.practices.values(),
        case_managers=DIRECTORY.case_managers.values(),
        absences=[Absence(case_manager_id="ortiz", starts=TOLD - timedelta(days=1), ends=TOLD + timedelta(days=9))],
    )
    first = due(facts(), plan(facts(), RULES, POLICY), set(), set(), away, TOLD + timedelta(minutes=16))
    assert [(due_step.came_to, due_step.person and due_step.person.case_manager_id) for due_step in first] == [
        (CameTo.NOBODY_ON_DUTY, None), (CameTo.ASKED, "boss"),
    ]  # fmt: skip


def test_a_routine_wakes_nobody() -> None:
    night = local("2026-11-21T02:00")
    for step in plan(facts(told_at=night, priority=Priority.ROUTINE), RULES, POLICY):
        assert OFFICE.working(step.due_at) or step.due_at == OFFICE.next_opening(step.due_at)


def test_a_clock_about_to_run_out() -> None:
    due_at = local("2026-11-24T17:00")
    clock = Clock(kind=ClockKind.TCM_CONTACT, starts_at=TOLD, due_at=due_at)
    held = facts(holder="ortiz", state=FollowUpState.TRYING, standings=(Standing(clock, Verdict.OPEN, None, 1),))
    steps = plan(held, RULES, POLICY)
    assert [(step.ask, step.due_at) for step in steps][:2] == [
        (Ask.HOLDER, local("2026-11-24T15:00")), (Ask.MANAGER, local("2026-11-24T16:30")),
    ]  # fmt: skip
    assert plan(held._replace(standings=(Standing(clock, Verdict.TRIED, None, 2),)), RULES, POLICY) == ()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("working_hours = 'sometimes'", "working_hours"),
        (f"{NOBODY}steps=[{{after='1 h', ask='owner'}}]", "runs[0]"),
        (f"{NOBODY}steps=[{{after='soon', ask='central_office'}}]", "runs[0].steps[0].after"),
        (f"{NOBODY}clocks=['tcm_visit']\nsteps=[{{after='1 h', ask='central_office'}}]", "runs[0]"),
        ("[[runs]", "file"),
    ],
)
def test_every_fault_of_a_file_is_named_at_its_place(text: str, place: str) -> None:
    faults = load_escalation(text)
    assert not isinstance(faults, Escalation)
    assert place in [fault.place for fault in faults]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, 60 * 24 * 9), min_size=1, max_size=12),
    st.sampled_from(list(Priority)),
    st.booleans(),
)
def test_each_step_once_and_in_order_whoever_looks_whenever(minutes: list[int], priority: Priority, held: bool) -> None:
    """Looks at any times, also back in time: no key twice, a run's numbers rise, nobody is asked twice in a run."""
    one_stay = facts(priority=priority, holder="ortiz" if held else "")
    steps = plan(one_stay, RULES, POLICY)
    done: list[str] = []
    asked: list[tuple[str, str]] = []
    numbers: dict[str, list[int]] = {}
    for at in minutes:
        for due_step in due(one_stay, steps, done, asked, DIRECTORY, TOLD + timedelta(minutes=at)):
            assert due_step.step.due_at <= TOLD + timedelta(minutes=at) or due_step.step.number > 1
            done.append(due_step.step.key)
            numbers.setdefault(due_step.step.run, []).append(due_step.step.number)
            if due_step.person:
                asked.append((due_step.step.run, due_step.person.case_manager_id))
    assert len(done) == len(set(done))
    assert len(asked) == len(set(asked))
    assert all(before < after for run in numbers.values() for before, after in pairwise(run))


def test_the_shipped_rules_know_every_when() -> None:
    assert {run.when for run in RULES.runs} == set(When)
