"""What is logged of a fault of ours names its type and place, never its text."""

import ast
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from rules.policy.policy import load_policy
from streams.follow.ticks import Tick, Ticker, TickName
from streams.run.crash import place_of, traced

ROOT = Path(__file__).resolve().parents[2]
GUARDS = {"Exception", "BaseException"}


def crashed():
    with pytest.raises(TypeError) as caught:
        load_policy(b"Rosa Whitfield")
    return caught.value


def test_the_place_is_the_innermost_of_our_own_frames():
    assert re.fullmatch(r"rules/policy/\w+\.py:\d+", place_of(crashed()))
    assert place_of(ValueError("never raised")) == ""
    assert "Rosa" not in str(traced(crashed()))


def test_a_tick_that_fails_is_logged_with_its_place():
    class Turns:
        def take(self, *_):
            return "turn"

        def last_run(self, _):
            return None

        def give_back(self, _):
            pass

    class Store:
        ticks = Turns()

    ticker = Ticker(Store(), (Tick(TickName.ESCALATION, 1.0, lambda *_: load_policy(b"Rosa Whitfield")),))
    with structlog.testing.capture_logs() as logs:
        ticker.once(datetime.now(UTC))
    [line] = [line for line in logs if line["event"] == "tick_failed"]
    assert line["place"].startswith("rules/policy/")
    assert "Rosa" not in str(line)


def test_every_guard_that_logs_says_the_place():
    """`log.exception` would say neither: the renderer of our logs writes no traceback, for it may hold PHI."""
    silent = []
    for path in (ROOT / "streams").rglob("*.py"):
        tree = ast.parse(path.read_text())
        calls = [node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and named(node, "log")]
        assert "exception" not in calls, path
        for guard in (node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)):
            if isinstance(guard.type, ast.Name) and guard.type.id in GUARDS:
                said = ast.unparse(guard)
                if re.search(r"\b(log\.\w+|leave)\(", said) and not re.search(r"traced\(|, error\)", said):
                    silent.append(f"{path.relative_to(ROOT)}:{guard.lineno}")
    assert silent == []


def named(call, name):
    return isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == name
