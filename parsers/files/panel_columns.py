"""The columns of a panel, each declared once: what files call it, how its cells read, where an enrollee and the store
keep it.

The reader, the store's tables and statements, `handoff panel template` and the invented panels take theirs from here. A
new column is a field of `PanelRow` and what it becomes in `parsers.people.Enrollee` (and a migration of the store).
"""

import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Annotated, Any, Final, NamedTuple, get_type_hints

from parsers.files.panel_cells import (
    NC_MEDICAID,
    SSN,
    ZIP,
    consent_of,
    looks_like_words,
    medicaid_of,
    mrns_of,
    npi_of,
    payer_of,
    phone_of,
    programs_of,
    sex_of,
    ssn_of,
    state_of,
    tier_of,
    zip_of,
)
from parsers.files.panel_forms import CONSENT, DAY, DAY_OR_NONE, MRNS, PAYER, TEXT, TIER, WORDS, Column, split_mrns
from parsers.files.panel_words import CONSENTS, SEXES, TIERS
from parsers.people import Consent, Enrollee, RiskTier

__all__ = ["ALIASES", "COLUMNS", "PANEL_HEADER", "PanelRow", "enrollee_of", "line_of", "split_mrns"]

_TEN_DIGITS: Final = re.compile(r"\d{10}")


class PanelRow(NamedTuple):
    """One good line: every field text in one spelling, "" when absent. Light, as a million of them are read at once."""

    enrollee_id: Annotated[
        str,
        Column(
            "your own id of the person; never used twice",
            ("enrollee", "member_id", "memberid", "member_number", "person_id", "patient_id", "recipient_id"),
            required=True,
            number=True,
        ),
    ]
    medicaid_id: Annotated[
        str,
        Column(
            "Medicaid number",
            ("medicaid", "medicaid_number", "medicaid_no", "mid", "mpi", "recipient_medicaid_id"),
            number=True,
            read=medicaid_of,
            plain=NC_MEDICAID,
            fits=lambda text: NC_MEDICAID.fullmatch(text.upper()) is not None,
        ),
    ]  # upper case, without spaces and dashes
    ssn: Annotated[
        str,
        Column(
            "Social Security number, nine digits",
            ("social_security_number", "social_security", "social", "ss_number"),
            number=True,
            read=ssn_of,
            plain=re.compile(r"\d{9}"),
            fits=lambda text: SSN.fullmatch(text) is not None,
        ),
    ]  # nine digits
    last_name: Annotated[
        str,
        Column(
            "last name; last and first name may also stand in one column full_name",
            ("last", "lastname", "surname", "family_name", "name_last", "lname"),
            shown="name.family",
            fits=looks_like_words,
            stored="last",
            known_by=True,
        ),
    ]
    first_name: Annotated[
        str,
        Column(
            "first name",
            ("first", "firstname", "given_name", "forename", "name_first", "fname"),
            shown="name.given",
            fits=looks_like_words,
            stored="first",
            known_by=True,
        ),
    ]
    middle_name: Annotated[
        str,
        Column(
            "middle name or initial",
            ("middle", "middlename", "middle_initial", "mi", "name_middle", "mname"),
            shown="name.middle",
            stored="middle",
        ),
    ]
    suffix: Annotated[str, Column("Jr, Sr, III …", ("name_suffix", "generation"), shown="name.suffix")]
    birth_date: Annotated[
        str,
        Column(
            "YYYY-MM-DD, or MM/DD/YYYY",
            ("dob", "date_of_birth", "birthdate", "birthday", "date_birth", "birth_dt"),
            form=DAY,
            required=True,
            day=True,
        ),
    ]  # YYYY-MM-DD
    sex: Annotated[
        str,
        Column(
            "F, M, O or U",
            ("gender", "gender_code", "sex_code", "administrative_sex"),
            read=sex_of,
            fits=lambda text: text.lower() in SEXES,
        ),
    ]  # HL7 table 0001: F M O U A N
    address: Annotated[
        str,
        Column(
            "house number and street",
            ("address_1", "address1", "address_line_1", "street", "street_address", "addr", "residence_address"),
            shown="address.street",
            stored="street",
            known_by=True,
        ),
    ]
    city: Annotated[
        str, Column("city or town", ("town", "residence_city"), shown="address.city", fits=looks_like_words)
    ]
    state: Annotated[
        str,
        Column(
            "two letters, as NC",
            ("state_code", "st", "residence_state"),
            shown="address.state",
            read=state_of,
            fits=lambda text: isinstance(state_of(text), str),
        ),
    ]
    zip: Annotated[
        str,
        Column(
            "five digits, or nine",
            ("zip_code", "zipcode", "postal_code", "postcode", "zip5"),
            shown="address.zip",
            number=True,
            read=zip_of,
            fits=lambda text: ZIP.fullmatch(text) is not None,
            known_by=True,
        ),
    ]
    county: Annotated[
        str,
        Column(
            "county of residence; says which LME/MCO answers",
            ("county_name", "residence_county", "county_of_residence"),
            shown="address.county",
            fits=looks_like_words,
        ),
    ]
    phone: Annotated[
        str,
        Column(
            "ten digits",
            ("phone_number", "telephone", "home_phone", "phone1", "cell", "mobile", "tel"),
            number=True,
            read=phone_of,
            plain=_TEN_DIGITS,
            fits=lambda text: isinstance(phone_of(text), str),
            known_by=True,
        ),
    ]  # ten digits
    mother_enrollee_id: Annotated[
        str,
        Column(
            "enrollee_id of the mother, for newborns",
            ("mother_id", "mothers_enrollee_id", "mother_member_id"),
            number=True,
        ),
    ]
    mrns: Annotated[
        str,
        Column(
            "medical record numbers: facility:value;facility:value",
            ("mrn", "medical_record_numbers", "medical_record_number"),
            form=MRNS,
            number=True,
            read=mrns_of,
            plain=re.compile(r"[^\s:;]+:[^\s:;]+(?:;[^\s:;]+:[^\s:;]+)*"),
            known_by=True,
        ),
    ]  # "facility:value;facility:value"; the value is what follows the last colon
    practice_id: Annotated[
        str,
        Column(
            "the medical home, as practices.csv of the directory names it",
            ("practice", "medical_home", "medical_home_id", "pcp_practice_id", "practice_code"),
            required=True,
            number=True,
            known_by=True,
        ),
    ]
    pcp_npi: Annotated[
        str,
        Column(
            "NPI of the primary care provider, ten digits",
            ("npi", "pcp", "provider_npi"),
            number=True,
            read=npi_of,
            plain=_TEN_DIGITS,
            fits=lambda text: len(text) == 10 and text.isdecimal(),
        ),
    ]
    risk_tier: Annotated[
        str,
        Column(
            "high, rising, low or unknown",
            ("risk", "risk_level", "tier", "risk_category"),
            form=TIER,
            read=tier_of,
            stand_in=RiskTier.UNKNOWN.value,
            fits=lambda text: text.lower() in TIERS,
        ),
    ]  # a RiskTier, never ""
    programs: Annotated[
        str,
        Column("care programs, as asthma;diabetes", ("program", "program_codes"), form=WORDS, read=programs_of),
    ]  # "asthma;diabetes"
    consent: Annotated[
        str,
        Column(
            "none, part2, mental_health or all: what may be told beyond treatment",
            ("consents", "consent_code"),
            form=CONSENT,
            read=consent_of,
            stand_in=Consent.NONE.value,
            fits=lambda text: text.lower() in CONSENTS,
        ),
    ]  # a Consent, never ""
    effective_from: Annotated[
        str,
        Column(
            "first day of enrollment; empty: always",
            ("effective_date", "start_date", "effective_start", "eligibility_start", "enrolled_from", "begin_date"),
            form=DAY_OR_NONE,
            day=True,
            known_by=True,
        ),
    ]  # YYYY-MM-DD
    effective_to: Annotated[
        str,
        Column(
            "last day of enrollment, included; empty: open",
            ("end_date", "effective_end", "eligibility_end", "enrolled_to", "term_date", "termination_date"),
            form=DAY_OR_NONE,
            day=True,
        ),
    ]  # YYYY-MM-DD, the last day included
    language: Annotated[str, Column("preferred language", ("preferred_language", "lang", "primary_language"))]
    payer: Annotated[
        str,
        Column(
            "medicare, medicaid, dual, commercial or other: the measures a person is counted in",
            ("payor", "payer_type", "line_of_business", "lob", "coverage", "coverage_type", "insurance"),
            form=PAYER,
            read=payer_of,
        ),
    ] = ""  # a Payer, "" when it is not known

    def __repr__(self) -> str:
        return "<PanelRow>"


