"""The store as a whole: tables, migrations, files, the ledger, and what happens when the database cannot."""

import sqlite3
import stat
import threading
import time
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select

from parsers.people import Absence, CaseManager, LmeMco, Network, Practice, Role
from rules.endings import Ending, LedgerEntry
from streams.store import Store, StoreFault, StoreOutdated, TablesAre, Unavailable
from streams.store import database as engine_module
from streams.store import ledger as ledger_module
from streams.store.audit import Audited
from streams.store.database import Database, make_engine, rows_among, take_your_time, write_rows
from streams.store.migrating import migrate, scripts
from streams.store.revisions import known_revisions
from streams.store.tables import feed_tallies, feeds, ledger, metadata
from tests.rigs.store import NOW, days, message_id, store, store_url

__all__ = ["store", "store_url"]


def entry(number: int, ending: Ending = Ending.NO_TRANSITION, at=NOW, **changes: str) -> LedgerEntry:
    return LedgerEntry(message_id(number), ending, changes.pop("code", ""), at, **changes)


def test_migrations_build_exactly_the_tables_of_the_schema(store: Store) -> None:
    with store.database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


@pytest.mark.parametrize("revision", [script.revision for script in scripts().walk_revisions()][1:])
def test_an_older_folder_is_migrated_and_keeps_what_it_holds(store_url: str, revision: str) -> None:
    database = Database(make_engine(store_url))
    migrate(database, revision)
    with database.writing() as connection:
        columns = ("message_id", "ending", "received_us", "ended_us")
        write_rows(connection, ledger, columns, [(message_id(7), "alerted", 1, 1)])
    database.close()
    with pytest.raises(StoreOutdated, match=f"revision {revision}.*handoff migrate"):
        Store.open(store_url)
    opened = Store.open(store_url, migrate=True)
    try:
        assert opened.check().tables is TablesAre.CURRENT
        assert opened.ledger.ended([message_id(7)]) == {message_id(7)}
    finally:
        opened.close()


def test_the_files_of_the_migrations_name_what_alembic_finds_in_them() -> None:
    chain = [script.revision for script in scripts().walk_revisions()]
    assert known_revisions() == tuple(reversed(chain))


def test_a_store_without_tables_says_what_to_run(store_url: str) -> None:
    with pytest.raises(StoreOutdated, match="handoff migrate"):
        Store.open(store_url)


def test_a_store_of_a_newer_program_is_left_alone(store: Store, store_url: str) -> None:
    with store.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreOutdated, match="newer"):
        Store.open(store_url, migrate=True)
    with store.database.writing() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one() == "9999"


def test_processes_that_start_together_migrate_once(store_url: str) -> None:
    faults: list[BaseException] = []

    def start() -> None:
        try:
            Store.open(store_url, migrate=True).close()
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_a_file_that_others_turn_to_wal_at_this_moment_is_waited_for(tmp_path: Path) -> None:
    """SQLite answers SQLITE_BUSY at once there, whatever its busy time-out says."""
    faults: list[BaseException] = []
    for number in range(40):
        url, together = f"sqlite:///{tmp_path / str(number)}.sqlite3", threading.Barrier(8)

        def start(url: str = url, together: threading.Barrier = together) -> None:
            together.wait()
            engine = make_engine(url)
            try:
                with Database(engine).reading() as connection:
                    connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
            except BaseException as error:
                faults.append(error)
            finally:
                engine.dispose()

        threads = [threading.Thread(target=start) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert faults == []


@pytest.mark.parametrize("url", ["mysql://root:hunter2@host/x", "sqlite://", "hunter2"])
def test_a_url_of_another_database_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="store") as caught:
        Store.open(url)
    assert "hunter2" not in str(caught.value)


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    opened = Store.open(f"sqlite:///{folder / 'handoff.sqlite3'}", migrate=True)
    opened.ledger.end([entry(1)])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    opened.close()
    assert modes == dict.fromkeys(("handoff.sqlite3", "handoff.sqlite3-wal", "handoff.sqlite3-shm"), 0o600)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_sqlite_commits_survive_a_power_cut(tmp_path: Path) -> None:
    opened = Store.open(f"sqlite:///{tmp_path / 'handoff.sqlite3'}", migrate=True)
    with opened.database.writing() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    opened.close()


def test_a_message_ends_once(store: Store) -> None:
    assert store.ledger.end([entry(1), entry(2, Ending.REJECTED)]) == 2
    assert store.ledger.end([entry(2, Ending.ALERTED), entry(3)]) == 1
    assert store.ledger.end([]) == 0
    assert store.ledger.endings() == {"no_transition": 2, "rejected": 1}


def test_the_ledger_answers_the_journal(store: Store) -> None:
    store.ledger.end([entry(number) for number in (1, 2, 4, 9)])
    assert store.ledger.ended([message_id(2), message_id(3)]) == {message_id(2)}
    assert store.ledger.ended([]) == set()
    assert store.ledger.count_ended(message_id(2), message_id(9)) == 3
    assert store.ledger.ended_between(message_id(2), message_id(4)) == {message_id(2), message_id(4)}


