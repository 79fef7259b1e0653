"""Panel files: CSV bytes in, a light row or a reject with line, column and reason out for each line."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date
from operator import itemgetter
from typing import Final, NamedTuple

from parsers.events import Address, Identifier, PersonName
from parsers.files.csv_lines import (
    CONTROL,
    FileFault,
    Lines,
    Records,
    RowCode,
    RowFault,
    RowNote,
    RowReject,
    cell_count,
    read_header,
)
from parsers.people import Consent, Enrollee, Payer, RiskTier


class PanelRow(NamedTuple):
    """One good line: every field text in one spelling, "" when absent. Light, as a million of them are read at once."""

    enrollee_id: str
    medicaid_id: str  # upper case, without spaces and dashes
    ssn: str  # nine digits
    last_name: str
    first_name: str
    middle_name: str
    suffix: str
    birth_date: str  # YYYY-MM-DD
    sex: str  # HL7 table 0001: F M O U A N
    address: str
    city: str
    state: str
    zip: str
    county: str
    phone: str  # ten digits
    mother_enrollee_id: str
    mrns: str  # "facility:value;facility:value"; the value is what follows the last colon
    practice_id: str
    pcp_npi: str
    risk_tier: str  # a RiskTier, never ""
    programs: str  # "asthma;diabetes"
    consent: str  # a Consent, never ""
    effective_from: str  # YYYY-MM-DD
    effective_to: str  # YYYY-MM-DD, the last day included
    language: str
    payer: str = ""  # a Payer, "" when it is not known

    def __repr__(self) -> str:
        return "<PanelRow>"


def split_mrns(mrns: str) -> tuple[tuple[str, str], ...]:
    """(system, value) pairs of `PanelRow.mrns`; the system is "" where the file gave none."""
    parts = (part.rpartition(":") for part in mrns.split(";") if part)
    return tuple((system, value) for system, _, value in parts)


def enrollee_of(row: PanelRow) -> Enrollee:
    """The row as the value the rules work with."""
    return Enrollee(
        enrollee_id=row.enrollee_id,
        name=PersonName(family=row.last_name, given=row.first_name, middle=row.middle_name, suffix=row.suffix),
        birth_date=date.fromisoformat(row.birth_date),
        practice_id=row.practice_id,
        medicaid_id=row.medicaid_id,
        ssn=row.ssn,
        sex=row.sex,
        address=Address(street=row.address, city=row.city, state=row.state, zip=row.zip, county=row.county),
        phone=row.phone,
        mother_enrollee_id=row.mother_enrollee_id,
        mrns=tuple(Identifier(system=system, value=value) for system, value in split_mrns(row.mrns)),
        pcp_npi=row.pcp_npi,
        risk_tier=RiskTier(row.risk_tier),
        programs=tuple(program for program in row.programs.split(";") if program),
        consent=Consent(row.consent),
        effective_from=date.fromisoformat(row.effective_from) if row.effective_from else None,
        effective_to=date.fromisoformat(row.effective_to) if row.effective_to else None,
        language=row.language,
        payer=Payer(row.payer or Payer.UNKNOWN),
    )


REQUIRED: Final = ("enrollee_id", "birth_date", "practice_id")
NOTE_SAMPLES: Final = 1000  # notes kept word for word; all of them are counted

_FULL_NAME: Final = "full_name"
_ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "enrollee_id": ("enrollee", "member_id", "memberid", "member_number", "person_id", "patient_id", "recipient_id"),
    "medicaid_id": ("medicaid", "medicaid_number", "medicaid_no", "mid", "mpi", "recipient_medicaid_id"),
    "ssn": ("social_security_number", "social_security", "social", "ss_number"),
    "last_name": ("last", "lastname", "surname", "family_name", "name_last", "lname"),
    "first_name": ("first", "firstname", "given_name", "forename", "name_first", "fname"),
    "middle_name": ("middle", "middlename", "middle_initial", "mi", "name_middle", "mname"),
    "suffix": ("name_suffix", "generation"),
    "birth_date": ("dob", "date_of_birth", "birthdate", "birthday", "date_birth", "birth_dt"),
    "sex": ("gender", "gender_code", "sex_code", "administrative_sex"),
    "address": ("address_1", "address1", "address_line_1", "street", "street_address", "addr", "residence_address"),
    "city": ("town", "residence_city"),
    "state": ("state_code", "st", "residence_state"),
    "zip": ("zip_code", "zipcode", "postal_code", "postcode", "zip5"),
    "county": ("county_name", "residence_county", "county_of_residence"),
    "phone": ("phone_number", "telephone", "home_phone", "phone1", "cell", "mobile", "tel"),
    "mother_enrollee_id": ("mother_id", "mothers_enrollee_id", "mother_member_id"),
    "mrns": ("mrn", "medical_record_numbers", "medical_record_number"),
    "practice_id": ("practice", "medical_home", "medical_home_id", "pcp_practice_id", "practice_code"),
    "pcp_npi": ("npi", "pcp", "provider_npi"),
    "risk_tier": ("risk", "risk_level", "tier", "risk_category"),
    "programs": ("program", "program_codes"),
    "consent": ("consents", "consent_code"),
    "effective_from": (
        "effective_date",
        "start_date",
        "effective_start",
        "eligibility_start",
        "enrolled_from",
        "begin_date",
    ),
    "effective_to": ("end_date", "effective_end", "eligibility_end", "enrolled_to", "term_date", "termination_date"),
    "language": ("preferred_language", "lang", "primary_language"),
    "payer": ("payor", "payer_type", "line_of_business", "lob", "coverage", "coverage_type", "insurance"),
    _FULL_NAME: ("name", "fullname", "member_name", "patient_name"),
}
_SEXES: Final = {
    "": "",
    **dict.fromkeys(("f", "female", "woman", "girl"), "F"),
    **dict.fromkeys(("m", "male", "man", "boy"), "M"),
    **dict.fromkeys(("o", "other", "x", "nonbinary", "non-binary"), "O"),
    **dict.fromkeys(("u", "unknown", "unk"), "U"),
    **{word: word.upper() for word in ("a", "n")},
}
_TIERS: Final = {
    **{tier.value: tier.value for tier in RiskTier},
    **{"": "unknown", "medium": "rising", "moderate": "rising", "h": "high", "m": "rising", "l": "low"},
}
_CONSENTS: Final = {
    **{consent.value: consent.value for consent in Consent},
    **{"": "none", "no": "none", "n": "none", "part_2": "part2", "sud": "part2", "mh": "mental_health", "full": "all"},
}
_PAYERS: Final = {
    **{payer.value: payer.value for payer in Payer},
    **dict.fromkeys(("", "u", "unk", "unknown"), ""),
    **dict.fromkeys(("medicare_advantage", "medicare_ffs", "ma", "mapd", "mcare", "mcr"), "medicare"),
    **dict.fromkeys(("mcaid", "mcd", "chip", "medicaid_managed_care"), "medicaid"),
    **dict.fromkeys(("dual_eligible", "duals", "medicare_medicaid", "medicaid_medicare", "dsnp", "d-snp"), "dual"),
    **dict.fromkeys(("private", "marketplace", "exchange", "employer"), "commercial"),
    **dict.fromkeys(("self_pay", "uninsured", "none", "tricare", "va"), "other"),
}
_STATES: Final = frozenset(
    "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK "
    "OR PA RI SC SD TN TX UT VT VA WA WV WI WY PR VI GU AS MP AA AE AP".split()
)
_STATE_NAMES: Final = {"": "", "north carolina": "NC", "south carolina": "SC", "virginia": "VA", "tennessee": "TN"}
_EMPTY_DATES: Final = frozenset({"", "null", "none", "n/a", "na", "0000-00-00", "00/00/0000", "00000000"})
_ZIP_FILE: Final = "PK\x03\x04"  # how a workbook begins
_SEPARATOR: Final = re.compile(r"\"?sep=.\"?", re.IGNORECASE)  # a line for Excel only, before the header
_ISO: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?")
_PACKED: Final = re.compile(r"(\d{4})(\d\d)(\d\d)")
_AMERICAN: Final = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?: .*)?")
_SHORT_YEAR: Final = re.compile(r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2}")
_SERIAL: Final = re.compile(r"\d{4,5}(?:\.\d+)?")
_SCIENTIFIC: Final = re.compile(r"(?:.*:)?\d+(?:[.,]\d+)?E\+\d+", re.IGNORECASE)
_ZIP: Final = re.compile(r"\d{5}(?:-?\d{4})?")
_SSN: Final = re.compile(r"\d{3}[- ]?\d\d[- ]?\d{4}")
_MEDICAID: Final = re.compile(r"(?=(?:.*\d){4})[A-Z0-9]{4,20}")
_NC_MEDICAID: Final = re.compile(r"\d{9}[A-Z]")
_NOT_DIGITS: Final = re.compile(r"\D")
_OLDEST: Final = 130  # years
_OPEN_END: Final = 2200  # an end in or after this year means that none is known
_OPEN_START: Final = 1901  # a start in or before this year means the same
_SWAPPED_YEARS: Final = 25  # a start before birth and so long ago is a birth date in the wrong column
_LONE_FROM_LINES: Final = 20
_LONE_SHARE: Final = 0.05  # of the lines; where more practices stand alone, that is how the panel is
_NUMBERS: Final = ("enrollee_id", "medicaid_id", "ssn", "phone", "mother_enrollee_id", "practice_id", "pcp_npi", "zip")


class _Memo(dict[str, str | RowFault]):
    """Remembers how a text of a column with few different texts was read."""

    def __init__(self, read: Callable[[str], str | RowFault]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> str | RowFault:
        if len(self) > 200_000:
            self.clear()
        value = self[text] = self._read(text)
        return value


class PanelReader:
    """Reads one file once. `practices`: the known practice ids; `None` when no directory is loaded.

    After `read` is used up, `faults` says why a file as a whole could not be read, `extra` names the columns that were
    not, and `notes` counts what was repaired, by column and code.
    """

    def __init__(self, today: date, practices: Collection[str] | None = None) -> None:
        self.faults: list[FileFault] = []
        self.header: tuple[str, ...] = ()
        self.columns: tuple[str, ...] = ()
        self.extra: tuple[str, ...] = ()
        self.delimiter = ","
        self.notes: Counter[tuple[str, RowCode]] = Counter()
        self.note_samples: list[RowNote] = []
        self._practices = frozenset(practices) if practices is not None else None
        self._today = today
        self._long_ago = f"{today.year - _SWAPPED_YEARS:04d}"
        self._first_line: dict[str, int] = {}
        self._practice_lines: dict[str, tuple[int, int]] = {}  # first line and number of lines, without a directory
        self._dates = {
            column: _Memo(self._date_reader(column)) for column in ("birth_date", "effective_from", "effective_to")
        }
        self._states = _Memo(_state)
        sexes = _Memo(lambda text: _closed(text, "sex", _SEXES, "F, M, O or U"))
        tiers = _Memo(lambda text: _closed(text, "risk_tier", _TIERS, "high, rising, low or unknown"))
        self._memos = (  # place in the row, how its texts read, whether one that cannot be read costs the line
            *((_PLACE[column], memo, True) for column, memo in self._dates.items()),
            (_PLACE["sex"], sexes, False),
            (_PLACE["state"], self._states, False),
            (_PLACE["zip"], _Memo(_zip), False),
            (_PLACE["risk_tier"], tiers, False),
            (_PLACE["consent"], _Memo(_consent), False),
            (_PLACE["programs"], _Memo(_programs), False),
            (_PLACE["payer"], _Memo(_payer), False),
        )
        self._suspect = False  # the part of the file now read has a number in scientific notation somewhere

    def read(self, chunks: Iterable[bytes]) -> Iterator[PanelRow | RowReject]:
        """Rows and rejects in the order of the file; lazy, so `chunks` may be a file of any size."""
        lines = Lines(chunks)
        source = iter(lines)
        header = next((line for line in source if line.strip() and not _SEPARATOR.fullmatch(line.strip())), "")
        if not self._read_header(header, lines.line):
            return
        if lines.marked:
            reason = "a byte order mark stands before the header and was skipped"
            self._note(lines.line, RowFault("", RowCode.BYTE_ORDER_MARK, reason))
        width = len(self.header)
        pick = self._picker(width)
        empty = True
        for row in self._read_rows(lines, source, width, pick):
            empty = False
            yield row
        if empty:
            self.faults.append(FileFault("", "the file has a header and no line after it"))
        if self._practices is None:
            self._note_lone_practices()

    def _note_lone_practices(self) -> None:
        """Without a directory a wrong practice_id still shows where nearly every practice stands in many lines."""
        lines = len(self._first_line)
        lone = [line for line, count in self._practice_lines.values() if count == 1]
        if lines >= _LONE_FROM_LINES and len(lone) <= _LONE_SHARE * lines:
            reason = "no other line names this practice, and no directory is loaded to check it against"
            for line in lone:
                self._note(line, RowFault("practice_id", RowCode.LONE_PRACTICE, reason))

    def has(self, enrollee_id: str) -> bool:
        """Whether a good row with that id has been read."""
        return enrollee_id in self._first_line

    def named(self, reject: RowReject) -> str:
        """The enrollee_id a rejected line seems to name; "" when it has none."""
        place = self.columns.index("enrollee_id") if "enrollee_id" in self.columns else -1
        return reject.cells[place].strip() if 0 <= place < len(reject.cells) else ""

    def _read_rows(
        self, lines: Lines, source: Iterator[str], width: int, pick: Callable[[list[str]], tuple[str, ...]]
    ) -> Iterator[PanelRow | RowReject]:
        records = Records(lines, source, width, self.delimiter)
        check = self._check
        for item in records:
            if isinstance(item, RowReject):
                yield item
                continue
            if len(item) != width:
                if not any(map(str.strip, item)):
                    continue
                if len(item) < width or any(map(str.strip, item[width:])):
                    yield RowReject(records.line, (cell_count(len(item), width),), tuple(item))
                    continue
                del item[width:]
            if records.note is not None:
                self._note(records.line, records.note)
            if lines.control and any(map(CONTROL.search, item)):
                reason = "holds control characters: export the file again as plain CSV"
                yield RowReject(records.line, (RowFault("", RowCode.CONTROL_CHARACTER, reason),), tuple(item))
                continue
            self._suspect = lines.scientific
            cells = [" ".join(cell.split()) for cell in item] if records.joined else list(map(str.strip, item))
            if not any(cells):
                continue
            cells.append("")
            row = check(records.line, pick(cells))
            yield row if isinstance(row, PanelRow) else RowReject(records.line, tuple(row), tuple(item))

    def _read_header(self, text: str, line: int) -> bool:
        if not text:
            self.faults.append(FileFault("", "the file is empty: a header line with column names is needed"))
            return False
        if text.startswith(_ZIP_FILE) or "\0" in text:
            self.faults.append(FileFault("", "this is no plain text: save the table as CSV (UTF-8) first"))
            return False
        self.header, self.columns, self.extra, self.delimiter = read_header(text, _ALIASES)
        fields = self.columns
        if not any(fields):
            self.faults.append(FileFault("", f"line {line} names no known column: is the header line missing?"))
            return False
        for column in REQUIRED:
            if column not in fields:
                known = ", ".join((column, *_ALIASES[column][:3]))
                self.faults.append(FileFault(column, f"the column {column} is missing (known names: {known}, …)"))
        if not {"last_name", "first_name", _FULL_NAME} & set(fields):
            self.faults.append(FileFault("last_name", "a name is missing: last_name and first_name, or full_name"))
        return not self.faults

    def _picker(self, width: int) -> Callable[[list[str]], tuple[str, ...]]:
        places = [self.columns.index(field) if field in self.columns else width for field in PanelRow._fields]
        plain = itemgetter(*places)
        if _FULL_NAME not in self.columns:
            return plain
        whole = self.columns.index(_FULL_NAME)

        def with_name_split(cells: list[str]) -> tuple[str, ...]:
            row = PanelRow._make(plain(cells))
            if row.last_name or row.first_name:
                return row
            last, first, middle = _split_name(cells[whole])
            return row._replace(last_name=last, first_name=first, middle_name=row.middle_name or middle)

        return with_name_split

    def _check(self, line: int, raw: tuple[str, ...]) -> PanelRow | list[RowFault]:
        """The hot path: a good line passes through here and nothing else."""
        found: list[RowFault] = []  # the line cannot be loaded
        mild: list[RowFault] = []  # the cell cannot be used
        if self._suspect:
            found.extend(_scientific(raw))
        cells = list(raw)
        for place, memo, grave in self._memos:
            value = memo[cells[place]]
            if isinstance(value, str):
                cells[place] = value
            else:
                (found if grave else mild).append(value)
                cells[place] = _STAND_IN.get(value.column, "")
        enrollee_id, practice_id, last_name, first_name, born, starts, ends = _CHECKED(cells)
        if not born or not enrollee_id or not practice_id or not (last_name or first_name):
            found.extend(_missing(raw, found))
        if enrollee_id in self._first_line:
            reason = f"the same enrollee_id stands in line {self._first_line[enrollee_id]}"
            found.append(RowFault("enrollee_id", RowCode.DUPLICATE_ID, reason))
        if self._practices is not None and practice_id not in self._practices and practice_id:
            reason = "no such practice in the directory"
            found.append(RowFault("practice_id", RowCode.UNKNOWN_PRACTICE, reason))
        if starts and ends and ends < starts:
            found.append(RowFault("effective_to", RowCode.DATES_REVERSED, "lies before effective_from"))
        if starts and starts < born:
            if starts < self._long_ago:
                found.append(_BIRTH_AND_START_SWAPPED)
            else:
                mild.append(_STARTS_BEFORE_BIRTH)
        for place, plain, read in _NUMBER_READERS:
            text = cells[place]
            if text and not plain(text):
                cells[place] = _fixed(read(text), mild)
        if found or mild:
            swaps = self._swapped(raw, [*found, *mild])
            if found or swaps:
                named = {column for swap in swaps for column in swap.column.split(" and ")}
                return [*swaps, *(fault for fault in found if fault.column not in named)]
            for fault in mild:
                self._note(line, fault)
        self._first_line[enrollee_id] = line
        if self._practices is None:
            first, count = self._practice_lines.get(practice_id, (line, 0))
            self._practice_lines[practice_id] = (first, count + 1)
        return PanelRow._make(cells)

    def _note(self, line: int, fault: RowFault) -> None:
        self.notes[fault.column, fault.code] += 1
        if len(self.note_samples) < NOTE_SAMPLES:
            self.note_samples.append(RowNote(line, *fault))

    def _swapped(self, raw: tuple[str, ...], faults: Iterable[RowFault]) -> list[RowFault]:
        """Pairs of columns whose cells fit each other's place and not their own."""
        row = PanelRow._make(raw)._asdict()
        found: dict[frozenset[str], RowFault] = {}
        for column in dict.fromkeys(fault.column for fault in faults):
            value = row.get(column, "")
            if not value or self._fits(column, value):
                continue
            for other, there in row.items():
                if (
                    other != column
                    and there
                    and self._fits(column, there)
                    and self._fits(other, value)
                    and not self._fits(other, there)
                ):
                    both = (column, other)
                    reason = f"the cells of {column} and {other} look swapped"
                    found.setdefault(frozenset(both), RowFault(" and ".join(both), RowCode.COLUMNS_SWAPPED, reason))
                    break
        return list(found.values())

    def _fits(self, column: str, value: str) -> bool:
        match column:
            case "birth_date" | "effective_from" | "effective_to":
                return bool(self._dates[column][value]) and isinstance(self._dates[column][value], str)
            case "zip":
                return _ZIP.fullmatch(value) is not None
            case "sex":
                return value.lower() in _SEXES
            case "state":
                return isinstance(self._states[value], str)
            case "risk_tier":
                return value.lower() in _TIERS
            case "consent":
                return value.lower() in _CONSENTS
            case "ssn":
                return _SSN.fullmatch(value) is not None
            case "medicaid_id":
                return _NC_MEDICAID.fullmatch(value.upper()) is not None
            case "phone":
                return not isinstance(_phone(value), RowFault)
            case "pcp_npi":
                return len(value) == 10 and value.isdecimal()
            case "practice_id":
                return self._practices is not None and value in self._practices
            case "enrollee_id":
                return self._practices is None or value not in self._practices
            case "last_name" | "first_name" | "city" | "county":
                return any(map(str.isalpha, value)) and not any(map(str.isdecimal, value)) and len(value) > 1
        return False

    def _date_reader(self, column: str) -> Callable[[str], str | RowFault]:
        def read(text: str) -> str | RowFault:
            value = read_date(text)
            if not isinstance(value, date):
                return RowFault(column, *value) if value else ""
            if (column == "effective_to" and value.year >= _OPEN_END) or (
                column == "effective_from" and value.year <= _OPEN_START
            ):
                return ""
            too_far = value.year < self._today.year - _OLDEST or value.year >= _OPEN_END
            if too_far or (column == "birth_date" and value > self._today):
                reason = "is in the future" if value > self._today else f"is more than {_OLDEST} years ago"
                return RowFault(column, RowCode.DATE_OUT_OF_RANGE, reason)
            return value.isoformat()

        return read


