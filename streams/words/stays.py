"""Words for a case manager out of what the rules concluded: plain American English, pure functions, no HTML.

Every function takes values and gives a short text. Times come in aware and are said in the reader's zone.
Dates read "Tue 24 Nov, 17:00"; what is left of a clock is said in the unit the clock is counted in.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from parsers.events import Diagnosis, EncounterClass, FacilityKind
from parsers.people import Consent, RiskTier, Role
from rules.deciding.clocks import is_business_day
from rules.decisions import (
    Action,
    AlertKind,
    Change,
    Clock,
    ClockKind,
    ClockStatus,
    DischargeElement,
    Grade,
    Priority,
    Reason,
    StayStatus,
)
from rules.policy.policy import Policy, default_policy

ZONE: Final[tzinfo] = ZoneInfo("America/New_York")

PRIORITY_WORDS: Final[Mapping[Priority, str]] = {
    Priority.URGENT: "urgent",
    Priority.HIGH: "high",
    Priority.ROUTINE: "routine",
    Priority.DIGEST: "digest",
}

RISK_WORDS: Final[Mapping[RiskTier, str]] = {
    RiskTier.HIGH: "high risk",
    RiskTier.RISING: "rising risk",
    RiskTier.LOW: "low risk",
    RiskTier.UNKNOWN: "",
}

ROLE_WORDS: Final[Mapping[Role, str]] = {
    Role.NURSE: "nurse",
    Role.PHARMACIST: "pharmacist",
    Role.SOCIAL_WORKER: "social worker",
    Role.MEDICAL_DIRECTOR: "medical director",
    Role.MANAGER: "network manager",
    Role.CARE_COORDINATOR: "LME/MCO care coordinator",
    Role.CENTRAL_OFFICE: "central office",
}

CLASS_WORDS: Final[Mapping[EncounterClass, str]] = {
    EncounterClass.EMERGENCY: "in the ED",
    EncounterClass.OBSERVATION: "under observation",
    EncounterClass.INPATIENT: "inpatient",
    EncounterClass.AMBULATORY: "outpatient",
    EncounterClass.PRE_ADMISSION: "planned admission",
    EncounterClass.UNKNOWN: "kind of visit not stated",
}

STATUS_WORDS: Final[Mapping[StayStatus, str]] = {
    StayStatus.UNKNOWN: "not known yet",
    StayStatus.PLANNED: "planned",
    StayStatus.IN_PROGRESS: "in the hospital",
    StayStatus.ON_LEAVE: "on leave from the hospital",
    StayStatus.FINISHED: "left the hospital",
    StayStatus.CANCELLED: "cancelled",
    StayStatus.ENTERED_IN_ERROR: "entered by mistake",
}

FACILITY_KIND_WORDS: Final[Mapping[FacilityKind, str]] = {
    FacilityKind.ACUTE: "hospital",
    FacilityKind.PSYCHIATRIC: "mental-health facility",
    FacilityKind.SUBSTANCE_USE: "substance-use treatment program",
    FacilityKind.SKILLED_NURSING: "skilled nursing facility",
    FacilityKind.REHABILITATION: "rehabilitation hospital",
    FacilityKind.LONG_TERM_ACUTE: "long-term acute care hospital",
}

CONSENT_WORDS: Final[Mapping[Consent, str]] = {
    Consent.NONE: "no consent on file",
    Consent.PART2: "consent for substance-use program records",
    Consent.MENTAL_HEALTH: "consent for mental-health facility records",
    Consent.ALL: "consent for all records",
}

GRADE_WORDS: Final[Mapping[Grade, str]] = {
    Grade.CERTAIN: "This is certainly the person on your panel",
    Grade.PROBABLE: "This is very likely the person on your panel",
    Grade.POSSIBLE: "This may be the person on your panel; a person decides",
    Grade.CERTAINLY_NOT: "This is not a person on your panel",
}

# One sentence for each reason, as the timeline and "why am I seeing this?" say it.
REASON_WORDS: Final[Mapping[Reason, str]] = {
    Reason.ED_ARRIVAL: "Came to the emergency department",
    Reason.ADMITTED: "Was admitted to the hospital",
    Reason.OBSERVATION: "Is being kept for observation",
    Reason.TRANSFERRED_IN: "Was moved here from another facility",
    Reason.DISCHARGED: "Was discharged",
    Reason.DISCHARGED_WITHOUT_ADMISSION: "Was discharged; the hospital never sent the admission",
    Reason.CLASS_CHANGED: "The kind of stay changed",
    Reason.DIAGNOSIS_ADDED: "The hospital added a diagnosis",
    Reason.DISPOSITION_ADDED: "The hospital said where the person went",
    Reason.DISPOSITION_CORRECTED: "The hospital corrected where the person went",
    Reason.TIME_CORRECTED: "The hospital corrected the day of the admission or the discharge",
    Reason.ATTENDING_CHANGED: "Another doctor is in charge",
    Reason.EXPECTED_DISCHARGE_CHANGED: "The expected discharge date changed",
    Reason.IDENTITY_CORRECTED: "The hospital corrected who this is",
    Reason.LEFT_AGAINST_ADVICE: "Left against medical advice",
    Reason.DIED: "The hospital reports that the person died",
    Reason.DEATH_TAKEN_BACK: "The hospital took back that the person died",
    Reason.NEWBORN: "Is a newborn",
    Reason.READMISSION: "Is back in the hospital soon after a discharge",
    Reason.ED_HIGH_UTILIZER: "Comes to the ED often",
    Reason.RECENT_SNF_STAY: "Was in a skilled nursing facility lately",
    Reason.BEHAVIORAL_HEALTH: "A mental-health reason was given",
    Reason.OVERDOSE: "An overdose was named",
    Reason.URGENCY_TAKEN_BACK: "The hospital no longer gives the overdose or mental-health reason",
    Reason.PLANNED_ADMISSION: "The admission was planned",
    Reason.CODE_CAME_LATE: "Told late because the hospital's code came late",
    Reason.UNKNOWN_CLASS: "The hospital used a code for the kind of visit that we do not know yet",
    Reason.REGISTERED: "Was registered at the hospital; what kind of visit it is, we do not know",
    Reason.LATE_ENROLLMENT: "Joined your panel after this happened",
    Reason.RELEASED_BY_REVIEW: "A person confirmed that this is the same patient",
    Reason.ADMISSION_CANCELLED: "The hospital cancelled the admission",
    Reason.DISCHARGE_CANCELLED: "The hospital cancelled the discharge",
    Reason.TRANSFER_CANCELLED: "The hospital cancelled the transfer",
    Reason.VISIT_DELETED: "The hospital deleted the visit",
    Reason.PERSON_DELETED: "The hospital deleted the patient record",
    Reason.MOVED_TO_ANOTHER_PERSON: "The hospital moved this stay to another patient",
    Reason.MERGED: "The hospital joined two records into one",
    Reason.BACK_TO_OUTPATIENT: "The hospital made it an outpatient visit",
    Reason.NOT_ON_PANEL: "Nobody on the panel",
    Reason.NOT_ENROLLED_ON_DAY: "Not enrolled on that day",
    Reason.POSSIBLE_MATCH: "Waits for a person to say who this is",
    Reason.MATCH_REJECTED: "A person said this is somebody else",
    Reason.NOTHING_NEW: "The message said nothing new",
    Reason.OUTPATIENT: "An outpatient visit",
    Reason.PLANNED_ONLY: "Only a plan so far",
    Reason.MOVE_WITHIN_FACILITY: "Moved within the same facility",
    Reason.LEAVE_OF_ABSENCE: "On leave from the hospital, not discharged",
    Reason.STAY_UNKNOWN: "A change to a stay we never heard of",
    Reason.STAY_BEFORE_ENROLLMENT: "The stay began before the person joined the panel",
    Reason.OUT_OF_ORDER: "An older message than what we already know",
    Reason.IDENTITY_ONLY: "Only name or address details changed",
    Reason.MUTED_BY_POLICY: "Your policy keeps this kind of alert quiet",
}

# What to call a version the reader has not looked at yet: two or three words beside the headline.
_MARKS: Final[Mapping[Reason, str]] = {
    Reason.DIED: "died",
    Reason.DEATH_TAKEN_BACK: "did not die",
    Reason.ADMISSION_CANCELLED: "cancelled",
    Reason.VISIT_DELETED: "cancelled",
    Reason.PERSON_DELETED: "cancelled",
    Reason.MOVED_TO_ANOTHER_PERSON: "not this person",
    Reason.BACK_TO_OUTPATIENT: "now outpatient",
    Reason.DISCHARGE_CANCELLED: "back in the hospital",
    Reason.TRANSFER_CANCELLED: "transfer cancelled",
    Reason.DISCHARGED: "now discharged",
    Reason.DISCHARGED_WITHOUT_ADMISSION: "now discharged",
    Reason.LEFT_AGAINST_ADVICE: "left against advice",
    Reason.ADMITTED: "now admitted",
    Reason.OBSERVATION: "now under observation",
    Reason.TRANSFERRED_IN: "moved to another facility",
    Reason.OVERDOSE: "overdose named",
    Reason.DIAGNOSIS_ADDED: "diagnosis added",
    Reason.DISPOSITION_ADDED: "destination added",
    Reason.DISPOSITION_CORRECTED: "destination corrected",
    Reason.TIME_CORRECTED: "day corrected",
    Reason.URGENCY_TAKEN_BACK: "reason taken back",
    Reason.EXPECTED_DISCHARGE_CHANGED: "new expected date",
    Reason.ATTENDING_CHANGED: "new doctor",
    Reason.IDENTITY_CORRECTED: "name corrected",
    Reason.MERGED: "records joined",
}

_LEFT: Final = frozenset({Reason.DISCHARGED, Reason.DISCHARGED_WITHOUT_ADMISSION, Reason.LEFT_AGAINST_ADVICE})

_CLASS_MARKS: Final[Mapping[EncounterClass, str]] = {
    EncounterClass.INPATIENT: "now inpatient",
    EncounterClass.OBSERVATION: "now under observation",
    EncounterClass.EMERGENCY: "now in the ED",
    EncounterClass.AMBULATORY: "now outpatient",
}

# HL7 table 0112 (user-defined; the suggested values are the UB-04 patient discharge status codes).
DISPOSITION_WORDS: Final[Mapping[str, str]] = {
    "01": "home",
    "02": "to another hospital",
    "03": "to a skilled nursing facility",
    "04": "to an intermediate care facility",
    "05": "to another kind of facility",
    "06": "home with home health care",
    "07": "home, against advice",
    "08": "home with IV therapy",
    "09": "and admitted to this hospital",
    "10": "as the state's own code 10 says",
    "20": "died",
    "21": "to court or law enforcement",
    "30": "still a patient",
    "40": "died at home",
    "41": "died in a medical facility",
    "42": "died, place unknown",
    "43": "to a federal hospital",
    "50": "to hospice at home",
    "51": "to a hospice facility",
    "61": "to a swing bed in this hospital",
    "62": "to a rehabilitation hospital",
    "63": "to a long-term acute care hospital",
    "64": "to a Medicaid nursing facility",
    "65": "to a psychiatric hospital",
    "66": "to a critical access hospital",
    "69": "to a disaster care site",
    "70": "to another kind of health care facility",
}

# UB-04 codes 81-95 repeat another code and add a planned readmission.
_WITH_PLANNED_RETURN: Final[Mapping[str, str]] = {
    "81": "01",
    "82": "02",
    "83": "03",
    "84": "04",
    "85": "05",
    "86": "06",
    "87": "21",
    "88": "43",
    "89": "61",
    "90": "62",
    "91": "63",
    "92": "64",
    "93": "65",
    "94": "66",
    "95": "70",
}

_STEP_WORDS: Final[Mapping[ClockKind, str]] = {
    ClockKind.TCM_CONTACT: "Call by",
    ClockKind.TCM_VISIT: "Visit by",
    ClockKind.TRC_ADMISSION_NOTICE: "Notice of the admission by",
    ClockKind.TRC_DISCHARGE_INFORMATION: "Chart the discharge papers by",
    ClockKind.TRC_ENGAGEMENT: "See or call the patient by",
    ClockKind.TRC_MEDICATION_RECONCILIATION: "Review the medicines by",
    ClockKind.FUH_7: "Mental-health visit by",
    ClockKind.FUH_30: "Mental-health visit by",
    ClockKind.FUM_7: "Mental-health visit by",
    ClockKind.FUM_30: "Mental-health visit by",
    ClockKind.FUA_7: "Substance-use visit by",
    ClockKind.FUA_30: "Substance-use visit by",
}

CLOCK_WORDS: Final[Mapping[ClockKind, str]] = {
    ClockKind.TCM_CONTACT: "First contact after discharge (TCM)",
    ClockKind.TCM_VISIT: "Visit after discharge (TCM)",
    ClockKind.TRC_ADMISSION_NOTICE: "Notice of admission in the record (TRC)",
    ClockKind.TRC_DISCHARGE_INFORMATION: "Discharge information in the record (TRC)",
    ClockKind.TRC_ENGAGEMENT: "Contact after discharge (TRC)",
    ClockKind.TRC_MEDICATION_RECONCILIATION: "Medicines reviewed after discharge (TRC)",
    ClockKind.FUH_7: "Mental-health follow-up within 7 days (FUH)",
    ClockKind.FUH_30: "Mental-health follow-up within 30 days (FUH)",
    ClockKind.FUM_7: "Follow-up after the ED within 7 days (FUM)",
    ClockKind.FUM_30: "Follow-up after the ED within 30 days (FUM)",
    ClockKind.FUA_7: "Substance-use follow-up within 7 days (FUA)",
    ClockKind.FUA_30: "Substance-use follow-up within 30 days (FUA)",
}

CLOCK_STATUS_WORDS: Final[Mapping[ClockStatus, str]] = {
    ClockStatus.RUNNING: "running",
    ClockStatus.MET: "met",
    ClockStatus.MISSED: "missed",
    ClockStatus.STOPPED: "stopped",
}

ELEMENT_WORDS: Final[Mapping[DischargeElement, str]] = {
    DischargeElement.PRACTITIONER: "the doctor in charge",
    DischargeElement.PROCEDURES: "procedures or treatment",
    DischargeElement.DIAGNOSES: "diagnoses at discharge",
    DischargeElement.MEDICINES: "current medicines and allergies",
    DischargeElement.TEST_RESULTS: "test results, or that none are pending",
    DischargeElement.INSTRUCTIONS: "instructions for care",
}

# Met by keeping dated evidence, not by reaching anybody: never the next step while another clock runs.
PAPERWORK: Final = frozenset({ClockKind.TRC_ADMISSION_NOTICE, ClockKind.TRC_DISCHARGE_INFORMATION})

_WORKING_DAY_CLOCKS: Final = frozenset({ClockKind.TCM_CONTACT})

# ICD-10-CM chapters by the first three characters of the code: (first, last, words).
_ICD10: Final[tuple[tuple[str, str, str], ...]] = (
    ("A00", "B99", "an infection"),
    ("C00", "D49", "cancer or a growth"),
    ("D50", "D89", "a blood disorder"),
    ("E00", "E89", "an endocrine or metabolic disorder"),
    ("F01", "F99", "a mental-health condition"),
    ("G00", "G99", "a disease of the nervous system"),
    ("H00", "H59", "an eye disease"),
    ("H60", "H95", "an ear disease"),
    ("I00", "I99", "heart or circulation"),
    ("J00", "J99", "lungs or breathing"),
    ("K00", "K95", "the digestive system"),
    ("L00", "L99", "the skin"),
    ("M00", "M99", "muscles, bones or joints"),
    ("N00", "N99", "kidneys or urinary tract"),
    ("O00", "O9A", "pregnancy or childbirth"),
    ("P00", "P96", "a newborn's condition"),
    ("Q00", "Q99", "a condition from birth"),
    ("R00", "R99", "symptoms without a diagnosis yet"),
    ("S00", "T88", "an injury or poisoning"),
    ("U00", "U85", "a special-purpose code"),
    ("V00", "Y99", "an accident or outside cause"),
    ("Z00", "Z99", "a reason other than illness"),
)

_FIELD_WORDS: Final[Mapping[str, str]] = {
    "birth_date": "birth date",
    "first": "first name",
    "first_name": "first name",
    "given": "first name",
    "last": "last name",
    "last_name": "last name",
    "family": "last name",
    "middle": "middle name",
    "name": "name",
    "sex": "sex",
    "ssn": "Social Security number",
    "ssn4": "last four of the Social Security number",
    "medicaid_id": "Medicaid ID",
    "enrollee_id": "member ID",
    "mrn": "hospital record number",
    "mrns": "hospital record number",
    "identifier": "hospital record number",
    "crosswalk": "hospital record number seen before",
    "phone": "phone",
    "street": "street",
    "address": "address",
    "zip": "ZIP code",
    "city": "city",
    "suffix": "Jr./Sr.",
    "mother": "mother",
    "encounter_class": "kind of stay",
    "diagnoses": "diagnoses",
    "disposition": "went",
    "status": "status",
    "attending": "doctor",
    "expected_discharge": "expected discharge",
    "facility": "facility",
    "unit": "unit",
    "complaint": "complaint",
    "started_at": "start",
    "ended_at": "end",
    "enrollee": "person",
    "identity": "name",
    "kind": "what happened",
    "priority": "urgency",
    "died": "death",
}

_HOW_IT_WAS_SEARCHED: Final = frozenset({"large_block"})

_AGREEMENT_WORDS: Final[Mapping[str, str]] = {
    "names_two_patients": "names two patients, and the visit may be the other one's",
    "equal": "the same",
    "exact": "the same",
    "agree": "the same",
    "nickname": "a nickname of it",
    "similar": "close",
    "close": "close",
    "typo": "one letter apart",
    "swapped": "swapped around",
    "initial": "same initial",
    "last_four": "last four the same",
    "last_four_equal": "last four the same",
    "former": "the same as before",
    "missing": "not given",
    "absent": "not given",
    "blank": "not given",
    "different": "different",
    "differs": "different",
    "disagree": "different",
    "none": "different",
}


class Evidence(StrEnum):
    """What a compared field says about whether two people are one."""

    AGREES = "agrees"
    DISAGREES = "does not agree"
    UNCLEAR = "unclear"


_AGREES: Final = frozenset(
    {"equal", "exact", "agree", "nickname", "rare", "rare and equal", "former", "former name equal"}
    | {"former address equal"}
)
_DISAGREES: Final = frozenset(
    {"differs", "different", "disagree", "none", "another name", "a generation apart", "years apart"}
)

WITHHELD_WORDS: Final[Mapping[str, str]] = {
    "facility": "the facility",
    "facility_kind": "the kind of facility",
    "diagnoses": "diagnoses",
    "complaint": "the complaint",
    "attending": "the doctor",
    "unit": "the unit",
    "disposition": "where the person went",
    "reasons": "the reasons",
    "clocks": "deadlines",
    "kind": "what happened",
}


# Stay in capitals when hospital text that SHOUTS is taken down.
_KEPT: Final = frozenset(
    "AAA ACL ADHD AFIB AIDS AKI ARDS BPH CAD CHF CKD COPD COVID COVID-19 CVA DKA DM DVT ED ESRD ETOH GERD GI HIV HTN "
    "ICU IV MI MRSA MVA MVC NSTEMI OCD PE PNA PTSD RSV SI SOB STEMI SVT TB TIA UTI".split()
)
_UNSPECIFIED: Final = re.compile(r",? (unspecified|not otherwise specified|NOS)\Z", re.IGNORECASE)


class Left(NamedTuple):
    """What is left of a clock, and whether it is over."""

    words: str
    overdue: bool


def moment(at: datetime, now: datetime, zone: tzinfo = ZONE) -> str:
    """ "Tue 24 Nov, 17:00"; with the year when it is not this one."""
    local = at.astimezone(zone)
    year = "" if local.year == now.astimezone(zone).year else f" {local.year}"
    return f"{_day(local.date())}{year}, {local:%H:%M}"


def day(at: datetime, now: datetime, zone: tzinfo = ZONE) -> str:
    """ "Tue 24 Nov"; with the year when it is not this one."""
    local = at.astimezone(zone)
    return _day(local.date()) + ("" if local.year == now.astimezone(zone).year else f" {local.year}")


def time_or_moment(at: datetime, now: datetime, zone: tzinfo = ZONE) -> str:
    """ "14:02" today, "Tue 24 Nov, 17:00" otherwise."""
    same_day = at.astimezone(zone).date() == now.astimezone(zone).date()
    return f"{at.astimezone(zone):%H:%M}" if same_day else moment(at, now, zone)


def full_date(on: date) -> str:
    """ "4 Mar 1954"."""
    return f"{on.day} {_MONTHS[on.month - 1]} {on.year}"


def ago(seconds: float) -> str:
    """ "40 s ago", "5 min ago", "3 h ago", "2 days ago"."""
    return f"{span(seconds)} ago"


def span(seconds: float) -> str:
    """A length of time in one unit, rounded down: "40 s", "5 min", "3 h", "2 days"."""
    seconds = max(0.0, seconds)
    if seconds < 60:
        return f"{int(seconds)} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min"
    if seconds < 48 * 3600:
        return f"{int(seconds // 3600)} h"
    return f"{int(seconds // 86400)} days"


def count(number: int, one: str, many: str = "") -> str:
    """ "1 person", "3 people", "1,204 people"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def ordinal(number: int) -> str:
    """ "1st", "2nd", "3rd", "4th", "11th", "21st"."""
    if number % 100 in {11, 12, 13}:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def age(born: date, on: date) -> str:
    """ "71", "14 months" under 2 years, "9 days" under 2 months."""
    years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    if years >= 2:
        return str(years)
    months = (on.year - born.year) * 12 + on.month - born.month - (on.day < born.day)
    if months >= 2:
        return f"{months} months"
    return count(max(0, (on - born).days), "day")


