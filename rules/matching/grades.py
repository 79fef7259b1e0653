"""How two people agree and how many people there are in, a grade out.

A grade needs more than weight: some things must agree and some must not differ. log2 of the panel's size is taken
off, so that the threshold rises with the number of people one could be mistaken for.
"""

from math import log2
from typing import Final

from rules.decisions import Grade
from rules.matching.compare import Comparison
from rules.matching.evidence import (
    ADDRESS,
    ANOTHER_NAME,
    ANOTHER_SCRIPT,
    BIRTH_DATE,
    BY_MIDDLE_NAME,
    DAY_AND_MONTH,
    DIFFERS,
    EQUAL,
    FIRST_LETTER,
    FIRST_NAME,
    FORMER_ADDRESS,
    FORMER_NAME,
    GENERATION,
    INITIAL,
    LAST_FOUR,
    LAST_FOUR_NEARLY,
    LAST_NAME,
    MEDICAID_ID,
    MIDDLE_NAME,
    MOTHER,
    MRN,
    NEIGHBOR,
    NICKNAME,
    NUMBER_MISSING,
    ONE_DIGIT,
    ONE_PART,
    OWN_NAME,
    PART,
    PHONE,
    RARE,
    RARE_INITIAL,
    SAME_NUMBER,
    SAME_STREET,
    SEX,
    SHARED,
    SIMILAR,
    SSN,
    SUFFIX,
    SWAPPED,
    YEARS_APART,
    ZIP,
)

CERTAIN_BITS: Final = 18.0
PROBABLE_BITS: Final = 9.0
POSSIBLE_BITS: Final = -4.0
POSSIBLE_BITS_OF_FEW: Final = -9.0  # up to `NAMESAKES_FROM` people questions are few
NAMESAKES_FROM: Final = 17_000  # people; up to here no two of one name and birth date live in one street by chance
FEW_PEOPLE: Final = 1_000  # among so few a stranger of the same names, birth date and sex comes once in a lifetime
_GRADE_ORDER: Final = {Grade.CERTAINLY_NOT: 0, Grade.POSSIBLE: 1, Grade.PROBABLE: 2, Grade.CERTAIN: 3}
_ANOTHER: Final = (DIFFERS, ANOTHER_NAME)
_NOT_NAMED: Final = (*_ANOTHER, ANOTHER_SCRIPT)
_OTHER_DATE: Final = (DIFFERS, YEARS_APART)
_PLACE: Final = (EQUAL, SIMILAR, FORMER_ADDRESS)
_SURE_NAME: Final = (EQUAL, NICKNAME, FORMER_NAME)
_FULL_NAME: Final = (*_SURE_NAME, SIMILAR, PART)
_LOOSE_NAME: Final = (SIMILAR, NICKNAME, SWAPPED)
_LOOSE_LAST: Final = (PART,)
_LOOSE_FIRST: Final = (BY_MIDDLE_NAME,)
_WHOLE_LAST: Final = (EQUAL, PART)
_WHOLE_FIRST: Final = (EQUAL, BY_MIDDLE_NAME)
_LOOSE_DATE: Final = (ONE_DIGIT, ONE_PART)
_TWINS_NAME: Final = (BY_MIDDLE_NAME, FIRST_LETTER, INITIAL, OWN_NAME)
_INITIAL: Final = (INITIAL, RARE_INITIAL)
_NEAR_HOME: Final = (SAME_STREET, NUMBER_MISSING, SAME_NUMBER)
_HOME: Final = (*_PLACE, *_NEAR_HOME)
_NEAR_ZIP: Final = (EQUAL, ONE_DIGIT)
_SURE_DATE: Final = (EQUAL, DAY_AND_MONTH)


def rank(grade: Grade) -> int:
    """0 certainly-not, 1 possible, 2 probable, 3 certain."""
    return _GRADE_ORDER[grade]


def possible_bits(panel_size: int) -> float:
    """The weight, less the panel's size, from which a person is asked."""
    return POSSIBLE_BITS if panel_size > NAMESAKES_FROM else POSSIBLE_BITS_OF_FEW


def lower(ceiling: Grade, other: Grade) -> Grade:
    """The lesser of two grades."""
    return ceiling if _GRADE_ORDER[ceiling] <= _GRADE_ORDER[other] else other


