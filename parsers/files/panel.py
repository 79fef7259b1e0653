"""Panel files: CSV bytes in, a light row or a reject with line, column and reason out for each line."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date
from functools import partial
from operator import itemgetter
from typing import Final

from parsers.files.csv_lines import CONTROL, CONTROL_REASON, Lines, Records, read_header
from parsers.files.dates import EMPTY_DATES
from parsers.files.panel_cells import Cell, day_of, fixed, split_name
from parsers.files.panel_columns import ALIASES, COLUMNS, FULL_NAME, PANEL_HEADER, REQUIRED, PanelRow
from parsers.files.row_faults import FileFault, RowCode, RowFault, RowNote, RowReject, cell_count

NOTE_SAMPLES: Final = 1000  # notes kept word for word; all of them are counted
_ZIP_FILE: Final = "PK\x03\x04"  # how a workbook begins
_SCIENTIFIC: Final = re.compile(r"(?:.*:)?\d+(?:[.,]\d+)?E\+\d+", re.IGNORECASE)
_SEPARATOR: Final = re.compile(r"\"?sep=.\"?", re.IGNORECASE)  # a line for Excel only, before the header
_SWAPPED_YEARS: Final = 25  # a start before birth and so long ago is a birth date in the wrong column
_LONE_FROM_LINES: Final = 20
_LONE_SHARE: Final = 0.05  # of the lines; where more practices stand alone, that is how the panel is


class _Memo(dict[str, Cell]):
    """Remembers how a text of a column with few different texts was read."""

    def __init__(self, read: Callable[[str], Cell]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> Cell:
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
        self._days = {name: _Memo(partial(day_of, name, today)) for name, column in COLUMNS.items() if column.day}
        reading = {name: column.read for name, column in COLUMNS.items() if column.read and not column.plain}
        self._memos = tuple(  # place in the row, how its texts read
            (_PLACE[name], memo)
            for name, memo in (*self._days.items(), *((name, _Memo(read)) for name, read in reading.items()))
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
                yield RowReject(records.line, (RowFault("", RowCode.CONTROL_CHARACTER, CONTROL_REASON),), tuple(item))
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
        self.header, self.columns, self.extra, self.delimiter = read_header(text, ALIASES)
        fields = self.columns
        if not any(fields):
            self.faults.append(FileFault("", f"line {line} names no known column: is the header line missing?"))
            return False
        for column in REQUIRED:
            if column not in fields:
                known = ", ".join((column, *ALIASES[column][:3]))
                self.faults.append(FileFault(column, f"the column {column} is missing (known names: {known}, …)"))
        if not {"last_name", "first_name", FULL_NAME} & set(fields):
            self.faults.append(FileFault("last_name", "a name is missing: last_name and first_name, or full_name"))
        return not self.faults

    def _picker(self, width: int) -> Callable[[list[str]], tuple[str, ...]]:
        places = [self.columns.index(field) if field in self.columns else width for field in PanelRow._fields]
        plain = itemgetter(*places)
        if FULL_NAME not in self.columns:
            return plain
        whole = self.columns.index(FULL_NAME)

        def with_name_split(cells: list[str]) -> tuple[str, ...]:
            row = PanelRow._make(plain(cells))
            if row.last_name or row.first_name:
                return row
            last, first, middle = split_name(cells[whole])
            return row._replace(last_name=last, first_name=first, middle_name=row.middle_name or middle)

        return with_name_split

    def _check(self, line: int, raw: tuple[str, ...]) -> PanelRow | list[RowFault]:
        """The hot path: a good line passes through here and nothing else."""
        faults = list(_scientific(raw)) if self._suspect else []  # the line cannot be loaded
        mild: list[RowFault] = []  # the cell cannot be used
        cells = self._read_cells(raw, faults, mild)
        enrollee_id, practice_id, last_name, first_name, born, starts, ends = _CHECKED(cells)
        if not born or not enrollee_id or not practice_id or not (last_name or first_name):
            faults.extend(_missing(raw, faults))
        if enrollee_id in self._first_line:
            reason = f"the same enrollee_id stands in line {self._first_line[enrollee_id]}"
            faults.append(RowFault("enrollee_id", RowCode.DUPLICATE_ID, reason))
        if self._practices is not None and practice_id not in self._practices and practice_id:
            faults.append(RowFault("practice_id", RowCode.UNKNOWN_PRACTICE, "no such practice in the directory"))
        if starts and ends and ends < starts:
            faults.append(RowFault("effective_to", RowCode.DATES_REVERSED, "lies before effective_from"))
        if starts and starts < born:
            if starts < self._long_ago:
                faults.append(_BIRTH_AND_START_SWAPPED)
            else:
                mild.append(_STARTS_BEFORE_BIRTH)
        for place, plain, read in _NUMBER_READERS:
            text = cells[place]
            if text and not plain.fullmatch(text):
                cells[place] = fixed(read(text), mild)
        if (faults or mild) and (rejected := self._judge(line, raw, faults, mild)):
            return rejected
        self._first_line[enrollee_id] = line
        if self._practices is None:
            first, count = self._practice_lines.get(practice_id, (line, 0))
            self._practice_lines[practice_id] = (first, count + 1)
        return PanelRow._make(cells)

    def _read_cells(self, raw: tuple[str, ...], faults: list[RowFault], mild: list[RowFault]) -> list[str]:
        """The cells of `raw`, with those of columns of few different texts read; what is wrong joins the faults."""
        cells = list(raw)
        for place, memo in self._memos:
            value = memo[cells[place]]
            if isinstance(value, str):
                cells[place] = value
            else:
                column = COLUMNS[PANEL_HEADER[place]]
                cells[place] = fixed(value, faults if column.day else mild) or column.stand_in
        return cells

    def _judge(self, line: int, raw: tuple[str, ...], faults: list[RowFault], mild: list[RowFault]) -> list[RowFault]:
        """Why the line is rejected, cells in each other's place first; nothing where it is loaded, with notes."""
        swaps = self._swapped(raw, [*faults, *mild])
        if faults or swaps:
            named = {column for swap in swaps for column in swap.column.split(" and ")}
            return [*swaps, *(fault for fault in faults if fault.column not in named)]
        for fault in mild:
            self._note(line, fault)
        return []

    def _note(self, line: int, fault: RowFault) -> None:
        self.notes[fault.column, fault.code] += 1
        if len(self.note_samples) < NOTE_SAMPLES:
            self.note_samples.append(RowNote(line, *fault))

    def _swapped(self, raw: tuple[str, ...], faults: Iterable[RowFault]) -> list[RowFault]:
        """Pairs of columns whose cells fit each other's place and not their own."""
        row = PanelRow._make(raw)._asdict()
        swaps: dict[frozenset[str], RowFault] = {}
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
                    swaps.setdefault(frozenset(both), RowFault(" and ".join(both), RowCode.COLUMNS_SWAPPED, reason))
                    break
        return list(swaps.values())

    def _fits(self, column: str, value: str) -> bool:
        if column in self._days:
            return bool(self._days[column][value]) and isinstance(self._days[column][value], str)
        if column == "practice_id":
            return self._practices is not None and value in self._practices
        if column == "enrollee_id":
            return self._practices is None or value not in self._practices
        fits = COLUMNS[column].fits
        return fits is not None and fits(value)


