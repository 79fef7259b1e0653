"""The trigger table row by row: a flipped or dropped row fails here under its own name.

`ROWS` is written by hand from HL7 chapter 3 (what each trigger event says), table 0354 (its message structure) and what
each comes to for an alert; nothing of it is computed from `parsers.hl7.triggers`.
"""

import pytest

from parsers.events import EventKind, Finding
from parsers.hl7.triggers import (
    MERGES,
    STRUCTURES,
    TRIGGERS,
    Still,
    Trigger,
    find_trigger,
    is_adt,
    meaning,
    structure_finding,
)

ROWS = """
A01 admitted            ADT_A01
A02 transferred         ADT_A02
A03 discharged          ADT_A03
A04 registered          ADT_A01
A05 planned             ADT_A05
A06 class_changed       ADT_A06
A07 class_changed       ADT_A06
A08 updated             ADT_A01
A09 tracking            ADT_A09
A10 tracking            ADT_A09
A11 admit_cancelled     ADT_A09
A12 transfer_cancelled  ADT_A09
A13 discharge_cancelled ADT_A01
A14 planned             ADT_A05
A15 pending_transfer    ADT_A15
A16 discharge_expected  ADT_A16
A17 bed_swap            ADT_A17
A18 person_merged       ADT_A18
A19 query               -
A20 bed_status          ADT_A20
A21 left_on_leave       ADT_A21
A22 back_from_leave     ADT_A21
A23 visit_deleted       ADT_A21
A24 linked              ADT_A24
A25 expected_cancelled  ADT_A21
A26 pending_transfer    ADT_A21
A27 plan_cancelled      ADT_A21
A28 person_updated      ADT_A05
A29 person_deleted      ADT_A21
A30 person_merged       ADT_A30
A31 person_updated      ADT_A05
A32 tracking            ADT_A21
A33 tracking            ADT_A21
A34 person_merged       ADT_A30
A35 account_merged      ADT_A30
A36 person_merged       ADT_A30
A37 unlinked            ADT_A37
A38 plan_cancelled      ADT_A38
A39 person_merged       ADT_A39
A40 person_merged       ADT_A39
A41 account_merged      ADT_A39
A42 visit_merged        ADT_A39
A43 person_moved        ADT_A43
A44 account_moved       ADT_A43
A45 visit_moved         ADT_A45
A46 person_merged       ADT_A30
A47 person_merged       ADT_A30
A48 alternate_identifier ADT_A30
A49 account_merged      ADT_A30
A50 visit_merged        ADT_A50
A51 alternate_identifier ADT_A50
A52 back_from_leave     ADT_A52
A53 left_on_leave       ADT_A52
A54 updated             ADT_A54
A55 updated             ADT_A54
A56 unknown             -
A57 unknown             -
A58 unknown             -
A59 unknown             -
A60 allergy             ADT_A60
A61 consulting_doctor   ADT_A61
A62 consulting_doctor   ADT_A61
"""
TABLE = [tuple(row.split()) for row in ROWS.strip().splitlines()]


@pytest.mark.parametrize(("code", "word", "structure"), TABLE, ids=[row[0] for row in TABLE])
def test_row(code: str, word: str, structure: str) -> None:
    assert code in TRIGGERS, f"{code} has a row of its own"
    assert meaning(code).value == word
    assert STRUCTURES.get(code, "-") == structure


def test_the_table_is_total_and_has_no_more_rows() -> None:
    assert list(TRIGGERS) == [f"A{number:02d}" for number in range(1, 63)] == [row[0] for row in TABLE]
    assert set(STRUCTURES) <= set(TRIGGERS)


def test_every_event_kind_and_every_stillness_is_reached() -> None:
    assert {kind for kind in TRIGGERS.values() if isinstance(kind, EventKind)} == set(EventKind)
    assert {still for still in TRIGGERS.values() if isinstance(still, Still)} == set(Still)


