"""The policy file: every fault at once, a policy that loads always decides, words and codes mean what they say."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.events import Diagnosis, EncounterClass, FacilityKind
from parsers.people import RiskTier
from rules.decisions import AlertKind, Priority, Reason
from rules.policy.icd10 import code_in
from rules.policy.policy import Facts, Policy, default_policy, load_policy

LAST = '\n[[rules]]\nname = "last"\n'


def places(text):
    return {fault.place: fault.message for fault in load_policy(text)}


class TestLoading:
    def test_the_shipped_one_loads(self):
        policy = default_policy()
        assert policy.rules[-1].unconditional
        assert policy.windows.readmission_days == 30

    def test_every_fault_at_once(self):
        named = places(
            """
zone = "Mars/Olympus"
surprise = 1
[windows]
readmission_days = 0
[quiet_hours]
hours = "late"
[overdose]
codes = ["T50-T36"]
[business]
state = "XX"
day_ends = "25:00"
[[ed_high_utilizer]]
visits = 1
days = 60
[[rules]]
name = ""
priority = "loud"
reasons = ["bad_mood"]
"""
        )
        assert set(named) == {
            "zone",
            "surprise",
            "windows.readmission_days",
            "quiet_hours.hours",
            "overdose.codes",
            "business.state",
            "business.day_ends",
            "ed_high_utilizer[0].visits",
            "rules[0].name",
            "rules[0].priority",
            "rules[0].reasons[0]",
        }
        assert "ICD-10" in named["overdose.codes"]
        assert "time zone" in named["zone"]

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            ("zone = ", "file"),
            ('zone = "America/New_York"', "rules"),
            ("rules = []", "rules"),
            ('[[rules]]\nname = "a"\nkinds = ["discharge"]\n', "rules"),
            ('[[rules]]\nname = "a"\n[[rules]]\nname = "b"\n', "rules"),
            ('[[rules]]\nname = "a"\nkinds = ["death"]\n[[rules]]\nname = "a"\n', "rules"),
            ('[overdose]\ncodes = ["overdose"]' + LAST, "overdose.codes"),
            ('[business]\ncalendar = "lunar"' + LAST, "business.calendar"),
            ('[clocks]\ntrc_payers = ["nobody"]' + LAST, "clocks.trc_payers[0]"),
            ('[clocks]\npayer_unknown = "guess"' + LAST, "clocks.payer_unknown"),
            ('[clocks]\ntries = [{ clocks = ["tcm"], count = 2 }]' + LAST, "clocks.tries[0].clocks[0]"),
            ("[clocks]\ntries = [{ count = -1 }]" + LAST, "clocks.tries[0].count"),
        ],
    )
    def test_one_fault(self, text, place):
        assert list(places(text)) == [place]

    def test_federal_holidays_only(self):
        assert isinstance(load_policy('[business]\nstate = ""' + LAST), Policy)


FACTS = st.builds(
    Facts,
    st.sampled_from(AlertKind),
    st.frozensets(st.sampled_from(Reason), max_size=5),
    st.sampled_from(RiskTier),
    st.sampled_from(EncounterClass),
    st.sampled_from(FacilityKind),
)


@given(FACTS)
@settings(max_examples=200, deadline=None)
def test_every_alert_meets_a_rule(facts):
    assert default_policy().rule_for(facts).name


@pytest.mark.parametrize(
    ("reasons", "kind", "tier", "rule"),
    [
        ({Reason.DIED, Reason.OVERDOSE}, AlertKind.DEATH, RiskTier.HIGH, "death"),
        ({Reason.OVERDOSE}, AlertKind.ED_VISIT, RiskTier.LOW, "overdose"),
        ({Reason.LEFT_AGAINST_ADVICE}, AlertKind.DISCHARGE, RiskTier.LOW, "against_advice"),
        ({Reason.PLANNED_ADMISSION, Reason.READMISSION}, AlertKind.ADMISSION, RiskTier.HIGH, "planned"),
        ({Reason.PLANNED_ADMISSION, Reason.READMISSION}, AlertKind.DISCHARGE, RiskTier.HIGH, "readmission"),
        ({Reason.NEWBORN}, AlertKind.ADMISSION, RiskTier.HIGH, "newborn"),
        (set(), AlertKind.DISCHARGE, RiskTier.HIGH, "high_risk_discharge"),
        ({Reason.ED_HIGH_UTILIZER}, AlertKind.ED_VISIT, RiskTier.HIGH, "ed_high_utilizer"),
        ({Reason.BEHAVIORAL_HEALTH}, AlertKind.ED_VISIT, RiskTier.LOW, "behavioral_health"),
        (set(), AlertKind.ED_VISIT, RiskTier.HIGH, "high_risk"),
        (set(), AlertKind.DISCHARGE, RiskTier.RISING, "rising_risk_discharge"),
        (set(), AlertKind.ADMISSION, RiskTier.UNKNOWN, "everything_else"),
    ],
)
def test_which_shipped_rule_holds(reasons, kind, tier, rule):
    facts = Facts(kind, frozenset(reasons), tier, EncounterClass.INPATIENT, FacilityKind.ACUTE)
    assert default_policy().rule_for(facts).name == rule


def test_conditions_of_a_rule():
    policy = load_policy(
        """
