"""Panel files: each fault named with its line and column, good lines loaded, and nothing lost on the way back."""

import csv
import io
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.files import panel_columns
from parsers.files.dates import read_date
from parsers.files.panel import NOTE_SAMPLES, PanelReader
from parsers.files.panel_columns import PANEL_HEADER, STORED, PanelRow, enrollee_of, line_of, split_mrns
from parsers.files.row_faults import REJECT_COLUMNS, RowCode, RowReject, rejected_row
from parsers.people import Consent, Payer, RiskTier

TODAY = date(2026, 11, 22)
COLUMNS = (
    "enrollee_id medicaid_id ssn last_name first_name middle_name suffix birth_date sex address city state zip county "
    "phone mother_enrollee_id mrns practice_id pcp_npi risk_tier programs consent effective_from effective_to"
).split()
GOOD = {
    "enrollee_id": "E1",
    "medicaid_id": "900000001K",
    "ssn": "237112345",
    "last_name": "Whitfield",
    "first_name": "Rosa",
    "birth_date": "1955-03-04",
    "sex": "F",
    "address": "1 Oak St",
    "city": "Asheville",
    "state": "NC",
    "zip": "28801",
    "county": "Buncombe",
    "phone": "8285551212",
    "mrns": "MISSION:123;DUKE:9",
    "practice_id": "P1",
    "pcp_npi": "1234567893",
    "risk_tier": "high",
    "programs": "asthma;diabetes",
    "consent": "none",
    "effective_from": "2024-01-01",
}


def line(**changes: str) -> dict[str, str]:
    return {**GOOD, **changes}


def text(*rows: dict[str, str], columns: list[str] = COLUMNS, delimiter: str = ",") -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, delimiter=delimiter, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def read(
    data: bytes | str, *, size: int = 64, practices: set[str] | None = frozenset({"P1", "P2"})
) -> tuple[list[PanelRow], list[RowReject], PanelReader]:
    data = data.encode() if isinstance(data, str) else data
    reader = PanelReader(TODAY, practices)
    items = list(reader.read(data[at : at + size] for at in range(0, len(data), size)))
    return (
        [item for item in items if isinstance(item, PanelRow)],
        [item for item in items if isinstance(item, RowReject)],
        reader,
    )


def test_a_good_line_is_read_whole() -> None:
    rows, rejects, reader = read(text(GOOD))
    assert not rejects
    assert not reader.notes
    enrollee = enrollee_of(rows[0])
    assert enrollee.enrollee_id == "E1"
    assert enrollee.birth_date == date(1955, 3, 4)
    assert enrollee.risk_tier is RiskTier.HIGH
    assert enrollee.consent is Consent.NONE
    assert enrollee.programs == ("asthma", "diabetes")
    assert [(number.system, number.value) for number in enrollee.mrns] == [("MISSION", "123"), ("DUKE", "9")]
    assert enrollee.effective_from == date(2024, 1, 1)
    assert enrollee.effective_to is None
    assert enrollee.address.county == "Buncombe"


def test_the_four_required_columns_are_enough() -> None:
    rows, rejects, _ = read(b"enrollee_id,last_name,birth_date,practice_id\nE1,Whitfield,1955-03-04,P1\n")
    assert not rejects
    assert rows[0].medicaid_id == ""
    assert rows[0].risk_tier == "unknown"
    assert rows[0].consent == "none"


