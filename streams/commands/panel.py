"""`handoff panel load` and `panel check`: a CSV file in, a loaded panel, a report and a reject file out.

JSON of both: `{"loaded", "mode", "rows", "good", "rejected", "reject_counts": [{"column", "code", "lines"}],
"rejects": [{"line", "column", "code", "reason"}] (the first 10,000 lines),
"notes": [{"column", "code", "lines", "first_line", "reason"}], "extra_columns", "file_faults", "practices_checked",
"rejects_file", "report", "kept", "late", "seconds"}`. No value of a cell is ever printed; the reject file holds them
and is readable by its owner only.
"""

import csv
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from parsers.events import Event
from parsers.files.panel import PanelReader
from parsers.files.panel_columns import PanelRow
from parsers.files.row_faults import REJECT_COLUMNS, RowCode, RowReject, rejected_row
from rules.deciding.decide import worth_asking
from rules.deciding.late_enrollment import missed
from rules.decisions import Grade, Match
from rules.matching.excerpt import LARGE_FROM, Excerpt
from rules.matching.index import PanelIndex
from rules.matching.person import read_patient
from streams.commands.send import print_json
from streams.kafka.topics import EventRecord
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.store import Store
from streams.store.keys import secret_of
from streams.store.opening import open_store
from streams.store.panel_load import PanelReport
from streams.store.panel_rows import LOCAL_ZONE, enrollee_on, load_enrollees

CHUNK_BYTES: Final = 1 << 20
SHOWN: Final = 20  # rejects on the screen; all of them are in the reject file
LISTED: Final = 10_000  # rejects in JSON
STALE_DAYS: Final = 90
SWAPPED_SHARE: Final = 0.5  # of the lines: then it is the header that is wrong
KEPT_AT_ONCE: Final = 500
PEOPLE_PER_EVENT: Final = 40  # where fewer people are on the panel for each event, nearly all would be looked at
_REJECT_NAME: Final = re.compile(r"(.*)\.rejects(?:-(\d+))?")


class Late(NamedTuple):
    """What became of events that came before their people were enrolled."""

    released: int = 0
    possible: int = 0  # wait for a person's verdict now; until then nobody is told


def run_panel_check(settings: Settings, file: Path, *, as_json: bool = False) -> int:
    """Reads the file, loads nothing; 0 when every line is good."""
    started = time.monotonic()
    practices = _known_practices(settings)
    reading = _Reading(file, practices)
    with _progress(file, as_json) as advance:
        good = sum(1 for _ in reading.rows(advance))
    _report(reading, good, None, started, as_json, "", practices is None)
    return 1 if reading.rejected or reading.reader.faults or not good else 0


def run_panel_load(settings: Settings, file: Path, *, full: bool, force: bool = False, as_json: bool = False) -> int:
    """Loads the good lines in one transaction; 0 when that was done.

    Who stands in a line that was rejected keeps what the panel knew before: a typing error in a full load must not
    end somebody's enrollment.
    """
    started = time.monotonic()
    with open_store(settings) as store:
        directory = store.directory()
        practices = set(directory.practices) or None
        before = store.panel_age()
        reading = _Reading(file, practices, _RejectFile(file, settings))
        try:
            with _progress(file, as_json) as advance:
                rows = reading.rows(advance)
                first = next(rows, None)
                if first is None:
                    _report(reading, 0, None, started, as_json, "", practices is None)
                    return 1
                kept = _Kept(store, reading)
                report = store.load_panel(
                    chain([first], rows, kept.rows()) if full else chain([first], rows),
                    full=full,
                    force=force,
                    now=datetime.now(UTC),
                    progress=lambda stage, done: advance(0, f"{_STAGES.get(stage, stage)} {done:,}"),
                )
        finally:
            reading.close()
        late = Late() if report.refused else release_late(settings, store, report.seq)
        stale = f"{before.days} days" if before and before > timedelta(days=STALE_DAYS) else ""
        good = report.rows - kept.count
        _report(reading, good, report, started, as_json, stale, practices is None, kept.count, late)
        return 1 if report.refused else 0


