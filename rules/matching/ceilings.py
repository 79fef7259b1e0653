"""How two people agree in, the best grade that may come to out, whatever its weight.

The judgments follow in their order, each a reason to be no better; `rules.matching.grades.grade` says what they come
to.
"""

from typing import Final

from rules.decisions import Grade
from rules.matching.agreed import AN_INITIAL, ANOTHER, OTHER_DATE, PLACE, Agreed
from rules.matching.compare import Comparison
from rules.matching.evidence import (
    ADDRESS,
    ANOTHER_NAME,
    BIRTH_DATE,
    BY_MIDDLE_NAME,
    DAY_AND_MONTH,
    DIFFERS,
    EQUAL,
    FIRST_LETTER,
    FIRST_NAME,
    FORMER_NAME,
    GENERATION,
    INITIAL,
    LAST_FOUR,
    LAST_FOUR_NEARLY,
    LAST_NAME,
    MEDICAID_ID,
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
    SUFFIX,
    SWAPPED,
    YEARS_APART,
    ZIP,
)

NAMESAKES_FROM: Final = 17_000  # people; up to here no two of one name and birth date live in one street by chance
FEW_PEOPLE: Final = 1_000  # among so few a stranger of the same names, birth date and sex comes once in a lifetime
_SURE_NAME: Final = (EQUAL, NICKNAME, FORMER_NAME)
_FULL_NAME: Final = (*_SURE_NAME, SIMILAR, PART)
_LOOSE_NAME: Final = (SIMILAR, NICKNAME, SWAPPED)
_LOOSE_LAST: Final = (PART,)
_LOOSE_FIRST: Final = (BY_MIDDLE_NAME,)
_WHOLE_LAST: Final = (EQUAL, PART)
_WHOLE_FIRST: Final = (EQUAL, BY_MIDDLE_NAME)
_LOOSE_DATE: Final = (ONE_DIGIT, ONE_PART)
_TWINS_NAME: Final = (BY_MIDDLE_NAME, FIRST_LETTER, INITIAL, OWN_NAME)
_NEAR_HOME: Final = (SAME_STREET, NUMBER_MISSING, SAME_NUMBER)
_HOME: Final = (*PLACE, *_NEAR_HOME)
_NEAR_ZIP: Final = (EQUAL, ONE_DIGIT)
_SURE_DATE: Final = (EQUAL, DAY_AND_MONTH)
_AN_AGE_APART: Final = (*OTHER_DATE, GENERATION)


def ceiling_of(comparison: Comparison, panel_size: int) -> Grade:
    """The best grade this agreement may get, whatever its weight."""
    agreed = Agreed(comparison, panel_size)
    evidence, first, last = agreed.evidence, agreed.first, agreed.last
    if not (last or first or agreed.birth):
        return _by_numbers_alone(agreed)
    if not (agreed.identifiers or agreed.ssn == LAST_FOUR) and _surely_two(agreed):
        return Grade.CERTAINLY_NOT
    if first in ANOTHER:
        return _of_another_first_name(agreed)
    if evidence.get(SUFFIX) == DIFFERS:
        all_else = agreed.named and agreed.surnamed and agreed.dated
        return Grade.POSSIBLE if agreed.identifiers or all_else else Grade.CERTAINLY_NOT
    if _numbers_differ(agreed) or _may_be_twins(agreed):
        return Grade.POSSIBLE
    if agreed.birth in _AN_AGE_APART:
        sure = agreed.issued and agreed.thirds >= 2 and agreed.named and agreed.surnamed
        return Grade.PROBABLE if sure else Grade.POSSIBLE
    if _the_other_twin(agreed):
        return Grade.POSSIBLE
    if last == DIFFERS:
        return _of_another_last_name(agreed)
    if not (agreed.named and agreed.surnamed and agreed.birth):
        return _with_something_missing(agreed)
    if evidence.get(SEX) == DIFFERS and comparison.grown is False and not agreed.a_number_or_name:
        return Grade.POSSIBLE  # a twin of the other sex
    if not agreed.thirds:
        return _by_names_and_date(agreed)
    return _with_a_third(agreed)


def _by_numbers_alone(agreed: Agreed) -> Grade:
    """Neither names nor a birth date on one of the two sides."""
    if agreed.opposed:
        return Grade.POSSIBLE if agreed.identifiers else Grade.CERTAINLY_NOT
    if agreed.issued:
        return Grade.CERTAIN
    return Grade.PROBABLE if agreed.identifiers else Grade.CERTAINLY_NOT