REJECTED = {
    "thirteenth month": (line(birth_date="1955-13-04"), "birth_date", RowCode.MONTH_IMPOSSIBLE),
    "thirteenth month, American": (line(birth_date="13/04/1955"), "birth_date", RowCode.MONTH_IMPOSSIBLE),
    "thirtieth of February": (line(birth_date="1955-02-30"), "birth_date", RowCode.DATE_IMPOSSIBLE),
    "two-digit year": (line(birth_date="3/4/55"), "birth_date", RowCode.YEAR_TWO_DIGITS),
    "Excel serial date": (line(birth_date="20152"), "birth_date", RowCode.DATE_SERIAL),
    "words for a date": (line(birth_date="unknown"), "birth_date", RowCode.DATE_UNREADABLE),
    "born tomorrow": (line(birth_date="2026-11-23"), "birth_date", RowCode.DATE_OUT_OF_RANGE),
    "born in 1850": (line(birth_date="1850-01-01"), "birth_date", RowCode.DATE_OUT_OF_RANGE),
    "no birth date": (line(birth_date=""), "birth_date", RowCode.MISSING),
    "null birth date": (line(birth_date="NULL"), "birth_date", RowCode.MISSING),
    "no id": (line(enrollee_id=""), "enrollee_id", RowCode.MISSING),
    "no practice": (line(practice_id=""), "practice_id", RowCode.MISSING),
    "no name": (line(last_name="", first_name=""), "last_name", RowCode.MISSING),
    "unknown practice": (line(practice_id="P9"), "practice_id", RowCode.UNKNOWN_PRACTICE),
    "scientific Medicaid id": (line(medicaid_id="9.45E+11"), "medicaid_id", RowCode.SCIENTIFIC_NUMBER),
    "scientific id, small e": (line(enrollee_id="1e+05"), "enrollee_id", RowCode.SCIENTIFIC_NUMBER),
    "scientific MRN": (line(mrns="MISSION:1.2E+07;DUKE:9"), "mrns", RowCode.SCIENTIFIC_NUMBER),
    "ends before it starts": (line(effective_to="2023-12-31"), "effective_to", RowCode.DATES_REVERSED),
    "unreadable start": (line(effective_from="soon"), "effective_from", RowCode.DATE_UNREADABLE),
    "birth date and ZIP swapped": (
        line(birth_date="28801", zip="1955-03-04"), "birth_date and zip", RowCode.COLUMNS_SWAPPED,
    ),
    "sex and state swapped": (line(sex="NC", state="F"), "sex and state", RowCode.COLUMNS_SWAPPED),
    "city and ZIP swapped": (line(city="28801", zip="Asheville"), "zip and city", RowCode.COLUMNS_SWAPPED),
    "SSN and phone swapped": (line(ssn="8285551212", phone="237112345"), "ssn and phone", RowCode.COLUMNS_SWAPPED),
    "SSN and Medicaid id swapped": (
        line(ssn="900000001K", medicaid_id="237112345"), "ssn and medicaid_id", RowCode.COLUMNS_SWAPPED,
    ),
    "id and practice swapped": (
        line(enrollee_id="P1", practice_id="E1"), "practice_id and enrollee_id", RowCode.COLUMNS_SWAPPED,
    ),
    "name and birth date swapped": (
        line(last_name="1955-03-04", birth_date="Whitfield"), "birth_date and last_name", RowCode.COLUMNS_SWAPPED,
    ),
    "birth and start swapped": (
        line(birth_date="2024-01-01", effective_from="1955-03-04"),
        "birth_date and effective_from", RowCode.COLUMNS_SWAPPED,
    ),
    "control character": (line(last_name="Whit\x00field"), "", RowCode.CONTROL_CHARACTER),
}  # fmt: skip


@pytest.mark.parametrize("name", REJECTED)
def test_a_faulty_line_is_named_and_its_neighbors_load(name: str) -> None:
    row, column, code = REJECTED[name]
    rows, rejects, _ = read(text(line(enrollee_id="A"), row, line(enrollee_id="Z")))
    assert [good.enrollee_id for good in rows] == ["A", "Z"]
    [reject] = rejects
    assert (reject.line, reject.column, reject.code) == (3, column, code)
    for value in filter(None, row.values()):
        if len(value) > 2:
            assert value not in reject.reason, "a reason never repeats the value"
    assert "Whitfield" not in repr(reject)


def test_a_line_says_all_that_is_wrong_with_it() -> None:
    _, [reject], _ = read(text(line(birth_date="1955-13-01", practice_id="P9", enrollee_id="")))
    assert [fault.column for fault in reject.faults] == ["birth_date", "enrollee_id", "practice_id"]


def test_a_second_line_of_an_enrollee_names_the_first() -> None:
    rows, [reject], _ = read(text(GOOD, line(first_name="Other")))
    assert len(rows) == 1
    assert (reject.line, reject.code) == (3, RowCode.DUPLICATE_ID)
    assert "line 2" in reject.reason


