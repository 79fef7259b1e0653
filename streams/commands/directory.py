"""`handoff directory load` and `directory check`: a folder of CSV files in, the directory and how it covers out.

The files are networks.csv, practices.csv, case_managers.csv, absences.csv and lme_mcos.csv; without the last one the
shipped table of North Carolina's counties is taken. JSON: `{"loaded", "version", "counts", "faults": [{"file", "line",
"column", "code", "reason", "grave"}], "cover": {"practices", "minutes", "by_network", "by_central_office", "gaps":
[{"practice_id", "network_minutes", "central_minutes", "first_from", "first_to"}]}}`.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.console import Console

from parsers.files.directory import DirectoryFiles, Kind, read_directory
from rules.policy.office import OFFICE_ZONE
from rules.telling.directory import Cover, Directory
from streams.commands.printing import print_json
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.run.who import who_commands
from streams.store.opening import office_zone, open_store

YEAR: Final = timedelta(days=366)
SHOWN: Final = 20


def run_directory_check(settings: Settings, folder: Path, *, as_json: bool = False) -> int:
    """Reads the folder, loads nothing; 0 when it could be loaded."""
    zone = office_zone(settings)
    files = read_folder(folder, zone)
    _report(files, zone, None, as_json)
    return 0 if files.usable else 1


def run_directory_load(settings: Settings, folder: Path, *, as_json: bool = False) -> int:
    """Puts the folder's directory in the place of the one in the store, as a whole or not at all."""
    zone = office_zone(settings)
    files = read_folder(folder, zone)
    version = None
    if files.usable:
        with open_store(settings) as store:
            version = store.directory.load(*files[:5], replace=True, by=who_commands(), now=datetime.now(UTC))
    _report(files, zone, version, as_json)
    return 0 if files.usable else 1


def read_folder(folder: Path, zone: ZoneInfo = OFFICE_ZONE) -> DirectoryFiles:
    """The directory files of a folder, with the shipped LME/MCO table where the folder has none; `zone` is that of
    absences without an offset."""
    files: dict[Kind, bytes] = {}
    for kind in Kind:
        try:
            files[kind] = (folder / f"{kind}.csv").read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise Problem(f"{folder / kind}.csv cannot be read: {error.strerror}") from None
    if Kind.LME_MCOS not in files:
        files[Kind.LME_MCOS] = resources.files("streams.commands").joinpath("data", "lme_mcos.csv").read_bytes()
    return read_directory(files, zone.key)


def _cover(files: DirectoryFiles, zone: ZoneInfo) -> list[Cover]:
    if not files.usable:
        return []
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    return list(Directory(*files[:5], zone=zone).cover(now, now + YEAR))


def _report(files: DirectoryFiles, zone: ZoneInfo, version: int | None, as_json: bool) -> None:
    cover = _cover(files, zone)
    counts = {kind.value: len(values) for kind, values in zip(Kind, files[:5], strict=True)}
    if as_json:
        faults = [{**fault._asdict(), "grave": fault.grave} for fault in files.faults]
        print_json(
            {
                "loaded": version is not None,
                "version": version,
                "counts": counts,
                "faults": faults,
                "cover": _cover_json(cover),
            }
        )
        return
    out = Console(highlight=False, soft_wrap=True)
    for line in _lines(files, counts, cover, zone, version):
        out.print(line, markup=False)


def _cover_json(cover: list[Cover]) -> dict[str, Any]:
    gaps = [practice for practice in cover if practice.first_gap]
    return {
        "practices": len(cover),
        "minutes": round(YEAR.total_seconds() / 60),
        "by_network": sum(practice.network_minutes > 0 for practice in cover),
        "by_central_office": sum(practice.central_minutes > 0 for practice in cover),
        "gaps": [
            {
                "practice_id": practice.practice_id,
                "network_minutes": practice.network_minutes,
                "central_minutes": practice.central_minutes,
                "first_from": practice.first_gap[0].isoformat(),
                "first_to": practice.first_gap[1].isoformat(),
            }
            for practice in gaps
            if practice.first_gap
        ],
    }


def _lines(
    files: DirectoryFiles, counts: Mapping[str, int], cover: list[Cover], zone: ZoneInfo, version: int | None
) -> Iterator[str]:
    yield ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
    for fault in files.faults:
        place = f"{fault.file}.csv" + (f" line {fault.line}" if fault.line else "")
        sign = "wrong" if fault.grave else "look"
        yield f"  {sign}: {place}{', ' + fault.column if fault.column else ''}: {fault.reason}"
    if not files.usable:
        yield "nothing is loaded until what is wrong is corrected"
        return
    yield from _cover_lines(cover, zone)
    if version is not None:
        yield f"loaded as version {version}; running workers use it within a second"


def _cover_lines(cover: list[Cover], zone: ZoneInfo) -> Iterator[str]:
    gaps = [practice for practice in cover if practice.first_gap]
    own = len(cover) - len(gaps)
    yield f"{own:,} of {len(cover):,} practices have a person of their own at every minute of the coming year"
    for practice in gaps[:SHOWN]:
        others = [
            f"{words} for {minutes / 60:,.0f} h"
            for words, minutes in (
                ("the network answers", practice.network_minutes),
                ("the central office answers", practice.central_minutes),
            )
            if minutes
        ]
        when = " to ".join(_local(at, zone) for at in practice.first_gap or ())
        yield f"  {practice.practice_id}: {' and '.join(others)}; first from {when}"
    if len(gaps) > SHOWN:
        yield f"  and {len(gaps) - SHOWN:,} more practices"


def _local(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%a %d %b %Y, %H:%M}"
