"""The alphabet in which two people are compared: fields, and how one of them agrees; what compares, grades and shows
evidence speaks it. Its values are what stands in `Match.evidence` and is kept in the store.
"""

from enum import StrEnum
from typing import Final


class Field(StrEnum):
    """What can agree or differ, and the two notes on a search."""

    LAST_NAME = "last_name"
    FIRST_NAME = "first_name"
    MIDDLE_NAME = "middle_name"
    SUFFIX = "suffix"
    BIRTH_DATE = "birth_date"
    SEX = "sex"
    SSN = "ssn"
    MEDICAID_ID = "medicaid_id"
    MRN = "mrn"
    ADDRESS = "address"
    ZIP = "zip"
    CITY = "city"
    PHONE = "phone"
    MOTHER = "mother"
    CONTESTED = "contested"  # another enrollee agrees as well
    LARGE_BLOCK = "large_block"  # how a block of many people was searched
    REVIEW = "review"  # what a person said


class Agreement(StrEnum):
    """How one field of one person agrees with the same field of another."""

    EQUAL = "equal"
    RARE = "rare and equal"
    FORMER_NAME = "former name equal"
    FORMER_ADDRESS = "former address equal"
    NICKNAME = "nickname"
    PART = "part equal"
    SIMILAR = "similar"
    FIRST_LETTER = "first letter differs"  # one slip of the hand, and it touches the first letter
    INITIAL = "initial equal"
    RARE_INITIAL = "rare initial equal"
    BY_MIDDLE_NAME = "middle name"  # one's first name is the other's middle name
    SWAPPED = "swapped"  # last and first name
    DAY_AND_MONTH = "month and day swapped"
    ONE_DIGIT = "one digit differs"
    ONE_PART = "one part differs"
    LAST_FOUR = "last four equal"
    LAST_FOUR_NEARLY = "last four nearly equal"
    SHARED = "shared"  # equal, but more than one enrollee has it
    SAME_STREET = "same street"
    SAME_NUMBER = "same number"
    NUMBER_MISSING = "number missing"
    ANOTHER_SCRIPT = "another script"
    ANOTHER_NAME = "another name"
    GENERATION = "a generation apart"  # born on one day of the year
    YEARS_APART = "years apart"  # as far as that, on another day
    ANOTHER_ENROLLEE = "another enrollee agrees as well"
    DIFFERS = "differs"

    @property
    def agrees(self) -> bool | None:
        """True: it speaks for one person. False: for two. None: it does neither, and a person should look."""
        return None if self in _UNCLEAR else self not in _AGAINST


_AGAINST: Final = frozenset(
    {Agreement.DIFFERS, Agreement.ANOTHER_NAME, Agreement.GENERATION, Agreement.YEARS_APART, Agreement.ANOTHER_ENROLLEE}
)
_UNCLEAR: Final = frozenset(
    {
        Agreement.FIRST_LETTER,
        Agreement.LAST_FOUR_NEARLY,
        Agreement.SHARED,
        Agreement.SAME_STREET,
        Agreement.SAME_NUMBER,
        Agreement.NUMBER_MISSING,
        Agreement.ANOTHER_SCRIPT,
    }
)

# Every comparison needs them, and a member of an enumeration is found by name ten times as slowly (Python 3.11).
(
    LAST_NAME,
    FIRST_NAME,
    MIDDLE_NAME,
    SUFFIX,
    BIRTH_DATE,
    SEX,
    SSN,
    MEDICAID_ID,
    MRN,
    ADDRESS,
    ZIP,
    CITY,
    PHONE,
    MOTHER,
    CONTESTED,
    LARGE_BLOCK,
    REVIEW,
) = Field
(
    EQUAL,
    RARE,
    FORMER_NAME,
    FORMER_ADDRESS,
    NICKNAME,
    PART,
    SIMILAR,
    FIRST_LETTER,
    INITIAL,
    RARE_INITIAL,
    BY_MIDDLE_NAME,
    SWAPPED,
    DAY_AND_MONTH,
    ONE_DIGIT,
    ONE_PART,
    LAST_FOUR,
    LAST_FOUR_NEARLY,
    SHARED,
    SAME_STREET,
    SAME_NUMBER,
    NUMBER_MISSING,
    ANOTHER_SCRIPT,
    ANOTHER_NAME,
    GENERATION,
    YEARS_APART,
    ANOTHER_ENROLLEE,
    DIFFERS,
) = Agreement


def agrees(word: str) -> bool | None:
    """`Agreement.agrees` of a word of evidence as it is kept; None for a word that is none (a note)."""
    try:
        return Agreement(word).agrees
    except ValueError:
        return None
