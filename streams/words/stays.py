"""Words for a case manager out of what the rules concluded: plain American English, pure functions, no HTML.

Every function takes values and gives a short text. Times come in aware and are said in the reader's zone.
Dates read "Tue Nov 24, 5:00 PM"; what is left of a clock is said in the unit the clock is counted in.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from typing import Final

from parsers.events import EncounterClass, FacilityKind
from parsers.people import RiskTier
from rules.decisions import (
    Action,
    AlertKind,
    Change,
    Priority,
    Reason,
    StayStatus,
)
from rules.policy.policy import Policy
from streams.words.people import RISK_WORDS
from streams.words.reasons import reason
from streams.words.times import ZONE, moment

PRIORITY_WORDS: Final[Mapping[Priority, str]] = {
    Priority.URGENT: "urgent",
    Priority.HIGH: "soon",
    Priority.ROUTINE: "routine",
    Priority.DIGEST: "no hurry",
}
KIND_WORDS: Final[Mapping[AlertKind, str]] = {
    AlertKind.ED_VISIT: "ED visit",
    AlertKind.OBSERVATION: "observation",
    AlertKind.ADMISSION: "admission",
    AlertKind.TRANSFER: "transfer",
    AlertKind.DISCHARGE: "discharge",
    AlertKind.DEATH: "death",
}
assert KIND_WORDS.keys() == set(AlertKind)
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
    Reason.FOLLOW_UP_ENDED: "inpatient since",
    Reason.FOLLOW_UP_AGAIN: "follow-up due again",
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
    """What happened last, in a few words: "Went home, against advice"."""
    given = frozenset(reasons)
    if kind is AlertKind.DEATH or Reason.DIED in given:
        return "Died"
    if status is StayStatus.ON_LEAVE:
        return "On leave from the hospital, not discharged"
    if Reason.DISCHARGE_CANCELLED in given and status is not StayStatus.FINISHED:
        return "Still in the hospital: the discharge was cancelled"
    if kind is AlertKind.DISCHARGE or status is StayStatus.FINISHED:
        return _left(encounter_class, disposition_code, given)
    if Reason.REGISTERED in given:
        return "Registered at the hospital, kind of visit unknown"
    if kind is AlertKind.ED_VISIT:
        return "Overdose, in the ED" if Reason.OVERDOSE in given else "In the ED"
    if kind is AlertKind.OBSERVATION:
        return "In the hospital for observation"
    if kind is AlertKind.TRANSFER:
        return "Moved to another facility"
    if Reason.NEWBORN in given:
        return "Born in the hospital"
    again = "Back in the hospital" if Reason.READMISSION in given else ""
    return again or ("Admitted as planned" if planned or Reason.PLANNED_ADMISSION in given else "Admitted")


def _left(encounter_class: EncounterClass, code: str, given: frozenset[Reason]) -> str:
    where = disposition(code)
    if Reason.LEFT_AGAINST_ADVICE in given and "against advice" not in where:
        where = f"{where}, against advice" if where else "against advice"
    if encounter_class is EncounterClass.EMERGENCY:
        return f"Left the ED {'for ' if where.startswith('home') else ''}{where}".strip()
    went = "Went" if where.startswith(("home", "to ")) else "Discharged"
    after = "after observation" if encounter_class is EncounterClass.OBSERVATION else ""
    return " ".join(part for part in (went, where, after) if part)


def with_time(headline: str, when: str) -> str:
    """ "Went home Sun Nov 22, 2:00 PM, against advice": when it happened stands beside what happened."""
    what, comma, more = headline.partition(",")
    return f"{what} {when}{comma}{more}" if when else headline


def because(priority: Priority, given: Iterable[Reason], tier: RiskTier, rule_name: str, policy: Policy) -> str:
    """ "Urgent because: left against medical advice"; "" for what does not press, or a rule not in force any more."""
    rule = next((rule for rule in policy.rules if rule.name == rule_name), None)
    if rule is None or priority not in (Priority.URGENT, Priority.HIGH):
        return ""
    said = [reason(item, policy) for item in dict.fromkeys(given) if item in rule.reasons]
    parts = [text[0].lower() + text[1:] for text in said]
    if tier in rule.risk_tiers and RISK_WORDS[tier]:
        parts.append(RISK_WORDS[tier])
    return f"{PRIORITY_WORDS[priority].capitalize()} because: {', '.join(parts) or rule_name.replace('_', ' ')}"


def mark(action: Action, reasons: Iterable[Reason], encounter_class: EncounterClass, version: int) -> str:
    """The word for a version the reader has not looked at: "new", "now inpatient", "diagnosis added".

    Reasons come in the rules' order: what is different first, then what is true around the stay.
    """
    given = tuple(reasons)
    if version == 1 and action is not Action.RETRACT:
        return "new"
    if Reason.DIED in given:
        return _MARKS[Reason.DIED]
    if Reason.CLASS_CHANGED in given and not _LEFT.intersection(given):
        return _CLASS_MARKS.get(encounter_class, "kind of stay changed")
    word = next((_MARKS[item] for item in given if item in _MARKS), "changed")
    return "cancelled" if action is Action.RETRACT and word == "changed" else word


def change(item: Change, zone: tzinfo = ZONE) -> str:
    """One difference in words: "Moved from the ED to an inpatient bed", "doctor: A. Lee → B. Ruiz"."""
    if item.field == "encounter_class" and (moved := _moved(item)):
        return moved
    before, after = _value(item.field, item.before, zone), _value(item.field, item.after, zone)
    name = field(item.field)
    if not before:
        return f"{name}: {after}" if after else name
    return f"{name}: {before} → {after}" if after else f"{name}: no longer {before}"


_BEDS: Final[Mapping[str, str]] = {
    EncounterClass.EMERGENCY: "the ED",
    EncounterClass.OBSERVATION: "observation",
    EncounterClass.INPATIENT: "an inpatient bed",
}


def _moved(item: Change) -> str:
    before, after = _BEDS.get(item.before), _BEDS.get(item.after)
    return f"Moved from {before} to {after}" if before and after else ""


def _value(name: str, value: str, zone: tzinfo) -> str:
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
        return moment(at, at, zone) if at.tzinfo else value
    return value.replace("_", " ") if value.islower() else value


def field(name: str) -> str:
    return _FIELD_WORDS.get(name, name.replace("_", " "))


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
    """ "You may not see the facility, diagnoses (no consent on file)"."""
    names = ", ".join(WITHHELD_WORDS.get(name, field(name)) for name in fields)
    return f"You may not see {names}" + (f" ({why})" if why else "")
