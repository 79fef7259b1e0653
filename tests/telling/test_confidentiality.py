"""Content tiers: who reads what, and that no rendering of a view holds what it withholds."""

import tomllib
from datetime import UTC, date, datetime, timedelta
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.events import Address, Diagnosis, EncounterClass, FacilityKind, PersonName
from parsers.people import CaseManager, Consent, Enrollee, RiskTier, Role
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
from rules.telling.confidentiality import (
    DEFAULT,
    PART2_NOTICE,
    Confidentiality,
    Relationship,
    Tier,
    default_confidentiality,
    load_confidentiality,
    relationship_of,
    rule_on,
)
from rules.telling.sensitivity import Basis, sensitivity
from rules.telling.views import AlertView, WhyWithheld, audited, former, told_versions, view

AT = datetime(2026, 11, 20, 14, tzinfo=UTC)
NURSE = CaseManager(case_manager_id="nurse", name="M. Ortiz", role=Role.NURSE, network_id="N1", practices=("P1",))
COLLEAGUE = CaseManager(case_manager_id="colleague", name="B. Lee", role=Role.PHARMACIST, network_id="N1")
STRANGER = CaseManager(case_manager_id="stranger", name="X. Far", role=Role.NURSE, network_id="N9", practices=("P9",))
PLAN = CaseManager(case_manager_id="plan", name="T. Vance", role=Role.CARE_COORDINATOR, lme_mco_id="vaya")
OTHER_PLAN = CaseManager(case_manager_id="other", name="O. Ther", role=Role.CARE_COORDINATOR, lme_mco_id="alliance")
CENTRAL = CaseManager(case_manager_id="central", name="Desk", role=Role.CENTRAL_OFFICE)
EVERYONE = (NURSE, COLLEAGUE, STRANGER, PLAN, OTHER_PLAN, CENTRAL)
HEART = Diagnosis(code="I50.9", system="I10", text="heart failure")
DEPRESSION = Diagnosis(code="F32.9", system="I10", text="depression")
OPIOIDS = Diagnosis(code="F11.20", system="I10", text="opioid dependence")
WORDS = Diagnosis(text="see chart")

ENROLLEE = Enrollee(
    enrollee_id="ENROLLEE-1",
    name=PersonName(family="Whitfield", given="Rosa"),
    birth_date=date(1955, 3, 4),
    practice_id="P1",
    sex="F",
    phone="8285551212",
    address=Address(street="STREET-1", city="CITY-1"),
    programs=("PROGRAM-1",),
    ssn="237112345",
    medicaid_id="900000001K",
    risk_tier=RiskTier.HIGH,
)


def alert(
    *diagnoses: Diagnosis,
    kind: FacilityKind = FacilityKind.ACUTE,
    reasons: tuple[Reason, ...] = (Reason.ADMITTED,),
    clocks: tuple[ClockKind, ...] = (),
    changes: tuple[Change, ...] = (),
) -> Alert:
    return Alert(
        alert_id="ALERT-1",
        version=2,
        stay_id="ALERT-1",
        enrollee_id="ENROLLEE-1",
        kind=AlertKind.ADMISSION,
        encounter_class=EncounterClass.INPATIENT,
        status=StayStatus.IN_PROGRESS,
        priority=Priority.HIGH,
        owners=(Owner(case_manager_id="nurse", because="practice"), Owner(case_manager_id="plan", because="lme_mco")),
        told=("nurse", "plan"),
        action=Action.AMEND,
        reasons=reasons,
        changes=changes,
        clocks=tuple(
            Clock(kind=each, starts_at=AT, due_at=AT + timedelta(2), stopped_by="STOPPED-1") for each in clocks
        ),
        facility="FACILITY-1",
        facility_kind=kind,
        occurred_at=AT,
        decided_at=AT,
        message_id="MESSAGE-1",
        trigger="A08",
        control_id="CONTROL-1",
        disposition="DISPOSITION-1",
        diagnoses=diagnoses,
        complaint="COMPLAINT-1",
        attending="ATTENDING-1",
        unit="UNIT-1",
        evidence={"name": "EVIDENCE-1"},
        rule="RULE-1",
        route="ROUTE-1",
    )


def agreed(consent: Consent) -> Enrollee:
    return ENROLLEE.model_copy(update={"consent": consent})


