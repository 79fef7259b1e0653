"""README's table for newcomers is true: only the files of a row name its example; a row left out shows at import."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("parsers", "rules", "streams")
TABLE = (ROOT / "README.md").read_text().partition("### To add something")[2].partition("\n## ")[0]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.splitlines() if line.startswith("| ")]
TO_ADD = {row[0]: (re.findall(r"`([^`]+)`", row[1]), set(re.findall(r"`([^`]+/[^`]+)`", row[2]))) for row in ROWS[2:]}
WITHOUT_ITS_ROW = [
    ("parsers/events.py", '    ADMITTED = "admitted"', '    INVENTED = "invented"', "rules.event_kinds"),
    ("parsers/events.py", '    ADMITTED = "admitted"', '    INVENTED = "invented"', "rules.stays.table"),
    ("rules/decisions.py", '    ED_ARRIVAL = "ed_arrival"', '    INVENTED = "invented"', "rules.decisions"),
    ("rules/decisions.py", '    ED_ARRIVAL = "ed_arrival"', '    INVENTED = "invented", True', "streams.words.reasons"),
    ("rules/telling/destinations.py", '    NUDGE = "nudge"', '    INVENTED = "invented"', "rules.telling.destinations"),
    ("rules/telling/destinations.py", '    NUDGE = "nudge"', '    INVENTED = "invented"', "streams.words.destinations"),
    ("streams/run/rule_file.py", '    POLICY = "policy"', '    INVENTED = "invented"', "streams.run.rule_files"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copied = tmp_path_factory.mktemp("copy")
    for room in ROOMS:
        shutil.copytree(ROOT / room, copied / room)
    return copied


@pytest.mark.parametrize("what", TO_ADD)
def test_an_example_is_named_where_the_table_says_and_nowhere_else(what: str) -> None:
    examples, files = TO_ADD[what]
    assert examples
    naming = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if any(re.search(rf"\b{re.escape(example)}\b", path.read_text()) for example in examples)
    }
    assert naming
    assert naming - files == set()


def test_the_table_says_how_to_add_each_of_these() -> None:
    kinds = "trigger of a known kind, kind of event, reason, way out, page, metric, setting, rule file"
    assert {f"a {kind}" for kind in kinds.split(", ")} <= TO_ADD.keys()


@pytest.mark.parametrize(("path", "before", "line", "module"), WITHOUT_ITS_ROW)
def test_what_has_no_row_yet_fails_at_import(path: str, before: str, line: str, module: str, copy: Path) -> None:
    """Done as a newcomer would: the name is added in a copy, and its row is forgotten."""
    text = (copy / path).read_text()
    assert text.count(before) == 1
    (copy / path).write_text(text.replace(before, f"{line}\n{before}"))
    try:
        done = subprocess.run(
            [sys.executable, "-c", f"import {module}"], cwd=copy, capture_output=True, text=True, timeout=60
        )
    finally:
        (copy / path).write_text(text)
    assert done.returncode == 1
    assert re.search(r"^(AssertionError|TypeError: the reason invented)", done.stderr, re.M), done.stderr
    assert str(copy) in done.stderr
