"""To whom a version is due, when a try is repeated, and when a destination is paused."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.events import Address, PersonName
from parsers.people import Enrollee
from rules.decisions import Action, AlertKind, Owner, Priority
from rules.telling.attempts import (
    DELAYS,
    JITTER,
    LEAST,
    MOST_ASKED,
    Again,
    Ended,
    Failure,
    GiveUp,
    after_failure,
    pauses,
)
from rules.telling.confidentiality import Relationship
from rules.telling.destinations import FormKind, State, Whose, relationship_to
from rules.telling.due import DestinationIndex, related
from tests.rigs.store import alert_of, record
from tests.rigs.telling import DIRECTORY, destination

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ENROLLEE = Enrollee(
    enrollee_id="E1",
    name=PersonName(family="W", given="R"),
    birth_date=datetime(1955, 3, 2, tzinfo=UTC).date(),
    practice_id="P1",
    address=Address(county="Buncombe"),
    programs=("asthma",),
)


def an_alert(action: Action = Action.NOTIFY, **changes):
    event = record(1).event
    from rules.decisions import Stay

    stay = Stay(stay_id="a1", enrollee_id="E1", facility="MISSION", started_at=NOW)
    return alert_of(stay, 1, event, action, **changes)


ALERT = an_alert()
RETRACTED = an_alert(Action.RETRACT)


def due(*made, alert=ALERT, enrollee=ENROLLEE, told_before=()):
    destinations = DestinationIndex(made).due(alert, enrollee, told_before, DIRECTORY)
    return [recipient.destination_id for recipient in destinations]


@pytest.mark.parametrize(
    ("whose", "other"),
    [
        (Whose.PRACTICE, "P2"),
        (Whose.NETWORK, "N2"),
        (Whose.PLAN, "trillium"),
        (Whose.HOSPITAL, "DUKE"),
        (Whose.PERSON, "far"),
    ],
)
def test_a_version_is_due_to_those_it_concerns_and_to_nobody_else(whose: Whose, other: str) -> None:
    assert due(destination("d", whose=whose)) == ["d"]
    assert due(destination("d", whose=whose, owner_id=other)) == []


def test_a_hospital_is_the_same_in_small_letters() -> None:
    assert due(destination("d", whose=Whose.HOSPITAL, owner_id="Mission")) == ["d"]
    assert due(destination("d", whose=Whose.PARTNER, wants={"facilities": ("Mission",)})) == ["d"]


@pytest.mark.parametrize("whose", [Whose.CENTRAL_OFFICE, Whose.PARTNER])
def test_the_central_office_and_a_partner_are_told_of_everybody_their_row_wants(whose: Whose) -> None:
    assert due(destination("d", whose=whose)) == ["d"]
    assert due(destination("d", whose=whose, wants={"facilities": ("DUKE",)})) == []


@pytest.mark.parametrize(
    "wants",
    [
        {"kinds": (AlertKind.DEATH,)},
        {"priorities": (Priority.URGENT,)},
        {"reasons": ("died",)},
        {"facilities": ("DUKE",)},
        {"practices": ("P2",)},
        {"programs": ("diabetes",)},
        {"risk_tiers": ("low",)},
    ],
)
def test_a_row_narrows_what_is_due_and_never_what_follows(wants: dict) -> None:
    narrow = destination("d", wants=wants)
    assert due(narrow) == []
    assert due(narrow, told_before=("d",)) == ["d"], "who has an earlier version has the later ones"
    assert due(narrow, alert=RETRACTED, told_before=("d",)) == ["d"]


def test_a_retraction_goes_to_whom_something_was_told_and_to_nobody_else() -> None:
    assert due(destination("d"), alert=RETRACTED) == []
    moved = ENROLLEE.model_copy(update={"practice_id": "P2"})
    assert due(destination("d"), enrollee=moved, told_before=("d",)) == []
    assert due(destination("d"), enrollee=moved, alert=RETRACTED, told_before=("d",)) == ["d"]


def test_pausing_keeps_what_is_due_and_removing_does_not() -> None:
    assert due(destination("d", state=State.PAUSED)) == ["d"]
    assert due(destination("d", state=State.REMOVED), told_before=("d",)) == []


def test_a_person_is_told_what_is_theirs_not_what_they_could_open() -> None:
    theirs = an_alert(owners=(Owner(case_manager_id="ortiz", because="practice"),))
    others = an_alert(owners=(Owner(case_manager_id="far", because="network"),), told=("far",))
    mine = destination("d", FormKind.NUDGE, Whose.PERSON)
    assert due(mine, alert=theirs) == ["d"]
    assert due(mine, alert=others) == []


def test_who_was_told_once_and_does_not_answer_any_more_hears_of_the_retraction_alone() -> None:
    """As on the page. A mail of counts is about nobody and follows whoever is asked."""
    given_away = an_alert(owners=(Owner(case_manager_id="ortiz", because="practice"),), told=("far", "ortiz"))
    retracted = given_away.model_copy(update={"action": Action.RETRACT})
    system = destination("d", whose=Whose.PERSON, owner_id="far")
    mail = destination("d", FormKind.NUDGE, Whose.PERSON, owner_id="far")
    assert [due(system, alert=each, told_before=("d",)) for each in (given_away, retracted)] == [[], ["d"]]
    assert due(mail, alert=given_away, told_before=("d",)) == ["d"]
    theirs = given_away.model_copy(update={"owners": (Owner(case_manager_id="far", because="network"),)})
    assert due(system, alert=theirs) == ["d"]
    assert related(system, given_away, ENROLLEE, DIRECTORY) is Relationship.NONE


def test_a_hospital_and_a_partner_never_count_as_those_who_treat() -> None:
    for whose in (Whose.HOSPITAL, Whose.PARTNER, Whose.PLAN):
        assert relationship_to(destination("d", whose=whose), ALERT, ENROLLEE, "N1", "vaya") is Relationship.PLAN


@pytest.mark.parametrize("changes", [{"way": "smtp"}, {"owner_id": ""}])
def test_a_row_that_cannot_be_is_refused(changes: dict) -> None:
    with pytest.raises(ValueError, match=r"form|whose"):
        destination("d", **changes)


# attempts


@given(
    st.sampled_from(list(Failure)), st.integers(1, 30), st.integers(0, 9), st.floats(0, 0.999), st.integers(0, 10**7)
)
def test_the_next_try_is_never_before_our_own_delay_nor_before_what_the_receiver_asks_within_measure(
    failure, tries, days, chance, after
) -> None:
    asked = timedelta(seconds=after)
    what = after_failure(failure, tries, NOW - timedelta(days=days), NOW, chance, asked)
    if isinstance(what, Again):
        delay = DELAYS[min(tries, len(DELAYS)) - 1]
        most = max(2 * delay, MOST_ASKED)
        assert max(delay * (1 - JITTER), min(asked, most)) <= what.at - NOW <= most
    else:
        assert what.why in (GiveUp.TRIED_ENOUGH, GiveUp.NOT_WANTED)


def test_the_schedule_spans_a_long_weekend() -> None:
    assert sum(DELAYS, timedelta()) * (1 - JITTER) > LEAST
    assert isinstance(after_failure(Failure.SERVER_ERROR, 99, NOW - LEAST / 2, NOW, 0.5), Again), "some were hastened"
    assert after_failure(Failure.SERVER_ERROR, len(DELAYS) + 1, NOW - LEAST, NOW, 0.5) == Ended(GiveUp.TRIED_ENOUGH)
    assert after_failure(Failure.NEVER, 1, NOW, NOW, 0.5) == Ended(GiveUp.NOT_WANTED)
    assert after_failure(Failure.REFUSED, 3, NOW, NOW, 0.5) == Ended(GiveUp.NOT_WANTED)


def test_a_pause_needs_days_of_silence_and_two_failures_far_apart() -> None:
    days, hours = (lambda n: timedelta(days=n)), (lambda n: timedelta(hours=n))
    assert pauses(NOW - days(5), NOW, None, NOW)
    assert not pauses(NOW - days(4), NOW, None, NOW)
    assert not pauses(NOW - hours(11), NOW, NOW - days(9), NOW)
    assert not pauses(NOW - days(6), NOW - days(6) + hours(11), None, NOW)