def release_late(settings: Settings, store: Store, load: int) -> Late:
    """Line up for the decision, or put up for review, what people missed before they were enrolled.

    They are those whom load `load` (`PanelReport.seq`) added, or whose identity or enrollment it changed.
    """
    if not settings.unmatched_days:
        return Late()
    now = datetime.now(UTC)
    matches = list(
        _matched(store, store.unmatched_of_load(load, secret_of(settings, store)), now.astimezone(LOCAL_ZONE).date())
    )
    wanted = {match.enrollee_id for _, match in matches if match.enrollee_id}
    with store.reading() as connection:
        lines, _ = load_enrollees(connection, wanted, None)
    enrollees = {enrollee_id: enrollee_on(line, (), None) for enrollee_id, line in lines.items()}
    found = missed(matches, enrollees, now.astimezone(LOCAL_ZONE), settings.unmatched_days)
    told = [EventRecord(event=each.event, match=each.match) for each in found if each.sure]
    store.release(told, now)
    store.drop_unmatched([record.event.message_id for record in told])
    asked = [EventRecord(event=each.event, match=each.match) for each in found if not each.sure]
    said = store.ask_late([record for record in asked if worth_asking(record.event)], now)
    return Late(len(told) + said.released, said.waiting)


def _matched(store: Store, events: Iterator[Event], today: date) -> Iterator[tuple[Event, Match]]:
    """Those of `events` that are somebody's on the panel. For few of them a large panel is not indexed as a whole."""
    size = store.panel_size()
    few = list(islice(events, size // PEOPLE_PER_EVENT + 1))
    if not few:
        return
    if size < LARGE_FROM or len(few) > size // PEOPLE_PER_EVENT:
        index = PanelIndex.build(store.panel_records(), store.crosswalk())
    else:
        people = (read_patient(event.patient, event.facility) for event in few)
        index = Excerpt.about(people, store.panel_records(), store.crosswalk())
    for event in chain(few, events):
        match = index.match(event.patient, event.facility, today)
        if match.grade is not Grade.CERTAINLY_NOT:
            yield event, match


_STAGES: Final = {"read": "reading, rows", "compare": "comparing", "write": "writing, rows"}
Advance = Callable[[int, str], None]


class _RejectFile:
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


class _Reading:
    """One pass over a file: good rows out, rejects gathered."""

    def __init__(self, file: Path, practices: Iterable[str] | None, reject_file: _RejectFile | None = None) -> None:
        known = None if practices is None else frozenset(practices)
        self.reader = PanelReader(datetime.now(LOCAL_ZONE).date(), known)
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


class _Kept:
    """After the good rows of a full load: the people of rejected lines as the panel already has them."""

    def __init__(self, store: Store, reading: _Reading) -> None:
        self._store = store
        self._reading = reading
        self.count = 0

    def rows(self) -> Iterator[PanelRow]:
        reader = self._reading.reader
        ids = [each for each in dict.fromkeys(self._reading.named) if not reader.has(each)]
        for start in range(0, len(ids), KEPT_AT_ONCE):
            with self._store.reading() as connection:
                lines, _ = load_enrollees(connection, ids[start : start + KEPT_AT_ONCE], None)
            for line in lines.values():
                self.count += 1
                yield PanelRow._make(line[: len(PanelRow._fields)])


@contextmanager
def _progress(file: Path, as_json: bool) -> Iterator[Advance]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True, quiet=as_json)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading", total=file.stat().st_size)

        def advance(count: int, what: str) -> None:
            progress.update(task, advance=count, description=what or None)

        yield advance


def _known_practices(settings: Settings) -> set[str] | None:
    """Practice ids of the directory; `None` when there is no store or none is loaded."""
    made = settings.database_url.get_secret_value() or (settings.data_dir / "handoff.sqlite3").exists()
    if not made:
        return None
    with open_store(settings) as store:
        return set(store.directory().practices) or None


def _plain(header: Iterable[str]) -> list[str]:
    return [name for name in header if name not in REJECT_COLUMNS]


def _report(
    reading: _Reading,
    good: int,
    report: PanelReport | None,
    started: float,
    as_json: bool,
    stale: str,
    no_directory: bool,
    kept: int = 0,
    late: Late = Late(),  # noqa: B008 a frozen value
) -> None:
    reader = reading.reader
    first = {(note.column, note.code): note for note in reversed(reader.note_samples)}
    path = reading.reject_file.path if reading.reject_file else ""
    if as_json:
        print_json(
            {
                "loaded": report is not None and not report.refused,
                "mode": report.mode if report else None,
                "rows": good + reading.rejected,
                "good": good,
                "rejected": reading.rejected,
                "reject_counts": [
                    {"column": column, "code": code, "lines": count}
                    for (column, code), count in reading.reject_counts.most_common()
                ],
                "rejects": [
                    {"line": reject.line, "column": fault.column, "code": fault.code, "reason": fault.reason}
                    for reject in reading.rejects
                    for fault in reject.faults
                ],
                "notes": [
                    {
                        "column": column,
                        "code": code,
                        "lines": count,
                        "first_line": first[column, code].line if (column, code) in first else None,
                        "reason": first[column, code].reason if (column, code) in first else "",
                    }
                    for (column, code), count in reader.notes.items()
                ],
                "extra_columns": list(reader.extra),
                "file_faults": [fault._asdict() for fault in reader.faults],
                "practices_checked": not no_directory,
                "rejects_file": path,
                "report": report._asdict() if report else None,
                "kept": kept,
                "late": late._asdict(),
                "seconds": round(time.monotonic() - started, 2),
            }
        )
        return
    out = Console(highlight=False, soft_wrap=True)
    for fault in reader.faults:
        out.print(f"nothing was read: {fault.reason}", markup=False)
    if reader.faults:
        return
    for line in _lines(reading, good, report, stale, no_directory, kept, late, path):
        out.print(line, markup=False)
    out.print(f"{time.monotonic() - started:.1f} s", markup=False)


def _lines(
    reading: _Reading,
    good: int,
    report: PanelReport | None,
    stale: str,
    no_directory: bool,
    kept: int,
    late: Late,
    path: str,
) -> Iterator[str]:
    reader = reading.reader
    total = good + reading.rejected
    yield f"{total:,} {'line' if total == 1 else 'lines'}: {good:,} good, {reading.rejected:,} rejected"
    for reject in reading.rejects[:SHOWN]:
        what = "; ".join(f"{fault.column + ': ' if fault.column else ''}{fault.reason}" for fault in reject.faults)
        yield f"  line {reject.line}: {what}"
    if reading.rejected > SHOWN:
        yield f"  and {reading.rejected - SHOWN:,} more; in all:"
        for (column, code), count in reading.reject_counts.most_common():
            yield f"  {count:,} × {code.replace('_', ' ')}{' in ' + column if column else ''}"
    for (columns, code), count in reading.reject_counts.items():
        if code is RowCode.COLUMNS_SWAPPED and count > SWAPPED_SHARE * total:
            yield f"nearly every line has {columns} swapped: is the header line wrong?"
    for note in {(note.column, note.code): note for note in reversed(reader.note_samples)}.values():
        count = reader.notes[note.column, note.code]
        where = f"{note.column} of " if note.column else ""
        yield f"  {where}{count:,} {'line' if count == 1 else 'lines'} (first: {note.line}): {note.reason}"
    if reader.extra:
        yield f"columns that were not read (unknown, or there twice): {', '.join(reader.extra)}"
    if no_directory:
        yield "no directory is loaded, so practice_id was not checked (handoff directory load)"
    if path:
        yield f"rejected lines with reasons: {path} (correct them there, then: handoff panel load --delta {path})"
    if report is None:
        if reading.reject_file is not None:
            yield "nothing was loaded: no line is good"
        return
    if report.refused:
        yield (
            f"nothing was loaded: {report.ended:,} people ({report.end_share:.1%} of the panel) are not in this file "
            "and would leave the panel. If that is right, load it again with --force; if the file holds only changes, "
            "with --delta."
        )
        return
    yield (
        f"loaded ({report.mode}): {report.added:,} added, {report.changed:,} changed ({report.moved:,} of them moved "
        f"to another practice), {report.ended:,} ended; {report.size:,} on the panel"
    )
    for field, count in sorted(report.changed_fields.items(), key=lambda item: -item[1]):
        yield f"  {field} changed in {count:,}"
    if kept:
        yield f"{kept:,} people whose line was rejected stay as they were"
    if late.released:
        yield f"{late.released:,} hospital messages from before the enrollment are told now"
    if late.possible:
        yield f"{late.possible:,} earlier hospital messages might be about new people: handoff review asks about them"
    if stale:
        yield f"the panel before this was {stale} old: load it at least every {STALE_DAYS} days"