def grade(comparison: Comparison, panel_size: int) -> Grade:
    """What the agreement comes to among `panel_size` people.

    Automatic (certain, probable) needs first name, last name and birth date plus a third agreeing element that is
    not ZIP, city or sex: an identifier, a street address, a phone, the mother, a whole middle name or an initial
    that few bear (for people who moved: of those who share name and birth date with somebody about one in a
    thousand shares that too; a middle name that many bear does not stand against another address and another phone).
    What agrees only loosely (half of a double last name, a middle name used as the first, a birth date off by a digit
    or a part) must be outweighed by an identifier or by two such elements, another last name by two of which one may be
    an identifier. Among a few thousand people one address is enough for another last name, and part of an address in
    one ZIP code for the same names. Beside a middle initial the ZIP code, and alone a phone off by a digit, tell people
    of the same names and birth date who moved.

    Never automatic: two Social Security numbers, and first names that have nothing in common. Twins (a like name that
    people bear, a nickname that is a name of its own, the same one and another middle name, one called by the other's
    middle name, a number next to the other's) and Jr/Sr (another suffix, another birth date) never pass without an
    identifier, and not with a Social Security number alone where the middle names differ too; nor does a child of the
    other sex, or of one address and no phone like it, without a middle name where one is on file. Another name that is
    like it needs two identifiers. Who is grown shares no home with a twin: there one address or phone is enough beside
    a like name, another last or another middle name, and with a middle name beside another one like it. On a day for
    which all enrolled were looked for, one address is enough beside one loose element or another last name; and a home
    and another place or a middle name for a woman or girl whose birth date is not given, who seldom bears her mother's
    name. Certain needs all three present and nothing that differs, so blanking a field cannot lead there from
    "certainly-not".
    """
    return hold_down(ceiling_of(comparison, panel_size), comparison, comparison.weight, panel_size)


def hold_down(ceiling: Grade, comparison: Comparison, weight: float, panel_size: int) -> Grade:
    """The grade at `weight`, `ceiling` at best."""
    evidence = comparison.evidence
    if ceiling is Grade.CERTAINLY_NOT or not (
        LAST_NAME in evidence or FIRST_NAME in evidence or BIRTH_DATE in evidence
    ):
        return ceiling  # an identifier alone: there is nothing to weigh it against
    bits = weight - log2(max(panel_size, 1))
    if bits >= CERTAIN_BITS:
        return ceiling
    if bits >= PROBABLE_BITS:
        return lower(ceiling, Grade.PROBABLE)
    known = EQUAL in (evidence.get(MRN), evidence.get(MEDICAID_ID)) and evidence.get(LAST_NAME) != DIFFERS
    return lower(ceiling, Grade.POSSIBLE) if known or bits >= possible_bits(panel_size) else Grade.CERTAINLY_NOT