TIERS = {
    # name: (alert, consent, tier of treating nurse, of plan, of central office)
    "heart failure": (alert(HEART), Consent.NONE, Tier.FULL, Tier.FULL, Tier.FULL),
    "no diagnosis yet": (alert(), Consent.NONE, Tier.FULL, Tier.FULL, Tier.FULL),
    "depression in a general hospital": (alert(DEPRESSION), Consent.NONE, Tier.FULL, Tier.GENERAL, Tier.GENERAL),
    "depression, agreed": (alert(DEPRESSION), Consent.MENTAL_HEALTH, Tier.FULL, Tier.FULL, Tier.FULL),
    "depression, agreed to something else": (
        alert(DEPRESSION), Consent.PART2, Tier.FULL, Tier.GENERAL, Tier.GENERAL,
    ),
    "opioids in a general hospital": (alert(HEART, OPIOIDS), Consent.NONE, Tier.FULL, Tier.GENERAL, Tier.GENERAL),
    "opioids, agreed": (alert(HEART, OPIOIDS), Consent.PART2, Tier.FULL, Tier.FULL, Tier.FULL),
    "words without a code": (alert(WORDS), Consent.NONE, Tier.FULL, Tier.GENERAL, Tier.GENERAL),
    "words without a code, all agreed": (alert(WORDS), Consent.ALL, Tier.FULL, Tier.FULL, Tier.FULL),
    "overdose by reason": (
        alert(reasons=(Reason.ED_ARRIVAL, Reason.OVERDOSE)), Consent.NONE, Tier.FULL, Tier.GENERAL, Tier.GENERAL,
    ),
    "behavioral health by reason": (
        alert(reasons=(Reason.BEHAVIORAL_HEALTH,)), Consent.NONE, Tier.FULL, Tier.GENERAL, Tier.GENERAL,
    ),
    "overdose taken back, and its words among the changes": (
        alert(reasons=(Reason.URGENCY_TAKEN_BACK,)), Consent.NONE, Tier.FULL, Tier.GENERAL, Tier.GENERAL,
    ),
    "substance use by clock": (alert(clocks=(ClockKind.FUA_7,)), Consent.NONE, Tier.FULL, Tier.GENERAL, Tier.GENERAL),
    "mental illness by clock": (alert(clocks=(ClockKind.FUM_7,)), Consent.NONE, Tier.FULL, Tier.GENERAL, Tier.GENERAL),
    "Part 2 program": (
        alert(kind=FacilityKind.SUBSTANCE_USE), Consent.NONE, Tier.WITHHELD, Tier.WITHHELD, Tier.WITHHELD,
    ),
    "Part 2 program, other consent": (
        alert(kind=FacilityKind.SUBSTANCE_USE), Consent.MENTAL_HEALTH, Tier.WITHHELD, Tier.WITHHELD, Tier.WITHHELD,
    ),
    "Part 2 program, agreed": (alert(kind=FacilityKind.SUBSTANCE_USE), Consent.PART2, Tier.FULL, Tier.FULL, Tier.FULL),
    "122C facility": (alert(kind=FacilityKind.PSYCHIATRIC), Consent.NONE, Tier.WITHHELD, Tier.WITHHELD, Tier.WITHHELD),
    "122C facility, agreed": (
        alert(kind=FacilityKind.PSYCHIATRIC), Consent.MENTAL_HEALTH, Tier.FULL, Tier.FULL, Tier.FULL,
    ),
    "122C facility, agreed, opioids": (
        alert(OPIOIDS, kind=FacilityKind.PSYCHIATRIC), Consent.MENTAL_HEALTH, Tier.GENERAL, Tier.GENERAL, Tier.GENERAL,
    ),
    "122C facility, all agreed, opioids": (
        alert(OPIOIDS, kind=FacilityKind.PSYCHIATRIC), Consent.ALL, Tier.FULL, Tier.FULL, Tier.FULL,
    ),
    "skilled nursing": (alert(HEART, kind=FacilityKind.SKILLED_NURSING), Consent.NONE, Tier.FULL, Tier.FULL, Tier.FULL),
}  # fmt: skip


@pytest.mark.parametrize("name", TIERS)
def test_who_reads_how_much(name: str) -> None:
    sent, consent, *tiers = TIERS[name]
    assert [view(sent, agreed(consent), who).tier for who in (NURSE, PLAN, CENTRAL)] == tiers
    assert view(sent, agreed(consent), STRANGER).tier is Tier.WITHHELD


