"""Fixtures that more than one test file needs: real servers, started once a session."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NoReturn

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.rigs.floors import below, shares
from tests.rigs.servers import CHROMIUM, KafkaServer, PostgresServer, free_port, missing_kafka, missing_postgres

# The machine is shared: how long one example takes says nothing; `timeout` in pyproject.toml ends what hangs.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"


ALONE = frozenset({"commands", "inbox", "kafka", "listen", "run", "up", "work"})


class Rooms(LoadScopeScheduling):  # type: ignore[misc]  # xdist tells no types
    """With two processes (`-n 2`): what starts brokers, browsers and processes of ours runs in one of them, one test
    after the other as without; what computes, asks a database or is asked by a client runs in the other, a file at a
    time."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "alone" if Path(file).parent.name in ALONE else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Rooms:
    return Rooms(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """After the last test, and where coverage was traced: each room has its floor."""
    ended = yield
    tracing = session.config.pluginmanager.getplugin("_cov")
    if tracing is None or tracing.cov_controller is None or hasattr(session.config, "workerinput"):
        return ended
    measured = shares(tracing.cov_controller.cov)
    terminal = session.config.pluginmanager.getplugin("terminalreporter")
    terminal.write_line("\ncoverage: " + ", ".join(f"{room} {share:.1f} %" for room, share in measured.items()))
    for sentence in below(measured):
        terminal.write_line(sentence, red=True)
        session.testsfailed += 1
    return ended


def missing(reason: str) -> NoReturn:
    """Skips with the reason; in CI, where nothing may be missing, fails instead."""
    if os.environ.get("HANDOFF_CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Third-party messages, beside the checkout where they are provided."""
    if not CORPUS.is_dir():
        missing("no corpus folder beside this checkout")
    return CORPUS


@pytest.fixture(scope="session")
def kafka_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A running Apache Kafka that all tests of the session share: use topics or groups of your own."""
    if reason := missing_kafka():
        missing(reason)
    server = KafkaServer(tmp_path_factory.mktemp("kafka"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    if reason := missing_postgres():
        missing(reason)
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """A fresh database of its own for each test."""
    return postgres.new_database()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the system's Chromium."""
    if not CHROMIUM:
        missing("no Chromium on this machine (install the package chromium)")
    return CHROMIUM


@pytest.fixture
def port() -> int:
    return free_port()
