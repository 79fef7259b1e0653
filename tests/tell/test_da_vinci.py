"""Da Vinci notifications against a validator nobody here wrote, and against what that one lets pass."""

import itertools
import json
import os
import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from parsers.events import Diagnosis, EncounterClass, PersonName
from rules.decisions import Action, AlertKind, Change, StayStatus
from rules.telling.confidentiality import PART2_NOTICE, Relationship, Tier
from rules.telling.views import AlertView, PersonView
from streams.tell.forms.fhir import OWN_EVENTS, RETRACTED, Sender, bundle, faults
from tests.conftest import missing

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SENDER = Sender("Warm Handoff", "1234567893", "https://handoff.example")
GIVEN = Path(__file__).resolve().parents[3] / "shared" / "fhir"
PERSON = PersonView(
    enrollee_id="E1",
    name=PersonName(family="WHITFIELD", given="ROSA", middle="M", suffix="JR"),
    birth_date=date(1955, 3, 2),
    sex="F",
    phone="8285550101",
)
FULL = {
    "facility": "MISSION",
    "attending": "OSLER, WILLIAM",
    "complaint": "chest pain",
    "diagnoses": (
        Diagnosis(code="I2510", system="I10", text="Heart disease"),
        Diagnosis(code="", system="", text="Shortness of breath"),
        Diagnosis(code="410.0", system="I9C", text=""),
    ),
    "ended_at": NOW,
    "disposition": "01",
}


def view(action: Action = Action.NOTIFY, status: StayStatus = StayStatus.IN_PROGRESS, **changes) -> AlertView:
    given = {
        "alert_id": "a" * 32,
        "version": 1,
        "action": action,
        "decided_at": NOW,
        "tier": Tier.FULL,
        "relationship": Relationship.TREATING,
        "person": PERSON,
        "kind": AlertKind.ADMISSION,
        "encounter_class": EncounterClass.INPATIENT,
        "status": status,
        "occurred_at": NOW,
        "started_at": NOW - timedelta(days=2),
    }
    return AlertView.model_validate({**given, **changes})


def views() -> list[AlertView]:
    """Each event with much and with little known, and each class."""
    ed_before = (Change(field="encounter_class", before="EMER", after="IMP"),)
    events = [
        {},
        {"status": StayStatus.ON_LEAVE, "action": Action.AMEND},
        {"status": StayStatus.FINISHED, "action": Action.AMEND},
        {"action": Action.AMEND, "changes": ed_before},
        {"kind": AlertKind.TRANSFER},
        {"action": Action.RETRACT, "status": StayStatus.CANCELLED},
        {"action": Action.RETRACT, "status": StayStatus.ENTERED_IN_ERROR},
    ]
    shown = []
    for event, more, cls in itertools.product(events, ({}, FULL), EncounterClass):
        if "ended_at" in more and event.get("status") is not StayStatus.FINISHED:
            more = {key: value for key, value in more.items() if key not in ("ended_at", "disposition")}
        shown.append(view(**{"encounter_class": cls, **event, **more}))
    shown.append(view(notice=PART2_NOTICE, **{**FULL, "ended_at": None, "disposition": ""}))
    shown.append(view(person=PERSON.model_copy(update={"name": PersonName(given="ROSA"), "sex": ""})))
    ids_only = {"person": None, "tier": Tier.WITHHELD, "status": None, "kind": None, "encounter_class": None}
    shown.append(view(Action.RETRACT, **{**ids_only, "occurred_at": None, "started_at": None}))
    return shown


def made() -> list[dict]:
    bodies = [bundle(seen, f"{number:032x}", SENDER, "https://fhir.example") for number, seen in enumerate(views())]
    return [json.loads(body) for body in bodies if body is not None]


def test_our_own_check_of_what_the_profiles_let_pass() -> None:
    assert [faults(made_bundle) for made_bundle in made()] == [()] * len(views())
    good = made()[2 * 2 * len(EncounterClass)]
    assert faults(good) == ()
    wrong = json.loads(json.dumps(good))
    wrong["entry"][0]["resource"]["eventCoding"]["code"] = "notification-admit"
    assert "the event code is not that of the header's profile" in faults(wrong)
    wrong = json.loads(json.dumps(good))
    stay = next(part["resource"] for part in wrong["entry"] if part["resource"]["resourceType"] == "Encounter")
    stay["status"] = "in-progress"
    stay["location"] = []
    assert set(faults(wrong)) == {
        "the Encounter's status contradicts the event",
        "the Encounter has no location",
    }


def test_a_cancellation_never_holds_an_event_code_of_the_guide() -> None:
    for seen in views():
        if seen.action is not Action.RETRACT:
            continue
        body = json.loads(bundle(seen, "b" * 32, SENDER, "https://fhir.example") or b"")
        assert body["entry"][0]["resource"]["eventCoding"] == {"system": OWN_EVENTS, "code": RETRACTED}
        assert "notification-admit" not in json.dumps(body)


def test_a_retry_is_the_same_bundle_and_another_version_tells_of_the_same_stay() -> None:
    seen = view(**FULL)
    assert bundle(seen, "c" * 32, SENDER, "x") == bundle(seen, "c" * 32, SENDER, "x")
    first, second = (json.loads(bundle(seen, name * 32, SENDER, "x") or b"") for name in "cd")
    assert first["id"] != second["id"]
    numbers = [
        part["resource"]["identifier"]
        for made_bundle in (first, second)
        for part in made_bundle["entry"]
        if part["resource"]["resourceType"] == "Encounter"
    ]
    assert numbers[0] == numbers[1]


@pytest.fixture(scope="session")
def validator() -> Path:
    """The folder of a built validator: HAPI FHIR over the guide's profiles, kept in the user's cache."""
    if not shutil.which("java"):
        missing("no java on this machine")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "warm-handoff-fhir"
    if not (cache / "out" / "Check.class").exists():
        if not GIVEN.is_dir() or not shutil.which("mvn"):
            missing("no FHIR validator: neither built nor its parts (shared/fhir and mvn) beside this checkout")
        shutil.copytree(GIVEN, cache, dirs_exist_ok=True)
        (cache / "out").mkdir(exist_ok=True)
        steps = (
            "tar xf packs.tar.xz",
            "mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib",
            "javac -nowarn -cp lib/* -d out src/Check.java",
        )
        for step in steps:
            if subprocess.run(step.split(), cwd=cache, capture_output=True, timeout=250, check=False).returncode:
                missing(f"the FHIR validator does not build: {step.split()[0]}")
    return cache


@pytest.mark.servers
def test_every_bundle_is_valid_to_a_validator_nobody_here_wrote(validator: Path, tmp_path: Path) -> None:
    names = []
    for number, made_bundle in enumerate(made()):
        path = tmp_path / f"{number:03}.json"
        path.write_text(json.dumps(made_bundle))
        names.append(str(path))
    done = subprocess.run(
        ["sh", str(validator / "run.sh"), *names], capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
