# ruff: noqa: E501 (lines of CSV)
import csv
import io
import json
from pathlib import Path

import pytest

from streams.commands.match import run_match
from streams.run.problems import Problem

PANEL = """enrollee_id,medicaid_id,ssn,last_name,first_name,middle_name,suffix,birth_date,sex,address,city,state,zip,county,phone,mother_enrollee_id,mrns,practice_id,risk_tier,shoe_size
E1,900123456K,245671234,Whitfield,Rosalind,Marie,,1954-03-07,F,12 Oak St,Asheville,NC,28801,Buncombe,8285550142,,NORTH:12345,P1,high,38
E2,,,Whitfield,James,,Jr,1984-05-02,M,12 Oak St,Asheville,NC,28801,Buncombe,8285550142,E1,,P1,low,43
,,,Nobody,,,,,,,,,,,,,,,,
"""
QUERIES = """query_id,last name,given_name,dob,Sex,street,postcode,Home Phone,mrn,color
q3,WHITFIELD,Rosalind,03/07/1954,female,12 Oak Street,28801,(828) 555-0142,,red
q1,Ito,Ken,19990909,M,,,,,blue
q2,,,,,,,,North:0012345,
"""


@pytest.fixture
def files(tmp_path: Path):
    def write(name: str, text: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_queries_are_answered_in_their_order(files, capsys):
    assert run_match(files("panel.csv", PANEL), files("queries.csv", QUERIES), as_json=True) == 0
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line["query_id"], line["grade"], line["enrollee_id"]) for line in lines] == [
        ("q3", "certain", "E1"),
        ("q1", "certainly-not", None),
        ("q2", "certain", "E1"),
    ]
    assert list(lines[0]) == ["query_id", "grade", "enrollee_id", "runner_up", "weight", "evidence"]
    assert lines[0]["evidence"]["birth_date"] == "equal"
    assert lines[0]["weight"] > 20
    assert err.splitlines() == [
        "panel.csv: columns ignored: shoe_size",
        "panel.csv: 1 lines without an enrollee_id left out",
        "queries.csv: columns ignored: color",
    ]


def test_text_for_people(files, capsys):
    run_match(files("panel.csv", PANEL), files("queries.csv", QUERIES))
    first = capsys.readouterr().out.splitlines()[0].split("\t")
    assert first[:3] == ["q3", "certain", "E1"]
    assert "birth date equal" in first[-1]


def test_names_in_one_column_and_no_query_id(files, capsys):
    queries = 'enrollee_id,name,birth_date,address,zip\nE2,"Whitfield, Rosalind Marie",1954-03-07,12 Oak St,28801\n'
    queries += "E2,Rosalind Marie Whitfield,1954/3/7,12 Oak St,28801\n"
    run_match(files("panel.csv", PANEL), files("queries.csv", queries), as_json=True)
    out, err = capsys.readouterr()
    assert [(json.loads(line)["query_id"], json.loads(line)["enrollee_id"]) for line in out.splitlines()] == [
        ("1", "E1"),
        ("2", "E1"),
    ]
    assert "queries.csv: columns ignored: enrollee_id" in err


def test_house_number_in_a_column_of_its_own(files, capsys):
    panel = "rec_id,given_name,surname,street_number,address_1,suburb,postcode,date_of_birth\nr1,kim,waller,6,tullaroop street,st james,4011,19081209\n"
    queries = "query_id,given_name,surname,street_number,address_1,suburb,postcode,date_of_birth\nq1,kim,walller,6,tullaroop street,st james,4011,19081209\n"
    run_match(files("p.csv", panel), files("q.csv", queries), as_json=True)
    line = json.loads(capsys.readouterr().out)
    assert (line["grade"], line["enrollee_id"]) == ("probable", "r1")
    assert line["evidence"]["address"] == "equal"
    assert line["evidence"]["last_name"] == "similar"


def test_pairs_under_the_names_of_an_immunization_registry(files, capsys):
    columns = "nameFirst,nameLast,birthDate,gender,addressStreet1,addressCity,addressState,addressZip,mrns".split(",")
    header = ",".join(f"{side}_{column}" for side in "ab" for column in columns)
    row = "Roni,Fremming,20110624,M,393 Werstad Ln,Port Sanilac,MI,48469,1-L18"
    run_match(None, None, pairs=files("pairs.csv", f"pair_id,{header}\np1,{row},{row}\n"), as_json=True)
    out, err = capsys.readouterr()
    line = json.loads(out)
    assert line["grade"] == "certain"
    assert list(line["evidence"]) == ["last_name", "first_name", "birth_date", "sex", "address", "zip"]
    assert err == ""


def test_broken_lines_still_get_an_answer(files, capsys):
    queries = b'\xef\xbb\xbfquery_id,last_name,first_name,birth_date\r\nq1,Whitfield\r\nq2,"Whit"field,Rosalind,1954-03-07\r\n\r\nq3,Nu\xf1ez,Ana,2001-02-03\r\n,,,\r\n'
    run_match(files("panel.csv", PANEL), files("queries.csv", queries), as_json=True)
    out, err = capsys.readouterr()
    assert [json.loads(line)["query_id"] for line in out.splitlines()] == ["q1", "q2", "q3"]
    assert "line 2 does not fit the header" in err
    assert "Rosalind" not in err


def test_pairs(files, capsys):
    rows = [
        ("pair_id", "a_last_name", "a_first_name", "a_birth_date", "a_phone", "b_last_name", "b_first_name", "b_dob",
         "b_phone", "label"),
        ("p1", "Whitfield", "Liz", "1954-03-07", "8285550142", "Whitfield", "Elizabeth", "1954-03-07", "8285550142", "x"),
        ("p2", "Whitfield", "Liz", "1954-03-07", "", "Whitfield", "Elizabeth", "1954-03-07", "", "x"),
        ("p3", "Whitfield", "Liz", "1954-03-07", "", "Ito", "Ken", "1999-09-09", "", "x"),
    ]  # fmt: skip
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    pairs = files("pairs.csv", text.getvalue())
    run_match(None, None, pairs=pairs, as_json=True)
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line["pair_id"], line["grade"]) for line in lines] == [
        ("p1", "certain"),
        ("p2", "possible"),
        ("p3", "certainly-not"),
    ]
    assert lines[0]["evidence"]["first_name"] == "nickname"
    assert err == "pairs.csv: columns ignored: label\n"
    run_match(None, None, pairs=pairs, panel_size=100, as_json=True)
    small = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert small[1]["grade"] == "possible"  # no third element, however small the panel
    assert small[0]["weight"] > lines[0]["weight"] + 10


@pytest.mark.parametrize(
    ("panel", "queries", "pairs", "words"),
    [
        ("a,b\n1,2\n", QUERIES, None, "names no known column"),
        ("last_name\nIto\n", QUERIES, None, "no column enrollee_id"),
        (PANEL, "query_id,city\nq1,Cary\n", None, "no column to find people by"),
        (PANEL, None, None, "two files are needed"),
        (None, None, "pair_id,a_last_name\n1,Ito\n", "no columns b_"),
        ("", QUERIES, None, "names no known column"),
    ],
)
def test_files_that_cannot_be_used(files, panel, queries, pairs, words):
    paths = [
        files(name, text) if text is not None else None for name, text in (("p", panel), ("q", queries), ("r", pairs))
    ]
    with pytest.raises(Problem, match=words):
        run_match(paths[0], paths[1], pairs=paths[2])
