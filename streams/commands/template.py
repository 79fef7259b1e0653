"""`handoff panel template` and `directory template`: headers to fill in out, with what stands in each column.

The headers go to standard output, the explanation to standard error, so that `handoff panel template > panel.csv` is a
file to begin with. JSON: `[{"file", "columns": [{"name", "required", "meaning", "also"}]}]`.
"""

import sys
from collections.abc import Iterable
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from parsers.files import directory_columns, panel_columns
from streams.commands.printing import print_json


class _Line(NamedTuple):
    name: str
    required: bool
    meaning: str
    also: tuple[str, ...]  # further names that are understood


def run_panel_template(*, as_json: bool = False) -> int:
    """The panel's header, and its columns explained."""
    columns = panel_columns.COLUMNS.items()
    lines = [_Line(name, column.required, column.meaning, column.aliases) for name, column in columns]
    return _say([("panel.csv", lines)], as_json)


def run_directory_template(*, as_json: bool = False) -> int:
    """The headers of the directory's files, and their columns explained."""
    return _say(
        (
            (f"{kind}.csv", [_Line(column.name, column.required, column.meaning, column.aliases) for column in columns])
            for kind, columns in directory_columns.COLUMNS.items()
        ),
        as_json,
    )


def _say(files: Iterable[tuple[str, list[_Line]]], as_json: bool) -> int:
    if as_json:
        print_json([{"file": name, "columns": [line._asdict() for line in lines]} for name, lines in files])
        return 0
    console = Console(stderr=True)
    for name, lines in files:
        sys.stdout.write(",".join(line.name for line in lines) + "\n")
        sys.stdout.flush()
        table = Table(title=name, title_justify="left", box=None, padding=(0, 2, 0, 0))
        for heading in ("column", "", "what stands there", "also read as"):
            table.add_column(heading, no_wrap=heading == "column")
        for line in lines:
            table.add_row(line.name, "required" if line.required else "", line.meaning, ", ".join(line.also))
        console.print(table)
    return 0
