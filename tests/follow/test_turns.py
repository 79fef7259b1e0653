"""A process that hangs while it has a turn, even within a write, loses it; when it wakes it writes nothing."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.follow.ticks import Tick, Ticker, TickName
from streams.store import Store, Unavailable
from tests.rigs.store import store, store_url

__all__ = ["store", "store_url"]

PATIENCE = 0.5
HOLDER = f"""
import signal, os, sys
from datetime import UTC, datetime
from streams.store import Store, Unavailable, database
from streams.store.ticks import fence

database.HELD_SECONDS = {PATIENCE}
store = Store.open(sys.argv[1])
turn = store.ticks.take("job", "holder", 15)
try:
    if sys.argv[2] == "within":
        with store.database.writing() as connection:
            fence(connection, turn)
            os.kill(os.getpid(), signal.SIGSTOP)
            connection.exec_driver_sql("UPDATE ticks SET ran_us = 1")
    else:
        os.kill(os.getpid(), signal.SIGSTOP)
        store.ticks.ran(turn, datetime.now(UTC))
except Unavailable:
    sys.exit(7)
"""


def test_whoever_hangs_between_two_writes_loses_its_turn_and_writes_nothing_when_it_wakes(
    store: Store, store_url: str
) -> None:
    loses_its_turn(store, store_url, "between")


@pytest.mark.servers  # SQLite has one writer: who hangs in the middle of a write is ended with its machine
def test_whoever_hangs_within_a_write_loses_its_turn_too(postgres_url: str) -> None:
    store = Store.open(postgres_url, migrate=True)
    loses_its_turn(store, postgres_url, "within")
    store.close()


def loses_its_turn(store: Store, store_url: str, hangs: str) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, store_url, hangs], cwd=Path.cwd())
    try:
        assert os.WIFSTOPPED(os.waitpid(holder.pid, os.WUNTRACED)[1])
        deadline = time.monotonic() + 30
        while (turn := store.ticks.take("job", "other", PATIENCE)) is None:
            assert time.monotonic() < deadline, "nobody took the turn over"
            time.sleep(0.05)
        holder.send_signal(signal.SIGCONT)
        assert holder.wait(30) == 7
        assert store.ticks.last_run("job") is None
        assert store.ticks.take("job", "other", PATIENCE) == turn
    finally:
        holder.kill()
        holder.wait()


def test_what_is_away_for_one_tick_keeps_no_other_from_its_turn(store: Store) -> None:
    done: list[str] = []

    def away(*_: object) -> None:
        raise Unavailable("a row is locked")

    ticks = (Tick(TickName.ESCALATION, 0.0, away), Tick(TickName.SILENCE, 0.0, lambda *_: done.append("silence")))
    ticker = Ticker(store, ticks)
    for _ in range(2):
        with pytest.raises(Unavailable, match="a row is locked"):
            ticker.once(datetime.now(UTC))
    assert done == ["silence", "silence"]
    assert (store.ticks.last_run(TickName.ESCALATION), store.ticks.last_run(TickName.SILENCE) is None) == (None, False)
