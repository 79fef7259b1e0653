"""Late enrollment: who joins the panel while in hospital, or soon after, gets the alert they missed."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from parsers.events import EncounterClass, Event, EventKind, Identifier, PersonName, Visit
from parsers.people import Enrollee
from rules.deciding.case import World
from rules.deciding.decide import decide
from rules.deciding.late_enrollment import late, missed
from rules.decisions import Action, Grade, History, Match, Reason
from rules.policy.policy import default_policy
from rules.telling.directory import Directory
from rules.telling.routes_file import default_routes

NOW = datetime(2026, 11, 20, 14, tzinfo=UTC)


def event(kind: EventKind, days_ago: float, visit: str = "V1", message_id: str = "") -> Event:
    at = NOW - timedelta(days=days_ago)
    return Event(
        message_id=message_id or f"{1_000_000 - int(days_ago * 1000):032d}",
        kind=kind,
        trigger="A01",
        feed="default",
        facility="MISSION",
        occurred_at=at,
        recorded_at=at,
        received_at=at,
        stay_keys=(Identifier(system="MISSION", value=visit),),
        fingerprint=f"{kind}{days_ago}",
    )


def person(ends: date | None = None) -> Enrollee:
    return Enrollee(
        enrollee_id="E1", name=PersonName(), birth_date=date(1955, 3, 4), practice_id="P1", effective_to=ends
    )


IN, OUT, ED = EventKind.ADMITTED, EventKind.DISCHARGED, EventKind.REGISTERED
CASES = {
    "still in hospital": ([event(IN, 3)], Grade.CERTAIN, None, 1),
    "a probable match": ([event(IN, 3)], Grade.PROBABLE, None, 1),
    "a possible match": ([event(IN, 3)], Grade.POSSIBLE, None, 1),
    "possible, discharged long ago": ([event(IN, 30), event(OUT, 15)], Grade.POSSIBLE, None, 0),
    "somebody else": ([event(IN, 3)], Grade.CERTAINLY_NOT, None, 0),
    "discharged lately": ([event(IN, 9), event(OUT, 5)], Grade.CERTAIN, None, 2),
    "discharged long ago": ([event(IN, 30), event(OUT, 15)], Grade.CERTAIN, None, 0),
    "one long ago, one now": ([event(IN, 30), event(OUT, 15), event(ED, 1, "V2")], Grade.CERTAIN, None, 1),
    "enrollment over": ([event(IN, 3)], Grade.CERTAIN, NOW.date() - timedelta(1), 0),
    "last day of enrollment": ([event(IN, 3)], Grade.CERTAIN, NOW.date(), 1),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_told_late(name: str) -> None:
    events, grade, ends, count = CASES[name]
    match = Match(grade=grade, enrollee_id="E1", evidence={"name": "equal"})
    to_tell = missed([(each, match) for each in reversed(events)], {"E1": person(ends)}, NOW, 14)
    assert len(to_tell) == count
    assert [each.event.message_id for each in to_tell] == sorted(each.event.message_id for each in to_tell)
    assert all(each.sure is (grade is not Grade.POSSIBLE) for each in to_tell)
    assert all(late(each.match) and each.match.evidence["name"] == "equal" for each in to_tell)
    assert not late(match)


def test_a_match_with_nobody_on_file_is_nothing() -> None:
    assert missed([(event(IN, 1), Match(grade=Grade.CERTAIN, enrollee_id="E1"))], {}, NOW, 14) == []


def test_a_stay_before_enrollment_is_told_with_the_reason() -> None:
    admitted = event(IN, 3).model_copy(
        update={"visit": Visit(encounter_class=EncounterClass.INPATIENT, admitted_at=NOW - timedelta(3))}
    )
    joined = person().model_copy(update={"effective_from": NOW.date()})
    match = Match(grade=Grade.CERTAIN, enrollee_id="E1")
    world = World(
        default_policy(),
        lambda who, kind, reasons, at: default_routes().route(Directory(), who, kind, reasons, at),
        NOW,
    )
    history = History(enrollees=(joined,))
    before = decide(admitted, match, None, history, world)
    assert (before.action, before.reasons) == (Action.SUPPRESS, (Reason.NOT_ENROLLED_ON_DAY,))
    [(late_event, late_match)] = missed([(admitted, match)], {"E1": joined}, NOW, 14)
    decision = decide(late_event, late_match, None, history, world, released=True)
    assert decision.action is Action.NOTIFY
    assert Reason.LATE_ENROLLMENT in decision.alerts[0].reasons
    assert Reason.RELEASED_BY_REVIEW not in decision.alerts[0].reasons


def test_enrollment_that_ends_today_lasts_until_the_local_midnight() -> None:
    evening = datetime(2026, 11, 21, 2, tzinfo=UTC).astimezone(ZoneInfo("America/New_York"))  # 21:00 on the 20th
    to_tell = missed(
        [(event(IN, 3), Match(grade=Grade.CERTAIN, enrollee_id="E1"))], {"E1": person(NOW.date())}, evening, 14
    )
    assert len(to_tell) == 1
