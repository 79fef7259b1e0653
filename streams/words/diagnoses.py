"""Diagnoses and complaints in plain words, codes beside them."""

import re
from collections.abc import Sequence
from typing import Final

from parsers.events import Diagnosis

# ICD-10-CM chapters by the first three characters of the code: (first, last, words).
_ICD10: Final[tuple[tuple[str, str, str], ...]] = (
    ("A00", "B99", "an infection"),
    ("C00", "D49", "cancer or a growth"),
    ("D50", "D89", "a blood disorder"),
    ("E00", "E89", "an endocrine or metabolic disorder"),
    ("F01", "F99", "a mental-health condition"),
    ("G00", "G99", "a disease of the nervous system"),
    ("H00", "H59", "an eye disease"),
    ("H60", "H95", "an ear disease"),
    ("I00", "I99", "heart or circulation"),
    ("J00", "J99", "lungs or breathing"),
    ("K00", "K95", "the digestive system"),
    ("L00", "L99", "the skin"),
    ("M00", "M99", "muscles, bones or joints"),
    ("N00", "N99", "kidneys or urinary tract"),
    ("O00", "O9A", "pregnancy or childbirth"),
    ("P00", "P96", "a newborn's condition"),
    ("Q00", "Q99", "a condition from birth"),
    ("R00", "R99", "symptoms without a diagnosis yet"),
    ("S00", "T88", "an injury or poisoning"),
    ("U00", "U85", "a special-purpose code"),
    ("V00", "Y99", "an accident or outside cause"),
    ("Z00", "Z99", "a reason other than illness"),
)
# Stay in capitals when hospital text that SHOUTS is taken down.
_KEPT: Final = frozenset(
    "AAA ACL ADHD AFIB AIDS AKI ARDS BPH CAD CHF CKD COPD COVID COVID-19 CVA DKA DM DVT ED ESRD ETOH GERD GI HIV HTN "
    "ICU IV MI MRSA MVA MVC NSTEMI OCD PE PNA PTSD RSV SI SOB STEMI SVT TB TIA UTI".split()
)
_UNSPECIFIED: Final = re.compile(r",? (unspecified|not otherwise specified|NOS)\Z", re.IGNORECASE)


def diagnosis(item: Diagnosis) -> str:
    """One diagnosis in words: the hospital's text, else what its ICD-10 code is about; "" when it says neither."""
    if text := plain(item.text):
        return text
    if not item.code:
        return ""
    about = icd10_chapter(item.code)
    return f"{about} ({item.code})" if about else f"the hospital's code {item.code}"


def why_there(items: Sequence[Diagnosis], complaint: str) -> str:
    """Why, for the row: the best diagnosis in words with the complaint beside it; one of the two; or ""."""
    diagnosed, said = main_diagnosis(items, ""), main_diagnosis((), complaint)
    if diagnosed and said and plain(complaint).casefold() != diagnosed.casefold():
        return f"{diagnosed} · came with {said}"
    return diagnosed or said


def main_diagnosis(items: Sequence[Diagnosis], complaint: str) -> str:
    """The best diagnosis in words, else the complaint in quotes, else ""."""
    ranked = sorted(items, key=lambda item: ({"F": 0, "W": 1, "A": 2}.get(item.type, 3), item.rank or 99))
    for item in ranked:
        if words := diagnosis(item):
            return words
    return f"“{plain(complaint)}”" if complaint.strip() else ""


def plain(text: str) -> str:
    """Hospital text fit for a sentence: spaces collapsed, SHOUTING and Title Start taken down, cut at 80 characters."""
    words = _UNSPECIFIED.sub("", " ".join(text.split()))
    letters = [letter for letter in words if letter.isalpha()]
    if len(letters) > 4 and all(letter.isupper() for letter in letters):
        words = " ".join(word if word.strip(",;:().") in _KEPT else word.lower() for word in words.split())
    elif len(words) > 1 and words[0].isupper() and (words[1].islower() or words[1] == " "):
        words = words[0].lower() + words[1:]
    return words if len(words) <= 80 else words[:79].rstrip() + "…"


def code(item: Diagnosis) -> str:
    """The code beside the words: "ICD-10 I50.9"."""
    system = item.system.upper().replace("-", "")
    named = "ICD-10" if system.startswith(("I10", "ICD10")) else "ICD-9" if system.startswith(("I9", "ICD9")) else ""
    return f"{named or item.system} {item.code}".strip() if item.code else ""


def icd10_chapter(code: str) -> str:
    """What an ICD-10-CM code is about, by its chapter; "" when it is not one."""
    start = code.strip().upper()[:3]
    if len(start) < 3 or not start[0].isalpha() or not start[1].isdigit():
        return ""
    return next((words for first, last, words in _ICD10 if first <= start <= last), "")