def _of_another_first_name(agreed: Agreed) -> Grade:
    evidence = agreed.evidence
    if agreed.birth in OTHER_DATE:
        return Grade.POSSIBLE if agreed.identifiers and agreed.surnamed else Grade.CERTAINLY_NOT
    proven = agreed.identifiers >= 2 or (agreed.issued and agreed.surnamed and evidence.get(SEX) != DIFFERS)
    against = agreed.opposed or DIFFERS in (agreed.middle, evidence.get(SUFFIX))
    if agreed.last in _SURE_NAME and agreed.birth == EQUAL and not against:
        proven = proven or (agreed.no_twin and (agreed.given or agreed.identifiers > 0))
    alike = DIFFERS not in (agreed.first, agreed.ssn)
    return Grade.PROBABLE if alike and proven and agreed.dated else Grade.POSSIBLE


def _numbers_differ(agreed: Agreed) -> bool:
    """Numbers are wrong, but seldom in more than a digit; relatives have neighboring ones."""
    related = agreed.ssn == NEIGHBOR and not (agreed.issued or agreed.given or agreed.no_twin)
    other_medicaid = agreed.evidence.get(MEDICAID_ID) == DIFFERS and not agreed.a_number_or_name
    return agreed.ssn == DIFFERS or related or other_medicaid


def _may_be_twins(agreed: Agreed) -> bool:
    """Two of one home and birth date whose names are alike, and nothing that only one of them has agrees."""
    first, no_twin = agreed.first, agreed.no_twin
    if agreed.middle == DIFFERS:  # the twins Maria Elena and Maria Luz; families share a Social Security number
        at_home = first == EQUAL and agreed.places and (agreed.identifiers or no_twin)
        if not (agreed.issued or at_home):
            return True
    if first in _TWINS_NAME:  # Nancy and Judith Nancy, A. and Alfred
        if agreed.opposed and not agreed.issued:  # a number against another: relatives use one another's
            return True
        named = agreed.whole_middle if first in _LOOSE_FIRST else agreed.given
        return not (agreed.identifiers or agreed.near or no_twin or named)
    if first in _LOOSE_NAME:
        if not agreed.identifiers and agreed.opposed:  # Eric and Erica
            return True
        doubted = first == NICKNAME and (agreed.birth != EQUAL or agreed.last == SIMILAR)
        if agreed.ssn == LAST_FOUR_NEARLY or doubted:  # one doubt more: Ed 8754 and Eddie 8753
            return not (agreed.a_number_or_name or (agreed.comparison.grown and agreed.places))
    return False


def _the_other_twin(agreed: Agreed) -> bool:
    """Maria Elena or her twin Maria Luz, when only Maria is said, and nothing but the address agrees."""
    evidence, comparison = agreed.evidence, agreed.comparison
    half_home = agreed.thirds == 1 and evidence.get(ADDRESS) in PLACE and evidence.get(PHONE) != ONE_DIGIT
    return half_home and comparison.untold and comparison.grown is False


def _of_another_last_name(agreed: Agreed) -> Grade:
    if agreed.identifiers >= 2 and agreed.named and agreed.dated:
        return Grade.PROBABLE
    if agreed.birth != EQUAL or agreed.first not in _SURE_NAME or agreed.middle == DIFFERS or agreed.opposed:
        return Grade.POSSIBLE
    of_few = agreed.looked_for or agreed.panel_size <= NAMESAKES_FROM
    at_home = agreed.no_twin or (of_few and agreed.evidence.get(ADDRESS) in PLACE)
    enough = (at_home and agreed.first == EQUAL) or agreed.thirds + agreed.whole_middle >= 2
    return Grade.PROBABLE if enough else Grade.POSSIBLE


def _with_something_missing(agreed: Agreed) -> Grade:
    """A first name, a last name in our letters or a birth date is not given on one of the two sides."""
    absent = (not agreed.named) + (not agreed.surnamed) + (agreed.birth is None)
    if agreed.identifiers:
        return Grade.PROBABLE if agreed.issued or (absent == 1 and not agreed.opposed) else Grade.POSSIBLE
    enough = absent == 1 and agreed.named and agreed.thirds + agreed.whole_middle >= 1
    if agreed.birth is None:  # father and son share the rest
        told_apart = (agreed.near_identifiers > 0 and agreed.ssn != SHARED) or _no_son(agreed)
        enough = enough and agreed.places > 0 and not agreed.opposed and told_apart
    return Grade.PROBABLE if enough else Grade.POSSIBLE


