"""`handoff explain`: one object a message, in order, streaming; a page for people; every message gets an ending."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from parsers.feeds import Feed
from parsers.outcomes import Reject, RejectCode
from streams.commands.bench_core import measure, mix
from streams.commands.explain import Core, explain_files, read_panel, read_policy, run_explain
from streams.commands.explain_page import ENDINGS, WISHES, line, print_page
from streams.run.problems import Problem

HEADER = r"MSH|^~\&|ADT|MISSION|HUB|NETWORK|20261110090500||ADT^{0}|{1}|P|2.5.1"
BODY = [
    "EVN|{0}|202611{2}00",
    "PID|1||100001^^^MISSION^MR||MARKERFAMILY^Rosa||19550314|F|||4 Creek Road^^Asheville^NC^28801||8285550111",
    "PV1|1|{3}|4E^412^A^MISSION||||||||||||||||V1^^^MISSION^VN",
]
KEYS = {
    "n",
    "control_id",
    "trigger",
    "ending",
    "code",
    "place",
    "event",
    "stay",
    "match",
    "decision",
    "alert",
}
PANEL = (
    "enrollee_id,last_name,first_name,birth_date,sex,address,city,state,zip,phone,practice_id,risk_tier,mrns\n"
    "E1,Markerfamily,Rosa,1955-03-14,F,4 Creek Road,Asheville,NC,28801,8285550111,P1,high,MISSION:100001\n"
)


def message(trigger="A01", control="M1", at="100905", encounter_class="I"):
    return "\r".join([HEADER, *BODY, ""]).format(trigger, control, at, encounter_class).encode()


@pytest.fixture
def no_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("HANDOFF_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def test_the_object():
    answer = Core().step(message())
    assert set(answer) == KEYS
    assert (answer["n"], answer["control_id"], answer["trigger"], answer["ending"]) == (1, "M1", "A01", "event")
    assert answer["match"] == {
        "grade": "certain",
        "enrollee": "MISSION|100001",
        "evidence": {"panel": "none given"},
    }
    assert answer["decision"] == {"action": "notify", "reasons": ["admitted"]}
    alert = answer["alert"]
    assert (alert["id"], alert["version"], alert["kind"]) == (answer["stay"], 1, "admission")
    assert (alert["class"], alert["status"], alert["priority"]) == ("IMP", "in-progress", "routine")
    assert alert["owners"] == ["central-office"]
    (notice,) = alert["clocks"]
    assert (notice["kind"], notice["status"]) == ("trc_admission_notice", "met")
    assert notice["met_at"] == answer["event"]["recorded_at"]


def test_endings_and_places():
    core = Core()
    endings = [
        core.step(message()),
        core.step(message(control="M2")),
        core.step(message("A60", "M3")),
        core.step(message("A99", "M4")),
        core.step(message().replace(b"|P|", b"|T|")),
        core.step(b"hello"),
        core.step(b""),
        core.step(b"", Reject(code=RejectCode.BATCH_COUNT, place="BTS-1")),
    ]
    assert [answer["ending"] for answer in endings] == [
        "event",
        "duplicate",
        "no_transition",
        "no_transition",
        "test_message",
        "reject",
        "reject",
        "reject",
    ]
    assert [(answer["code"], answer["place"]) for answer in endings[5:]] == [
        ("not_hl7", "MSH"),
        ("empty", ""),
        ("batch_count", "BTS-1"),
    ]
    assert [answer["n"] for answer in endings] == list(range(1, 9))


def test_test_mode_takes_test_messages():
    assert Core(test=True).step(message().replace(b"|P|", b"|T|"))["ending"] == "event"


def test_fields_on_request():
    fields = Core(fields=True).step(message())["fields"]
    assert fields["PID-5.1"] == "MARKERFAMILY"
    assert fields["PID-3"] == [["100001", "MISSION", "MR"]]
    assert fields["PV1-45"] == ""


def test_local_classes_of_a_feed():
    feed = Feed(name="mission", classes={"ZED": "EMER"})
    answer = Core(feed_for=lambda application, facility: feed).step(message(encounter_class="ZED"))
    assert answer["alert"]["class"] == "EMER"


def test_with_a_panel(tmp_path):
    path = tmp_path / "panel.csv"
    path.write_text(PANEL)
    core = Core(read_panel(path))
    answer = core.step(message())
    assert (answer["match"]["enrollee"], answer["alert"]["enrollee"]) == ("E1", "E1")
    assert answer["alert"]["priority"] == "high"
    stranger = message(control="M2").replace(b"MARKERFAMILY^Rosa", b"Other^Person").replace(b"100001", b"9")
    stranger = stranger.replace(b"19550314", b"19990101").replace(b"4 Creek", b"8 Lake").replace(b"8285550111", b"")
    assert core.step(stranger)["decision"] == {"action": "suppress", "reasons": ["not_on_panel"]}


def test_every_record_number_of_a_match_is_learned_and_none_is_learned_anew(tmp_path):
    path = tmp_path / "panel.csv"
    path.write_text(PANEL + "E2,Lindqvist,Henrik,1961-11-02,M,77 Haw River Road,Asheville,NC,28801,,P2,low,MISSION:5\n")
    core = Core(read_panel(path))
    two_numbers = b"98^^^STATE^PI~900001^^^MISSION^MR~5^^^MISSION^MR~77^^^MISSION^AN"
    assert core.step(message().replace(b"100001^^^MISSION^MR", two_numbers))["alert"]["enrollee"] == "E1"
    stranger = b"|PID|1||9^^^MISSION^MR||Other^Person||19990101|M\rMRG|%b^^^MISSION^"
    for number, sort, action in ((b"77", b"AN", "suppress"), (b"5", b"MR", "suppress"), (b"900001", b"MR", "retract")):
        merge = "\r".join([HEADER, BODY[0], "%s\r"]).format("A40", "M" + number.decode(), "101000")
        data = merge.encode().replace(b"%s", stranger[1:].replace(b"%b", number) + sort)
        assert core.step(data)["decision"]["action"] == action, number


def test_faulty_panel_and_policy_are_named(tmp_path, capsys):
    path = tmp_path / "panel.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(Problem, match=r"panel\.csv"):
        read_panel(path)
    path.write_text(PANEL + "E2,X,Y,not a date,F,,,,,,P1,low,\n")
    assert len(read_panel(path)) == 1
    assert "1 lines cannot be used" in capsys.readouterr().err
    path.write_text('zone = "Mars"\n')
    with pytest.raises(Problem, match="zone: expected an IANA"):
        read_policy(path)


def test_json_lines_of_several_files(no_settings, capsys):
    bare, framed = no_settings / "1.hl7", no_settings / "2.hl7"
    bare.write_bytes(message() + message("A11", "M2", "101000"))
    framed.write_bytes(b"\x0b" + message("A01", "M3", "110900") + b"\x1c\r" + b"MSH|broken")
    assert run_explain([bare, framed], as_json=True, test=False) == 0
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert [(answer["n"], answer["ending"]) for answer in lines] == [
        (1, "event"),
        (2, "event"),
        (3, "event"),
        (4, "reject"),
    ]
    assert lines[1]["decision"]["action"] == "retract"


def test_own_routes_and_feeds_are_those_of_the_worker(no_settings, capsys, monkeypatch):
    path, routes, folder = no_settings / "one.hl7", no_settings / "routes.toml", no_settings / "data"
    path.write_bytes(message(encounter_class="ZED"))
    folder.mkdir()
    (folder / "handoff.toml").write_text(
        '[[feeds]]\nname = "mission"\nsending = ["MISSION"]\nfacility = "Laurel Gap"\nclasses = { ZED = "EMER" }\n'
    )
    routes.write_text('[[routes]]\nname = "night desk"\nto = "central_office"\nkinds = ["ed_visit"]\n')
    monkeypatch.setenv("HANDOFF_ROUTES", str(routes))
    assert run_explain([path], as_json=True) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["event"]["facility"], answer["alert"]["kind"]) == ("Laurel Gap", "ed_visit")
    assert "about ed visit" in answer["alert"]["route"]
    routes.write_text("[[routes]]\n")
    with pytest.raises(Problem, match=r"routes\.toml has faults"):
        run_explain([path], as_json=True)


def test_objects_come_as_messages_are_read(tmp_path):
    path = tmp_path / "many.hl7"
    path.write_bytes(b"".join(mix(50)))
    steps = explain_files(Core(), [path])
    assert next(steps)[1]["n"] == 1
    assert sum(1 for _ in steps) == 49


class TestPage:
    def shown(self, *messages):
        core, out = Core(), io.StringIO()
        print_page(((data, core.step(data)) for data in messages), Console(file=out, width=160))
        return out.getvalue()

    def test_what_was_understood_who_is_told_and_what_to_mend(self):
        text = self.shown(
            message(),
            message("A03", "M2", "131000").replace(b"\r", b"\n"),
            message(control="M9"),
            message("A60"),
            message().replace(b"|P|", b"|T|"),
            b"hello",
            message("A11", "M3", "131100"),
        )
        for words in (
            "tells              admitted",
            "to central-office",
            "tells more         discharged",
            "clocks: tcm_contact",
            "takes back         admission cancelled",
            "said before",
            "--test takes it",
            "rejected: not_hl7",
            "What to ask the hospital to mend",
            "carriage return",
            "PV1-44",
        ):
            assert words in text, words

    def test_no_patient_on_it(self):
        text = self.shown(message(), message("A03", "M2", "131000"))
        assert "MARKERFAMILY" not in text
        assert "100001" not in text

    def test_rejects_name_their_place(self):
        answer = Core().step(message("A40").replace(b"|P|", b"|P|"))
        assert line(answer).plain.endswith("rejected: segment_missing at MRG")

    def test_page_from_the_command(self, no_settings, capsys):
        path = no_settings / "1.hl7"
        path.write_bytes(message())
        assert run_explain([path]) == 0
        assert ENDINGS["event"] in capsys.readouterr().out

    def test_every_finding_has_its_wish(self):
        from parsers.events import Finding

        assert set(WISHES) == {finding.value for finding in Finding}


def test_bench_compares_in_one_run():
    result = measure(messages=300, compared=5)
    assert result["ratio"] == pytest.approx(result["messages_per_s"] / result["hl7apy_messages_per_s"], rel=0.05)
    assert result["ratio"] >= 10


def test_stories_folder_is_there():
    assert len([path for path in (Path(__file__).parents[1] / "stories").iterdir() if path.is_dir()]) >= 60
