"""What can be wrong with a line or a file, as values: codes, places and reasons, and the line to be corrected."""

from enum import StrEnum
from typing import Final, NamedTuple


class RowCode(StrEnum):
    """Why a line or a cell of a file is not as expected."""

    # the line is not loaded
    CELL_COUNT = "cell_count"
    QUOTES_BROKEN = "quotes_broken"
    CONTROL_CHARACTER = "control_character"
    MISSING = "missing"
    DUPLICATE_ID = "duplicate_id"
    UNKNOWN_PRACTICE = "unknown_practice"
    COLUMNS_SWAPPED = "columns_swapped"
    SCIENTIFIC_NUMBER = "scientific_number"
    DATE_UNREADABLE = "date_unreadable"
    DATE_IMPOSSIBLE = "date_impossible"
    MONTH_IMPOSSIBLE = "month_impossible"
    YEAR_TWO_DIGITS = "year_two_digits"
    DATE_SERIAL = "date_serial"
    DATE_OUT_OF_RANGE = "date_out_of_range"
    DATES_REVERSED = "dates_reversed"
    # the line is loaded, the cell is repaired or left empty
    BYTE_ORDER_MARK = "byte_order_mark"
    ENCODING_ASSUMED = "encoding_assumed"
    ZEROS_RESTORED = "zeros_restored"
    NOT_AN_IDENTIFIER = "not_an_identifier"
    UNKNOWN_VALUE = "unknown_value"
    LONE_PRACTICE = "lone_practice"
    STARTS_BEFORE_BIRTH = "starts_before_birth"
    MRN_WITHOUT_FACILITY = "mrn_without_facility"


class RowFault(NamedTuple):
    """What is wrong with one cell, in a sentence that does not repeat it."""

    column: str  # as named here; "" for the whole line
    code: RowCode
    reason: str


class RowReject(NamedTuple):
    """A line that is not loaded, as it stood, and everything that is wrong with it."""

    line: int  # physical line of the file where it starts; the header is line 1
    faults: tuple[RowFault, ...]  # never empty, the gravest first
    cells: tuple[str, ...]  # PHI: for the reject file only

    def __repr__(self) -> str:
        return f"<RowReject line {self.line}>"

    @property
    def column(self) -> str:
        return self.faults[0].column

    @property
    def code(self) -> RowCode:
        return self.faults[0].code

    @property
    def reason(self) -> str:
        return self.faults[0].reason


class RowNote(NamedTuple):
    """A line that is loaded although a cell had to be repaired or left empty."""

    line: int
    column: str
    code: RowCode
    reason: str


class FileFault(NamedTuple):
    """Why nothing of a file can be read."""

    column: str
    reason: str


REJECT_COLUMNS: Final = ("reject_line", "reject_column", "reject_reason")


def rejected_row(header: tuple[str, ...], reject: RowReject) -> tuple[str, ...]:
    """A reject as a line of a reject file: its cells as they stood, then `REJECT_COLUMNS`.

    Cells beyond the header's width are joined into the last one, so that nothing is lost.
    """
    width = len(header)
    cells = [*reject.cells, *[""] * (width - len(reject.cells))]
    if len(cells) > width:
        cells[width - 1 :] = [" ".join(filter(None, cells[width - 1 :]))]
    columns = "; ".join(dict.fromkeys(fault.column for fault in reject.faults if fault.column))
    return (*cells, str(reject.line), columns, "; ".join(dict.fromkeys(fault.reason for fault in reject.faults)))


def cell_count(cells: int, width: int) -> RowFault:
    return RowFault("", RowCode.CELL_COUNT, f"the line has {cells} cells where the header has {width}")
