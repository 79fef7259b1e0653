"""A message of several groups: each is whose it is, one ending for all, and what waits of them waits by itself."""

from datetime import date

import pytest

from parsers.events import (
    EncounterClass,
    EventKind,
    Finding,
    Group,
    Identifier,
    Note,
    Patient,
    PersonName,
    Prior,
    Visit,
)
from rules.deciding.case import World
from rules.deciding.decide import decide as decide_by_rules
from rules.decisions import Action, Decision, Grade, History, Match, Reason
from rules.endings import Ending
from rules.policy.policy import default_policy
from streams.commands.explain import plain_route
from streams.kafka.records import EventRecord, Whose
from streams.run.metrics import REGISTRY
from streams.store import Store
from streams.store.reviews import Verdict
from streams.work.decide import DecideStage
from tests.rigs.store import NOW, message_id, record, store, store_url

__all__ = ["store", "store_url"]


def count_of(ending: str) -> float:
    """The endings counted so far; the ledger must have as many rows."""
    return REGISTRY.get_sample_value("toc_endings_total", {"ending": ending}) or 0.0


def by_the_rules(event_record: EventRecord, history: History) -> Decision:
    world = World(default_policy(), plain_route(), NOW)
    further = [(whose.match, whose.prior_match) for whose in event_record.further]
    return decide_by_rules(
        event_record.event,
        event_record.match,
        event_record.prior_match,
        history,
        world,
        released=event_record.released,
        further=further,
    )


def no_rule(_one: EventRecord, _history: History) -> Decision:
    raise AssertionError("must not be asked")


def number(value: str) -> Identifier:
    return Identifier(system="MISSION", value=value, type="MR")


def moved(*groups: tuple[str, str, str, str, Grade]) -> EventRecord:
    """An A45 of the groups: visit, number and enrollee it leaves, enrollee it goes to, and how surely it is them."""
    parts = []
    whose = []
    for visit, leaves, former, heir, grade in groups:
        patient = Patient(identifiers=(number(f"M-{heir}"),), name=PersonName(family=heir), birth_date=date(1960, 1, 2))
        prior = Prior(identifiers=(number(leaves),), visit=Identifier(system="MISSION", value=visit))
        parts.append(Group(patient=patient, prior=prior, stay_keys=(Identifier(system="MISSION", value=visit),)))
        whose.append(
            Whose(
                match=Match(grade=grade, enrollee_id=heir),
                prior_match=Match(grade=Grade.CERTAIN, enrollee_id=former),
            )
        )
    first = record(9, kind=EventKind.VISIT_MOVED)
    event = first.event.model_copy(
        update={
            "patient": parts[0].patient,
            "prior": parts[0].prior,
            "stay_keys": parts[0].stay_keys,
            "groups": tuple(parts[1:]),
        }
    )
    return EventRecord(event=event, match=whose[0].match, prior_match=whose[0].prior_match, further=tuple(whose[1:]))


def admissions(store: Store) -> None:
    known = [record(visit, f"E{visit}", visit=f"V{visit}", mrn=f"M{visit}") for visit in (1, 2, 3)]
    assert [outcome.entry.ending for outcome in store.decisions.decide(known, by_the_rules, NOW) if outcome.entry] == [
        Ending.ALERTED
    ] * 3


def test_every_group_is_written_and_one_ending_says_so(store: Store) -> None:
    admissions(store)
    both = moved(("V1", "M1", "E1", "E8", Grade.CERTAIN), ("V2", "M2", "E2", "E9", Grade.CERTAIN))
    (outcome,) = store.decisions.decide([both], by_the_rules, NOW)
    assert outcome.entry is not None
    assert outcome.entry.ending is Ending.ALERTED
    alerts = {(stored.alert.enrollee_id, stored.alert.action) for stored in outcome.alerts}
    retracted, notified = (
        {("E1", Action.RETRACT), ("E2", Action.RETRACT)},
        {("E8", Action.NOTIFY), ("E9", Action.NOTIFY)},
    )
    assert alerts == retracted | notified
    assert store.ledger.endings() == {"alerted": 4}
    assert {("MISSION", "M-E8", "E8"), ("MISSION", "M-E9", "E9")} <= set(store.panel.crosswalk())
    assert all(again.redelivered for again in store.decisions.decide([both], no_rule, NOW))


