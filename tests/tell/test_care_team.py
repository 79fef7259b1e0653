"""A hospital asks who coordinates its patient's care: told of its own patients of now, and of nobody else."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from parsers.events import Identifier
from rules.decisions import StayStatus
from rules.telling.destinations import Whose
from streams.store.audit import Audited
from streams.store.fhir import FhirClient
from tests.rigs.store import decide, record, store, store_url
from tests.rigs.telling import NOW, retracting, take_back
from tests.tell.test_fhir_server import Rig, public, rig

__all__ = ["rig", "store", "store_url"]

TODAY = datetime.now(UTC)


@pytest.fixture
def hospital(rig: Rig) -> Rig:
    for name, whose, owner in (
        ("mission", Whose.HOSPITAL, "MISSION"),
        ("other", Whose.HOSPITAL, "OTHER"),
        ("oak", Whose.PRACTICE, "P1"),
    ):
        rig.store.fhir.put_client(FhirClient(client_id=name, whose=whose, owner_id=owner, keys=public()), NOW)
    return rig


def asked(rig: Rig, identifier: str = "MISSION|M1", who: str = "mission", status: int = 200) -> dict[str, Any]:
    return rig.as_(who, "system/CareTeam.s").get("CareTeam", status, **{"patient.identifier": identifier})


def finished(days: int):
    def rule(event_record, history):
        made = decide(event_record, history)
        ended = TODAY - timedelta(days=days)
        changed = {"status": StayStatus.FINISHED, "started_at": ended, "ended_at": ended, "last_recorded_at": ended}
        return made.model_copy(update={"stays": tuple(stay.model_copy(update=changed) for stay in made.stays)})

    return rule


@pytest.mark.parametrize("facility", ["MISSION", "Mission"])
def test_the_hospital_that_has_the_patient_is_told_who_coordinates(hospital: Rig, facility: str) -> None:
    heard = record(1)
    heard = heard.model_copy(update={"event": heard.event.model_copy(update={"facility": facility})})
    hospital.store.decisions.decide([heard], decide, NOW)
    bundle = asked(hospital)
    assert bundle["total"] == 1
    team = bundle["entry"][0]["resource"]
    assert [participant["member"]["display"] for participant in team["participant"]] == ["Practice", "M. Ortiz, RN"]
    assert team["subject"]["identifier"] == {"value": "M1", "assigner": {"display": "MISSION"}}
    coordinator = team["contained"][1]
    assert (coordinator["name"][0]["family"], len(coordinator["identifier"])) == ("Ortiz", 1), "as US Core asks"
    assert not any(word in json.dumps(bundle) for word in ("WHITFIELD", "E1", "1955"))
    posted = hospital.as_("mission", "system/CareTeam.s").ask(
        "POST", "CareTeam/_search", data={"patient.identifier": "MISSION|M1"}
    )
    assert posted == bundle


def test_unknown_not_theirs_and_not_allowed_look_the_same(hospital: Rig) -> None:
    hospital.store.decisions.decide([record(1)], decide, NOW)
    nothing = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    assert asked(hospital, "MISSION|M999") == nothing
    assert asked(hospital, "MISSION|M2") == nothing, "one of ours without a stay there"
    assert asked(hospital, who="other") == nothing
    assert asked(hospital, who="oak") == nothing
    assert asked(hospital, "M1", status=400)["resourceType"] == "OperationOutcome"
    hospital.as_("mission", "system/Patient.rs").get("CareTeam", 403, **{"patient.identifier": "MISSION|M1"})


@pytest.mark.parametrize(("days", "total"), [(29, 1), (31, 0)])
def test_a_stay_that_is_long_over_opens_nothing(hospital: Rig, days: int, total: int) -> None:
    hospital.store.decisions.decide([record(1)], finished(days), NOW)
    assert asked(hospital)["total"] == total


def test_a_stay_that_was_taken_back_opens_nothing(hospital: Rig) -> None:
    hospital.store.decisions.decide([record(1)], decide, NOW)
    hospital.store.decisions.decide([take_back(2)], retracting, NOW)
    assert asked(hospital)["total"] == 0


def test_each_look_is_audited(hospital: Rig) -> None:
    hospital.store.decisions.decide([record(1)], decide, NOW)
    asked(hospital)
    (row,) = hospital.store.audit.read(enrollee_id="E1")
    assert (row.case_manager_id, row.what, row.detail) == ("fhir:mission", Audited.READ_STAY, "care team")


@pytest.mark.parametrize(
    ("asked_with", "shown"),
    [
        ("urn:oid:2.16.840.1.1", {"system": "urn:oid:2.16.840.1.1", "value": "M1"}),
        ("2.16.840.1.1", {"system": "urn:oid:2.16.840.1.1", "value": "M1"}),
    ],
)
def test_an_oid_is_one_with_and_without_its_scheme(hospital: Rig, asked_with: str, shown: dict[str, str]) -> None:
    event_record = record(1)
    number = Identifier(system="2.16.840.1.1", value="M1", type="MR")
    patient = event_record.event.patient.model_copy(update={"identifiers": (number,)})
    renumbered = event_record.model_copy(update={"event": event_record.event.model_copy(update={"patient": patient})})
    hospital.store.decisions.decide([renumbered], decide, NOW)
    assert asked(hospital, f"{asked_with}|M1")["entry"][0]["resource"]["subject"]["identifier"] == shown
