"""Who is on the panel and who looks after them: the values that panel and directory files are read into."""

from datetime import date, datetime
from enum import StrEnum
from typing import Final

from parsers.events import Address, Identifier, PersonName, Value


class RiskTier(StrEnum):
    HIGH = "high"
    RISING = "rising"
    LOW = "low"
    UNKNOWN = "unknown"


class Payer(StrEnum):
    """Who pays for the enrollee's care, as far as it says which measures they are counted in."""

    MEDICARE = "medicare"  # Medicare Advantage too
    MEDICAID = "medicaid"
    DUAL = "dual"  # Medicare and Medicaid
    COMMERCIAL = "commercial"
    OTHER = "other"
    UNKNOWN = "unknown"


class Consent(StrEnum):
    """What the enrollee agreed may be told; absence of consent withholds (42 CFR Part 2, NC G.S. 122C)."""

    NONE = "none"
    PART2 = "part2"  # substance-use programme records
    MENTAL_HEALTH = "mental_health"  # G.S. 122C facility records
    ALL = "all"


class Role(StrEnum):
    NURSE = "nurse"
    PHARMACIST = "pharmacist"
    SOCIAL_WORKER = "social_worker"
    MEDICAL_DIRECTOR = "medical_director"
    MANAGER = "manager"
    CARE_COORDINATOR = "care_coordinator"  # at an LME/MCO
    CENTRAL_OFFICE = "central_office"
    ADMIN = "admin"  # directory, destinations, sessions; no patients
    ANALYST = "integration_analyst"  # feeds and their rejects; no patients
    AUDITOR = "auditor"  # the audit and nothing else


NO_PATIENTS: Final = frozenset({Role.ADMIN, Role.ANALYST, Role.AUDITOR})  # nobody is routed to them


class Enrollee(Value):
    """One line of the panel: a person we answer for."""

    enrollee_id: str
    name: PersonName
    birth_date: date
    practice_id: str
    medicaid_id: str = ""
    ssn: str = ""
    sex: str = ""
    address: Address = Address()
    phone: str = ""
    mother_enrollee_id: str = ""
    mrns: tuple[Identifier, ...] = ()
    pcp_npi: str = ""
    risk_tier: RiskTier = RiskTier.UNKNOWN
    programs: tuple[str, ...] = ()
    consent: Consent = Consent.NONE
    effective_from: date | None = None
    effective_to: date | None = None
    former_names: tuple[PersonName, ...] = ()
    former_addresses: tuple[Address, ...] = ()
    former_phones: tuple[str, ...] = ()
    former_mrns: tuple[Identifier, ...] = ()
    language: str = ""
    payer: Payer = Payer.UNKNOWN


class Network(Value):
    network_id: str
    name: str


class Practice(Value):
    practice_id: str
    name: str
    network_id: str
    county: str = ""
    phone: str = ""


class CaseManager(Value):
    """Anyone who can own an alert: in a network's team, at an LME/MCO, or in the central office."""

    case_manager_id: str
    name: str  # "M. Ortiz, RN"
    role: Role
    network_id: str = ""
    lme_mco_id: str = ""
    email: str = ""
    practices: tuple[str, ...] = ()  # practice_ids whose panels this person carries
    hours: str = ""  # working hours as in `parsers.hours`, local time; "" answers at any minute
    feeds: tuple[str, ...] = ()  # names of the feeds of whose hospital this person is, for integration analysts
    capacity: int = 0  # open stays this person can carry at once; 0: not said

    @property
    def is_at_plan(self) -> bool:
        """Whether this person is of an LME/MCO, not of the medical home's side."""
        return self.role is Role.CARE_COORDINATOR or bool(self.lme_mco_id)


class Absence(Value):
    """From `starts` (inclusive) to `ends` (exclusive) the back-up answers."""

    case_manager_id: str
    starts: datetime
    ends: datetime
    backup_id: str = ""


class LmeMco(Value):
    """A regional behavioral-health plan and the counties it answers for."""

    lme_mco_id: str
    name: str
    counties: tuple[str, ...]
