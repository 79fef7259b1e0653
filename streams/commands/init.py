"""`handoff init`: a few answers in, a data folder out with which `handoff up` runs for one practice.

Writes `handoff.toml`, `directory/*.csv`, a `panel.csv` with one made-up person and two messages about them (for a first
alert, and to see it taken back), makes the hash key and loads the directory. Nothing that is there is overwritten.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import typer

from parsers.feeds import Feed
from parsers.files.directory import Kind
from parsers.files.directory_columns import COLUMNS
from parsers.files.panel_columns import PANEL_HEADER
from parsers.hl7.times import zone_of
from parsers.hl7.triggers import STRUCTURES
from parsers.people import Role
from streams.commands.directory import run_directory_load
from streams.run.files import private_folder
from streams.run.problems import Problem
from streams.run.settings import Settings

_NETWORK: Final = "N1"
_PRACTICE: Final = "P1"
_PERSON: Final = "CM1"
_WRITTEN: Final = (Kind.NETWORKS, Kind.PRACTICES, Kind.CASE_MANAGERS, Kind.ABSENCES)
_NOT_IN_MSH_4: Final = frozenset('"\\|^~&') | {chr(number) for number in range(32)}  # nor, unquoted, in TOML
_TRIAL: Final = {
    "enrollee_id": "TRIAL-1",
    "last_name": "Trial",
    "first_name": "Tracy",
    "birth_date": "1951-05-17",
    "sex": "F",
    "address": "12 Oak St",
    "city": "Asheville",
    "state": "NC",
    "zip": "28801",
    "phone": "8285550100",
    "practice_id": _PRACTICE,
}  # nobody: telephone numbers 555-01xx are kept for fiction
_MESSAGES: Final = {"1_admitted": "A01", "2_taken_back": "A11"}


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
    files = {settings.data_dir / name: text for name, text in _files(answers, datetime.now(UTC)).items()}
    if there := [path for path in files if path.exists()]:
        raise Problem(f"{there[0]} is there already: set HANDOFF_DATA_DIR to a new folder, or go on with this one")
    folder = private_folder(settings.data_dir)
    private_folder(folder / "directory")
    private_folder(folder / "trial")
    for path, text in files.items():
        path.write_text(text, encoding="utf-8", newline="")
        path.chmod(0o600)
        typer.echo(f"wrote {path}")
    settings.secret()
    status = run_directory_load(settings, folder / "directory")
    panel = folder / "panel.csv"
    trial = folder / "trial" / "1_admitted.hl7"
    typer.echo(
        f"\nNext, a first alert: `handoff panel load {panel}`, `handoff up --link`, open the link,\n"
        "and in another window "
        f"`handoff send {trial} --to {settings.mllp_host}:{settings.mllp_port}`.\n"
        f"Then put your people into {panel} in place of Tracy Trial, who is nobody (practice_id {_PRACTICE};\n"
        "`handoff panel template` explains the columns), and load it again."
    )
    return status


def _files(answers: Answers, now: datetime) -> dict[str, str]:
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
        "panel.csv": _csv(PANEL_HEADER, _TRIAL),
        **{f"trial/{name}.hl7": _message(trigger, answers, now) for name, trigger in _MESSAGES.items()},
        **{
            f"directory/{kind}.csv": _csv([column.name for column in COLUMNS[kind]], rows.get(kind))
            for kind in _WRITTEN
        },
    }


def _feed(hospital: str, zone: str) -> str:
    if not hospital or _NOT_IN_MSH_4 & set(hospital):
        raise Problem("--hospital: expected MSH-4 as the hospital sends it, without quotes or delimiters")
    if zone_of(zone) is None:
        raise Problem("--zone: expected an IANA time zone such as America/New_York")
    feed = Feed(name=hospital.lower(), sending=(hospital,), zone=zone)
    return f'[[feeds]]\nname = "{feed.name}"\nsending = ["{hospital}"]\nzone = "{feed.zone}"\n'


def _message(trigger: str, answers: Answers, now: datetime) -> str:
    """An admission of the made-up person at the first hospital an hour ago, or its cancel."""
    hospital, zone = answers.hospitals[0], ZoneInfo(answers.zone)
    recorded = f"{(now - timedelta(minutes=1 if trigger == 'A11' else 2)).astimezone(zone):%Y%m%d%H%M%S%z}"
    admitted = f"{(now - timedelta(hours=1)).astimezone(zone):%Y%m%d%H%M%S%z}"
    person = _TRIAL
    name, address = f"{person['last_name']}^{person['first_name']}", f"{person['address']}^^{person['city']}"
    lines = (
        f"MSH|^~\\&|TRIAL|{hospital}|||{recorded}||ADT^{trigger}^{STRUCTURES[trigger]}|TRIAL-{trigger}|P|2.5.1",
        f"EVN|{trigger}|{recorded}",
        f"PID|1||TRIAL-1^^^{hospital}^MR||{name}||{person['birth_date'].replace('-', '')}|{person['sex']}"
        f"|||{address}^{person['state']}^{person['zip']}||{person['phone']}",
        f"PV1|1|I|^^^{hospital}{'|' * 16}TRIAL-1^^^{hospital}^VN{'|' * 25}{admitted}",
    )
    return "".join(f"{line}\r" for line in lines)


def _csv(header: Sequence[str], row: Mapping[str, str] | None) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, header, restval="")
    writer.writeheader()
    if row:
        writer.writerow(row)
    return out.getvalue()