def test_without_a_directory_practices_are_not_checked() -> None:
    rows, rejects, _ = read(text(line(practice_id="P9")), practices=None)
    assert len(rows) == 1
    assert not rejects


REPAIRED = {
    "SSN with dashes": (line(ssn="237-11-2345"), "ssn", "237112345", None),
    "SSN that lost its zero": (line(ssn="1234567"), "ssn", "001234567", RowCode.ZEROS_RESTORED),
    "SSN of words": (line(ssn="none"), "ssn", "", RowCode.NOT_AN_IDENTIFIER),
    "Medicaid id with dashes": (line(medicaid_id="900-000-001 k"), "medicaid_id", "900000001K", None),
    "Medicaid id of words": (line(medicaid_id="pending"), "medicaid_id", "", RowCode.NOT_AN_IDENTIFIER),
    "phone with country code": (line(phone="+1 (828) 555-1212"), "phone", "8285551212", None),
    "phone with extension": (line(phone="828-555-1212 ext 4"), "phone", "8285551212", None),
    "phone of words": (line(phone="no phone"), "phone", "", RowCode.NOT_AN_IDENTIFIER),
    "ZIP that lost its zero": (line(zip="2134"), "zip", "02134", None),
    "ZIP with four more": (line(zip="28801-1234"), "zip", "28801-1234", None),
    "ZIP of words": (line(zip="none"), "zip", "", RowCode.NOT_AN_IDENTIFIER),
    "NPI of words": (line(pcp_npi="Dr Lee"), "pcp_npi", "", RowCode.NOT_AN_IDENTIFIER),
    "sex in words": (line(sex="Female"), "sex", "F", None),
    "sex nobody knows": (line(sex="Q"), "sex", "", RowCode.UNKNOWN_VALUE),
    "state in words": (line(state="North Carolina"), "state", "NC", None),
    "state nobody knows": (line(state="Carolina"), "state", "", RowCode.UNKNOWN_VALUE),
    "tier in other words": (line(risk_tier="Medium"), "risk_tier", "rising", None),
    "tier nobody knows": (line(risk_tier="7"), "risk_tier", "unknown", RowCode.UNKNOWN_VALUE),
    "two consents": (line(consent="part2;mental_health"), "consent", "all", None),
    "consent nobody knows withholds": (line(consent="maybe"), "consent", "none", RowCode.UNKNOWN_VALUE),
    "MRN without facility": (line(mrns="12345"), "mrns", "12345", RowCode.MRN_WITHOUT_FACILITY),
    "MRN with spaces": (line(mrns=" MISSION: 12 ; "), "mrns", "MISSION:12", None),
    "end in 9999": (line(effective_to="12/31/9999"), "effective_to", "", None),
    "start in 1900": (line(effective_from="1900-01-01"), "effective_from", "", None),
    "start before birth": (line(birth_date="2025-01-01"), "effective_from", "2024-01-01", RowCode.STARTS_BEFORE_BIRTH),
    "American date": (line(birth_date="3/4/1955"), "birth_date", "1955-03-04", None),
    "packed date": (line(birth_date="19550304"), "birth_date", "1955-03-04", None),
    "date with time": (line(birth_date="1955-03-04 00:00:00"), "birth_date", "1955-03-04", None),
    "programs with commas": (line(programs="asthma, diabetes |copd"), "programs", "asthma;diabetes;copd", None),
}


@pytest.mark.parametrize("name", REPAIRED)
def test_a_cell_is_read_or_left_empty_with_a_note(name: str) -> None:
    row, column, value, code = REPAIRED[name]
    rows, rejects, reader = read(text(row))
    assert not rejects
    assert getattr(rows[0], column) == value
    assert dict(reader.notes) == ({(column, code): 1} if code else {})


def test_notes_are_counted_beyond_the_samples() -> None:
    many = NOTE_SAMPLES + 5
    _, _, reader = read(text(*(line(enrollee_id=f"E{number}", sex="Q") for number in range(many))), size=1 << 20)
    assert reader.notes["sex", RowCode.UNKNOWN_VALUE] == many
    assert len(reader.note_samples) == NOTE_SAMPLES


