"""The living alert: a stay, the last version told of it and the policy in, the next version or why there is none out.

A version is told when the stay differs from the last version in something worth telling, so a message that says again
what was said adds nothing, in whatever order messages came.
"""

from collections.abc import Mapping
from typing import Any, Final

from parsers.events import EncounterClass, EventKind, FacilityKind
from parsers.people import Consent, Enrollee, RiskTier
from rules.deciding.case import Case, Silence, World
from rules.deciding.clocks import MEASURES, carried, clocks_of, followed, only_registered
from rules.deciding.context import context, ed_visits, tells
from rules.deciding.differences import changes_of, content, differences, opening, silence, unknown
from rules.decisions import (
    Action,
    Alert,
    AlertKind,
    ClockStatus,
    Priority,
    Reason,
    Stay,
    StayStatus,
)
from rules.event_kinds import KINDS
from rules.policy.policy import Facts
from rules.stays.places import same_facility
from rules.stays.table import DEAD, OPEN, RANK

KIND: Final[Mapping[EncounterClass, AlertKind]] = {
    EncounterClass.EMERGENCY: AlertKind.ED_VISIT,
    EncounterClass.OBSERVATION: AlertKind.OBSERVATION,
    EncounterClass.INPATIENT: AlertKind.ADMISSION,
    EncounterClass.UNKNOWN: AlertKind.ADMISSION,
}
_CONSENT_NEEDED: Final = {
    FacilityKind.SUBSTANCE_USE: Consent.PART2,
    FacilityKind.PSYCHIATRIC: Consent.MENTAL_HEALTH,
}


def next_version(case: Case, world: World) -> Alert | Silence:
    """The version this event makes of the stay's alert, or the reasons why it makes none."""
    stay = case.step.stay
    if stay is None:
        outpatient = case.event.visit and case.event.visit.encounter_class is EncounterClass.AMBULATORY
        return (Reason.OUTPATIENT,) if outpatient else (unknown(case, world.policy),)
    if stay.status in DEAD:
        return (
            retraction(case, world, KINDS[case.kind].takes_back or Reason.ADMISSION_CANCELLED)
            if case.living
            else silence(case, world.policy)
        )
    if not tells(stay):
        if not case.living:
            return silence(case, world.policy)
        only_asked = case.before is not None and only_registered(case.before)
        never = RANK[stay.highest_class] <= RANK[EncounterClass.AMBULATORY]
        if (case.kind is EventKind.CLASS_CHANGED or only_asked or never) and not stay.registers.hospital:
            return retraction(case, world, Reason.BACK_TO_OUTPATIENT)
    around = context(stay, case.others, world.policy)
    if case.living:
        reasons, quiet = differences(case, around, world.policy)
    else:
        reasons, quiet = opening(case, stay), False
    if not reasons:
        return silence(case, world.policy)
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
            **content(stay),
            **_source(case, world),
            "version": previous.version + 1,
            "action": Action.RETRACT,
            "status": stay.status,
            "reasons": tuple(dict.fromkeys((reason, *case.extra))),
            "changes": changes_of(previous, stay),
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


def followed_up(case: Case, world: World) -> Alert | None:
    """A version for a stay that is over, whose follow-up (FUH, FUM, FUA) another stay ends, or no longer ends."""
    stay, previous = case.step.stay, case.previous
    if stay is None or previous is None or not case.living or stay.status is not StayStatus.FINISHED:
        return None
    measures = [clock for clock in previous.clocks if clock.kind in MEASURES]
    runs = any(clock.status is ClockStatus.RUNNING for clock in measures)
    ended = any(clock.stopped_by == Reason.FOLLOW_UP_ENDED for clock in measures)
    if not (runs or ended):
        return None
    follows = followed(stay, case.others, world.policy.tz)
    if runs and follows:
        return _version(case, world, (Reason.FOLLOW_UP_ENDED,), quiet=True)
    if ended and not follows and any(clock.due_at >= world.now for clock in measures):
        return _version(case, world, (Reason.FOLLOW_UP_AGAIN,), quiet=False)
    return None


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
    told_so_far = tuple(
        dict.fromkeys([*(previous.told if previous else ()), *(own.case_manager_id for own in routed.owners)])
    )
    readable = routed.to_practice and not _withheld_from_practice(stay, enrollee)
    clocks = clocks_of(stay, enrollee, policy, case.event.received_at, world.now, others=case.others, readable=readable)
    visits, days, _ = ed_visits(stay, case.others, policy)
    return Alert(
        alert_id=stay.stay_id,
        version=previous.version + 1 if previous else 1,
        stay_id=stay.stay_id,
        enrollee_id=stay.enrollee_id,
        kind=kind,
        priority=priority,
        owners=routed.owners,
        told=told_so_far,
        action=Action.AMEND if previous else Action.NOTIFY,
        reasons=reasons,
        changes=changes_of(previous, stay, reasons) if previous else (),
        clocks=carried(previous.clocks, clocks, reasons[0]) if previous else clocks,
        risk_tier=tier,
        ed_visits=visits,
        ed_window_days=days,
        grade=case.match.grade,
        evidence=case.match.evidence,
        rule=rule.name,
        route=routed.explanation,
        **content(stay),
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
    if case.kind is EventKind.TRANSFERRED and (
        case.previous is None or not same_facility(case.previous.facility, stay.facility)
    ):
        return AlertKind.TRANSFER
    if stay.encounter_class in KIND:
        return KIND[stay.encounter_class]
    return KIND.get(stay.highest_class, AlertKind.ED_VISIT)


def _source(case: Case, world: World) -> dict[str, Any]:
    event = case.event
    return {
        "occurred_at": event.occurred_at,
        "decided_at": world.now,
        "message_id": event.message_id,
        "trigger": event.trigger,
        "control_id": event.control_id,
    }
