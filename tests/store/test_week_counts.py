"""What stays count as in the report of their week, and what else the board sums, on both databases."""

from datetime import date, timedelta

from rules.endings import Ending, LedgerEntry
from rules.following.acts import ActKind, Mode, Outcome
from rules.policy.policy import default_policy
from streams.follow.ticks import TickName
from streams.store import Store
from streams.store.week_counts import Sums
from tests.rigs.acts import acted
from tests.rigs.store import NOW, decide, line, message_id, record, store, store_url

__all__ = ["store", "store_url"]

ZONE = default_policy().tz
MONDAY = date(2026, 11, 16)


def test_each_change_is_counted_once_and_summed_by_week_practice_and_hospital(store: Store) -> None:
    store.panel.load([line("E1", practice_id="P1"), line("E2", practice_id="P2")], full=True, now=NOW)
    turn = store.ticks.take(TickName.REPORTS, "test", 15)
    assert turn
    assert not store.week_counts.count(turn, ZONE)
    store.decisions.decide([record(1)], decide, NOW)
    store.decisions.decide([record(2, "E2", visit="V2")], decide, NOW)
    assert store.week_counts.count(turn, ZONE)
    acted(store, message_id(1), "ortiz", ActKind.ATTEMPT, 1, NOW, outcome=Outcome.REACHED, mode=Mode.PHONE)
    assert store.week_counts.count(turn, ZONE)
    assert not store.week_counts.count(turn, ZONE)
    assert store.week_counts.weeks(None, MONDAY) == {MONDAY: Sums(told=2)}  # still in the hospital: no call counts
    assert store.week_counts.weeks({"P1"}, MONDAY, MONDAY) == {MONDAY: Sums(told=1)}
    assert store.week_counts.weeks(None, MONDAY - timedelta(weeks=1)) == {}
    assert store.week_counts.places(MONDAY, None) == [
        ("P1", "MISSION", Sums(told=1)),
        ("P2", "MISSION", Sums(told=1)),
    ]
    assert store.week_counts.stays(MONDAY, {"P1"}, 10) == {message_id(1): {"told"}}


def test_the_last_act_of_each_person_is_found(store: Store) -> None:
    store.panel.load([line("E1")], full=True, now=NOW)
    store.decisions.decide([record(1)], decide, NOW)
    for minutes in (1, 5):
        acted(store, message_id(1), "ortiz", ActKind.NOTE, 1, NOW + timedelta(minutes=minutes), text="x")
    assert store.acts.last_of(["ortiz", "lee"]) == {"ortiz": NOW + timedelta(minutes=5)}


def test_a_feed_s_facts_and_pace_are_summed_over_weeks(store: Store) -> None:
    sent = {"feed": "mission", "trigger": "A01", "facts": ("arrivals", "cancelled")}
    entries = [LedgerEntry(f"{number:032x}", Ending.SUPPRESSED, "not_on_panel", NOW, **sent) for number in range(6)]
    store.ledger.end(entries)
    turn = store.ticks.take(TickName.SILENCE, "test", 15)
    assert turn
    store.feed_talk.fold(turn)
    sums = store.feed_weeks.sums(NOW)["mission"]
    assert (sums["arrivals"], sums["cancelled"]) == (6, 6)
    assert store.feed_weeks.sums(NOW + timedelta(weeks=2)) == {}
    every = store.feed_talk.every(NOW - timedelta(weeks=4), NOW + timedelta(hours=1))
    assert every == {"mission": timedelta(minutes=10)}
