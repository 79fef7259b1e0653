"""The score: each way of being wrong is found and counted, and the core does well on a small state."""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.commands.score import Told, print_score, run_score, score
from streams.commands.simulate import run_simulate
from streams.run.problems import Problem

TRUTH: list[dict[str, Any]] = [
    {"row": "stay", "stay": "S1", "messages": ["m1", "m2", "m3", "m4"], "faults": ["late_diagnosis"]},
    {"row": "stay", "stay": "S2", "messages": ["n1", "n2"], "faults": []},
    {"row": "stay", "stay": "S3", "messages": ["o1"], "faults": []},
    {"row": "change", "stay": "S1", "enrollee": "E1", "what": "ed_visit", "by": ["m1"], "faults": ["late_diagnosis"]},
    {"row": "change", "stay": "S1", "enrollee": "E1", "what": "discharge", "by": ["m2", "m3"], "faults": []},
    {"row": "may", "stay": "S1", "enrollee": "E1", "by": ["m4"], "faults": []},
    {"row": "change", "stay": "S2", "enrollee": "E2", "what": "admission", "by": ["n1"], "faults": []},
    {"row": "retraction", "stay": "S2", "enrollee": "E2", "why": "cancelled_admission", "by": ["n2"], "faults": []},
    {"row": "noise", "enrollee": "E1", "by": ["x1"]},
    {"row": "repeat", "by": ["m1R"]},
]
RIGHT = [
    Told("m1", "a1", "E1", "notify", "in-progress"),
    Told("m3", "a1", "E1", "amend", "finished"),
    Told("m4", "a1", "E1", "amend", "finished"),
    Told("n1", "a2", "E2", "notify", "in-progress"),
    Told("n2", "a2", "E2", "retract", "cancelled"),
]


def names(result: dict[str, Any]) -> dict[str, Any]:
    return {name: result[name] for name in ("recall", "precision", "wrong_person", "duplicates", "needless",
                                            "stays_with_two_alerts", "retraction_coverage")}  # fmt: skip


PERFECT = {"recall": 1.0, "precision": 1.0, "wrong_person": 0, "duplicates": 0, "needless": 0,
           "stays_with_two_alerts": 0, "retraction_coverage": 1.0}  # fmt: skip


def test_all_right() -> None:
    result = score(TRUTH, RIGHT)
    assert names(result) == PERFECT
    assert (result["expected"], result["alerts"], result["worst"]) == (3, 5, [])
    assert result["by_kind"]["discharge"] == {"expected": 1, "recall": 1.0}
    assert result["by_fault"]["late_diagnosis"] == {"expected": 1, "recall": 1.0}


@pytest.mark.parametrize(
    ("name", "alerts", "differs"),
    [
        ("nothing told", [], {"recall": 0.0}),
        ("one change missed", RIGHT[1:], {"recall": 0.666667}),
        ("told by the wrong message", [RIGHT[0]._replace(control_id="m2"), *RIGHT[1:]], {"recall": 0.666667}),
        ("told to somebody else", [*RIGHT, Told("o1", "a9", "E1", "notify", "")],
         {"precision": 0.833333, "wrong_person": 1}),
        ("told to a stranger of the stay", [*RIGHT, Told("m2", "a9", "E2", "notify", "")],
         {"precision": 0.833333, "wrong_person": 1}),
        ("told for no message we know", [*RIGHT, Told("?", "a9", "E1", "notify", "")],
         {"precision": 0.833333, "wrong_person": 1}),
        ("told without need", [*RIGHT, Told("n2", "a2", "E2", "amend", "")],
         {"precision": 0.833333, "duplicates": 1}),
        ("told by noise", [*RIGHT, Told("x1", "a9", "E1", "notify", "")], {"precision": 0.833333, "needless": 1}),
        ("told by somebody else's noise", [*RIGHT, Told("x1", "a9", "E2", "notify", "")],
         {"precision": 0.833333, "wrong_person": 1}),
        ("told twice by one message", [*RIGHT, RIGHT[0]], {"precision": 0.833333, "duplicates": 1}),
        ("told by a copy", [*RIGHT, Told("m1R", "a1", "E1", "amend", "")],
         {"precision": 0.833333, "duplicates": 1}),
        ("two alerts", [*RIGHT[:1], RIGHT[1]._replace(alert_id="a7"), *RIGHT[2:]], {"stays_with_two_alerts": 1}),
        ("not taken back", RIGHT[:4], {"retraction_coverage": 0.0}),
        ("changed instead of taken back", [*RIGHT[:4], RIGHT[4]._replace(action="amend")],
         {"retraction_coverage": 0.0}),
        ("never told, so nothing to take back", RIGHT[:3], {"recall": 0.666667}),
    ],
)  # fmt: skip
def test_each_way_of_being_wrong(name: str, alerts: list[Told], differs: dict[str, Any]) -> None:
    result = score(TRUTH, alerts)
    assert names(result) == PERFECT | differs, name
    assert bool(result["worst"]) == bool(differs)