def read_date(text: str) -> date | tuple[RowCode, str] | None:
    """A date as YYYY-MM-DD, YYYYMMDD or MM/DD/YYYY, what is wrong with it, or `None` for an empty cell."""
    if text.lower() in _EMPTY_DATES:
        return None
    found = _ISO.fullmatch(text) or _PACKED.fullmatch(text)
    year, month, day = map(int, found.groups()) if found else (0, 0, 0)
    if not found:
        found = _AMERICAN.fullmatch(text)
        if found:
            month, day, year = map(int, found.groups())
        elif _SHORT_YEAR.fullmatch(text):
            return RowCode.YEAR_TWO_DIGITS, "the year has two digits: write YYYY-MM-DD"
        elif _SERIAL.fullmatch(text):
            return RowCode.DATE_SERIAL, "is a plain number, as Excel keeps dates: format the column as YYYY-MM-DD"
        else:
            return RowCode.DATE_UNREADABLE, "is not a date: write YYYY-MM-DD or MM/DD/YYYY"
    if not 1 <= month <= 12:
        return RowCode.MONTH_IMPOSSIBLE, "there is no such month: day and month may be swapped; write YYYY-MM-DD"
    try:
        return date(year, month, day)
    except ValueError:
        return RowCode.DATE_IMPOSSIBLE, "there is no such day in that month"