def person_line(name: str, born: date | None, sex: str, now: datetime, zone: tzinfo = ZONE) -> str:
    """ "Rosa Whitfield, 71 F"."""
    about = " ".join(part for part in (age(born, now.astimezone(zone).date()) if born else "", sex) if part)
    return f"{name}, {about}" if about else name


def standing(risk: RiskTier, ed_visits: int, ed_window_days: int) -> str:
    """What is special about this person: "high risk · 4th ED in 60 d"."""
    visits = f"{ordinal(ed_visits)} ED in {ed_window_days} d" if ed_visits > 1 and ed_window_days else ""
    return " · ".join(part for part in (RISK_WORDS[risk], visits) if part)


def disposition(code: str) -> str:
    """Where the person went, in words, for a code of HL7 table 0112; "" when absent."""
    code = code.strip().upper()
    if not code:
        return ""
    code = code.zfill(2) if code.isdigit() else code
    if again := _WITH_PLANNED_RETURN.get(code):
        return f"{DISPOSITION_WORDS[again]}, return planned"
    return DISPOSITION_WORDS.get(code, f"(hospital's code {code})")


def headline(
    kind: AlertKind,
    encounter_class: EncounterClass,
    status: StayStatus,
    disposition_code: str,
    reasons: Iterable[Reason],
    planned: bool = False,
) -> str:
    """What happened last, in a few words: "Discharged home, against advice"."""
    told = frozenset(reasons)
    if kind is AlertKind.DEATH or Reason.DIED in told:
        return "Died"
    if status is StayStatus.ON_LEAVE:
        return "On leave from the hospital, not discharged"
    if Reason.DISCHARGE_CANCELLED in told and status is not StayStatus.FINISHED:
        return "Still in the hospital: the discharge was cancelled"
    if kind is AlertKind.DISCHARGE or status is StayStatus.FINISHED:
        return _left(encounter_class, disposition_code, told)
    if Reason.REGISTERED in told:
        return "Registered at the hospital, kind of visit unknown"
    if kind is AlertKind.ED_VISIT:
        return "Overdose, in the ED" if Reason.OVERDOSE in told else "In the ED"
    if kind is AlertKind.OBSERVATION:
        return "In the hospital for observation"
    if kind is AlertKind.TRANSFER:
        return "Moved to another facility"
    if Reason.NEWBORN in told:
        return "Born in the hospital"
    again = "Back in the hospital" if Reason.READMISSION in told else ""
    return again or ("Admitted as planned" if planned or Reason.PLANNED_ADMISSION in told else "Admitted")


