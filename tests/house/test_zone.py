"""The office's zone is the policy's: whoever says a time, or asks which day it is, has been told the zone."""

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
FILES = sorted(path for path in (ROOT / "streams").rglob("*.py") if "migrations" not in path.parts)
DEFAULTS = {"rules/policy/office.py", "parsers/feeds.py", "parsers/files/directory.py"}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def names_in(path: Path, tree: ast.Module) -> dict[str, object]:
    """What the names of a file stand for, as far as they are its own functions or come from words and pages."""
    known: dict[str, object] = {}
    if {"words", "inbox"} & set(path.parts):
        known |= dict(inspect.getmembers(import_module(module_name(path)), inspect.isfunction))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("streams.words", "streams.inbox")):
            home = import_module(node.module or "")
            for alias in node.names:
                member = getattr(home, alias.name, None) or import_module(f"{node.module}.{alias.name}")
                known[alias.asname or alias.name] = member
    return known


def calls_without(path: Path, source: str) -> Iterator[str]:
    tree = ast.parse(source)
    known = names_in(path, tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called: object = None
        if isinstance(node.func, ast.Name):
            called = known.get(node.func.id)
        elif isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            home = known.get(node.func.value.id)
            called = getattr(home, node.func.attr, None) if isinstance(home, ModuleType) else None
        if not inspect.isfunction(called):
            continue
        takes = list(inspect.signature(called).parameters)
        if (
            "zone" in takes
            and len(node.args) <= takes.index("zone")
            and "zone" not in [keyword.arg for keyword in node.keywords]
        ):
            yield f"{path.relative_to(ROOT)}:{node.lineno} {called.__name__}"


def test_whoever_says_a_time_says_whose() -> None:
    assert [call for path in FILES for call in calls_without(path, path.read_text())] == []


def test_who_forgets_is_found() -> None:
    source = "from streams.words import times as said\nfrom streams.words.times import day\n"
    source += "said.moment(1, 2)\nday(1, 2)\nsaid.moment(1, 2, 3)\nday(1, 2, zone=3)\n"
    assert list(calls_without(ROOT / "forgetful.py", source)) == ["forgetful.py:3 moment", "forgetful.py:4 day"]


def test_one_place_says_which_zone_it_is_when_nobody_does() -> None:
    named = {
        str(path.relative_to(ROOT))
        for room in ("rules", "streams", "parsers")
        for path in (ROOT / room).rglob("*.py")
        if "invented" not in path.parts
        and ('ZoneInfo("America/' in (text := path.read_text()) or 'zone: str = "America/' in text)
    }
    assert named == DEFAULTS
