"""A reason is a row: without its words, or without saying how far it goes, the program does not start."""

import inspect
import re
from types import ModuleType

import pytest

from rules import decisions
from rules.decisions import Reason
from streams.words import reasons


def without(module: ModuleType, row: str, instead: str) -> str:
    source, changed = re.subn(row, instead, inspect.getsource(module))
    assert changed == 1
    return source


def start(source: str, name: str) -> None:
    exec(compile(source, "changed", "exec"), {"__name__": name})


def test_a_reason_without_words_fails_at_import() -> None:
    with pytest.raises(AssertionError, match="a reason without its words"):
        start(without(reasons, r" +Reason.OVERDOSE: .*\n", ""), reasons.__name__)


def test_a_reason_that_does_not_say_how_far_it_goes_fails_at_import() -> None:
    with pytest.raises(TypeError, match="overdose"):
        start(without(decisions, r'OVERDOSE = "overdose", False', 'OVERDOSE = "overdose"'), decisions.__name__)


def test_a_reason_is_still_its_word() -> None:
    assert (Reason.OVERDOSE, str(Reason.OVERDOSE), Reason("overdose")) == ("overdose", "overdose", Reason.OVERDOSE)
    assert (Reason.OVERDOSE.general, Reason.ADMITTED.general) == (False, True)