def test_groups_that_wait_wait_by_themselves(store: Store) -> None:
    admissions(store)
    message = moved(
        ("V1", "M1", "E1", "E7", Grade.POSSIBLE),
        ("V2", "M2", "E2", "E8", Grade.CERTAIN),
        ("V3", "M3", "E3", "E9", Grade.POSSIBLE),
    )
    counted = {ending: count_of(ending) for ending in ("alerted", "held")}
    (outcome,) = store.decisions.decide([message], by_the_rules, NOW)
    DecideStage._count((), [outcome])
    assert {ending: count_of(ending) - before for ending, before in counted.items()} == {"alerted": 1, "held": 1}
    assert outcome.entry is not None
    assert (outcome.entry.ending, outcome.entry.code) == (Ending.ALERTED, Reason.POSSIBLE_MATCH)
    assert [stored.alert.enrollee_id for stored in outcome.alerts] == ["E1", "E2", "E8", "E3"]
    assert store.ledger.endings() == {"alerted": 4, "held": 1}
    reviews = {review.records[0].match.enrollee_id: review for review in store.reviews.waiting()}
    assert set(reviews) == {"E7", "E9"}
    assert [len(review.records[0].parts()) for review in reviews.values()] == [1, 1]
    for review in reviews.values():
        assert store.reviews.settle(review.review_id, Verdict.SAME, "ortiz", NOW) == (True, 1, 0)
    released = [event_record for _, event_record in store.reviews.unsent_events()]
    assert message_id(9) in {event_record.event.message_id for event_record in released}
    outcomes = store.decisions.decide(released, by_the_rules, NOW)
    assert sorted(stored.alert.enrollee_id for each in outcomes for stored in each.alerts) == ["E7", "E9"]
    assert store.ledger.endings() == {"alerted": 5}
    assert all(again.redelivered for again in store.decisions.decide(released, no_rule, NOW))


@pytest.mark.parametrize(("verdict", "enrollees"), [(Verdict.SAME, ["E1", "E7"]), (Verdict.DIFFERENT, ["E1"])])
def test_what_a_person_has_said_holds_for_a_group(store: Store, verdict: Verdict, enrollees: list[str]) -> None:
    admissions(store)
    group = ("V1", "M1", "E1", "E7", Grade.POSSIBLE)
    asked = moved(group).model_copy(update={"prior_match": None})
    asked = asked.model_copy(
        update={"event": asked.event.model_copy(update={"kind": EventKind.ADMITTED, "prior": None})}
    )
    store.decisions.decide([asked], by_the_rules, NOW)
    (review,) = store.reviews.waiting()
    store.reviews.settle(review.review_id, verdict, "ortiz", NOW)
    message = moved(("V2", "M2", "E2", "E8", Grade.CERTAIN), group)
    event = message.event.model_copy(update={"message_id": message_id(10), "fingerprint": "another"})
    (outcome,) = store.decisions.decide([message.model_copy(update={"event": event})], by_the_rules, NOW)
    assert outcome.entry is not None
    assert outcome.entry.code != Reason.POSSIBLE_MATCH
    assert (
        sorted(stored.alert.enrollee_id for stored in outcome.alerts if stored.alert.enrollee_id not in ("E2", "E8"))
        == enrollees
    )


def test_a_message_of_one_group_is_a_record_of_itself() -> None:
    event_record = record(1)
    assert event_record.parts() == (event_record,)
    assert event_record.event.parts() == (event_record.event,)


def john_doe(number: str, visit: str) -> EventRecord:
    admitted = record(1, visit=visit, mrn=number, born=None, name="DOE")
    inpatient = Visit(encounter_class=EncounterClass.INPATIENT, admitted_at=NOW)
    return admitted.model_copy(update={"event": admitted.event.model_copy(update={"visit": inpatient})})


@pytest.mark.parametrize("kind", [EventKind.PERSON_MERGED, EventKind.UPDATED])
def test_what_was_kept_of_nobody_is_told_once_the_hospital_says_who_it_is(store: Store, kind: EventKind) -> None:
    secret = b"k" * 64
    unknown = john_doe("JD1", "V1").event
    if kind is EventKind.UPDATED:
        placeholder = Note(finding=Finding.PLACEHOLDER_NAME, place="PID-5")
        unknown = unknown.model_copy(update={"notes": (placeholder,)})
    store.unmatched.keep(
        [unknown, john_doe("JD2", "V2").event.model_copy(update={"message_id": message_id(2)})], secret
    )
    identified = record(
        3,
        kind=kind,
        prior=Prior(identifiers=(number("JD1"),)),
        visit="V1" if kind is not EventKind.PERSON_MERGED else "V9",
    )
    assert [
        unchanged.alerts for unchanged in store.decisions.decide([identified], by_the_rules, NOW, b"another secret")
    ] == [()]
    again = identified.event.model_copy(update={"message_id": message_id(4), "fingerprint": "again"})
    (outcome,) = store.decisions.decide([identified.model_copy(update={"event": again})], by_the_rules, NOW, secret)
    assert outcome.entry is not None
    assert outcome.entry.ending is Ending.ALERTED
    (late,) = outcome.alerts
    assert (late.alert.enrollee_id, late.alert.reasons[:2]) == ("E1", (Reason.ADMITTED, Reason.IDENTITY_CORRECTED))
    with store.database.reading() as connection:
        kept = connection.exec_driver_sql("SELECT message_id FROM unmatched").scalars().all()
    assert kept == [message_id(2)]
