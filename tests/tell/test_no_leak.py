"""What a tier withholds is in no byte of any form that leaves: a marker in every field of alert and enrollee."""

import json
from datetime import UTC, date, datetime
from email import message_from_string
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from parsers.events import Address, Diagnosis, EncounterClass, FacilityKind, Identifier, PersonName
from parsers.people import Consent, Enrollee
from rules.decisions import (
    Action,
    Alert,
    AlertKind,
    Change,
    Clock,
    ClockKind,
    Owner,
    Priority,
    Reason,
    StayStatus,
)
from rules.policy.policy import default_policy
from rules.telling.attempts import GiveUp
from rules.telling.confidentiality import DEFAULT, PART2_NOTICE, Tier
from rules.telling.destinations import NO_PATIENT, TO_HOSPITALS, FormKind, Whose
from streams.store.delivery import made_of
from streams.tell.form import Item
from streams.tell.forms.coordinator import Contact
from streams.tell.forms.fhir import Sender
from streams.tell.forms.mail import Waiting
from streams.tell.hl7_parcels import Kept
from streams.tell.parcels import forms
from streams.tell.seen import Known, seen_by
from streams.tell.way import Parcel
from tests.rigs.telling import DIRECTORY, destination

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RECEIVED = (
    b"MSH|^~\\&|ADT|FacilityMark|||20261122||ADT^A01|1|P|2.5.1\rPID|1||1||FamilyMark^GivenMark\r"
    b"PV1|1|I|UnitMark\rDG1|1||F11.20^DiagnosisMark\r"
)
NEED_A_PERSON = (FormKind.DA_VINCI, FormKind.HL7_MDM, FormKind.HL7_ADT, FormKind.DIRECT_ADT, *TO_HOSPITALS)
TREATS = (Whose.PERSON, Whose.PRACTICE, Whose.NETWORK)
KNOWN = Known(DIRECTORY, DEFAULT, default_policy())
FORMS = forms(
    Sender("Warm Handoff", "", "https://x.example"),
    lambda _: Waiting(urgent=1),
    "https://x.example",
    ZoneInfo("UTC"),
    made_of,
    Kept(lambda *_: RECEIVED, lambda *_: RECEIVED),
    lambda seen, _: (
        Contact((), DIRECTORY.practices["P1"], DIRECTORY.carriers("P1"), seen.person.programs) if seen.person else None
    ),
)
NEVER = ("MedicaidMark", "SsnMark", "StreetMark", "MrnMark", "FormerMark", "MotherMark", "NpiMark", "EvidenceMark")
NEVER += ("ControlMark", "RuleMark", "RouteMark", "MessageMark", "StayIdMark", "TriggerMark")
WHERE_AND_WHY = ("FacilityMark", "ComplaintMark", "AttendingMark", "UnitMark", "F1120", "F11.20", "DiagnosisMark")
WHERE_AND_WHY += ("DispositionMark", "ChangeMark", "fua_7", "overdose", "ProgramMark")
WHO = ("FamilyMark", "GivenMark", "MiddleMark", "SuffixMark", "1955-03-02", "PhoneMark", "EnrolleeMark", "LanguageMark")


def enrollee(consent: Consent) -> Enrollee:
    return Enrollee(
        enrollee_id="EnrolleeMark",
        name=PersonName(family="FamilyMark", given="GivenMark", middle="MiddleMark", suffix="SuffixMark"),
        birth_date=date(1955, 3, 2),
        practice_id="P1",
        medicaid_id="MedicaidMark",
        ssn="SsnMark",
        sex="F",
        address=Address(street="StreetMark", city="StreetMark", zip="StreetMark", county="Buncombe"),
        phone="PhoneMark",
        mother_enrollee_id="MotherMark",
        mrns=(Identifier(system="x", value="MrnMark"),),
        pcp_npi="NpiMark",
        programs=("ProgramMark",),
        consent=consent,
        former_names=(PersonName(family="FormerMark", given="FormerMark"),),
        former_addresses=(Address(street="FormerMark"),),
        former_phones=("FormerMark",),
        former_mrns=(Identifier(system="x", value="FormerMark"),),
        language="LanguageMark",
    )


def alert(kind: FacilityKind, action: Action, status: StayStatus) -> Alert:
    return Alert(
        alert_id="alert-1",
        version=2,
        stay_id="StayIdMark",
        enrollee_id="EnrolleeMark",
        kind=AlertKind.ADMISSION,
        encounter_class=EncounterClass.INPATIENT,
        status=status,
        priority=Priority.URGENT,
        owners=(Owner(case_manager_id="ortiz", because="practice"),),
        told=("ortiz",),
        action=action,
        reasons=(Reason.ADMITTED, Reason.OVERDOSE),
        changes=tuple(
            Change(field=name, before="ChangeMark", after="ChangeMark") for name in ("unit", "status", "diagnoses")
        ),
        clocks=(Clock(kind=ClockKind.FUA_7, starts_at=NOW, due_at=NOW),),
        facility="FacilityMark",
        facility_kind=kind,
        occurred_at=NOW,
        decided_at=NOW,
        message_id="MessageMark",
        trigger="TriggerMark",
        control_id="ControlMark",
        started_at=NOW,
        disposition="DispositionMark",
        diagnoses=(Diagnosis(code="F1120", system="I10", text="DiagnosisMark"),),
        complaint="ComplaintMark",
        attending="AttendingMark",
        unit="UnitMark",
        ed_visits=9,
        evidence={"EvidenceMark": "EvidenceMark"},
        rule="RuleMark",
        route="RouteMark",
    )


