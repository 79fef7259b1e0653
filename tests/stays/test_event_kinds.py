"""The table of event kinds: it is total, and what is read from it is what the rules ask for."""

import inspect
import re
from types import ModuleType

import pytest

from parsers.events import EventKind
from rules import event_kinds
from rules.decisions import Reason
from rules.event_kinds import ABOUT, CANCELS, KINDS, About
from rules.stays import table


@pytest.mark.parametrize(
    ("module", "row"),
    [(event_kinds, r" +EventKind.LINKED: Traits\(.*\n"), (table, r" +EventKind.LINKED: .*\n")],
    ids=["traits", "moves"],
)
def test_a_kind_without_its_row_fails_at_import(module: ModuleType, row: str) -> None:
    source, dropped = re.subn(row, "", inspect.getsource(module))
    assert dropped == 1
    with pytest.raises(AssertionError, match="a kind of event without its"):
        exec(compile(source, "without_a_row", "exec"), {"__name__": module.__name__})


def test_every_kind_is_about_one_thing() -> None:
    assert sorted(kind for kinds in ABOUT.values() for kind in kinds) == sorted(EventKind)


def test_what_takes_back_an_expectation_cancels_nothing_that_happened() -> None:
    assert EventKind.EXPECTED_CANCELLED not in CANCELS
    assert {kind: KINDS[kind].cancels for kind in CANCELS} == {
        EventKind.ADMIT_CANCELLED: EventKind.ADMITTED,
        EventKind.DISCHARGE_CANCELLED: EventKind.DISCHARGED,
        EventKind.TRANSFER_CANCELLED: EventKind.TRANSFERRED,
        EventKind.PLAN_CANCELLED: EventKind.PLANNED,
    }


def test_what_is_undone_is_kept_as_long_as_what_was_done() -> None:
    assert all(KINDS[kind].kept or KINDS[kind].untold or KINDS[kind].never_told for kind in CANCELS)


def test_whoever_gives_way_or_is_deleted_takes_the_stay_back_for_a_reason() -> None:
    assert {KINDS[kind].takes_back for kind in ABOUT[About.MERGE]} == {Reason.MERGED}
    assert KINDS[EventKind.PERSON_DELETED].takes_back is Reason.PERSON_DELETED
    assert KINDS[EventKind.VISIT_DELETED].takes_back is Reason.VISIT_DELETED