def test_a_needless_version_is_neither_wrong_person_nor_duplicate() -> None:
    truth = [*TRUTH, {"row": "stay", "stay": "S1", "messages": ["m5"], "faults": []}]
    result = score(truth, [*RIGHT, Told("m5", "a1", "E1", "amend", "")])
    assert names(result) == PERFECT | {"precision": 0.833333, "needless": 1}


def test_a_discharge_is_taken_back_by_any_version_that_says_so() -> None:
    truth = [*TRUTH]
    truth[7] = {**truth[7], "why": "cancelled_discharge"}
    assert score(truth, [*RIGHT[:4], RIGHT[4]._replace(action="amend")])["retraction_coverage"] == 1.0


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    faults = folder / "faults.toml"
    faults.write_text("cancelled = 0.1\nwrong_patient = 0.05\nmerges = 0.1\nreordered = 0.1\nresent_days = 0.2\n")
    run_simulate(400, 40, 11, folder, faults)
    return folder


def test_the_core_on_a_small_state(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run_score(state)
    assert result["expected"] > 150
    assert result["recall"] >= 0.999, result["worst"]
    assert names(result) | {"recall": 1.0} == PERFECT, result["worst"]
    assert list(result)[:10] == [
        "messages", "expected", "alerts", "recall", "precision", "wrong_person", "duplicates", "stays_with_two_alerts",
        "retraction_coverage", "by_kind",
    ]  # fmt: skip
    print_score(result)
    print_score(result, as_json=True)
    printed = capsys.readouterr().out
    assert "recall" in printed
    assert json.loads(printed.splitlines()[-1]) == result


def test_what_a_pipeline_told_is_scored_the_same_way(state: Path, tmp_path: Path) -> None:
    truth = [json.loads(line) for line in (state / "truth.jsonl").read_text().splitlines()]
    alerts = tmp_path / "alerts.jsonl"
    with alerts.open("w") as file:
        for row in truth:
            if row["row"] in ("change", "retraction"):
                action = "retract" if row["row"] == "retraction" else "notify"
                alert = {"control_id": row["by"][0], "alert_id": f"{row['stay']}{row['enrollee']}",
                         "enrollee_id": row["enrollee"], "action": action, "status": ""}  # fmt: skip
                file.write(json.dumps({"position": 1, "alert": alert}) + "\n")
    assert names(run_score(state, alerts)) == PERFECT


@pytest.mark.parametrize(("name", "content"), [("truth.jsonl", None), ("truth.jsonl", "no json"), ("panel.csv", None)])
def test_a_folder_that_is_no_state_is_named(tmp_path: Path, name: str, content: str | None) -> None:
    if name == "panel.csv":
        (tmp_path / "truth.jsonl").write_text("")
        (tmp_path / "panel.csv").write_text(
            "enrollee_id,last_name,first_name,birth_date,practice_id\nE1,Roe,Jan,1980-02-03,P1\n"
        )
    if content:
        (tmp_path / name).write_text(content)
    with pytest.raises(Problem, match="simulate"):
        run_score(tmp_path)


def test_alerts_that_are_none_are_named(state: Path, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="cannot be read"):
        run_score(state, tmp_path / "missing.jsonl")
    for text in ("nonsense", "[]", '{"alert": {"control_id": "1"}}'):
        (tmp_path / "alerts.jsonl").write_text(text)
        with pytest.raises(Problem, match="alert record"):
            run_score(state, tmp_path / "alerts.jsonl")
