"""How two people agree and how many people there are in, a grade out.

A grade needs more than weight: some things must agree and some must not differ. log2 of the panel's size is taken
off, so that the threshold rises with the number of people one could be mistaken for.
"""

from math import log2
from typing import Final

from rules.decisions import Grade
from rules.matching import DIFFERS, EQUAL, GENERATION, RARE, RARE_INITIAL, Comparison

CERTAIN_BITS: Final = 18.0
PROBABLE_BITS: Final = 9.0
POSSIBLE_BITS: Final = -4.0
NAMESAKES_FROM: Final = 17_000  # people; up to here no two of one name and birth date live in one street by chance
_GRADE_ORDER: Final = {Grade.CERTAINLY_NOT: 0, Grade.POSSIBLE: 1, Grade.PROBABLE: 2, Grade.CERTAIN: 3}
_ANOTHER: Final = (DIFFERS, "another name")
_PLACE: Final = (EQUAL, "similar", "former address equal")
_SURE_NAME: Final = (EQUAL, "nickname", "former name equal")
_LOOSE_NAME: Final = ("similar", "nickname", "swapped")
_LOOSE_LAST: Final = ("part equal",)
_LOOSE_FIRST: Final = ("middle name",)
_LOOSE_DATE: Final = ("one digit differs", "one part differs")
_INITIAL: Final = ("initial equal", RARE_INITIAL)
_NEAR_HOME: Final = ("same street", "number missing", "same number")
_NEAR_ZIP: Final = (EQUAL, "one digit differs")
_SURE_DATE: Final = (EQUAL, "month and day swapped")


def rank(grade: Grade) -> int:
    """0 certainly-not, 1 possible, 2 probable, 3 certain."""
    return _GRADE_ORDER[grade]


def lower(one: Grade, other: Grade) -> Grade:
    """The lesser of two grades."""
    return one if _GRADE_ORDER[one] <= _GRADE_ORDER[other] else other


def grade(comparison: Comparison, panel_size: int) -> Grade:
    """What the agreement comes to among `panel_size` people.

    Automatic (certain, probable) needs first name, last name and birth date plus a third agreeing element that is
    not ZIP, city or sex: an identifier, a street address, a phone, the mother, a whole middle name or an initial
    that few bear (for people who moved: of those who share name and birth date with somebody about one in a
    thousand shares that too). What agrees only loosely (half of a double last name, a middle name used as the first,
    a birth date off by a digit or a part) must be outweighed by an identifier or by two such elements, another last
    name by two of which one may be an identifier. Among a few thousand people one address is enough for another last
    name, and part of an address in one ZIP code for the same names. Twins (another first name; the same one and
    another middle name) and Jr/Sr (another suffix, another birth date) never pass without an identifier. Certain
    needs all three present and nothing that differs, so blanking a field cannot lead there from "certainly-not".
    """
    return hold_down(ceiling_of(comparison.evidence, panel_size), comparison, comparison.weight, panel_size)


def hold_down(ceiling: Grade, comparison: Comparison, weight: float, panel_size: int) -> Grade:
    """The grade at `weight`, `ceiling` at best."""
    evidence = comparison.evidence
    if ceiling is Grade.CERTAINLY_NOT or not (
        "last_name" in evidence or "first_name" in evidence or "birth_date" in evidence
    ):
        return ceiling  # an identifier alone: there is nothing to weigh it against
    bits = weight - log2(max(panel_size, 1))
    if bits >= CERTAIN_BITS:
        return ceiling
    if bits >= PROBABLE_BITS:
        return lower(ceiling, Grade.PROBABLE)
    known = EQUAL in (evidence.get("mrn"), evidence.get("medicaid_id")) and evidence.get("last_name") != DIFFERS
    return lower(ceiling, Grade.POSSIBLE) if known or bits >= POSSIBLE_BITS else Grade.CERTAINLY_NOT


