"""A feed's report card: what each message adds, shares against targets and weeks before, and the repair to ask for."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from parsers.events import (
    Address,
    Diagnosis,
    Event,
    EventKind,
    Finding,
    Identifier,
    Note,
    Patient,
    Visit,
)  # fmt: skip
from rules.decisions import Reason, Stay, StayStatus
from rules.endings import Ending, LedgerEntry
from rules.feeds.card import (
    CANCELLED,
    LEAST,
    ROWS,
    Delay,
    Fact,
    Of,
    Trend,
    Verdict,
    card,
    counted,
    facts_after,
    facts_of,
    facts_of_grammar,
    habits,
)
from streams.words import feed_card as words
from streams.words import feeds as feed_words

AT = datetime(2026, 11, 23, 15, tzinfo=UTC)
WHOLE = Visit(
    number=Identifier(system="M", value="V1"),
    admitted_at=AT,
    discharged_at=AT,
    disposition="01",
    diagnoses=(Diagnosis(code="I50.9"),),
)
PATIENT = Patient(
    birth_date=date(1955, 3, 2), addresses=(Address(zip="28801"),), phones=("8285550147",), primary_care=True
)


def event(kind: EventKind = EventKind.ADMITTED, visit: Visit | None = WHOLE, late: int = 0, **more: object) -> Event:
    given = {"patient": PATIENT, **more}
    return Event(
        message_id="1", kind=kind, trigger="A01", feed="mission", facility="MISSION", occurred_at=AT, recorded_at=AT,
        received_at=AT + timedelta(seconds=late), visit=visit, fingerprint="p", **given,
    )  # fmt: skip


def test_what_is_whole_adds_nothing_wrong() -> None:
    assert set(facts_of(event())) == {Of.EVENTS, Of.VISITS, Of.ARRIVALS, "arrivals:60"}
    assert set(facts_of(event(EventKind.DISCHARGED))) == {Of.EVENTS, Of.VISITS, Of.DISCHARGES, "discharges:60"}
    assert set(facts_of(event(EventKind.PERSON_UPDATED, None))) == {Of.EVENTS}
    assert set(facts_of(event(EventKind.ADMIT_CANCELLED))) == {Of.EVENTS, Of.VISITS, CANCELLED}


def test_what_came_late_and_what_was_cancelled_are_shares_of_enough() -> None:
    counts = {Of.ARRIVALS: 30, Of.DISCHARGES: 20, Fact.ARRIVAL_LATE: 4, Fact.DISCHARGE_LATE: 1, CANCELLED: 3}
    assert habits(counts) == (0.1, 0.1)
    assert habits({Of.ARRIVALS: LEAST - 1, Of.DISCHARGES: 1, CANCELLED: 1}) == (0.0, None)
    assert habits({}) == (None, None)
    assert [feed_words.share(part) for part in (None, 0.0, 0.004, 0.041)] == ["–", "0%", "under 1%", "4%"]


def test_what_is_missing_is_named() -> None:
    nothing = {Fact.BIRTH_DATE_MISSING, Fact.ADDRESS_MISSING, Fact.PHONE_MISSING}
    facts = set(facts_of(event(visit=Visit(), patient=Patient(), late=301)))
    missing = {Fact.VISIT_NUMBER_MISSING, Fact.ADMIT_TIME_MISSING, Fact.ARRIVAL_LATE, Fact.PRIMARY_CARE_MISSING}
    assert facts == {Of.EVENTS, Of.VISITS, Of.ARRIVALS, "arrivals:900", *missing, *nothing}
    facts = set(facts_of(event(EventKind.DISCHARGED, Visit(), late=100_000)))
    missing = {
        Fact.VISIT_NUMBER_MISSING, Fact.DISCHARGE_TIME_MISSING, Fact.DISPOSITION_MISSING, Fact.DIAGNOSIS_MISSING,
        Fact.DISCHARGE_LATE,
    }  # fmt: skip
    assert facts == {Of.EVENTS, Of.VISITS, Of.DISCHARGES, "discharges:0", *missing}
    notes = (
        Note(finding=Finding.AUTHORITY_MISSING, place="PID-3.4"),
        Note(finding=Finding.CHARSET_LYING, place="MSH-18"),
        Note(finding=Finding.CHARSET_UNKNOWN, place="MSH-18"),
        Note(finding=Finding.ADMIT_TIME_MISSING, place="PV1-44"),
    )
    assert set(facts_of(event(notes=notes))) >= {Fact.AUTHORITY_MISSING, Fact.CHARSET_WRONG}


@pytest.mark.parametrize(
    ("ending", "code", "facts", "adds"),
    [
        (Ending.ALERTED, Reason.ADMITTED, ("events",), ["messages", "events", "decided"]),
        (Ending.SUPPRESSED, Reason.NOT_ON_PANEL, ("events",), ["messages", "events"]),
        (Ending.DUPLICATE, Reason.NOTHING_NEW, ("events",), ["messages", "events", "decided", "repeated"]),
        (Ending.DUPLICATE, Reason.NOTHING_NEW, ("resent",), ["messages", "resent", "decided"]),
        (Ending.SUPPRESSED, Reason.OUT_OF_ORDER, ("events",), ["messages", "events", "decided", "out_of_order"]),
        (Ending.REJECTED, "time_missing", (), ["messages", "rejected", "rejected:time_missing"]),
        (Ending.NO_TRANSITION, "", (), ["messages"]),
        (Ending.TEST_MESSAGE, "", (), []),
        (Ending.QUARANTINED, "read:KeyError", ("events",), []),
    ],
)
def test_what_an_ending_adds(ending: Ending, code: str, facts: tuple[str, ...], adds: list[str]) -> None:
    assert list(counted(LedgerEntry("1", ending, code, AT, feed="mission", facts=facts))) == adds


def test_what_a_discharge_adds_a_day_and_a_week_later() -> None:
    stay = Stay(stay_id="1", enrollee_id="E1", facility="M", status=StayStatus.FINISHED)
    coded = stay.model_copy(update={"diagnoses": WHOLE.diagnoses})
    reopened = stay.model_copy(update={"status": StayStatus.IN_PROGRESS})
    assert facts_after(stay, 1) == (Of.DAY_AFTER, Fact.DIAGNOSIS_MISSING_DAY)
    assert facts_after(coded, 7) == (Of.WEEK_AFTER,)
    assert facts_after(reopened, 7) == ()


def test_where_the_grammar_is_broken_is_said_once_enough_was_looked_at() -> None:
    assert facts_of_grammar("") == (Of.SAMPLED,)
    assert facts_of_grammar("PV1-2") == (Of.SAMPLED, Fact.GRAMMAR_BROKEN, "grammar_broken:PV1-2")
    places = {"grammar_broken:EVN": 3, "grammar_broken:PV1-2": 12}
    broken = card(week(sampled=40, grammar_broken=15, **places), [])
    assert broken.grammar == {"PV1-2": 12, "EVN": 3}
    assert broken.rejects == {}
    assert words.grammar(broken) == "The grammar is broken at PV1-2 (12), EVN (3)."
    assert words.grammar(card(week(sampled=LEAST - 1, grammar_broken=15, **places), [])) == ""
    assert words.grammar(card(week(sampled=40), [])) == ""
    assert words.ask(next(line for line in broken.lines if line.fact is Fact.GRAMMAR_BROKEN)).startswith(
        "Segments or fields do not follow the grammar of the version that MSH-12 names on 38% of 40 messages sampled. "
    )


def week(**counts: int) -> Counter[str]:
    return Counter({Of.MESSAGES: 1_000, Of.EVENTS: 1_000, Of.DISCHARGES: 200, Of.VISITS: 900} | counts)


def test_shares_are_held_against_targets_and_the_weeks_before() -> None:
    now = week(disposition_missing=76, diagnosis_missing=100, visit_number_missing=5, **{"rejected:undecodable": 3})
    week_card = card(now, [week(disposition_missing=20), week(disposition_missing=20, diagnosis_missing=200)])
    lines = {line.fact: line for line in week_card.lines}
    assert set(lines) == set(ROWS)
    assert (lines[Fact.DISPOSITION_MISSING].verdict, lines[Fact.DISPOSITION_MISSING].trend) == (
        Verdict.DOES_NOT, Trend.WORSE,
    )  # fmt: skip
    assert (lines[Fact.DIAGNOSIS_MISSING].verdict, lines[Fact.DIAGNOSIS_MISSING].trend) == (Verdict.NEARLY, Trend.SAME)
    assert lines[Fact.VISIT_NUMBER_MISSING].verdict is Verdict.MEETS
    assert (lines[Fact.ARRIVAL_LATE].verdict, lines[Fact.ARRIVAL_LATE].trend) == (Verdict.TOO_FEW, Trend.NEW)
    assert lines[Fact.ARRIVAL_LATE].share == 0
    assert week_card.rejects == {"undecodable": 3}
    assert week_card.first == lines[Fact.DISPOSITION_MISSING]
    better = card(week(), [week(disposition_missing=20)])
    assert {line.fact: line.trend for line in better.lines}[Fact.DISPOSITION_MISSING] is Trend.BETTER
    assert words.first(week_card) == (
        "PV1-36, where the patient went, is missing on 38% of 200 discharges (A03). "
        "Please send it with the A03, or in an A08 soon after."
    )
    assert words.ask(lines[Fact.VISIT_NUMBER_MISSING]) == ""
    assert words.first(better) == "Nothing to mend: every line meets its target."
    assert words.first(card(Counter(), [])) == "Too few messages to say anything."


def test_delays_are_said_by_what_they_are_of() -> None:
    late = week(**{"discharges:60": 120, "discharges:900": 40, "discharges:86400": 30, "discharges:0": 10})
    (delay,) = card(late, []).delays
    assert delay == Delay(Of.DISCHARGES, 60, 86_400)
    assert words.delay(delay) == "discharges (A03): half within 1 min, nine in ten within 24 h"
    assert words.delay(Delay(Of.ARRIVALS, 300, 0)).endswith("half within 5 min, nine in ten after more than a day")


def test_every_fact_has_its_sentence() -> None:
    for fact, row in ROWS.items():
        week_card = card(Counter({row.of: LEAST, fact: LEAST}), [])
        assert week_card.first is not None
        assert "100% of 20" in words.ask(week_card.first)