def ceiling_of(comparison: Comparison, panel_size: int) -> Grade:
    """The best grade this agreement may get, whatever its weight."""
    evidence = comparison.evidence
    last, first, birth = evidence.get(LAST_NAME), evidence.get(FIRST_NAME), evidence.get(BIRTH_DATE)
    issued = (evidence.get(MEDICAID_ID) == EQUAL) + (evidence.get(MRN) == EQUAL)
    ssn, middle_word = evidence.get(SSN), evidence.get(MIDDLE_NAME)
    identifiers = issued + (ssn == EQUAL)
    near_identifiers = (ssn in (ONE_DIGIT, LAST_FOUR, SHARED)) + (evidence.get(MEDICAID_ID) == ONE_DIGIT)
    places = (evidence.get(ADDRESS) in _PLACE) + (evidence.get(PHONE) == EQUAL) + (evidence.get(MOTHER) == EQUAL)
    middle = middle_word in (EQUAL, RARE)
    thirds = identifiers + near_identifiers + places
    opposed = DIFFERS in (ssn, evidence.get(MEDICAID_ID), evidence.get(SEX))
    if not (last or first or birth):
        if issued and not opposed:
            return Grade.CERTAIN
        return (
            Grade.PROBABLE if ssn == EQUAL and not opposed else Grade.POSSIBLE if identifiers else Grade.CERTAINLY_NOT
        )
    near = near_identifiers - (ssn in (ONE_DIGIT, SHARED))  # twins have neighboring numbers, families share one
    given = middle or middle_word in (*_INITIAL, SIMILAR)
    no_twin = comparison.grown is True and birth == EQUAL and places > 0  # who is grown shares no home with a twin
    looked_for = comparison.grown is not None  # all enrolled on the day
    if first == FIRST_LETTER and not (identifiers or near or no_twin or (given and places and looked_for)):
        first = ANOTHER_NAME  # Jayden and Kayden
    named = first is not None and first not in _NOT_NAMED
    lasted = last is not None and last not in (DIFFERS, ANOTHER_SCRIPT)
    dated = birth is not None and birth not in _OTHER_DATE
    proof = identifiers > 0 or ssn == LAST_FOUR
    if not proof and _two_people(evidence, first, places, panel_size):
        return Grade.CERTAINLY_NOT
    if first in _ANOTHER:
        if birth in _OTHER_DATE:
            return Grade.POSSIBLE if identifiers and lasted else Grade.CERTAINLY_NOT
        proven = identifiers >= 2 or (issued and lasted and evidence.get(SEX) != DIFFERS)
        against = opposed or DIFFERS in (middle_word, evidence.get(SUFFIX))
        if last in _SURE_NAME and birth == EQUAL and not against:
            proven = proven or (no_twin and (given or identifiers > 0))
        alike = DIFFERS not in (first, ssn)
        return Grade.PROBABLE if alike and proven and dated else Grade.POSSIBLE
    if evidence.get(SUFFIX) == DIFFERS:
        return Grade.POSSIBLE if identifiers or (named and lasted and dated) else Grade.CERTAINLY_NOT
    if ssn == DIFFERS or (ssn == NEIGHBOR and not (issued or given or no_twin)):
        return Grade.POSSIBLE  # numbers are wrong, but seldom in more than a digit
    if middle_word == DIFFERS and not (issued or (first == EQUAL and places and (identifiers or no_twin))):
        return Grade.POSSIBLE  # the twins Maria Elena and Maria Luz; families share a Social Security number
    if first in _LOOSE_NAME and not identifiers and opposed:
        return Grade.POSSIBLE  # Eric and Erica
    if first in _TWINS_NAME and opposed and not issued:
        return Grade.POSSIBLE  # a Social Security number against a Medicaid id: relatives use one another's
    if first in _TWINS_NAME and not (identifiers or near or no_twin or (middle if first in _LOOSE_FIRST else given)):
        return Grade.POSSIBLE  # Nancy and Judith Nancy, A. and Alfred
    doubted = ssn == LAST_FOUR_NEARLY or (first == NICKNAME and (birth != EQUAL or last == SIMILAR))
    if first in _LOOSE_NAME and doubted and not (identifiers or near or given or (comparison.grown and places)):
        return Grade.POSSIBLE  # another name and one doubt more: Ed 8754 and Eddie 8753
    if evidence.get(MEDICAID_ID) == DIFFERS and not (identifiers or near or given):
        return Grade.POSSIBLE
    if birth in (*_OTHER_DATE, GENERATION):
        return Grade.PROBABLE if issued and thirds >= 2 and named and lasted else Grade.POSSIBLE
    half_home = thirds == 1 and evidence.get(ADDRESS) in _PLACE and evidence.get(PHONE) != ONE_DIGIT
    if half_home and comparison.untold and comparison.grown is False:
        return Grade.POSSIBLE  # Maria Elena or her twin Maria Luz, when only Maria is said
    if last == DIFFERS:
        agreed = birth == EQUAL and first in _SURE_NAME and middle_word != DIFFERS and not opposed
        known = identifiers >= 2 and named and dated
        at_home = no_twin or ((looked_for or panel_size <= NAMESAKES_FROM) and evidence.get(ADDRESS) in _PLACE)
        alone = at_home and first == EQUAL
        return Grade.PROBABLE if known or (agreed and (alone or thirds + middle >= 2)) else Grade.POSSIBLE
    absent = (not named) + (not lasted) + (birth is None)
    if absent:
        if identifiers:
            return Grade.PROBABLE if issued or (absent == 1 and not opposed) else Grade.POSSIBLE
        enough = absent == 1 and named and thirds + middle >= 1
        if birth is None:  # father and son share the rest
            enough = enough and places > 0 and not opposed
            enough = enough and ((near_identifiers > 0 and ssn != SHARED) or _no_son(comparison, places, given=given))
        return Grade.PROBABLE if enough else Grade.POSSIBLE
    if evidence.get(SEX) == DIFFERS and comparison.grown is False and not (identifiers or near or given):
        return Grade.POSSIBLE  # a twin of the other sex
    near_home = evidence.get(ADDRESS) in _NEAR_HOME and evidence.get(ZIP) in _NEAR_ZIP
    sure = first in _SURE_NAME and last in _SURE_NAME
    if not thirds:
        moved = evidence.get(ADDRESS) == DIFFERS
        alone = birth == EQUAL and (
            middle_word == RARE
            or (middle and first in _FULL_NAME and not (moved and evidence.get(PHONE) == DIFFERS))
            or (sure and first != NICKNAME and middle_word == RARE_INITIAL and evidence.get(PHONE) != DIFFERS)
        )  # who moved too
        alone = alone or (near_home and panel_size <= NAMESAKES_FROM)
        nearly = evidence.get(PHONE) == ONE_DIGIT or (given and evidence.get(ZIP) == EQUAL and not moved)
        alone = alone or (sure and birth == EQUAL and nearly)
        alone = alone or (panel_size <= FEW_PEOPLE and _says_no_more(evidence))
        alone = alone and not opposed
        return Grade.PROBABLE if alone else Grade.POSSIBLE
    if opposed:
        sure = sure and birth == EQUAL and middle_word != DIFFERS
        enough = issued > 0 or (thirds >= 2 and (identifiers > 0 or birth in _SURE_DATE)) or sure
        return Grade.PROBABLE if enough else Grade.POSSIBLE
    loose = (last in _LOOSE_LAST) + (first in _LOOSE_FIRST) + (birth in _LOOSE_DATE)
    if loose and not identifiers + near_identifiers:
        initial = middle_word in _INITIAL
        if places + (middle or initial) < 2 and not (loose == 1 and _at_home(comparison, places)):
            return Grade.POSSIBLE
    if middle_word == DIFFERS:
        return Grade.PROBABLE
    if identifiers:
        return Grade.CERTAIN
    if birth in _SURE_DATE and sure and not (comparison.untold and comparison.grown is False):
        return Grade.CERTAIN
    return Grade.PROBABLE


