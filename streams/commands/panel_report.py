"""What a panel load came to, in lines for people."""

import time
from collections.abc import Iterator
from typing import Final

from rich.console import Console

from parsers.files.panel import PanelReader
from parsers.files.row_faults import RowCode
from streams.commands.panel_reading import Reading
from streams.commands.printing import print_json
from streams.follow.late_enrollment import Late
from streams.store.panel_load import PanelReport
from streams.words import numbers as number_words

SHOWN: Final = 20  # rejects on the screen; all of them are in the reject file
STALE_DAYS: Final = 90
SWAPPED_SHARE: Final = 0.5  # of the lines: then it is the header that is wrong


def say_report(
    reading: Reading,
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
    reading: Reading,
    good: int,
    report: PanelReport | None,
    stale: str,
    no_directory: bool,
    kept: int,
    late: Late,
    path: str,
) -> Iterator[str]:
    yield from _rejected(reading, good)
    yield from _noted(reading.reader)
    if no_directory:
        yield "no directory is loaded, so practice_id was not checked (handoff directory load)"
    if path:
        yield f"rejected lines with reasons: {path} (correct them there, then: handoff panel load --delta {path})"
    if report is not None and report.refused:
        yield (
            f"nothing was loaded: {report.ended:,} people ({report.end_share:.1%} of the panel) are not in this file "
            "and would leave the panel. If that is right, load it again with --force; if the file holds only changes, "
            "with --delta."
        )
    elif report is not None:
        yield from _loaded(report, stale, kept, late)
    elif reading.reject_file is not None:
        yield "nothing was loaded: no line is good"


def _rejected(reading: Reading, good: int) -> Iterator[str]:
    total = good + reading.rejected
    yield f"{number_words.count(total, 'line')}: {good:,} good, {reading.rejected:,} rejected"
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


def _noted(reader: PanelReader) -> Iterator[str]:
    for note in {(note.column, note.code): note for note in reversed(reader.note_samples)}.values():
        count = reader.notes[note.column, note.code]
        where = f"{note.column} of " if note.column else ""
        yield f"  {where}{number_words.count(count, 'line')} (first: {note.line}): {note.reason}"
    if reader.extra:
        yield f"columns that were not read (unknown, or there twice): {', '.join(reader.extra)}"


def _loaded(report: PanelReport, stale: str, kept: int, late: Late) -> Iterator[str]:
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
