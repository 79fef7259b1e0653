"""The simulated state: the same for the same seed, in order, true to its own truth, and without our rules in it."""

import ast
import json
from collections import Counter
from pathlib import Path

import hl7
import pytest

from parsers.events import Event, EventKind, Finding
from parsers.feeds import Feed
from parsers.files.panel import PanelReader
from parsers.files.panel_columns import PANEL_HEADER, PanelRow
from parsers.hl7.adt import read_adt
from parsers.hl7.batches import split
from parsers.hl7.er7 import Peek, peek
from parsers.outcomes import NoTransition
from streams.commands.directory import read_folder
from streams.commands.score import messages_in_order
from streams.commands.simulate import load_faults, run_simulate
from streams.invented.drafts import START, Faults, SentMessage
from streams.invented.lives import Simulation, simulate
from streams.run.problems import Problem
from tests.messages.test_adt import AT

NONE = Faults(**dict.fromkeys(Faults.model_fields, 0.0))


@pytest.fixture(scope="module")
def made() -> Simulation:
    return simulate(600, 60, 5)


def rows(made: Simulation, kind: str) -> list[dict[str, object]]:
    return [row for row in made.truth if row["row"] == kind]


def control_id(data: bytes) -> str:
    seen = peek(data)
    assert isinstance(seen, Peek)
    return seen.control_id


def test_the_same_seed_makes_the_same_state(made: Simulation) -> None:
    again = simulate(600, 60, 5)
    assert again.messages == made.messages
    assert again.truth == made.truth
    assert again.panel == made.panel
    assert simulate(600, 60, 6).messages != made.messages


def test_the_simulator_knows_nothing_of_our_rules() -> None:
    tree = ast.parse(Path("streams/invented/lives.py").read_text())
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert not [
        name for name in modules if name.startswith("rules") or name in ("parsers.hl7.adt", "parsers.hl7.triggers")
    ]


def test_messages_arrive_in_order_and_can_be_read(made: Simulation) -> None:
    arrivals = [message.at for message in made.messages]
    assert arrivals == sorted(arrivals)
    assert arrivals[0] >= START
    for message in made.messages:
        read = read_adt(message.data, lambda _a, _f: Feed(), message_id="0" * 32, received_at=AT)
        assert isinstance(read, Event | NoTransition), read
        assert control_id(message.data) == message.control_id
    assert "^" not in repr(made.messages[0])
    assert isinstance(made.messages[0], SentMessage)


def test_another_parser_reads_them(made: Simulation) -> None:
    for message in made.messages[:50]:
        text = message.data.decode("latin-1").replace("\r\n", "\r").replace("\n", "\r")
        assert str(hl7.parse(text).segment("MSH")[10]) == message.control_id


def test_truth_leans_on_messages_that_were_sent(made: Simulation) -> None:
    sent = Counter(message.control_id for message in made.messages)
    enrollees = {row["enrollee_id"] for row in made.panel}
    stays = {row["stay"] for row in rows(made, "stay")}
    for row in made.truth:
        assert set(row["messages"] if row["row"] == "stay" else row["by"]) <= set(sent)
        assert row.get("enrollee", "") in enrollees | {""}
        assert row.get("stay") in stays | {None}
    assert {row["what"] for row in rows(made, "change")} >= {"ed_visit", "admission", "observation", "discharge"}


def test_who_is_not_enrolled_on_the_day_is_never_to_be_told(made: Simulation) -> None:
    ended = {row["enrollee_id"] for row in made.panel if row["effective_to"]}
    assert ended
    assert not ended & {row.get("enrollee") for row in made.truth if row["row"] != "noise"}


def test_without_faults_the_feed_is_clean() -> None:
    made = simulate(300, 60, 3, NONE)
    assert rows(made, "retraction") == rows(made, "may") or all(row["row"] != "retraction" for row in made.truth)
    assert rows(made, "repeat") == [{"row": "repeat", "by": []}]
    assert all(row["faults"] == [] for row in rows(made, "stay"))
    ids = [message.control_id for message in made.messages]
    assert len(ids) == len(set(ids))
    odd = {Finding.VISIT_NUMBER_MISSING, Finding.CLASS_UNKNOWN, Finding.LINE_END_NOT_CR, Finding.CHARSET_MISSING,
           Finding.TIME_ZONE_ASSUMED}  # fmt: skip
    for message in made.messages:
        assert b"\n" not in message.data
        read = read_adt(message.data, lambda _a, _f: Feed(), message_id="0" * 32, received_at=AT)
        assert isinstance(read, Event)
        assert not odd & {note.finding for note in read.notes}


