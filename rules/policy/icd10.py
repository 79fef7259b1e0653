"""ICD-10-CM codes and ranges of a policy, and whether a diagnosis lies in them."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Final

from pydantic import AfterValidator

from parsers.events import Diagnosis

ICD_CODE: Final = re.compile(r"[A-Z]\d[0-9A-Z](\.?[0-9A-Z]{1,4})?")


def _codes(codes: tuple[str, ...]) -> tuple[str, ...]:
    for code in codes:
        low, dash, high = code.partition("-")
        ends = (low, high) if dash else (low,)
        if not all(ICD_CODE.fullmatch(end) for end in ends) or (dash and low > high):
            raise ValueError("expected ICD-10 codes or ranges such as F20-F29 or T14.91")
    return codes


Codes = Annotated[tuple[str, ...], AfterValidator(_codes)]


def code_in(diagnosis: Diagnosis, codes: Iterable[str]) -> bool:
    """The diagnosis has an ICD-10-CM code in one of the ranges; T36-T50 only as poisoning (6th character 1 to 4)."""
    if diagnosis.system.upper().replace("-", "").startswith(("I9", "ICD9")):
        return False
    code = diagnosis.code.upper().replace(".", "").strip()
    if not code:
        return False
    return any(_in_range(code, entry) for entry in codes)


@cache
def _bounds(entry: str) -> tuple[str, str]:
    low, _, high = entry.replace(".", "").partition("-")
    return low, high or low


def _in_range(code: str, entry: str) -> bool:
    low, high = _bounds(entry)
    if not low <= code[: len(low)] or not code[: len(high)] <= high:
        return False
    effect = code[5:6]
    return not ("T36" <= code[:3] <= "T50" and effect in ("5", "6"))
