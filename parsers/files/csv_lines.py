"""CSV bytes in, the cells of one record at a time out, each with its line; what is broken costs its own line only."""

import codecs
import csv
import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from parsers.files.row_faults import REJECT_COLUMNS, RowCode, RowFault, RowReject

CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
CONTROL_REASON: Final = "holds control characters: export the file again as plain CSV"
_JOIN_LINES: Final = 10  # most physical lines one quoted cell may span


class Header(NamedTuple):
    """A header line: its cells as they stand, the column each one means ("" for none), and the cells that mean none."""

    cells: tuple[str, ...]
    columns: tuple[str, ...]
    extra: tuple[str, ...]
    delimiter: str


def read_header(text: str, known: Mapping[str, Collection[str]]) -> Header:
    """The columns of a header line by their names or other names, in any case and with any punctuation."""
    delimiter = max(",;\t|", key=text.count)
    try:
        cells = tuple(cell.strip() for cell in next(csv.reader([text], delimiter=delimiter, strict=True)))
    except csv.Error:
        cells = tuple(cell.strip(' "') for cell in text.split(delimiter))
    meant = {_plain(name): column for column, names in known.items() for name in (*names, column)}
    columns: list[str] = []
    extra: list[str] = []
    for cell in cells:
        column = meant.get(_plain(cell), "")
        if column and column not in columns:
            columns.append(column)
            continue
        columns.append("")
        if cell and cell not in REJECT_COLUMNS:
            extra.append(cell)
    return Header(cells, tuple(columns), tuple(extra), delimiter)


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


class Lines:
    """Bytes in, text lines without their ends out; `line` is the number of the line last given."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.line = 0
        self.assumed = False  # the line last given was not UTF-8
        self.marked = False  # a byte order mark has been skipped
        self.scientific = False
        self.control = False

    def __iter__(self) -> Iterator[str]:
        for block, ends in self._blocks():
            try:
                text, self.assumed = block.decode("utf-8"), False
                lines = text.split(ends)
            except UnicodeDecodeError:
                lines, text = [], ""
            if lines:
                self._look(text)
                if "\ufeff" in text:
                    self.marked = True
                    lines = text.replace("\ufeff", "").split(ends)
                for line in lines:
                    self.line += 1
                    yield line
                continue
            for raw in block.split(ends.encode()):
                try:
                    line, self.assumed = raw.decode("utf-8"), False
                except UnicodeDecodeError:
                    line, self.assumed = raw.decode("cp1252", errors="replace"), True
                    if "\ufffd" in line:
                        line = raw.decode("latin-1")
                self._look(line)
                self.line += 1
                self.marked = self.marked or "\ufeff" in line
                yield line.replace("\ufeff", "")

    def _look(self, text: str) -> None:
        self.scientific = "E+" in text or "e+" in text
        self.control = CONTROL.search(text) is not None

    def _blocks(self) -> Iterator[tuple[bytes, str]]:
        """Whole lines, many at a time, all ending alike."""
        kept = b""
        ends = ""
        for chunk in _utf8(self._chunks):
            block = kept + chunk
            if not ends and (b"\n" in block or b"\r" in block):
                ends = "\n" if b"\n" in block else "\r"
            cut = block.rfind(ends.encode()) if ends else -1
            if cut < 0:
                kept = block
                continue
            kept = block[cut + 1 :]
            yield _without_cr(block[:cut], ends), ends
        if kept:
            yield _without_cr(kept, ends), ends or "\n"


class Records:
    """Lines in, the cells of one record at a time out; a line whose quotes are broken costs that line only.

    A quoted cell may span lines. A quote that is never closed would swallow every line after it: lines are joined
    only when the outcome has the header's width and no cell of it holds as much as a line.
    """

    def __init__(self, lines: Lines, source: Iterator[str], width: int, delimiter: str) -> None:
        self.line = 0  # where the record last given starts
        self.note: RowFault | None = None
        self.joined = False
        self._lines = lines
        self._source = source
        self._width = width
        self._delimiter = delimiter
        self._broken: list[RowReject] = []
        self._text = ""

    def __iter__(self) -> Iterator[list[str] | RowReject]:
        reader = csv.reader(self._whole(), delimiter=self._delimiter, strict=True)
        while True:
            try:
                cells = next(reader, None)
            except csv.Error:
                cells = []
                self._broken.append(self._reject(self.line, self._text))
            if self._broken:
                yield from self._broken
                self._broken.clear()
            if cells is None:
                return
            if cells:
                yield cells

    def _whole(self) -> Iterator[str]:
        waiting: deque[tuple[int, str, bool]] = deque()
        lines = self._lines
        while True:
            if waiting:
                number, text, assumed = waiting.popleft()
                lines.scientific = lines.control = True  # not known any more for this part of the file: look closely
            else:
                following = next(self._source, None)
                if following is None:
                    return
                number, text, assumed = lines.line, following, lines.assumed
            self.joined = False
            if text.count('"') & 1 and self._cells(text) != self._width:
                pulled = self._pull(waiting)
                whole = self._join(text, pulled)
                if whole is None:
                    waiting.extendleft(reversed(pulled))
                    self._broken.append(self._reject(number, text))
                    continue
                waiting.extendleft(reversed(pulled[whole[1] :]))
                text = whole[0]
                self.joined = True
            self.line, self._text = number, text
            self.note = _ASSUMED if assumed else None
            yield text

    def _pull(self, waiting: deque[tuple[int, str, bool]]) -> list[tuple[int, str, bool]]:
        pulled: list[tuple[int, str, bool]] = []
        while waiting and len(pulled) < _JOIN_LINES:
            pulled.append(waiting.popleft())
        while len(pulled) < _JOIN_LINES and (text := next(self._source, None)) is not None:
            pulled.append((self._lines.line, text, self._lines.assumed))
        return pulled

    def _join(self, text: str, pulled: list[tuple[int, str, bool]]) -> tuple[str, int] | None:
        for count, (_, more, _) in enumerate(pulled, 1):
            if self._cells(more) == self._width:
                return None
            text = f"{text}\n{more}"
            if more.count('"') & 1:
                return (text, count) if self._cells(text) == self._width else None
        return None

    def _cells(self, text: str) -> int:
        """How many cells a text has by itself; 0 when its quotes do not close or a cell holds a line's worth."""
        try:
            cells = next(csv.reader([text], delimiter=self._delimiter, strict=True), [])
        except csv.Error:
            return 0
        crowded = any("\n" in cell and cell.count(self._delimiter) >= self._width - 1 for cell in cells)
        return 0 if crowded else len(cells)

    def _reject(self, line: int, text: str) -> RowReject:
        reason = "a quotation mark is not closed or stands inside a cell"
        cells = tuple(cell.replace('"', "") for cell in text.split(self._delimiter))
        return RowReject(line, (RowFault("", RowCode.QUOTES_BROKEN, reason),), cells)


_ASSUMED: Final = RowFault("", RowCode.ENCODING_ASSUMED, "is not UTF-8 and was read as Windows-1252 (Latin-1)")


def _utf8(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks, from UTF-16 when a byte order mark says so (Excel's "Unicode text")."""
    decoder: codecs.IncrementalDecoder | None = None
    for number, chunk in enumerate(chunks):
        if number == 0 and chunk[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
            yield codecs.BOM_UTF8
        yield decoder.decode(chunk).encode() if decoder else chunk


def _without_cr(block: bytes, ends: str) -> bytes:
    return block.replace(b"\r\n", b"\n").removesuffix(b"\r") if ends != "\r" else block
