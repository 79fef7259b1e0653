"""Directory files: the CSV files of a folder as bytes in, the people and places they list and every fault out.

A directory is small and decides who is told, so it is taken as a whole or not at all: with any grave fault nothing of
it should be loaded. Notes are for somebody to look at; where a reference leads nowhere the next one answers.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from parsers.files.csv_lines import CONTROL, CONTROL_REASON, Lines, Records, read_header
from parsers.files.dates import read_date
from parsers.files.directory_columns import COLUMNS, Kind
from parsers.files.row_faults import RowReject, cell_count
from parsers.hours import EXPECTED, read_hours
from parsers.people import Absence, CaseManager, LmeMco, Network, Practice, Role

__all__ = ["COUNTIES", "DirectoryFault", "DirectoryFiles", "FaultCode", "Kind", "read_directory"]

COUNTIES: Final = (
    "Alamance Alexander Alleghany Anson Ashe Avery Beaufort Bertie Bladen Brunswick Buncombe Burke Cabarrus Caldwell "
    "Camden Carteret Caswell Catawba Chatham Cherokee Chowan Clay Cleveland Columbus Craven Cumberland Currituck Dare "
    "Davidson Davie Duplin Durham Edgecombe Forsyth Franklin Gaston Gates Graham Granville Greene Guilford Halifax "
    "Harnett Haywood Henderson Hertford Hoke Hyde Iredell Jackson Johnston Jones Lee Lenoir Lincoln Macon Madison "
    "Martin McDowell Mecklenburg Mitchell Montgomery Moore Nash New_Hanover Northampton Onslow Orange Pamlico "
    "Pasquotank Pender Perquimans Person Pitt Polk Randolph Richmond Robeson Rockingham Rowan Rutherford Sampson "
    "Scotland Stanly Stokes Surry Swain Transylvania Tyrrell Union Vance Wake Warren Washington Watauga Wayne Wilkes "
    "Wilson Yadkin Yancey"
).split()


class FaultCode(StrEnum):
    """Why a directory cannot be taken, or what somebody should look at."""

    # grave
    FILE_MISSING = "file_missing"
    COLUMN_MISSING = "column_missing"
    LINE_BROKEN = "line_broken"
    MISSING = "missing"
    DUPLICATE_ID = "duplicate_id"
    UNKNOWN_ROLE = "unknown_role"
    HOURS_UNREADABLE = "hours_unreadable"
    CAPACITY_UNREADABLE = "capacity_unreadable"
    TIME_UNREADABLE = "time_unreadable"
    TIMES_REVERSED = "times_reversed"
    UNKNOWN_PERSON = "unknown_person"
    OWN_BACKUP = "own_backup"
    UNKNOWN_COUNTY = "unknown_county"
    COUNTY_TWICE = "county_twice"
    COUNTY_WITHOUT_PLAN = "county_without_plan"
    # notes
    EXTRA_COLUMN = "extra_column"
    ENCODING_ASSUMED = "encoding_assumed"
    UNKNOWN_NETWORK = "unknown_network"
    UNKNOWN_PRACTICE = "unknown_practice"
    UNKNOWN_PLAN = "unknown_plan"
    NO_BACKUP = "no_backup"
    BACKUP_CYCLE = "backup_cycle"


NOTES: Final = frozenset(
    {
        FaultCode.EXTRA_COLUMN,
        FaultCode.ENCODING_ASSUMED,
        FaultCode.UNKNOWN_NETWORK,
        FaultCode.UNKNOWN_PRACTICE,
        FaultCode.UNKNOWN_PLAN,
        FaultCode.NO_BACKUP,
        FaultCode.BACKUP_CYCLE,
    }
)


class DirectoryFault(NamedTuple):
    """One fault or note: where it stands and a sentence. Ids of staff and places are named; they are not PHI."""

    file: Kind
    line: int  # 0: the file as a whole
    column: str
    code: FaultCode
    reason: str

    @property
    def grave(self) -> bool:
        return self.code not in NOTES


class DirectoryFiles(NamedTuple):
    """What the files list, and everything found in them, in the order of files and lines."""

    networks: tuple[Network, ...]
    practices: tuple[Practice, ...]
    case_managers: tuple[CaseManager, ...]
    absences: tuple[Absence, ...]
    lme_mcos: tuple[LmeMco, ...]
    faults: tuple[DirectoryFault, ...]

    @property
    def usable(self) -> bool:
        return not any(fault.grave for fault in self.faults)


def read_directory(files: Mapping[Kind, bytes], zone: str = "America/New_York") -> DirectoryFiles:
    """Reads and cross-checks all files at once; `zone` is that of absences without an offset.

    Lists within a cell are separated by `;`. A plain date as the end of an absence counts in full.
    """
    return _Reader(ZoneInfo(zone)).read(files)


class _Line(NamedTuple):
    number: int
    cells: dict[str, str]


MOST_CAPACITY: Final = 9_999
_OPTIONAL_FILES: Final = frozenset({Kind.ABSENCES, Kind.LME_MCOS})
_ROLES: Final = {
    **{role.value: role for role in Role},
    **{"rn": Role.NURSE, "nurse_care_manager": Role.NURSE, "care_manager": Role.NURSE, "pharmd": Role.PHARMACIST},
    **{"lcsw": Role.SOCIAL_WORKER, "network_manager": Role.MANAGER, "director": Role.MEDICAL_DIRECTOR},
}


def _required(kind: Kind) -> list[str]:
    return [column.name for column in COLUMNS[kind] if column.required]


class _Reader:
    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._faults: list[DirectoryFault] = []

    def read(self, files: Mapping[Kind, bytes]) -> DirectoryFiles:
        tables = {kind: self._table(kind, files.get(kind)) for kind in Kind}
        networks = tuple(
            Network(network_id=line.cells["network_id"], name=line.cells["name"])
            for line in self._unique(Kind.NETWORKS, tables[Kind.NETWORKS], "network_id")
        )
        practices = tuple(
            Practice.model_validate(line.cells)
            for line in self._unique(Kind.PRACTICES, tables[Kind.PRACTICES], "practice_id")
        )
        lines = list(self._unique(Kind.CASE_MANAGERS, tables[Kind.CASE_MANAGERS], "case_manager_id"))
        people = tuple(person for line in lines if (person := self._person(line)))
        absence_lines = [(line, absence) for line in tables[Kind.ABSENCES] if (absence := self._absence(line))]
        lme_mcos = tuple(self._plans(tables[Kind.LME_MCOS], bool(files.get(Kind.LME_MCOS))))
        absences = tuple(absence for _, absence in absence_lines)
        self._references(tables, networks, practices, people, lme_mcos)
        self._back_ups(absence_lines, {line.cells["case_manager_id"] for line in lines})
        order = list(Kind)
        self._faults.sort(key=lambda fault: (order.index(fault.file), fault.line))
        return DirectoryFiles(networks, practices, people, absences, lme_mcos, tuple(self._faults))

    def _fault(self, file: Kind, line: int, column: str, code: FaultCode, reason: str) -> None:
        self._faults.append(DirectoryFault(file, line, column, code, reason))

    def _table(self, kind: Kind, data: bytes | None) -> list[_Line]:
        if data is None:
            if kind not in _OPTIONAL_FILES:
                self._fault(kind, 0, "", FaultCode.FILE_MISSING, f"{kind}.csv is missing")
            return []
        lines = Lines([data])
        source = iter(lines)
        header = next((line for line in source if line.strip()), "")
        if not header:
            self._fault(kind, 0, "", FaultCode.COLUMN_MISSING, f"{kind}.csv is empty: its first line names the columns")
            return []
        named = read_header(header, {column.name: column.aliases for column in COLUMNS[kind]})
        for name in named.extra:
            self._fault(kind, lines.line, name, FaultCode.EXTRA_COLUMN, f"the column {name} is not used")
        missing = [column for column in _required(kind) if column not in named.columns]
        for column in missing:
            self._fault(kind, lines.line, column, FaultCode.COLUMN_MISSING, f"the column {column} is missing")
        if missing:
            return []
        return list(self._lines(kind, Records(lines, source, len(named.columns), named.delimiter), named.columns))

    def _lines(self, kind: Kind, records: Records, columns: tuple[str, ...]) -> Iterator[_Line]:
        for item in records:
            if isinstance(item, RowReject):
                self._fault(kind, item.line, "", FaultCode.LINE_BROKEN, item.reason)
                continue
            if any(map(CONTROL.search, item)):
                self._fault(kind, records.line, "", FaultCode.LINE_BROKEN, CONTROL_REASON)
                continue
            cells = [" ".join(cell.split()) for cell in item]
            if not any(cells):
                continue
            if len(cells) < len(columns) or any(cells[len(columns) :]):
                reason = cell_count(len(cells), len(columns)).reason
                self._fault(kind, records.line, "", FaultCode.LINE_BROKEN, reason)
                continue
            if records.note is not None:
                self._fault(kind, records.line, "", FaultCode.ENCODING_ASSUMED, records.note.reason)
            named = {column: cell for column, cell in zip(columns, cells, strict=False) if column}
            line = _Line(records.line, {column: named.get(column, "") for column, *_ in COLUMNS[kind]})
            empty = [column for column in _required(kind) if not line.cells[column]]
            for column in empty:
                self._fault(kind, line.number, column, FaultCode.MISSING, f"{column} is empty")
            if not empty:
                yield line

    def _unique(self, kind: Kind, lines: Iterable[_Line], column: str) -> Iterator[_Line]:
        seen: dict[str, int] = {}
        for line in lines:
            name = line.cells[column]
            if name in seen:
                reason = f"the {column} {name} stands in line {seen[name]} too"
                self._fault(kind, line.number, column, FaultCode.DUPLICATE_ID, reason)
                continue
            seen[name] = line.number
            yield line

    def _person(self, line: _Line) -> CaseManager | None:
        cells = line.cells
        role = _ROLES.get(cells["role"].lower().replace(" ", "_").replace("-", "_"))
        if role is None:
            expected = f"expects one of {', '.join(Role)}"
            self._fault(Kind.CASE_MANAGERS, line.number, "role", FaultCode.UNKNOWN_ROLE, expected)
        if read_hours(cells["hours"]) is None:
            expected = f"expects {EXPECTED}"
            self._fault(Kind.CASE_MANAGERS, line.number, "hours", FaultCode.HOURS_UNREADABLE, expected)
        capacity = _capacity(cells["capacity"])
        if capacity is None:
            expected = f"expects a whole number from 1 to {MOST_CAPACITY}, or nothing"
            self._fault(Kind.CASE_MANAGERS, line.number, "capacity", FaultCode.CAPACITY_UNREADABLE, expected)
        if role is None:
            return None
        lists = {name: _list(cells[name]) for name in ("practices", "feeds")}
        return CaseManager.model_validate({**cells, "role": role, "capacity": capacity or 0, **lists})

    def _absence(self, line: _Line) -> Absence | None:
        starts = self._time(line, "starts")
        ends = self._time(line, "ends")
        if starts is None or ends is None:
            return None
        if ends <= starts:
            reason = "the absence ends before it starts"
            self._fault(Kind.ABSENCES, line.number, "ends", FaultCode.TIMES_REVERSED, reason)
            return None
        if line.cells["backup_id"] == line.cells["case_manager_id"]:
            reason = "a person cannot be their own back-up"
            self._fault(Kind.ABSENCES, line.number, "backup_id", FaultCode.OWN_BACKUP, reason)
            return None
        return Absence(
            case_manager_id=line.cells["case_manager_id"],
            starts=starts,
            ends=ends,
            backup_id=line.cells["backup_id"],
        )

    def _time(self, line: _Line, column: str) -> datetime | None:
        text = line.cells[column]
        day = read_date(text) if ":" not in text else None
        if day is not None and not isinstance(day, tuple):
            whole = timedelta(days=1) if column == "ends" else timedelta()
            return datetime.combine(day + whole, time(), self._zone).astimezone(UTC)
        try:
            at = datetime.fromisoformat(text.replace(" ", "T", 1))
        except ValueError:
            expected = "expects a day such as 2026-12-24, or a time such as 2026-12-24 13:00"
            self._fault(Kind.ABSENCES, line.number, column, FaultCode.TIME_UNREADABLE, expected)
            return None
        return (at if at.tzinfo else at.replace(tzinfo=self._zone)).astimezone(UTC)

    def _plans(self, lines: Iterable[_Line], given: bool) -> Iterator[LmeMco]:
        names = {_county(name): name.replace("_", " ") for name in COUNTIES}
        plan_of: dict[str, str] = {}
        plans: dict[str, tuple[str, list[str]]] = {}
        for line in lines:
            plan_id = line.cells["lme_mco_id"]
            _, counties = plans.setdefault(plan_id, (line.cells["name"] or plan_id, []))
            for text in _list(line.cells["counties"]):
                county = _county(text)
                if county not in names:
                    reason = f"{text} is not a county of North Carolina"
                    self._fault(Kind.LME_MCOS, line.number, "counties", FaultCode.UNKNOWN_COUNTY, reason)
                elif county in plan_of:
                    reason = f"{names[county]} belongs to {plan_of[county]} already; a county has exactly one LME/MCO"
                    self._fault(Kind.LME_MCOS, line.number, "counties", FaultCode.COUNTY_TWICE, reason)
                else:
                    plan_of[county] = plan_id
                    counties.append(names[county])
        left = [name for county, name in names.items() if county not in plan_of]
        if given and left:
            reason = f"{len(left)} of the 100 counties have no LME/MCO: {', '.join(left)}"
            self._fault(Kind.LME_MCOS, 0, "counties", FaultCode.COUNTY_WITHOUT_PLAN, reason)
        for plan_id, (name, counties) in plans.items():
            yield LmeMco(lme_mco_id=plan_id, name=name, counties=tuple(counties))

    def _references(
        self,
        tables: Mapping[Kind, list[_Line]],
        networks: Iterable[Network],
        practices: Iterable[Practice],
        people: Iterable[CaseManager],
        lme_mcos: Iterable[LmeMco],
    ) -> None:
        network_ids = {network.network_id for network in networks}
        practice_ids = {practice.practice_id for practice in practices}
        plan_ids = {plan.lme_mco_id for plan in lme_mcos}
        person_lines = {line.cells["case_manager_id"]: line.number for line in tables[Kind.CASE_MANAGERS]}
        for line in tables[Kind.PRACTICES]:
            if line.cells["network_id"] not in network_ids:
                self._unknown(Kind.PRACTICES, line.number, "network_id", FaultCode.UNKNOWN_NETWORK)
        for person in people:
            number = person_lines[person.case_manager_id]
            if person.network_id and person.network_id not in network_ids:
                self._unknown(Kind.CASE_MANAGERS, number, "network_id", FaultCode.UNKNOWN_NETWORK)
            if person.lme_mco_id and plan_ids and person.lme_mco_id not in plan_ids:
                self._unknown(Kind.CASE_MANAGERS, number, "lme_mco_id", FaultCode.UNKNOWN_PLAN)
            if not set(person.practices) <= practice_ids:
                self._unknown(Kind.CASE_MANAGERS, number, "practices", FaultCode.UNKNOWN_PRACTICE)

    def _unknown(self, file: Kind, line: int, column: str, code: FaultCode) -> None:
        what = {FaultCode.UNKNOWN_NETWORK: "network", FaultCode.UNKNOWN_PLAN: "LME/MCO"}.get(code, "practice")
        self._fault(file, line, column, code, f"names a {what} that is not in the directory")

    def _back_ups(self, absences: list[tuple[_Line, Absence]], known: set[str]) -> None:
        by_person: dict[str, list[Absence]] = {}
        for _, absence in absences:
            by_person.setdefault(absence.case_manager_id, []).append(absence)
        for line, absence in absences:
            for column, who in (("case_manager_id", absence.case_manager_id), ("backup_id", absence.backup_id)):
                if who and who not in known:
                    reason = f"{who} is not in case_managers.csv"
                    self._fault(Kind.ABSENCES, line.number, column, FaultCode.UNKNOWN_PERSON, reason)
            if not absence.backup_id:
                reason = "nobody stands in: the network or the central office answers"
                self._fault(Kind.ABSENCES, line.number, "backup_id", FaultCode.NO_BACKUP, reason)
            elif cycle := _cycle(absence, by_person.get):
                reason = f"the back-ups are away as well and lead back to the same person ({' → '.join(cycle)})"
                self._fault(Kind.ABSENCES, line.number, "backup_id", FaultCode.BACKUP_CYCLE, reason)


def _cycle(absence: Absence, absences_of: Callable[[str], list[Absence] | None]) -> tuple[str, ...]:
    """The people through whom an absence leads back to its own person while all are away; empty when it does not."""
    waiting: list[tuple[str, datetime, datetime, tuple[str, ...]]] = [
        (absence.backup_id, absence.starts, absence.ends, (absence.case_manager_id,))
    ]
    while waiting:
        who, starts, ends, trail = waiting.pop()
        if who == absence.case_manager_id:
            return (*trail, who)
        if who in trail:
            continue
        for other in absences_of(who) or ():
            since, until = max(starts, other.starts), min(ends, other.ends)
            if other.backup_id and since < until:
                waiting.append((other.backup_id, since, until, (*trail, who)))
    return ()


def _list(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(";") if part.strip()))


def _capacity(text: str) -> int | None:
    """A whole number; 0 for nothing, `None` for what is none."""
    if not text:
        return 0
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_CAPACITY)) else 0
    return number if 1 <= number <= MOST_CAPACITY else None


def _county(text: str) -> str:
    words = text.casefold().replace("_", " ").split()
    return " ".join(words[:-1] if len(words) > 1 and words[-1] == "county" else words)