def test_latin_1_bytes_are_read_and_named() -> None:
    data = text(line(last_name="Núñez")).encode("cp1252") + b"E2,,,O\x92Hara,,,,1955-03-04,,,,,,,,,,P1,,,,,,\n"
    rows, rejects, reader = read(data, size=50)
    assert not rejects
    assert [row.last_name for row in rows] == ["Núñez", "O’Hara"]
    assert [(note.line, note.code) for note in reader.note_samples] == [
        (2, RowCode.ENCODING_ASSUMED),
        (3, RowCode.ENCODING_ASSUMED),
    ]


def test_bytes_that_windows_1252_lacks_are_read_as_latin_1() -> None:
    rows, _, _ = read(text(line(last_name="A\x8ddam")).encode("latin-1").replace(b"\x8d", b"\x8d\xe9"))
    assert rows[0].last_name == "A\x8dédam"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_a_byte_order_mark_is_no_part_of_the_first_name(encoding: str) -> None:
    data = text(GOOD).encode(encoding)
    data = b"\xfe\xff" + data if encoding == "utf-16-be" else data
    rows, rejects, reader = read(data, size=11)
    assert not rejects
    assert len(rows) == 1
    assert not reader.extra
    assert dict(reader.notes) == {("", RowCode.BYTE_ORDER_MARK): 1}
    assert reader.note_samples[0].line == 1


def test_without_a_directory_a_lone_practice_is_noted() -> None:
    many = [line(enrollee_id=f"E{number}", practice_id="P1" if number % 2 else "P2") for number in range(40)]
    _, _, reader = read(text(*many, line(enrollee_id="X", practice_id="PX")), practices=None)
    assert [(note.line, note.code) for note in reader.note_samples] == [(42, RowCode.LONE_PRACTICE)]
    alone = [line(enrollee_id=f"E{number}", practice_id=f"P{number}") for number in range(40)]
    assert not read(text(*alone), practices=None)[2].notes
    assert not read(text(*many[:1]), practices=None)[2].notes


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_any_usual_delimiter_and_line_end(delimiter: str, ends: str) -> None:
    row = line(mrns="", programs="")
    rows, rejects, _ = read(text(row, line(**{**row, "enrollee_id": "E2"}), delimiter=delimiter).replace("\n", ends))
    assert not rejects
    assert [each.enrollee_id for each in rows] == ["E1", "E2"]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;"])
def test_a_line_that_tells_excel_the_separator_is_no_header(first: str) -> None:
    rows, rejects, _ = read(f"{first}\nenrollee_id;name;dob;practice_id\nE1;A B;1/2/1955;P1\nE2;A B;x;P1\n")
    assert [row.enrollee_id for row in rows] == ["E1"]
    assert [reject.line for reject in rejects] == [4]


def test_other_header_names_and_extra_columns() -> None:
    rows, _, reader = read('Member ID,D.O.B.,Name,Medical Home,Shoe size,SSN,ssn\nE1,1/2/1955,"Cole, Ann B",P1,9,,\n')
    assert rows[0][:8] == ("E1", "", "", "Cole", "Ann", "B", "", "1955-01-02")
    assert reader.extra == ("Shoe size", "ssn")
    rows, _, _ = read(
        "enrollee_id,dob,name,first_name,practice\nE1,1/2/1955,Ann Bea Cole,,P1\nE2,1/2/1955,X Y,Zed,P1\n"
    )
    assert rows[0][3:6] == ("Cole", "Ann", "Bea")
    assert rows[1][3:5] == ("", "Zed")


