"""`handoff match`: a list of people and a list of queries (or a list of pairs) in, one line per query or pair out.

JSON of a query: `{"query_id", "grade", "enrollee_id", "runner_up", "weight", "evidence"}`, in the queries' order;
of a pair: `{"pair_id", "grade", "weight", "evidence"}`. `grade` is certain, probable (both automatic), possible (for
review) or certainly-not. `weight` is in bits, the size of the panel taken off. Columns are those of a panel file as far
as present, under their usual names; any other is ignored and named on standard error. No value of a cell is printed.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from math import log2
from pathlib import Path
from typing import Final

from parsers.files.csv_lines import Lines, Records, read_header
from parsers.files.row_faults import RowReject
from rules.matching.compare import compare
from rules.matching.grades import grade
from rules.matching.index import PanelIndex
from rules.matching.person import PanelRecord, read_record
from streams.run.problems import Problem
from streams.run.settings import load_settings
from streams.store.opening import office_zone

DEFAULT_PANEL_SIZE: Final = 1_000_000  # with --pairs: as if each pair had been picked from so many people
CHUNK_BYTES: Final = 1 << 20
_FLUSH_LINES: Final = 200

_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "query_id": ("query", "id_query", "qid"),
    "pair_id": ("pair",),
    "enrollee_id": ("enrollee", "member_id", "member_number", "person_id", "patient_id", "recipient_id", "rec_id"),
    "medicaid_id": ("medicaid", "medicaid_number", "medicaid_no", "mid", "recipient_medicaid_id"),
    "ssn": ("social_security_number", "social_security", "social", "ss_number", "soc_sec_id"),
    "last_name": ("last", "surname", "family_name", "family", "name_last", "lname"),
    "first_name": ("first", "given_name", "given", "forename", "name_first", "fname"),
    "middle_name": ("middle", "middle_initial", "mi", "name_middle", "mname"),
    "suffix": ("name_suffix", "generation"),
    "birth_date": ("dob", "date_of_birth", "birthday", "birth_dt"),
    "sex": ("gender", "gender_code", "sex_code", "administrative_sex"),
    "street_number": ("house_number",),
    "address": (
        "address_1",
        "address_line_1",
        "address_street_1",
        "street",
        "street_address",
        "addr",
        "residence_address",
    ),
    "city": ("town", "suburb", "address_city", "residence_city"),
    "state": ("state_code", "st", "address_state", "residence_state"),
    "zip": ("zip_code", "postal_code", "postcode", "zip5", "address_zip"),
    "phone": ("phone_number", "telephone", "home_phone", "phone1", "cell", "mobile", "tel"),
    "mother_enrollee_id": ("mother_id", "mothers_enrollee_id", "mother_member_id"),
    "mrns": ("mrn", "medical_record_numbers", "medical_record_number"),
    "effective_from": ("effective_date", "start_date", "effective_start", "eligibility_start", "enrolled_from"),
    "effective_to": ("end_date", "effective_end", "eligibility_end", "enrolled_to", "term_date"),
    "full_name": ("name", "member_name", "patient_name"),
}
_IGNORED_IN_QUERIES: Final = ("enrollee_id", "pair_id", "effective_from", "effective_to")
_KNOWN_UNUSED: Final = frozenset(
    ("practiceid", "practice", "pcpnpi", "npi", "risktier", "risk", "programs", "program", "consent", "county")
)
_AMERICAN: Final = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})\b.*")
_ISO: Final = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})\b.*")
_NAME_COMMA: Final = re.compile(r"\s*,\s*")


def run_match(
    panel: Path | None,
    queries: Path | None,
    *,
    pairs: Path | None = None,
    panel_size: int | None = None,
    as_json: bool = False,
) -> int:
    """Prints a line per query, or per pair; 0 when all of them were graded. Raises `Problem` for unusable files."""
    if pairs is not None:
        return _grade_pairs(pairs, panel_size or DEFAULT_PANEL_SIZE, as_json)
    if panel is None or queries is None:
        raise Problem("two files are needed, the people to match against and the people to find (or --pairs FILE)")
    index = PanelIndex.build(_panel_records(panel))
    today = datetime.now(office_zone(load_settings())).date()
    columns, rows = _open(queries, _IGNORED_IN_QUERIES)
    if not {"last_name", "first_name", "full_name", "medicaid_id", "ssn", "mrns"} & set(columns):
        raise Problem(f"{queries.name} has no column to find people by, such as last_name, first_name or ssn")
    numbered = "query_id" in columns
    reads = _reader(columns)
    for number, cells in enumerate(rows, 1):
        query_id = cells[columns.index("query_id")] if numbered else str(number)
        match = index.match_person(read_record(reads(cells)), today)
        line = {
            "query_id": query_id,
            "grade": match.grade.value,
            "enrollee_id": match.enrollee_id,
            "runner_up": match.runner_up,
            "weight": match.weight,
            "evidence": match.evidence,
        }
        _print(line, number, as_json)
    sys.stdout.flush()
    return 0


def _grade_pairs(pairs: Path, panel_size: int, as_json: bool) -> int:
    columns, rows = _open(pairs, ("enrollee_id", "query_id", "effective_from", "effective_to"), sides=("a_", "b_"))
    sides = [
        [column.removeprefix(side) if column.startswith(side) else "" for column in columns] for side in ("a_", "b_")
    ]
    for side, names in zip("ab", sides, strict=True):
        if not any(names):
            raise Problem(f"{pairs.name} has no columns {side}_…, such as {side}_last_name and {side}_birth_date")
    left, right = (_reader(names) for names in sides)
    place = columns.index("pair_id") if "pair_id" in columns else -1
    for number, cells in enumerate(rows, 1):
        comparison = compare(read_record(left(cells)), read_record(right(cells)))
        line = {
            "pair_id": cells[place] if place >= 0 else str(number),
            "grade": grade(comparison, panel_size).value,
            "weight": round(comparison.weight - log2(panel_size), 2),
            "evidence": comparison.evidence,
        }
        _print(line, number, as_json)
    sys.stdout.flush()
    return 0


def _print(line: Mapping[str, object], number: int, as_json: bool) -> None:
    text = json.dumps(line) if as_json else "\t".join(map(_text, line.values()))
    sys.stdout.write(text + "\n")
    if number % _FLUSH_LINES == 0:
        sys.stdout.flush()


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{field.replace('_', ' ')} {agreement}" for field, agreement in value.items())
    return "" if value is None else str(value)


def _panel_records(path: Path) -> Iterator[PanelRecord]:
    columns, rows = _open(path, ("query_id", "pair_id"))
    if "enrollee_id" not in columns:
        raise Problem(f"{path.name} has no column enrollee_id: each line needs an id of its own")
    place = columns.index("enrollee_id")
    reads = _reader(columns)
    unnamed = 0
    for cells in rows:
        if cells[place]:
            yield reads(cells)._replace(enrollee_id=cells[place])
        else:
            unnamed += 1
    if unnamed:
        _say(f"{path.name}: {unnamed} lines without an enrollee_id left out")


def _open(path: Path, ignored: Sequence[str], sides: Sequence[str] = ("",)) -> tuple[list[str], Iterator[list[str]]]:
    """The meaning of each column ("" for an ignored one), and the cells of each line, as many as columns."""
    lines = Lines(_chunks(path))
    source = iter(lines)
    header = next((line for line in source if line.strip()), "")
    known = {
        f"{side}{name}": [f"{side}{alias}" for alias in aliases] for side in sides for name, aliases in _COLUMNS.items()
    }
    if sides != ("",):
        known["pair_id"] = list(_COLUMNS["pair_id"])
    _, columns, extra, delimiter = read_header(header, known)
    skipped = [f"{side}{name}" for side in sides for name in ignored]
    named = [*extra, *(column for column in columns if column in skipped)]
    meant = ["" if column in skipped else column for column in columns]
    if not any(meant):
        raise Problem(f"{path.name} names no known column: is the header line missing?")
    if unknown := [name for name in named if "".join(filter(str.isalnum, name.lower())) not in _KNOWN_UNUSED]:
        _say(f"{path.name}: columns ignored: {', '.join(unknown)}")
    return meant, _cells(Records(lines, source, len(columns), delimiter), len(columns), path)


def _cells(records: Records, width: int, path: Path) -> Iterator[list[str]]:
    for item in records:
        cells = [cell.strip() for cell in (item.cells if isinstance(item, RowReject) else item)]
        if isinstance(item, RowReject) or len(cells) != width:
            if not any(cells):
                continue
            _say(f"{path.name}: line {records.line} does not fit the header, read as far as it goes")
            cells = (cells + [""] * width)[:width]
        elif not any(cells):
            continue
        yield cells


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _reader(columns: Sequence[str]) -> Callable[[Sequence[str]], PanelRecord]:
    """What turns the cells of a line into a person."""
    places = {column: place for place, column in enumerate(columns) if column}

    def cell(name: str, cells: Sequence[str]) -> str:
        return cells[places[name]] if name in places else ""

    def read(cells: Sequence[str]) -> PanelRecord:
        last, first, middle = (cell(name, cells) for name in ("last_name", "first_name", "middle_name"))
        if not last and not first and (whole := cell("full_name", cells)):
            last, first, split_middle = _split_name(whole)
            middle = middle or split_middle
        number, street = cell("street_number", cells), cell("address", cells)
        return PanelRecord(
            "",
            cell("medicaid_id", cells),
            cell("ssn", cells),
            last,
            first,
            middle,
            cell("suffix", cells),
            _birth(cell("birth_date", cells)),
            cell("sex", cells),
            f"{number} {street}" if number and street else number or street,
            cell("city", cells),
            cell("state", cells),
            cell("zip", cells),
            cell("phone", cells),
            cell("mother_enrollee_id", cells),
            _mrns(cell("mrns", cells)),
            effective_from=_birth(cell("effective_from", cells)),
            effective_to=_birth(cell("effective_to", cells)),
        )

    return read


def _mrns(text: str) -> tuple[tuple[str, str], ...]:
    """`facility:value` separated by `;`. A value without its facility says nothing outside that facility."""
    parts = (part.strip().rpartition(":") for part in text.split(";"))
    return tuple((system, value) for system, _, value in parts if system and value)


def _birth(text: str) -> str:
    """YYYY-MM-DD, YYYYMMDD or MM/DD/YYYY as YYYY-MM-DD; an impossible day stays, it may be a slip of one digit."""
    if date_parts := _ISO.fullmatch(text):
        year, month, day = date_parts.groups()
    elif date_parts := _AMERICAN.fullmatch(text):
        month, day, year = date_parts.groups()
    elif len(text) >= 8 and text[:8].isdigit():
        year, month, day = text[:4], text[4:6], text[6:8]
    else:
        return ""
    return f"{year}-{int(month):02d}-{int(day):02d}"


def _split_name(whole: str) -> tuple[str, str, str]:
    """Last, first and middle of "Last, First Middle" or "First Middle Last"."""
    if "," in whole:
        last, given = _NAME_COMMA.split(whole, maxsplit=1)
        first, _, middle = given.partition(" ")
        return last, first, middle
    words = whole.split()
    return (words[-1], words[0], " ".join(words[1:-1])) if len(words) > 1 else (whole, "", "")