def ceiling_of(evidence: dict[str, str], panel_size: int) -> Grade:
    """The best grade this agreement may get, whatever its weight."""
    last, first, birth = evidence.get("last_name"), evidence.get("first_name"), evidence.get("birth_date")
    issued = (evidence.get("medicaid_id") == EQUAL) + (evidence.get("mrn") == EQUAL)
    ssn, middle_word = evidence.get("ssn"), evidence.get("middle_name")
    identifiers = issued + (ssn == EQUAL)
    near_identifiers = (ssn in ("one digit differs", "last four equal", "shared")) + (
        evidence.get("medicaid_id") == "one digit differs"
    )
    places = (evidence.get("address") in _PLACE) + (evidence.get("phone") == EQUAL) + (evidence.get("mother") == EQUAL)
    middle = middle_word in (EQUAL, RARE)
    thirds = identifiers + near_identifiers + places
    opposed = DIFFERS in (ssn, evidence.get("medicaid_id"), evidence.get("sex"))
    if not last and not first and not birth:
        if issued and not opposed:
            return Grade.CERTAIN
        return (
            Grade.PROBABLE if ssn == EQUAL and not opposed else Grade.POSSIBLE if identifiers else Grade.CERTAINLY_NOT
        )
    named = first is not None and first not in _ANOTHER
    lasted = last is not None and last != DIFFERS
    dated = birth is not None and birth != DIFFERS
    if first in _ANOTHER and birth == DIFFERS:
        return Grade.POSSIBLE if identifiers and lasted else Grade.CERTAINLY_NOT
    if evidence.get("suffix") == DIFFERS:
        return Grade.POSSIBLE if identifiers or (named and lasted and dated) else Grade.CERTAINLY_NOT
    if first in _ANOTHER:
        proven = identifiers >= 2 or (issued and lasted and first != DIFFERS and evidence.get("sex") != DIFFERS)
        return Grade.PROBABLE if proven and dated else Grade.POSSIBLE
    if middle_word == DIFFERS and not identifiers:
        return Grade.POSSIBLE  # the twins Maria Elena and Maria Luz
    if first in _LOOSE_NAME and not identifiers and opposed:
        return Grade.POSSIBLE  # Eric and Erica
    if birth in (DIFFERS, GENERATION):
        return Grade.PROBABLE if issued and thirds >= 2 and named and lasted else Grade.POSSIBLE
    if last == DIFFERS:
        agreed = birth == EQUAL and first in _SURE_NAME and middle_word != DIFFERS and not opposed
        known = identifiers >= 2 and named and dated
        few = panel_size <= NAMESAKES_FROM and first == EQUAL and evidence.get("address") in _PLACE
        return Grade.PROBABLE if known or (agreed and (few or thirds + middle >= 2)) else Grade.POSSIBLE
    absent = (first is None) + (last is None) + (birth is None)
    if absent:
        if identifiers:
            return Grade.PROBABLE if absent == 1 or issued else Grade.POSSIBLE
        enough = absent == 1 and first is not None and thirds + middle >= 1
        if birth is None:  # father and son share the rest
            enough = enough and near_identifiers > 0 and places > 0
        return Grade.PROBABLE if enough else Grade.POSSIBLE
    near_home = evidence.get("address") in _NEAR_HOME and evidence.get("zip") in _NEAR_ZIP
    sure = first in _SURE_NAME and last in _SURE_NAME
    if not thirds:
        alone = birth == EQUAL and (middle or (sure and middle_word == RARE_INITIAL))  # who moved too
        alone = alone or (near_home and panel_size <= NAMESAKES_FROM)
        alone = alone and not opposed
        return Grade.PROBABLE if alone else Grade.POSSIBLE
    if opposed:
        sure = sure and birth == EQUAL and middle_word != DIFFERS
        return Grade.PROBABLE if issued or thirds >= 2 or sure else Grade.POSSIBLE
    loose = (last in _LOOSE_LAST) + (first in _LOOSE_FIRST) + (birth in _LOOSE_DATE)
    if loose and not identifiers + near_identifiers:
        initial = middle_word in _INITIAL and loose == (birth in _LOOSE_DATE)
        if places + (middle or initial) < 2:
            return Grade.POSSIBLE
    if middle_word == DIFFERS:
        return Grade.PROBABLE
    if identifiers:
        return Grade.CERTAIN
    if birth in _SURE_DATE and sure:
        return Grade.CERTAIN
    return Grade.PROBABLE
