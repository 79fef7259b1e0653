"""A diagnosis in; which protection it falls under out."""

from enum import StrEnum
from typing import Final

from parsers.events import Diagnosis


class Basis(StrEnum):
    """Which rule limited the content: for the audit trail, never for the page of somebody it keeps out."""

    NOTHING = "nothing"
    NO_RELATIONSHIP = "no_relationship"
    PART2_FACILITY = "part2_facility"
    FACILITY_122C = "facility_122c"
    SUBSTANCE_USE_DIAGNOSIS = "substance_use_diagnosis"
    MENTAL_HEALTH_DIAGNOSIS = "mental_health_diagnosis"
    UNCLASSIFIED_DIAGNOSIS = "unclassified_diagnosis"
    MINIMUM_NECESSARY = "minimum_necessary"


def sensitivity(diagnosis: Diagnosis) -> Basis:
    """Which protection a diagnosis falls under; one that cannot be told is protected like the others.

    ICD-10-CM: F10-F19 substance use, T36-T51 poisoning, and codes that name alcohol as the cause; F20-F99 mental and
    developmental, with suicidal ideation and attempt. ICD-9-CM: 291, 292, 303-305, 960-980; the rest of 290-319.
    """
    code = diagnosis.code.strip().upper().replace(".", "")
    system = diagnosis.system.strip().upper().replace("-", "")
    if not code:
        return Basis.UNCLASSIFIED_DIAGNOSIS if diagnosis.text.strip() else Basis.NOTHING
    if system.startswith("I9") or (not system.startswith("I10") and code[:3].isdigit() and 3 <= len(code) <= 5):
        return _icd9(code)
    if system and not system.startswith(("I10", "ICD10", "ICD")):
        return Basis.UNCLASSIFIED_DIAGNOSIS
    if not code[:1].isalpha() or not code[1:2].isdigit():
        return Basis.UNCLASSIFIED_DIAGNOSIS
    if code.startswith(_SUBSTANCE_USE):
        return Basis.SUBSTANCE_USE_DIAGNOSIS
    return Basis.MENTAL_HEALTH_DIAGNOSIS if code.startswith(_MENTAL_HEALTH) else Basis.NOTHING


def _icd9(code: str) -> Basis:
    if not code[:3].isdigit():
        return Basis.NOTHING if code[:1] in "EV" else Basis.UNCLASSIFIED_DIAGNOSIS
    category = int(code[:3])
    if category in (291, 292, 303, 304, 305) or 960 <= category <= 980:
        return Basis.SUBSTANCE_USE_DIAGNOSIS
    return Basis.MENTAL_HEALTH_DIAGNOSIS if 290 <= category <= 319 else Basis.NOTHING


_SUBSTANCE_USE: Final = (
    *("F1", "K70", "K292", "G621", "I426", "O9931", "O9932", "R780", "Z7141", "Z7151"),
    *(f"T{number}" for number in range(36, 52)),
)
_MENTAL_HEALTH: Final = (*(f"F{tens}" for tens in range(2, 10)), "R4585", "T1491", "Z915")
