"""The house rules as tests: lint, format, types, architecture, and README's lists equal to the code's."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports", "--no-logo"]],
    ids=["lint", "format", "types", "architecture"],
)
def test_checks_pass(command: list[str]) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV_")}
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, timeout=280, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_top_level_is_what_was_agreed() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    top = {name.split("/")[0] for name in tracked if name}
    assert top <= {
        "pyproject.toml", "streams", "parsers", "rules", "docker", "tests", "README.md", "LICENSE", ".ci",
        "constraints.txt", ".gitignore", ".dockerignore",
    }  # fmt: skip


def test_no_file_is_longer_than_400_lines_without_a_reason_at_its_head() -> None:
    unexplained = []
    for room in ("parsers", "rules", "streams"):
        for path in (ROOT / room).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            head = ast.get_docstring(ast.parse(text)) or ""
            if text.count("\n") > 400 and "\nOne file, because " not in head:
                unexplained.append(f"{path.relative_to(ROOT)}: split it, or say `One file, because …` at its head")
    assert unexplained == []


def test_no_registry_host_and_no_path_of_a_machine_is_committed() -> None:
    listing = (
        subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    )
    suspicious = re.compile(
        r"https?://[^\s\"']*(pypi|maven|npmjs|artifactory|nexus)|(?<!\w)/(work|root)/[\w.]|/home/[a-z]\w*/", re.I
    )
    offending = []
    for name in filter(None, listing):
        path = ROOT / name
        if (
            path != Path(__file__)
            and path.suffix in {".py", ".md", ".toml", ".txt", ".yml", ".xml", ".html", ".js", ".css", ""}
            and path.is_file()
        ):
            offending += [name for line in path.read_text(errors="replace").splitlines() if suspicious.search(line)]
    assert offending == []


# What reads a page once, as it is at that instant. A page that is alive is waited for (`expect(…)`).
READ_ONCE = {
    "all_inner_texts",
    "all_text_contents",
    "count",
    "get_attribute",
    "inner_text",
    "input_value",
    "is_hidden",
    "is_visible",
    "text_content",
}


def test_no_assertion_reads_a_live_page_only_once() -> None:
    once = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        source = path.read_text()
        if "playwright" not in source and "page_of" not in source:
            continue
        asserts = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert)]
        once += [
            f"{path}:{call.lineno}: {call.func.attr}"
            for node in asserts
            for call in ast.walk(node)
            if isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr in READ_ONCE
            and (call.func.attr != "count" or not call.args)
        ]
    assert once == [], "await what the page shows: expect(locator).to_have_text(…)"


# What may be called so is anything: a name says what its value is.
SAYS_NOTHING = {"found", "one", "told"}


def names_that_say_nothing(source: str) -> list[tuple[int, str]]:
    """Local names, parameters and variables of comprehensions, by line; the fields of a class have its name beside."""
    nodes = list(ast.walk(ast.parse(source)))
    statements = [statement for node in nodes if isinstance(node, ast.ClassDef) for statement in node.body]
    fields = {
        target
        for statement in statements
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
    }
    names = [(node.lineno, node.arg) for node in nodes if isinstance(node, ast.arg)]
    names += [
        (node.lineno, node.name) for node in nodes if isinstance(node, ast.ExceptHandler | ast.MatchAs) and node.name
    ]
    names += [
        (node.lineno, node.id)
        for node in nodes
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node not in fields
    ]
    return sorted(place for place in names if place[1] in SAYS_NOTHING)


def test_a_name_says_what_its_value_is() -> None:
    unsaid = [
        f"{path.relative_to(ROOT)}:{line}: {name}: call it what it is"
        for room in ("parsers", "rules", "streams", "tests")
        for path in sorted((ROOT / room).rglob("*.py"))
        for line, name in names_that_say_nothing(path.read_text(encoding="utf-8"))
    ]
    assert not unsaid, "\n".join(unsaid)


def test_a_name_that_says_nothing_is_seen_wherever_it_is_bound() -> None:
    source = """class Alert:
    told: bool
def match(one, *, told=()):
    found, stay = one.found, [stay for one in told]
    if found := told: return lambda one: one
    with stay as told: match(told=stay, found=1)
    match stay:
        case [found]: return f"{[found for found in stay]}"
"""
    assert names_that_say_nothing(source) == [
        *((3, "one"), (3, "told"), (4, "found"), (4, "one"), (5, "found"), (5, "one"), (6, "told")),
        *((8, "found"), (8, "found")),
    ]
