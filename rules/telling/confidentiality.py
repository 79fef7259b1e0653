"""What one recipient may read of an alert: alert, enrollee and recipient in, an allow-list view with its tier out.

Sources: 42 CFR Part 2 (records of substance-use programs: disclosure needs written consent, 2.31, and carries a
notice, 2.32), N.C. G.S. 122C-52 (records of mental-health, developmental-disability and substance-use facilities),
45 CFR 164.502(b) (minimum necessary: the payer's side sees less than those who treat). Without consent: withhold.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Annotated, Final, NamedTuple

from pydantic import BeforeValidator

from parsers.events import Address, Diagnosis, EncounterClass, FacilityKind, PersonName, Value
from parsers.people import CaseManager, Consent, Enrollee, RiskTier, Role
from rules.decisions import (
    Action,
    Alert,
    AlertKind,
    Change,
    Clock,
    ClockKind,
    Grade,
    Owner,
    Priority,
    Reason,
    StayStatus,
)
from rules.policy.policy import PolicyFault, checked


class Tier(StrEnum):
    """How much of an alert a recipient reads."""

    FULL = "full"
    GENERAL = "general"  # who, and that something happened; neither where nor why
    WITHHELD = "withheld"  # that there is something, not about whom


class Relationship(StrEnum):
    """What the recipient is to the enrollee."""

    TREATING = "treating"  # the team of the medical home
    PLAN = "plan"  # payer side: a care coordinator of the LME/MCO
    CENTRAL = "central"  # the central office, when nobody nearer answers
    NONE = "none"  # nobody's business


class Basis(StrEnum):
    """Which rule limited the content: for the audit trail, never for the page of somebody it keeps out."""

    NOTHING = "nothing"
    NO_RELATIONSHIP = "no_relationship"
    PART2_FACILITY = "part2_facility"
    FACILITY_122C = "facility_122c"
    SUBSTANCE_USE_DIAGNOSIS = "substance_use_diagnosis"
    MENTAL_HEALTH_DIAGNOSIS = "mental_health_diagnosis"
    UNCLASSIFIED_DIAGNOSIS = "unclassified_diagnosis"
    MINIMUM_NECESSARY = "minimum_necessary"


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


def _closed(value: object) -> object:
    if value not in (Tier.GENERAL, Tier.WITHHELD):
        raise ValueError("expected 'general' or 'withheld'")
    return value


Limit = Annotated[Tier, BeforeValidator(_closed)]


class Confidentiality(Value):
    """How far content goes where consent is missing (`confidentiality.toml`). Nothing in it opens what the law closes;
    what a file leaves out is as here."""

    part2_facility: Limit = Tier.WITHHELD
    facility_122c: Limit = Tier.WITHHELD
    sensitive_diagnosis_to_plan: Limit = Tier.GENERAL
    sensitive_diagnosis_to_central: Limit = Tier.GENERAL
    plan_without_sensitive_diagnosis: Tier = Tier.FULL  # FULL still leaves out `_MORE_THAN_NECESSARY`


class Ruling(NamedTuple):
    """The tier and the rules that set it, for the audit trail."""

    tier: Tier
    bases: tuple[Basis, ...]


def load_confidentiality(text: str) -> Confidentiality | tuple[PolicyFault, ...]:
    """What a `confidentiality.toml` says, or every fault in it at once."""
    return checked(text, Confidentiality)


@cache
def default_confidentiality() -> Confidentiality:
    """The one shipped with the package."""
    loaded = load_confidentiality(
        resources.files("rules.telling").joinpath("confidentiality.toml").read_text(encoding="utf-8")
    )
    if isinstance(loaded, tuple):
        raise TypeError("the shipped confidentiality.toml has faults")
    return loaded


DEFAULT: Final = Confidentiality()
# 42 CFR 2.32, the short form, in the words of the rule of 2024 (89 FR 12472; "use or" is what it added to 2018's).
PART2_NOTICE: Final = "42 CFR part 2 prohibits unauthorized use or disclosure of these records."


def view(
    alert: Alert,
    enrollee: Enrollee,
    recipient: CaseManager,
    policy: Confidentiality = DEFAULT,
    *,
    network_id: str = "",
    assigned: bool = False,
    past: bool = False,
) -> AlertView:
    """What `recipient` may read of `alert`.

    `network_id` is the network of the enrollee's practice: its team treats. `assigned`: the alert was handed over to
    the recipient by a person, which makes them as near as an owner. `past`: the recipient is a `former` one, who does
    not learn where the enrollee lives and is at home now.
    """
    found = _viewed(alert, enrollee, recipient, policy, network_id, assigned)
    if not past or found.person is None:
        return found
    now = {"phone": "", "address": None, "practice_id": "", "programs": (), "language": ""}
    return found.model_copy(update={"person": found.person.model_copy(update=now)})


def _viewed(
    alert: Alert, enrollee: Enrollee, recipient: CaseManager, policy: Confidentiality, network_id: str, assigned: bool
) -> AlertView:
    relationship = relationship_of(alert, enrollee, recipient, network_id, assigned)
    ruling = rule_on(alert, enrollee, relationship, policy)
    match ruling.tier:
        case Tier.FULL:
            return _full(alert, enrollee, relationship)
        case Tier.GENERAL:
            return _general(alert, enrollee, relationship, recipient, ruling)
    why = WhyWithheld.NOT_YOURS if relationship is Relationship.NONE else WhyWithheld.CONSENT_NEEDED
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
    found: list[Alert] = []
    for alert in versions:
        if any(owner.case_manager_id == who for owner in alert.owners) and alert.action is not Action.RETRACT:
            found.append(alert)
        elif alert.action is Action.RETRACT and found:
            found.append(found[-1].model_copy(update={name: getattr(alert, name) for name in _OF_A_RETRACTION}))
    return tuple(found) or (versions[0],)


def former(
    alert: Alert, enrollee: Enrollee, recipient: CaseManager, network_id: str = "", assigned: bool = False
) -> bool:
    """Whether `recipient` was told of the alert once and does not answer for the enrollee any more."""
    who = recipient.case_manager_id
    if assigned or any(owner.case_manager_id == who for owner in alert.owners):
        return False
    carries = enrollee.practice_id in recipient.practices
    return not carries and not (bool(network_id) and recipient.network_id == network_id)


def relationship_of(
    alert: Alert, enrollee: Enrollee, recipient: CaseManager, network_id: str = "", assigned: bool = False
) -> Relationship:
    """What the recipient is to the enrollee of this alert."""
    who = recipient.case_manager_id
    near = assigned or who in alert.told or any(owner.case_manager_id == who for owner in alert.owners)
    if recipient.role is Role.CENTRAL_OFFICE:
        return Relationship.CENTRAL
    if recipient.role is Role.CARE_COORDINATOR or recipient.lme_mco_id:
        return Relationship.PLAN if near else Relationship.NONE
    carries = enrollee.practice_id in recipient.practices
    of_network = bool(network_id) and recipient.network_id == network_id
    return Relationship.TREATING if near or carries or of_network else Relationship.NONE


def rule_on(alert: Alert, enrollee: Enrollee, relationship: Relationship, policy: Confidentiality = DEFAULT) -> Ruling:
    """The most restrictive tier that any rule asks for."""
    if relationship is Relationship.NONE:
        return Ruling(Tier.WITHHELD, (Basis.NO_RELATIONSHIP,))
    limits: list[tuple[Tier, Basis]] = []
    substance_use_agreed = enrollee.consent in (Consent.PART2, Consent.ALL)
    mental_health_agreed = enrollee.consent in (Consent.MENTAL_HEALTH, Consent.ALL)
    at_122c = alert.facility_kind is FacilityKind.PSYCHIATRIC
    if alert.facility_kind is FacilityKind.SUBSTANCE_USE and not substance_use_agreed:
        limits.append((policy.part2_facility, Basis.PART2_FACILITY))
    if at_122c and not mental_health_agreed:
        limits.append((policy.facility_122c, Basis.FACILITY_122C))
    if relationship is not Relationship.TREATING:
        plan = relationship is Relationship.PLAN
        to_them = policy.sensitive_diagnosis_to_plan if plan else policy.sensitive_diagnosis_to_central
        if plan and policy.plan_without_sensitive_diagnosis is not Tier.FULL:
            limits.append((policy.plan_without_sensitive_diagnosis, Basis.MINIMUM_NECESSARY))
    else:
        to_them = Tier.GENERAL
    for basis in _sensitive(alert):
        agreed = {
            Basis.SUBSTANCE_USE_DIAGNOSIS: substance_use_agreed,
            Basis.MENTAL_HEALTH_DIAGNOSIS: mental_health_agreed,
            Basis.UNCLASSIFIED_DIAGNOSIS: enrollee.consent is Consent.ALL,
        }[basis]
        mixed = at_122c and basis is Basis.SUBSTANCE_USE_DIAGNOSIS  # consent to the one record is not to the other
        if not agreed and (relationship is not Relationship.TREATING or mixed):
            limits.append((to_them, basis))
    if not limits:
        return Ruling(Tier.FULL, (Basis.NOTHING,))
    tier = Tier.WITHHELD if any(limit is Tier.WITHHELD for limit, _ in limits) else Tier.GENERAL
    return Ruling(tier, tuple(dict.fromkeys(basis for _, basis in limits)))


def audited(alert: Alert, enrollee: Enrollee, seen: AlertView, policy: Confidentiality = DEFAULT) -> str:
    """Tier and the rules that set it, for the audit row of somebody who read `seen`: never for a page."""
    ruling = rule_on(alert, enrollee, seen.relationship, policy)
    return f"{ruling.tier}: {', '.join(ruling.bases)}"


def sensitivity(diagnosis: Diagnosis) -> Basis:
    """Which protection a diagnosis falls under; one that cannot be told is protected like the others.

    ICD-10-CM: F10-F19 substance use, T36-T51 poisoning, and codes that name alcohol as the cause; F20-F99 mental and
    developmental, with suicidal ideation and attempt. ICD-9-CM: 291, 292, 303-305, 960-980; the rest of 290-319.
    """
    code = diagnosis.code.strip().upper().replace(".", "")
    system = diagnosis.system.strip().upper().replace("-", "")
    if not code:
        return Basis.UNCLASSIFIED_DIAGNOSIS if diagnosis.text.strip() else Basis.NOTHING
    if system.startswith("I9") or (not system.startswith("I10") and code[:3].isdigit() and 3 <= len(code) <= 5):
        return _icd9(code)
    if system and not system.startswith(("I10", "ICD10", "ICD")):
        return Basis.UNCLASSIFIED_DIAGNOSIS
    if not code[:1].isalpha() or not code[1:2].isdigit():
        return Basis.UNCLASSIFIED_DIAGNOSIS
    if code.startswith(_SUBSTANCE_USE):
        return Basis.SUBSTANCE_USE_DIAGNOSIS
    return Basis.MENTAL_HEALTH_DIAGNOSIS if code.startswith(_MENTAL_HEALTH) else Basis.NOTHING


def _icd9(code: str) -> Basis:
    if not code[:3].isdigit():
        return Basis.NOTHING if code[:1] in "EV" else Basis.UNCLASSIFIED_DIAGNOSIS
    category = int(code[:3])
    if category in (291, 292, 303, 304, 305) or 960 <= category <= 980:
        return Basis.SUBSTANCE_USE_DIAGNOSIS
    return Basis.MENTAL_HEALTH_DIAGNOSIS if 290 <= category <= 319 else Basis.NOTHING


def _sensitive(alert: Alert) -> Iterable[Basis]:
    found = {sensitivity(diagnosis): None for diagnosis in alert.diagnoses}
    taken_back = Reason.URGENCY_TAKEN_BACK in alert.reasons  # its changes still name what was said
    if Reason.OVERDOSE in alert.reasons or taken_back:
        found[Basis.SUBSTANCE_USE_DIAGNOSIS] = None
    if Reason.BEHAVIORAL_HEALTH in alert.reasons or taken_back:
        found[Basis.MENTAL_HEALTH_DIAGNOSIS] = None
    for clock in alert.clocks:
        if clock.kind in (ClockKind.FUA_7, ClockKind.FUA_30):
            found[Basis.SUBSTANCE_USE_DIAGNOSIS] = None
        elif clock.kind in _TELLING_CLOCKS:
            found[Basis.MENTAL_HEALTH_DIAGNOSIS] = None
    found.pop(Basis.NOTHING, None)
    return found


_SUBSTANCE_USE: Final = (
    *("F1", "K70", "K292", "G621", "I426", "O9931", "O9932", "R780", "Z7141", "Z7151"),
    *(f"T{number}" for number in range(36, 52)),
)
_MENTAL_HEALTH: Final = (*(f"F{tens}" for tens in range(2, 10)), "R4585", "T1491", "Z915")
_TELLING_CLOCKS: Final = frozenset(
    {ClockKind.FUH_7, ClockKind.FUH_30, ClockKind.FUM_7, ClockKind.FUM_30, ClockKind.FUA_7, ClockKind.FUA_30}
)
_OF_A_RETRACTION: Final = (
    *("version", "action", "status", "reasons", "occurred_at", "decided_at", "message_id", "trigger", "control_id"),
)
_MORE_THAN_NECESSARY: Final = ("complaint", "attending", "unit")
_GENERAL_REASONS: Final = frozenset(
    {
        Reason.ED_ARRIVAL,
        Reason.ADMITTED,
        Reason.OBSERVATION,
        Reason.TRANSFERRED_IN,
        Reason.DISCHARGED,
        Reason.DISCHARGED_WITHOUT_ADMISSION,
        Reason.CLASS_CHANGED,
        Reason.DIED,
        Reason.DEATH_TAKEN_BACK,
        Reason.TIME_CORRECTED,
        Reason.REGISTERED,
        Reason.READMISSION,
        Reason.PLANNED_ADMISSION,
        Reason.IDENTITY_CORRECTED,
        Reason.LATE_ENROLLMENT,
        Reason.RELEASED_BY_REVIEW,
        Reason.ADMISSION_CANCELLED,
        Reason.DISCHARGE_CANCELLED,
        Reason.TRANSFER_CANCELLED,
        Reason.VISIT_DELETED,
        Reason.PERSON_DELETED,
        Reason.MOVED_TO_ANOTHER_PERSON,
        Reason.MERGED,
        Reason.BACK_TO_OUTPATIENT,
    }
)
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


def _general(
    alert: Alert, enrollee: Enrollee, relationship: Relationship, recipient: CaseManager, ruling: Ruling
) -> AlertView:
    who = recipient.case_manager_id
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
        reasons=tuple(reason for reason in alert.reasons if reason in _GENERAL_REASONS),
        changes=tuple(change for change in alert.changes if _tells_nothing_more(change)),
        clocks=tuple(
            clock.model_copy(update={"stopped_by": ""}) for clock in alert.clocks if clock.kind not in _TELLING_CLOCKS
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
