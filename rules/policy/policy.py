"""The policy: text of a `policy.toml` in, a checked `Policy` or every fault in it out.

A policy that loads always decides: its last rule holds for everything.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime, time
from enum import StrEnum
from functools import cache, cached_property
from importlib import resources
from typing import Annotated, Final, NamedTuple, Self
from zoneinfo import ZoneInfo, available_timezones

import holidays
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from parsers.events import Diagnosis, EncounterClass, FacilityKind
from parsers.hours import EXPECTED, Spans, read_hours, within
from parsers.people import Payer, RiskTier
from rules.decisions import AlertKind, ClockKind, Priority, Reason
from rules.policy.icd10 import ICD_CODE, Codes, code_in
from rules.policy.office import OFFICE_ZONE
from rules.policy.rule_file import RuleFault, checked


class Telling(StrEnum):
    """How an update is told that is no change of the stay itself."""

    TELL = "tell"
    DIGEST = "digest"
    SILENT = "silent"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _hours(text: str) -> str:
    if read_hours(text) is None:
        raise ValueError(f"expected {EXPECTED}")
    return text


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("expected an IANA time zone such as America/New_York")
    return name


def _state(code: str) -> str:
    if code and code not in holidays.list_supported_countries()["US"]:
        raise ValueError("expected a US state such as NC, or empty for federal holidays only")
    return code


Days = Annotated[int, Field(ge=1, le=3660)]


class Windows(_Part):
    readmission_days: Days = 30
    transfer_hours: Annotated[int, Field(ge=0, le=240)] = 24
    recent_snf_days: Days = 30
    no_call_days: Days = 30


Hours = Annotated[int, Field(ge=1, le=24 * 3660)]


class Unheard(_Part):
    """Hours without a message after which an open stay's discharge counts as never sent, by patient class."""

    emergency: Hours = 48
    observation: Hours = 96
    inpatient: Hours = 24 * 30
    other: Hours = 24 * 7

    def hours(self, encounter_class: EncounterClass) -> int:
        named = {
            EncounterClass.EMERGENCY: self.emergency,
            EncounterClass.OBSERVATION: self.observation,
            EncounterClass.INPATIENT: self.inpatient,
        }
        return named.get(encounter_class, self.other)


class Frequency(_Part):
    visits: Annotated[int, Field(ge=2, le=1000)]
    days: Days


class Updates(_Part):
    attending: Telling = Telling.SILENT
    expected_discharge: Telling = Telling.SILENT
    later_diagnoses: Telling = Telling.SILENT
    starts_alert: bool = False
    discharges: bool = False


class QuietHours(_Part):
    hours: Annotated[str, AfterValidator(_hours)] = "21:00-07:00"
    to_digest: tuple[Priority, ...] = (Priority.ROUTINE,)

    @cached_property
    def spans(self) -> Spans:
        return read_hours(self.hours) or ()


class Topic(_Part):
    """Words of a complaint and codes of a diagnosis that mean the same thing."""

    words: tuple[Annotated[str, Field(min_length=2)], ...] = ()
    except_: tuple[Annotated[str, Field(min_length=2)], ...] = Field((), alias="except")
    codes: Codes = ()

    @cached_property
    def _word(self) -> re.Pattern[str] | None:
        return _phrases(self.words)

    @cached_property
    def _exception(self) -> re.Pattern[str] | None:
        return _phrases(self.except_)

    def said(self, complaint: str) -> bool:
        """The complaint speaks of it, and does not deny it."""
        if not complaint or self._word is None:
            return False
        text = self._exception.sub(" ", complaint) if self._exception else complaint
        return any(not _DENIED.search(text[: word.start()]) for word in self._word.finditer(text))

    def worded(self, diagnoses: Iterable[Diagnosis]) -> bool:
        """A diagnosis without an ICD-10 code speaks of it in its words, as a complaint does."""
        return any(
            self.said(diagnosis.text)
            for diagnosis in diagnoses
            if not ICD_CODE.fullmatch(diagnosis.code.strip().upper())
        )

    def coded(self, diagnoses: Iterable[Diagnosis]) -> bool:
        return any(code_in(diagnosis, self.codes) for diagnosis in diagnoses)


class Calendar(StrEnum):
    """Whose holidays are no business days."""

    FEDERAL = "federal"
    STATE = "state"
    EARLIER = "earlier"  # of the two, for each clock the one by which it is due earlier


class Business(_Part):
    state: Annotated[str, AfterValidator(_state)] = "NC"
    calendar: Calendar = Calendar.EARLIER
    closed: tuple[date, ...] = ()
    day_ends: time = time(17)


class WhenUnknown(StrEnum):
    """What becomes of a clock that some payers ask for, when the enrollee's payer is not known."""

    RUN = "run"  # and it says that this is assumed
    LEAVE_OUT = "leave_out"


class Tries(_Part):
    """How many separate tries count as tried, for these clocks and payers; empty lists hold for all."""

    clocks: frozenset[ClockKind] = frozenset()
    payers: frozenset[Payer] = frozenset()
    count: Annotated[int, Field(ge=0, le=20)]

    def holds(self, kind: ClockKind, payer: Payer) -> bool:
        return (not self.clocks or kind in self.clocks) and (not self.payers or payer in self.payers)