NEAR = {
    "an owner": (NURSE, "", False, Relationship.TREATING),
    "of the practice's network": (COLLEAGUE, "N1", False, Relationship.TREATING),
    "of another network": (COLLEAGUE, "N2", False, Relationship.NONE),
    "handed over to": (STRANGER, "", True, Relationship.TREATING),
    "a stranger": (STRANGER, "N1", False, Relationship.NONE),
    "the plan that was told": (PLAN, "", False, Relationship.PLAN),
    "another plan": (OTHER_PLAN, "", False, Relationship.NONE),
    "the central office": (CENTRAL, "", False, Relationship.CENTRAL),
}


@pytest.mark.parametrize("name", NEAR)
def test_what_the_recipient_is_to_the_enrollee(name: str) -> None:
    who, network, assigned, expected = NEAR[name]
    assert relationship_of(alert(), ENROLLEE, who, network, assigned) is expected
    if expected is Relationship.NONE:
        seen = view(alert(), ENROLLEE, who, network_id=network, assigned=assigned)
        assert {part.why for part in seen.withheld} == {WhyWithheld.NOT_YOURS}


DIAGNOSES = {
    **dict.fromkeys(
        ("F10.10", "F19", "f1120", "T40.1X1A", "K70.30", "303.90", "965.00"), Basis.SUBSTANCE_USE_DIAGNOSIS
    ),
    **dict.fromkeys(("F20.0", "F99", "F84.0", "R45.851", "296.2"), Basis.MENTAL_HEALTH_DIAGNOSIS),
    **dict.fromkeys(("F03.90", "I50.9", "T52.0", "428.0", ""), Basis.NOTHING),
    **dict.fromkeys(("local", "7", "123456789"), Basis.UNCLASSIFIED_DIAGNOSIS),
}


@pytest.mark.parametrize("code", DIAGNOSES)
def test_what_a_code_says(code: str) -> None:
    assert sensitivity(Diagnosis(code=code)) is DIAGNOSES[code]


def test_a_code_of_another_system_cannot_be_told() -> None:
    assert sensitivity(Diagnosis(code="I50.9", system="SCT")) is Basis.UNCLASSIFIED_DIAGNOSIS
    assert sensitivity(Diagnosis(code="V71.09", system="I9C")) is Basis.NOTHING
    assert sensitivity(Diagnosis(code="XYZ", system="I9C")) is Basis.UNCLASSIFIED_DIAGNOSIS


def test_the_payer_reads_no_more_than_necessary() -> None:
    change = Change(field="unit", before="UNIT-0", after="UNIT-1")
    seen = view(alert(HEART, changes=(change,)), ENROLLEE, PLAN)
    assert seen.tier is Tier.FULL
    assert {(part.part, part.why) for part in seen.withheld} == {
        (part, WhyWithheld.MINIMUM_NECESSARY) for part in ("complaint", "attending", "unit")
    }
    text = seen.model_dump_json()
    assert not any(word in text for word in ("COMPLAINT-1", "ATTENDING-1", "UNIT-1", "UNIT-0"))
    assert "COMPLAINT-1" in view(alert(HEART), ENROLLEE, NURSE).model_dump_json()


def test_the_notice_goes_with_part_2_records_and_with_nothing_else() -> None:
    program = alert(kind=FacilityKind.SUBSTANCE_USE)
    assert view(program, agreed(Consent.PART2), NURSE).notice == PART2_NOTICE
    assert "prohibits unauthorized use or disclosure" in PART2_NOTICE
    assert view(program, ENROLLEE, NURSE).notice == "", "it would tell what is withheld"
    assert view(alert(OPIOIDS), ENROLLEE, NURSE).notice == ""


