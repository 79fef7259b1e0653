"""The living alert: a stay, the last version told of it and the policy in, the next version or why there is none out.

A version is told when the stay differs from the last version in something worth telling, so a message that says again
what was said adds nothing, in whatever order messages came.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from parsers.events import EncounterClass, Event, EventKind, FacilityKind
from parsers.people import Consent, Enrollee, RiskTier
from rules.deciding.clocks import MEASURES, carried, clocks_of, only_registered
from rules.decisions import (
    Action,
    Alert,
    AlertKind,
    Change,
    ClockStatus,
    Match,
    Priority,
    Reason,
    Stay,
    StayStatus,
)
from rules.policy.policy import Facts, Policy, Telling, Topic, local_day
from rules.stays.find import unheard_since
from rules.stays.registers import Step
from rules.stays.table import DEAD, OPEN, RANK, TOLD_CLASSES
from rules.telling.routes import Routed

Route = Callable[[Enrollee | None, AlertKind, frozenset[Reason], datetime], Routed]


class World(NamedTuple):
    """Everything a decision depends on that is not about the event."""

    policy: Policy
    route: Route
    now: datetime


class Case(NamedTuple):
    """One event on one stay, with all that is known around it."""

    event: Event
    kind: EventKind  # what the event counts as here
    step: Step
    before: Stay | None
    previous: Alert | None  # the last version told of this stay
    others: tuple[Stay, ...]  # the enrollee's other stays
    enrollee: Enrollee | None
    match: Match
    extra: tuple[Reason, ...] = ()  # why this is told at all, beyond what the stay says

    @property
    def living(self) -> bool:
        return self.previous is not None and self.previous.action is not Action.RETRACT


Silence = tuple[Reason, ...]

START_REASON: Final[Mapping[EncounterClass, Reason]] = {
    EncounterClass.EMERGENCY: Reason.ED_ARRIVAL,
    EncounterClass.OBSERVATION: Reason.OBSERVATION,
    EncounterClass.INPATIENT: Reason.ADMITTED,
    EncounterClass.UNKNOWN: Reason.ADMITTED,  # unless only a registration has told of it: see `_began_as`
}
KIND: Final[Mapping[EncounterClass, AlertKind]] = {
    EncounterClass.EMERGENCY: AlertKind.ED_VISIT,
    EncounterClass.OBSERVATION: AlertKind.OBSERVATION,
    EncounterClass.INPATIENT: AlertKind.ADMISSION,
    EncounterClass.UNKNOWN: AlertKind.ADMISSION,
}
TAKEN_BACK: Final[Mapping[EventKind, Reason]] = {
    EventKind.ADMIT_CANCELLED: Reason.ADMISSION_CANCELLED,
    EventKind.VISIT_DELETED: Reason.VISIT_DELETED,
    EventKind.PERSON_DELETED: Reason.PERSON_DELETED,
    EventKind.PERSON_MERGED: Reason.MERGED,
    EventKind.ACCOUNT_MERGED: Reason.MERGED,
    EventKind.VISIT_MERGED: Reason.MERGED,
}
AGAINST_ADVICE: Final = "07"  # HL7 table 0112
TO_SKILLED_NURSING: Final = frozenset({"03", "61", "64", "83", "89"})
TO_ANOTHER_HOSPITAL: Final = frozenset(
    {"02", "05", "43", "62", "63", "65", "66", "82", "85", "88", "90", "91", "93", "94"}
)
_CONSENT_NEEDED: Final = {
    FacilityKind.SUBSTANCE_USE: Consent.PART2,
    FacilityKind.PSYCHIATRIC: Consent.MENTAL_HEALTH,
}
FROM_A_FACILITY: Final = frozenset({"4", "5", "6"})  # HL7 table 0023: hospital, skilled nursing, other facility
_COMPARED: Final = (
    "status", "encounter_class", "facility", "disposition", "diagnoses", "complaint", "attending", "unit",
    "expected_discharge", "ended_at",
)  # fmt: skip
_CODED: Final = (Reason.OVERDOSE, Reason.BEHAVIORAL_HEALTH)


def tells(stay: Stay) -> bool:
    """The stay as it stands is one that people are told of."""
    if stay.status not in OPEN and stay.status is not StayStatus.FINISHED:
        return False
    if stay.encounter_class not in TOLD_CLASSES:
        return False
    if stay.encounter_class is EncounterClass.UNKNOWN and "class" not in stay.memory:
        return "admitted" in stay.memory or (stay.status is StayStatus.FINISHED and "began" not in stay.memory)
    return True


def next_version(case: Case, world: World) -> Alert | Silence:
    """The version this event makes of the stay's alert, or the reasons why it makes none."""
    stay = case.step.stay
    if stay is None:
        outpatient = case.event.visit and case.event.visit.encounter_class is EncounterClass.AMBULATORY
        return (Reason.OUTPATIENT,) if outpatient else (_unknown(case, world.policy),)
    if stay.status in DEAD:
        return (
            retraction(case, world, TAKEN_BACK.get(case.kind, Reason.ADMISSION_CANCELLED))
            if case.living
            else _silence(case, world.policy)
        )
    if not tells(stay):
        if not case.living:
            return _silence(case, world.policy)
        only_asked = case.before is not None and only_registered(case.before)
        if (case.kind is EventKind.CLASS_CHANGED or only_asked) and "hospital" not in stay.memory:
            return retraction(case, world, Reason.BACK_TO_OUTPATIENT)
    around = context(stay, case.others, world.policy)
    if case.living:
        reasons, quiet = _differences(case, around, world.policy)
    else:
        reasons, quiet = _opening(case, stay), False
    if not reasons:
        return _silence(case, world.policy)
    if Reason.DIED in reasons:
        around = tuple(reason for reason in around if reason is not Reason.LEFT_AGAINST_ADVICE)
    if case.kind is EventKind.TRANSFER_CANCELLED:
        around = tuple(reason for reason in around if reason is not Reason.TRANSFERRED_IN)
    version = _version(case, world, tuple(dict.fromkeys((*reasons, *around, *case.extra))), quiet)
    return version or (Reason.MUTED_BY_POLICY,)


