"""The alphabet in which two people are compared: fields, how one of them agrees, and notes on the match; what compares,
grades and shows evidence speaks it. Its values are what stands in `Match.evidence` and is kept in the store.
"""

from collections.abc import Iterable
from enum import StrEnum


class Field(StrEnum):
    """What can agree or differ, and what a note is about."""

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
    MESSAGE = "message"  # what is odd about the message
    ENROLLMENT = "enrollment"  # how the match came about after the event
    PANEL = "panel"  # that nobody was searched for


class Shown(StrEnum):
    """What a compared field says, to a reader, about whether two people are one."""

    AGREES = "agrees"
    DISAGREES = "does not agree"
    UNCLEAR = "unclear"


class Note(StrEnum):
    """What is said of a match beside its fields."""

    SAME = "same"  # a person said that they are one
    TWO_PATIENTS = "names_two_patients"  # the message does, and the visit may be the other one's
    LATE = "late"  # the match was made after the event, by that day's panel
    NONE_GIVEN = "none given"  # a panel


class Agreement(StrEnum):
    """How one field of one person agrees with the same field of another, a row each: the word; whether it speaks for
    one person (True), for two (False) or for neither (None: a person should look); whether a page may say so outright.
    """

    agrees: bool | None
    outright: bool

    def __new__(cls, word: str, agrees: bool | None = None, outright: bool = True) -> "Agreement":
        member = str.__new__(cls, word)
        member._value_ = word
        member.agrees = agrees
        member.outright = outright
        return member

    EQUAL = "equal", True
    RARE = "rare and equal", True
    FORMER_NAME = "former name equal", True
    FORMER_ADDRESS = "former address equal", True
    NICKNAME = "nickname", True
    PART = "part equal", True, False
    SIMILAR = "similar", True, False
    OWN_NAME = "alike, a name of its own", True, False  # a spelling or nickname that many are given as their name
    FIRST_LETTER = "first letter differs", None  # one slip of the hand, and it touches the first letter
    INITIAL = "initial equal", True, False
    RARE_INITIAL = "rare initial equal", True, False
    BY_MIDDLE_NAME = "middle name", True, False  # one's first name is the other's middle name
    SWAPPED = "swapped", True, False  # last and first name
    DAY_AND_MONTH = "month and day swapped", True, False
    ONE_DIGIT = "one digit differs", True, False
    ONE_PART = "one part differs", True, False
    LAST_FOUR = "last four equal", True, False
    LAST_FOUR_NEARLY = "last four nearly equal", None
    NEIGHBOR = "next number but a few", None  # the numbers of twins follow one another
    SHARED = "shared", None  # equal, but more than one enrollee has it
    SAME_STREET = "same street", None
    SAME_NUMBER = "same number", None
    NUMBER_MISSING = "number missing", None
    ANOTHER_SCRIPT = "another script", None
    ANOTHER_NAME = "another name", False
    GENERATION = "a generation apart", False  # born on one day of the year
    YEARS_APART = "years apart", False  # as far as that, on another day
    ANOTHER_ENROLLEE = "another enrollee agrees as well", False, False
    DIFFERS = "differs", False

    @property
    def shown(self) -> Shown:
        """What a page says of it."""
        if self.agrees is None or not self.outright:
            return Shown.UNCLEAR
        return Shown.AGREES if self.agrees else Shown.DISAGREES


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
    MESSAGE,
    ENROLLMENT,
    PANEL,
) = Field
(
    EQUAL,
    RARE,
    FORMER_NAME,
    FORMER_ADDRESS,
    NICKNAME,
    PART,
    SIMILAR,
    OWN_NAME,
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
    NEIGHBOR,
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


def agreement_of(word: str) -> Agreement | None:
    """The member of a word of evidence as it is kept; None for a note, and for a word of another version."""
    try:
        return Agreement(word)
    except ValueError:
        return None


def agrees(word: str) -> bool | None:
    """`Agreement.agrees` of a word of evidence as it is kept; None for a word that is none."""
    member = agreement_of(word)
    return None if member is None else member.agrees


def shown_of(words: Iterable[str]) -> Shown:
    """What words of evidence say together: one that disagrees decides, and what nobody has sorted is unclear."""
    said = {Shown.UNCLEAR if (member := agreement_of(word)) is None else member.shown for word in words}
    if Shown.DISAGREES in said:
        return Shown.DISAGREES
    return Shown.AGREES if said == {Shown.AGREES} else Shown.UNCLEAR
