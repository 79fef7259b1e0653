"""One cell of a panel in; its value in one form, or what is wrong with it, out."""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from parsers.files.panel_columns import (
    CONSENTS,
    PAYERS,
    STATE_NAMES,
    STATES,
    PanelRow,
)
from parsers.files.row_faults import RowCode, RowFault
from parsers.people import Consent

_SCIENTIFIC: Final = re.compile(r"(?:.*:)?\d+(?:[.,]\d+)?E\+\d+", re.IGNORECASE)
ZIP: Final = re.compile(r"\d{5}(?:-?\d{4})?")
SSN: Final = re.compile(r"\d{3}[- ]?\d\d[- ]?\d{4}")
_MEDICAID: Final = re.compile(r"(?=(?:.*\d){4})[A-Z0-9]{4,20}")
NC_MEDICAID: Final = re.compile(r"\d{9}[A-Z]")
_NOT_DIGITS: Final = re.compile(r"\D")
_NUMBERS: Final = ("enrollee_id", "medicaid_id", "ssn", "phone", "mother_enrollee_id", "practice_id", "pcp_npi", "zip")


class _Repaired(NamedTuple):
    value: str
    fault: RowFault


def _scientific(raw: tuple[str, ...]) -> Iterator[RowFault]:
    row = PanelRow._make(raw)
    reason = "was turned into scientific notation, as Excel does; its digits are lost: export it as text"
    for column in (*_NUMBERS, "mrns"):
        if any(_SCIENTIFIC.fullmatch(part.strip()) for part in getattr(row, column).split(";")):
            yield RowFault(column, RowCode.SCIENTIFIC_NUMBER, reason)


def fixed(result: str | RowFault | _Repaired, mild: list[RowFault]) -> str:
    if isinstance(result, str):
        return result
    if isinstance(result, _Repaired):
        mild.append(result.fault)
        return result.value
    mild.append(result)
    return ""


def closed(text: str, column: str, known: Mapping[str, str], expected: str) -> str | RowFault:
    value = known.get(text.lower())
    return RowFault(column, RowCode.UNKNOWN_VALUE, f"expects {expected}") if value is None else value


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


def ssn_of(text: str) -> str | RowFault | _Repaired:
    if SSN.fullmatch(text):
        return text.replace("-", "").replace(" ", "")
    if text.isdecimal() and len(text) in (7, 8):
        fault = RowFault("ssn", RowCode.ZEROS_RESTORED, "leading zeros were missing and have been put back")
        return _Repaired(text.zfill(9), fault)
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


def mrns_of(text: str) -> str | RowFault | _Repaired:
    parts = [part.strip() for part in text.split(";")] if " " in text else text.split(";")
    pairs = [part.rpartition(":") for part in parts if part]
    value = ";".join(
        f"{system.strip()}:{number.strip()}" if system else number for system, _, number in pairs if number
    )
    if all(system for system, _, _ in pairs):
        return value
    reason = "a record number without its facility: write facility:value"
    return _Repaired(value, RowFault("mrns", RowCode.MRN_WITHOUT_FACILITY, reason))


def split_name(text: str) -> tuple[str, str, str]:
    """Last, first and middle name of `Last, First Middle` or `First Middle Last`."""
    if "," in text:
        last, _, rest = text.partition(",")
        first, _, middle = rest.strip().partition(" ")
        return last.strip(), first, middle.strip()
    words = text.split()
    return (words[-1] if words else "", words[0] if len(words) > 1 else "", " ".join(words[1:-1]))