def opened(entity: str) -> str:
    """Every part of a MIME entity, decoded."""
    parts = message_from_string(entity).walk()
    return entity + "".join(part.get_payload(decode=True).decode() for part in parts if not part.is_multipart())


@settings(max_examples=200)
@given(
    st.sampled_from(sorted(FORMS)),
    st.sampled_from(list(Whose)),
    st.sampled_from(list(Tier)),
    st.sampled_from(list(Consent)),
    st.sampled_from(list(FacilityKind)),
    st.sampled_from([Action.NOTIFY, Action.AMEND, Action.RETRACT]),
    st.sampled_from([StayStatus.IN_PROGRESS, StayStatus.FINISHED, StayStatus.CANCELLED]),
    st.booleans(),
)
def test_what_a_tier_withholds_is_in_no_byte(form, whose, most, consent, kind, action, status, stranger) -> None:
    assume(form is not FormKind.HL7_RECEIVED or whose in TREATS)
    assume(form not in TO_HOSPITALS or whose is Whose.HOSPITAL)
    changes = {"owner_id": "another"} if stranger and whose not in (Whose.CENTRAL_OFFICE, Whose.PARTNER) else {}
    to = destination("d", form, whose, tier=most, **changes)
    person, version = enrollee(consent), alert(kind, action, status)
    seen = seen_by(to, version, person, KNOWN)
    parcel = FORMS[form].parcel([Item("a" * 32, NOW, seen)], to, 1)
    if form is FormKind.HL7_RECEIVED:
        whole = seen.tier is Tier.FULL and not seen.notice
        assert isinstance(parcel, Parcel) == (whole or action is Action.RETRACT)
        if isinstance(parcel, Parcel) and not whole:  # what they were told before, named by who and which visit
            assert b"|ADT^A11^ADT_A09|" in parcel.body and b"DG1" not in parcel.body
        return
    if parcel is GiveUp.WITHHELD:
        assert seen.person is None and form in NEED_A_PERSON
        return
    everything = b"\n".join(
        (parcel.body, parcel.name.encode(), parcel.subject.encode(), json.dumps(dict(parcel.headers)).encode())
    ).decode()
    if form is FormKind.DIRECT_ADT:
        everything = opened(everything)
    hidden = list(NEVER)
    if seen.tier is not Tier.FULL:
        hidden += WHERE_AND_WHY
    if seen.tier is Tier.WITHHELD or form in NO_PATIENT:
        hidden += WHERE_AND_WHY + WHO
    if form in TO_HOSPITALS:
        hidden += [word for word in WHERE_AND_WHY if word != "ProgramMark"] + ["PhoneMark", "LanguageMark"]
    if whose in (Whose.PLAN, Whose.HOSPITAL, Whose.PARTNER):
        hidden += ["ComplaintMark", "AttendingMark", "UnitMark"]
    assert [word for word in hidden if word in everything] == []
    if stranger and changes and whose is not Whose.PERSON:
        assert seen.tier is Tier.WITHHELD
    if seen.tier is Tier.FULL and kind is FacilityKind.SUBSTANCE_USE and form not in NO_PATIENT:
        if form in TO_HOSPITALS:
            return  # it says nothing of the stay
        if form is FormKind.HL7_MDM and action is Action.RETRACT:
            return  # a cancelled document has no content
        assert PART2_NOTICE in everything, "the notice goes along"


def test_every_form_there_is_was_looked_at() -> None:
    assert set(FORMS) == {
        FormKind.WEBHOOK_JSON,
        FormKind.DA_VINCI,
        FormKind.HL7_MDM,
        FormKind.HL7_ADT,
        FormKind.HL7_RECEIVED,
        FormKind.CSV,
        FormKind.NDJSON,
        FormKind.NUDGE,
        FormKind.DIGEST,
        FormKind.SMS,
        FormKind.DIRECT_ADT,
        FormKind.SUBSCRIPTION,
        FormKind.HL7_COORDINATOR,
        FormKind.DIRECT_COORDINATOR,
    }


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_sample_is_marked_and_about_nobody(form: FormKind) -> None:
    whose = Whose.PERSON if form in NO_PATIENT else Whose.HOSPITAL if form in TO_HOSPITALS else Whose.PRACTICE
    parcel = FORMS[form].sample(destination("d", form, whose), NOW)
    assert "test" in (parcel.body.decode() + parcel.name + parcel.subject).lower()
