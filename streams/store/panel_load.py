"""Panel lines in, what changed out; the whole panel as the matcher reads it, and what changed since it last looked.

A load is staged beside the tables first, without holding anybody up, then compared in SQL and applied in one
transaction. Nothing an enrollee was known by is lost: former names, addresses, phones, numbers and medical homes stay.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError

from parsers.files.panel_columns import KNOWN_BY, STORED, PanelRow, line_of
from parsers.people import Enrollee
from rules.matching.person import PanelRecord
from streams.store.database import Database, Row, next_values, rows_among, take_your_time
from streams.store.panel_former import KEPT, After, Before, succeed
from streams.store.panel_read import CURSOR_SHIFT, READ_AT_ONCE, PanelChanges, PanelLoad, counters_now, cursor_of
from streams.store.panel_rows import (
    KEPT_COLUMNS,
    RECORD_COLUMNS,
    records_of,
    stream_rows,
)
from streams.store.tables import crosswalk, enrollees, from_us, panel_loads, to_us

STAGED_AT_ONCE: Final = 10_000
APPLY_SECONDS: Final = 60  # so long a load waits for its turn to write
ENDED_KEPT_DAYS: Final = 400  # so long after the last day late messages still find a person
MET_BY: Final = tuple(name for name in RECORD_COLUMNS if name in STORED)  # what can make somebody a match
Progress = Callable[[str, int], None]


class PanelReport(NamedTuple):
    """What a load did, or would have done when `refused`."""

    seq: int  # of the lines that are new or whose identity or enrollment changed; 0 when nothing was written
    mode: str  # "full" or "delta"
    rows: int  # lines read
    added: int
    changed: int
    changed_fields: dict[str, int]  # column of the file -> lines in which it changed
    moved: int  # to another practice, among `changed`
    ended: int  # on the panel before and not in this full load
    end_share: float  # of those who were on the panel
    size: int  # lines on the panel after it
    refused: bool = False  # more would end than allowed, and nothing was written


class Panel:
    """The panel and the crosswalk."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(
        self,
        rows: Iterable[PanelRow] | Iterable[Enrollee],
        *,
        full: bool,
        now: datetime,
        force: bool = False,
        max_end_share: float = 0.05,
        progress: Progress | None = None,
    ) -> PanelReport:
        """Load lines as the whole panel (`full`: who is missing ends the day before `now`) or as changes to it.

        `progress` is called with "read", "compare" or "write" and the number of lines so far. Without `force` a full
        load that ends more than `max_end_share` of the panel is refused and changes nothing. Raises `ValueError` when
        an enrollee comes twice, `Unavailable`.
        """
        tell = progress or (lambda _stage, _done: None)
        with self._staging() as connection:
            with connection.begin():
                take_your_time(connection)  # whoever hands the lines over may be slow, and nobody else waits
                count = _stage(connection, rows, tell)
            with self._apply(connection), connection.begin():
                today = now.astimezone(self._database.zone).date()
                return _compare_and_apply(connection, count, full, now, today, None if force else max_end_share, tell)

    @contextmanager
    def _staging(self) -> Iterator[Connection]:
        """A connection of its own with an empty staging table that goes with it."""
        with self._database.connected() as connection:
            try:
                with connection.begin():
                    if (
                        self._database.backend == "postgresql"
                    ):  # room for a million lines; the connection ends with the load
                        connection.exec_driver_sql("SET temp_buffers = '256MB'")
                        connection.exec_driver_sql("SET work_mem = '256MB'")
                    columns = ", ".join(f"{name} text NOT NULL" for name in STORED)
                    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE staged ({columns})")
                yield connection
            finally:
                connection.invalidate()

    @contextmanager
    def _apply(self, connection: Connection) -> Iterator[None]:
        connection.execution_options(writing=True)
        with self._database.turn(APPLY_SECONDS):
            yield

    def records(self, ids: Iterable[str] | None = None) -> Iterator[PanelRecord]:
        """The panel as the matcher reads it, in no order: all of it, or the given enrollees."""
        columns = ", ".join(RECORD_COLUMNS)
        if ids is not None:
            wanted = list(ids)
            for start in range(0, len(wanted), READ_AT_ONCE):
                with self._database.reading() as connection:
                    rows = rows_among(
                        connection,
                        f"SELECT {columns} FROM enrollees WHERE gone = 0 AND enrollee_id IN :among",  # noqa: S608
                        wanted[start : start + READ_AT_ONCE],
                    )
                yield from records_of(rows)
            return
        with self._database.reading() as connection:
            yield from records_of(stream_rows(connection, f"SELECT {columns} FROM enrollees WHERE gone = 0"))  # noqa: S608

    def crosswalk(self) -> Iterator[tuple[str, str, str]]:
        """(system, value, enrollee_id) of every number that means somebody."""
        with self._database.reading() as connection:
            yield from stream_rows(
                connection, "SELECT system, value, enrollee_id FROM crosswalk WHERE enrollee_id <> ''"
            )

    def seq(self) -> int:
        """What to hand to `changes` by whoever reads the whole panel after this call."""
        with self._database.reading() as connection:
            return cursor_of(*counters_now(connection))

    def changes(self, after: int) -> PanelChanges:
        """Enrollees and crosswalk entries written after `after` (a `seq` of before; only ever handed back)."""
        old_panel, old_crosswalk = after >> CURSOR_SHIFT, after & ((1 << CURSOR_SHIFT) - 1)
        with self._database.reading() as connection:
            new_panel, new_crosswalk = counters_now(connection)
            changed: list[Row] = []
            learned: list[Row] = []
            if new_panel > old_panel:
                lines = enrollees.c.seq.between(old_panel + 1, new_panel)
                wanted = select(enrollees.c.enrollee_id, enrollees.c.gone).where(lines)
                changed = [tuple(row) for row in connection.execute(wanted.order_by(enrollees.c.enrollee_id))]
            if new_crosswalk > old_crosswalk:
                entries = crosswalk.c.seq.between(old_crosswalk + 1, new_crosswalk)
                numbers = select(crosswalk.c.system, crosswalk.c.value, crosswalk.c.enrollee_id).where(entries)
                learned = [tuple(row) for row in connection.execute(numbers)]
        return PanelChanges(
            cursor_of(new_panel, new_crosswalk),
            tuple(row[0] for row in changed if not row[1]),
            tuple(row[0] for row in changed if row[1]),
            tuple((system, value, enrollee_id or None) for system, value, enrollee_id in learned),
        )

    def size(self) -> int:
        """Lines on the panel."""
        with self._database.reading() as connection:
            wanted = select(func.count()).select_from(enrollees).where(enrollees.c.gone == 0)
            return int(connection.scalar(wanted) or 0)

    def loads(self, after: int) -> list[PanelLoad]:
        """The loads after the one of this number, oldest first."""
        wanted = select(panel_loads.c.seq, panel_loads.c.loaded_us).where(panel_loads.c.seq > after)
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(panel_loads.c.seq)).all()
        return [PanelLoad(row.seq, from_us(row.loaded_us)) for row in rows]

    def loaded_at(self) -> datetime | None:
        """When the panel was last loaded; None before the first time."""
        with self._database.reading() as connection:
            loaded = connection.scalar(select(func.max(panel_loads.c.loaded_us)))
            return from_us(loaded) if loaded is not None else None

    def age(self, now: datetime | None = None) -> timedelta | None:
        """Time since the last load; None before the first. A panel older than 90 days is to be flagged."""
        loaded = self.loaded_at()
        return (now or datetime.now(UTC)) - loaded if loaded else None