class _Repaired(NamedTuple):
    value: str
    fault: RowFault


_BIRTH_AND_START_SWAPPED: Final = RowFault(
    "birth_date and effective_from",
    RowCode.COLUMNS_SWAPPED,
    "effective_from lies long before birth_date: the cells of the two look swapped",
)
_STARTS_BEFORE_BIRTH: Final = RowFault("effective_from", RowCode.STARTS_BEFORE_BIRTH, "lies before birth_date")
_STAND_IN: Final = {
    "risk_tier": RiskTier.UNKNOWN.value,
    "consent": Consent.NONE.value,
}


def _missing(raw: tuple[str, ...], found: Iterable[RowFault]) -> Iterator[RowFault]:
    row = PanelRow._make(raw)
    unread = {fault.column for fault in found}
    for column in REQUIRED:
        text = getattr(row, column)
        if column not in unread and (not text or (column == "birth_date" and text.lower() in _EMPTY_DATES)):
            yield RowFault(column, RowCode.MISSING, f"{column} is empty")
    if not (row.last_name or row.first_name):
        yield RowFault("last_name", RowCode.MISSING, "the name is empty")


def _scientific(raw: tuple[str, ...]) -> Iterator[RowFault]:
    row = PanelRow._make(raw)
    reason = "was turned into scientific notation, as Excel does; its digits are lost: export it as text"
    for column in (*_NUMBERS, "mrns"):
        if any(_SCIENTIFIC.fullmatch(part.strip()) for part in getattr(row, column).split(";")):
            yield RowFault(column, RowCode.SCIENTIFIC_NUMBER, reason)


