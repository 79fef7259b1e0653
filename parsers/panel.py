"""Panel files: CSV bytes in, a light row or a reject with line, column and reason out for each line."""

from datetime import date
from typing import NamedTuple

from parsers.events import Address, Identifier, PersonName
from parsers.people import Consent, Enrollee, RiskTier


class PanelRow(NamedTuple):
    """One good line: every field text in one spelling, "" when absent. Light, as a million of them are read at once."""

    enrollee_id: str
    medicaid_id: str  # upper case, without spaces and dashes
    ssn: str  # nine digits
    last_name: str
    first_name: str
    middle_name: str
    suffix: str
    birth_date: str  # YYYY-MM-DD
    sex: str  # HL7 table 0001: F M O U A N
    address: str
    city: str
    state: str
    zip: str
    county: str
    phone: str  # ten digits
    mother_enrollee_id: str
    mrns: str  # "facility:value;facility:value"; the value is what follows the last colon
    practice_id: str
    pcp_npi: str
    risk_tier: str  # a RiskTier, never ""
    programs: str  # "asthma;diabetes"
    consent: str  # a Consent, never ""
    effective_from: str  # YYYY-MM-DD
    effective_to: str  # YYYY-MM-DD, the last day included
    language: str

    def __repr__(self) -> str:
        return "<PanelRow>"

    __str__ = __repr__


def split_mrns(mrns: str) -> tuple[tuple[str, str], ...]:
    """(system, value) pairs of `PanelRow.mrns`; the system is "" where the file gave none."""
    parts = (part.rpartition(":") for part in mrns.split(";") if part)
    return tuple((system, value) for system, _, value in parts)


def enrollee_of(row: PanelRow) -> Enrollee:
    """The row as the value the rules work with."""
    return Enrollee(
        enrollee_id=row.enrollee_id,
        name=PersonName(family=row.last_name, given=row.first_name, middle=row.middle_name, suffix=row.suffix),
        birth_date=date.fromisoformat(row.birth_date),
        practice_id=row.practice_id,
        medicaid_id=row.medicaid_id,
        ssn=row.ssn,
        sex=row.sex,
        address=Address(street=row.address, city=row.city, state=row.state, zip=row.zip, county=row.county),
        phone=row.phone,
        mother_enrollee_id=row.mother_enrollee_id,
        mrns=tuple(Identifier(system=system, value=value) for system, value in split_mrns(row.mrns)),
        pcp_npi=row.pcp_npi,
        risk_tier=RiskTier(row.risk_tier),
        programs=tuple(program for program in row.programs.split(";") if program),
        consent=Consent(row.consent),
        effective_from=date.fromisoformat(row.effective_from) if row.effective_from else None,
        effective_to=date.fromisoformat(row.effective_to) if row.effective_to else None,
        language=row.language,
    )
