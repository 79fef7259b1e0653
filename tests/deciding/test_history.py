"""What one event may look at of all that is remembered, and what its decision adds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from parsers.events import Event, EventKind, Identifier, Patient, PersonName, Prior
from rules.deciding.groups import Whose
from rules.deciding.history import HISTORY, Remembered, owner_of
from rules.decisions import Action, CrosswalkChange, Decision, Grade, History, Match, Reason, Stay

NOW = datetime(2026, 11, 20, 14, tzinfo=UTC)
E1: Whose = (Match(grade=Grade.CERTAIN, enrollee_id="E1"), None)
NOBODY: Whose = (Match(grade=Grade.CERTAINLY_NOT), None)


def number(value: str, system: str = "MISSION", sort: str = "MR") -> Identifier:
    return Identifier(system=system, value=value, type=sort)


def event(message_id: str = "m9", **changes: Any) -> Event:
    fields: dict[str, Any] = {
        "message_id": message_id,
        "kind": EventKind.UPDATED,
        "trigger": "A08",
        "feed": "default",
        "facility": "MISSION",
        "occurred_at": NOW,
        "recorded_at": NOW,
        "received_at": NOW,
        "fingerprint": message_id,
    }
    return Event(**{**fields, **changes})


def stay(stay_id: str, enrollee_id: str = "E1", at: datetime | None = NOW, **changes: Any) -> Stay:
    return Stay(
        stay_id=stay_id, enrollee_id=enrollee_id, last_recorded_at=at, **{"facility": "MISSION", "keys": (), **changes}
    )


def seen(remembered: Remembered, asked: Event, whose: Whose = E1) -> History:
    return remembered.history(asked, [whose], lambda _: None)


def ids(history: History) -> list[str]:
    return [each_stay.stay_id for each_stay in history.stays]


def of(*stays: Stay) -> Remembered:
    remembered = Remembered()
    for each_stay in stays:
        remembered.take_stay(each_stay)
    return remembered


def decision(*stays: Stay, **changes: Any) -> Decision:
    return Decision(action=Action.SUPPRESS, reasons=(Reason.NOTHING_NEW,), stays=stays, **changes)


def test_stays_of_the_people_within_the_window_oldest_first():
    remembered = of(
        stay("new"),
        stay("old", at=NOW - HISTORY),
        stay("older", at=NOW - HISTORY - timedelta(microseconds=1)),
        stay("never", at=None),
        stay("another's", "E2"),
        stay("ended later", at=NOW - timedelta(days=500), ended_at=NOW - timedelta(days=1)),
    )
    assert ids(seen(remembered, event())) == ["old", "ended later", "new"]
    late = event(occurred_at=NOW - timedelta(days=30))
    assert ids(seen(remembered, late)) == ["older", "old", "ended later", "new"]
    assert ids(seen(remembered, event(), NOBODY)) == []


def test_a_key_finds_a_stay_of_anybody_at_any_age():
    long_ago = NOW - timedelta(days=900)
    remembered = of(stay("V", "E2", long_ago, keys=(number("V1"),)), stay("A", "E3", long_ago, keys=(number("A1"),)))
    assert ids(seen(remembered, event(stay_keys=(number("V1"),)))) == ["V"]
    assert ids(seen(remembered, event(prior=Prior(account=number("A1"))))) == ["A"]
    assert ids(seen(remembered, event(prior=Prior(visit=number("V1"))))) == ["V"]


def test_a_record_number_finds_a_stay_at_its_facility_and_one_that_gives_way_anywhere():
    here, there = stay("here", "E2", patient_ids=(number("7"),)), stay("there", "E2", facility="DUKE")
    remembered = of(here, there.model_copy(update={"patient_ids": (number("7"),)}))
    assert ids(seen(remembered, event(patient=Patient(identifiers=(number("7"),))))) == ["here"]
    assert ids(seen(remembered, event(prior=Prior(identifiers=(number("7"),))))) == ["here", "there"]
    assert ids(seen(remembered, event(patient=Patient(identifiers=(number("7", "DUKE"),))))) == []


def test_a_stay_is_found_as_it_is_now():
    remembered = of(stay("S", keys=(number("V1"),), patient_ids=(number("7"),)))
    remembered.take(event(), [E1], decision(stay("S", "E2", keys=(number("V2"),))))
    assert ids(seen(remembered, event())) == []
    assert ids(seen(remembered, event(stay_keys=(number("V1"),)))) == []
    assert ids(seen(remembered, event(stay_keys=(number("V2"),)))) == ["S"]
    assert ids(seen(remembered, event(), (Match(grade=Grade.CERTAIN, enrollee_id="E2"), None))) == ["S"]


def test_an_event_decided_upon_is_seen_and_one_without_a_fingerprint_never():
    remembered = Remembered()
    remembered.take(event("m1"), [E1], decision())
    remembered.take(event("m2", fingerprint=""), [E1], decision())
    assert seen(remembered, event("m1")).seen
    assert not seen(remembered, event("m3")).seen
    assert not seen(remembered, event("m2", fingerprint="")).seen


def test_what_was_nobodys_is_found_until_it_is_somebodys_or_too_old():
    remembered = Remembered(timedelta(days=14))
    john_doe = event("m1", patient=Patient(identifiers=(number("7"),)), stay_keys=(number("V1"),))
    remembered.keep(john_doe)
    goes_on = event(stay_keys=(number("V1"),))
    merge = event(kind=EventKind.PERSON_MERGED, prior=Prior(identifiers=(number("7"),)))
    assert seen(remembered, goes_on).earlier == seen(remembered, merge).earlier == (john_doe,)
    late = NOW + timedelta(days=14, seconds=1)
    assert seen(remembered, goes_on.model_copy(update={"received_at": late})).earlier == ()
    remembered.take(merge, [E1], decision(caught_up=("m1",)))
    assert seen(remembered, goes_on).earlier == ()


def test_an_automatic_match_shows_whose_a_number_is_unless_that_is_known():
    remembered = Remembered()
    patient = Patient(
        identifiers=(number("7"), number("8"), number("9", sort="AN"), number("000000"), number("6", "")),
        name=PersonName(family="Ito"),
    )
    contested = (Match(grade=Grade.PROBABLE, enrollee_id="E1", others=(("MISSION", "8"),)), None)
    assert remembered.take(event(patient=patient), [contested], decision()).shown == {("MISSION", "7"): "E1"}
    said = (CrosswalkChange(identifier=number("7"), enrollee_id=None),)
    learned = remembered.take(event(patient=patient), [E1], decision(crosswalk=said))
    assert learned.said == {("MISSION", "7"): ""}
    assert learned.shown == {("MISSION", "8"): "E1"}
    assert remembered.numbers == {("MISSION", "7"): "", ("MISSION", "8"): "E1"}
    possible = (Match(grade=Grade.POSSIBLE, enrollee_id="E2"), Match(grade=Grade.CERTAIN, enrollee_id="E3"))
    merge = event(patient=patient, prior=Prior(identifiers=(number("5"),)))
    assert remembered.take(merge, [possible], decision()).shown == {("MISSION", "5"): "E3"}


@pytest.mark.parametrize(
    ("whose", "owner"),
    [
        ([E1], "E1"),
        ([NOBODY], None),
        ([(Match(grade=Grade.CERTAINLY_NOT, enrollee_id="E9"), E1[0])], "E1"),
        ([NOBODY, (Match(grade=Grade.POSSIBLE, enrollee_id="E2"), None)], "E2"),
        ([(Match(grade=Grade.POSSIBLE), None)], None),
    ],
)
def test_whom_an_event_is_or_may_be_about(whose: list[Whose], owner: str | None):
    assert owner_of(whose) == owner