def _fixed(result: str | RowFault | _Repaired, mild: list[RowFault]) -> str:
    if isinstance(result, str):
        return result
    if isinstance(result, _Repaired):
        mild.append(result.fault)
        return result.value
    mild.append(result)
    return ""


def _closed(text: str, column: str, known: Mapping[str, str], expected: str) -> str | RowFault:
    value = known.get(text.lower())
    return RowFault(column, RowCode.UNKNOWN_VALUE, f"expects {expected}") if value is None else value


def _consent(text: str) -> str | RowFault:
    parts = [part.strip().replace(" ", "_") for part in re.split("[;,|]", text)]
    read = [_closed(part, "consent", _CONSENTS, "none, part2, mental_health or all") for part in parts]
    faults = [value for value in read if isinstance(value, RowFault)]
    if faults:
        return faults[0]
    given = {str(value) for value in read} - {Consent.NONE.value}
    return given.pop() if len(given) == 1 else Consent.ALL.value if given else Consent.NONE.value


def _payer(text: str) -> str | RowFault:
    parts = sorted({"_".join(part.split()) for part in re.split("[;,|/&+]", text.lower())})
    return _closed("_".join(parts), "payer", _PAYERS, "medicare, medicaid, dual, commercial, other or unknown")


def _programs(text: str) -> str:
    return ";".join(filter(None, map(str.strip, re.split("[;,|]", text))))