def _left(encounter_class: EncounterClass, code: str, told: frozenset[Reason]) -> str:
    where = disposition(code)
    if Reason.LEFT_AGAINST_ADVICE in told and "against advice" not in where:
        where = f"{where}, against advice" if where else "against advice"
    if encounter_class is EncounterClass.EMERGENCY:
        return f"Left the ED {'for ' if where.startswith('home') else ''}{where}".strip()
    if encounter_class is EncounterClass.OBSERVATION:
        return f"Discharged {where} after observation" if where else "Discharged after observation"
    return f"Discharged {where}".strip()


def length(started: datetime | None, ended: datetime | None, now: datetime, zone: tzinfo = ZONE) -> str:
    """How long: "3 days" or "5 h" of a stay that ended; "since Mon 23 Nov, 14:10" of one that runs; "" unknown."""
    if started is None:
        return ""
    if ended is None:
        return f"since {time_or_moment(started, now, zone)}"
    if ended <= started:
        return ""
    if ended - started < timedelta(minutes=1):
        return ""
    nights = (ended.astimezone(zone).date() - started.astimezone(zone).date()).days
    if nights >= 1 and ended - started >= timedelta(hours=20):
        return count(nights, "day")
    return span((ended - started).total_seconds())


def diagnosis(item: Diagnosis) -> str:
    """One diagnosis in words: the hospital's text, else what its ICD-10 code is about; "" when it says neither."""
    if text := plain(item.text):
        return text
    if not item.code:
        return ""
    about = icd10_chapter(item.code)
    return f"{about} ({item.code})" if about else f"the hospital's code {item.code}"


