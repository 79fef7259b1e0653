"""The webhook's body is the published contract: valid by its schema, small, and named by what happened."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from parsers.events import Diagnosis
from rules.decisions import Action, AlertKind, Change, StayStatus
from streams.tell.forms.csv import COLUMNS, header, row
from streams.tell.forms.json import MOST, TYPES, StayEvent, body, event_type, schema
from streams.tell.nobody import sample_view

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SEEN = sample_view(NOW)
SCHEMAS = Path(__file__).resolve().parents[2] / "streams" / "tell" / "schemas"


def test_what_is_sent_reads_back_as_the_published_value() -> None:
    event = StayEvent.model_validate_json(body(SEEN))
    assert (event.type, event.schema_version, event.test) == ("stay.started", 1, False)
    assert event.data.person and event.data.person.family == "TEST"
    assert schema()["properties"].keys() == {"type", "timestamp", "schema_version", "test", "data"}


@pytest.mark.parametrize("kind", TYPES)
def test_the_schema_of_each_type_lies_in_the_tree_as_published(kind: str) -> None:
    """UPDATE_SCHEMAS=1 writes them; within version 1 fields are only added."""
    path = SCHEMAS / f"{kind}.v1.json"
    made = json.dumps(schema(kind), indent=2) + "\n"
    if os.environ.get("UPDATE_SCHEMAS"):
        path.write_text(made)
    assert path.read_text() == made


def test_what_is_sent_keeps_the_schema_of_its_type_and_of_no_other() -> None:
    sent = json.loads(body(SEEN))
    for kind in TYPES:
        published = json.loads((SCHEMAS / f"{kind}.v1.json").read_text())
        assert set(published["required"]) <= sent.keys() <= published["properties"].keys()
        stay = published["$defs"]["Stay"]
        assert set(stay["required"]) <= sent["data"].keys() <= stay["properties"].keys()
        assert (published["properties"]["type"]["const"] == sent["type"]) == (kind == "stay.started")


def test_long_texts_of_a_hospital_are_cut_until_the_body_is_small() -> None:
    long = SEEN.model_copy(
        update={
            "diagnoses": tuple(Diagnosis(code="X", system="I10", text="ä" * 600) for _ in range(30)),
            "changes": tuple(Change(field="unit", before="é" * 900, after="é" * 900) for _ in range(12)),
            "complaint": "ö" * 900,
        }
    )
    assert len(body(long)) < MOST
    assert len(StayEvent.model_validate_json(body(long)).data.diagnoses) == 25


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"action": Action.RETRACT, "status": StayStatus.FINISHED}, "stay.retracted"),
        ({"action": Action.AMEND, "kind": AlertKind.DEATH}, "stay.died"),
        ({"action": Action.AMEND, "status": StayStatus.FINISHED}, "stay.discharged"),
        ({"action": Action.AMEND}, "stay.changed"),
        ({}, "stay.started"),
    ],
)
def test_the_word_a_receiver_filters_by(changes: dict, word: str) -> None:
    assert event_type(SEEN.model_copy(update=changes)) == word


def test_a_row_has_the_header_s_columns_and_no_formula() -> None:
    seen = SEEN.model_copy(update={"complaint": "=HYPERLINK(1)", "facility": 'A "B", C'})
    line = row(seen).decode()
    assert header().decode().strip().split(",") == list(COLUMNS)
    assert "'=HYPERLINK(1)" in line and '"A ""B"", C"' in line
    assert line.endswith("\r\n")
