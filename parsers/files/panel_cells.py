"""One cell of a panel in; its value in one form, or what is wrong with it, out."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Final, NamedTuple

from parsers.files.dates import read_date
from parsers.files.panel_words import CONSENTS, PAYERS, SEXES, STATE_NAMES, STATES, TIERS
from parsers.files.row_faults import RowCode, RowFault
from parsers.people import Consent

_OLDEST: Final = 130  # years
_OPEN_END: Final = 2200  # an end in or after this year means that none is known
_OPEN_START: Final = 1901  # a start in or before this year means the same

ZIP: Final = re.compile(r"\d{5}(?:-?\d{4})?")
SSN: Final = re.compile(r"\d{3}[- ]?\d\d[- ]?\d{4}")
_MEDICAID: Final = re.compile(r"(?=(?:.*\d){4})[A-Z0-9]{4,20}")
NC_MEDICAID: Final = re.compile(r"\d{9}[A-Z]")
_NOT_DIGITS: Final = re.compile(r"\D")


class Repaired(NamedTuple):
    """A value that was put right, and what was wrong with it."""

    value: str
    fault: RowFault


Cell = str | RowFault | Repaired  # what a cell reads as


def fixed(result: Cell, mild: list[RowFault]) -> str:
    if isinstance(result, str):
        return result
    if isinstance(result, Repaired):
        mild.append(result.fault)
        return result.value
    mild.append(result)
    return ""


def closed(text: str, column: str, known: Mapping[str, str], expected: str) -> str | RowFault:
    value = known.get(text.lower())
    return RowFault(column, RowCode.UNKNOWN_VALUE, f"expects {expected}") if value is None else value


def looks_like_words(text: str) -> bool:
    """Whether a text may be a name of somebody or of a place."""
    return any(map(str.isalpha, text)) and not any(map(str.isdecimal, text)) and len(text) > 1


def sex_of(text: str) -> str | RowFault:
    return closed(text, "sex", SEXES, "F, M, O or U")


def tier_of(text: str) -> str | RowFault:
    return closed(text, "risk_tier", TIERS, "high, rising, low or unknown")


def consent_of(text: str) -> str | RowFault:
    parts = [part.strip().replace(" ", "_") for part in re.split("[;,|]", text)]
    read = [closed(part, "consent", CONSENTS, "none, part2, mental_health or all") for part in parts]
    faults = [value for value in read if isinstance(value, RowFault)]
    if faults:
        return faults[0]
    given = {str(value) for value in read} - {Consent.NONE.value}
    return given.pop() if len(given) == 1 else Consent.ALL.value if given else Consent.NONE.value


def payer_of(text: str) -> str | RowFault:
    parts = sorted({"_".join(part.split()) for part in re.split("[;,|/&+]", text.lower())})
    return closed("_".join(parts), "payer", PAYERS, "medicare, medicaid, dual, commercial, other or unknown")


def programs_of(text: str) -> str:
    return ";".join(filter(None, map(str.strip, re.split("[;,|]", text))))


def state_of(text: str) -> str | RowFault:
    if text.upper() in STATES:
        return text.upper()
    return closed(text, "state", STATE_NAMES, "the two letters of a state")


def zip_of(text: str) -> str | RowFault:
    if not text or ZIP.fullmatch(text):
        return text
    if text.isdecimal() and len(text) in (3, 4):
        return text.zfill(5)
    return RowFault("zip", RowCode.NOT_AN_IDENTIFIER, "expects five digits, or nine")


def ssn_of(text: str) -> Cell:
    if SSN.fullmatch(text):
        return text.replace("-", "").replace(" ", "")
    if text.isdecimal() and len(text) in (7, 8):
        fault = RowFault("ssn", RowCode.ZEROS_RESTORED, "leading zeros were missing and have been put back")
        return Repaired(text.zfill(9), fault)
    return RowFault("ssn", RowCode.NOT_AN_IDENTIFIER, "expects nine digits; left empty")


def medicaid_of(text: str) -> str | RowFault:
    plain = text.upper().replace(" ", "").replace("-", "")
    if _MEDICAID.fullmatch(plain):
        return plain
    return RowFault("medicaid_id", RowCode.NOT_AN_IDENTIFIER, "expects a Medicaid number; left empty")


def phone_of(text: str) -> str | RowFault:
    digits = _NOT_DIGITS.sub("", re.split("(?i)e?xt?", text)[0])
    digits = digits[1:] if len(digits) == 11 and digits[0] == "1" else digits
    if len(digits) == 10 and sum(map(str.isalpha, text)) <= 3:
        return digits
    return RowFault("phone", RowCode.NOT_AN_IDENTIFIER, "expects ten digits; left empty")


def npi_of(_text: str) -> RowFault:
    return RowFault("pcp_npi", RowCode.NOT_AN_IDENTIFIER, "expects ten digits; left empty")


def mrns_of(text: str) -> Cell:
    parts = [part.strip() for part in text.split(";")] if " " in text else text.split(";")
    pairs = [part.rpartition(":") for part in parts if part]
    value = ";".join(
        f"{system.strip()}:{number.strip()}" if system else number for system, _, number in pairs if number
    )
    if all(system for system, _, _ in pairs):
        return value
    reason = "a record number without its facility: write facility:value"
    return Repaired(value, RowFault("mrns", RowCode.MRN_WITHOUT_FACILITY, reason))


def split_name(text: str) -> tuple[str, str, str]:
    """Last, first and middle name of `Last, First Middle` or `First Middle Last`."""
    if "," in text:
        last, _, rest = text.partition(",")
        first, _, middle = rest.strip().partition(" ")
        return last.strip(), first, middle.strip()
    words = text.split()
    return (words[-1] if words else "", words[0] if len(words) > 1 else "", " ".join(words[1:-1]))


def day_of(column: str, today: date, text: str) -> str | RowFault:
    """The day of a cell of `birth_date`, `effective_from` or `effective_to` as YYYY-MM-DD; "" where none is known."""
    value = read_date(text)
    if not isinstance(value, date):
        return RowFault(column, *value) if value else ""
    if (column == "effective_to" and value.year >= _OPEN_END) or (
        column == "effective_from" and value.year <= _OPEN_START
    ):
        return ""
    too_far = value.year < today.year - _OLDEST or value.year >= _OPEN_END
    if too_far or (column == "birth_date" and value > today):
        reason = "is in the future" if value > today else f"is more than {_OLDEST} years ago"
        return RowFault(column, RowCode.DATE_OUT_OF_RANGE, reason)
    return value.isoformat()