def why_there(items: Sequence[Diagnosis], complaint: str) -> str:
    """Why, for the row: the best diagnosis in words with the complaint beside it; one of the two; or ""."""
    found, said = main_diagnosis(items, ""), main_diagnosis((), complaint)
    if found and said and plain(complaint).casefold() != found.casefold():
        return f"{found} · came with {said}"
    return found or said


def main_diagnosis(items: Sequence[Diagnosis], complaint: str) -> str:
    """The best diagnosis in words, else the complaint in quotes, else ""."""
    ranked = sorted(items, key=lambda item: ({"F": 0, "W": 1, "A": 2}.get(item.type, 3), item.rank or 99))
    for item in ranked:
        if words := diagnosis(item):
            return words
    return f"“{plain(complaint)}”" if complaint.strip() else ""


def plain(text: str) -> str:
    """Hospital text fit for a sentence: spaces collapsed, SHOUTING and Title Start taken down, cut at 80 characters."""
    words = _UNSPECIFIED.sub("", " ".join(text.split()))
    letters = [letter for letter in words if letter.isalpha()]
    if len(letters) > 4 and all(letter.isupper() for letter in letters):
        words = " ".join(word if word.strip(",;:().") in _KEPT else word.lower() for word in words.split())
    elif len(words) > 1 and words[0].isupper() and (words[1].islower() or words[1] == " "):
        words = words[0].lower() + words[1:]
    return words if len(words) <= 80 else words[:79].rstrip() + "…"