@pytest.mark.parametrize("code", ["A63", "A99", "A00", "Z01", "P03", "R01", "", "a01", "A1"])
def test_what_is_not_in_the_table_is_unknown(code: str) -> None:
    assert meaning(code) is Still.UNKNOWN


def test_merges_are_what_has_a_prior_side() -> None:
    assert {kind.value for kind in MERGES} == {
        "person_merged", "account_merged", "visit_merged", "person_moved", "account_moved", "visit_moved"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "sent", "trigger"),
    [
        ("MSH-9.2", ("A01", "A01", "ADT_A01"), Trigger("A01", EventKind.ADMITTED)),
        ("lower case and blanks", (" a01 ", "", ""), Trigger("A01", EventKind.ADMITTED)),
        ("EVN-1 silent", ("A03", "", ""), Trigger("A03", EventKind.DISCHARGED)),
        ("they disagree", ("A08", "A03", ""), Trigger("A08", EventKind.UPDATED, Finding.TRIGGER_DISAGREES)),
        ("EVN-1 is rubbish", ("A08", "ADMIT", ""), Trigger("A08", EventKind.UPDATED)),
        ("only EVN-1", ("", "A03", "ADT_A01"), Trigger("A03", EventKind.DISCHARGED, Finding.TRIGGER_FROM_EVN)),
        ("MSH-9.2 is rubbish", ("ADT", "A03", ""), Trigger("A03", EventKind.DISCHARGED, Finding.TRIGGER_FROM_EVN)),
        ("only the structure", ("", "", "ADT_A03"),
         Trigger("A03", EventKind.DISCHARGED, Finding.TRIGGER_FROM_STRUCTURE)),
        ("the structure in MSH-9.2", ("ADT_A04", "", ""), Trigger("A04", EventKind.REGISTERED)),
        ("a trigger of nobody", ("Z77", "", ""), Trigger("Z77", Still.UNKNOWN)),
        ("with the type in EVN-1", ("", "ADT^A01", ""), Trigger("A01", EventKind.ADMITTED, Finding.TRIGGER_FROM_EVN)),
        ("with the type in MSH-9.2", ("ADT-A03", "", ""), Trigger("A03", EventKind.DISCHARGED)),
        ("with the structure", ("A04^ADT_A01", "", ""), Trigger("A04", EventKind.REGISTERED)),
        ("with its name", ("A08 Update", "A08", ""), Trigger("A08", EventKind.UPDATED)),
        ("text where a trigger should be", ("Smith", "", ""), None),
        ("a name that begins like one", ("A012", "", ""), None),
        ("text in EVN-1", ("", "Smith", ""), None),
        ("nothing", ("", "", ""), None),
        ("no structure either", ("", "", "ACK"), None),
    ],
)  # fmt: skip
def test_where_the_trigger_is_found(name: str, sent: tuple[str, str, str], trigger: Trigger | None) -> None:
    assert find_trigger(*sent) == trigger, name


@pytest.mark.parametrize("kind", ["ADT", "adt", "ADT_A01", "ADTA01", "ADT A01", "ADT^A01", "A01"])
def test_what_says_adt(kind: str) -> None:
    assert is_adt(kind)


@pytest.mark.parametrize("kind", ["ORU", "ACK", "ORM", "ADTX", "BAR", "R01", "Z01", ""])
def test_what_does_not_say_adt(kind: str) -> None:
    assert not is_adt(kind)


@pytest.mark.parametrize(
    ("code", "structure", "version", "finding"),
    [
        ("A01", "ADT_A01", "2.5", None),
        ("A01", "adt_a01", "2.5", None),
        ("A04", "ADT_A04", "2.5", Finding.STRUCTURE_WRONG),
        ("A19", "ADR_A19", "2.5", None),
        ("A01", "", "2.5", Finding.STRUCTURE_MISSING),
        ("A01", "", "2.3.1", Finding.STRUCTURE_MISSING),
        ("A01", "", "2.3", None),
        ("A01", "", "", None),
    ],
)
def test_structures(code: str, structure: str, version: str, finding: Finding | None) -> None:
    assert structure_finding(code, structure, version) == finding