def _by_names_and_date(agreed: Agreed) -> Grade:
    """No third element agrees but, perhaps, a middle name or a part of the address: also who moved has one of these."""
    if agreed.opposed:
        return Grade.POSSIBLE
    evidence, middle = agreed.evidence, agreed.middle
    address, phone, code = map(evidence.get, (ADDRESS, PHONE, ZIP))
    few = agreed.panel_size <= FEW_PEOPLE and _says_no_more(evidence)
    if few or (agreed.panel_size <= NAMESAKES_FROM and address in _NEAR_HOME and code in _NEAR_ZIP):
        return Grade.PROBABLE
    if agreed.birth != EQUAL:
        return Grade.POSSIBLE
    sure = agreed.first in _SURE_NAME and agreed.last in _SURE_NAME
    moved = address == DIFFERS
    alone = (
        middle == RARE
        or (agreed.whole_middle and agreed.first in _FULL_NAME and not (moved and phone == DIFFERS))
        or (sure and agreed.first != NICKNAME and middle == RARE_INITIAL and phone != DIFFERS)
        or (sure and (phone == ONE_DIGIT or (agreed.given and code == EQUAL and not moved)))
    )
    return Grade.PROBABLE if alone else Grade.POSSIBLE


def _with_a_third(agreed: Agreed) -> Grade:
    """Names, birth date and a third element agree at least loosely."""
    middle, birth = agreed.middle, agreed.birth
    sure = agreed.first in _SURE_NAME and agreed.last in _SURE_NAME
    if agreed.opposed:
        two = agreed.thirds >= 2 and (agreed.identifiers > 0 or birth in _SURE_DATE)
        enough = agreed.issued > 0 or two or (sure and birth == EQUAL and middle != DIFFERS)
        return Grade.PROBABLE if enough else Grade.POSSIBLE
    loose = (agreed.last in _LOOSE_LAST) + (agreed.first in _LOOSE_FIRST) + (birth in _LOOSE_DATE)
    if loose and not agreed.identifiers + agreed.near_identifiers:
        two = agreed.places + (agreed.whole_middle or middle in AN_INITIAL) >= 2
        if not two and not (loose == 1 and _at_home(agreed)):
            return Grade.POSSIBLE
    if middle == DIFFERS:
        return Grade.PROBABLE
    untold = agreed.comparison.untold and agreed.comparison.grown is False
    certain = agreed.identifiers or (birth in _SURE_DATE and sure and not untold)
    return Grade.CERTAIN if certain else Grade.PROBABLE


def _at_home(agreed: Agreed) -> bool:
    """Whether one home is enough beside one loose element, whoever else was looked for on the day of the event: an
    address beside equal first names; of the grown a phone as well, and who is called by the middle name."""
    if not agreed.looked_for or agreed.last not in _WHOLE_LAST:
        return False
    if agreed.comparison.grown:
        return agreed.places > 0 and agreed.first in _WHOLE_FIRST
    return agreed.evidence.get(ADDRESS) in PLACE and agreed.first == EQUAL


def _no_son(agreed: Agreed) -> bool:
    """Whether a home, and another place or a middle name, tell a woman or girl without her birth date, whoever else
    was looked for: a son bears his father's name, a daughter seldom her mother's."""
    if not agreed.comparison.female or not agreed.looked_for or agreed.places + agreed.given < 2:
        return False
    return agreed.first == EQUAL or (agreed.given and agreed.first in _LOOSE_NAME)


def _says_no_more(evidence: dict[str, str]) -> bool:
    """Names, birth date and sex are equal, and the message gives nothing else that could speak for or against."""
    return evidence == dict.fromkeys((LAST_NAME, FIRST_NAME, BIRTH_DATE, SEX), EQUAL)


def _surely_two(agreed: Agreed) -> bool:
    """Whether, without an identifier that agrees, this is so surely somebody else that nobody need be asked.

    Two first names that have nothing in common (siblings, twins); a name like it with a number, middle name or sex
    against it; the same names and years between the birth dates (father and son), unless home, phone and whole middle
    name agree; a newborn without a name and another birth date; people who share name and birth date by chance: other
    middle names or other Social Security numbers, and no home in common. Among a few thousand people, where such
    questions are few, whoever shares the home is asked about.
    """
    evidence, first, places = agreed.evidence, agreed.first, agreed.places
    birth, middle, ssn = agreed.birth, agreed.middle, agreed.ssn
    numbers = DIFFERS in (ssn, evidence.get(MEDICAID_ID))
    against = numbers or middle == DIFFERS
    if agreed.panel_size <= NAMESAKES_FROM and evidence.get(ADDRESS) in _HOME and first is not None and not against:
        return first == DIFFERS and birth in OTHER_DATE
    if first == DIFFERS:
        return True
    if birth == YEARS_APART:
        return against or first is None or places < 2 or not agreed.whole_middle
    other_sex = evidence.get(SEX) == DIFFERS and not agreed.whole_middle
    if first == ANOTHER_NAME and (against or other_sex or (birth != EQUAL and not places)):
        return True
    if birth == DIFFERS and (against or first is None or not places):
        return True
    if middle == DIFFERS:
        return not places or numbers
    return ssn == DIFFERS and not places and not agreed.whole_middle