def code(item: Diagnosis) -> str:
    """The code beside the words: "ICD-10 I50.9"."""
    system = item.system.upper().replace("-", "")
    named = "ICD-10" if system.startswith(("I10", "ICD10")) else "ICD-9" if system.startswith(("I9", "ICD9")) else ""
    return f"{named or item.system} {item.code}".strip() if item.code else ""


def icd10_chapter(code: str) -> str:
    """What an ICD-10-CM code is about, by its chapter; "" when it is not one."""
    start = code.strip().upper()[:3]
    if len(start) < 3 or not start[0].isalpha() or not start[1].isdigit():
        return ""
    return next((words for first, last, words in _ICD10 if first <= start <= last), "")


def reason(item: Reason, policy: Policy | None = None) -> str:
    """The sentence, with the numbers of the policy in force where it has some."""
    if item is Reason.READMISSION and policy is not None:
        return f"Is back in the hospital within {count(policy.windows.readmission_days, 'day')} of a discharge"
    return REASON_WORDS[item]


def because(priority: Priority, told: Iterable[Reason], tier: RiskTier, rule_name: str, policy: Policy) -> str:
    """ "Urgent because: left against medical advice"; "" for what does not press, or a rule not in force any more."""
    rule = next((rule for rule in policy.rules if rule.name == rule_name), None)
    if rule is None or priority not in (Priority.URGENT, Priority.HIGH):
        return ""
    said = [reason(item, policy) for item in dict.fromkeys(told) if item in rule.reasons]
    parts = [text[0].lower() + text[1:] for text in said]
    if tier in rule.risk_tiers and RISK_WORDS[tier]:
        parts.append(RISK_WORDS[tier])
    return f"{PRIORITY_WORDS[priority].capitalize()} because: {', '.join(parts) or rule_name.replace('_', ' ')}"