def test_old_endings_are_forgotten_and_younger_ones_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.store.ledger.PRUNED_AT_ONCE", 2)
    store.ledger.end([entry(number, at=NOW - days(36)) for number in range(5)] + [entry(9, at=NOW - days(34))])
    assert store.ledger.prune(NOW) == 5
    assert store.ledger.ended([message_id(number) for number in range(10)]) == {message_id(9)}


NASTY = [
    '"',
    "\\",
    '\\"',
    "{}",
    "{a,b}",
    "NULL",
    "",
    " ",
    "a,b",
    "\n\t",
    "é\u200b日本",
    "\\x41",
    "%s",
    "'; --",
    "?",
    ":a",
]


def test_any_text_is_kept_and_found_as_it_is(store: Store) -> None:
    with store.database.writing() as connection:
        columns = ("feed", "received_us")
        assert write_rows(connection, feeds, columns, [(text, 7) for text in NASTY]) == len(NASTY)
        rows = rows_among(connection, "SELECT feed FROM feeds WHERE feed IN :among", NASTY)
    assert {row[0] for row in rows} == set(NASTY)
    assert set(store.ledger.feeds()) == set(NASTY)


@pytest.mark.servers
def test_a_nul_in_a_message_is_no_poison_for_postgresql(postgres_url: str) -> None:
    opened = Store.open(postgres_url, migrate=True)
    assert opened.ledger.end([entry(1, control_id="A\0B")]) == 1
    assert opened.ledger.ended([message_id(1), "x\0"]) == {message_id(1)}
    opened.close()


def test_a_feed_is_heard(store: Store) -> None:
    store.ledger.end([entry(1, feed="north"), entry(2, feed="south", at=NOW + timedelta(seconds=1))])
    store.ledger.end([entry(3, feed="north", at=NOW + timedelta(seconds=60)), entry(4, feed="south", at=NOW - days(1))])
    assert store.ledger.feeds() == {"north": NOW + timedelta(seconds=60), "south": NOW + timedelta(seconds=1)}


def test_a_broken_statement_of_ours_shows_no_value(store: Store) -> None:
    with pytest.raises(StoreFault) as caught, store.database.writing() as connection:
        write_rows(connection, feeds, ("feed", "received_us"), [("ROSA WHITFIELD", 1), ("ROSA WHITFIELD", 1)])
    shown = [caught.value, caught.value.__cause__]
    assert caught.value.__suppress_context__
    assert not any("WHITFIELD" in str(error) or "WHITFIELD" in repr(error) for error in shown)


def test_a_locked_file_is_unavailable_and_then_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "BUSY_SECONDS", 0.1)
    path = tmp_path / "handoff.sqlite3"
    opened = Store.open(f"sqlite:///{path}", migrate=True)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="BUSY"):
        opened.ledger.end([entry(1)])
    assert opened.ledger.ended([message_id(1)]) == set()
    other.execute("ROLLBACK")
    other.close()
    assert opened.ledger.end([entry(1)]) == 1
    opened.close()


def test_a_full_disk_is_unavailable(tmp_path: Path) -> None:
    opened = Store.open(f"sqlite:///{tmp_path / 'handoff.sqlite3'}", migrate=True)
    with pytest.raises(Unavailable, match="FULL"), opened.database.writing() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        write_rows(connection, feeds, ("feed", "received_us"), [(f"{number:0500}", 1) for number in range(2000)])
    opened.close()


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        Store.open(f"sqlite:///{tmp_path / 'file' / 'x' / 'handoff.sqlite3'}")


@pytest.mark.servers
def test_a_lost_server_is_unavailable_and_then_works(postgres_url: str) -> None:
    opened = Store.open(postgres_url, migrate=True)
    other = psycopg.connect(postgres_url, autocommit=True)
    with pytest.raises(Unavailable), opened.database.writing() as connection:
        me = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        other.execute("SELECT pg_terminate_backend(%s)", (me,))
        time.sleep(0.1)
        write_rows(connection, feeds, ("feed", "received_us"), [("north", 1)])
    other.close()
    assert opened.ledger.end([entry(1)]) == 1
    opened.close()


