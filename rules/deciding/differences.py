"""The last version and the stay as it is now in; what differs, and why it is told or not, out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from parsers.events import EncounterClass, EventKind
from rules.deciding.case import Case, Silence
from rules.deciding.clocks import MEASURES, clocks_of, only_registered
from rules.deciding.context import tells
from rules.decisions import (
    Alert,
    AlertKind,
    Change,
    ClockStatus,
    Reason,
    Stay,
    StayStatus,
)
from rules.event_kinds import KINDS
from rules.policy.policy import Policy, Telling, local_day
from rules.stays.table import DEAD, OPEN, RANK

START_REASON: Final[Mapping[EncounterClass, Reason]] = {
    EncounterClass.EMERGENCY: Reason.ED_ARRIVAL,
    EncounterClass.OBSERVATION: Reason.OBSERVATION,
    EncounterClass.INPATIENT: Reason.ADMITTED,
    EncounterClass.UNKNOWN: Reason.ADMITTED,  # unless only a registration has told of it: see `_began_as`
}
AGAINST_ADVICE: Final = "07"  # HL7 table 0112
_COMPARED: Final = (
    "status", "encounter_class", "facility", "disposition", "diagnoses", "complaint", "attending", "unit",
    "expected_discharge", "ended_at",
)  # fmt: skip
_CODED: Final = (Reason.OVERDOSE, Reason.BEHAVIORAL_HEALTH)


def opening(case: Case, stay: Stay) -> list[Reason]:
    """Why the first version is told."""
    reasons: list[Reason] = []
    if case.kind is EventKind.TRANSFERRED:
        reasons.append(Reason.TRANSFERRED_IN)
    if stay.status is StayStatus.FINISHED:
        reasons += [Reason.DISCHARGED, *_how_ended(stay)]
        if not stay.registers.began:
            reasons.append(Reason.DISCHARGED_WITHOUT_ADMISSION)
        return reasons
    reasons.append(_began_as(stay))
    if (
        case.before is not None
        and case.before.status in OPEN
        and case.before.encounter_class is not stay.encounter_class
    ):
        reasons.append(Reason.CLASS_CHANGED)
    if stay.died:
        reasons.insert(0, Reason.DIED)
    return reasons


def _began_as(stay: Stay) -> Reason:
    """Why a stay that goes on is told. A04 registers who is not admitted (HL7 2.5.1, 3.3.4), so under a class nobody
    knows it tells of a registration, not of an admission."""
    if only_registered(stay):
        return Reason.REGISTERED
    return START_REASON.get(stay.encounter_class, Reason.ADMITTED)


def differences(case: Case, around: tuple[Reason, ...], policy: Policy) -> tuple[list[Reason], bool]:
    """What of the stay is worth a further version, and whether only in the digest."""
    previous, stay = case.previous, case.step.stay
    assert previous is not None and stay is not None
    reasons = [*_of_the_end(case, previous, stay), *_of_the_class(case, previous, stay)]
    if stay.facility not in (previous.facility, stay.registers.named):
        back = case.kind is EventKind.TRANSFER_CANCELLED
        reasons.append(Reason.TRANSFER_CANCELLED if back else Reason.TRANSFERRED_IN)
    if stay.died and previous.kind is not AlertKind.DEATH and Reason.DIED not in reasons:
        reasons.append(Reason.DIED)
    if previous.kind is AlertKind.DEATH and not stay.died:
        reasons.append(Reason.DEATH_TAKEN_BACK)
    still_over = previous.status is stay.status is StayStatus.FINISHED
    if still_over and stay.disposition != previous.disposition:
        said = Reason.DISPOSITION_CORRECTED if previous.disposition else Reason.DISPOSITION_ADDED
        reasons += [said, *(reason for reason in _how_ended(stay) if reason not in reasons)]
    begun_then = case.kind is EventKind.UPDATED and _day_corrected(previous.started_at, stay.started_at, policy)
    if begun_then or (still_over and _day_corrected(previous.ended_at, stay.ended_at, policy)):
        reasons.append(Reason.TIME_CORRECTED)
    if (stay.diagnoses and not previous.diagnoses) or (
        previous.status is StayStatus.FINISHED and _other_clocks(case, policy)
    ):
        reasons.append(Reason.DIAGNOSIS_ADDED)
    reasons += _of_the_codes(previous, stay, around, policy)
    loud, quiet = _by_policy(case, policy)
    reasons += loud
    if reasons or not quiet:
        return list(dict.fromkeys(reasons)), False
    return quiet, True


def _of_the_end(case: Case, previous: Alert, stay: Stay) -> list[Reason]:
    """It ended, or goes on after all."""
    finished, was_finished = stay.status is StayStatus.FINISHED, previous.status is StayStatus.FINISHED
    if finished == was_finished:
        return []
    if finished:
        return [Reason.DISCHARGED, *_how_ended(stay)]
    return [Reason.DISCHARGE_CANCELLED if case.kind is EventKind.DISCHARGE_CANCELLED else _began_as(stay)]


def _of_the_class(case: Case, previous: Alert, stay: Stay) -> list[Reason]:
    """It is another kind of visit than it was told as."""
    finished = stay.status is StayStatus.FINISHED
    if stay.encounter_class is previous.encounter_class:
        known_now = case.before is not None and only_registered(case.before) and not only_registered(stay)
        return [_began_as(stay)] if known_now and not finished else []
    rose = RANK[stay.encounter_class] > RANK[previous.encounter_class] and not finished
    outpatient = stay.encounter_class is EncounterClass.AMBULATORY
    return [
        *([_began_as(stay)] if rose else []),
        Reason.CLASS_CHANGED,
        *([Reason.BACK_TO_OUTPATIENT] if outpatient else []),
    ]


def _of_the_codes(previous: Alert, stay: Stay, around: tuple[Reason, ...], policy: Policy) -> list[Reason]:
    """What complaint and diagnoses make urgent, or no longer do."""
    reasons: list[Reason] = [reason for reason in _CODED if reason in around and reason not in previous.reasons]
    topics = {Reason.OVERDOSE: policy.overdose, Reason.BEHAVIORAL_HEALTH: policy.behavioral_health}
    if any(topics[reason].coded(stay.diagnoses) and not topics[reason].said(stay.complaint) for reason in reasons):
        reasons.append(Reason.CODE_CAME_LATE)
    said_anew = stay.complaint != previous.complaint or stay.diagnoses != previous.diagnoses
    if said_anew and any(reason in previous.reasons and reason not in around for reason in _CODED):
        reasons.append(Reason.URGENCY_TAKEN_BACK)
    return reasons


def _other_clocks(case: Case, policy: Policy) -> bool:
    """Another diagnosis, after the discharge, starts or ends a clock of a measure (FUH, FUM, FUA)."""
    previous, stay = case.previous, case.step.stay
    assert previous is not None and stay is not None
    if stay.diagnoses == previous.diagnoses or stay.status is not StayStatus.FINISHED:
        return False
    at = case.event.received_at
    now = {clock.kind for clock in clocks_of(stay, case.enrollee, policy, at, at, others=case.others)} & MEASURES.keys()
    before = {clock.kind for clock in previous.clocks if clock.status is not ClockStatus.STOPPED} & MEASURES.keys()
    return now != before


def _by_policy(case: Case, policy: Policy) -> tuple[list[Reason], list[Reason]]:
    previous, stay = case.previous, case.step.stay
    assert previous is not None and stay is not None
    reasons: dict[Telling, list[Reason]] = {telling: [] for telling in Telling}
    if stay.attending and previous.attending and stay.attending != previous.attending:
        reasons[policy.updates.attending].append(Reason.ATTENDING_CHANGED)
    if stay.status in OPEN and stay.expected_discharge and stay.expected_discharge != previous.expected_discharge:
        reasons[policy.updates.expected_discharge].append(Reason.EXPECTED_DISCHARGE_CHANGED)
    if previous.diagnoses and {diagnosis.code for diagnosis in stay.diagnoses} - {
        diagnosis.code for diagnosis in previous.diagnoses
    }:
        reasons[policy.updates.later_diagnoses].append(Reason.DIAGNOSIS_ADDED)
    return reasons[Telling.TELL], reasons[Telling.DIGEST]


def _day_corrected(before: datetime | None, now: datetime | None, policy: Policy) -> bool:
    """Another local day: clocks count days, so nothing due moves within one, and the next version carries the hour."""
    return bool(before and now and local_day(before, policy.tz) != local_day(now, policy.tz))


def _how_ended(stay: Stay) -> list[Reason]:
    if stay.died:
        return [Reason.DIED]
    return [Reason.LEFT_AGAINST_ADVICE] if stay.disposition == AGAINST_ADVICE else []


def content(stay: Stay) -> dict[str, Any]:
    return {
        "encounter_class": stay.encounter_class,
        "status": stay.status,
        "facility": stay.facility,
        "facility_kind": stay.facility_kind,
        "started_at": stay.started_at,
        "ended_at": stay.ended_at,
        "disposition": stay.disposition,
        "diagnoses": stay.diagnoses,
        "complaint": stay.complaint,
        "attending": stay.attending,
        "unit": stay.unit,
        "expected_discharge": stay.expected_discharge,
    }


def changes_of(previous: Alert, stay: Stay, reasons: tuple[Reason, ...] = ()) -> tuple[Change, ...]:
    now, changes = content(stay), []
    corrected = ("started_at",) if Reason.TIME_CORRECTED in reasons else ()
    for field in (*_COMPARED, *corrected):
        before, after = _words(getattr(previous, field)), _words(now[field])
        if before != after:
            changes.append(Change(field=field, before=before, after=after))
    return tuple(changes)


def _words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(diagnosis.code or diagnosis.text for diagnosis in value)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def silence(case: Case, policy: Policy) -> Silence:
    """Why nothing is told: the most telling single reason."""
    step, stay, kind = case.step, case.step.stay, case.kind
    if kind is EventKind.PERSON_UPDATED:
        return (Reason.IDENTITY_ONLY,)
    if step.late:
        return (Reason.OUT_OF_ORDER,)
    if kind in (EventKind.PLANNED, EventKind.PLAN_CANCELLED):
        return (Reason.PLANNED_ONLY,)
    if stay is None or stay.status is StayStatus.UNKNOWN or (case.before is None and stay.status in DEAD):
        return (unknown(case, policy),)
    if stay.status is StayStatus.PLANNED:
        return (Reason.PLANNED_ONLY,)
    if stay.status in DEAD:
        was = case.before.status if case.before else stay.status
        if was is StayStatus.PLANNED:
            return (Reason.PLANNED_ONLY,)
        return (Reason.NOTHING_NEW,) if case.previous or was in DEAD else (Reason.OUTPATIENT,)
    if untold := KINDS[kind].untold:
        return (untold,)
    if not tells(stay) and not case.living:
        no_class = stay.encounter_class is EncounterClass.UNKNOWN
        return (Reason.OUTPATIENT, Reason.UNKNOWN_CLASS) if no_class else (Reason.OUTPATIENT,)
    return (Reason.NOTHING_NEW,)


def unknown(case: Case, policy: Policy) -> Reason:
    enrollee, visit = case.enrollee, case.event.visit
    begun = visit.admitted_at if visit else None
    if enrollee and enrollee.effective_from and begun and local_day(begun, policy.tz) < enrollee.effective_from:
        return Reason.STAY_BEFORE_ENROLLMENT
    return Reason.STAY_UNKNOWN