HEADERS = {
    "empty file": ("", "empty"),
    "blank file": ("\n\n", "empty"),
    "no header line": ("E1,Rosa\n", "header line"),
    "no birth date": ("enrollee_id,last_name,practice_id\n", "birth_date"),
    "no name": ("enrollee_id,dob,practice_id\n", "name"),
    "broken quotes": ('"enrollee_id,last_name\n', "birth_date"),
    "a header only": ("enrollee_id,last_name,dob,practice_id\n", "no line after"),
    "a header and blank lines": ("enrollee_id,last_name,dob,practice_id\n\n,,,\n", "no line after"),
    "a workbook": ("PK\x03\x04\x14\0\n\1\2\n", "no plain text"),
    "UTF-16 without its mark": ("e\0n\0r\0o\0l\0l\0e\0e\0_\0i\0d\0,\0d\0o\0b\0\n\0", "no plain text"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_file_that_cannot_be_read_says_why(name: str) -> None:
    data, word = HEADERS[name]
    rows, rejects, reader = read(data)
    assert not rows
    assert not rejects
    assert any(word in fault.reason for fault in reader.faults)


def test_broken_quotes_cost_their_own_line_only() -> None:
    lines = text(*(line(enrollee_id=f"E{number}") for number in range(2, 12))).splitlines()
    lines[3] = lines[3].replace("Whitfield", '"Whitfield')
    lines[6] = lines[6].replace("Whitfield", '"Whitfield')
    lines[7] = lines[7].replace("Whitfield", '"Whit"field')
    rows, rejects, _ = read("\n".join(lines))
    assert [(reject.line, reject.code) for reject in rejects] == [
        (number, RowCode.QUOTES_BROKEN) for number in (4, 7, 8)
    ]
    assert len(rows) == 7


def test_two_neighboring_broken_quotes_swallow_nothing() -> None:
    lines = text(*(line(enrollee_id=f"E{number}") for number in range(5))).splitlines()
    lines[2] = lines[2].replace("Whitfield", '"Whitfield')
    lines[3] = lines[3].replace("Whitfield", '"Whitfield')
    rows, rejects, _ = read("\n".join(lines))
    assert [reject.line for reject in rejects] == [3, 4]
    assert [row.enrollee_id for row in rows] == ["E0", "E3", "E4"]


def test_a_quoted_cell_may_span_lines_and_a_quote_may_stand_in_a_cell() -> None:
    data = text(line(address="1 Oak St\nApt 4"), line(enrollee_id="E2"), line(enrollee_id="E3"))
    data = data.replace("E2,", "E2,", 1).replace(
        "E3,900000001K,237112345,Whitfield", 'E3,900000001K,237112345,Whit"field'
    )
    rows, rejects, _ = read(data)
    assert not rejects
    assert [row.address for row in rows] == ["1 Oak St Apt 4", "1 Oak St", "1 Oak St"]
    assert rows[2].last_name == 'Whit"field'


def test_lines_after_a_cell_that_spans_lines_keep_their_numbers() -> None:
    data = text(line(address="1 Oak St\nApt 4"), line(enrollee_id="E2", birth_date="x"))
    _, [reject], _ = read(data)
    assert reject.line == 4


def test_too_few_and_too_many_cells() -> None:
    rows, rejects, _ = read(
        "enrollee_id,name,dob,practice_id\nE1,A B\nE2,A B,1/2/1955,P1,,\nE3,A B,1/2/1955,P1,x\n,,,\n\n"
    )
    assert [row.enrollee_id for row in rows] == ["E2"]
    assert [(reject.line, reject.code) for reject in rejects] == [(2, RowCode.CELL_COUNT), (4, RowCode.CELL_COUNT)]


def test_a_reject_can_be_corrected_and_loaded_again() -> None:
    _, [reject], reader = read(text(line(birth_date="1955-13-04", last_name="Oak, Jr")))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*reader.header, *REJECT_COLUMNS])
    writer.writerow(rejected_row(reader.header, reject))
    corrected = out.getvalue().replace("1955-13-04", "1955-12-04")
    rows, rejects, again = read(corrected)
    assert not rejects
    assert not again.extra
    assert rows[0].last_name == "Oak, Jr"
    assert reader.named(reject) == "E1"
    assert not reader.has("E1")
    assert again.has("E1")


def test_a_reject_of_another_width_keeps_all_cells() -> None:
    reject = read("enrollee_id,name,dob,practice_id\nE3,A B,1/2/1955,P1,x,y\n")[1][0]
    assert rejected_row(("a", "b", "c", "d"), reject)[:4] == ("E3", "A B", "1/2/1955", "P1 x y")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1955-3-4", date(1955, 3, 4)), ("3-4-1955", date(1955, 3, 4)), ("", None), ("0000-00-00", None)],
)
def test_dates(value: str, expected: date | None) -> None:
    assert read_date(value) == expected


def test_split_mrns_takes_the_last_colon() -> None:
    assert split_mrns("urn:oid:2.16:77;9") == (("urn:oid:2.16", "77"), ("", "9"))
    assert split_mrns("") == ()


