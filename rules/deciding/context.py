"""A stay among the others of its enrollee in; what that says of it (readmission, transfer, frequent visits) out."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from parsers.events import EncounterClass, FacilityKind
from rules.deciding.clocks import only_registered
from rules.decisions import (
    Reason,
    Stay,
    StayStatus,
)
from rules.policy.policy import Policy, Topic
from rules.stays.places import same_facility
from rules.stays.table import DEAD, OPEN, TOLD_CLASSES
from rules.stays.unheard import unheard_since

TO_SKILLED_NURSING: Final = frozenset({"03", "61", "64", "83", "89"})
TO_ANOTHER_HOSPITAL: Final = frozenset(
    {"02", "05", "43", "62", "63", "65", "66", "82", "85", "88", "90", "91", "93", "94"}
)
FROM_A_FACILITY: Final = frozenset({"4", "5", "6"})  # HL7 table 0023: hospital, skilled nursing, other facility


def tells(stay: Stay) -> bool:
    """The stay as it stands is one that people are told of."""
    if stay.status not in OPEN and stay.status is not StayStatus.FINISHED:
        return False
    if stay.encounter_class not in TOLD_CLASSES:
        return False
    if stay.encounter_class is EncounterClass.UNKNOWN and not stay.registers.encounter_class:
        return stay.registers.admitted or (stay.status is StayStatus.FINISHED and not stay.registers.began)
    return True


def context(stay: Stay, others: Iterable[Stay], policy: Policy) -> tuple[Reason, ...]:
    """What is true around the stay that makes it more, or less, urgent."""
    reasons: list[Reason] = []
    others = [other for other in others if other.status not in DEAD and other.stay_id != stay.stay_id]
    if stay.encounter_class is EncounterClass.UNKNOWN:
        reasons.append(Reason.UNKNOWN_CLASS)
    if any(_hands_over(other, stay, policy) for other in others):
        reasons.append(Reason.TRANSFERRED_IN)
    elif (
        stay.highest_class in (EncounterClass.INPATIENT, EncounterClass.UNKNOWN)
        and not only_registered(stay)
        and any(_readmits(other, stay, policy) for other in others)
    ):
        reasons.append(Reason.READMISSION)
    visits, _, holds = ed_visits(stay, others, policy)
    if holds and visits:
        reasons.append(Reason.ED_HIGH_UTILIZER)
    if any(_recent_snf(other, stay, policy) for other in others):
        reasons.append(Reason.RECENT_SNF_STAY)
    if _speaks_of(policy.overdose, stay):
        reasons.append(Reason.OVERDOSE)
    if stay.facility_kind in (FacilityKind.PSYCHIATRIC, FacilityKind.SUBSTANCE_USE) or _speaks_of(
        policy.behavioral_health, stay
    ):
        reasons.append(Reason.BEHAVIORAL_HEALTH)
    if stay.newborn:
        reasons.append(Reason.NEWBORN)
    if stay.planned:
        reasons.append(Reason.PLANNED_ADMISSION)
    return tuple(reasons)


def _speaks_of(topic: Topic, stay: Stay) -> bool:
    return topic.said(stay.complaint) or topic.coded(stay.diagnoses) or topic.worded(stay.diagnoses)


def ed_visits(stay: Stay, others: Iterable[Stay], policy: Policy) -> tuple[int, int, bool]:
    """Emergency visits in the window of the first threshold that holds (else of the first one), this one included;
    the window in days; whether a threshold holds for this stay."""
    at = stay.started_at or stay.ended_at
    if at is None or not policy.ed_high_utilizer:
        return 0, 0, False
    starts = [other.started_at for other in (*others, stay) if other.registers.emergency and other.started_at]
    shown = (0, 0, False)
    for number, line in enumerate(policy.ed_high_utilizer):
        count = sum(1 for start in starts if timedelta() <= at - start <= timedelta(days=line.days))
        holds = count >= line.visits and stay.registers.emergency
        if holds:
            return count, line.days, True
        if number == 0:
            shown = (count, line.days, False)
    return shown


def _hands_over(other: Stay, stay: Stay, policy: Policy) -> bool:
    """The other stay, elsewhere, gave the patient to this one."""
    if same_facility(other.facility, stay.facility) or stay.started_at is None or other.started_at is None:
        return False
    if other.started_at > stay.started_at or other.encounter_class not in TOLD_CLASSES:
        return False
    sent_here = stay.registers.source in FROM_A_FACILITY or not _senders(other) & _senders(stay)
    if other.ended_at is None:
        if unheard_since(other, policy, stay.started_at):
            return False
        return other.status in OPEN and other.encounter_class is not EncounterClass.UNKNOWN and sent_here
    near = abs(stay.started_at - other.ended_at) <= timedelta(hours=policy.windows.transfer_hours)
    return near and (other.disposition in TO_ANOTHER_HOSPITAL or (not other.disposition and sent_here))


def _senders(stay: Stay) -> set[str]:
    """Who sent messages of the stay, as the sender's own numbers for it tell."""
    return {key.system.split("|")[1] for key in stay.keys if key.system.startswith("visit+patient|")} or {stay.feed}


def _readmits(other: Stay, stay: Stay, policy: Policy) -> bool:
    if other.highest_class is not EncounterClass.INPATIENT or other.ended_at is None or stay.started_at is None:
        return False
    days = timedelta(days=policy.windows.readmission_days)
    return timedelta() <= stay.started_at - other.ended_at <= days


def _recent_snf(other: Stay, stay: Stay, policy: Policy) -> bool:
    if stay.started_at is None or other.started_at is None or other.started_at > stay.started_at:
        return False
    if other.facility_kind is not FacilityKind.SKILLED_NURSING and other.disposition not in TO_SKILLED_NURSING:
        return False
    return other.ended_at is None or stay.started_at - other.ended_at <= timedelta(days=policy.windows.recent_snf_days)