@pytest.mark.parametrize(
    ("fault", "trace"),
    [
        ("duplicates", lambda made: len({m.control_id for m in made.messages}) < len(made.messages)),
        ("resends", lambda made: any(m.control_id.endswith("R") for m in made.messages)),
        ("resent_days", lambda made: any(m.control_id.endswith("D") for m in made.messages)),
        ("reordered", lambda made: any(len(row["by"]) > 1 for row in rows(made, "change"))),
        ("late_diagnosis", lambda made: any(row["what"] == "diagnosis" for row in rows(made, "change"))),
        ("cancelled", lambda made: any(row["why"] == "cancelled_admission" for row in rows(made, "retraction"))),
        (
            "cancelled_discharge",
            lambda made: any(row["why"] == "cancelled_discharge" for row in rows(made, "retraction")),
        ),
        ("merges", lambda made: any(b"\rMRG|" in m.data for m in made.messages)),
        ("wrong_patient", lambda made: any(row["why"] == "moved" for row in rows(made, "retraction"))),
        ("wrong_class", lambda made: any(b"|ZX|" in m.data for m in made.messages)),
        ("update_storms", lambda made: any(len(row["messages"]) > 100 for row in rows(made, "stay"))),
        ("line_feed", lambda made: all(b"\n" in m.data for m in made.messages)),
        ("charset", lambda made: any(not _is_utf8(m.data) for m in made.messages)),
        ("no_offset", lambda made: not any(b"-0500|" in m.data for m in made.messages)),
    ],
)
def test_each_fault_is_done(fault: str, trace: object) -> None:
    assert callable(trace)
    assert trace(simulate(200, 60, 2, NONE.model_copy(update={fault: 1.0 if fault != "resent_days" else 0.5})))
    assert not trace(simulate(200, 60, 2, NONE))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize(
    ("fault", "field"), [("no_visit_number", "PV1-19"), ("dropped_visit_number", "PV1-19"), ("no_admit_time", "PV1-44")]
)
def test_missing_fields_are_missing(fault: str, field: str) -> None:
    made = simulate(100, 60, 2, NONE.model_copy(update={fault: 1.0}))
    for message in made.messages:
        read = read_adt(message.data, lambda _a, _f: Feed(), message_id="0" * 32, received_at=AT)
        assert isinstance(read, Event)
        if read.visit and read.kind is EventKind.DISCHARGED:
            assert (read.visit.number if field == "PV1-19" else read.visit.admitted_at) is None


def test_what_is_written_is_what_was_made(tmp_path: Path) -> None:
    summary = run_simulate(300, 30, 4, tmp_path / "out")
    made = simulate(300, 30, 4)
    assert summary["messages"] == len(made.messages)
    assert summary["changes"] == len(rows(made, "change"))
    written = [item.message for path in sorted((tmp_path / "out").glob("*.hl7")) for item in split(path.read_bytes())]
    assert Counter(map(control_id, written)) == Counter(message.control_id for message in made.messages)
    truth = [json.loads(line) for line in (tmp_path / "out" / "truth.jsonl").read_text().splitlines()]
    assert truth == made.truth
    assert (tmp_path / "out" / "panel.csv").read_text().splitlines()[0] == ",".join(PANEL_HEADER)
    reader = PanelReader(AT.date())
    people = list(reader.read([(tmp_path / "out" / "panel.csv").read_bytes()]))
    assert len(people) == summary["enrollees"]
    assert all(isinstance(row, PanelRow) for row in people)
    files = read_folder(tmp_path / "out" / "directory")
    assert files.usable
    assert {row["practice_id"] for row in made.panel} <= {practice.practice_id for practice in files.practices}


def test_the_order_of_arrival_survives_the_files(tmp_path: Path) -> None:
    run_simulate(300, 30, 4, tmp_path)
    order: dict[str, list[str]] = {}
    for message in simulate(300, 30, 4).messages:
        order.setdefault(message.hospital, []).append(message.control_id)
    merged = list(map(control_id, messages_in_order(tmp_path)))
    for ids in order.values():
        own = set(ids)
        assert [sent for sent in merged if sent in own] == ids


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("duplicates = 2", "duplicates"),
        ("duplicate = 0.1", "duplicate"),
        ("resends = 'often'", "resends"),
        ("not toml", "TOML"),
    ],
)
def test_faults_that_cannot_be_used_are_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text)
    with pytest.raises(Problem, match=words):
        load_faults(path)


def test_faults_left_out_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text("duplicates = 0.5\n")
    assert load_faults(path) == Faults(duplicates=0.5)