class ClockRules(_Part):
    tcm_contact_business_days: Annotated[int, Field(ge=1, le=30)] = 2
    tcm_visit_days: dict[RiskTier, Annotated[int, Field(ge=1, le=90)]] = {}
    tcm_dispositions: tuple[str, ...] = ("", "01", "06")
    trc_receipt_days: Annotated[int, Field(ge=0, le=30)] = 2
    trc_follow_up_days: Days = 30
    trc_payers: frozenset[Payer] = frozenset({Payer.MEDICARE, Payer.DUAL})
    trc_age: Annotated[int, Field(ge=0, le=120)] = 18
    trc_not_after: tuple[str, ...] = ("50", "51")
    payer_unknown: WhenUnknown = WhenUnknown.RUN
    tries: tuple[Tries, ...] = ()
    mental_illness_codes: Codes = ()
    substance_codes: Codes = ()
    overdose_codes: Codes = ("T36-T50",)
    mental_illness_age: Annotated[int, Field(ge=0, le=120)] = 6
    substance_age: Annotated[int, Field(ge=0, le=120)] = 13

    def tries_for(self, kind: ClockKind, payer: Payer) -> int:
        """Of the first line that holds; 0 where none does."""
        return next((line.count for line in self.tries if line.holds(kind, payer)), 0)


class Rule(_Part):
    """The first rule that holds sets what an alert's version is worth. Empty conditions hold for everything."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    priority: Priority = Priority.ROUTINE
    mute: bool = False
    reasons: frozenset[Reason] = frozenset()
    unless: frozenset[Reason] = frozenset()
    kinds: frozenset[AlertKind] = frozenset()
    risk_tiers: frozenset[RiskTier] = frozenset()
    classes: frozenset[EncounterClass] = frozenset()
    facility_kinds: frozenset[FacilityKind] = frozenset()

    @property
    def unconditional(self) -> bool:
        conditions = (self.reasons, self.unless, self.kinds, self.risk_tiers, self.classes, self.facility_kinds)
        return not any(conditions)

    def holds(self, facts: "Facts") -> bool:
        return (
            (not self.reasons or not self.reasons.isdisjoint(facts.reasons))
            and self.unless.isdisjoint(facts.reasons)
            and (not self.kinds or facts.kind in self.kinds)
            and (not self.risk_tiers or facts.tier in self.risk_tiers)
            and (not self.classes or facts.encounter_class in self.classes)
            and (not self.facility_kinds or facts.facility_kind in self.facility_kinds)
        )


class Facts(NamedTuple):
    """What a rule's conditions are held against."""

    kind: AlertKind
    reasons: frozenset[Reason]
    tier: RiskTier
    encounter_class: EncounterClass
    facility_kind: FacilityKind


class Policy(_Part):
    zone: Annotated[str, AfterValidator(_zone)] = OFFICE_ZONE.key
    windows: Windows = Windows()
    unheard: Unheard = Unheard()
    ed_high_utilizer: tuple[Frequency, ...] = ()
    updates: Updates = Updates()
    quiet_hours: QuietHours = QuietHours()
    behavioral_health: Topic = Topic()
    overdose: Topic = Topic()
    business: Business = Business()
    clocks: ClockRules = ClockRules()
    rules: tuple[Rule, ...]

    @model_validator(mode="after")
    def _always_decides(self) -> Self:
        if not self.rules:
            raise ValueError("rules: at least one rule is needed, without conditions")
        names = [rule.name for rule in self.rules]
        if len(set(names)) != len(names):
            raise ValueError("rules: every rule needs a name of its own")
        if not self.rules[-1].unconditional:
            raise ValueError("rules: the last rule must have no conditions, so that every alert meets one")
        if any(rule.unconditional for rule in self.rules[:-1]):
            raise ValueError("rules: only the last rule may be without conditions, those after it would never be met")
        return self

    @cached_property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def rule_for(self, facts: Facts) -> Rule:
        return next(rule for rule in self.rules if rule.holds(facts))

    def priority(self, rule: Rule, at: datetime) -> Priority:
        """What the rule says, or the digest in quiet hours."""
        if rule.priority in self.quiet_hours.to_digest and within(self.quiet_hours.spans, at.astimezone(self.tz)):
            return Priority.DIGEST
        return rule.priority


def load_policy(text: str) -> Policy | tuple[RuleFault, ...]:
    """The policy a file describes, or every fault in it at once."""
    return checked(text, Policy)


@cache
def default_policy() -> Policy:
    """The policy shipped with the package."""
    policy = load_policy(resources.files("rules.policy").joinpath("policy.toml").read_text(encoding="utf-8"))
    if isinstance(policy, tuple):
        raise TypeError("the shipped policy.toml has faults")
    return policy


def local_day(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()


_DENIED: Final = re.compile(
    r"\b(?:no|not|denies|denied|denying|without|negative for)\s+(?:[\w-]+[\s,/]+){0,3}$", re.IGNORECASE
)


def _phrases(words: tuple[str, ...]) -> re.Pattern[str] | None:
    if not words:
        return None
    pattern = "|".join(r"\s+".join(map(re.escape, word.split())) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE)
