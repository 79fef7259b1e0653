"""A hospital is told once who coordinates its patient's care; no other hospital ever is."""

from email import message_from_bytes

import hl7
import pytest
from hl7apy.parser import parse_message
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from parsers.events import FacilityKind, Identifier
from parsers.people import Practice
from rules.decisions import Action
from rules.policy.policy import default_policy
from rules.telling.attempts import GiveUp
from rules.telling.confidentiality import DEFAULT, Tier
from rules.telling.destinations import TO_HOSPITALS, FormKind, Whose
from rules.telling.due import DestinationIndex
from streams.store import Store
from streams.store.audit import Audited
from streams.store.delivery import DeliveryState
from streams.tell.contacts import Contacts
from streams.tell.forms import coordinator
from streams.tell.forms.coordinator import Contact
from streams.tell.nobody import sample_view
from streams.tell.seen import Known, seen_by
from tests.rigs.store import record
from tests.rigs.telling import DIRECTORY, NOW, decide_for, destination, retracting, take_back
from tests.tell.test_deliver import Rig, Scripted, rows, store
from tests.tell.test_no_leak import alert, enrollee

__all__ = ["store"]

ZONE = default_policy().tz
KNOWN = Known(DIRECTORY, DEFAULT, default_policy())
HOSPITALS = ("MISSION", "OTHER", "THIRD")
SAYS = {"instructions": "call before discharge", "programs": "Asthma"}


def desk(name: str, form: FormKind = FormKind.HL7_COORDINATOR, **changes: object):
    return destination(f"{name}-{form}", form, Whose.HOSPITAL, owner_id=name, **changes)


def rig(store: Store, *desks) -> tuple[Rig, Scripted]:
    for each in desks:
        store.destinations.put(each, NOW)
    way = Scripted()
    return Rig(store, way), way


@given(
    facility=st.sampled_from([*HOSPITALS, "", "mission"]),
    action=st.sampled_from([Action.NOTIFY, Action.AMEND, Action.RETRACT]),
    before=st.sets(st.sampled_from([f"{name}-{form}" for name in HOSPITALS for form in TO_HOSPITALS])),
)
def test_only_the_hospital_of_the_stay_is_told_and_once(facility: str, action: Action, before: set[str]) -> None:
    desks = [desk(name, form) for name in HOSPITALS for form in TO_HOSPITALS]
    version = alert(FacilityKind.ACUTE, action, "in-progress").model_copy(update={"facility": facility})
    hospital = facility.upper()  # whatever letters its feeds write its name in
    due = {
        each.destination_id: each for each in DestinationIndex(desks).due(version, enrollee("all"), before, DIRECTORY)
    }
    if action is Action.RETRACT:
        assert due.keys() == before, "what was told is taken back, and nothing else"
        strangers = [each for each in due.values() if each.owner_id != hospital]
        assert all(seen_by(each, version, enrollee("all"), KNOWN).person is None for each in strangers)
    else:
        assert {each.owner_id for each in due.values()} <= {hospital}
        assert not before & due.keys()
        assert len(due) == (2 if hospital in HOSPITALS else 0) - len(
            {f"{hospital}-{form}" for form in TO_HOSPITALS} & before
        )


@pytest.mark.parametrize("form", sorted(TO_HOSPITALS))
@pytest.mark.parametrize("whose", [whose for whose in Whose if whose is not Whose.HOSPITAL])
def test_nobody_but_a_hospital_can_be_the_destination(form: FormKind, whose: Whose) -> None:
    with pytest.raises(ValidationError, match="hospital the patient is in"):
        destination(form=form, whose=whose, owner_id="P1")


def test_the_way_from_match_to_message_to_what_takes_it_back(store: Store) -> None:
    mission, other = desk("MISSION", options=SAYS), desk("OTHER", options=SAYS)
    sending, way = rig(store, mission, other)
    decide_for(store, [mission, other], record(1), record(2))
    sending.turn()
    ((where, parcel),) = way.sent
    assert where == mission.destination_id, "once, and nowhere else"
    message = parse_message(parcel.body.decode(), find_groups=True)
    assert message.validate()
    assert message.msh.msh_9.to_er7() == "MDM^T02^MDM_T02"
    assert message.pid.pid_3.to_er7() == "M1^^^MISSION^MR", "the hospital's own number"
    assert [str(each[5]) for each in hl7.parse(parcel.body.decode()).segments("OBX")] == [
        "Care coordinator: M. Ortiz, RN",
        "Practice: Practice",
        "Programs: asthma",
        "Please: call before discharge",
    ]
    assert not any(word in parcel.body for word in (b"diabetes", b"E1", b"123121234", b"8285550101"))
    (audited,) = [row for row in store.audit.read(enrollee_id="E1") if row.what is Audited.READ_STAY]
    assert (audited.case_manager_id, audited.detail) == (f"destination:{where}", "care team")
    assert [row.destination_id for row in store.disclosures.of("E1")] == [where]

    decide_for(store, [mission, other], take_back(3), rule=retracting)
    sending.turn()
    assert [name for name, _ in way.sent] == [where, where]
    cancel = parse_message(way.sent[1][1].body.decode(), find_groups=False)
    assert cancel.validate()
    assert cancel.msh.msh_9.to_er7() == "MDM^T11^MDM_T01"
    assert cancel.txa.txa_13.to_er7() == message.txa.txa_12.to_er7(), "it names the document that was sent"
    assert {row.state for row in rows(store, where)} == {DeliveryState.DELIVERED}