_BIRTH_AND_START_SWAPPED: Final = RowFault(
    "birth_date and effective_from",
    RowCode.COLUMNS_SWAPPED,
    "effective_from lies long before birth_date: the cells of the two look swapped",
)
_STARTS_BEFORE_BIRTH: Final = RowFault("effective_from", RowCode.STARTS_BEFORE_BIRTH, "lies before birth_date")


def _scientific(raw: tuple[str, ...]) -> Iterator[RowFault]:
    reason = "was turned into scientific notation, as Excel does; its digits are lost: export it as text"
    for (name, column), text in zip(COLUMNS.items(), raw, strict=True):
        if column.number and any(_SCIENTIFIC.fullmatch(part.strip()) for part in text.split(";")):
            yield RowFault(name, RowCode.SCIENTIFIC_NUMBER, reason)


def _missing(raw: tuple[str, ...], faults: Iterable[RowFault]) -> Iterator[RowFault]:
    row = PanelRow._make(raw)
    unread = {fault.column for fault in faults}
    for column in REQUIRED:
        text = getattr(row, column)
        if column not in unread and (not text or (column == "birth_date" and text.lower() in EMPTY_DATES)):
            yield RowFault(column, RowCode.MISSING, f"{column} is empty")
    if not (row.last_name or row.first_name):
        yield RowFault("last_name", RowCode.MISSING, "the name is empty")


_PLACE: Final = {column: place for place, column in enumerate(PANEL_HEADER)}
_CHECKED: Final = itemgetter(
    *map(
        _PLACE.__getitem__,
        ("enrollee_id", "practice_id", "last_name", "first_name", "birth_date", "effective_from", "effective_to"),
    )
)
_NUMBER_READERS: Final = tuple(  # place in the row, which texts stay as they are, how the others read
    (_PLACE[name], column.plain, column.read) for name, column in COLUMNS.items() if column.plain and column.read
)
