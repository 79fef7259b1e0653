"""Who somebody is, in words."""

from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from typing import Final

from parsers.events import Address
from parsers.people import RiskTier, Role
from streams.words.numbers import count, ordinal
from streams.words.times import ZONE

RISK_WORDS: Final[Mapping[RiskTier, str]] = {
    RiskTier.HIGH: "high risk",
    RiskTier.RISING: "rising risk",
    RiskTier.LOW: "low risk",
    RiskTier.UNKNOWN: "",
}
_ENGLISH: Final = frozenset({"english", "en", "eng"})
ROLE_WORDS: Final[Mapping[Role, str]] = {
    Role.NURSE: "nurse",
    Role.PHARMACIST: "pharmacist",
    Role.SOCIAL_WORKER: "social worker",
    Role.MEDICAL_DIRECTOR: "medical director",
    Role.MANAGER: "network manager",
    Role.CARE_COORDINATOR: "LME/MCO care coordinator",
    Role.CENTRAL_OFFICE: "central office",
    Role.ADMIN: "administrator",
    Role.ANALYST: "integration analyst",
    Role.AUDITOR: "auditor",
}


def age(born: date, on: date) -> str:
    """ "71", "14 months" under 2 years, "9 days" under 2 months."""
    years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    if years >= 2:
        return str(years)
    months = (on.year - born.year) * 12 + on.month - born.month - (on.day < born.day)
    if months >= 2:
        return f"{months} months"
    return count(max(0, (on - born).days), "day")


def person_line(name: str, born: date | None, sex: str, now: datetime, zone: tzinfo = ZONE) -> str:
    """ "Rosa Whitfield, 71 F"."""
    about = " ".join(part for part in (age(born, now.astimezone(zone).date()) if born else "", sex) if part)
    return f"{name}, {about}" if about else name


def standing(risk: RiskTier, ed_visits: int, ed_window_days: int, language: str = "") -> str:
    """What is special about this person: "high risk · 4th ED visit in 60 days · Spanish"; English goes unsaid."""
    visits = f"{ordinal(ed_visits)} ED visit in {ed_window_days} days" if ed_visits > 1 and ed_window_days else ""
    spoken = "" if language.casefold() in _ENGLISH else language
    return " · ".join(part for part in (RISK_WORDS[risk], visits, spoken) if part)


def address(item: Address) -> str:
    """ "12 Oak St, Asheville, NC 28801"."""
    return ", ".join(part for part in (item.street, item.city, f"{item.state} {item.zip}".strip()) if part)


def phone(digits: str) -> str:
    """ "828-555-0147" for ten digits, else as it is."""
    bare = digits[1:] if len(digits) == 11 and digits.startswith("1") else digits
    return f"{bare[:3]}-{bare[3:6]}-{bare[6:]}" if len(bare) == 10 and bare.isdigit() else digits
