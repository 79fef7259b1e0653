"""`handoff panel`, `directory`, `route` and `review` over a real store: what is loaded, said, kept and audited."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from parsers.events import Address, EncounterClass, Event, EventKind, Identifier, Patient, PersonName, Visit
from parsers.people import Absence
from rules.deciding.case import World
from rules.deciding.decide import decide
from rules.decisions import Action, AlertKind, Decision, Grade, History, Match, Reason
from rules.endings import Ending, LedgerEntry
from rules.policy.policy import default_policy
from rules.telling.routes_file import default_routes
from streams.commands.directory import run_directory_check, run_directory_load
from streams.commands.panel import run_panel_check, run_panel_load
from streams.commands.review import run_review
from streams.commands.route import run_route
from streams.invented.community import sample_directory, sample_panel
from streams.kafka.records import EventRecord
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.store import Store
from streams.store.opening import open_store
from streams.store.panel_rows import enrollee_on, load_enrollees
from streams.store.reviews import Verdict
from streams.store.workspace import Outcome

HEADER = "enrollee_id,medicaid_id,last_name,first_name,birth_date,sex,address,zip,phone,practice_id,effective_from\n"
NOW = datetime.now(UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", hash_key="0" * 64)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings) as opened:
        yield opened


def person(number: int, **changes: str) -> str:
    values = {
        "enrollee_id": f"E{number}", "medicaid_id": f"9{number:08d}K", "last_name": f"Whitfield{chr(97 + number % 26)}",
        "first_name": "Rosa", "birth_date": f"19{number % 90 + 10}-03-04", "sex": "F", "address": f"{number} Oak St",
        "zip": "28801", "phone": f"828555{number:04d}", "practice_id": "P1", "effective_from": "2024-01-01", **changes,
    }  # fmt: skip
    return ",".join(values.values()) + "\n"


def panel_file(tmp_path: Path, *rows: str, name: str = "panel.csv") -> Path:
    path = tmp_path / name
    path.write_text(HEADER + "".join(rows))
    return path


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out)


def load(settings: Settings, file: Path, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    options.setdefault("full", True)
    status = run_panel_load(settings, file, as_json=True, **options)
    said = answer(capsys)
    assert status == (0 if said["loaded"] else 1)
    return said


def folder(tmp_path: Path, people: str = "") -> Path:
    path = tmp_path / "directory"
    path.mkdir(exist_ok=True)
    (path / "networks.csv").write_text("network_id,name\nN1,Western Network\n")
    (path / "practices.csv").write_text(
        "practice_id,name,network_id,county\nP1,Blue Ridge,N1,Buncombe\nP2,Smoky,N1,Haywood\n"
    )
    (path / "case_managers.csv").write_text(
        "case_manager_id,name,role,network_id,lme_mco_id,practices\n"
        "ortiz,M. Ortiz,nurse,N1,,P1\nvance,T. Vance,care_coordinator,,vaya,\n" + people
    )
    return path


def test_a_load_reports_what_changed(settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = load(settings, panel_file(tmp_path, *map(person, range(100))), capsys)
    assert first["report"]["added"] == 100
    assert first["practices_checked"] is False
    rows = [person(0, phone="8285559999"), person(1, practice_id="P2"), *map(person, range(2, 99)), person(200)]
    second = load(settings, panel_file(tmp_path, *rows), capsys)
    report = second["report"]
    assert (report["added"], report["changed"], report["moved"], report["ended"]) == (1, 2, 1, 1)
    assert report["changed_fields"] == {"phone": 1, "practice_id": 1}
    delta = load(settings, panel_file(tmp_path, person(3, phone="8285550000")), capsys, full=False)
    assert (delta["report"]["changed"], delta["report"]["ended"]) == (1, 0)


def test_a_full_load_that_would_end_many_asks_for_force(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load(settings, panel_file(tmp_path, *map(person, range(100))), capsys)
    half = panel_file(tmp_path, *map(person, range(50)), name="half.csv")
    refused = load(settings, half, capsys)
    assert refused["loaded"] is False
    assert refused["report"]["ended"] == 50
    assert run_panel_load(settings, half, full=True) == 1
    assert "--force" in capsys.readouterr().out
    assert load(settings, half, capsys, force=True)["report"]["ended"] == 50


def test_a_file_without_a_good_line_loads_nothing_and_says_so(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], store: Store
) -> None:
    load(settings, panel_file(tmp_path, person(1)), capsys)
    assert run_panel_load(settings, panel_file(tmp_path, person(1, birth_date="x")), full=True, force=True) == 1
    said = capsys.readouterr().out
    assert "1 line: 0 good, 1 rejected" in said
    assert "nothing was loaded: no line is good" in said
    assert run_panel_load(settings, panel_file(tmp_path), full=True, force=True) == 1
    assert "nothing was read: the file has a header and no line after it" in capsys.readouterr().out
    assert run_panel_load(settings, panel_file(tmp_path), full=True, as_json=True) == 1
    assert "no line after" in answer(capsys)["file_faults"][0]["reason"]
    assert store.panel.size() == 1


def test_rejects_can_be_corrected_and_loaded_and_end_nobody(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], store: Store
) -> None:
    good = [person(number) for number in range(40)]
    load(settings, panel_file(tmp_path, *good), capsys)
    broken = [person(0, birth_date="1910-13-04", last_name="SECRETNAME"), person(50, birth_date="x"), *good[1:]]
    file = panel_file(tmp_path, *broken)
    said = load(settings, file, capsys)
    assert [(each["line"], each["column"], each["code"]) for each in said["rejects"]] == [
        (2, "birth_date", "month_impossible"),
        (3, "birth_date", "date_unreadable"),
    ]
    assert "SECRETNAME" not in json.dumps(said)
    assert said["kept"] == 1, "who was on the panel and has a bad line stays"
    assert (said["report"]["changed"], said["report"]["ended"]) == (0, 0)
    assert said["good"] == 39
    rejects = Path(said["rejects_file"])
    assert rejects.name == "panel.rejects.csv"
    assert rejects.stat().st_mode & 0o077 == 0
    text = rejects.read_text(encoding="utf-8-sig")
    assert "reject_reason" in text
    rejects.write_text(text.replace("1910-13-04", "1910-12-04"))
    again = load(settings, rejects, capsys, full=False)
    assert (again["report"]["changed"], again["rejected"]) == (1, 1)
    assert Path(again["rejects_file"]).name == "panel.rejects-2.csv"
    assert store.panel.size() == 40


def test_a_file_that_cannot_be_read_changes_nothing_even_by_force(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], store: Store
) -> None:
    load(settings, panel_file(tmp_path, *map(person, range(10))), capsys)
    for text in ("", HEADER, "no,header\n1,2\n", HEADER + "a,b\n"):
        file = tmp_path / "bad.csv"
        file.write_text(text)
        assert run_panel_load(settings, file, full=True, force=True) == 1
        assert run_panel_check(settings, file) == 1
    assert store.panel.size() == 10


def test_check_loads_nothing_and_knows_the_practices(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = panel_file(tmp_path, person(1), person(2, practice_id="P9", sex="Q"), person(3, sex="Q"))
    assert run_panel_check(settings, file) == 0
    assert not settings.data_dir.exists()
    assert "practice_id was not checked" in capsys.readouterr().out
    assert run_directory_load(settings, folder(tmp_path)) == 0
    capsys.readouterr()
    assert run_panel_check(settings, file) == 1
    said = capsys.readouterr().out
    assert "line 3: practice_id: no such practice" in said
    assert "sex of 1 line (first: 4)" in said
    assert run_panel_check(settings, panel_file(tmp_path, person(1)), as_json=True) == 0
    assert answer(capsys)["practices_checked"] is True


def test_a_header_over_the_wrong_columns_is_suspected(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [person(number, zip=f"19{number + 10}-03-04", birth_date="28801") for number in range(30)]
    assert run_panel_check(settings, panel_file(tmp_path, *rows)) == 1
    said = capsys.readouterr().out
    assert "is the header line wrong?" in said
    assert "and 10 more" in said


def admission(message_id: str, **patient: Any) -> Event:
    at = NOW - timedelta(days=2)
    return Event(
        message_id=message_id,
        kind=EventKind.ADMITTED,
        trigger="A01",
        feed="default",
        facility="MISSION",
        occurred_at=at,
        recorded_at=at,
        received_at=at,
        patient=Patient(
            identifiers=(Identifier(system="MISSION", value=message_id, type="MR"),),
            name=PersonName(family="Whitfieldh", given="Rosa"),
            birth_date=date(1917, 3, 4),
            sex="F",
            addresses=(Address(street="7 Oak St", zip="28801"),),
            phones=("8285550007",),
            **patient,
        ),
        visit=Visit(),
        stay_keys=(Identifier(system="MISSION", value=f"V{message_id}"),),
        fingerprint=message_id,
    )


@pytest.mark.parametrize("large", [False, True])
def test_who_joins_the_panel_in_hospital_is_told_of_late(
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    large: bool,
) -> None:
    if large:  # of which only the part in question is indexed
        monkeypatch.setattr("streams.follow.late_enrollment.LARGE_FROM", 1)
        monkeypatch.setattr("streams.follow.late_enrollment.PEOPLE_PER_EVENT", 1)
        monkeypatch.setattr("streams.follow.late_enrollment.PanelIndex", None)
    load(settings, panel_file(tmp_path, person(1)), capsys)
    event = admission("0" * 31 + "1")
    stranger = admission("0" * 31 + "2").model_copy(
        update={"patient": Patient(name=PersonName(family="Else", given="Who"), birth_date=date(1917, 3, 4))}
    )
    store.unmatched.keep([event, stranger], settings.secret())
    store.ledger.end(
        [
            LedgerEntry(each.message_id, Ending.SUPPRESSED, Reason.NOT_ON_PANEL, each.received_at)
            for each in (event, stranger)
        ]
    )
    said = load(settings, panel_file(tmp_path, person(7, effective_from=NOW.date().isoformat())), capsys, full=False)
    assert said["late"]["released"] == 1
    [(_, record)] = store.reviews.unsent_events()
    assert record.released
    assert record.match.enrollee_id == "E7"
    assert record.match.evidence["enrollment"] == "late"
    assert store.unmatched.about(["E7"], settings.secret()) == [stranger]
    again = load(settings, panel_file(tmp_path, person(7, phone="8285550001")), capsys, full=False)
    assert again["late"]["released"] == 0, "nobody is told twice"


def perhaps(message_id: str) -> Event:
    """An admission of somebody with the name and birth date of person 7, and nothing more."""
    event = admission(message_id)
    bare = Patient(name=event.patient.name, birth_date=event.patient.birth_date, identifiers=event.patient.identifiers)
    inpatient = Visit(encounter_class=EncounterClass.INPATIENT, admitted_at=event.occurred_at)
    return event.model_copy(update={"patient": bare, "visit": inpatient})


def kept(store: Store, settings: Settings, event: Event) -> None:
    store.unmatched.keep([event], settings.secret())
    store.ledger.end([LedgerEntry(event.message_id, Ending.SUPPRESSED, Reason.NOT_ON_PANEL, event.received_at)])


def decided(store: Store) -> list[Outcome]:
    """What the worker makes of the events that were lined up."""
    waiting = store.reviews.unsent_events()

    def core(record: EventRecord, history: History) -> Decision:
        route = default_routes().route
        world = World(
            default_policy(), lambda who, kind, why, at: route(store.directory.read(), who, kind, why, at), NOW
        )
        return decide(record.event, record.match, record.prior_match, history, world, released=record.released)

    outcomes = store.decisions.decide([record for _, record in waiting], core, NOW)
    store.reviews.sent_events([outbox_id for outbox_id, _ in waiting])
    return outcomes


def late(said: dict[str, Any]) -> tuple[int, int]:
    return said["late"]["released"], said["late"]["possible"]


JOINED = {"effective_from": NOW.date().isoformat()}


def test_who_may_be_somebody_enrolled_late_is_asked_about_and_same_tells_what_was_missed(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], store: Store
) -> None:
    run_directory_load(settings, folder(tmp_path))
    event = perhaps("0" * 31 + "1")
    clinic = perhaps("0" * 31 + "2")
    clinic = clinic.model_copy(update={"visit": Visit(encounter_class=EncounterClass.AMBULATORY)})
    kept(store, settings, event)
    kept(store, settings, clinic)
    capsys.readouterr()
    said = load(settings, panel_file(tmp_path, person(7, **JOINED)), capsys, full=False)
    assert late(said) == (0, 1), "an outpatient visit would tell nobody anything: not asked"
    assert store.reviews.unsent_events() == [], "until somebody has decided nothing leaves"
    assert store.ledger.endings() == {"held": 1, "suppressed": 1}
    [review] = store.reviews.waiting()
    assert (review.enrollee.enrollee_id, [each.event.message_id for each in review.records]) == (
        "E7",
        [event.message_id],
    )
    again = load(settings, panel_file(tmp_path, person(7, phone="8285550001", **JOINED)), capsys, full=False)
    assert late(again) == (0, 0), "asked once"
    assert store.reviews.count() == 1
    assert store.reviews.settle(review.review_id, Verdict.SAME, "ortiz", NOW).released == 1
    [outcome] = decided(store)
    assert outcome.entry.ending is Ending.ALERTED
    [stored] = outcome.alerts
    assert stored.alert.enrollee_id == "E7"
    assert Reason.LATE_ENROLLMENT in stored.alert.reasons
    assert store.ledger.endings() == {"alerted": 1, "suppressed": 1}
    third = load(settings, panel_file(tmp_path, person(7, phone="8285550002", **JOINED)), capsys, full=False)
    assert late(third) == (0, 0), "nobody is told twice"


def test_different_is_not_asked_again_and_leaves_the_message_for_whom_it_is_about(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], store: Store
) -> None:
    run_directory_load(settings, folder(tmp_path))
    event = perhaps("0" * 31 + "1")
    kept(store, settings, event)
    capsys.readouterr()
    load(settings, panel_file(tmp_path, person(7, **JOINED)), capsys, full=False)
    [review] = store.reviews.waiting()
    assert store.reviews.settle(review.review_id, Verdict.DIFFERENT, "ortiz", NOW).dropped == 1
    assert store.ledger.endings() == {"suppressed": 1}
    again = load(settings, panel_file(tmp_path, person(7, phone="8285550001", **JOINED)), capsys, full=False)
    assert (late(again), store.reviews.count()) == ((0, 0), 0)
    number = event.patient.identifiers[0]
    other = person(8, last_name="Whitfieldh", birth_date="1917-03-04", **JOINED)
    file = tmp_path / "other.csv"
    file.write_text(f"{HEADER.strip()},mrns\n{other.strip()},{number.system}:{number.value}\n")
    assert late(load(settings, file, capsys, full=False)) == (1, 0)
    [outcome] = decided(store)
    assert (outcome.entry.ending, outcome.alerts[0].alert.enrollee_id) == (Ending.ALERTED, "E8")


def test_a_standing_verdict_answers_for_a_later_message_of_the_same_pair(
    settings: Settings, tmp_path: Path, store: Store
) -> None:
    run_panel_load(settings, panel_file(tmp_path, person(7, **JOINED)), full=False)
    match = Match(grade=Grade.POSSIBLE, enrollee_id="E7", evidence={"enrollment": "late"})
    first = EventRecord(event=perhaps("0" * 31 + "1"), match=match)
    for event in (first.event, perhaps("0" * 31 + "2")):
        store.ledger.end([LedgerEntry(event.message_id, Ending.SUPPRESSED, Reason.NOT_ON_PANEL, event.received_at)])
    assert store.reviews.ask_late([first], NOW) == (0, 1)
    store.reviews.settle(store.reviews.waiting()[0].review_id, Verdict.SAME, "ortiz", NOW)
    left = Visit(encounter_class=EncounterClass.INPATIENT, discharged_at=NOW - timedelta(days=1))
    later = {"message_id": "0" * 31 + "2", "fingerprint": "2", "kind": EventKind.DISCHARGED, "visit": left}
    discharge = first.model_copy(update={"event": first.event.model_copy(update=later)})
    assert store.reviews.ask_late([discharge], NOW) == (1, 0)
    assert [outcome.entry.ending for outcome in decided(store)] == [Ending.ALERTED, Ending.AMENDED]
    assert store.reviews.ask_late([first], NOW) == (0, 0), "it has been told"


def test_a_directory_with_a_grave_fault_is_not_loaded(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder(tmp_path, "boss,Boss,wizard,N1,,\n")
    assert run_directory_check(settings, path) == 1
    assert "wrong: case_managers.csv line 4, role" in capsys.readouterr().out
    assert run_directory_load(settings, path, as_json=True) == 1
    assert answer(capsys)["loaded"] is False
    with open_store(settings) as store:
        assert store.directory.version() == 0


def test_a_directory_says_how_it_covers(settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder(tmp_path)
    assert run_directory_load(settings, path, as_json=True) == 0
    said = answer(capsys)
    assert said["counts"]["lme_mcos"] == 4
    assert said["cover"]["practices"] == 2
    assert [gap["practice_id"] for gap in said["cover"]["gaps"]] == ["P2"]
    assert run_directory_load(settings, path) == 0
    text = capsys.readouterr().out
    assert "1 of 2 practices have a person of their own" in text
    assert "P2: the network answers for 8,784 h" in text
    assert "loaded as version 2" in text


def test_route_says_who_and_why(settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_directory_load(settings, folder(tmp_path))
    run_panel_load(settings, panel_file(tmp_path, person(1)), full=True)
    capsys.readouterr()
    at = datetime(2026, 11, 23, 12)  # noqa: DTZ001 as typed on the command line
    assert run_route(settings, "E1", "discharge", at=at, reasons=("behavioral_health",), as_json=True) == 0
    said = answer(capsys)
    assert said["at"] == "2026-11-23T17:00:00+00:00"
    assert [(each["case_manager_id"], each["because"]) for each in said["owners"]] == [
        ("ortiz", "practice"),
        ("vance", "lme_mco"),
    ]
    assert run_route(settings, "E1", "ed_visit", explain=True) == 0
    assert "M. Ortiz carries the panel of Blue Ridge." in capsys.readouterr().out
    assert run_route(settings, "nobody", "ed_visit", explain=True) == 1
    assert "nobody with that enrollee_id" in capsys.readouterr().out


def test_route_with_a_file_of_your_own(settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_directory_load(settings, folder(tmp_path))
    run_panel_load(settings, panel_file(tmp_path, person(1)), full=True)
    capsys.readouterr()
    file = tmp_path / "routes.toml"
    own = settings.model_copy(update={"routes": file})
    file.write_text('[[routes]]\nname = "plan"\nto = "case_manager"\ncase_manager = "vance"\n')
    assert run_route(own, "E1", "ed_visit") == 0
    assert capsys.readouterr().out == "T. Vance (vance), by the route plan\n"
    file.write_text('to = "moon"\ncolour = 1\n')
    with pytest.raises(Problem, match=r"(?s)colour: .*to: expects one of"):
        run_route(own, "E1", "ed_visit")
    with pytest.raises(Problem, match="cannot be read"):
        run_route(settings.model_copy(update={"routes": tmp_path}), "E1", "ed_visit")
    with pytest.raises(Problem, match="no such kind"):
        run_route(settings, "E1", "party")
    with pytest.raises(Problem, match="reasons are not known"):
        run_route(settings, "E1", "ed_visit", reasons=("why",))


@pytest.fixture
def waiting(settings: Settings, tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]) -> str:
    """The id of a review of E7 that waits."""
    run_directory_load(settings, folder(tmp_path))
    run_panel_load(settings, panel_file(tmp_path, person(7)), full=True)
    match = Match(grade=Grade.POSSIBLE, enrollee_id="E7", weight=11.5, evidence={"birth_date": "equal", "twin": "veto"})
    record = EventRecord(event=admission("0" * 31 + "5", ssn="237112345"), match=match)
    held = Decision(action=Action.HOLD, reasons=(Reason.POSSIBLE_MATCH,))
    store.decisions.decide([record], lambda _record, _history: held, NOW)
    capsys.readouterr()
    return store.reviews.waiting()[0].review_id


def test_review_lists_without_names_and_shows_both_sides_to_whom_it_audits(
    settings: Settings, waiting: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_review(settings) == 0
    listed = capsys.readouterr().out
    assert waiting in listed
    assert "Whitfield" not in listed
    assert run_review(settings, as_json=True) == 0
    assert answer(capsys)["waiting"] == 1
    with pytest.raises(Problem, match="say who you are"):
        run_review(settings, waiting)
    assert run_review(settings, waiting, by="ortiz", as_json=True) == 0
    fields = {each["field"]: each for each in answer(capsys)["fields"]}
    assert fields["birth date"] == {
        "field": "birth date", "hospital": "1917-03-04", "panel": "1917-03-04", "agreement": "equal",
    }  # fmt: skip
    assert fields["ssn"]["hospital"] == "***-**-2345"
    assert fields["twin"]["agreement"] == "veto"
    assert run_review(settings, waiting, by="ortiz") == 0
    assert "Whitfieldh, Rosa" in capsys.readouterr().out
    assert {(row.case_manager_id, row.what.value) for row in store.audit.read(enrollee_id="E7")} == {
        ("ortiz", "read_review")
    }


@pytest.mark.parametrize(
    ("verdict", "words", "left"),
    [
        ("same", "are told in 10 seconds", 0),
        ("different", "dropped", 0),
        ("not-sure", "goes on waiting", 1),
    ],
)
def test_a_verdict_is_kept(
    settings: Settings, waiting: str, store: Store, capsys: pytest.CaptureFixture[str],
    verdict: str, words: str, left: int,
) -> None:  # fmt: skip
    assert run_review(settings, waiting, decide=verdict, by="ortiz") == 0
    assert words in capsys.readouterr().out
    assert store.reviews.count() == left
    status = run_review(settings, waiting, decide="same", by="ortiz", as_json=True)
    assert answer(capsys)["changed"] is (verdict == "not-sure")
    assert status == int(verdict != "not-sure")


def test_a_verdict_can_be_taken_back_until_it_has_its_effect(
    settings: Settings, waiting: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_review(settings, waiting, decide="same", by="ortiz") == 0
    assert f"handoff review {waiting} --undo --by ortiz" in " ".join(capsys.readouterr().out.split())
    assert store.reviews.unsent_events(10) == []
    assert run_review(settings, waiting, undo=True, by="vance", as_json=True) == 1
    assert answer(capsys) == {"review_id": waiting, "undone": False}
    assert run_review(settings, waiting, undo=True, by="ortiz") == 0
    assert store.reviews.count() == 1
    assert run_review(settings, waiting, decide="same", by="ortiz") == 0
    assert store.reviews.take_effect(datetime.now(UTC) + timedelta(seconds=11)) == 1
    assert len(store.reviews.unsent_events(10)) == 1
    assert run_review(settings, waiting, undo=True, by="ortiz") == 1
    with pytest.raises(Problem, match="not both"):
        run_review(settings, waiting, decide="same", undo=True, by="ortiz")


def test_what_a_verdict_needs(settings: Settings, waiting: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Problem, match="one of same, different, not-sure"):
        run_review(settings, waiting, decide="maybe", by="ortiz")
    with pytest.raises(Problem, match="no such review"):
        run_review(settings, "nothing", decide="same", by="ortiz")
    with pytest.raises(Problem, match="name the review"):
        run_review(settings, decide="same", by="ortiz")
    assert run_review(settings, waiting, decide="same", by="ortiz") == 0
    assert run_review(settings, waiting, decide="different", by="ortiz") == 1
    assert "first decision stands: same, by ortiz" in " ".join(capsys.readouterr().out.split())
    assert run_review(settings) == 0
    assert "No possible match waits" in capsys.readouterr().out


def test_any_enrollee_kind_and_minute_has_an_owner_who_answers_and_a_reason(
    settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the sample's directory as loaded: as it is, and with everybody of one network away all year."""
    sample, start, dice = sample_directory(), datetime(2026, 1, 1, tzinfo=UTC), random.Random(5)
    store.panel.load(sample_panel(300), full=True, now=NOW)
    lines = list(store.panel.records())
    with store.database.reading() as connection:
        rows, homes = load_enrollees(connection, [line.enrollee_id for line in lines], start.date())
    people = [enrollee_on(row, homes.get(enrollee_id, ()), start.date()) for enrollee_id, row in rows.items()]
    for away in ("", "N03"):
        absences = [
            Absence(case_manager_id=each.case_manager_id, starts=start, ends=start + timedelta(days=366))
            for each in sample.case_managers
            if away and each.network_id == away
        ]
        assert bool(absences) is bool(away)
        store.directory.load(
            sample.networks, sample.practices, sample.case_managers, absences, sample.lme_mcos, replace=True
        )
        directory, routes = store.directory.read(), default_routes()
        gone = {each.case_manager_id for each in absences}
        networks = Counter[str]()
        for _ in range(5000):
            who, at = dice.choice([*people, None]), start + timedelta(minutes=dice.randrange(365 * 1440))
            reasons = frozenset(dice.sample(list(Reason), dice.randrange(3)))
            routed = routes.route(directory, who, dice.choice(list(AlertKind)), reasons, at)
            assert routed.owners
            for owner in routed.owners:
                answering = directory.person(owner.case_manager_id)
                assert answering is not None
                assert owner.case_manager_id not in gone
                assert answering.name in routed.explanation
            home = directory.practices[who.practice_id] if who else None
            networks[home.network_id if home else ""] += 1
            if away and home and home.network_id == away:
                assert routed.owners[0].case_manager_id == "central-office"
                assert f"who carries {home.name} answers at this hour (" in routed.explanation
                assert "nobody of the network answers at this hour (all away)" in routed.explanation
        assert min(networks.values()) > 5
    theirs = [each for each in people if directory.practices[each.practice_id].network_id == "N03"]
    for each in theirs[:5]:
        at = start + timedelta(minutes=dice.randrange(365 * 1440))
        capsys.readouterr()
        assert run_route(settings, each.enrollee_id, dice.choice(list(AlertKind)), at=at, explain=True) == 0
        said = capsys.readouterr().out
        assert said.startswith("Central office (central-office), by the route central_office\n")
        assert "nobody of the network answers at this hour (all away)" in said
