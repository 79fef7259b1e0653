"""`handoff panel load` and `panel check`: a CSV file in, a loaded panel, a report and a reject file out.

JSON of both: `{"loaded", "mode", "rows", "good", "rejected", "reject_counts": [{"column", "code", "lines"}],
"rejects": [{"line", "column", "code", "reason"}] (the first 10,000 lines),
"notes": [{"column", "code", "lines", "first_line", "reason"}], "extra_columns", "file_faults", "practices_checked",
"rejects_file", "report", "kept", "late", "seconds"}`. No value of a cell is ever printed; the reject file holds them
and is readable by its owner only.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from streams.commands.panel_reading import Advance, Kept, Reading
from streams.commands.panel_report import STALE_DAYS, say_report
from streams.commands.reject_file import RejectFile
from streams.follow.late_enrollment import Late, release_late
from streams.run.settings import Settings
from streams.store.opening import office_zone, open_store


def run_panel_check(settings: Settings, file: Path, *, as_json: bool = False) -> int:
    """Reads the file, loads nothing; 0 when every line is good."""
    started = time.monotonic()
    practices = _known_practices(settings)
    reading = Reading(file, practices, datetime.now(office_zone(settings)).date())
    with _progress(file, as_json) as advance:
        good = sum(1 for _ in reading.rows(advance))
    say_report(reading, good, None, started, as_json, "", practices is None)
    return 1 if reading.rejected or reading.reader.faults or not good else 0


def run_panel_load(settings: Settings, file: Path, *, full: bool, force: bool = False, as_json: bool = False) -> int:
    """Loads the good lines in one transaction; 0 when that was done.

    Who stands in a line that was rejected keeps what the panel knew before: a typing error in a full load must not
    end somebody's enrollment.
    """
    started = time.monotonic()
    with open_store(settings) as store:
        directory = store.directory.read()
        practices = set(directory.practices) or None
        before = store.panel.age()
        reading = Reading(file, practices, datetime.now(store.database.zone).date(), RejectFile(file, settings))
        try:
            with _progress(file, as_json) as advance:
                rows = reading.rows(advance)
                first = next(rows, None)
                if first is None:
                    say_report(reading, 0, None, started, as_json, "", practices is None)
                    return 1
                kept = Kept(store, reading)
                report = store.panel.load(
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
        say_report(reading, good, report, started, as_json, stale, practices is None, kept.count, late)
        return 1 if report.refused else 0


_STAGES: Final = {"read": "reading, rows", "compare": "comparing", "write": "writing, rows"}


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
        return set(store.directory.read().practices) or None