def mark(action: Action, reasons: Iterable[Reason], encounter_class: EncounterClass, version: int) -> str:
    """The word for a version the reader has not looked at: "new", "now inpatient", "diagnosis added".

    Reasons come in the rules' order: what is different first, then what is true around the stay.
    """
    told = tuple(reasons)
    if version == 1 and action is not Action.RETRACT:
        return "new"
    if Reason.DIED in told:
        return _MARKS[Reason.DIED]
    if Reason.CLASS_CHANGED in told and not _LEFT.intersection(told):
        return _CLASS_MARKS.get(encounter_class, "kind of stay changed")
    found = next((_MARKS[item] for item in told if item in _MARKS), "changed")
    return "cancelled" if action is Action.RETRACT and found == "changed" else found


def retraction(reasons: Iterable[Reason], kind: AlertKind, at: datetime, now: datetime, zone: tzinfo = ZONE) -> str:
    """ "Cancelled by the hospital 14:02: this admission did not happen"; no cause when reasons are withheld."""
    told = frozenset(reasons)
    when = time_or_moment(at, now, zone)
    what = {
        AlertKind.ED_VISIT: "ED visit",
        AlertKind.OBSERVATION: "observation stay",
        AlertKind.TRANSFER: "transfer",
        AlertKind.DISCHARGE: "stay",
        AlertKind.DEATH: "report",
    }.get(kind, "admission")
    if Reason.MOVED_TO_ANOTHER_PERSON in told:
        return f"Corrected by the hospital {when}: this {what} belongs to somebody else"
    if Reason.MERGED in told:
        return f"Joined by the hospital {when}: this {what} goes on under another row"
    if Reason.BACK_TO_OUTPATIENT in told:
        return f"Changed by the hospital {when}: no longer an inpatient, now outpatient"
    if Reason.VISIT_DELETED in told or Reason.PERSON_DELETED in told:
        return f"Deleted by the hospital {when}: this {what} was entered by mistake"
    if Reason.MATCH_REJECTED in told:
        return f"Taken back {when}: a person found that this is somebody else"
    if not told:
        return f"Taken back by the hospital {when}"
    return f"Cancelled by the hospital {when}: this {what} did not happen"