def retraction(case: Case, world: World, reason: Reason) -> Alert:
    """The version that takes the alert back, told to exactly those who were told, its clocks stopped."""
    previous, stay = case.previous, case.step.stay
    if previous is None or stay is None:
        raise ValueError("only an alert that was told can be taken back")
    return previous.model_copy(
        update={
            **_content(stay),
            **_source(case, world),
            "version": previous.version + 1,
            "action": Action.RETRACT,
            "status": stay.status,
            "reasons": tuple(dict.fromkeys((reason, *case.extra))),
            "changes": _changes(previous, stay),
            "clocks": carried(previous.clocks, (), reason),
        }
    )


def handed_on(case: Case, world: World) -> Alert | None:
    """A version for people who were not told yet, when a merge gives a stay to another enrollee."""
    stay = case.step.stay
    if stay is None or stay.status in DEAD or not tells(stay):
        return None
    around = context(stay, case.others, world.policy)
    version = _version(case, world, (Reason.MERGED, Reason.IDENTITY_CORRECTED, *around), quiet=False)
    if version is None or case.previous is None or set(version.told) == set(case.previous.told):
        return None
    return version


def became_readmission(case: Case, world: World) -> Alert | None:
    """A version for an open stay that another stay's discharge, read only now, makes a readmission."""
    stay, previous = case.step.stay, case.previous
    if stay is None or previous is None or not case.living or stay.status not in OPEN or not tells(stay):
        return None
    around = context(stay, case.others, world.policy)
    if Reason.READMISSION not in around or Reason.READMISSION in previous.reasons:
        return None
    return _version(case, world, tuple(dict.fromkeys((Reason.READMISSION, *around))), quiet=False)


def context(stay: Stay, others: Iterable[Stay], policy: Policy) -> tuple[Reason, ...]:
    """What is true around the stay that makes it more, or less, urgent."""
    found: list[Reason] = []
    others = [other for other in others if other.status not in DEAD and other.stay_id != stay.stay_id]
    if stay.encounter_class is EncounterClass.UNKNOWN:
        found.append(Reason.UNKNOWN_CLASS)
    if any(_hands_over(other, stay, policy) for other in others):
        found.append(Reason.TRANSFERRED_IN)
    elif (
        stay.highest_class in (EncounterClass.INPATIENT, EncounterClass.UNKNOWN)
        and not only_registered(stay)
        and any(_readmits(other, stay, policy) for other in others)
    ):
        found.append(Reason.READMISSION)
    visits, _, holds = ed_visits(stay, others, policy)
    if holds and visits:
        found.append(Reason.ED_HIGH_UTILIZER)
    if any(_recent_snf(other, stay, policy) for other in others):
        found.append(Reason.RECENT_SNF_STAY)
    if _speaks_of(policy.overdose, stay):
        found.append(Reason.OVERDOSE)
    if stay.facility_kind in (FacilityKind.PSYCHIATRIC, FacilityKind.SUBSTANCE_USE) or _speaks_of(
        policy.behavioral_health, stay
    ):
        found.append(Reason.BEHAVIORAL_HEALTH)
    if stay.newborn:
        found.append(Reason.NEWBORN)
    if stay.planned:
        found.append(Reason.PLANNED_ADMISSION)
    return tuple(found)


