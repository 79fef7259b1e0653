"""How two people agree and how many people there are in, a grade out.

A grade needs more than weight: some things must agree and some must not differ. log2 of the panel's size is taken
off, so that the threshold rises with the number of people one could be mistaken for.
"""

from math import log2
from typing import Final

from rules.decisions import Grade
from rules.matching.ceilings import NAMESAKES_FROM, ceiling_of
from rules.matching.compare import Comparison
from rules.matching.evidence import BIRTH_DATE, DIFFERS, EQUAL, FIRST_NAME, LAST_NAME, MEDICAID_ID, MRN

CERTAIN_BITS: Final = 18.0
PROBABLE_BITS: Final = 9.0
POSSIBLE_BITS: Final = -4.0
POSSIBLE_BITS_OF_FEW: Final = -9.0  # up to `NAMESAKES_FROM` people questions are few
_GRADE_ORDER: Final = {Grade.CERTAINLY_NOT: 0, Grade.POSSIBLE: 1, Grade.PROBABLE: 2, Grade.CERTAIN: 3}


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
