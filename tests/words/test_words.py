"""The words of the inbox: tables of values and what a case manager reads."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.events import Diagnosis, EncounterClass, FacilityKind
from parsers.people import RiskTier, Role
from rules.decisions import (
    Action,
    AlertKind,
    Change,
    Clock,
    ClockKind,
    ClockStatus,
    DischargeElement,
    Grade,
    Match,
    Priority,
    Reason,
    StayStatus,
)
from rules.matching.evidence import Agreement, Shown, agreement_of, shown_of
from rules.policy.policy import default_policy
from streams.inbox.pages.list_rows import GROUP_WORDS, Group
from streams.words import clocks as clock_words
from streams.words import diagnoses as diagnosis_words
from streams.words import matches as match_words
from streams.words import numbers as number_words
from streams.words import people as people_words
from streams.words import reasons as reason_words
from streams.words import retractions as retraction_words
from streams.words import stays as wording
from streams.words import times as time_words

NOW = datetime(2026, 11, 20, 19, 2, tzinfo=UTC)  # Friday 14:02 in North Carolina

TOTAL = {
    "reasons": (reason_words.REASON_WORDS, Reason),
    "priorities": (wording.PRIORITY_WORDS, Priority),
    "risk": (people_words.RISK_WORDS, RiskTier),
    "roles": (people_words.ROLE_WORDS, Role),
    "classes": (wording.CLASS_WORDS, EncounterClass),
    "statuses": (wording.STATUS_WORDS, StayStatus),
    "facilities": (wording.FACILITY_KIND_WORDS, FacilityKind),
    "grades": (match_words.GRADE_WORDS, Grade),
    "clocks": (clock_words.MEASURE_WORDS, ClockKind),
    "elements": (clock_words.ELEMENT_WORDS, DischargeElement),
    "groups": (GROUP_WORDS, Group),
}


@pytest.mark.parametrize("name", TOTAL)
def test_every_member_has_words(name):
    words, members = TOTAL[name]
    assert set(words) == set(members)


@pytest.mark.parametrize("item", Reason)
def test_reasons_are_sentences_without_codes(item):
    text = reason_words.reason(item)
    assert text[0].isupper()
    assert "_" not in text
    assert not text.endswith(".")
    assert not any(f"A{number:02}" in text for number in range(1, 63))


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 11, 24, 22, 0, tzinfo=UTC), "Tue Nov 24, 5:00 PM"),
        (datetime(2026, 7, 1, 3, 30, tzinfo=UTC), "Tue Jun 30, 11:30 PM"),
        (datetime(2025, 12, 31, 17, 0, tzinfo=UTC), "Wed Dec 31, 2025, 12:00 PM"),
        (datetime(2026, 11, 1, 5, 30, tzinfo=UTC), "Sun Nov 1, 1:30 AM"),
        (datetime(2026, 11, 1, 6, 30, tzinfo=UTC), "Sun Nov 1, 1:30 AM"),
    ],
)
def test_moments(at, text):
    assert time_words.moment(at, NOW) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (172799, "47 h"),
        (172800, "2 days"),
        (-5, "0 s"),
    ],
)
def test_spans(seconds, text):
    assert time_words.span(seconds) == text
    assert time_words.ago(seconds) == f"{text} ago"


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (21, "21st"), (112, "112th")]
)
def test_ordinals(number, text):
    assert number_words.ordinal(number) == text


@pytest.mark.parametrize(
    ("born", "on", "text"),
    [
        (date(1955, 3, 4), date(2026, 11, 20), "71"),
        (date(1955, 11, 21), date(2026, 11, 20), "70"),
        (date(2024, 11, 20), date(2026, 11, 20), "2"),
        (date(2024, 11, 21), date(2026, 11, 20), "23 months"),
        (date(2026, 10, 1), date(2026, 11, 20), "50 days"),
        (date(2026, 11, 19), date(2026, 11, 20), "1 day"),
        (date(2026, 11, 21), date(2026, 11, 20), "0 days"),
        (date(1952, 2, 29), date(2026, 2, 28), "73"),
    ],
)
def test_ages(born, on, text):
    assert people_words.age(born, on) == text


def clock(kind, hours=None, due=None):
    return Clock(kind=kind, starts_at=NOW, due_at=due or NOW + timedelta(hours=hours))


@pytest.mark.parametrize(
    ("kind", "due", "step", "left", "overdue"),
    [
        # Friday 14:02 to Tuesday 17:00: Monday and Tuesday are left
        ("tcm_contact", (2026, 11, 24, 22, 0), "Call by Tue Nov 24, 5:00 PM", "2 working days left", False),
        ("tcm_contact", (2026, 11, 23, 22, 0), "Call by Mon Nov 23, 5:00 PM", "1 working day left", False),
        ("tcm_contact", (2026, 11, 20, 22, 2), "Call by Fri Nov 20, 5:02 PM", "due today, 3 h left", False),
        ("tcm_contact", (2026, 11, 20, 15, 2), "Call by Fri Nov 20, 10:02 AM", "4 h overdue", True),
        ("tcm_contact", (2026, 11, 20, 19, 2), "Call by Fri Nov 20, 2:02 PM", "0 s overdue", True),
        # the whole of Tuesday: due at its midnight
        ("tcm_contact", (2026, 11, 25, 5, 0), "Call by Tue Nov 24", "2 working days left", False),
        ("tcm_contact", (2026, 11, 25, 4, 59), "Call by Tue Nov 24", "2 working days left", False),
        # Thanksgiving (26) and the day after (a North Carolina state holiday) are no working days
        ("tcm_contact", (2026, 11, 30, 22, 0), "Call by Mon Nov 30, 5:00 PM", "4 working days left", False),
        ("tcm_visit", (2026, 12, 2, 5, 0), "Visit by Tue Dec 1", "11 days left", False),
        # calendar days that end on a holiday or a weekend: the last working day before is meant, and said
        ("tcm_visit", (2026, 11, 28, 5, 0), "Visit by Wed Nov 25, the last working day before Fri Nov 27",
         "5 days left", False),
        ("fuh_7", (2026, 11, 22, 4, 59), "Mental-health visit by Fri Nov 20, the last working day before Sat Nov 21",
         "due today, 9 h left", False),
        ("fua_30", (2026, 11, 18, 19, 2), "Substance-use visit by Wed Nov 18, 2:02 PM", "overdue 2 days", True),
    ],
)  # fmt: skip
def test_clocks(kind, due, step, left, overdue):
    deadline = clock(ClockKind(kind), due=datetime(*due, tzinfo=UTC))
    assert clock_words.step(deadline, NOW) == step
    assert clock_words.left(deadline, NOW) == (left, overdue)


def test_where_no_working_day_is_left_the_deadline_itself_is_said():
    saturday = NOW + timedelta(days=1)
    deadline = clock(ClockKind.FUH_7, due=datetime(2026, 11, 23, 4, 59, 59, tzinfo=UTC))
    assert clock_words.step(deadline, saturday) == "Mental-health visit by Sun Nov 22"
    assert clock_words.left(deadline, saturday) == ("1 day left", False)


def of_policy(**more):
    policy = default_policy()
    return policy.model_copy(update={name: getattr(policy, name).model_copy(update=now) for name, now in more.items()})


def test_working_days_are_those_of_the_policy_in_force_and_of_the_clock_s_calendar():
    call = clock(ClockKind.TCM_CONTACT, due=datetime(2026, 11, 30, 22, tzinfo=UTC))
    federal = call.model_copy(update={"calendar": "federal"})
    closed = of_policy(business={"closed": (date(2026, 11, 23), date(2026, 11, 24))})
    assert clock_words.left(call, NOW).words == "4 working days left"
    assert clock_words.left(call, NOW, policy=closed).words == "2 working days left"
    assert clock_words.left(federal, NOW).words == "5 working days left"
    assert clock_words.left(federal, NOW, policy=closed).words == "3 working days left"
    visit = clock(ClockKind.TCM_VISIT, due=datetime(2026, 11, 25, 4, 59, 59, tzinfo=UTC))
    assert clock_words.step(visit, NOW, policy=closed) == (
        "Visit by Fri Nov 20, the last working day before Tue Nov 24"
    )


def test_numbers_in_words_are_those_of_the_policy_in_force():
    ours = of_policy(
        windows={"readmission_days": 60}, clocks={"tcm_contact_business_days": 3, "trc_follow_up_days": 20}
    )
    assert reason_words.reason(Reason.READMISSION, ours) == "This stay began within 60 days of the last one"
    assert reason_words.reason(Reason.READMISSION, default_policy()).endswith("within 30 days of the last one")
    assert clock_words.clock_name(clock(ClockKind.TCM_CONTACT, 1), NOW, policy=ours).endswith(
        "(Medicare TCM, 3 working days)"
    )
    assert clock_words.clock_name(clock(ClockKind.TRC_ENGAGEMENT, 1), NOW, policy=ours).endswith("TRC, 20 days)")
    assert not any(char.isdigit() for words in reason_words.REASON_WORDS.values() for char in words)


def test_what_else_is_true_of_a_clock_is_said():
    papers = clock(ClockKind.TRC_DISCHARGE_INFORMATION, 20).model_copy(
        update={"notice_at": NOW, "missing": (DischargeElement.MEDICINES, DischargeElement.INSTRUCTIONS)}
    )
    assert clock_words.clock_notes(papers, NOW) == [
        "notice in time (Fri Nov 20, 2:02 PM), information still to get: current medicines and allergies; "
        "instructions for care"
    ]
    late = papers.model_copy(update={"notice_at": None, "assumed": True})
    assert clock_words.clock_notes(late, NOW)[0].startswith("no notice in time; to get: current medicines")
    assert clock_words.clock_notes(late, NOW)[1].startswith("assumed: the panel does not say who pays")
    call = clock(ClockKind.TCM_CONTACT, 20).model_copy(update={"calendar": "NC", "tries": 2})
    assert clock_words.clock_notes(call, NOW) == [
        "working days without the holidays of NC",
        "2 separate tries in time count as tried",
    ]
    ward = clock(ClockKind.FUH_7, 20).model_copy(update={"same_day": False})
    assert clock_words.clock_notes(ward, NOW) == ["the day of the discharge does not count"]


def test_a_missed_step_stays_the_next_one_until_somebody_did_it():
    call = clock(ClockKind.TCM_CONTACT, -3).model_copy(update={"status": ClockStatus.MISSED})
    visit = clock(ClockKind.TCM_VISIT, 150)
    paper = clock(ClockKind.TRC_DISCHARGE_INFORMATION, -9).model_copy(update={"status": ClockStatus.MISSED})
    assert clock_words.next_clock([visit, paper, call]) == call
    assert clock_words.next_clock([visit, paper, call.model_copy(update={"status": ClockStatus.MET})]) == visit
    assert clock_words.next_clock([paper]) is None


@pytest.mark.parametrize(
    ("rule", "reasons", "priority", "tier", "text"),
    [
        ("against_advice", [Reason.DISCHARGED, Reason.LEFT_AGAINST_ADVICE], Priority.URGENT, RiskTier.LOW,
         "Urgent because: left against medical advice"),
        ("readmission", [Reason.ADMITTED, Reason.READMISSION], Priority.URGENT, RiskTier.LOW,
         "Urgent because: this stay began within 30 days of the last one"),
        ("high_risk_discharge", [Reason.DISCHARGED], Priority.URGENT, RiskTier.HIGH, "Urgent because: high risk"),
        ("everything_else", [Reason.ADMITTED], Priority.ROUTINE, RiskTier.LOW, ""),
        ("no_such_rule", [Reason.ADMITTED], Priority.URGENT, RiskTier.LOW, ""),
    ],
)  # fmt: skip
def test_why_it_is_urgent(rule, reasons, priority, tier, text):
    assert wording.because(priority, reasons, tier, rule, default_policy()) == text


def test_the_complaint_stands_beside_the_diagnosis():
    heart = [Diagnosis(code="I50.9", text="Heart failure, unspecified")]
    assert diagnosis_words.why_there(heart, "SUICIDAL THOUGHTS") == "heart failure · came with “suicidal thoughts”"
    assert diagnosis_words.why_there(heart, "Heart failure") == "heart failure"
    assert diagnosis_words.why_there([], "cough") == "“cough”"
    assert diagnosis_words.why_there([], "") == ""


def test_the_next_step_is_the_earliest_clock_that_a_person_acts_on():
    paper = clock(ClockKind.TRC_DISCHARGE_INFORMATION, 5)
    call = clock(ClockKind.TCM_CONTACT, 40)
    visit = clock(ClockKind.TCM_VISIT, 150)
    met = clock(ClockKind.FUH_7, 1).model_copy(update={"status": ClockStatus.MET})
    assert clock_words.next_clock([visit, paper, met, call]) == call
    assert clock_words.next_clock([paper, met]) == paper
    assert clock_words.next_clock([met]) is None


DISCHARGED = frozenset({Reason.DISCHARGED})


@pytest.mark.parametrize(
    ("kind", "encounter_class", "status", "code", "reasons", "text"),
    [
        ("ed_visit", "EMER", "in-progress", "", {Reason.ED_ARRIVAL}, "In the ED"),
        ("ed_visit", "EMER", "in-progress", "", {Reason.ED_ARRIVAL, Reason.OVERDOSE}, "Overdose, in the ED"),
        ("observation", "OBSENC", "in-progress", "", {Reason.OBSERVATION}, "In the hospital for observation"),
        ("admission", "IMP", "in-progress", "", {Reason.ADMITTED}, "Admitted"),
        ("admission", "IMP", "in-progress", "", {Reason.PLANNED_ADMISSION}, "Admitted as planned"),
        ("admission", "IMP", "in-progress", "", {Reason.READMISSION}, "Back in the hospital"),
        ("admission", "IMP", "in-progress", "", {Reason.NEWBORN}, "Born in the hospital"),
        ("admission", "IMP", "onleave", "", {Reason.ADMITTED}, "On leave from the hospital, not discharged"),
        ("transfer", "IMP", "in-progress", "", {Reason.TRANSFERRED_IN}, "Moved to another facility"),
        ("discharge", "IMP", "finished", "01", DISCHARGED, "Went home"),
        ("discharge", "IMP", "finished", "1", DISCHARGED, "Went home"),
        ("discharge", "IMP", "finished", "03", DISCHARGED, "Went to a skilled nursing facility"),
        ("discharge", "IMP", "finished", "07", {Reason.LEFT_AGAINST_ADVICE}, "Went home, against advice"),
        ("discharge", "IMP", "finished", "", {Reason.LEFT_AGAINST_ADVICE}, "Discharged against advice"),
        ("discharge", "IMP", "finished", "", DISCHARGED, "Discharged"),
        ("discharge", "IMP", "finished", "XX", DISCHARGED, "Discharged (hospital's code XX)"),
        ("discharge", "IMP", "finished", "86", DISCHARGED, "Went home with home health care, return planned"),
        ("discharge", "EMER", "finished", "01", DISCHARGED, "Left the ED for home"),
        ("discharge", "EMER", "finished", "07", DISCHARGED, "Left the ED for home, against advice"),
        ("discharge", "EMER", "finished", "02", DISCHARGED, "Left the ED to another hospital"),
        ("discharge", "OBSENC", "finished", "01", DISCHARGED, "Went home after observation"),
        ("admission", "IMP", "in-progress", "", {Reason.DISCHARGE_CANCELLED},
         "Still in the hospital: the discharge was cancelled"),
        ("death", "IMP", "finished", "20", {Reason.DIED}, "Died"),
        ("discharge", "IMP", "finished", "20", {Reason.DISCHARGED, Reason.DIED}, "Died"),
    ],
)  # fmt: skip
def test_headlines(kind, encounter_class, status, code, reasons, text):
    headline = wording.headline(AlertKind(kind), EncounterClass(encounter_class), StayStatus(status), code, reasons)
    assert headline == text


@given(
    st.sampled_from(AlertKind),
    st.sampled_from(EncounterClass),
    st.sampled_from(StayStatus),
    st.sampled_from(["", "01", "07", "20", "99", "zz", "9Z"]),
    st.frozensets(st.sampled_from(Reason), max_size=4),
)
def test_there_is_always_a_headline_and_a_mark(kind, encounter_class, status, code, reasons):
    text = wording.headline(kind, encounter_class, status, code, reasons)
    assert text
    assert text == text.strip()
    assert "_" not in text
    for action in (Action.NOTIFY, Action.AMEND, Action.RETRACT):
        assert wording.mark(action, reasons, encounter_class, 2)
    ends = ("did not happen", "else", "goes on", "outpatient", "mistake", "person") if reasons else "back at 2:02 PM"
    assert retraction_words.retraction(reasons, kind, NOW, NOW).endswith(ends)


@pytest.mark.parametrize("code", [f"{number:02}" for number in (*range(1, 11), 20, 21, 30, *range(40, 44), 50, 51,
                                  *range(61, 67), 69, 70, *range(81, 96))])  # fmt: skip
def test_dispositions_of_table_0112_have_words(code):
    assert "code" not in wording.disposition(code) or code == "10"


@pytest.mark.parametrize(
    ("reasons", "kind", "text"),
    [
        ({Reason.ADMISSION_CANCELLED}, "admission",
         "The hospital cancelled this at 2:02 PM: the admission did not happen"),
        ({Reason.ADMISSION_CANCELLED}, "ed_visit",
         "The hospital cancelled this at 2:02 PM: the ED visit did not happen"),
        ({Reason.VISIT_DELETED}, "admission",
         "The hospital deleted this at 2:02 PM: the admission was entered by mistake"),
        ({Reason.MOVED_TO_ANOTHER_PERSON}, "discharge",
         "The hospital corrected this at 2:02 PM: the stay belongs to somebody else"),
        ({Reason.BACK_TO_OUTPATIENT}, "admission",
         "The hospital changed this at 2:02 PM: no longer an inpatient, now outpatient"),
        (set(), "admission", "The hospital took this back at 2:02 PM"),
        ({Reason.MERGED}, "admission",
         "The hospital joined this at 2:02 PM with another stay of the same person, which goes on"),
        ({Reason.MATCH_REJECTED}, "admission", "Taken back at 2:02 PM: somebody found that this is another person"),
    ],
)  # fmt: skip
def test_retractions(reasons, kind, text):
    assert retraction_words.retraction(reasons, AlertKind(kind), NOW, NOW) == text


@pytest.mark.parametrize(
    ("status", "kind", "expected", "text"),
    [
        ("in-progress", "admission", None, "In the hospital. Follow-up starts the day they go home."),
        ("onleave", "observation", None, "In the hospital. Follow-up starts the day they go home."),
        ("in-progress", "ed_visit", None, "Still in the ED. Follow-up starts when they leave."),
        ("in-progress", "admission", 2, "Expected to leave Sun Nov 22; follow-up starts then"),
        ("finished", "discharge", None, "No call is required. Call if you think it helps."),
        ("in-progress", "death", None, "Do not call the patient"),
    ],
)
def test_what_waits_without_a_clock(status, kind, expected, text):
    leaves = NOW + timedelta(days=expected) if expected else None
    assert clock_words.waiting(StayStatus(status), AlertKind(kind), leaves, NOW) == text


@pytest.mark.parametrize(
    ("status", "met_at", "text"),
    [
        (ClockStatus.MET, NOW - timedelta(hours=1), "admission noted for you today, 1:02 PM; nothing to do"),
        (ClockStatus.MET, None, "admission noted for you; nothing to do"),
        (ClockStatus.STOPPED, NOW, "no longer needed"),
        (ClockStatus.MISSED, None, "passed, and it was not done"),
        (ClockStatus.RUNNING, None, "2 days left"),
    ],
)
def test_what_became_of_a_clock(status, met_at, text):
    measured = Clock(
        kind=ClockKind.TRC_ADMISSION_NOTICE,
        starts_at=NOW,
        due_at=NOW + timedelta(days=2),
        status=status,
        met_at=met_at,
    )
    assert clock_words.clock_state(measured, NOW) == text.format(today=time_words.day(NOW, NOW))


@pytest.mark.parametrize(
    ("reasons", "encounter_class", "version", "text"),
    [
        ([Reason.ADMITTED], "IMP", 1, "new"),
        ([Reason.ADMITTED, Reason.CLASS_CHANGED], "IMP", 2, "now inpatient"),
        ([Reason.CLASS_CHANGED], "OBSENC", 2, "now under observation"),
        ([Reason.DIAGNOSIS_ADDED], "IMP", 3, "diagnosis added"),
        ([Reason.DIAGNOSIS_ADDED, Reason.OVERDOSE], "IMP", 3, "diagnosis added"),
        ([Reason.OVERDOSE, Reason.CODE_CAME_LATE], "EMER", 3, "overdose named"),
        ([Reason.DISCHARGED, Reason.LEFT_AGAINST_ADVICE], "IMP", 2, "now discharged"),
        ([Reason.DISCHARGE_CANCELLED, Reason.TRANSFERRED_IN], "IMP", 4, "back in the hospital"),
        ([Reason.DISCHARGED, Reason.DIED], "IMP", 4, "died"),
        ([Reason.NOTHING_NEW], "IMP", 4, "changed"),
    ],
)
def test_marks(reasons, encounter_class, version, text):
    assert wording.mark(Action.AMEND, reasons, EncounterClass(encounter_class), version) == text


@pytest.mark.parametrize(
    ("hours", "ended", "text"),
    [
        (72, True, "3 days"),
        (21, True, "1 day"),
        (5, True, "5 h"),
        (0, True, ""),
        (1, False, "since 1:02 PM"),
        (30, False, "since Thu Nov 19, 8:02 AM"),
    ],
)
def test_lengths(hours, ended, text):
    started = NOW - timedelta(hours=hours)
    assert time_words.length(started, NOW if ended else None, NOW) == text
    assert time_words.length(None, NOW, NOW) == ""


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (Diagnosis(code="I50.9", text="Heart failure, unspecified"), "heart failure"),
        (Diagnosis(code="J44.1", text="COPD WITH ACUTE EXACERBATION"), "COPD with acute exacerbation"),
        (Diagnosis(code="I50.9"), "heart or circulation (I50.9)"),
        (Diagnosis(code="O9A.111"), "pregnancy or childbirth (O9A.111)"),
        (Diagnosis(code="428.0"), "the hospital's code 428.0"),
        (Diagnosis(text="HIV disease"), "HIV disease"),
        (Diagnosis(), ""),
    ],
)
def test_diagnoses(item, text):
    assert diagnosis_words.diagnosis(item) == text


def test_a_final_diagnosis_goes_before_an_admitting_one_and_both_before_the_complaint():
    admitting = Diagnosis(text="Chest pain", type="A", rank=1)
    final = Diagnosis(text="Pneumonia", type="F", rank=2)
    assert diagnosis_words.main_diagnosis([admitting, final], "cough") == "pneumonia"
    assert diagnosis_words.main_diagnosis([Diagnosis(type="F"), admitting], "cough") == "chest pain"
    assert diagnosis_words.main_diagnosis([], "COUGH AND FEVER") == "“cough and fever”"
    assert diagnosis_words.main_diagnosis([], " ") == ""


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (Change(field="encounter_class", before="EMER", after="IMP"), "Moved from the ED to an inpatient bed"),
        (Change(field="status", before="in-progress", after="finished"),
         "status: in the hospital → left the hospital"),
        (Change(field="disposition", after="03"), "went: to a skilled nursing facility"),
        (Change(field="diagnoses", after="I50.9"), "diagnoses: I50.9"),
        (Change(field="attending", before="Lee, Ann"), "doctor: no longer Lee, Ann"),
        (Change(field="expected_discharge", before="2026-11-24T17:00:00+00:00", after="2026-11-25T17:00:00+00:00"),
         "expected discharge: Tue Nov 24, 12:00 PM → Wed Nov 25, 12:00 PM"),
    ],
)  # fmt: skip
def test_changes(item, text):
    assert wording.change(item) == text


def test_the_person_line_and_standing():
    assert people_words.person_line("Rosa Whitfield", date(1955, 3, 4), "F", NOW) == "Rosa Whitfield, 71 F"
    assert people_words.person_line("Rosa Whitfield", None, "", NOW) == "Rosa Whitfield"
    assert people_words.standing(RiskTier.HIGH, 4, 60) == "high risk · 4th ED visit in 60 days"
    assert people_words.standing(RiskTier.UNKNOWN, 1, 60) == ""


def test_codes_stand_beside_words():
    assert diagnosis_words.code(Diagnosis(code="I50.9", system="I10")) == "ICD-10 I50.9"
    assert diagnosis_words.code(Diagnosis(code="428.0", system="I9C")) == "ICD-9 428.0"
    assert diagnosis_words.code(Diagnosis(code="X", system="LOCAL")) == "LOCAL X"
    assert diagnosis_words.code(Diagnosis(text="Asthma")) == ""


def test_small_words():
    assert number_words.count(1, "person", "people") == "1 person"
    assert number_words.count(1204, "person", "people") == "1,204 people"
    assert people_words.phone("18285550147") == people_words.phone("8285550147") == "828-555-0147"
    assert people_words.phone("911") == "911"
    assert wording.facility("MISSION") == "Mission"
    assert wording.facility("UNC") == "UNC"
    assert wording.facility("Mission Hospital") == "Mission Hospital"
    assert match_words.evidence({"birth_date": "equal", "first_name": "nickname"}) == [
        "birth date: the same",
        "first name: a nickname of it",
    ]
    assert match_words.evidence({"twin": "a_word of tomorrow"}) == ["twin: a word of tomorrow"]


@pytest.mark.parametrize("agreement", Agreement)
def test_no_page_calls_agreement_what_is_none(agreement):
    assert agreement.agrees or agreement.shown is not Shown.AGREES
    assert shown_of([Agreement.EQUAL, agreement]) is agreement.shown


def test_evidence_kept_by_an_earlier_version_is_one_of_these_words():
    kept = {"first_name": "former name equal", "ssn": "last four nearly equal", "message": "names_two_patients"}
    match = Match.model_validate_json(Match(grade=Grade.POSSIBLE, evidence=kept).model_dump_json())
    assert [agreement_of(word) for word in match.evidence.values()] == [
        Agreement.FORMER_NAME,
        Agreement.LAST_FOUR_NEARLY,
        None,
    ]
    assert match_words.evidence(match.evidence) == [
        "first name: the same as before",
        "Social Security number: last four nearly the same",
        "message: names two patients, and the visit may be the other one's",
    ]
