"""Backups: sealed whole, opened by their key only, brought back on another folder where alerts go on."""

import csv
import io
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.events import Event, EventKind
from parsers.hl7.adt import read_adt
from parsers.hl7.grammar import departs_at
from rules.endings import Ending, LedgerEntry
from streams.commands.backup import run_backup, run_restore
from streams.commands.backup_file import Sealing, Unsealing
from streams.commands.doctor import panel_and_directory
from streams.commands.finding import State
from streams.commands.init import Answers, run_init
from streams.run.problems import Problem
from streams.run.settings import Settings, load_settings
from streams.store import Store
from streams.store.keeping_up import BACKED_UP
from tests.rigs.store import NOW, message_id
from tests.up.test_up import HANDOFF, Up

KEY = b"k" * 32
PIECE = 1024 * 1024


def sealed(path: Path, data: bytes) -> bytes:
    with path.open("wb") as out, Sealing(out, KEY) as sealing:
        for start in range(0, len(data), 700_001):
            sealing.write(data[start : start + 700_001])
    return path.read_bytes()


def opened(data: bytes, key: bytes = KEY) -> bytes:
    return Unsealing(io.BytesIO(data), key).read()


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 17])
def test_what_goes_in_comes_out(tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    assert opened(sealed(tmp_path / "one", data[:size])) == data[:size]


@given(at=st.floats(0, 1, exclude_max=True), how=st.sampled_from(["flip", "cut", "double", "swap"]))
def test_no_changed_file_opens(tmp_path_factory: pytest.TempPathFactory, at: float, how: str) -> None:
    whole = sealed(tmp_path_factory.mktemp("sealed") / "one", b"x" * (2 * PIECE + 5))
    place = int(at * len(whole))
    head, first = whole[:30], PIECE + 16
    changed = {
        "flip": whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :],
        "cut": whole[:place],
        "double": head + whole[30 : 30 + first] + whole[30:],
        "swap": head + whole[30 + first : 30 + 2 * first] + whole[30 : 30 + first] + whole[30 + 2 * first :],
    }[how]
    with pytest.raises(Problem):
        opened(changed)


def test_another_key_is_named_as_the_reason(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="the key is another one"):
        opened(sealed(tmp_path / "one", b"x"), b"q" * 32)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    settings = load_settings(data_dir=tmp_path / "data")
    settings.secret()
    (tmp_path / "data" / "handoff.toml").write_text('log_level = "ERROR"\n')
    (tmp_path / "data" / "journal").mkdir()
    (tmp_path / "data" / "journal" / "1.journal").write_bytes(b"segment")
    (tmp_path / "data" / "guides").mkdir()
    (tmp_path / "data" / "guides" / "letter.toml").write_text("# ours")
    yield settings


def ended(store: Store, first: int, last: int) -> None:
    store.ledger.end([LedgerEntry(message_id(n), Ending.HELD, "", NOW) for n in range(first, last)])


def test_a_store_that_is_written_meanwhile_comes_back_whole(settings: Settings, tmp_path: Path) -> None:
    with closing(Store.open(settings.store_url, migrate=True)) as store:
        ended(store, 0, 500)
        assert run_backup(settings, tmp_path / "b", tmp_path / "key", as_json=True) == 0
        ended(store, 500, 600)
    assert b"segment" not in (tmp_path / "b").read_bytes()
    assert run_restore(tmp_path / "b", None, tmp_path / "key", as_json=True) == 0
    assert run_restore(tmp_path / "b", tmp_path / "other", tmp_path / "key", as_json=True) == 0
    names = {path.relative_to(tmp_path / "other").as_posix() for path in (tmp_path / "other").rglob("*")}
    assert names == {
        "handoff.sqlite3",
        "hash.key",
        "handoff.toml",
        "guides",
        "guides/letter.toml",
        "journal",
        "journal/1.journal",
    }
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "other").rglob("*")} == {0}
    with closing(Store.open(f"sqlite:///{tmp_path / 'other' / 'handoff.sqlite3'}")) as store:
        assert store.ledger.endings() == {"held": 500}