def _speaks_of(topic: Topic, stay: Stay) -> bool:
    return topic.said(stay.complaint) or topic.coded(stay.diagnoses) or topic.worded(stay.diagnoses)


def ed_visits(stay: Stay, others: Iterable[Stay], policy: Policy) -> tuple[int, int, bool]:
    """Emergency visits in the window of the first threshold that holds (else of the first one), this one included;
    the window in days; whether a threshold holds for this stay."""
    at = stay.started_at or stay.ended_at
    if at is None or not policy.ed_high_utilizer:
        return 0, 0, False
    starts = [other.started_at for other in (*others, stay) if "ed" in other.memory and other.started_at]
    shown = (0, 0, False)
    for number, line in enumerate(policy.ed_high_utilizer):
        count = sum(1 for start in starts if timedelta() <= at - start <= timedelta(days=line.days))
        holds = count >= line.visits and "ed" in stay.memory
        if holds:
            return count, line.days, True
        if number == 0:
            shown = (count, line.days, False)
    return shown


def _opening(case: Case, stay: Stay) -> list[Reason]:
    """Why the first version is told."""
    reasons: list[Reason] = []
    if case.kind is EventKind.TRANSFERRED:
        reasons.append(Reason.TRANSFERRED_IN)
    if stay.status is StayStatus.FINISHED:
        reasons += [Reason.DISCHARGED, *_how_ended(stay)]
        if "began" not in stay.memory:
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


def _differences(case: Case, around: tuple[Reason, ...], policy: Policy) -> tuple[list[Reason], bool]:
    """What of the stay is worth a further version, and whether only in the digest."""
    previous, stay = case.previous, case.step.stay
    assert previous is not None and stay is not None
    reasons: list[Reason] = []
    finished, was_finished = stay.status is StayStatus.FINISHED, previous.status is StayStatus.FINISHED
    if finished and not was_finished:
        reasons += [Reason.DISCHARGED, *_how_ended(stay)]
    elif was_finished and not finished:
        again = case.kind is EventKind.DISCHARGE_CANCELLED
        reasons.append(Reason.DISCHARGE_CANCELLED if again else _began_as(stay))
    if stay.encounter_class is not previous.encounter_class:
        if RANK[stay.encounter_class] > RANK[previous.encounter_class] and not finished:
            reasons.append(_began_as(stay))
        reasons.append(Reason.CLASS_CHANGED)
        if stay.encounter_class is EncounterClass.AMBULATORY:
            reasons.append(Reason.BACK_TO_OUTPATIENT)
    elif case.before is not None and only_registered(case.before) and not only_registered(stay) and not finished:
        reasons.append(_began_as(stay))
    if stay.facility != previous.facility and stay.memory.get("named") != stay.facility:
        back = case.kind is EventKind.TRANSFER_CANCELLED
        reasons.append(Reason.TRANSFER_CANCELLED if back else Reason.TRANSFERRED_IN)
    if stay.died and previous.kind is not AlertKind.DEATH and Reason.DIED not in reasons:
        reasons.append(Reason.DIED)
    if previous.kind is AlertKind.DEATH and not stay.died:
        reasons.append(Reason.DEATH_TAKEN_BACK)
    if finished and was_finished and stay.disposition != previous.disposition:
        said = Reason.DISPOSITION_CORRECTED if previous.disposition else Reason.DISPOSITION_ADDED
        reasons += [said, *(reason for reason in _how_ended(stay) if reason not in reasons)]
    begun_then = case.kind is EventKind.UPDATED and _day_corrected(previous.started_at, stay.started_at, policy)
    if begun_then or (finished and was_finished and _day_corrected(previous.ended_at, stay.ended_at, policy)):
        reasons.append(Reason.TIME_CORRECTED)
    if (stay.diagnoses and not previous.diagnoses) or (was_finished and _other_clocks(case, policy)):
        reasons.append(Reason.DIAGNOSIS_ADDED)
    fired = [reason for reason in _CODED if reason in around and reason not in previous.reasons]
    if fired:
        topics = {Reason.OVERDOSE: policy.overdose, Reason.BEHAVIORAL_HEALTH: policy.behavioral_health}
        coded = any(
            topics[reason].coded(stay.diagnoses) and not topics[reason].said(stay.complaint) for reason in fired
        )
        reasons += [*fired, Reason.CODE_CAME_LATE] if coded else fired
    said_anew = stay.complaint != previous.complaint or stay.diagnoses != previous.diagnoses
    if said_anew and any(reason in previous.reasons and reason not in around for reason in _CODED):
        reasons.append(Reason.URGENCY_TAKEN_BACK)
    loud, quiet = _by_policy(case, policy)
    reasons += loud
    if reasons or not quiet:
        return list(dict.fromkeys(reasons)), False
    return quiet, True


