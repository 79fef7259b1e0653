"""`handoff simulate`: a seed in, the files of invented lives and their truth out."""

import csv
import json
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from parsers.files.panel_columns import PANEL_HEADER
from parsers.hl7.mllp import frame
from streams.invented.community import Community
from streams.invented.drafts import Faults
from streams.invented.lives import Simulation, simulate
from streams.run.problems import Problem


def load_faults(path: Path) -> Faults:
    """The rates of a TOML file; what it leaves out stays at its default. Raises `Problem` naming every fault."""
    try:
        return Faults.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise Problem(f"{path.name} is not valid TOML: check quotes and brackets") from None
    except ValidationError as error:
        known = ", ".join(Faults.model_fields)
        wrong = "; ".join(
            f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors(include_input=False)
        )
        raise Problem(f"{path.name}: {wrong} (known: {known})") from None


def write(simulation: Simulation, out: Path) -> None:
    """`<hospital>.hl7` (MLLP frames as they arrive), `panel.csv`, `directory/*.csv`, `truth.jsonl`, `staff.jsonl`."""
    out.mkdir(parents=True, exist_ok=True)
    by_hospital: dict[str, list[bytes]] = defaultdict(list)
    for message in simulation.messages:
        by_hospital[message.hospital].append(frame(message.data))
    for name, frames in by_hospital.items():
        (out / f"{name}.hl7").write_bytes(b"".join(frames))
    _write_csv(out / "panel.csv", PANEL_HEADER, simulation.panel)
    _write_lines(out / "truth.jsonl", simulation.truth)
    _write_lines(out / "staff.jsonl", simulation.staff.rows())
    (out / "directory").mkdir(exist_ok=True)
    for kind, values in _directory_rows(simulation.directory):
        if values:
            _write_csv(out / "directory" / f"{kind}.csv", list(values[0]), values)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a truth.jsonl or staff.jsonl. Raises `Problem` when it is not there or not JSON lines."""
    try:
        with path.open(encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.strip()]
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}; `handoff simulate` writes it") from None
    except ValueError:
        raise Problem(f"{path} is not one JSON object a line; `handoff simulate` writes it") from None


def _directory_rows(community: Community) -> Iterator[tuple[str, list[dict[str, str]]]]:
    for kind, values in zip(community._fields, community, strict=True):
        yield (
            kind,
            [
                {name: ";".join(cell) if isinstance(cell, tuple) else str(cell or "") for name, cell in value}
                for value in values
            ],
        )


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def run_simulate(patients: int, days: int, seed: int, out: Path, faults: Path | None = None) -> dict[str, Any]:
    """`handoff simulate`: writes the files and gives `{"messages", "patients", "enrollees", "stays", "changes",
    "retractions", "hospitals", "folder"}`. Raises `Problem` for faults that cannot be used."""
    made = simulate(patients, days, seed, load_faults(faults) if faults else None)
    write(made, out)
    rows = [row["row"] for row in made.truth]
    return {
        "messages": len(made.messages),
        "patients": patients,
        "enrollees": len(made.panel),
        "stays": rows.count("stay"),
        "changes": rows.count("change"),
        "retractions": rows.count("retraction"),
        "hospitals": len({message.hospital for message in made.messages}),
        "folder": str(out),
    }
