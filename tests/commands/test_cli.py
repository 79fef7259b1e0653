"""The command's words: help that teaches for every command, and errors that end non-zero in one sentence."""

import errno
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from streams import __version__
from streams.cli import app, said
from streams.kafka.client import BrokerAway
from streams.store import Damaged, Store, Unavailable
from streams.store.database import Database, make_engine
from streams.store.migrating import migrate

ROOT: Any = typer.main.get_command(app)


def commands(group: Any = ROOT, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*before, name))
        else:
            yield (*before, name), command


ALL = dict(commands())


def handoff(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    clean = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("HANDOFF_", "COV_", "KAFKA_", "DATABASE_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "streams", *words], env=clean | environment, capture_output=True, text=True, timeout=120
    )


def test_version_is_the_distribution_s() -> None:
    assert handoff("--version").stdout.strip() == __version__


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_and_option_is_explained(words: tuple[str, ...]) -> None:
    command = ALL[words]
    assert command.help, "no help"
    assert command.help.strip().splitlines()[0].endswith((".", ":")), "the first line is a sentence"
    unexplained = [option.name for option in command.params if option.param_type_name == "option" and not option.help]
    assert unexplained == []


@pytest.mark.parametrize(
    ("words", "environment", "status", "said"),
    [
        (["nonsense"], {}, 2, "nonsense"),
        (["explain", "/nowhere.hl7"], {}, 2, "does not exist"),
        (["listen"], {"HANDOFF_MLLP_PORT": "x"}, 2, "HANDOFF_MLLP_PORT"),
        (["work"], {"DATABASE_URL": "mysql://x"}, 2, "DATABASE_URL"),
        (["sign-in"], {}, 2, "no inbox is running"),
    ],
)
def test_an_error_is_a_sentence(
    words: list[str], environment: dict[str, str], status: int, said: str, tmp_path: Path
) -> None:
    done = handoff(*words, HANDOFF_DATA_DIR=str(tmp_path / "data"), **environment)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_on_a_fresh_machine_says_what_to_do(tmp_path: Path) -> None:
    done = handoff("doctor", HANDOFF_DATA_DIR=str(tmp_path / "data"))
    assert "handoff up" in done.stdout
    assert "Traceback" not in done.stderr


def newer_store(folder: Path) -> None:
    up_to_date(folder)
    with sqlite3.connect(folder / "handoff.sqlite3") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def older_store(folder: Path) -> None:
    migrate(Database(make_engine(f"sqlite:///{folder / 'handoff.sqlite3'}")), "0001")


def up_to_date(folder: Path) -> None:
    Store.open(f"sqlite:///{folder / 'handoff.sqlite3'}", migrate=True).close()


def damaged_store(folder: Path) -> None:
    folder.mkdir()
    (folder / "handoff.sqlite3").write_bytes(b"no database at all" * 1000)


def running(folder: Path) -> None:
    (folder / "inbox.json").write_text('{"url": "http://127.0.0.1:1", "pid": 1}')
    (folder / "listener.json").write_text('{"pid": 1, "host": "127.0.0.1", "http_port": 1, "tls": false}')


def a_file(folder: Path) -> None:
    folder.write_text("")


def a_folder(folder: Path) -> None:
    (folder / "handoff.sqlite3").unlink()
    (folder / "handoff.sqlite3").mkdir()


NOBODY = {"DATABASE_URL": "postgresql://us:hunter2@127.0.0.1:1/x"}
WORLD: dict[str, tuple[list[str], list[Callable[[Path], None]], dict[str, str], str]] = {
    "ingest without anything": (["ingest", "FILE"], [], {}, "start `handoff up`"),
    "ingest with an outdated store": (["ingest", "FILE"], [older_store, running], {}, "handoff migrate"),
    "ingest with a dead database": (["ingest", "FILE"], [up_to_date, running], NOBODY, "database does not answer"),
    "sign-in with a newer store": (["sign-in"], [newer_store, running], {}, "newer handoff"),
    "sign-in with an outdated store": (["sign-in"], [older_store, running], {}, "handoff migrate"),
    "sign-in with a dead database": (["sign-in"], [up_to_date, running], NOBODY, "database does not answer"),
    "sign-in beside a folder of that name": (["sign-in"], [up_to_date, running, a_folder], {}, "cannot be used now"),
    "sign-in with a damaged store": (["sign-in"], [damaged_store, running], {}, "damaged"),
    "review with a damaged store": (["review"], [damaged_store], {}, "last copy of the data folder"),
    "up with a newer store": (["up"], [newer_store], {}, "newer handoff"),
    "up with a damaged store": (["up"], [damaged_store], {}, "damaged"),
    "up on a dead database": (["up"], [], NOBODY, "database does not answer"),
    "up on a file": (["up"], [a_file], {}, "data"),
    "migrate with a newer store": (["migrate"], [newer_store], {}, "newer handoff"),
    "migrate a dead database": (["migrate"], [], NOBODY, "database does not answer"),
    "inbox with an outdated store": (["inbox"], [older_store], {}, "handoff migrate"),
    "inbox with a dead database": (["inbox"], [], NOBODY, "database does not answer"),
    "inbox on a taken port": (["inbox"], [up_to_date], {"HANDOFF_INBOX_PORT": "TAKEN"}, "HANDOFF_INBOX_PORT"),
    "work on a taken port": (["work"], [], {"HANDOFF_WORK_METRICS_PORT": "TAKEN"}, "HANDOFF_WORK_METRICS_PORT"),
    "up with a key cut short": (["up"], [lambda folder: cut_short(folder)], {}, "cut short"),
    "listen with a key cut short": (["listen"], [up_to_date, lambda folder: cut_short(folder)], {}, "cut short"),
}


def cut_short(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "hash.key").write_text("")


@pytest.mark.parametrize("name", WORLD)
def test_what_the_world_does_to_us_is_said_in_a_sentence(name: str, tmp_path: Path) -> None:
    words, prepare, environment, said = WORLD[name]
    folder = tmp_path / "data"
    for step in prepare:
        step(folder)
    message = tmp_path / "one.hl7"
    message.write_bytes(b"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5\r")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        given = {key: port if value == "TAKEN" else value for key, value in environment.items()}
        ports = {f"HANDOFF_{role}_METRICS_PORT": "0" for role in ("LISTEN", "WORK", "INBOX")}
        ports |= {"HANDOFF_INBOX_PORT": "0", "HANDOFF_MLLP_PORT": "0", "HANDOFF_HTTP_PORT": "0"}
        asked = [str(message) if word == "FILE" else word for word in words]
        done = handoff(*asked, **(ports | {"HANDOFF_DATA_DIR": str(folder)} | given))
    assert said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr
    assert done.returncode == 2


SAID = {
    "a full disk": (OSError(errno.ENOSPC, "No space left on device", "/data/x"), "/data/x: the disk is full"),
    "a read-only folder": (OSError(errno.EROFS, "Read-only file system", "/data/x"), "read-only"),
    "a forbidden file": (PermissionError(errno.EACCES, "Permission denied", "/data/x"), "run as the user who owns it"),
    "a taken port": (OSError(errno.EADDRINUSE, "Address already in use"), "taken"),
    "a broker that is away": (BrokerAway("KafkaConnectionError"), "KAFKA_BOOTSTRAP_SERVERS"),
    "a file that cannot be used": (Unavailable("OperationalError SQLITE_FULL"), "(OperationalError SQLITE_FULL)"),
    "a damaged store": (Damaged("DatabaseError SQLITE_CORRUPT"), "bring back your last copy"),
    "a bug of ours": (KeyError("DOE^JANE"), ""),
    "a bug that looks like the world": (FileNotFoundError(errno.ENOENT, "No such file", "/data/x"), ""),
}


@pytest.mark.parametrize("name", SAID)
def test_one_place_says_what_can_be_mended_and_leaves_our_bugs_alone(name: str) -> None:
    error, text = SAID[name]
    assert text in said(error)
    assert bool(text) is bool(said(error))


def test_a_policy_of_one_s_own_counts_in_explain_and_score_as_well(tmp_path: Path) -> None:
    message, policy = tmp_path / "one.hl7", tmp_path / "policy.toml"
    message.write_bytes(
        b"MSH|^~\\&|A|MERCY|C|D|20260302080000+0000||ADT^A01|1|P|2.5\rEVN|A01|20260302080000+0000\r"
        b"PID|1||M1^^^MERCY^MR||Test^Person||19700101|F\rPV1|1|I|4W^1^A^MERCY||||||||||||||||V1^^^MERCY^VN\r"
    )
    policy.write_text("nonsense = 1\n")
    done = handoff("explain", str(message), HANDOFF_POLICY=str(policy), HANDOFF_DATA_DIR=str(tmp_path))
    assert done.returncode == 2
    assert "nonsense" in done.stderr
    handoff("simulate", "--out", str(tmp_path / "state"), "--patients", "20", "--days", "3")
    done = handoff("score", str(tmp_path / "state"), HANDOFF_POLICY=str(policy), HANDOFF_DATA_DIR=str(tmp_path))
    assert done.returncode == 2
    assert "nonsense" in done.stderr


def test_a_hangup_ends_nothing(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HANDOFF_", "KAFKA_"))}
    environment |= {"HANDOFF_DATA_DIR": str(tmp_path / "data"), "HANDOFF_WORK_METRICS_PORT": "0"}
    with subprocess.Popen([sys.executable, "-m", "streams", "work"], env=environment, stderr=subprocess.PIPE) as work:
        assert work.stderr
        assert b"waiting" in work.stderr.readline()
        work.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            work.wait(1)
        work.kill()


@pytest.mark.parametrize(("words", "demo"), [((), False), (("--demo",), True)])
def test_only_a_word_makes_the_inbox_a_demo(
    words: tuple[str, ...], demo: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A demo lets everybody look as anybody: no variable that lies about in an environment may open that."""
    ran: list[bool] = []
    monkeypatch.setenv("HANDOFF_DEMO", "1")
    monkeypatch.setenv("HANDOFF_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("streams.inbox.process.run_inbox", lambda _, *, demo: ran.append(demo))
    monkeypatch.setattr("streams.run.logs.configure", lambda _: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        app(["inbox", *words])
    assert (ran, ended.value.code) == ([demo], 0)
    assert "--demo" not in handoff("inbox", "--help").stdout
