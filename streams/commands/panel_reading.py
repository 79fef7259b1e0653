"""A panel file read with its progress: rows to load, and what is wrong with the others."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Final

from parsers.files.panel import PanelReader
from parsers.files.panel_columns import PanelRow
from parsers.files.row_faults import RowCode, RowReject
from streams.commands.reject_file import RejectFile
from streams.run.problems import Problem
from streams.store import Store
from streams.store.panel_rows import load_enrollees

CHUNK_BYTES: Final = 1 << 20
LISTED: Final = 10_000  # rejects in JSON
KEPT_AT_ONCE: Final = 500
Advance = Callable[[int, str], None]


class Reading:
    """One pass over a file: good rows out, rejects gathered."""

    def __init__(
        self, file: Path, practices: Iterable[str] | None, today: date, reject_file: RejectFile | None = None
    ) -> None:
        known = None if practices is None else frozenset(practices)
        self.reader = PanelReader(today, known)
        self.rejected = 0
        self.rejects: list[RowReject] = []  # the first ones, without their cells
        self.reject_counts: Counter[tuple[str, RowCode]] = Counter()
        self.named: list[str] = []  # enrollee_ids that rejected lines seem to name
        self.file = file
        self.reject_file = reject_file

    def rows(self, advance: Advance) -> Iterator[PanelRow]:
        for item in self.reader.read(self._chunks(advance)):
            if isinstance(item, PanelRow):
                yield item
                continue
            self.rejected += 1
            self.reject_counts.update({(fault.column, fault.code) for fault in item.faults})
            if len(self.rejects) < LISTED:
                self.rejects.append(item._replace(cells=()))
            if enrollee_id := self.reader.named(item):
                self.named.append(enrollee_id)
            if self.reject_file is not None:
                self.reject_file.write(self.reader, item)

    def _chunks(self, advance: Advance) -> Iterator[bytes]:
        try:
            with self.file.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
                    advance(len(chunk), "")
        except OSError as error:
            raise Problem(f"{self.file} cannot be read: {error.strerror}") from None

    def close(self) -> None:
        if self.reject_file is not None:
            self.reject_file.close()


class Kept:
    """After the good rows of a full load: the people of rejected lines as the panel already has them."""

    def __init__(self, store: Store, reading: Reading) -> None:
        self._store = store
        self._reading = reading
        self.count = 0

    def rows(self) -> Iterator[PanelRow]:
        reader = self._reading.reader
        ids = [each for each in dict.fromkeys(self._reading.named) if not reader.has(each)]
        for start in range(0, len(ids), KEPT_AT_ONCE):
            with self._store.database.reading() as connection:
                lines, _ = load_enrollees(connection, ids[start : start + KEPT_AT_ONCE], None)
            for line in lines.values():
                self.count += 1
                yield line.line
