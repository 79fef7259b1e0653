"""Attempts, parked feeds, leases, facts: the small tables that keep workers going, on each database."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from rules.endings import Ending, LedgerEntry
from streams.store import Damaged, Store, Unavailable
from streams.store.database import delete_in_steps, write_rows
from streams.store.tables import feed_hours, unmatched
from tests.rigs.store import NOW, days, decide, message_id, record, store, store_url

__all__ = ["store", "store_url"]


def test_attempts_are_counted_until_a_record_came_through(store: Store) -> None:
    assert store.keeping_up.take_up(["a", "b", "a"], NOW) == {"a": 1, "b": 1}
    assert store.keeping_up.take_up(["b"], NOW) == {"b": 2}
    assert store.keeping_up.taken_up(["a", "b", "c"]) == {"a": 1, "b": 2}
    store.keeping_up.came_through(["b"])
    assert store.keeping_up.take_up(["a", "b"], NOW) == {"a": 2, "b": 1}


def test_a_sender_is_parked_once_and_stays_so_until_it_is_taken_back(store: Store) -> None:
    assert store.keeping_up.park("north", "north", "read:KeyError", NOW)
    assert not store.keeping_up.park("north", "north", "read:TypeError", NOW + days(1))
    (parked,) = store.keeping_up.parked()
    assert (parked.sender, parked.code, parked.since) == ("north", "read:KeyError", NOW)
    assert store.keeping_up.unpark("north")
    assert not store.keeping_up.unpark("north")
    assert store.keeping_up.parked() == ()


def test_one_process_at_a_time_holds_a_lease(store: Store) -> None:
    assert store.keeping_up.lease("relay", "one", NOW, 10)
    assert not store.keeping_up.lease("relay", "two", NOW + timedelta(seconds=9), 10)
    assert store.keeping_up.lease("relay", "one", NOW + timedelta(seconds=9), 10)
    assert not store.keeping_up.lease("relay", "two", NOW + timedelta(seconds=18), 10)
    assert store.keeping_up.lease("relay", "two", NOW + timedelta(seconds=20), 10)
    assert not store.keeping_up.lease("relay", "one", NOW + timedelta(seconds=21), 10)


def test_a_lease_of_a_wrong_clock_holds_nobody_up(store: Store) -> None:
    assert store.keeping_up.lease("relay", "ahead", NOW + timedelta(days=400), 10)
    assert store.keeping_up.lease("relay", "right", NOW, 10)
    assert store.keeping_up.lease("replay", "a little ahead", NOW + timedelta(minutes=20), 10)
    assert not store.keeping_up.lease("replay", "right", NOW, 10)


def test_the_first_fact_stays_unless_it_is_replaced(store: Store) -> None:
    assert store.keeping_up.fact("x") == ""
    assert store.keeping_up.note_fact("x", "1") == "1"
    assert store.keeping_up.note_fact("x", "2") == "1"
    assert store.keeping_up.note_fact("x", "2", replace=True) == store.keeping_up.fact("x") == "2"


def test_only_new_endings_are_named(store: Store) -> None:
    def entry(number: int) -> LedgerEntry:
        return LedgerEntry(message_id(number), Ending.NO_TRANSITION, "", NOW)

    assert store.ledger.end_new([entry(1), entry(2)]) == {message_id(1), message_id(2)}
    assert store.ledger.end_new([entry(2), entry(3), entry(3)]) == {message_id(3)}
    assert store.ledger.end_new([]) == set()


def test_old_sessions_are_forgotten(store: Store) -> None:
    old = store.sessions.open("ortiz", NOW - days(8))
    young = store.sessions.open("ortiz", NOW - timedelta(hours=1))
    assert store.keeping_up.prune_sessions(NOW) == 1
    assert store.sessions.find(old.secret, NOW - days(8)) is None
    assert store.sessions.find(young.secret, NOW) is not None


def test_old_unmatched_events_are_forgotten_in_small_steps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.store.unmatched.FOUND_AT_ONCE", 2)
    assert not store.unmatched.seals()
    with store.database.writing() as connection:
        for number in range(5):
            connection.execute(insert(unmatched).values(message_id=message_id(number), received_us=1, sealed=b"x"))
    assert store.unmatched.seals()
    assert store.unmatched.prune(NOW) == 5
    assert not store.unmatched.seals()


def test_a_damaged_file_is_named_and_neither_our_fault_nor_a_message_s(tmp_path: Path) -> None:
    path = tmp_path / "handoff.sqlite3"
    path.write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(Damaged):
        Store.open(f"sqlite:///{path}")


def test_tables_that_went_are_waited_for_and_never_a_message_s_fault(store: Store) -> None:
    with store.database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE fingerprints")
    with pytest.raises(Unavailable):
        store.decisions.decide([record(1)], decide, NOW)


def test_what_is_old_goes_in_steps_by_a_key_of_several_columns(store: Store) -> None:
    columns = ("feed", "hour_us", "said", "messages", "last_us")
    with store.database.writing() as connection:
        rows = [(feed, hour, "admit", 1, hour) for feed in ("a", "b") for hour in range(7)]
        write_rows(connection, feed_hours, columns, rows)
    assert delete_in_steps(store.database, feed_hours, feed_hours.c.hour_us < 5, 3) == 10
    with store.database.reading() as connection:
        assert sorted(connection.scalars(select(feed_hours.c.hour_us))) == [5, 5, 6, 6]