def _state(text: str) -> str | RowFault:
    if text.upper() in _STATES:
        return text.upper()
    return _closed(text, "state", _STATE_NAMES, "the two letters of a state")


def _zip(text: str) -> str | RowFault:
    if not text or _ZIP.fullmatch(text):
        return text
    if text.isdecimal() and len(text) in (3, 4):
        return text.zfill(5)
    return RowFault("zip", RowCode.NOT_AN_IDENTIFIER, "expects five digits, or nine")


def _ssn(text: str) -> str | RowFault | _Repaired:
    if _SSN.fullmatch(text):
        return text.replace("-", "").replace(" ", "")
    if text.isdecimal() and len(text) in (7, 8):
        fault = RowFault("ssn", RowCode.ZEROS_RESTORED, "leading zeros were missing and have been put back")
        return _Repaired(text.zfill(9), fault)
    return RowFault("ssn", RowCode.NOT_AN_IDENTIFIER, "expects nine digits; left empty")


def _medicaid(text: str) -> str | RowFault:
    plain = text.upper().replace(" ", "").replace("-", "")
    if _MEDICAID.fullmatch(plain):
        return plain
    return RowFault("medicaid_id", RowCode.NOT_AN_IDENTIFIER, "expects a Medicaid number; left empty")


def _phone(text: str) -> str | RowFault:
    digits = _NOT_DIGITS.sub("", re.split("(?i)e?xt?", text)[0])
    digits = digits[1:] if len(digits) == 11 and digits[0] == "1" else digits
    if len(digits) == 10 and sum(map(str.isalpha, text)) <= 3:
        return digits
    return RowFault("phone", RowCode.NOT_AN_IDENTIFIER, "expects ten digits; left empty")