def test_general_names_the_person_and_neither_place_nor_cause() -> None:
    sent = alert(
        DEPRESSION,
        reasons=(Reason.ADMITTED, Reason.BEHAVIORAL_HEALTH, Reason.DIAGNOSIS_ADDED),
        clocks=(ClockKind.TCM_CONTACT, ClockKind.FUH_7),
        changes=(
            Change(field="status", before="planned", after="in-progress"),
            Change(field="status", before="planned", after="FREE-1"),
            Change(field="diagnoses", after="F32.9"),
        ),
    )
    seen = view(sent, ENROLLEE, PLAN)
    assert seen.person is not None
    assert seen.person.name.family == "Whitfield"
    assert seen.kind is AlertKind.ADMISSION
    assert seen.reasons == (Reason.ADMITTED,)
    assert [clock.kind for clock in seen.clocks] == [ClockKind.TCM_CONTACT]
    assert [change.after for change in seen.changes] == ["in-progress"]
    assert [owner.case_manager_id for owner in seen.owners] == ["nurse", "plan"]
    assert "facility" in {part.part for part in seen.withheld}
    assert {part.why for part in seen.withheld} == {WhyWithheld.CONSENT_NEEDED}
    to_central = view(sent, ENROLLEE, CENTRAL)
    assert [owner.case_manager_id for owner in to_central.owners] == ["nurse"], "the plan's part in it would say why"


def test_withheld_tells_about_nobody() -> None:
    seen = view(alert(kind=FacilityKind.SUBSTANCE_USE), ENROLLEE, NURSE)
    assert seen.person is None
    assert {part.part for part in seen.withheld} == {"person", "stay"}
    assert seen.model_dump(exclude_defaults=True).keys() == {
        "alert_id", "version", "action", "decided_at", "tier", "relationship", "withheld",
    }  # fmt: skip
    assert "part2" not in seen.model_dump_json()


def test_the_audit_learns_which_rule_it_was() -> None:
    ruling = rule_on(alert(OPIOIDS, kind=FacilityKind.PSYCHIATRIC), ENROLLEE, Relationship.PLAN)
    assert ruling.tier is Tier.WITHHELD
    assert ruling.bases == (Basis.FACILITY_122C, Basis.SUBSTANCE_USE_DIAGNOSIS)
    assert rule_on(alert(), ENROLLEE, Relationship.NONE).bases == (Basis.NO_RELATIONSHIP,)
    strict = Confidentiality(plan_without_sensitive_diagnosis=Tier.GENERAL)
    assert rule_on(alert(HEART), ENROLLEE, Relationship.PLAN, strict).bases == (Basis.MINIMUM_NECESSARY,)
    seen = view(alert(HEART), ENROLLEE, PLAN, strict)
    assert {part.why for part in seen.withheld} == {WhyWithheld.MINIMUM_NECESSARY}


def test_an_audit_row_says_tier_and_rules() -> None:
    sent = alert(DEPRESSION)
    assert audited(sent, ENROLLEE, view(sent, ENROLLEE, PLAN)) == "general: mental_health_diagnosis"
    assert audited(sent, ENROLLEE, view(sent, ENROLLEE, NURSE)) == "full: nothing"


LIMITS = ("general", "withheld")
TIERS_OF = {  # setting: what a file may say of it
    "part2_facility": LIMITS,
    "facility_122c": LIMITS,
    "sensitive_diagnosis_to_plan": LIMITS,
    "sensitive_diagnosis_to_central": LIMITS,
    "plan_without_sensitive_diagnosis": ("full", *LIMITS),
}


def as_file(said: dict[str, str]) -> str:
    return "\n".join(f'{setting} = "{tier}"' for setting, tier in said.items())


def read(text: str) -> Confidentiality:
    loaded = load_confidentiality(text)
    assert isinstance(loaded, Confidentiality), loaded
    return loaded


POLICIES = st.fixed_dictionaries({}, optional={name: st.sampled_from(may) for name, may in TIERS_OF.items()}).map(
    lambda said: read(as_file(said))
)
MARKED = Diagnosis(code="F32.9", system="I10", text="DIAGNOSIS-1")
ALERTS = st.builds(
    lambda marked, plain, kind, reasons, clocks, fields: alert(
        *([MARKED] if marked else []),
        *([HEART] if plain else []),
        kind=kind,
        reasons=tuple(reasons),
        clocks=tuple(clocks),
        changes=tuple(Change(field=field, before="BEFORE-1", after="AFTER-1") for field in fields),
    ),
    st.booleans(),
    st.booleans(),
    st.sampled_from(list(FacilityKind)),
    st.lists(st.sampled_from(list(Reason)), max_size=4, unique=True),
    st.lists(st.sampled_from(list(ClockKind)), max_size=3, unique=True),
    st.lists(st.sampled_from(["status", "kind", "diagnoses", "facility", "complaint", "unit"]), max_size=3),
)
NEVER = ("237112345", "900000001K")
WITH_CONTENT = (
    "FACILITY-1", "DISPOSITION-1", "COMPLAINT-1", "ATTENDING-1", "UNIT-1", "MESSAGE-1", "CONTROL-1", "EVIDENCE-1",
    "RULE-1", "ROUTE-1", "DIAGNOSIS-1", "F32.9", "I50.9", "STREET-1", "CITY-1", "PROGRAM-1", "STOPPED-1", "BEFORE-1",
    "AFTER-1", "lme_mco", "behavioral_health", "overdose", "fuh", "fum", "fua", "psychiatric", "substance_use",
    "part2", "122c", "42 CFR", "left_against_advice", "recent_snf_stay",
)  # fmt: skip
WITH_PERSON = ("Whitfield", "Rosa", "1955", "8285551212", "ENROLLEE-1", "P1", "nurse", "high", "admission", "IMP")


