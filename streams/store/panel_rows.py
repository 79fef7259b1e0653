"""Lines of the enrollees table in, values of the rules and of the matcher out.

Former names and addresses are pairs, US between their parts and RS between pairs; former phones have RS between them;
former medical record numbers are written like the current ones (`parsers.files.panel.PanelRow.mrns`).
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from parsers.events import Address, PersonName
from parsers.files.panel_columns import STORED, PanelRow, enrollee_of
from parsers.files.panel_forms import numbers_of
from parsers.people import Enrollee
from rules.matching.person import PanelRecord
from streams.store.database import rows_among, take_your_time

US: Final = "\x1f"
RS: Final = "\x1e"
FETCHED_AT_ONCE: Final = 10_000


class EnrolleeRow(NamedTuple):
    """A line of the enrollees table: what the file said last, and what is kept of what it said before."""

    line: PanelRow
    former_names: str = ""
    former_addresses: str = ""
    former_phones: str = ""
    former_mrns: str = ""
    home_since: str = ""

    @property
    def enrollee_id(self) -> str:
        return self.line.enrollee_id

    def __repr__(self) -> str:
        return "<EnrolleeRow>"


KEPT_COLUMNS: Final = EnrolleeRow._fields[1:]
COLUMNS: Final = STORED + KEPT_COLUMNS
RECORD_COLUMNS: Final = (*PanelRecord._fields, "former_mrns")


class Home(NamedTuple):
    """A former medical home; both days inclusive, "" open."""

    since: str
    until: str
    practice_id: str
    effective_from: str
    effective_to: str


def pairs(text: str) -> tuple[tuple[str, str], ...]:
    """The pairs of a former-names or former-addresses column."""
    if not text:
        return ()
    return tuple((first, second) for first, _, second in (part.partition(US) for part in text.split(RS)))


def parts(text: str) -> tuple[str, ...]:
    """The parts of a former-phones column."""
    return tuple(text.split(RS)) if text else ()


def home_on(row: EnrolleeRow, homes: Iterable[Home], on: date | None) -> Home:
    """The medical home on the day `on`; today's for days before the panel knew the person."""
    line = row.line
    current = Home(row.home_since, "", line.practice_id, line.effective_from, line.effective_to)
    if on is None or not row.home_since:
        return current
    day = on.isoformat()
    if day >= row.home_since:
        return current
    for home in homes:
        if home.since <= day and (not home.until or day <= home.until):
            return home
    return current


def enrollee_on(row: EnrolleeRow, homes: Iterable[Home], on: date | None) -> Enrollee:
    """The enrollee with the practice and the enrollment of the day `on`, or of today for None."""
    home = home_on(row, homes, on)
    return enrollee_of(
        row.line._replace(
            practice_id=home.practice_id, effective_from=home.effective_from, effective_to=home.effective_to
        ),
        former_names=tuple(PersonName(family=last, given=first) for last, first in pairs(row.former_names)),
        former_addresses=tuple(Address(street=street, zip=code) for street, code in pairs(row.former_addresses)),
        former_phones=parts(row.former_phones),
        former_mrns=numbers_of(row.former_mrns),
    )


def records_of(rows: Iterable[tuple[Any, ...]]) -> Iterator[PanelRecord]:
    """The matcher's view of lines read in the order of `RECORD_COLUMNS`. A million go through here at every start."""
    make = PanelRecord._make
    for row in rows:
        numbers, names, places, phones = row[15:19]
        if row[21]:
            numbers = f"{numbers};{row[21]}"
        yield make(
            (
                *row[:15],
                tuple([part.rpartition(":")[::2] for part in numbers.split(";") if part]) if numbers else (),
                pairs(names) if names else (),
                pairs(places) if places else (),
                parts(phones) if phones else (),
                row[19],
                row[20],
            )
        )


def load_enrollees(
    connection: Connection, ids: Iterable[str], earliest: date | None
) -> tuple[dict[str, EnrolleeRow], dict[str, list[Home]]]:
    """Lines by enrollee, and former homes of those who have moved since `earliest` (None: of nobody)."""
    columns = ", ".join(COLUMNS)
    lines = rows_among(connection, f"SELECT {columns} FROM enrollees WHERE enrollee_id IN :among", list(ids))  # noqa: S608
    width = len(STORED)
    rows = {row[0]: EnrolleeRow(PanelRow._make(row[:width]), *row[width:]) for row in lines}
    if earliest is None:
        return rows, {}
    day = earliest.isoformat()
    moved = [enrollee_id for enrollee_id, row in rows.items() if row.home_since > day]
    homes: dict[str, list[Home]] = {}
    select = "SELECT enrollee_id, since, until, practice_id, effective_from, effective_to FROM homes"
    for enrollee_id, *home in rows_among(connection, f"{select} WHERE enrollee_id IN :among ORDER BY since", moved):
        homes.setdefault(enrollee_id, []).append(Home(*home))
    return rows, homes


def stream_rows(connection: Connection, statement: str) -> Iterator[Any]:
    """Rows as plain tuples, without holding them all."""
    if connection.dialect.name == "sqlite":
        cursor: Any = connection.connection.cursor()
        cursor.arraysize = FETCHED_AT_ONCE
        cursor.execute(statement)
    else:
        take_your_time(connection)  # as whoever reads them does
        cursor = connection.connection.driver_connection.cursor(name="panel")  # type: ignore[union-attr]
        cursor.execute(statement)
    try:
        while rows := cursor.fetchmany(FETCHED_AT_ONCE):
            yield from rows
    finally:
        cursor.close()
