"""An alert, its enrollee and a recipient in; an allow-list view with its tier out. Render this, never the alert."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from parsers.events import Address, Diagnosis, EncounterClass, FacilityKind, PersonName, Value
from parsers.people import CaseManager, Enrollee, RiskTier
from rules.decisions import (
    Action,
    Alert,
    AlertKind,
    Change,
    Clock,
    Grade,
    Owner,
    Priority,
    Reason,
    StayStatus,
)
from rules.telling.confidentiality import (
    DEFAULT,
    OPENNESS,
    PART2_NOTICE,
    TELLING_CLOCKS,
    Confidentiality,
    Relationship,
    Ruling,
    Tier,
    relationship_of,
    rule_on,
)
from rules.telling.sensitivity import Basis


class WhyWithheld(StrEnum):
    """The reason class a recipient may know; says nothing about which law protects which record."""

    CONSENT_NEEDED = "consent_needed"
    MINIMUM_NECESSARY = "minimum_necessary"
    NOT_YOURS = "not_yours"


class Withheld(Value):
    """One part of the alert that this recipient does not read."""

    part: str  # a field of `AlertView`
    why: WhyWithheld


class PersonView(Value):
    """The enrollee, as far as the recipient may know whom this is about."""

    enrollee_id: str
    name: PersonName
    birth_date: date
    sex: str = ""
    phone: str = ""
    language: str = ""
    practice_id: str = ""
    risk_tier: RiskTier = RiskTier.UNKNOWN
    address: Address | None = None  # full tier only
    programs: tuple[str, ...] = ()  # full tier only


class AlertView(Value):
    """Everything of an alert that may be rendered for one recipient, and the names of what may not.

    Absent (`None`, "" or empty) is either not known or withheld; `withheld` tells which. Render this, never the alert.
    """

    alert_id: str
    version: int
    action: Action
    decided_at: datetime
    tier: Tier
    relationship: Relationship
    withheld: tuple[Withheld, ...] = ()
    notice: str = ""  # to be shown wherever the content is
    person: PersonView | None = None
    kind: AlertKind | None = None
    encounter_class: EncounterClass | None = None
    status: StayStatus | None = None
    priority: Priority | None = None
    owners: tuple[Owner, ...] = ()
    told: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    changes: tuple[Change, ...] = ()
    clocks: tuple[Clock, ...] = ()
    occurred_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    expected_discharge: datetime | None = None
    grade: Grade | None = None
    risk_tier: RiskTier = RiskTier.UNKNOWN
    facility: str = ""
    facility_kind: FacilityKind | None = None
    disposition: str = ""
    diagnoses: tuple[Diagnosis, ...] = ()
    complaint: str = ""
    attending: str = ""
    unit: str = ""
    ed_visits: int = 0
    ed_window_days: int = 0
    message_id: str = ""
    trigger: str = ""
    control_id: str = ""
    evidence: dict[str, str] = {}
    rule: str = ""
    route: str = ""


def view(
    alert: Alert,
    enrollee: Enrollee,
    recipient: CaseManager,
    policy: Confidentiality = DEFAULT,
    *,
    network_id: str = "",
    assigned: bool = False,
    past: bool = False,
    emergency: bool = False,
) -> AlertView:
    """What `recipient` may read of `alert`.

    `network_id` is the network of the enrollee's practice: its team treats. `assigned`: the alert was handed over to
    the recipient by a person, which makes them as near as an owner. `past`: the recipient is a `former` one, who does
    not learn where the enrollee lives and is at home now. `emergency`: as in `rule_on`.
    """
    relationship = relationship_of(alert, enrollee, recipient, network_id, assigned)
    readable = view_as(alert, enrollee, relationship, recipient.case_manager_id, policy, emergency=emergency)
    if not past or readable.person is None:
        return readable
    now = {"phone": "", "address": None, "practice_id": "", "programs": (), "language": ""}
    return readable.model_copy(update={"person": readable.person.model_copy(update=now)})


def view_as(
    alert: Alert,
    enrollee: Enrollee,
    relationship: Relationship,
    who: str,
    policy: Confidentiality = DEFAULT,
    at_most: Tier = Tier.FULL,
    *,
    emergency: bool = False,
) -> AlertView:
    """What somebody, or a system, may read who is that to the enrollee. `who`: their id, `at_most`: a tighter tier."""
    ruling = rule_on(alert, enrollee, relationship, policy, emergency=emergency)
    match min(ruling.tier, at_most, key=OPENNESS.index):
        case Tier.FULL:
            return _full(alert, enrollee, relationship)
        case Tier.GENERAL:
            return _general(alert, enrollee, relationship, who, ruling)
    why = WhyWithheld.NOT_YOURS if relationship is Relationship.NONE else WhyWithheld.CONSENT_NEEDED
    return ids_only(alert, relationship, why)


def ids_only(alert: Alert, relationship: Relationship, why: WhyWithheld) -> AlertView:
    """Of a version nothing but that there is one."""
    return AlertView(
        alert_id=alert.alert_id,
        version=alert.version,
        action=alert.action,
        decided_at=alert.decided_at,
        tier=Tier.WITHHELD,
        relationship=relationship,
        withheld=(Withheld(part="person", why=why), Withheld(part="stay", why=why)),
    )


def told_versions(
    versions: Sequence[Alert], enrollee: Enrollee, recipient: CaseManager, network_id: str = "", assigned: bool = False
) -> tuple[Alert, ...]:
    """The versions of one alert that `recipient` was told, oldest first, out of all of them, oldest first.

    Who answers for the enrollee now reads all. Who once did, and does not any more, reads those that were theirs; a
    retraction later on is told to them too, about what they were told and with nothing that came after it.
    """
    newest, who = versions[-1], recipient.case_manager_id
    if not former(newest, enrollee, recipient, network_id, assigned):
        return tuple(versions)
    versions_told: list[Alert] = []
    for alert in versions:
        if any(owner.case_manager_id == who for owner in alert.owners) and alert.action is not Action.RETRACT:
            versions_told.append(alert)
        elif alert.action is Action.RETRACT and versions_told:
            versions_told.append(
                versions_told[-1].model_copy(update={name: getattr(alert, name) for name in _OF_A_RETRACTION})
            )
    return tuple(versions_told) or (versions[0],)


def former(
    alert: Alert, enrollee: Enrollee, recipient: CaseManager, network_id: str = "", assigned: bool = False
) -> bool:
    """Whether `recipient` was told of the alert once and does not answer for the enrollee any more."""
    who = recipient.case_manager_id
    if assigned or any(owner.case_manager_id == who for owner in alert.owners):
        return False
    carries = enrollee.practice_id in recipient.practices
    return not carries and not (bool(network_id) and recipient.network_id == network_id)


def audited(alert: Alert, enrollee: Enrollee, seen: AlertView, policy: Confidentiality = DEFAULT) -> str:
    """Tier and the rules that set it, for the audit row of somebody who read `seen`: never for a page."""
    ruling = rule_on(alert, enrollee, seen.relationship, policy)
    return f"{ruling.tier}: {', '.join(ruling.bases)}"


_OF_A_RETRACTION: Final = (
    *("version", "action", "status", "reasons", "occurred_at", "decided_at", "message_id", "trigger", "control_id"),
)
_MORE_THAN_NECESSARY: Final = ("complaint", "attending", "unit")
_GENERAL_CHANGES: Final = frozenset({"status", "encounter_class", "kind", "priority"})
_GENERAL_WORDS: Final = frozenset(
    {"", *(word.value for words in (StayStatus, EncounterClass, AlertKind, Priority) for word in words)}
)
_GENERAL_OWNERS: Final = frozenset({"practice", "network", "central_office"})
_NOT_GENERAL: Final = (
    "facility",
    "facility_kind",
    "disposition",
    "diagnoses",
    "complaint",
    "attending",
    "unit",
    "ed_visits",
    "message_id",
    "trigger",
    "control_id",
    "evidence",
    "rule",
    "route",
)


def _full(alert: Alert, enrollee: Enrollee, relationship: Relationship) -> AlertView:
    payer_side = relationship is Relationship.PLAN
    changed = {change.field for change in alert.changes}
    left_out = [part for part in _MORE_THAN_NECESSARY if payer_side and (getattr(alert, part) or part in changed)]
    return AlertView(
        alert_id=alert.alert_id,
        version=alert.version,
        action=alert.action,
        decided_at=alert.decided_at,
        tier=Tier.FULL,
        relationship=relationship,
        withheld=tuple(Withheld(part=part, why=WhyWithheld.MINIMUM_NECESSARY) for part in left_out),
        notice=PART2_NOTICE if alert.facility_kind is FacilityKind.SUBSTANCE_USE else "",
        person=PersonView(
            enrollee_id=enrollee.enrollee_id,
            name=enrollee.name,
            birth_date=enrollee.birth_date,
            sex=enrollee.sex,
            phone=enrollee.phone,
            language=enrollee.language,
            practice_id=enrollee.practice_id,
            risk_tier=enrollee.risk_tier,
            address=enrollee.address,
            programs=enrollee.programs,
        ),
        kind=alert.kind,
        encounter_class=alert.encounter_class,
        status=alert.status,
        priority=alert.priority,
        owners=alert.owners,
        told=alert.told,
        reasons=alert.reasons,
        changes=tuple(change for change in alert.changes if change.field not in left_out),
        clocks=alert.clocks,
        occurred_at=alert.occurred_at,
        started_at=alert.started_at,
        ended_at=alert.ended_at,
        expected_discharge=alert.expected_discharge,
        grade=alert.grade,
        risk_tier=alert.risk_tier,
        facility=alert.facility,
        facility_kind=alert.facility_kind,
        disposition=alert.disposition,
        diagnoses=alert.diagnoses,
        complaint="" if payer_side else alert.complaint,
        attending="" if payer_side else alert.attending,
        unit="" if payer_side else alert.unit,
        ed_visits=alert.ed_visits,
        ed_window_days=alert.ed_window_days,
        message_id=alert.message_id,
        trigger=alert.trigger,
        control_id=alert.control_id,
        evidence=alert.evidence,
        rule=alert.rule,
        route=alert.route,
    )


def _general(alert: Alert, enrollee: Enrollee, relationship: Relationship, who: str, ruling: Ruling) -> AlertView:
    owners = tuple(owner for owner in alert.owners if owner.case_manager_id == who or owner.because in _GENERAL_OWNERS)
    visible = {who, *(owner.case_manager_id for owner in owners)}
    why = WhyWithheld.MINIMUM_NECESSARY if ruling.bases == (Basis.MINIMUM_NECESSARY,) else WhyWithheld.CONSENT_NEEDED
    return AlertView(
        alert_id=alert.alert_id,
        version=alert.version,
        action=alert.action,
        decided_at=alert.decided_at,
        tier=Tier.GENERAL,
        relationship=relationship,
        withheld=tuple(Withheld(part=part, why=why) for part in _NOT_GENERAL),
        person=PersonView(
            enrollee_id=enrollee.enrollee_id,
            name=enrollee.name,
            birth_date=enrollee.birth_date,
            sex=enrollee.sex,
            phone=enrollee.phone,
            language=enrollee.language,
            practice_id=enrollee.practice_id,
            risk_tier=enrollee.risk_tier,
        ),
        kind=alert.kind,
        encounter_class=alert.encounter_class,
        status=alert.status,
        priority=alert.priority,
        owners=tuple(Owner(case_manager_id=owner.case_manager_id, because="") for owner in owners),
        told=tuple(person for person in alert.told if person in visible),
        reasons=tuple(reason for reason in alert.reasons if reason.general),
        changes=tuple(change for change in alert.changes if _tells_nothing_more(change)),
        clocks=tuple(
            clock.model_copy(update={"stopped_by": ""}) for clock in alert.clocks if clock.kind not in TELLING_CLOCKS
        ),
        occurred_at=alert.occurred_at,
        started_at=alert.started_at,
        ended_at=alert.ended_at,
        expected_discharge=alert.expected_discharge,
        grade=alert.grade,
        risk_tier=alert.risk_tier,
    )


def _tells_nothing_more(change: Change) -> bool:
    return change.field in _GENERAL_CHANGES and {change.before, change.after} <= _GENERAL_WORDS