def _stage(connection: Connection, rows: Iterable[Any], tell: Progress) -> int:
    plain = (line_of(row) if isinstance(row, Enrollee) else row for row in rows)
    count = 0
    while some := list(islice(plain, STAGED_AT_ONCE)):
        _put(connection, "staged", STORED, some)
        count += len(some)
        tell("read", count)
    try:
        _index(connection, "staged")
    except IntegrityError:
        raise ValueError("an enrollee comes twice in this load") from None
    tell("read", count)
    return count


def _put(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Add rows to a table of this load's own, the fastest way the database has."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "postgresql":
        with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    else:
        driver.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' for _ in columns)})", rows)  # noqa: S608


def _index(connection: Connection, table: str) -> None:
    """Make the enrollee_id of a filled table of this load's own unique and quick to find."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD PRIMARY KEY (enrollee_id)")
        connection.exec_driver_sql(f"ANALYZE {table}")
    else:
        connection.exec_driver_sql(f"CREATE UNIQUE INDEX temp.{table}_id ON {table} (enrollee_id)")


def _compare_and_apply(
    connection: Connection,
    count: int,
    full: bool,
    now: datetime,
    today: date,
    max_end_share: float | None,
    tell: Progress,
) -> PanelReport:
    yesterday = (today - timedelta(days=1)).isoformat()
    seq, plain = next_values(connection, "panel", 2)
    mark = "%s" if connection.dialect.name == "postgresql" else "?"

    def run(statement: str, *values: Any) -> Any:
        return connection.exec_driver_sql(statement.replace("?", mark), values)

    active = "e.gone = 0 AND (e.effective_to = '' OR e.effective_to > ?)"
    missing = "NOT EXISTS (SELECT 1 FROM staged s WHERE s.enrollee_id = e.enrollee_id)"
    before = run(f"SELECT count(*) FROM enrollees e WHERE {active}", yesterday).scalar_one()  # noqa: S608
    ending = 0
    if full:
        ending = run(f"SELECT count(*) FROM enrollees e WHERE {active} AND {missing}", yesterday).scalar_one()  # noqa: S608
    share = ending / before if before else 0.0
    mode = "full" if full else "delta"
    if max_end_share is not None and share > max_end_share:
        connection.get_transaction().rollback()  # type: ignore[union-attr]
        return PanelReport(0, mode, count, 0, 0, {}, 0, ending, share, before, refused=True)
    tell("compare", 0)
    changed, moved, fields = _write_changed(connection, plain, seq, today, tell)
    names = ", ".join(STORED)
    added = run(
        f"INSERT INTO enrollees ({names}, seq) SELECT {', '.join('s.' + name for name in STORED)}, {seq} "  # noqa: S608
        "FROM staged s WHERE NOT EXISTS (SELECT 1 FROM enrollees e WHERE e.enrollee_id = s.enrollee_id)"
    ).rowcount
    tell("write", changed + added)
    if full:
        run(
            f"UPDATE enrollees AS e SET effective_to = ?, seq = ? WHERE {active} AND {missing}",  # noqa: S608
            yesterday,
            plain,
            yesterday,
        )
        long_ago = (today - timedelta(days=ENDED_KEPT_DAYS)).isoformat()
        run(
            "UPDATE enrollees AS e SET gone = 1, seq = ? "  # noqa: S608
            f"WHERE e.gone = 0 AND e.effective_to <> '' AND e.effective_to < ? AND {missing}",
            plain,
            long_ago,
        )
    size = run("SELECT count(*) FROM enrollees WHERE gone = 0").scalar_one()
    connection.execute(
        insert(panel_loads).values(
            seq=seq,
            loaded_us=to_us(now),
            mode=mode,
            added=added,
            changed=changed,
            moved=moved,
            ended=ending,
            size=size,
        )
    )
    tell("write", changed + added + ending)
    return PanelReport(seq, mode, count, added, changed, fields, moved, ending, share, size)


def _write_changed(
    connection: Connection, plain: int, seq: int, today: date, tell: Progress
) -> tuple[int, int, dict[str, int]]:
    """Give the lines of people the panel knows their new content; (lines changed, moved, changes by column).

    They get `seq` when one of `MET_BY` changed or they come back, else `plain`.
    """
    joined = "FROM staged s JOIN enrollees e ON e.enrollee_id = s.enrollee_id"
    counts = ", ".join(f"count(CASE WHEN s.{name} <> e.{name} THEN 1 END)" for name in STORED)
    changes = connection.exec_driver_sql(f"SELECT {counts} {joined}").one()
    fields = {name: count for name, count in zip(STORED, changes, strict=True) if count}
    if any(name in fields for name in KNOWN_BY):
        _keep_former(connection, joined, today, tell)
    else:
        _make_kept(connection)
    new = ", ".join(f"{name} = s.{name}" for name in STORED[1:])
    kept = ", ".join(f"{name} = coalesce(k.{name}, e.{name})" for name in KEPT_COLUMNS)
    changed = connection.exec_driver_sql(
        f"UPDATE enrollees AS e SET {new}, {kept}, gone = 0, "  # noqa: S608
        f"seq = CASE WHEN {_unequal(MET_BY)} OR e.gone = 1 THEN {seq} ELSE {plain} END "
        "FROM staged s LEFT JOIN kept k ON k.enrollee_id = s.enrollee_id "
        f"WHERE e.enrollee_id = s.enrollee_id AND ({_unequal(STORED)} OR e.gone = 1)"
    ).rowcount
    tell("write", changed)
    return changed, fields.get("practice_id", 0), fields


def _unequal(columns: Sequence[str]) -> str:
    return f"({', '.join(f's.{name}' for name in columns)}) <> ({', '.join(f'e.{name}' for name in columns)})"


def _make_kept(connection: Connection) -> None:
    columns = ", ".join(f"{name} text NOT NULL" for name in KEPT)
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE kept ({columns})")


def _keep_former(connection: Connection, joined: str, today: date, tell: Progress) -> None:
    """Fill `kept` with what those were known by who will be known by something else, and keep the homes they leave."""
    _make_kept(connection)
    wanted = ", ".join([*(f"e.{name}" for name in Before._fields), *(f"s.{name}" for name in KNOWN_BY)])
    rows = stream_rows(connection, f"SELECT {wanted} {joined} WHERE {_unequal(KNOWN_BY)}")
    width = len(Before._fields)
    count = 0
    while some := list(islice(rows, STAGED_AT_ONCE)):
        kept = [succeed(Before._make(row[:width]), After._make(row[width:]), today) for row in some]
        _put(connection, "kept", KEPT, kept)
        count += len(some)
        tell("compare", count)
    _index(connection, "kept")
    columns = ("since", "until", "practice_id", "effective_from", "effective_to")
    connection.exec_driver_sql(
        f"INSERT INTO homes (enrollee_id, {', '.join(columns)}) "  # noqa: S608
        "SELECT e.enrollee_id, k.left_since, k.left_until, e.practice_id, e.effective_from, e.effective_to "
        "FROM kept k JOIN enrollees e ON e.enrollee_id = k.enrollee_id WHERE k.left_until <> '' "
        "ON CONFLICT (enrollee_id, since) DO UPDATE SET "
        + ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
    )
