"""`handoff init`: a few answers in, a data folder out with which `handoff up` runs for one practice.

Writes `handoff.toml`, `directory/*.csv` and the header of `panel.csv`, makes the hash key and loads the directory.
Nothing that is there already is overwritten.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import typer

from parsers.feeds import Feed
from parsers.files.directory import Kind
from parsers.files.directory_columns import COLUMNS
from parsers.files.panel_columns import PANEL_HEADER
from parsers.hl7.times import zone_of
from parsers.people import Role
from streams.commands.directory import run_directory_load
from streams.run.files import private_folder
from streams.run.problems import Problem
from streams.run.settings import Settings

_NETWORK: Final = "N1"
_PRACTICE: Final = "P1"
_PERSON: Final = "CM1"
_WRITTEN: Final = (Kind.NETWORKS, Kind.PRACTICES, Kind.CASE_MANAGERS, Kind.ABSENCES)
_NOT_IN_TOML: Final = frozenset('"\\') | {chr(number) for number in range(32)}


class Answers(NamedTuple):
    """What has to be known of a place before it can run."""

    practice: str  # its name
    case_manager: str  # "M. Ortiz, RN"
    hospitals: tuple[str, ...]  # MSH-4 as each hospital sends it
    email: str
    zone: str  # IANA name


def ask(practice: str, case_manager: str, hospitals: Sequence[str], email: str, zone: str) -> Answers:
    """The answers given on the command line, the missing ones from whoever sits there."""
    return Answers(
        practice or typer.prompt("Name of the practice"),
        case_manager or typer.prompt("Who calls its patients, such as M. Ortiz, RN"),
        tuple(hospitals) or (typer.prompt("The hospital's name in its messages (MSH-4), such as MERCY"),),
        email,
        zone,
    )


def run_init(settings: Settings, answers: Answers) -> int:
    """Writes the files and loads the directory; gives 0. Raises `Problem`."""
    files = {settings.data_dir / name: text for name, text in _files(answers).items()}
    if there := [path for path in files if path.exists()]:
        raise Problem(f"{there[0]} is there already: set HANDOFF_DATA_DIR to a new folder, or go on with this one")
    folder = private_folder(settings.data_dir)
    private_folder(folder / "directory")
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        typer.echo(f"wrote {path}")
    settings.secret()
    status = run_directory_load(settings, folder / "directory")
    panel = folder / "panel.csv"
    typer.echo(
        f"\nNext: put your people into {panel} (practice_id {_PRACTICE}; `handoff panel template` explains it),\n"
        f"then `handoff panel load {panel}`, then `handoff up --link`, and open the link."
    )
    return status


def _files(answers: Answers) -> dict[str, str]:
    rows: dict[Kind, dict[str, str]] = {
        Kind.NETWORKS: {"network_id": _NETWORK, "name": answers.practice},
        Kind.PRACTICES: {"practice_id": _PRACTICE, "name": answers.practice, "network_id": _NETWORK},
        Kind.CASE_MANAGERS: {
            "case_manager_id": _PERSON,
            "name": answers.case_manager,
            "role": str(Role.NURSE),
            "network_id": _NETWORK,
            "email": answers.email,
            "practices": _PRACTICE,
        },
    }
    return {
        "handoff.toml": "\n".join(_feed(hospital, answers.zone) for hospital in answers.hospitals),
        "panel.csv": _csv(PANEL_HEADER, None),
        **{
            f"directory/{kind}.csv": _csv([column.name for column in COLUMNS[kind]], rows.get(kind))
            for kind in _WRITTEN
        },
    }


def _feed(hospital: str, zone: str) -> str:
    if not hospital or _NOT_IN_TOML & set(hospital):
        raise Problem("--hospital: expected MSH-4 as the hospital sends it, without quotes or backslashes")
    if zone_of(zone) is None:
        raise Problem("--zone: expected an IANA time zone such as America/New_York")
    feed = Feed(name=hospital.lower(), sending=(hospital,), zone=zone)
    return f'[[feeds]]\nname = "{feed.name}"\nsending = ["{hospital}"]\nzone = "{feed.zone}"\n'


def _csv(header: Sequence[str], row: Mapping[str, str] | None) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, header, restval="")
    writer.writeheader()
    if row:
        writer.writerow(row)
    return out.getvalue()
