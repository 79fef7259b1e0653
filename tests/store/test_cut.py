"""The database goes at each statement in turn, COMMIT and its answer included: the next attempt does all, and once."""

import sqlite3
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any, TypeVar

import psycopg
import pytest
from sqlalchemy import func, select

from parsers.events import EventKind
from rules.endings import Ending, LedgerEntry
from streams.store import Store, Unavailable
from streams.store.tables import feed_tallies
from tests.rigs.store import NOW, decide, message_id, record, store_url

__all__ = ["store_url"]

T = TypeVar("T")


class Cut:
    """Where the connection is lost: before the `at`-th step from now, or (`answered=False`) after that COMMIT."""

    def __init__(self) -> None:
        self.left = 0
        self.lost = False
        self.answered = True

    def arm(self, step: int, *, answered: bool) -> None:
        self.left, self.lost, self.answered = step, False, answered

    def step(self, connection: Any, run: Callable[[], T], *, commits: bool = False) -> T:
        self.left -= 1
        if self.left != 0:
            return run()
        if commits and not self.answered:
            run()
        elif not self.answered:
            return run()
        self.lost = True
        raise self._error(connection)

    @staticmethod
    def _error(connection: Any) -> Exception:
        if isinstance(connection, sqlite3.Connection):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            return error
        connection.close()
        return psycopg.OperationalError("the connection is lost")


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Cut:
    """Every statement and COMMIT of either driver is a step."""
    cut = Cut()

    class LiteCursor(sqlite3.Cursor):
        def execute(self, *given: Any) -> Any:
            return cut.step(self.connection, lambda: super(LiteCursor, self).execute(*given))

        def executemany(self, *given: Any) -> Any:
            return cut.step(self.connection, lambda: super(LiteCursor, self).executemany(*given))

    class Lite(sqlite3.Connection):
        def cursor(self, *_: Any) -> Any:
            return super().cursor(LiteCursor)

        def commit(self) -> None:
            cut.step(self, super().commit, commits=True)

    connect = sqlite3.connect
    monkeypatch.setattr("sqlite3.dbapi2.connect", lambda *given, **named: connect(*given, **named, factory=Lite))
    execute, commit = psycopg.Cursor.execute, psycopg.Connection.commit
    monkeypatch.setattr(
        psycopg.Cursor,
        "execute",
        lambda cursor, *given, **named: cut.step(cursor.connection, lambda: execute(cursor, *given, **named)),
    )
    monkeypatch.setattr(psycopg.Connection, "commit", lambda self: cut.step(self, lambda: commit(self), commits=True))
    return cut


def until_done(attempt: Callable[[], T]) -> T:
    for _ in range(5):
        try:
            return attempt()
        except Unavailable:
            continue
    raise AssertionError("never came through")


@pytest.mark.parametrize("answered", [True, False], ids=["before", "after its COMMIT"])
def test_a_connection_that_is_lost_at_any_statement_changes_nothing_twice(
    store_url: str, cut: Cut, answered: bool
) -> None:
    store = Store.open(store_url, migrate=True)
    for step in count(1):
        ids, visit = iter(range(step * 10, step * 10 + 10)), f"V{step}"
        batch = [
            record(next(ids), f"E{step}", visit=visit, mrn=visit),
            record(next(ids), f"E{step}", visit=visit, mrn=visit, kind=EventKind.DISCHARGED),
        ]
        rejected = LedgerEntry(message_id(next(ids)), Ending.REJECTED, "pid_missing", NOW, feed="mission")
        cut.arm(step, answered=answered)
        outcomes = until_done(partial(store.decisions.decide, batch, decide, NOW))
        new = until_done(partial(store.ledger.end_new, [rejected]))
        alerts = [alert for outcome in outcomes for alert in outcome.alerts]
        until_done(partial(store.changes.sent, [alert.position for alert in alerts]))
        over = cut.left > 0
        cut.arm(0, answered=True)
        assert [(alert.alert.version, alert.position) for alert in alerts] == [(1, step * 2 - 1), (2, step * 2)]
        assert (new, store.changes.outbox_size()) == ({rejected.message_id}, 0)
        if over:
            break
    assert step > 20, "statements there are"
    assert store.ledger.endings() == {"alerted": step, "amended": step, "rejected": step}
    with store.database.reading() as connection:
        said = dict(
            connection.execute(select(feed_tallies.c.said, func.sum(feed_tallies.c.messages)).group_by("said")).all()
        )
    assert (said["messages"], said["arrival"]) == (3 * step, 2 * step)
    store.close()