def test_a_row_shows_nothing_of_its_person() -> None:
    rows, _, _ = read(text(GOOD))
    assert repr(rows[0]) == str(rows[0]) == "<PanelRow>"


@given(st.binary(max_size=400), st.integers(1, 64))
def test_no_bytes_whatever_make_it_raise(tail: bytes, size: int) -> None:
    read(text(GOOD).encode() + tail, size=size)


@given(st.lists(st.tuples(*[st.text("aB1 ,\"'é;", max_size=6)] * 3), max_size=6), st.integers(1, 40))
def test_what_csv_writes_comes_back_or_is_rejected_line_by_line(cells: list[tuple[str, ...]], size: int) -> None:
    rows = [line(enrollee_id=f"E{at}", last_name=f"X{a}", address=b, city=c) for at, (a, b, c) in enumerate(cells)]
    good, rejects, _ = read(text(*rows), size=size)
    assert not rejects
    assert [row.last_name for row in good] == [row["last_name"].strip() for row in rows]
    assert [row.address for row in good] == [row["address"].strip() for row in rows]


@given(st.integers(1, 200))
def test_any_chunking_gives_the_same_rows(size: int) -> None:
    data = text(GOOD, line(enrollee_id="E2", birth_date="x"), line(enrollee_id="E3", last_name="Nú")).encode("cp1252")
    whole, chunked = read(data, size=10_000), read(data, size=size)
    assert whole[:2] == chunked[:2]


@pytest.mark.parametrize(
    ("column", "said", "payer"),
    [
        ("payer", "Medicare", Payer.MEDICARE),
        ("line_of_business", "Medicare Advantage", Payer.MEDICARE),
        ("payor", "MEDICAID", Payer.MEDICAID),
        ("payer", "Medicare; Medicaid", Payer.DUAL),
        ("payer", "Medicaid/Medicare", Payer.DUAL),
        ("payer", "dual", Payer.DUAL),
        ("lob", "Commercial", Payer.COMMERCIAL),
        ("payer", "", Payer.UNKNOWN),
        ("payer", "unknown", Payer.UNKNOWN),
    ],
)
def test_a_payer_says_which_measures_apply(column: str, said: str, payer: Payer) -> None:
    rows, rejects, reader = read(text(line(**{column: said}), columns=[*COLUMNS, column]))
    assert (rejects, reader.notes, reader.extra) == ([], {}, ())
    assert enrollee_of(rows[0]).payer is payer


def test_a_payer_nobody_knows_is_left_open_and_noted() -> None:
    rows, rejects, reader = read(text(line(payer="Acme Gold"), columns=[*COLUMNS, "payer"]))
    assert (rejects, enrollee_of(rows[0]).payer) == ([], Payer.UNKNOWN)
    assert reader.notes == {("payer", RowCode.UNKNOWN_VALUE): 1}


def test_a_panel_without_a_payer_column_is_as_before() -> None:
    rows, _, _ = read(text(line()))
    assert enrollee_of(rows[0]).payer is Payer.UNKNOWN


def test_a_column_is_declared_once_and_goes_both_ways():
    everything = PanelRow(
        *("E1", "900000001K", "123456789", "Mora", "Rosa", "Ana", "JR", "1954-03-07", "F", "1 Elm", "Boone", "NC"),
        *("28607", "Watauga", "8285550100", "E0", "NORTH:1;SOUTH:2", "P1", "1234567893", "high", "asthma;diabetes"),
        *("part2", "2020-01-01", "2030-12-31", "es", "dual"),
    )
    assert line_of(enrollee_of(everything)) == everything
    little = PanelRow._make("" for _ in PANEL_HEADER)._replace(
        enrollee_id="E1", birth_date="1954-03-07", practice_id="P1", risk_tier="unknown", consent="none"
    )
    assert line_of(enrollee_of(little)) == little
    assert all(value != "" for value in everything), "a column is not tried"
    assert tuple(panel_columns.COLUMNS) == PANEL_HEADER == PanelRow._fields
    assert len({*STORED}) == len(STORED)
    assert all(column.meaning for column in panel_columns.COLUMNS.values())
