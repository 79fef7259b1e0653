"""Report cards of feeds: counted where messages end, once each; asked for by command and page; no patient in them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from parsers.events import Diagnosis
from parsers.people import CaseManager, Role
from rules.decisions import Decision, History, StayStatus
from rules.endings import Ending, LedgerEntry
from rules.feeds.card import MARKS, facts_of
from streams.commands.feed import run_card
from streams.follow.diagnoses import LateDiagnoses
from streams.follow.ticks import TickName
from streams.kafka.records import EventRecord
from streams.run.problems import Problem
from streams.run.settings import load_settings
from streams.store import Store
from tests.rigs.client import browser
from tests.rigs.store import NOW, decide, message_id, record, store, store_url

__all__ = ["store", "store_url"]

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)


def fold(store: Store) -> None:
    turn = store.ticks.take(TickName.SILENCE, "test", 15)
    assert turn
    store.feed_talk.fold(turn)


def test_each_message_is_on_the_card_once_and_in_its_week(store: Store) -> None:
    event_record = record(1)
    for _ in range(2):
        store.decisions.decide([event_record], decide, NOW)
    facts = facts_of(event_record.event)
    read = LedgerEntry(
        message_id(2), Ending.SUPPRESSED, "not_on_panel", NOW - timedelta(days=7), feed="mission", trigger="A01",
        facts=facts,
    )  # fmt: skip
    rejected = LedgerEntry(message_id(3), Ending.REJECTED, "time_missing", NOW, feed="mission")
    for _ in range(2):
        store.ledger.end([read, rejected])
        fold(store)
    newest, before = store.feed_weeks.newest("mission", 5)
    assert (newest.begins, before.begins) == (MONDAY, MONDAY - timedelta(days=7))
    assert (newest.counts["messages"], newest.counts["decided"], newest.counts["rejected:time_missing"]) == (2, 1, 1)
    assert (before.counts["messages"], before.counts["visit_number_missing"]) == (1, 1)
    assert "decided" not in before.counts
    assert store.feed_weeks.feeds() == ("mission",)
    store.feed_weeks.prune(NOW + timedelta(days=390))
    assert [week.begins for week in store.feed_weeks.newest("mission", 5)] == [MONDAY]


def test_what_comes_again_under_another_control_id_is_a_resend(store: Store) -> None:
    for number, control_id in enumerate(("C1", "C1", "C2", "", "C3"), 1):
        store.decisions.decide([record(number, fingerprint="same", control_id=control_id)], decide, NOW)
    batch = [record(number, fingerprint="other", visit="V2", control_id=f"D{number}") for number in (11, 12)]
    store.decisions.decide(batch, decide, NOW)
    fold(store)
    (week,) = store.feed_weeks.newest("mission", 5)
    assert (week.counts["decided"], week.counts["repeated"], week.counts["resent"]) == (7, 2, 3)


def discharged(diagnosed: bool, status: StayStatus = StayStatus.FINISHED) -> Callable[[EventRecord, History], Decision]:
    """As `decide`, of a stay that ended at its first message."""

    def decided(event_record: EventRecord, history: History) -> Decision:
        decision = decide(event_record, history)
        diagnoses = (Diagnosis(code="I50.9"),) if diagnosed else ()
        ended = {"feed": "mission", "status": status, "ended_at": NOW, "diagnoses": diagnoses}
        return decision.model_copy(update={"stays": tuple(stay.model_copy(update=ended) for stay in decision.stays)})

    return decided


def look(store: Store, at: datetime) -> dict[str, int]:
    turn = store.ticks.take(TickName.DIAGNOSES, "test", 15)
    assert turn
    LateDiagnoses(store).run(turn, at)
    fold(store)
    newest = store.feed_weeks.newest("mission", 1)[0]
    return {fact: count for fact, count in newest.counts.items() if fact in AFTER}


AFTER = {str(fact) for facts in MARKS.values() for fact in facts}


def test_a_diagnosis_is_looked_for_a_day_and_a_week_after_the_discharge_once(store: Store) -> None:
    at = (NOW, NOW + timedelta(hours=20), NOW + timedelta(days=3))
    for number in (1, 2, 3, 4):
        store.decisions.decide(
            [record(number, enrollee=f"E{number}", visit=f"V{number}")], discharged(diagnosed=number == 1), at[0]
        )
    store.decisions.decide([record(12, enrollee="E2", visit="V2")], discharged(diagnosed=True), at[1])
    taken_back = discharged(diagnosed=False, status=StayStatus.IN_PROGRESS)
    store.decisions.decide([record(14, enrollee="E4", visit="V4")], taken_back, at[1])
    assert look(store, NOW + timedelta(hours=23)) == {}
    for _ in range(2):
        assert look(store, NOW + timedelta(hours=25)) == {"day_after": 3, "diagnosis_missing_day": 1}
    store.decisions.decide([record(13, enrollee="E3", visit="V3")], discharged(diagnosed=True), at[2])
    assert look(store, NOW + timedelta(days=8)) == {"week_after": 3}


def test_a_discharge_that_is_told_late_is_not_held_against_the_days_before(store: Store) -> None:
    store.decisions.decide([record(1)], discharged(diagnosed=False), NOW + timedelta(days=2))
    assert look(store, NOW + timedelta(days=8)) == {"week_after": 1, "diagnosis_missing_week": 1}


@pytest.fixture
def leaving_out(tmp_path: Path) -> Store:
    """A feed that leaves out where 38 of 100 discharged patients went."""
    settings = load_settings(data_dir=tmp_path / "data", database_url="")
    opened = Store.open(settings.store_url, migrate=True)
    entries = [
        LedgerEntry(
            message_id(number), Ending.SUPPRESSED, "not_on_panel", NOW, feed="mission", trigger="A03",
            facts=("events", "discharges", "discharges:60", *(("disposition_missing",) if number < 38 else ())),
        )
        for number in range(100)
    ]  # fmt: skip
    opened.ledger.end(entries)
    fold(opened)
    return opened


ASKED = "PV1-36, where the patient went, is missing on 38% of 100 discharges (A03)."


def test_the_command_says_it_and_what_to_ask_for(
    leaving_out: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(data_dir=tmp_path / "data", database_url="")
    assert run_card(settings, "mission") == 0
    said = capsys.readouterr().out
    assert said.startswith(f"mission, week of 2026-11-16, 100 messages\n{ASKED} Please send it with the A03")
    assert "does not     38%  (target 5.0%, new)" in said
    assert "half within 1 min" in said
    assert run_card(settings, "mission", as_json=True) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["messages"], printed["week"], printed["delays"]) == (
        *(100, "2026-11-16"),
        [{"of": "discharges", "median": 60, "ninetieth": 60}],
    )
    (line,) = [fact_line for fact_line in printed["lines"] if fact_line["fact"] == "disposition_missing"]
    assert (line["share"], line["verdict"]) == (0.38, "does not")
    with pytest.raises(Problem, match="mission"):
        run_card(settings, "pardee")


def test_the_page_is_for_who_looks_after_feeds(leaving_out: Store, tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path / "data", database_url="")
    people = [
        CaseManager(case_manager_id=role.value, name=role.value, role=role, network_id="n1", feeds=("mission",))
        for role in (Role.ANALYST, Role.ADMIN, Role.NURSE)
    ]
    elsewhere = people[0].model_copy(update={"case_manager_id": "elsewhere", "feeds": ("pardee",)})
    leaving_out.directory.load([], [], [*people, elsewhere], [], [])
    with browser(settings, leaving_out, people[0]) as client:
        front = client.get("/")
        assert (front.status_code, front.headers["location"]) == (303, "/feeds")
        assert '<a href="/feeds?of=mission"' in client.get("/feeds").text
        card = client.get("/feeds", params={"of": "mission"}).text
        assert ASKED in card
        assert client.get("/feeds", params={"of": "nobody"}).status_code == 404
    with browser(settings, leaving_out, elsewhere) as client:
        assert "mission" not in client.get("/feeds").text
        assert client.get("/feeds", params={"of": "mission"}).status_code == 404
    with browser(settings, leaving_out, people[2]) as client:
        assert client.get("/feeds").status_code == 404