COLUMNS: Final[Mapping[str, Column]] = {
    name: hint.__metadata__[0] for name, hint in get_type_hints(PanelRow, include_extras=True).items()
}
PANEL_HEADER: Final = PanelRow._fields
REQUIRED: Final = tuple(name for name, column in COLUMNS.items() if column.required)
STORED: Final = tuple(column.stored or name for name, column in COLUMNS.items())  # in the order of `PanelRow`
KNOWN_BY: Final = tuple(column.stored or name for name, column in COLUMNS.items() if column.known_by)  # as stored
FULL_NAME: Final = "full_name"
ALIASES: Final[dict[str, tuple[str, ...]]] = {
    **{name: column.aliases for name, column in COLUMNS.items()},
    FULL_NAME: ("name", "fullname", "member_name", "patient_name"),
}
_SHOWN: Final = tuple((*(column.shown or name).partition(".")[::2], column.form) for name, column in COLUMNS.items())
_FORMED: Final = tuple(
    (place, field, form.value, form.empty)
    for place, (field, part, form) in enumerate(_SHOWN)
    if not part and form is not TEXT
)


def _texts_of(whole: str) -> tuple[tuple[str, ...], Callable[[PanelRow], tuple[str, ...]]]:
    """The text fields of a part of an enrollee, "" for the enrollee itself, and what takes them out of a row."""
    places = [
        (part or field, place)
        for place, (field, part, form) in enumerate(_SHOWN)
        if form is TEXT and (field if part else "") == whole
    ]
    return tuple(name for name, _ in places), itemgetter(*(place for _, place in places))


_OWN, _OWN_IN = _texts_of("")
_PARTS: Final = tuple((whole, *_texts_of(whole)) for whole in dict.fromkeys(field for field, part, _ in _SHOWN if part))


def enrollee_of(row: PanelRow, **former: Any) -> Enrollee:
    """The row as the value the rules work with; `former` is what the store has kept besides (`former_names` …)."""
    fields: dict[str, Any] = dict(zip(_OWN, _OWN_IN(row), strict=True))
    for whole, names, taken in _PARTS:
        fields[whole] = dict(zip(names, taken(row), strict=True))
    for place, field, value, empty in _FORMED:
        text = row[place]
        fields[field] = empty if not text else value(text) if value else text
    return Enrollee(**fields, **former)


def line_of(enrollee: Enrollee) -> PanelRow:
    """The line of an enrollee, without what the store keeps besides."""
    cells = ((getattr(enrollee, field), part, form) for field, part, form in _SHOWN)
    return PanelRow._make(form.text(getattr(value, part) if part else value) for value, part, form in cells)