def _at_home(comparison: Comparison, places: int) -> bool:
    """Whether one home is enough beside one loose element, whoever else was looked for on the day of the event: an
    address beside equal first names; of the grown a phone as well, and who is called by the middle name."""
    evidence = comparison.evidence
    if comparison.grown is None or evidence.get(LAST_NAME) not in _WHOLE_LAST:
        return False
    first = evidence.get(FIRST_NAME)
    if comparison.grown:
        return places > 0 and first in _WHOLE_FIRST
    return evidence.get(ADDRESS) in _PLACE and first == EQUAL


def _no_son(comparison: Comparison, places: int, *, given: bool) -> bool:
    """Whether a home, and another place or a middle name, tell a woman or girl without her birth date, whoever else
    was looked for: a son bears his father's name, a daughter seldom her mother's."""
    if not comparison.female or comparison.grown is None or places + given < 2:
        return False
    first = comparison.evidence.get(FIRST_NAME)
    return first == EQUAL or (given and first in _LOOSE_NAME)


def _says_no_more(evidence: dict[str, str]) -> bool:
    """Names, birth date and sex are equal, and the message gives nothing else that could speak for or against."""
    return evidence == dict.fromkeys((LAST_NAME, FIRST_NAME, BIRTH_DATE, SEX), EQUAL)


def _two_people(evidence: dict[str, str], first: str | None, places: int, panel_size: int) -> bool:
    """Whether, without an identifier that agrees, this is so surely somebody else that nobody need be asked.

    Two first names that have nothing in common (siblings, twins); a name like it with a number, middle name or sex
    against it; the same names and years between the birth dates (father and son), unless home, phone and whole middle
    name agree; a newborn without a name and another birth date; people who share name and birth date by chance: other
    middle names or other Social Security numbers, and no home in common. Among a few thousand people, where such
    questions are few, whoever shares the home is asked about.
    """
    birth, middle, ssn = evidence.get(BIRTH_DATE), evidence.get(MIDDLE_NAME), evidence.get(SSN)
    numbers = DIFFERS in (ssn, evidence.get(MEDICAID_ID))
    against = numbers or middle == DIFFERS
    if panel_size <= NAMESAKES_FROM and evidence.get(ADDRESS) in _HOME and first is not None and not against:
        return first == DIFFERS and birth in _OTHER_DATE
    if first == DIFFERS:
        return True
    if birth == YEARS_APART:
        return against or first is None or places < 2 or middle not in (EQUAL, RARE)
    other_sex = evidence.get(SEX) == DIFFERS and middle not in (EQUAL, RARE)
    if first == ANOTHER_NAME and (against or other_sex or (birth != EQUAL and not places)):
        return True
    if birth == DIFFERS and (against or first is None or not places):
        return True
    if middle == DIFFERS:
        return not places or numbers
    return ssn == DIFFERS and not places and middle not in (EQUAL, RARE)