def test_a_direct_message_says_it_to_a_person(store: Store) -> None:
    mission = desk("MISSION", FormKind.DIRECT_COORDINATOR, address="desk@direct.mission.example", options=SAYS)
    sending, way = rig(store, mission)
    decide_for(store, [mission], record(1))
    decide_for(store, [mission], take_back(2), rule=retracting)
    sending.turn()
    first, second = (message_from_bytes(parcel.body).get_payload(decode=True).decode() for _, parcel in way.sent)
    lines = [line.rstrip("\r") for line in first.splitlines()]
    assert lines[:2] == ["Patient: ROSA WHITFIELD, born 1955-03-02", "Your number: M1 (MISSION)"]
    assert "Care coordinator: M. Ortiz, RN" in lines and "Please: call before discharge" in lines
    assert "disregard" in second and "Ortiz" not in second


def test_at_the_moment_of_sending_the_stay_must_be_theirs(store: Store) -> None:
    mission = desk("MISSION")
    decide_for(store, [mission], record(1))
    (row,) = rows(store, mission.destination_id)
    seen = seen_by(mission, alert(FacilityKind.ACUTE, Action.NOTIFY, "in-progress"), enrollee("all"), KNOWN)
    seen = seen.model_copy(update={"alert_id": row.alert_id, "person": sample_view(NOW).person})
    contacts = Contacts(store, lambda: DIRECTORY, lambda: NOW)
    assert contacts.of(seen, desk("OTHER")) is None
    assert contacts.of(seen.model_copy(update={"alert_id": "unknown"}), mission) is None
    assert contacts.of(seen.model_copy(update={"person": None}), mission) is None
    assert not store.audit.read(enrollee_id="E1"), "nothing was looked at"
    contact = contacts.of(seen, mission)
    assert contact and contact.numbers == (Identifier(system="MISSION", value="M1", type="MR"),)


@pytest.mark.parametrize("form", sorted(TO_HOSPITALS))
def test_who_may_not_know_whom_it_is_about_is_told_nothing(store: Store, form: FormKind) -> None:
    mission = desk("MISSION", form, tier=Tier.WITHHELD)
    sending, way = rig(store, mission)
    decide_for(store, [mission], record(1))
    sending.turn()
    (row,) = rows(store, mission.destination_id)
    assert (row.state, row.failure, way.sent) == (DeliveryState.GIVEN_UP, GiveUp.WITHHELD, [])


def test_where_nobody_coordinates_there_is_nothing_to_say() -> None:
    nobody = Contact((), None, ())
    seen = sample_view(NOW)
    assert coordinator.mdm(seen, nobody, "d" * 32, ("", ""), ZONE) is None
    assert coordinator.text(seen, nobody) is None
    assert "Contact" in repr(nobody)


def test_what_was_told_of_another_stay_is_taken_back_without_a_name() -> None:
    seen = sample_view(NOW).model_copy(update={"action": Action.RETRACT})
    for body in (coordinator.mdm(seen, None, "d" * 32, ("", ""), ZONE), coordinator.text(seen, None)):
        assert body and b"NOBODY" not in body and seen.alert_id.encode() in body


def test_without_a_number_of_the_hospital_s_the_patient_has_ours() -> None:
    contact = Contact((), Practice(practice_id="P1", name="Oak", network_id="N1", phone="828 | 1"), ())
    body = coordinator.mdm(sample_view(NOW), contact, "d" * 32, ("EHR", "MISSION"), ZONE)
    assert body and b"^^^WARMHANDOFF^PI" in body and b"Phone: 828 \\F\\ 1" in body
    text = coordinator.text(sample_view(NOW), contact)
    assert text and b"Your number" not in text