@given(ALERTS, POLICIES, st.sampled_from(list(Consent)), st.sampled_from(EVERYONE), st.sampled_from(["", "N1"]))
def test_no_rendering_holds_what_the_tier_withholds(
    sent: Alert, policy: Confidentiality, consent: Consent, who: CaseManager, network: str
) -> None:
    seen = view(sent, agreed(consent), who, policy, network_id=network)
    renderings = (seen.model_dump_json(), str(seen.model_dump()), str(seen), repr(seen))
    hidden = set(NEVER)
    if seen.tier is not Tier.FULL:
        hidden |= set(WITH_CONTENT)
    if seen.tier is Tier.WITHHELD:
        hidden |= set(WITH_PERSON)
    if seen.relationship is Relationship.PLAN:
        hidden |= {"COMPLAINT-1", "ATTENDING-1", "UNIT-1"}
    for text in renderings:
        assert not {word for word in hidden if word in text}
    if seen.tier is not Tier.FULL:
        assert seen.withheld, "what is withheld is named"
        assert not seen.notice
    assert seen.tier is rule_on(sent, agreed(consent), seen.relationship, policy).tier


@given(ALERTS, POLICIES, st.sampled_from(EVERYONE))
def test_no_policy_opens_a_protected_facility_without_consent(
    sent: Alert, policy: Confidentiality, who: CaseManager
) -> None:
    seen = view(sent, ENROLLEE, who, policy, network_id="N1")
    if sent.facility_kind in (FacilityKind.PSYCHIATRIC, FacilityKind.SUBSTANCE_USE):
        assert seen.tier is not Tier.FULL


@given(ALERTS, st.sampled_from(EVERYONE), st.sampled_from(list(Consent)))
def test_consent_never_shows_less(sent: Alert, who: CaseManager, consent: Consent) -> None:
    order = [Tier.WITHHELD, Tier.GENERAL, Tier.FULL]
    without, with_it, with_all = (
        order.index(view(sent, agreed(each), who).tier) for each in (Consent.NONE, consent, Consent.ALL)
    )
    assert without <= with_it <= with_all


def test_every_field_of_the_view_is_either_content_or_named_as_withheld() -> None:
    general = view(alert(DEPRESSION), ENROLLEE, PLAN)
    named = {part.part for part in general.withheld}
    for field in AlertView.model_fields:
        if field not in named | {"notice", "ed_window_days", "changes", "clocks", "started_at", "ended_at"}:
            assert getattr(general, field) not in (None, "", ()) or field == "expected_discharge", field
    assert default_confidentiality() == Confidentiality() == DEFAULT