@pytest.mark.servers
def test_an_ending_and_what_its_feed_said_by_it_stand_or_fall_together(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Store.open(postgres_url, migrate=True)
    ended = entry(1, feed="mission", trigger="A01")

    def lost(connection: Connection, _entries: object) -> None:
        connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    with monkeypatch.context() as patched, pytest.raises(Unavailable):
        patched.setattr(ledger_module, "tally", lost)
        opened.ledger.end([ended])
    assert opened.ledger.end([ended]) == 1
    with opened.database.reading() as connection:
        assert connection.scalar(select(feed_tallies.c.messages).where(feed_tallies.c.said == "arrival")) == 1
    opened.close()


@pytest.mark.servers
def test_a_transaction_that_lies_still_is_ended_unless_it_says_that_it_will(postgres_url: str) -> None:
    opened = Store.open(postgres_url, migrate=True)
    limit = "SHOW idle_in_transaction_session_timeout"
    with opened.database.writing() as connection:
        assert connection.exec_driver_sql(limit).scalar() == "15s"
        take_your_time(connection)
        assert connection.exec_driver_sql(limit).scalar() == "0"
    with opened.database.reading() as connection:
        assert connection.exec_driver_sql(limit).scalar() == "15s"
    opened.close()


@pytest.mark.servers
def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable) as caught:
        Store.open("postgresql://someone:hunter2@127.0.0.1:1/x")
    assert "hunter2" not in str(caught.value)


@pytest.mark.servers
@pytest.mark.parametrize("state", ["40001", "40P01", "53100", "55P03", "57P01"])
def test_states_that_pass_are_unavailable(postgres_url: str, state: str) -> None:
    opened = Store.open(postgres_url, migrate=True)
    with pytest.raises(Unavailable, match=state), opened.database.writing() as connection:
        connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$")
    opened.close()


def test_the_directory_comes_back_as_it_went_in(store: Store) -> None:
    people = [
        CaseManager(case_manager_id="b", name="B", role=Role.NURSE, network_id="N1", practices=("P1", "P2")),
        CaseManager(case_manager_id="a", name="A", role=Role.CENTRAL_OFFICE, email="a@example.org"),
    ]
    assert store.directory.version() == 0
    version = store.directory.load(
        [Network(network_id="N1", name="North")],
        [Practice(practice_id="P1", name="One", network_id="N1", county="Wake", phone="1")],
        people,
        [Absence(case_manager_id="b", starts=NOW, ends=NOW + days(2), backup_id="a")],
        [LmeMco(lme_mco_id="L1", name="Vaya", counties=("Buncombe", "Madison"))],
        replace=True,
    )
    assert version == store.directory.version() == 1
    assert store.directory.case_managers() == [people[1], people[0]]
    directory = store.directory.read()
    assert directory.practices["P1"].county == "Wake"
    assert directory.case_managers["b"] == people[0]
    store.directory.load([], [], [people[0].model_copy(update={"name": "B2"})], [], [], replace=False)
    assert {case_manager.name for case_manager in store.directory.case_managers()} == {"A", "B2"}
    store.directory.load([], [], people[:1], [], [], replace=True)
    assert [case_manager.name for case_manager in store.directory.case_managers()] == ["B"]
    assert store.directory.version() == 3


def test_a_sign_in_link_works_once_and_in_time(store: Store) -> None:
    token = store.sign_in.make_link("ortiz", NOW + days(1))
    late = store.sign_in.make_link("ortiz", NOW)
    assert store.sign_in.redeem("guess", NOW) is None
    assert store.sign_in.redeem(late, NOW) is None
    assert store.sign_in.redeem(token, NOW) == "ortiz"
    assert store.sign_in.redeem(token, NOW) is None
    with store.database.reading() as connection:
        kept = connection.exec_driver_sql("SELECT token_hash FROM sign_in_links").scalars().all()
    assert token not in kept
    assert [(row.case_manager_id, row.what) for row in store.audit.read()] == [("ortiz", Audited.SIGNED_IN)]


def test_reads_are_audited(store: Store) -> None:
    store.audit.write("ortiz", Audited.READ_STAY, NOW, alert_ids=("a1", "a2"), enrollee_id="E1", detail="page")
    store.audit.write("lee", Audited.READ_LIST, NOW)
    assert [row.what for row in store.audit.read()] == [Audited.READ_LIST, Audited.READ_STAY, Audited.READ_STAY]
    assert [row.alert_id for row in store.audit.read(enrollee_id="E1")] == ["a2", "a1"]
    assert [row.case_manager_id for row in store.audit.read(alert_id="a1")] == ["ortiz"]


def test_a_list_is_one_row_that_names_everybody_on_it(store: Store) -> None:
    for at in (NOW, NOW + days(1)):
        store.audit.write_list("ortiz", Audited.READ_LIST, at, ["E2", "E1", "E2"], "list, 3 stays")
    store.audit.write_list("ortiz", Audited.READ_LIST, NOW, [], "list, 0 stays")
    store.audit.write("lee", Audited.READ_STAY, NOW, alert_ids=("a1",), enrollee_id="E1")
    mine = store.audit.read(enrollee_id="E1")
    assert [(row.case_manager_id, row.is_list) for row in mine] == [("lee", False), ("ortiz", True), ("ortiz", True)]
    assert len(store.audit.read(enrollee_id="E2")) == 2
    assert store.audit.read(enrollee_id="E3") == []
    assert store.audit.verify().broken is None
    with store.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM shown_sets").scalar() == 2
