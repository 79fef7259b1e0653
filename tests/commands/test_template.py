"""`panel template` and `directory template`: what they print can be filled in and loaded."""

import json
from datetime import date

import pytest

from parsers.files.directory import Kind, read_directory
from parsers.files.panel import PanelReader
from parsers.files.panel_columns import PANEL_HEADER
from streams.commands.template import run_directory_template, run_panel_template


def test_the_printed_header_of_a_panel_is_read_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_panel_template() == 0
    printed = capsys.readouterr()
    reader = PanelReader(date(2026, 11, 26))
    list(reader.read([printed.out.encode()]))
    assert [fault.reason for fault in reader.faults] == ["the file has a header and no line after it"]
    assert (reader.columns, reader.extra) == (PANEL_HEADER, ())
    assert all(name in printed.err for name in PANEL_HEADER)
    assert "required" in printed.err


def test_the_printed_headers_of_a_directory_are_read_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_directory_template() == 0
    headers = capsys.readouterr().out.splitlines(keepends=True)
    files = read_directory({kind: header.encode() for kind, header in zip(Kind, headers, strict=True)})
    assert {fault.code for fault in files.faults if fault.column} <= {"county_without_plan"}
    assert not any(fault.code in ("column_missing", "extra_column") for fault in files.faults)


def test_json_says_which_columns_are_required(capsys: pytest.CaptureFixture[str]) -> None:
    run_panel_template(as_json=True)
    (panel,) = json.loads(capsys.readouterr().out)
    required = [column["name"] for column in panel["columns"] if column["required"]]
    assert (panel["file"], required) == ("panel.csv", ["enrollee_id", "birth_date", "practice_id"])
    run_directory_template(as_json=True)
    assert [file["file"] for file in json.loads(capsys.readouterr().out)] == [f"{kind}.csv" for kind in Kind]