[[rules]]
name = "psychiatric inpatient, unless planned"
classes = ["IMP"]
facility_kinds = ["psychiatric"]
unless = ["planned_admission"]
priority = "urgent"
[[rules]]
name = "last"
"""
    )
    facts = Facts(AlertKind.ADMISSION, frozenset(), RiskTier.LOW, EncounterClass.INPATIENT, FacilityKind.PSYCHIATRIC)
    assert policy.rule_for(facts).priority is Priority.URGENT
    for changed in (
        {"encounter_class": EncounterClass.OBSERVATION},
        {"facility_kind": FacilityKind.ACUTE},
        {"reasons": frozenset({Reason.PLANNED_ADMISSION})},
    ):
        assert policy.rule_for(facts._replace(**changed)).name == "last"


@pytest.mark.parametrize(
    ("at", "priority"),
    [
        (datetime(2026, 11, 11, 1, 59, tzinfo=UTC), Priority.ROUTINE),  # 20:59 local
        (datetime(2026, 11, 11, 2, 0, tzinfo=UTC), Priority.DIGEST),
        (datetime(2026, 11, 11, 11, 59, tzinfo=UTC), Priority.DIGEST),
        (datetime(2026, 11, 11, 12, 0, tzinfo=UTC), Priority.ROUTINE),
        (datetime(2026, 7, 11, 10, 59, tzinfo=UTC), Priority.DIGEST),  # 06:59 in summer
    ],
)
def test_quiet_hours_are_local(at, priority):
    policy = default_policy()
    assert policy.priority(policy.rules[-1], at) is priority
    urgent = next(rule for rule in policy.rules if rule.priority is Priority.URGENT)
    assert policy.priority(urgent, at) is Priority.URGENT


@pytest.mark.parametrize(
    ("complaint", "behavioral", "overdose"),
    [
        ("Suicidal ideation", True, False),
        ("SUICIDAL", True, False),
        ("denies suicidal ideation", False, False),
        ("no suicidal or homicidal ideation", False, False),
        ("chest pain, not suicidal", False, False),
        ("denies pain. Suicidal since Sunday, took too many pills", True, True),
        ("ST depression on EKG", False, False),
        ("depression", True, False),
        ("depressed skull fracture", False, False),
        ("unintentional overdose", False, True),
        ("Heroin OD", False, True),
        ("anxietylike", False, False),
        ("", False, False),
        ("knee pain", False, False),
    ],
)
def test_words_of_a_complaint(complaint, behavioral, overdose):
    policy = default_policy()
    assert policy.behavioral_health.said(complaint) is behavioral
    assert policy.overdose.said(complaint) is overdose


@pytest.mark.parametrize(
    ("code", "system", "behavioral", "overdose"),
    [
        ("F32.9", "I10", True, False),
        ("F329", "ICD10", True, False),
        ("f20.0", "", True, False),
        ("F99", "I10", True, False),
        ("T40.2X1A", "I10", False, True),
        ("T402X4A", "I10", False, True),
        ("T40.2X5A", "I10", False, False),  # adverse effect
        ("T40.2X6A", "I10", False, False),  # underdosing
        ("T50.905A", "I10", False, False),
        ("T51.0X1A", "I10", False, True),
        ("T14.91XA", "I10", True, False),
        ("R45.851", "I10", True, False),
        ("X78.0XXA", "I10", True, False),
        ("F11.120", "I10", True, True),
        ("F32.9", "I9", False, False),
        ("I10", "I10", False, False),
        ("G30.9", "I10", False, False),
        ("", "I10", False, False),
    ],
)
def test_codes_of_a_diagnosis(code, system, behavioral, overdose):
    policy, diagnosis = default_policy(), Diagnosis(code=code, system=system)
    assert policy.behavioral_health.coded([diagnosis]) is behavioral
    assert policy.overdose.coded([diagnosis]) is overdose


def test_a_topic_without_words_says_nothing():
    policy = load_policy('[overdose]\ncodes = ["T36-T50"]' + LAST)
    assert not policy.overdose.said("overdose")
    assert code_in(Diagnosis(code="T42.4X1A"), policy.overdose.codes)