def _npi(_text: str) -> RowFault:
    return RowFault("pcp_npi", RowCode.NOT_AN_IDENTIFIER, "expects ten digits; left empty")


def _mrns(text: str) -> str | RowFault | _Repaired:
    parts = [part.strip() for part in text.split(";")] if " " in text else text.split(";")
    pairs = [part.rpartition(":") for part in parts if part]
    value = ";".join(
        f"{system.strip()}:{number.strip()}" if system else number for system, _, number in pairs if number
    )
    if all(system for system, _, _ in pairs):
        return value
    reason = "a record number without its facility: write facility:value"
    return _Repaired(value, RowFault("mrns", RowCode.MRN_WITHOUT_FACILITY, reason))


_PLACE: Final = {column: place for place, column in enumerate(PanelRow._fields)}
_CHECKED: Final = itemgetter(
    *map(
        _PLACE.__getitem__,
        ("enrollee_id", "practice_id", "last_name", "first_name", "birth_date", "effective_from", "effective_to"),
    )
)
_NUMBER_READERS: Final = (  # place in the row, which texts stay as they are, how the others read
    (_PLACE["ssn"], re.compile(r"\d{9}").fullmatch, _ssn),
    (_PLACE["medicaid_id"], _NC_MEDICAID.fullmatch, _medicaid),
    (_PLACE["phone"], re.compile(r"\d{10}").fullmatch, _phone),
    (_PLACE["pcp_npi"], re.compile(r"\d{10}").fullmatch, _npi),
    (_PLACE["mrns"], re.compile(r"[^\s:;]+:[^\s:;]+(?:;[^\s:;]+:[^\s:;]+)*").fullmatch, _mrns),
)


def _split_name(text: str) -> tuple[str, str, str]:
    """Last, first and middle name of `Last, First Middle` or `First Middle Last`."""
    if "," in text:
        last, _, rest = text.partition(",")
        first, _, middle = rest.strip().partition(" ")
        return last.strip(), first, middle.strip()
    words = text.split()
    return (words[-1] if words else "", words[0] if len(words) > 1 else "", " ".join(words[1:-1]))