def test_a_policy_with_faults_is_no_reason_to_make_no_backup(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("nonsense = [")
    faulty = settings.model_copy(update={"policy": tmp_path / "policy.toml"})
    with closing(Store.open(settings.store_url, migrate=True)) as store:
        assert run_backup(faulty, tmp_path / "b", tmp_path / "key", as_json=True) == 0
        assert store.keeping_up.fact(BACKED_UP)


def test_a_backup_goes_only_where_nothing_is(settings: Settings, tmp_path: Path) -> None:
    run_backup(settings, tmp_path / "b", tmp_path / "key", as_json=True)
    with pytest.raises(Problem, match="never overwritten"):
        run_backup(settings, tmp_path / "b", tmp_path / "key", as_json=True)
    with pytest.raises(Problem, match="not empty"):
        run_restore(tmp_path / "b", settings.data_dir, tmp_path / "key", as_json=True)


def test_a_place_that_cannot_be_is_said_and_nothing_is_left_there(settings: Settings, tmp_path: Path) -> None:
    Store.open(settings.store_url, migrate=True).close()
    backup, key = tmp_path / "b", tmp_path / "k"
    with pytest.raises(Problem, match="cannot be made"):
        run_backup(settings, backup, tmp_path / "none" / "k", as_json=True)
    run_backup(settings, backup, key, as_json=True)
    with pytest.raises(Problem, match="cannot be brought back"):
        run_restore(backup, backup / "data", key, as_json=True)
    backup.write_bytes(backup.read_bytes()[:-1])
    with pytest.raises(Problem, match="cannot be opened"):
        run_restore(backup, tmp_path / "deep" / "data", key, as_json=True)
    assert list((tmp_path / "deep").iterdir()) == []


def test_a_backup_of_a_newer_version_is_refused_by_name(settings: Settings, tmp_path: Path) -> None:
    Store.open(settings.store_url, migrate=True).close()
    with closing(sqlite3.connect(settings.data_dir / "handoff.sqlite3")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    run_backup(settings, tmp_path / "b", tmp_path / "key", as_json=True)
    with pytest.raises(Problem, match="made by a newer handoff"):
        run_restore(tmp_path / "b", tmp_path / "other", tmp_path / "key", as_json=True)
    assert not (tmp_path / "other").exists()


def run(up: Up, *words: str) -> str:
    done = subprocess.run([*HANDOFF, *words], env=up.environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tell(up: Up, trigger: str, control_id: int) -> None:
    message = (
        f"MSH|^~\\&|A|MERCY|B|C|20261122080000+0000||ADT^{trigger}|{control_id}|P|2.5.1\r"
        f"EVN|{trigger}|20261122080000+0000\rPID|1||M1^^^MERCY^MR~900000001K^^^NC^MA||Whitfield^Rosa||19500304|F\r"
        "PV1|1|I|4W^1^A^MERCY||||||||||||||||V1^^^MERCY^VN|||||||||||||||||01||||||||20261122080000+0000"
        f"{'|20261122090000+0000' if trigger == 'A03' else ''}\r"
    )
    up.send_all([(control_id, message.encode())])


def test_drill_a_clinic_begins_with_init_and_its_alert_goes_on_where_its_backup_was_restored(tmp_path: Path) -> None:
    before = Up(tmp_path / "before")
    run(before, "init", "--practice", "Elm St", "--case-manager", "M. Ortiz, RN", "--hospital", "MERCY")
    panel = before.folder / "panel.csv"
    header = panel.read_text().splitlines()[0].split(",")
    person = {"enrollee_id": "E1", "medicaid_id": "900000001K", "last_name": "Whitfield", "first_name": "Rosa"}
    person |= {"birth_date": "1950-03-04", "sex": "F", "practice_id": "P1", "effective_from": "2024-01-01"}
    with panel.open("a") as file:
        csv.DictWriter(file, header, restval="").writerow(person)
    run(before, "panel", "load", str(panel))
    before.start()
    try:
        tell(before, "A01", 1)
        before.wait_for_endings(1)
        assert before.rows("SELECT case_manager_id, owning FROM alert_owners") == [("CM1", 1)]
        run(before, "backup", str(tmp_path / "b"), "--key-file", str(tmp_path / "key"))
    finally:
        before.kill_everything()
    run(before, "restore", str(tmp_path / "b"), "--key-file", str(tmp_path / "key"), "--to", str(tmp_path / "after"))
    after = Up(tmp_path / "after")
    after.start()
    try:
        tell(after, "A03", 2)
        after.wait_for_endings(2)
        assert after.rows("SELECT ending FROM ledger ORDER BY message_id") == [("alerted",), ("amended",)]
        assert after.rows("SELECT version, status FROM alerts") == [(2, "finished")]
        assert after.stop() == 0
    finally:
        if after.process and after.process.poll() is None:
            after.kill_everything()


def test_init_overwrites_nothing_and_takes_no_value_that_would_break_its_files(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path / "data")
    answers = Answers("Elm St, Family & Sons", "M. Ortiz, RN", ("MERCY", "ST\u00c9"), "", "America/New_York")
    assert run_init(settings, answers) == 0
    again = load_settings(data_dir=tmp_path / "data")
    assert [feed.sending for feed in again.feeds] == [("MERCY",), ("ST\u00c9",)]
    with pytest.raises(Problem, match="is there already"):
        run_init(settings, answers)
    for name, kind in (("1_admitted", EventKind.ADMITTED), ("2_taken_back", EventKind.ADMIT_CANCELLED)):
        message = (again.data_dir / "trial" / f"{name}.hl7").read_bytes()
        event = read_adt(message, lambda *_: again.feeds[0], message_id="1" * 32, received_at=datetime.now(UTC))
        assert isinstance(event, Event)
        assert (event.kind, event.facility, event.notes) == (kind, "MERCY", ())
        assert departs_at(message, event.trigger) == ""
    (someone,) = csv.DictReader((again.data_dir / "panel.csv").read_text().splitlines())
    assert (someone["last_name"], someone["practice_id"]) == (event.patient.name.family, "P1")
    with closing(Store.open(settings.store_url)) as store:
        store.panel.load([], full=True, now=datetime.now(UTC))
        (directory,) = [finding for finding in panel_and_directory(store) if finding.part == "directory"]
    assert (directory.state, directory.what) == (State.OK, "1 person, 1 practice")
    for wrong in (answers._replace(hospitals=('A"B',)), answers._replace(zone="Mars")):
        with pytest.raises(Problem, match="expected"):
            run_init(load_settings(data_dir=tmp_path / "other"), wrong)
