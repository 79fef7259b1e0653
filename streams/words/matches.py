"""Why we think that two people are one, in words that say what agrees and what does not."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from rules.decisions import (
    Grade,
)
from streams.words.stays import field

GRADE_WORDS: Final[Mapping[Grade, str]] = {
    Grade.CERTAIN: "This is certainly the person on your panel",
    Grade.PROBABLE: "This is very likely the person on your panel",
    Grade.POSSIBLE: "This may be the person on your panel; a person decides",
    Grade.CERTAINLY_NOT: "This is not a person on your panel",
}
_HOW_IT_WAS_SEARCHED: Final = frozenset({"large_block"})
_AGREEMENT_WORDS: Final[Mapping[str, str]] = {
    "names_two_patients": "names two patients, and the visit may be the other one's",
    "equal": "the same",
    "exact": "the same",
    "agree": "the same",
    "nickname": "a nickname of it",
    "similar": "close",
    "close": "close",
    "typo": "one letter apart",
    "swapped": "swapped around",
    "initial": "same initial",
    "last_four": "last four the same",
    "last_four_equal": "last four the same",
    "former": "the same as before",
    "missing": "not given",
    "absent": "not given",
    "blank": "not given",
    "different": "different",
    "differs": "different",
    "disagree": "different",
    "none": "different",
}


class Evidence(StrEnum):
    """What a compared field says about whether two people are one."""

    AGREES = "agrees"
    DISAGREES = "does not agree"
    UNCLEAR = "unclear"


_AGREES: Final = frozenset(
    {"equal", "exact", "agree", "nickname", "rare", "rare and equal", "former", "former name equal"}
    | {"former address equal"}
)
_DISAGREES: Final = frozenset(
    {"differs", "different", "disagree", "none", "another name", "a generation apart", "years apart"}
)


def evidence_of(words: Iterable[str]) -> Evidence:
    """What agreement words say together. Only what is known to agree agrees; a word nobody sorted is unclear."""
    said = set(words)
    if said & _DISAGREES:
        return Evidence.DISAGREES
    return Evidence.AGREES if said and said <= _AGREES else Evidence.UNCLEAR


def evidence(found: Mapping[str, str]) -> list[str]:
    """Each compared field and how it agreed: "birth date: the same"."""
    return [
        f"{field(name)}: {_AGREEMENT_WORDS.get(word, word.replace('_', ' '))}"
        for name, word in found.items()
        if name not in _HOW_IT_WAS_SEARCHED
    ]
