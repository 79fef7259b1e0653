"""What lies on the topic of alerts is the published contract, held against its schema by a validator of others."""

import json
import os
from pathlib import Path

import jsonschema_rs
import pytest

from rules.decisions import Action, History
from streams.kafka.records import AlertRecord, alerts_schema
from tests.rigs.store import alert_of, decide, record

SCHEMA = Path(__file__).resolve().parents[2] / "streams" / "kafka" / "schemas" / "toc.alerts.v1.json"


def test_the_schema_lies_in_the_tree_as_published() -> None:
    """UPDATE_SCHEMAS=1 writes it; within version 1 fields are only added."""
    made = json.dumps(alerts_schema(), indent=2) + "\n"
    if os.environ.get("UPDATE_SCHEMAS"):
        SCHEMA.write_text(made)
    assert SCHEMA.read_text() == made


@pytest.mark.parametrize("action", [Action.NOTIFY, Action.AMEND, Action.RETRACT])
def test_what_is_published_keeps_it_also_with_a_field_more(action: Action) -> None:
    keeps = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text()))
    made = decide(record(1), History()).stays[0]
    sent = json.loads(AlertRecord(position=7, alert=alert_of(made, 2, record(1).event, action)).written())
    assert keeps.is_valid(sent)
    assert keeps.is_valid({**sent, "later": 1, "alert": {**sent["alert"], "later": 1}}), "a newer version of ours"
    assert not keeps.is_valid({**sent, "alert": {**sent["alert"], "action": "?"}})
