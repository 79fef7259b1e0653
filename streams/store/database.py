"""A database URL in, connections out: one way to read, one to write, one name for "the database cannot now".

SQLite runs in WAL with `synchronous=FULL`: a commit that returned survives a power cut, so neither a Kafka offset nor a
person's click can be ahead of the store. Writers take the lock when they begin (`BEGIN IMMEDIATE`), so that processes
wait for each other instead of failing half-way. Files are readable by their owner only; SQLite gives its -wal and -shm
files the mode of the main one.
"""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import psycopg
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Float,
    Integer,
    LargeBinary,
    Table,
    create_engine,
    delete,
    event,
    select,
    tuple_,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from rules.policy.office import OFFICE_ZONE
from streams.run.files import private_folder
from streams.run.problems import SettingsError

BUSY_SECONDS: Final = 10
CONNECT_SECONDS: Final = 5
IDLE_SECONDS: Final = 1.0
HELD_SECONDS: Final = 15.0  # PostgreSQL ends the transaction of a process that hangs in it: others wait for its locks
VANISHED_SERVER: Final = {  # libpq's: a server that is gone without a word is noticed in some 20 s, not in hours
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
SQLITE_UNAVAILABLE: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
    }
)
# https://www.postgresql.org/docs/current/errcodes-appendix.html: connection, serialization and deadlock, resources,
# operator intervention, system error, read-only after a failover, lock not available.
# 42P01, 42703, 3F000: no such table, column, schema, which says that the tables are not this program's any more.
POSTGRESQL_UNAVAILABLE: Final = ("08", "40", "53", "57", "58", "25006", "55P03", "42P01", "42703", "3F000")
_OTHER_TABLES: Final = ("no such table", "no such column")


class Unavailable(Exception):
    """The database cannot do it now (lost, locked, full, changed meanwhile): the caller tries the same again later."""


class Damaged(Unavailable):
    """The database's own file is broken; nothing goes on before somebody brings a copy back."""


class StoreFault(Exception):
    """A statement of ours is wrong; the text holds the error's type and code, never a value."""


class Changed(Unavailable):
    """Another process changed the same rows meanwhile."""


def make_engine(url: str) -> Engine:
    """An engine for a SQLAlchemy or `postgresql://` URL. Raises `ValueError` for other databases, without the URL."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("the store's URL is not a database URL") from None
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "postgresql":
        engine = create_engine(
            parsed,
            hide_parameters=True,
            pool_size=8,
            max_overflow=8,
            pool_timeout=BUSY_SECONDS,
            connect_args={
                "connect_timeout": CONNECT_SECONDS,
                "application_name": "warm-handoff",
                "options": f"-c idle_in_transaction_session_timeout={int(HELD_SECONDS * 1000)}",
                **VANISHED_SERVER,
            },
        )
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", _ping_idle)
        return engine
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise ValueError("the store runs on SQLite in a file and on PostgreSQL only")
    _private_file(Path(parsed.database))
    engine = create_engine(
        parsed,
        hide_parameters=True,
        pool_size=8,
        max_overflow=8,
        pool_timeout=BUSY_SECONDS,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _ping_idle(connection: Any, record: Any, _proxy: Any) -> None:
    """A connection that has lain in the pool may be dead; one in steady use is not asked each time."""
    if time.monotonic() - record.info.get("used", time.monotonic()) > IDLE_SECONDS:
        try:
            connection.execute("SELECT 1")
            connection.rollback()
        except psycopg.Error:
            raise InvalidatePoolError from None


def _private_file(path: Path) -> None:
    try:
        if not path.parent.exists():
            private_folder(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise Unavailable(f"the store's file cannot be opened: {error.strerror}") from None
    except SettingsError as error:
        raise Unavailable(str(error)) from None


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    _into_wal(cursor)
    for pragma in (
        "synchronous=FULL",
        "cache_size=-65536",
        "temp_store=FILE",
        "journal_size_limit=67108864",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _into_wal(cursor: Any) -> None:
    """Turn a new file to WAL; SQLite never waits by itself for another process that turns it at the same moment."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def unavailable(cause: BaseException | None) -> bool:
    """Whether trying the same again later can help, for an error of a driver."""
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        return code in SQLITE_UNAVAILABLE or str(cause).startswith(_OTHER_TABLES)
    state = getattr(cause, "sqlstate", None)
    if state is None:  # psycopg's own: no connection, or no longer one
        return isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
    return str(state).startswith(POSTGRESQL_UNAVAILABLE)


def damaged(cause: BaseException | None) -> bool:
    """Whether the file is no SQLite database (any more)."""
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    return isinstance(cause, sqlite3.Error) and code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def describe(cause: BaseException | None) -> str:
    """Type and code of a driver's error, without its text: that may quote rows."""
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or ""
    constraint = getattr(getattr(cause, "diag", None), "constraint_name", None) or ""
    return " ".join(filter(None, (type(cause).__name__, str(code), constraint)))


