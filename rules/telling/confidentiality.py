"""What one recipient may read of an alert: alert, enrollee and recipient in, an allow-list view with its tier out.

Sources: 42 CFR Part 2 (records of substance-use programs: disclosure needs written consent, 2.31, and carries a
notice, 2.32), N.C. G.S. 122C-52 (records of mental-health, developmental-disability and substance-use facilities),
45 CFR 164.502(b) (minimum necessary: the payer's side sees less than those who treat). Without consent: withhold.
"""

from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Annotated, Final, NamedTuple

from pydantic import BeforeValidator

from parsers.events import FacilityKind, Value
from parsers.people import CaseManager, Consent, Enrollee, Role
from rules.decisions import (
    Alert,
    ClockKind,
    Reason,
)
from rules.policy.rule_file import RuleFault, checked
from rules.telling.sensitivity import Basis, sensitivity


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


def load_confidentiality(text: str) -> Confidentiality | tuple[RuleFault, ...]:
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
OPENNESS: Final = (Tier.WITHHELD, Tier.GENERAL, Tier.FULL)
# 42 CFR 2.32, the short form, in the words of the rule of 2024 (89 FR 12472; "use or" is what it added to 2018's).
PART2_NOTICE: Final = "42 CFR part 2 prohibits unauthorized use or disclosure of these records."


def relationship_of(
    alert: Alert, enrollee: Enrollee, recipient: CaseManager, network_id: str = "", assigned: bool = False
) -> Relationship:
    """What the recipient is to the enrollee of this alert."""
    who = recipient.case_manager_id
    near = assigned or who in alert.told or any(owner.case_manager_id == who for owner in alert.owners)
    if recipient.role is Role.CENTRAL_OFFICE:
        return Relationship.CENTRAL
    if recipient.is_at_plan:
        return Relationship.PLAN if near else Relationship.NONE
    carries = enrollee.practice_id in recipient.practices
    of_network = bool(network_id) and recipient.network_id == network_id
    return Relationship.TREATING if near or carries or of_network else Relationship.NONE


def rule_on(
    alert: Alert,
    enrollee: Enrollee,
    relationship: Relationship,
    policy: Confidentiality = DEFAULT,
    *,
    emergency: bool = False,
) -> Ruling:
    """The most restrictive tier that any rule asks for.

    `emergency`: to medical personnel in a medical emergency, where 42 CFR 2.51 asks no consent; state law still does.
    """
    if relationship is Relationship.NONE:
        return Ruling(Tier.WITHHELD, (Basis.NO_RELATIONSHIP,))
    limits: list[tuple[Tier, Basis]] = []
    substance_use_agreed = emergency or enrollee.consent in (Consent.PART2, Consent.ALL)
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


def _sensitive(alert: Alert) -> Iterable[Basis]:
    bases = {sensitivity(diagnosis): None for diagnosis in alert.diagnoses}
    taken_back = Reason.URGENCY_TAKEN_BACK in alert.reasons  # its changes still name what was said
    if Reason.OVERDOSE in alert.reasons or taken_back:
        bases[Basis.SUBSTANCE_USE_DIAGNOSIS] = None
    if Reason.BEHAVIORAL_HEALTH in alert.reasons or taken_back:
        bases[Basis.MENTAL_HEALTH_DIAGNOSIS] = None
    for clock in alert.clocks:
        if clock.kind in (ClockKind.FUA_7, ClockKind.FUA_30):
            bases[Basis.SUBSTANCE_USE_DIAGNOSIS] = None
        elif clock.kind in TELLING_CLOCKS:
            bases[Basis.MENTAL_HEALTH_DIAGNOSIS] = None
    bases.pop(Basis.NOTHING, None)
    return bases


TELLING_CLOCKS: Final = frozenset(
    {ClockKind.FUH_7, ClockKind.FUH_30, ClockKind.FUM_7, ClockKind.FUM_30, ClockKind.FUA_7, ClockKind.FUA_30}
)
