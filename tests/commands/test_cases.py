"""Inputs that once failed, from outside the project: what `handoff explain` says of each must be what is right."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
FOLDERS = sorted(CASES.glob("*/expect.json")) if CASES.is_dir() else []


def value(row: Any, path: str) -> Any:
    for name in path.split("."):
        row = row.get(name) if isinstance(row, dict) else None
    return row


@pytest.mark.skipif(not FOLDERS, reason="the shared cases are not beside the project")
@pytest.mark.parametrize("expect", FOLDERS, ids=[path.parent.name for path in FOLDERS])
def test_what_is_right(expect: Path, tmp_path: Path) -> None:
    folder = expect.parent
    if (settings := folder / "handoff.toml").exists():
        (tmp_path / "handoff.toml").write_bytes(settings.read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "streams", "explain", "--json", "--panel", folder / "panel.csv", folder / "message.hl7"],
        env={**os.environ, "HANDOFF_DATA_DIR": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    for condition in json.loads(expect.read_text()):
        for words, same in (("same_stay", True), ("other_stay", False)):
            if numbers := condition.get(words):
                stays = {rows[number - 1]["stay"] for number in numbers}
                assert len(stays) == (1 if same else len(numbers)), condition
        for path, right in condition.items():
            if path not in ("n", "same_stay", "other_stay"):
                actual = value(rows[condition["n"] - 1], path)
                assert actual in (right if isinstance(right, list) else [right]), (condition, actual)