def change(item: Change) -> str:
    """One difference in words: "kind of stay: in the ED → inpatient"."""
    before, after = _value(item.field, item.before), _value(item.field, item.after)
    name = field(item.field)
    if not before:
        return f"{name}: {after}" if after else name
    return f"{name}: {before} → {after}" if after else f"{name}: no longer {before}"


def _value(name: str, value: str) -> str:
    if name in {"status"} and value in set(StayStatus):
        return STATUS_WORDS[StayStatus(value)]
    if name in {"encounter_class", "class"} and value in set(EncounterClass):
        return CLASS_WORDS[EncounterClass(value)]
    if name == "disposition":
        return disposition(value)
    if len(value) > 15 and value[4:5] == "-" and value[10:11] == "T":
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            return value
        return moment(at, at) if at.tzinfo else value
    return value.replace("_", " ") if value.islower() else value


def field(name: str) -> str:
    return _FIELD_WORDS.get(name, name.replace("_", " "))


def evidence_of(words: Iterable[str]) -> Evidence:
    """What agreement words say together. Only what is known to agree agrees; a word nobody sorted is unclear."""
    said = set(words)
    if said & _DISAGREES:
        return Evidence.DISAGREES
    return Evidence.AGREES if said and said <= _AGREES else Evidence.UNCLEAR


def evidence(found: Mapping[str, str]) -> list[str]:
    """Each compared field and how it agreed: "birth date: the same"."""
    return [
        f"{field(name)}: {_AGREEMENT_WORDS.get(word, word.replace('_', ' '))}"
        for name, word in found.items()
        if name not in _HOW_IT_WAS_SEARCHED
    ]


def next_clock(clocks: Iterable[Clock]) -> Clock | None:
    """The clock a person acts on next: the earliest due, paperwork only when nothing else asks. One that was missed
    before we heard of it still asks: nobody has done it."""
    asking = [
        clock
        for clock in clocks
        if clock.status is ClockStatus.RUNNING or (clock.status is ClockStatus.MISSED and clock.kind not in PAPERWORK)
    ]
    return min(asking, key=lambda clock: (clock.kind in PAPERWORK, clock.due_at), default=None)


def step(clock: Clock, now: datetime, zone: tzinfo = ZONE, policy: Policy | None = None) -> str:
    """ "Call by Tue 24 Nov, 17:00"; a clock that ends at midnight is said as its last day, or where nobody works
    then as the last working day before it."""
    meant = last_moment(clock, now, zone, policy)
    words = f"{_STEP_WORDS[clock.kind]} {due(meant, now, zone)}"
    return words if meant == clock.due_at else f"{words}, the last working day before {day_of(clock, now, zone)}"


def last_moment(clock: Clock, now: datetime, zone: tzinfo = ZONE, policy: Policy | None = None) -> datetime:
    """When a clock is to be acted on at the latest: calendar days end on a day that people work, as long as one is left
    (else, and for working days and paperwork, when it is due)."""
    if clock.kind in _WORKING_DAY_CLOCKS | PAPERWORK:
        return clock.due_at
    last = meant = (clock.due_at - timedelta(minutes=1)).astimezone(zone).date()
    business = (policy or default_policy()).business
    while not is_business_day(meant, business):
        meant -= timedelta(days=1)
    if meant == last or meant < now.astimezone(zone).date():
        return clock.due_at
    return datetime(meant.year, meant.month, meant.day, 23, 59, 59, tzinfo=zone).astimezone(UTC)


def day_of(clock: Clock, now: datetime, zone: tzinfo = ZONE) -> str:
    """The day a clock ends with."""
    return day(clock.due_at - timedelta(minutes=1), now, zone)


def due(at: datetime, now: datetime, zone: tzinfo = ZONE) -> str:
    """A due time; one that falls on midnight or the minute before belongs to the day that ends there."""
    local = at.astimezone(zone)
    if (local.hour, local.minute) == (0, 0):
        return day(at - timedelta(minutes=1), now, zone)
    if (local.hour, local.minute) == (23, 59):
        return day(at, now, zone)
    return moment(at, now, zone)


def left(clock: Clock, now: datetime, zone: tzinfo = ZONE, policy: Policy | None = None) -> Left:
    """What is left: "1 working day left", "3 h left", "6 days left", "4 h overdue"."""
    seconds = (clock.due_at - now).total_seconds()
    if seconds <= 0:
        return Left(f"{span(-seconds)} overdue", True)
    meant = last_moment(clock, now, zone, policy)
    today = now.astimezone(zone).date()
    last = (meant - timedelta(minutes=1)).astimezone(zone).date()
    if last == today:
        return Left(f"due today, {span((meant - now).total_seconds())} left", False)
    if clock.kind in _WORKING_DAY_CLOCKS:
        days = working_days_between(today, last, policy, clock.calendar)
        return Left(f"{count(days, 'working day')} left" if days else "due next working day", False)
    return Left(f"{count((last - today).days, 'day')} left", False)


