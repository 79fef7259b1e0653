"""The audit: rows chained in the order of their deeds, and whatever is done to them later shows."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import text

from streams.store import Store
from streams.store.audit import ORIGIN, Audited, link
from tests.rigs.store import NOW, store, store_url  # noqa: F401

GONE = "what stood before it is gone or changed"
MOVE = "UPDATE audit SET audit_id = {1} WHERE audit_id = {0}"
UNCHAINED = "of the rows before it, which are in no chain, some were put in or taken out"


def fill(store):  # noqa: F811
    for number in range(5):
        store.audit.write("ortiz", Audited.READ_STAY, NOW + timedelta(minutes=number), alert_ids=(f"a{number}",),
                          enrollee_id="E1", detail=f"version {number}, “full”")  # fmt: skip
    store.audit.write_people("brown", Audited.READ_REVIEW, NOW + timedelta(hours=1), ["E2", "E3", "E2"])


def test_rows_are_found_by_person_user_and_moment(store: Store) -> None:  # noqa: F811
    token = ORIGIN.set("10.1.2.3, session ab12")
    fill(store)
    ORIGIN.reset(token)
    assert [row.alert_id for row in store.audit.read(enrollee_id="E1")] == ["a4", "a3", "a2", "a1", "a0"]
    assert {row.enrollee_id for row in store.audit.read(case_manager_id="brown")} == {"E2", "E3"}
    assert len(store.audit.read(since=NOW + timedelta(minutes=3))) == 4
    assert {row.origin for row in store.audit.read()} == {"10.1.2.3, session ab12"}


def test_all_of_it_is_read_oldest_first_some_at_a_time(store: Store, monkeypatch) -> None:  # noqa: F811
    monkeypatch.setattr("streams.store.audit._AT_ONCE", 3)
    assert store.audit.whole()[0] == 0
    fill(store)
    for asked in ({"enrollee_id": "E1"}, {"case_manager_id": "brown"}, {"since": NOW + timedelta(minutes=3)}, {}):
        newest_first = store.audit.read(**asked)
        count, rows = store.audit.whole(**asked)
        store.audit.write("brown", Audited.READ_AUDIT, NOW + timedelta(days=1), enrollee_id="E1")  # the look itself
        assert list(rows) == newest_first[::-1]
        assert count == len(newest_first)


def test_a_whole_chain_is_whole_and_its_head_can_be_noted(store: Store) -> None:  # noqa: F811
    assert store.audit.verify() == (0, 0, "", None)
    fill(store)
    chain = store.audit.verify()
    assert (chain.rows, chain.unchained, chain.broken) == (7, 0, None)
    store.audit.write("ortiz", Audited.READ_LIST, NOW)
    assert store.audit.verify(chain.head).broken is None


@pytest.mark.parametrize(
    ("done", "row", "why"),
    [
        ("UPDATE audit SET detail = 'nothing' WHERE audit_id = 3", 3, "it was changed"),
        ("UPDATE audit SET case_manager_id = 'brown' WHERE audit_id = 1", 1, "it was changed"),
        ("UPDATE audit SET at_us = at_us + 1 WHERE audit_id = 7", 7, "it was changed"),
        ("DELETE FROM audit WHERE audit_id = 4", 5, GONE),
        ("DELETE FROM audit WHERE audit_id <= 2", 3, GONE),
        ("UPDATE audit SET hash = '' WHERE audit_id = 5", 5, "it was changed"),
        (f"{MOVE.format(4, 0)};{MOVE.format(6, 4)};{MOVE.format(0, 6)}", 4, GONE),  # two swapped
        (MOVE.format(2, 100), 3, GONE),  # taken out and put in at the end
        ("INSERT INTO audit (audit_id, at_us, case_manager_id, what) VALUES (0, 1, 'x', 'auto')", 1, UNCHAINED),
    ],
)
def test_what_was_changed_or_taken_out_shows_at_its_place(store: Store, done, row, why) -> None:  # noqa: F811
    fill(store)
    with store.database.writing() as connection:
        for statement in done.split(";"):
            connection.execute(text(statement))
    broken = store.audit.verify().broken
    assert broken is not None
    assert (broken.audit_id, broken.why) == (row, why)


@pytest.mark.parametrize("noted", [False, True])
def test_rows_taken_off_the_end_show_and_where_the_head_was_noted_whatever_else_was_changed(
    store: Store,  # noqa: F811
    noted,
) -> None:
    fill(store)
    head = store.audit.verify().head
    with store.database.writing() as connection:
        connection.execute(text("DELETE FROM audit WHERE audit_id = 7"))
        if noted:
            connection.execute(text("DELETE FROM facts"))
    assert (store.audit.verify().broken is None) is noted
    broken = store.audit.verify(head).broken
    assert broken is not None
    assert broken.why == "rows at the end are gone"
    store.audit.write("ortiz", Audited.READ_LIST, NOW)
    assert store.audit.verify(head).broken is not None
    assert (store.audit.verify().broken is None) is noted  # what is written afterwards does not hide it


def test_rows_that_an_older_process_wrote_after_the_head_are_followed(store: Store) -> None:  # noqa: F811
    fill(store)
    with store.database.writing() as connection:
        first = connection.execute(text("SELECT hash FROM audit WHERE audit_id = 3")).scalar()
        connection.execute(text(f"UPDATE facts SET value = '{first}' WHERE name = 'audit_head'"))
    broken = store.audit.verify().broken  # until then it might be anybody's
    assert broken is not None
    assert (broken.audit_id, broken.why) == (4, "it was put in after the newest that is known")
    store.audit.write("ortiz", Audited.READ_LIST, NOW)
    assert (store.audit.verify().rows, store.audit.verify().broken) == (8, None)


@pytest.mark.parametrize(
    "done",
    [
        "DELETE FROM shown_sets WHERE enrollee_id = 'E1'",
        "DELETE FROM shown_sets",
        "UPDATE shown_sets SET enrollee_id = 'E9' WHERE enrollee_id = 'E1'",
        "INSERT INTO shown_sets SELECT DISTINCT set_id, 'E9' FROM shown_sets",
    ],
)
def test_who_stood_on_a_list_cannot_be_changed_unseen(store: Store, done) -> None:  # noqa: F811
    fill(store)
    for people in (["E1", "E2"], [], ["E2", "E1"]):
        store.audit.write_list("ortiz", Audited.READ_LIST, NOW, people, f"list, {len(people)} stays")
    assert store.audit.verify().broken is None
    assert {row.case_manager_id for row in store.audit.read(enrollee_id="E2")} == {"ortiz", "brown"}
    with store.database.writing() as connection:
        connection.execute(text(done))
    broken = store.audit.verify().broken
    assert broken is not None
    assert (broken.audit_id, broken.why) == (8, "the list of people it names was changed")


def test_lists_of_more_than_one_look_are_read_whole(store: Store, monkeypatch) -> None:  # noqa: F811
    monkeypatch.setattr("streams.store.audit._AT_ONCE", 3)
    for number in range(5):
        store.audit.write_list("ortiz", Audited.READ_LIST, NOW, [f"E{n}" for n in range(number + 1)], "list")
    assert (store.audit.verify().rows, store.audit.verify().broken) == (5, None)


def test_a_row_put_in_before_all_others_is_one_of_before_there_was_a_chain_or_breaks_it(store: Store) -> None:  # noqa: F811
    fill(store)
    with store.database.writing() as connection:
        connection.execute(
            text("INSERT INTO audit (audit_id, at_us, case_manager_id, what, hash) VALUES (-5, 1, 'x', 'auto', 'made')")
        )
    broken = store.audit.verify().broken
    assert broken is not None
    assert broken.audit_id == -5


def test_rows_of_before_there_was_a_chain_are_counted_and_break_nothing(store: Store) -> None:  # noqa: F811
    with store.database.writing() as connection:
        connection.execute(text("INSERT INTO audit (at_us, case_manager_id, what) VALUES (1, 'old', 'read_list')"))
        connection.execute(text("UPDATE facts SET value = '1' WHERE name = 'audit_unchained'"))  # as when it began
    fill(store)
    chain = store.audit.verify()
    assert (chain.rows, chain.unchained, chain.broken) == (7, 1, None)


def test_many_at_once_make_one_chain(store: Store) -> None:  # noqa: F811
    def read(who):
        for _ in range(10):
            store.audit.write(who, Audited.READ_LIST, NOW)

    threads = [threading.Thread(target=read, args=(f"p{number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    chain = store.audit.verify()
    assert (chain.rows, chain.broken) == (50, None)


def test_the_hash_is_over_every_value_and_tells_neighbors_apart() -> None:
    digest = link("", (1, "ab", "c"))
    assert link("", (1, "a", "bc")) != digest
    assert link("x", (1, "ab", "c")) != digest
    assert link("", (1, "ab", "c")) == digest