class Database:
    """Connections of one store, to which its parts come by `reading` and `writing`, and by nothing else for long."""

    def __init__(self, engine: Engine, zone: ZoneInfo = OFFICE_ZONE) -> None:
        self.zone = zone  # the office's, by the policy: whose days the panel's dates are
        self._engine = engine
        self._writer = engine.execution_options(writing=True)
        self._turn: threading.Lock | None = threading.Lock() if engine.dialect.name == "sqlite" else None

    @property
    def backend(self) -> str:
        """ "sqlite" or "postgresql"."""
        return str(self._engine.dialect.name)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One read transaction. Raises `Unavailable`."""
        with translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One write transaction, committed at the end of the block. Raises `Unavailable`."""
        with self.turn(), translated(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection for several transactions of the caller's own, for a load. Raises `Unavailable`."""
        with translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def turn(self, seconds: float = BUSY_SECONDS) -> Iterator[None]:
        """The one thread of this process that may write, where the database has one writer. Raises `Unavailable`."""
        if self._turn and not self._turn.acquire(timeout=seconds):
            raise Unavailable("another thread is writing")
        try:
            yield
        finally:
            if self._turn:
                self._turn.release()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


@contextmanager
def translated() -> Iterator[None]:
    """Database errors leave as `Unavailable` or `StoreFault`, never with a value in their text."""
    try:
        yield
    except (DBAPIError, sqlite3.Error, psycopg.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        lost = isinstance(error, DBAPIError) and error.connection_invalidated
        if damaged(cause):
            raise Damaged(describe(cause)) from None
        raise (Unavailable(describe(cause)) if lost or unavailable(cause) else StoreFault(describe(cause))) from None
    except PoolTimeout:
        raise Unavailable("every connection is in use") from None


def take_your_time(connection: Connection) -> None:
    """This transaction is not ended for what its process does between two statements."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


Row = tuple[Any, ...]


def write_rows(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Row], rest: str = ""
) -> int:
    """Insert `rows` (tuples in the order of `columns`) in one statement; `rest` is an ON CONFLICT clause.

    Gives the number of rows written. One prepared statement whatever their number: arrays on PostgreSQL, one statement
    run over the rows on SQLite.
    """
    if not rows:
        return 0
    statement = _insert(connection.dialect.name, table, columns, rest)
    cursor = connection.connection.cursor()  # the driver's own: half the cost of a statement, in the hottest place
    if connection.dialect.name == "postgresql":
        cursor.execute(statement, tuple(map(_literal, zip(*rows, strict=True))))
    else:
        cursor.executemany(statement, rows)
    return int(cursor.rowcount)


def write_new(connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Row]) -> set[str]:
    """Insert rows whose first column, a text, is the key; gives the keys that were not there before."""
    if connection.dialect.name == "postgresql":
        statement = _insert("postgresql", table, columns, f'ON CONFLICT DO NOTHING RETURNING "{columns[0]}"')
        cursor = connection.connection.cursor()
        cursor.execute(statement, tuple(map(_literal, zip(*rows, strict=True))))
        return {str(row[0]) for row in cursor.fetchall()}
    keys = [row[0] for row in rows]  # its transaction began as a writer's, so nobody comes between
    select = f'SELECT "{columns[0]}" FROM "{table.name}" WHERE "{columns[0]}" IN :among'  # noqa: S608
    there = {row[0] for row in rows_among(connection, select, keys)}
    write_rows(connection, table, columns, rows, "ON CONFLICT DO NOTHING")
    return set(keys) - there


@lru_cache(maxsize=256)
def _insert(dialect: str, table: Table, columns: tuple[str, ...], rest: str) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    if dialect == "postgresql":
        arrays = ", ".join(f"%s::{_array(table.c[name].type)}[]" for name in columns)
        return f'INSERT INTO "{table.name}" ({names}) SELECT * FROM unnest({arrays}) {rest}'  # noqa: S608
    marks = ", ".join("?" for _ in columns)
    return f'INSERT INTO "{table.name}" ({names}) VALUES ({marks}) {rest}'  # noqa: S608


def _literal(values: Sequence[Any]) -> str:
    """A PostgreSQL array of texts, numbers or bytes as text, sent as one parameter and cast by the server.

    PostgreSQL has no character NUL; it is left out.
    """
    match values[0] if values else "":
        case str():
            quoted = (value.replace("\\", "\\\\").replace('"', '\\"').replace("\0", "") for value in values)
            return '{"' + '","'.join(quoted) + '"}' if values else "{}"
        case bytes():
            return '{"' + '","'.join("\\\\x" + value.hex() for value in values) + '"}'
        case _:
            return "{" + ",".join(map(str, values)) + "}"


def _array(kind: Any) -> str:
    match kind:
        case BigInteger() | Integer():
            return "bigint"
        case Float():
            return "double precision"
        case LargeBinary():
            return "bytea"
        case _:
            return "text"


def rows_among(connection: Connection, select: str, values: Sequence[str]) -> list[Any]:
    """Rows of `select`, whose `:among` stands for a set of texts, however many."""
    if not values:
        return []
    if connection.dialect.name == "postgresql":
        statement, literal = select.replace("IN :among", "= ANY(%s::text[])"), _literal(values)
    else:
        statement, literal = (
            select.replace("IN :among", "IN (SELECT value FROM json_each(?))"),
            json.dumps(list(values)),
        )
    cursor = connection.connection.cursor()
    cursor.execute(statement, (literal,) * select.count(":among"))
    return list(cursor.fetchall())


def delete_in_steps(database: Database, table: Table, which: ColumnElement[bool], at_once: int) -> int:
    """Delete the rows of a table that are so, in transactions none of which is long; gives how many."""
    columns, gone = list(table.primary_key.columns), 0
    key = columns[0] if len(columns) == 1 else tuple_(*columns)
    while True:
        with database.writing() as connection:
            some = select(*columns).where(which).limit(at_once)
            count = connection.execute(delete(table).where(key.in_(some))).rowcount
        gone += count
        if count < at_once:
            return gone


def next_values(connection: Connection, counter: str, count: int) -> range:
    """The next `count` values of a counter; its row stays locked until the transaction ends, so take it last."""
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    last = connection.exec_driver_sql(
        f"UPDATE counters SET value = value + {mark} WHERE name = {mark} RETURNING value",  # noqa: S608
        (count, counter),
    ).scalar_one()
    return range(last - count + 1, last + 1)
