"""Which embedded broker is the current one: `broker.json` in the data folder in, its number and address out."""

import json
from pathlib import Path
from typing import NamedTuple


class Generation(NamedTuple):
    """Which embedded broker is the current one."""

    generation: int
    bootstrap: str
    pid: int


def current_generation(data_dir: Path) -> Generation | None:
    """What `broker.json` says, or None while there is none."""
    try:
        document = json.loads((data_dir / "broker.json").read_text())
        return Generation(int(document["generation"]), str(document["bootstrap"]), int(document["pid"]))
    except (FileNotFoundError, ValueError, KeyError):
        return None