FAULTS = {
    "a protected facility in full": ('part2_facility = "full"', "part2_facility", "expected 'general' or 'withheld'"),
    "a word that is none": ('facility_122c = "maybe"', "facility_122c", "expected 'general' or 'withheld'"),
    "no word at all": ("sensitive_diagnosis_to_plan = 3", "sensitive_diagnosis_to_plan", "expected 'general'"),
    "a tier that is none": (
        'plan_without_sensitive_diagnosis = "all"',
        "plan_without_sensitive_diagnosis",
        "'full', 'general' or 'withheld'",
    ),
    "a setting that is none": ('part_2_facility = "general"', "part_2_facility", "not permitted"),
    "no TOML": ("part2_facility =", "file", "not valid TOML"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_file_is_named(name: str) -> None:
    text, place, said = FAULTS[name]
    [fault] = load_confidentiality(text)
    assert fault.place == place
    assert said in fault.message


def test_every_fault_is_named_at_once() -> None:
    faults = load_confidentiality('part2_facility = "full"\nfacility_122c = "full"\nshoe = 9')
    assert [fault.place for fault in faults] == ["part2_facility", "facility_122c", "shoe"]


@given(st.dictionaries(st.sampled_from(list(TIERS_OF)), st.sampled_from(["full", "general", "withheld", "", "FULL"])))
def test_only_what_the_law_leaves_open_loads(said: dict[str, str]) -> None:
    allowed = all(tier in TIERS_OF[setting] for setting, tier in said.items())
    loaded = load_confidentiality(as_file(said))
    assert isinstance(loaded, Confidentiality) is allowed
    if allowed:
        assert {setting: getattr(loaded, setting) for setting in said} == said


def test_the_shipped_file_names_every_setting() -> None:
    text = resources.files("rules.telling").joinpath("confidentiality.toml").read_text(encoding="utf-8")
    assert set(tomllib.loads(text)) == set(Confidentiality.model_fields)


OLD = CaseManager(case_manager_id="old", name="O. Ld", role=Role.NURSE, network_id="N9", practices=("P9",))


def version(number: int, who: str, *, action: Action = Action.AMEND, **more: object) -> Alert:
    recipients = ("old",) if who == "old" else ("old", who)
    values = {"version": number, "action": action, "owners": (Owner(case_manager_id=who, because="practice"),)}
    return alert(HEART).model_copy(update={**values, "told": recipients, **more})


def test_who_once_answered_reads_what_she_was_told_and_not_what_came_after() -> None:
    versions = (
        version(1, "old", diagnoses=()),
        version(2, "old", complaint="OLD-COMPLAINT"),
        version(3, "nurse", complaint="NEW-COMPLAINT", facility="NEW-FACILITY"),
    )
    assert told_versions(versions, ENROLLEE, OLD, "N1") == versions[:2]
    assert told_versions(versions, ENROLLEE, NURSE, "N1") == versions
    assert told_versions(versions, ENROLLEE, COLLEAGUE, "N1") == versions, "the network that treats now reads all"
    assert told_versions(versions, ENROLLEE, OLD, "N1", assigned=True) == versions


def test_a_retraction_reaches_who_once_answered_with_nothing_that_came_after() -> None:
    gone = version(
        4,
        "nurse",
        action=Action.RETRACT,
        reasons=(Reason.ADMISSION_CANCELLED,),
        status=StayStatus.CANCELLED,
        complaint="NEW-COMPLAINT",
        facility="NEW-FACILITY",
        clocks=(Clock(kind=ClockKind.FUH_7, starts_at=AT, due_at=AT),),
    )
    versions = (version(1, "old"), version(2, "nurse", complaint="NEW-COMPLAINT"), gone)
    readable = told_versions(versions, ENROLLEE, OLD, "N1")
    assert [(seen.version, seen.action) for seen in readable] == [(1, Action.AMEND), (4, Action.RETRACT)]
    last = readable[-1]
    assert (last.reasons, last.status, last.complaint, last.facility, last.clocks) == (
        (Reason.ADMISSION_CANCELLED,),
        StayStatus.CANCELLED,
        "COMPLAINT-1",
        "FACILITY-1",
        (),
    )
    text = view(last, ENROLLEE, OLD, network_id="N1", past=True).model_dump_json()
    assert "NEW-" not in text


def test_who_once_answered_does_not_learn_where_the_person_is_at_home_now() -> None:
    seen = view(version(1, "old"), ENROLLEE, OLD, network_id="N1", past=True)
    assert seen.tier is Tier.FULL
    assert seen.person is not None
    assert (
        seen.person.name,
        seen.person.phone,
        seen.person.address,
        seen.person.practice_id,
        seen.person.programs,
    ) == (
        ENROLLEE.name,
        "",
        None,
        "",
        (),
    )


def test_a_former_owner_is_one_who_answers_no_more() -> None:
    current = version(2, "nurse")
    assert former(current, ENROLLEE, OLD, "N1")
    assert former(current, ENROLLEE, CENTRAL, "N1")
    for who in (NURSE, COLLEAGUE):
        assert not former(current, ENROLLEE, who, "N1")