def clock_name(clock: Clock, policy: Policy | None = None) -> str:
    """What a clock asks for, with the numbers of the policy in force."""
    rules, name = (policy or default_policy()).clocks, CLOCK_WORDS[clock.kind]
    match clock.kind:
        case ClockKind.TCM_CONTACT:
            return f"{name[:-1]}, {count(rules.tcm_contact_business_days, 'working day')})"
        case ClockKind.TRC_ENGAGEMENT | ClockKind.TRC_MEDICATION_RECONCILIATION:
            return f"{name} within {count(rules.trc_follow_up_days, 'day')}"
    return name


def clock_notes(clock: Clock, now: datetime, zone: tzinfo = ZONE) -> list[str]:
    """What else is true of a clock: what is missing, what counts, which calendar, what is assumed."""
    found = []
    if clock.missing and clock.status is not ClockStatus.STOPPED:
        notice = (
            f"notice in time ({moment(clock.notice_at, now, zone)}), information still to get"
            if (clock.notice_at)
            else "no notice in time; to get"
        )
        found.append(f"{notice}: {'; '.join(ELEMENT_WORDS[element] for element in clock.missing)}")
    if clock.hours_lost >= 2:
        found.append(f"{clock.hours_lost:.0f} h were lost before we heard")
    if not clock.same_day:
        found.append("the day of the discharge does not count")
    if clock.calendar:
        whose = "federal holidays" if clock.calendar == "federal" else f"the holidays of {clock.calendar}"
        found.append(f"working days without {whose}")
    if clock.tries:
        found.append(f"{clock.tries} separate tries in time count as tried")
    if clock.assumed:
        found.append("assumed: the panel does not say who pays, and the measure asks for some payers only")
    return found


def clock_state(clock: Clock, now: datetime, zone: tzinfo = ZONE, policy: Policy | None = None) -> str:
    """What became of a clock: "2 days left", "met Tue 24 Nov, 14:02", "missed"."""
    if clock.status is ClockStatus.RUNNING:
        return left(clock, now, zone, policy).words
    if clock.status is ClockStatus.MET and clock.met_at:
        return f"met {moment(clock.met_at, now, zone)}"
    return CLOCK_STATUS_WORDS[clock.status]


def working_days_between(after: date, through: date, policy: Policy | None = None, calendar: str = "") -> int:
    """Working days later than `after` up to and including `through`, as the policy in force counts them; by one
    calendar of it, or by all of them."""
    business = (policy or default_policy()).business
    days = (after + timedelta(days=number) for number in range(1, (through - after).days + 1))
    return sum(1 for on in days if is_business_day(on, business, calendar))


def waiting(status: StayStatus, kind: AlertKind, expected: datetime | None, now: datetime, zone: tzinfo = ZONE) -> str:
    """The next step when no clock runs."""
    if kind is AlertKind.DEATH:
        return "No call to the patient"
    if status in {StayStatus.CANCELLED, StayStatus.ENTERED_IN_ERROR}:
        return "Mark as seen"
    if status is StayStatus.FINISHED:
        return "No deadline runs"
    if expected is not None:
        return f"Expected to leave {day(expected, now, zone)}; the clocks start then"
    if kind is AlertKind.ED_VISIT:
        return "In the ED; any clock starts when they leave"
    return "In the hospital; the clocks start at discharge"


def unheard(since: datetime, now: datetime, zone: tzinfo = ZONE) -> str:
    """What is said of a stay that went on without a word for too long."""
    return f"No discharge was sent; last heard {moment(since, now, zone)}"


def facility(name: str) -> str:
    """A facility's name as people write it: "MISSION" reads "Mission"; names in mixed case stay as they are."""
    return name.title() if len(name) > 4 and name.isupper() else name


def feed_name(trigger: str, control_id: str) -> str:
    """Which hospital message said so: "message A01, number 4711"."""
    return f"message {trigger}, number {control_id}" if control_id else f"message {trigger}"


def withheld(fields: Iterable[str], why: str) -> str:
    """ "Withheld from you: the facility, diagnoses (substance-use treatment, no consent on file)"."""
    names = ", ".join(WITHHELD_WORDS.get(name, field(name)) for name in fields)
    return f"Withheld from you: {names}" + (f" ({why})" if why else "")


def phone(digits: str) -> str:
    """ "828-555-0147" for ten digits, else as it is."""
    bare = digits[1:] if len(digits) == 11 and digits.startswith("1") else digits
    return f"{bare[:3]}-{bare[3:6]}-{bare[6:]}" if len(bare) == 10 and bare.isdigit() else digits


def utc(at: datetime) -> str:
    """For `datetime` attributes: ISO 8601 in UTC to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _day(on: date) -> str:
    return f"{_DAYS[on.weekday()]} {on.day} {_MONTHS[on.month - 1]}"
