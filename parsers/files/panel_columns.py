"""The columns of a panel: names and aliases, which are required, which words they know, and what a row becomes."""

from datetime import date
from typing import Final, NamedTuple

from parsers.events import Address, Identifier, PersonName
from parsers.people import Consent, Enrollee, Payer, RiskTier


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
    payer: str = ""  # a Payer, "" when it is not known

    def __repr__(self) -> str:
        return "<PanelRow>"


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
        payer=Payer(row.payer or Payer.UNKNOWN),
    )


REQUIRED: Final = ("enrollee_id", "birth_date", "practice_id")
FULL_NAME: Final = "full_name"
ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "enrollee_id": ("enrollee", "member_id", "memberid", "member_number", "person_id", "patient_id", "recipient_id"),
    "medicaid_id": ("medicaid", "medicaid_number", "medicaid_no", "mid", "mpi", "recipient_medicaid_id"),
    "ssn": ("social_security_number", "social_security", "social", "ss_number"),
    "last_name": ("last", "lastname", "surname", "family_name", "name_last", "lname"),
    "first_name": ("first", "firstname", "given_name", "forename", "name_first", "fname"),
    "middle_name": ("middle", "middlename", "middle_initial", "mi", "name_middle", "mname"),
    "suffix": ("name_suffix", "generation"),
    "birth_date": ("dob", "date_of_birth", "birthdate", "birthday", "date_birth", "birth_dt"),
    "sex": ("gender", "gender_code", "sex_code", "administrative_sex"),
    "address": ("address_1", "address1", "address_line_1", "street", "street_address", "addr", "residence_address"),
    "city": ("town", "residence_city"),
    "state": ("state_code", "st", "residence_state"),
    "zip": ("zip_code", "zipcode", "postal_code", "postcode", "zip5"),
    "county": ("county_name", "residence_county", "county_of_residence"),
    "phone": ("phone_number", "telephone", "home_phone", "phone1", "cell", "mobile", "tel"),
    "mother_enrollee_id": ("mother_id", "mothers_enrollee_id", "mother_member_id"),
    "mrns": ("mrn", "medical_record_numbers", "medical_record_number"),
    "practice_id": ("practice", "medical_home", "medical_home_id", "pcp_practice_id", "practice_code"),
    "pcp_npi": ("npi", "pcp", "provider_npi"),
    "risk_tier": ("risk", "risk_level", "tier", "risk_category"),
    "programs": ("program", "program_codes"),
    "consent": ("consents", "consent_code"),
    "effective_from": (
        "effective_date",
        "start_date",
        "effective_start",
        "eligibility_start",
        "enrolled_from",
        "begin_date",
    ),
    "effective_to": ("end_date", "effective_end", "eligibility_end", "enrolled_to", "term_date", "termination_date"),
    "language": ("preferred_language", "lang", "primary_language"),
    "payer": ("payor", "payer_type", "line_of_business", "lob", "coverage", "coverage_type", "insurance"),
    FULL_NAME: ("name", "fullname", "member_name", "patient_name"),
}
SEXES: Final = {
    "": "",
    **dict.fromkeys(("f", "female", "woman", "girl"), "F"),
    **dict.fromkeys(("m", "male", "man", "boy"), "M"),
    **dict.fromkeys(("o", "other", "x", "nonbinary", "non-binary"), "O"),
    **dict.fromkeys(("u", "unknown", "unk"), "U"),
    **{word: word.upper() for word in ("a", "n")},
}
TIERS: Final = {
    **{tier.value: tier.value for tier in RiskTier},
    **{"": "unknown", "medium": "rising", "moderate": "rising", "h": "high", "m": "rising", "l": "low"},
}
CONSENTS: Final = {
    **{consent.value: consent.value for consent in Consent},
    **{"": "none", "no": "none", "n": "none", "part_2": "part2", "sud": "part2", "mh": "mental_health", "full": "all"},
}
PAYERS: Final = {
    **{payer.value: payer.value for payer in Payer},
    **dict.fromkeys(("", "u", "unk", "unknown"), ""),
    **dict.fromkeys(("medicare_advantage", "medicare_ffs", "ma", "mapd", "mcare", "mcr"), "medicare"),
    **dict.fromkeys(("mcaid", "mcd", "chip", "medicaid_managed_care"), "medicaid"),
    **dict.fromkeys(("dual_eligible", "duals", "medicare_medicaid", "medicaid_medicare", "dsnp", "d-snp"), "dual"),
    **dict.fromkeys(("private", "marketplace", "exchange", "employer"), "commercial"),
    **dict.fromkeys(("self_pay", "uninsured", "none", "tricare", "va"), "other"),
}
STATES: Final = frozenset(
    "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK "
    "OR PA RI SC SD TN TX UT VT VA WA WV WI WY PR VI GU AS MP AA AE AP".split()
)
STATE_NAMES: Final = {"": "", "north carolina": "NC", "south carolina": "SC", "virginia": "VA", "tennessee": "TN"}