def _other_clocks(case: Case, policy: Policy) -> bool:
    """Another diagnosis, after the discharge, starts or ends a clock of a measure (FUH, FUM, FUA)."""
    previous, stay = case.previous, case.step.stay
    assert previous is not None and stay is not None
    if stay.diagnoses == previous.diagnoses or stay.status is not StayStatus.FINISHED:
        return False
    at = case.event.received_at
    now = {clock.kind for clock in clocks_of(stay, case.enrollee, policy, at, at)} & MEASURES
    before = {clock.kind for clock in previous.clocks if clock.status is not ClockStatus.STOPPED} & MEASURES
    return now != before


def _by_policy(case: Case, policy: Policy) -> tuple[list[Reason], list[Reason]]:
    previous, stay = case.previous, case.step.stay
    assert previous is not None and stay is not None
    told: dict[Telling, list[Reason]] = {telling: [] for telling in Telling}
    if stay.attending and previous.attending and stay.attending != previous.attending:
        told[policy.updates.attending].append(Reason.ATTENDING_CHANGED)
    if stay.status in OPEN and stay.expected_discharge and stay.expected_discharge != previous.expected_discharge:
        told[policy.updates.expected_discharge].append(Reason.EXPECTED_DISCHARGE_CHANGED)
    if previous.diagnoses and {found.code for found in stay.diagnoses} - {found.code for found in previous.diagnoses}:
        told[policy.updates.later_diagnoses].append(Reason.DIAGNOSIS_ADDED)
    return told[Telling.TELL], told[Telling.DIGEST]


def _day_corrected(before: datetime | None, now: datetime | None, policy: Policy) -> bool:
    """Another local day: clocks count days, so nothing due moves within one, and the next version carries the hour."""
    return bool(before and now and local_day(before, policy.tz) != local_day(now, policy.tz))


def _how_ended(stay: Stay) -> list[Reason]:
    if stay.died:
        return [Reason.DIED]
    return [Reason.LEFT_AGAINST_ADVICE] if stay.disposition == AGAINST_ADVICE else []


def _version(case: Case, world: World, reasons: tuple[Reason, ...], quiet: bool) -> Alert | None:
    """The version, or None when the policy mutes it."""
    stay, previous, enrollee, policy = case.step.stay, case.previous, case.enrollee, world.policy
    assert stay is not None
    kind = _kind(case, stay)
    tier = enrollee.risk_tier if enrollee else RiskTier.UNKNOWN
    rule = policy.rule_for(Facts(kind, frozenset(reasons), tier, stay.encounter_class, stay.facility_kind))
    if rule.mute:
        return None
    priority = Priority.DIGEST if quiet else policy.priority(rule, world.now)
    routed = world.route(enrollee, kind, frozenset(reasons), world.now)
    told = tuple(dict.fromkeys([*(previous.told if previous else ()), *(own.case_manager_id for own in routed.owners)]))
    readable = routed.to_practice and not _withheld_from_practice(stay, enrollee)
    clocks = clocks_of(stay, enrollee, policy, case.event.received_at, world.now, readable=readable)
    visits, days, _ = ed_visits(stay, case.others, policy)
    return Alert(
        alert_id=stay.stay_id,
        version=previous.version + 1 if previous else 1,
        stay_id=stay.stay_id,
        enrollee_id=stay.enrollee_id,
        kind=kind,
        priority=priority,
        owners=routed.owners,
        told=told,
        action=Action.AMEND if previous else Action.NOTIFY,
        reasons=reasons,
        changes=_changes(previous, stay, reasons) if previous else (),
        clocks=carried(previous.clocks, clocks, reasons[0]) if previous else clocks,
        risk_tier=tier,
        ed_visits=visits,
        ed_window_days=days,
        grade=case.match.grade,
        evidence=case.match.evidence,
        rule=rule.name,
        route=routed.explanation,
        **_content(stay),
        **_source(case, world),
    )


