"""A date as people write it in a file in; the date, nothing, or why it is none out."""

import re
from datetime import date
from typing import Final

from parsers.files.row_faults import RowCode

EMPTY_DATES: Final = frozenset({"", "null", "none", "n/a", "na", "0000-00-00", "00/00/0000", "00000000"})
_ISO: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?")
_PACKED: Final = re.compile(r"(\d{4})(\d\d)(\d\d)")
_AMERICAN: Final = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?: .*)?")
_SHORT_YEAR: Final = re.compile(r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2}")
_SERIAL: Final = re.compile(r"\d{4,5}(?:\.\d+)?")


def read_date(text: str) -> date | tuple[RowCode, str] | None:
    """A date as YYYY-MM-DD, YYYYMMDD or MM/DD/YYYY, what is wrong with it, or `None` for an empty cell."""
    if text.lower() in EMPTY_DATES:
        return None
    match = _ISO.fullmatch(text) or _PACKED.fullmatch(text)
    year, month, day = map(int, match.groups()) if match else (0, 0, 0)
    if not match:
        match = _AMERICAN.fullmatch(text)
        if match:
            month, day, year = map(int, match.groups())
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
