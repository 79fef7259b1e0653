"""README's lists are the code's: topics, endings, reject codes, reasons, settings, metrics, commands.

`UPDATE_README=1` rewrites the tables; the review is the diff.
"""

import ast
import os
import re
from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path

import pytest
import typer

from parsers.outcomes import RejectCode
from parsers.people import NO_PATIENTS, Role
from rules.decisions import Reason
from rules.endings import Ending
from rules.following.roles import Doing, may
from streams.cli import app
from streams.follow.prune import KEPT
from streams.inbox.page import Comes, Page
from streams.inbox.table import PAGES
from streams.kafka.topics import TOPICS
from streams.run import metrics
from streams.run.settings import Settings, environment_name
from streams.tell.forms.csv import COLUMNS
from streams.words import people as people_words
from streams.words import reasons as reason_words

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )


def _topics() -> str:
    rows = [
        (
            f"`{topic}`",
            spec.key,
            spec.value if isinstance(spec.value, str) else spec.value.__name__,
            f"{spec.retention_days} days",
        )
        for topic, spec in TOPICS.items()
    ]
    return _table(("topic", "key", "value", "kept"), rows)


def _settings() -> str:
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = default.get_secret_value() if hasattr(default, "get_secret_value") else default
        shown = "" if shown in (None, ()) else str(shown)
        rows.append((f"`{environment_name(name)}`", shown, field.description or ""))
    return _table(("setting", "default", "what it is"), rows)


def _metrics() -> str:
    ours = [metric for metric in metrics.REGISTRY.collect() if metric.name.startswith("toc_")]
    rows = [
        (f"`{metric.name}{'_total' if metric.type == 'counter' else ''}`", metric.type, metric.documentation)
        for metric in ours
    ]
    return _table(("metric", "type", "what it is"), rows)


def _words(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _commands() -> str:
    command = typer.main.get_command(app)
    rows = [(f"`handoff {name}`", (sub.help or "").strip().splitlines()[0]) for name, sub in command.commands.items()]  # type: ignore[attr-defined]
    return _table(("command", "what it does"), rows)


def _rooms() -> str:
    rows = []
    for top in ("parsers", "rules", "streams"):
        for room in (
            top,
            *(package.parent.relative_to(ROOT).as_posix() for package in sorted((ROOT / top).glob("*/__init__.py"))),
        ):
            said = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text()))
            assert said, f"{room} does not say what it is for"
            rows.append((f"`{room}/`", said.splitlines()[0]))
    return _table(("room", "what is done there"), rows)


def _kept() -> str:
    settings = Settings.model_construct()
    return _table(("what", "how long", "says"), [(each.what, each.long(settings), each.by) for each in KEPT])


def _reasons() -> str:
    rows = [(f"`{reason}`", reason_words.reason(reason)) for reason in Reason]
    half = (len(rows) + 1) // 2
    beside = zip_longest(rows[:half], rows[half:], fillvalue=("", ""))
    return _table(("reason", "in words") * 2, [left + right for left, right in beside])


def _pages() -> str:
    rows = [
        (f"`{row.path}`", _who(row.who) + (", in the demo" if row.demo else ""), row.says)
        for row in PAGES
        if isinstance(row, Page) and row.comes is Comes.OPENED
    ]
    return _table(("page", "for", "what is there"), rows)


def _who(doing: Doing | None) -> str:
    roles = [role for role in Role if doing is None or may(role, doing)]
    if len(roles) == len(Role):
        return "everybody"
    if set(roles) == set(Role) - NO_PATIENTS:
        return "every role with patients"
    return ", ".join(people_words.ROLE_WORDS[role] for role in roles)


BLOCKS = {
    "kept": _kept,
    "rooms": _rooms,
    "topics": _topics,
    "endings": lambda: _words(Ending),
    "rejects": lambda: _words(RejectCode),
    "csv columns": lambda: _words(COLUMNS),
    "reasons": _reasons,
    "settings": _settings,
    "metrics": _metrics,
    "commands": _commands,
    "pages": _pages,
}


@pytest.mark.parametrize("name", BLOCKS)
def test_list_is_the_code_s(name: str) -> None:
    expected = BLOCKS[name]()
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.S)
    text = README.read_text()
    assert pattern.search(text), f"README has no block {name}"
    if os.environ.get("UPDATE_README"):
        README.write_text(pattern.sub(lambda block: block[1] + expected + "\n" + block[2], text))
        return
    assert pattern.search(text)[0] == f"<!-- {name} -->\n{expected}\n<!-- end -->"  # type: ignore[index]


def test_every_path_named_is_there() -> None:
    named = re.findall(r"`((?:parsers|rules|streams|docker|tests)/[\w./]*)`", README.read_text())
    assert len(named) > 20
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_test_named_beside_a_threat_is_there() -> None:
    threats = README.read_text().partition("\n## Threats and answers\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(test_\w+)`", threats))
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", file.read_text())
    }
    assert named
    assert not named - there