def _withheld_from_practice(stay: Stay, enrollee: Enrollee | None) -> bool:
    """A protected facility without the consent it takes (42 CFR part 2, G.S. 122C): what is told is no notice of it."""
    consent = enrollee.consent if enrollee else Consent.NONE
    needed = _CONSENT_NEEDED.get(stay.facility_kind)
    return needed is not None and consent not in (needed, Consent.ALL)


def _kind(case: Case, stay: Stay) -> AlertKind:
    if stay.died:
        return AlertKind.DEATH
    if stay.status is StayStatus.FINISHED:
        return AlertKind.DISCHARGE
    if case.kind is EventKind.TRANSFERRED and (case.previous is None or case.previous.facility != stay.facility):
        return AlertKind.TRANSFER
    if stay.encounter_class in KIND:
        return KIND[stay.encounter_class]
    return KIND.get(stay.highest_class, AlertKind.ED_VISIT)


def _content(stay: Stay) -> dict[str, Any]:
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


def _source(case: Case, world: World) -> dict[str, Any]:
    event = case.event
    return {
        "occurred_at": event.occurred_at,
        "decided_at": world.now,
        "message_id": event.message_id,
        "trigger": event.trigger,
        "control_id": event.control_id,
    }


def _changes(previous: Alert, stay: Stay, reasons: tuple[Reason, ...] = ()) -> tuple[Change, ...]:
    now, found = _content(stay), []
    corrected = ("started_at",) if Reason.TIME_CORRECTED in reasons else ()
    for field in (*_COMPARED, *corrected):
        before, after = _words(getattr(previous, field)), _words(now[field])
        if before != after:
            found.append(Change(field=field, before=before, after=after))
    return tuple(found)


def _words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(found.code or found.text for found in value)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _hands_over(other: Stay, stay: Stay, policy: Policy) -> bool:
    """The other stay, elsewhere, gave the patient to this one."""
    if other.facility == stay.facility or stay.started_at is None or other.started_at is None:
        return False
    if other.started_at > stay.started_at or other.encounter_class not in TOLD_CLASSES:
        return False
    sent_here = stay.memory.get("source", "") in FROM_A_FACILITY or not _senders(other) & _senders(stay)
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


def _silence(case: Case, policy: Policy) -> Silence:
    """Why nothing is told: the most telling single reason."""
    step, stay, kind = case.step, case.step.stay, case.kind
    if kind is EventKind.PERSON_UPDATED:
        return (Reason.IDENTITY_ONLY,)
    if step.late:
        return (Reason.OUT_OF_ORDER,)
    if kind in (EventKind.PLANNED, EventKind.PLAN_CANCELLED):
        return (Reason.PLANNED_ONLY,)
    if stay is None or stay.status is StayStatus.UNKNOWN or (case.before is None and stay.status in DEAD):
        return (_unknown(case, policy),)
    if stay.status is StayStatus.PLANNED:
        return (Reason.PLANNED_ONLY,)
    if stay.status in DEAD:
        was = case.before.status if case.before else stay.status
        if was is StayStatus.PLANNED:
            return (Reason.PLANNED_ONLY,)
        return (Reason.NOTHING_NEW,) if case.previous or was in DEAD else (Reason.OUTPATIENT,)
    if kind in (EventKind.LEFT_ON_LEAVE, EventKind.BACK_FROM_LEAVE):
        return (Reason.LEAVE_OF_ABSENCE,)
    if kind in (EventKind.TRANSFERRED, EventKind.TRANSFER_CANCELLED):
        return (Reason.MOVE_WITHIN_FACILITY,)
    if not tells(stay) and not case.living:
        no_class = stay.encounter_class is EncounterClass.UNKNOWN
        return (Reason.OUTPATIENT, Reason.UNKNOWN_CLASS) if no_class else (Reason.OUTPATIENT,)
    return (Reason.NOTHING_NEW,)


def _unknown(case: Case, policy: Policy) -> Reason:
    enrollee, visit = case.enrollee, case.event.visit
    begun = visit.admitted_at if visit else None
    if enrollee and enrollee.effective_from and begun and local_day(begun, policy.tz) < enrollee.effective_from:
        return Reason.STAY_BEFORE_ENROLLMENT
    return Reason.STAY_UNKNOWN
