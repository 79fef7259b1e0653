"""Bad lines of a panel into a file that can be corrected and loaded again."""

import csv
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, Final

from parsers.files.panel import PanelReader
from parsers.files.row_faults import REJECT_COLUMNS, RowReject, rejected_row
from streams.run.problems import Problem
from streams.run.settings import Settings

_REJECT_NAME: Final = re.compile(r"(.*)\.rejects(?:-(\d+))?")


class RejectFile:
    """Beside the panel file, else in the data folder; made when the first line is rejected."""

    def __init__(self, source: Path, settings: Settings) -> None:
        before = _REJECT_NAME.fullmatch(source.stem)
        name = f"{before[1]}.rejects-{int(before[2] or 1) + 1}.csv" if before else f"{source.stem}.rejects.csv"
        self._places = [source.with_name(name), settings.data_dir / name]
        self._file: IO[str] | None = None
        self._writer: Any = None
        self.path = ""

    def write(self, reader: PanelReader, reject: RowReject) -> None:
        if self._writer is None:
            self._open()
            self._writer = csv.writer(self._file, delimiter=reader.delimiter)  # type: ignore[arg-type]
            self._writer.writerow([*_plain(reader.header), *REJECT_COLUMNS])
        places = [number for number, name in enumerate(reader.header) if name not in REJECT_COLUMNS]
        row = rejected_row(reader.header, reject)
        self._writer.writerow([*(row[place] for place in places), *row[len(reader.header) :]])

    def _open(self) -> None:
        for place in self._places:
            try:
                descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            except OSError:
                continue
            place.chmod(0o600)
            self._file = os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="")
            self.path = str(place)
            return
        raise Problem("the reject file can be written neither beside the panel file nor in the data folder")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _plain(header: Iterable[str]) -> list[str]:
    return [name for name in header if name not in REJECT_COLUMNS]
