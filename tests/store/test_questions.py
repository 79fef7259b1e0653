"""Whether a patient is an enrollee is asked once, whichever of the patient's record numbers a message gives."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import insert

from parsers.events import Identifier
from rules.decisions import Action, Grade, Reason
from streams.kafka.records import EventRecord
from streams.store import Store
from streams.store.database import Database, make_engine
from streams.store.migrating import migrate
from streams.store.questions import names_of
from streams.store.reviews import Verdict
from streams.store.tables import review_events
from tests.rigs.store import NOW, decide, record, store, store_url

__all__ = ["store", "store_url"]
NUMBERS = {name: Identifier(system="MISSION", value=name, type="MR") for name in ("M0", "M1", "M2", "M3")}


def with_numbers(number: int, *names: str, **changes: Any) -> EventRecord:
    """A possible match of somebody under these record numbers."""
    event_record = record(number, grade=Grade.POSSIBLE, visit=f"V{number}", **changes)
    patient = event_record.event.patient.model_copy(update={"identifiers": tuple(NUMBERS[name] for name in names)})
    return event_record.model_copy(update={"event": event_record.event.model_copy(update={"patient": patient})})


@pytest.mark.parametrize("verdict", [Verdict.DIFFERENT, Verdict.SAME])
def test_who_has_answered_is_not_asked_again_whichever_number_comes_first(store: Store, verdict: Verdict) -> None:
    store.decisions.decide([with_numbers(1, "M1", "M2")], decide, NOW)
    (review,) = store.reviews.waiting()
    store.reviews.settle(review.review_id, verdict, "ortiz", NOW)
    again = [
        with_numbers(2, "M0", "M1"),  # sorts before the first
        with_numbers(3, "M2"),
        with_numbers(4, "M0"),  # met with what was answered
        with_numbers(5, "M3", "M0"),
    ]
    for number, batch in enumerate(([again[0]], again[1:3], again[3:])):
        outcomes = store.decisions.decide(batch, decide, NOW)
        reasons = [outcome.decision.reasons[0] for outcome in outcomes if outcome.decision]
        assert (Reason.MATCH_REJECTED in reasons) is (verdict is Verdict.DIFFERENT), number
        assert store.reviews.count() == 0, number
    for number, born in enumerate((date(1980, 1, 1), None), 6):
        store.decisions.decide([with_numbers(number, "M1", born=born)], decide, NOW)
    (review,) = store.reviews.waiting()
    assert len(review.records) == 2, "what was answered of one birth date does not reach another, nor none"


def test_one_question_waits_for_whoever_brings_a_number_of_it(store: Store) -> None:
    batch = [with_numbers(1, "M1"), with_numbers(2, "M0", "M1"), with_numbers(3, "M0", born=None)]
    store.decisions.decide(batch, decide, NOW)
    store.decisions.decide([with_numbers(4, "M3", "M0"), with_numbers(5, "M2")], decide, NOW)
    assert [len(review.records) for review in store.reviews.waiting()] == [4, 1]
    store.decisions.decide([with_numbers(6, "M2", "M3")], decide, NOW)
    assert store.reviews.count() == 2, "a number of either question opens no third"


def test_an_answer_of_different_stands_where_another_of_the_numbers_was_said_to_be_the_same(store: Store) -> None:
    store.decisions.decide([with_numbers(1, "M1"), with_numbers(2, "M2")], decide, NOW)
    for review, verdict in zip(store.reviews.waiting(), (Verdict.SAME, Verdict.DIFFERENT), strict=True):
        store.reviews.settle(review.review_id, verdict, "ortiz", NOW)
    (outcome,) = store.decisions.decide([with_numbers(3, "M1", "M2")], decide, NOW)
    assert outcome.decision and outcome.decision.reasons == (Reason.MATCH_REJECTED,)
    (outcome,) = store.decisions.decide([with_numbers(4, "M1")], decide, NOW)
    assert outcome.decision and outcome.decision.action is not Action.HOLD
    assert Reason.MATCH_REJECTED not in outcome.decision.reasons


@pytest.mark.parametrize("verdict", ["", "different"])
def test_questions_of_an_older_folder_are_found_again(store_url: str, verdict: str) -> None:
    asked = with_numbers(1, "M1", "M2")
    database = Database(make_engine(store_url))
    migrate(database, "0070")
    with database.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO reviews (review_id, pair, enrollee_id, verdict, opened_us) VALUES ('r1', "
            f"'{names_of(asked.event.patient, 'E1').own[0]}', 'E1', '{verdict}', 1)"
        )
        if not verdict:
            values = {"review_id": "r1", "message_id": asked.event.message_id, "document": asked.model_dump_json()}
            connection.execute(insert(review_events).values(values))
    database.close()
    opened = Store.open(store_url, migrate=True)
    try:
        again = with_numbers(2, "M0", "M1") if verdict else with_numbers(2, "M0", "M2")
        (outcome,) = opened.decisions.decide([again], decide, NOW)
        assert outcome.decision and (outcome.decision.reasons == (Reason.MATCH_REJECTED,)) is bool(verdict)
        assert opened.reviews.count() == (0 if verdict else 1)
    finally:
        opened.close()
