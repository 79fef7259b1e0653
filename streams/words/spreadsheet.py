"""Rows in, the lines of a CSV file (RFC 4180) out, in which no spreadsheet takes a cell for a formula."""

import csv
import io
from collections.abc import Iterable
from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")  # wide ones, too


def csv_of(rows: Iterable[Iterable[str]]) -> str:
    """CRLF ends each line; a cell that begins as a formula does is defused with an apostrophe."""
    text = io.StringIO()
    csv.writer(text).writerows([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in row] for row in rows)
    return text.getvalue()
