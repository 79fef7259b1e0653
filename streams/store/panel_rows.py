"""Lines of the enrollees table in, values of the rules and of the matcher out.

Former names and addresses are pairs, US between their parts and RS between pairs; former phones have RS between them;
former medical record numbers are written like the current ones (`parsers.files.panel.PanelRow.mrns`).
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from parsers.events import Address, Identifier, PersonName
from parsers.files.panel_columns import PanelRow, split_mrns
from parsers.people import Consent, Enrollee, Payer, RiskTier
from rules.matching.person import PanelRecord
from streams.store.database import rows_among

US: Final = "\x1f"
RS: Final = "\x1e"
FETCHED_AT_ONCE: Final = 10_000
LOCAL_ZONE: Final = ZoneInfo("America/New_York")  # whose days the panel's dates are
FILE_COLUMNS: Final = (
    "enrollee_id",
    "medicaid_id",
    "ssn",
    "last",
    "first",
    "middle",
    "suffix",
    "birth_date",
    "sex",
    "street",
    "city",
    "state",
    "zip",
    "county",
    "phone",
    "mother_enrollee_id",
    "mrns",
    "practice_id",
    "pcp_npi",
    "risk_tier",
    "programs",
    "consent",
    "effective_from",
    "effective_to",
    "language",
    "payer",
)
KEPT_COLUMNS: Final = ("former_names", "former_addresses", "former_phones", "former_mrns", "home_since")
COLUMNS: Final = FILE_COLUMNS + KEPT_COLUMNS
RECORD_COLUMNS: Final = (
    "enrollee_id",
    "medicaid_id",
    "ssn",
    "last",
    "first",
    "middle",
    "suffix",
    "birth_date",
    "sex",
    "street",
    "city",
    "state",
    "zip",
    "phone",
    "mother_enrollee_id",
    "mrns",
    "former_names",
    "former_addresses",
    "former_phones",
    "effective_from",
    "effective_to",
    "former_mrns",
)


class EnrolleeRow(NamedTuple):
    """A line of the enrollees table, in the order of `COLUMNS`."""

    enrollee_id: str
    medicaid_id: str
    ssn: str
    last: str
    first: str
    middle: str
    suffix: str
    birth_date: str
    sex: str
    street: str
    city: str
    state: str
    zip: str
    county: str
    phone: str
    mother_enrollee_id: str
    mrns: str
    practice_id: str
    pcp_npi: str
    risk_tier: str
    programs: str
    consent: str
    effective_from: str
    effective_to: str
    language: str
    payer: str = ""
    former_names: str = ""
    former_addresses: str = ""
    former_phones: str = ""
    former_mrns: str = ""
    home_since: str = ""

    def __repr__(self) -> str:
        return "<EnrolleeRow>"


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


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _numbers(text: str) -> tuple[Identifier, ...]:
    return tuple(Identifier(system=system, value=value) for system, value in split_mrns(text))


def home_on(row: EnrolleeRow, homes: Iterable[Home], on: datetime | None) -> Home:
    """The medical home on the day of `on` in North Carolina; today's for days before the panel knew the person."""
    current = Home(row.home_since, "", row.practice_id, row.effective_from, row.effective_to)
    if on is None or not row.home_since:
        return current
    day = on.astimezone(LOCAL_ZONE).date().isoformat()
    if day >= row.home_since:
        return current
    for home in homes:
        if home.since <= day and (not home.until or day <= home.until):
            return home
    return current


def enrollee_on(row: EnrolleeRow, homes: Iterable[Home], on: datetime | None) -> Enrollee:
    """The enrollee with the practice and the enrollment of the day of `on`, or of today for None."""
    home = home_on(row, homes, on)
    return Enrollee(
        enrollee_id=row.enrollee_id,
        name=PersonName(family=row.last, given=row.first, middle=row.middle, suffix=row.suffix),
        birth_date=date.fromisoformat(row.birth_date),
        practice_id=home.practice_id,
        medicaid_id=row.medicaid_id,
        ssn=row.ssn,
        sex=row.sex,
        address=Address(street=row.street, city=row.city, state=row.state, zip=row.zip, county=row.county),
        phone=row.phone,
        mother_enrollee_id=row.mother_enrollee_id,
        mrns=_numbers(row.mrns),
        pcp_npi=row.pcp_npi,
        risk_tier=RiskTier(row.risk_tier or RiskTier.UNKNOWN),
        programs=tuple(program for program in row.programs.split(";") if program),
        consent=Consent(row.consent or Consent.NONE),
        effective_from=_day(home.effective_from),
        effective_to=_day(home.effective_to),
        former_names=tuple(PersonName(family=last, given=first) for last, first in pairs(row.former_names)),
        former_addresses=tuple(Address(street=street, zip=code) for street, code in pairs(row.former_addresses)),
        former_phones=parts(row.former_phones),
        former_mrns=_numbers(row.former_mrns),
        language=row.language,
        payer=Payer(row.payer or Payer.UNKNOWN),
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


def row_of(enrollee: Enrollee) -> PanelRow:
    """The panel line of an enrollee, without what the store itself keeps (former names and so on)."""
    return PanelRow(
        enrollee.enrollee_id,
        enrollee.medicaid_id,
        enrollee.ssn,
        enrollee.name.family,
        enrollee.name.given,
        enrollee.name.middle,
        enrollee.name.suffix,
        enrollee.birth_date.isoformat(),
        enrollee.sex,
        enrollee.address.street,
        enrollee.address.city,
        enrollee.address.state,
        enrollee.address.zip,
        enrollee.address.county,
        enrollee.phone,
        enrollee.mother_enrollee_id,
        ";".join(f"{number.system}:{number.value}" for number in enrollee.mrns),
        enrollee.practice_id,
        enrollee.pcp_npi,
        str(enrollee.risk_tier),
        ";".join(enrollee.programs),
        str(enrollee.consent),
        enrollee.effective_from.isoformat() if enrollee.effective_from else "",
        enrollee.effective_to.isoformat() if enrollee.effective_to else "",
        enrollee.language,
        "" if enrollee.payer is Payer.UNKNOWN else str(enrollee.payer),
    )


def load_enrollees(
    connection: Connection, ids: Iterable[str], earliest: datetime | None
) -> tuple[dict[str, EnrolleeRow], dict[str, list[Home]]]:
    """Lines by enrollee, and former homes of those who have moved since `earliest` (None: of nobody)."""
    columns = ", ".join(COLUMNS)
    found = rows_among(connection, f"SELECT {columns} FROM enrollees WHERE enrollee_id IN :among", list(ids))  # noqa: S608
    rows = {row[0]: EnrolleeRow._make(row) for row in found}
    if earliest is None:
        return rows, {}
    day = earliest.astimezone(LOCAL_ZONE).date().isoformat()
    moved = [row.enrollee_id for row in rows.values() if row.home_since > day]
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
        cursor = connection.connection.driver_connection.cursor(name="panel")  # type: ignore[union-attr]
        cursor.execute(statement)
    try:
        while rows := cursor.fetchmany(FETCHED_AT_ONCE):
            yield from rows
    finally:
        cursor.close()
