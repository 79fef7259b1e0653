"""Two descriptions of a person in, how well they agree out: field by field in words, and as one weight.

The weight is a sum of log2 likelihood ratios (Fellegi and Sunter, "A Theory for Record Linkage", 1969); common
names weigh less.

One file, because the weights of the fields are set against each other.
"""

from functools import lru_cache
from math import log2
from typing import Final, NamedTuple

from rapidfuzz.distance import DamerauLevenshtein, JaroWinkler

from rules.matching.evidence import (
    ADDRESS,
    ANOTHER_NAME,
    ANOTHER_SCRIPT,
    BIRTH_DATE,
    BY_MIDDLE_NAME,
    CITY,
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
    NUMBER_MISSING,
    ONE_DIGIT,
    ONE_PART,
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
    Agreement,
)
from rules.matching.given import PERHAPS_TWO, Borne, Weights, close, first_agreement, one_or_two
from rules.matching.names import (
    Name,
    first_shares,
    last_shares,
    nickname,
    same_script,
)
from rules.matching.person import PanelRecord, Person

__all__ = ["Comparison", "PanelRecord", "compare"]


_RAREST_LAST: Final = 2.0**-13
_RAREST_FIRST: Final = 2.0**-11


@lru_cache(maxsize=1 << 17)
def census_last_weight(key: str) -> float:
    """How much it says that two people share this last name, in bits."""
    return -log2(max(last_shares().get(key, 0.0), _RAREST_LAST))


@lru_cache(maxsize=1 << 16)
def census_first_weight(key: str) -> float:
    """How much it says that two people share this first name, in bits."""
    return -log2(max(first_shares().get(key, 0.0), _RAREST_FIRST))


class Comparison(NamedTuple):
    """How two people agree."""

    weight: float
    evidence: dict[str, str]
    penalty: float = 0.0  # the part of `weight` that disagreeing identifiers took off, as a positive number
    grown: bool | None = None  # both are of an age at which twins do not share a home; None: no day or birth date given
    untold: bool = False  # a whole middle name is on file, and the other side says none
    female: bool = False  # both are


_GROWN: Final = 26_00_00  # 26 years as a difference of two dates yyyymmdd; up to there children stay on a parent's plan
_GENERATION: Final = 14  # years; born on one day of the year so far apart are a father and his son
_RARE_INITIALS: Final = frozenset("FGHINOPQUVWXYZ")  # each that of fewer than one first name in 30 (census of 1990)
_REGISTERED_TOGETHER: Final = 3  # between the Social Security numbers of twins or siblings
_RARE_MIDDLE_BITS: Final = 11.0  # fewer than one in 2,000 people bear it as their first name


@lru_cache(maxsize=1 << 16)
def _last_agreement(name: Name, other: Name) -> tuple[Agreement, float]:
    """The word, and the share of the name's weight it earns."""
    if name.key == other.key:
        return EQUAL, 1.0
    if not same_script(name.key, other.key):
        return ANOTHER_SCRIPT, 0.0
    parts, other_parts = name.parts or (name.key,), other.parts or (other.key,)
    if (name.parts or other.parts) and not set(parts).isdisjoint(other_parts):
        return PART, 0.75
    if close(name.key, other.key):
        return SIMILAR, 0.6
    return DIFFERS, 0.0


def _digits_agreement(digits: str, other: str) -> bool:
    """One digit differs, or two neighbors are transposed."""
    return len(digits) == len(other) and DamerauLevenshtein.distance(digits, other, score_cutoff=1) <= 1


def _year_slip(year: int, other: int) -> bool:
    """1953 and 1935: two digits transposed, which father and son hardly are on top of their common birthday."""
    century, rest = divmod(year, 100)
    return other == century * 100 + rest % 10 * 10 + rest // 10


@lru_cache(maxsize=1 << 16)
def _birth_agreement(birth: int, other: int) -> tuple[Agreement, float]:
    if birth == other:
        return EQUAL, 9.0 if birth % 10000 == 101 else 13.5
    year, rest = divmod(birth, 10000)
    month, day = divmod(rest, 100)
    if year * 10000 + day * 100 + month == other:
        return DAY_AND_MONTH, 9.5
    if rest == other % 10000 and abs(year - other // 10000) >= _GENERATION and not _year_slip(year, other // 10000):
        return GENERATION, 4.5
    same = (year == other // 10000) + (month == other // 100 % 100) + (day == other % 100)
    if _digits_agreement(f"{birth:08d}", f"{other:08d}"):
        return ONE_DIGIT, 7.0
    if same == 2:
        return ONE_PART, 4.5
    apart = abs(year - other // 10000) >= _GENERATION
    return YEARS_APART if apart else DIFFERS, -7.0


def _name_agreement(
    person: Person, other: Person, last_weight: Weights, first_weight: Weights, borne: Borne | None, young: bool
) -> tuple[float, str, str]:
    """Best of every name of the one with every name of the other: weight, word for the last and for the first name."""
    best = (-99.0, "", "")
    middles = person.middle, other.middle
    for turn, (last, first) in enumerate(person.names):
        for other_turn, (other_last, other_first) in enumerate(other.names):
            weight = 0.0 if turn == other_turn == 0 else -1.0
            last_word = first_word = ""
            if last.key and other_last.key:
                last_word, earned = _last_earned(last, other_last, last_weight)
                weight += earned
            if first.key and other_first.key:
                first_word, earned = _first_earned(first, other_first, middles, first_weight, borne, young)
                weight += earned
            if last_word == DIFFERS and first_word in (DIFFERS, ANOTHER_NAME):
                share, other_share = _crossed(last, other_first), _crossed(first, other_last)
                if min(share, other_share) >= 0.6 and share + other_share >= 1.6:
                    weight += 9.0 + 0.8 * (last_weight(other_last.key) + share * first_weight(other_first.key))
                    last_word = first_word = SWAPPED
            if (turn or other_turn) and last_word == EQUAL:
                last_word = FORMER_NAME
            if ANOTHER_SCRIPT in (last_word, first_word):  # whatever can be compared comes first
                if best[0] <= -98.0:
                    best = (-98.0, last_word, first_word)
            elif weight > best[0]:
                best = (weight, last_word, first_word)
    return best if best[0] > -98.0 else (0.0, best[1], best[2])


def _last_earned(last: Name, other: Name, weigh: Weights) -> tuple[str, float]:
    """The word for two last names, and the bits they earn."""
    word, share = _last_agreement(last, other)
    if word == EQUAL:
        return word, weigh(last.key)
    if share:
        return word, share * min(weigh(last.key), weigh(other.key))
    return word, 0.0 if word == ANOTHER_SCRIPT else -4.0


def _first_earned(
    first: Name, other: Name, middles: tuple[str, str], weigh: Weights, borne: Borne | None, young: bool
) -> tuple[str, float]:
    """The word for two first names, and the bits they earn; `middles`: the middle names of the two people."""
    word, share = first_agreement(first, other)
    if word == EQUAL:
        return word, weigh(first.key)
    if word in PERHAPS_TWO:
        word, share = one_or_two(word, share, first.key, other.key, weigh, borne, young)
    if share:
        return word, share * min(weigh(first.key), weigh(other.key))
    middle, other_middle = middles
    if _goes_by(first.key, middle, other.key, other_middle):
        return BY_MIDDLE_NAME, 0.6 * weigh(first.key)
    if _goes_by(other.key, other_middle, first.key, middle):
        return BY_MIDDLE_NAME, 0.6 * weigh(other.key)
    return word, 0.0 if word == ANOTHER_SCRIPT else -5.0


def _crossed(last: Name, first: Name) -> float:
    """What the last name of one person and the first name of another agree; Terry is not Jerry, whichever it is."""
    word, share = first_agreement(last, first)
    return 0.0 if word in (ANOTHER_NAME, FIRST_LETTER) else max(share, _last_agreement(last, first)[1])


def _goes_by(first: str, middle: str, other_first: str, other_middle: str) -> bool:
    """One is called by the other's middle name, and nothing in one's middle name contradicts the other's first name:
    Patricia Peggy is not Sandra Patricia but perhaps her twin."""
    if len(first) < 2 or first != other_middle:
        return False
    return not middle or _middle_agreement(middle, other_first)[0] != DIFFERS


@lru_cache(maxsize=1 << 15)
def _street_agreement(street: str, other: str) -> tuple[str, float]:
    if street == other:
        return EQUAL, 9.0
    number, name = _house(street)
    other_number, other_name = _house(other)
    if not name or not other_name:
        return (SAME_NUMBER, 2.0) if number == other_number != "" else ("", 0.0)
    alike = name == other_name or JaroWinkler.similarity(name, other_name) >= 0.88
    if not alike:
        return (SAME_NUMBER, -1.0) if number == other_number != "" else (DIFFERS, -1.5)
    if number == other_number:
        return SIMILAR, 7.0 if number else 5.0
    if not number or not other_number:
        return NUMBER_MISSING, 5.0
    if name == other_name and DamerauLevenshtein.distance(number, other_number, score_cutoff=1) <= 1:
        return SIMILAR, 6.0
    return SAME_STREET, 4.0


def _house(street: str) -> tuple[str, str]:
    """House number, and the rest without spaces."""
    number, _, name = street.partition(" ")
    return (number, name.replace(" ", "")) if number[:1].isdigit() else ("", street.replace(" ", ""))


def _address_agreement(person: Person, other: Person) -> tuple[float, str, str]:
    """Best of every address with every address: weight, word for the street and for the ZIP code."""
    best = (-99.0, "", "")
    for turn, (street, code) in enumerate(person.addresses):
        for other_turn, (other_street, other_code) in enumerate(other.addresses):
            weight, street_word, zip_word = 0.0, "", ""
            if street and other_street:
                street_word, weight = _street_agreement(street, other_street)
                if street_word == EQUAL and (turn or other_turn):
                    street_word = FORMER_ADDRESS
            if code and other_code:
                if code == other_code:
                    zip_word, weight = EQUAL, weight + (2.0 if weight > 0 else 4.0)
                elif _digits_agreement(code, other_code):
                    zip_word, weight = ONE_DIGIT, weight + 2.0
                else:
                    zip_word, weight = DIFFERS, weight - 1.0
            if weight > best[0]:
                best = (weight, street_word, zip_word)
    return best if best[0] > -99.0 else (0.0, "", "")


def compare(
    person: Person,
    other: Person,
    last_weight: Weights = census_last_weight,
    first_weight: Weights = census_first_weight,
    *,
    ssn_shared: bool = False,
    borne: Borne | None = None,
    on: int = 0,
) -> Comparison:
    """How `person`, as written, and `other`, on file, agree.

    `ssn_shared`: more than one enrollee has this SSN on file. `borne`: whether people on the panel bear a first name.
    `on`: the day as yyyymmdd, 0 where their age is not to count.
    """
    evidence: dict[str, str] = {}
    youngest = max(person.birth, other.birth)
    grown = on - youngest >= _GROWN if on and youngest else None
    weight, last_word, first_word = _name_agreement(person, other, last_weight, first_weight, borne, grown is False)
    if last_word:
        evidence[LAST_NAME] = last_word
    if first_word:
        evidence[FIRST_NAME] = first_word
    word = ""
    if first_word == BY_MIDDLE_NAME:
        word, share = _crossed_agreement(person, other)
    elif first_word == PART:
        word, share = _further_agreement(person, other)
    elif person.middle and other.middle:
        word, share = _middle_agreement(person.middle, other.middle)
    if word:
        evidence[MIDDLE_NAME] = word
        weight += share
    untold = not word and len(other.middle) > 1 and first_word != BY_MIDDLE_NAME
    if person.suffix and other.suffix:
        evidence[SUFFIX] = EQUAL if person.suffix == other.suffix else DIFFERS
        weight += 2.0 if person.suffix == other.suffix else -6.0
    if person.birth and other.birth:
        evidence[BIRTH_DATE], share = _birth_agreement(person.birth, other.birth)
        weight += share
    if person.sex and other.sex:
        evidence[SEX] = EQUAL if person.sex == other.sex else DIFFERS
        weight += 0.9 if person.sex == other.sex else -4.0
    weight, penalty = _add_numbers(weight, evidence, person, other, ssn_shared)
    weight = _add_home(weight, evidence, person, other)
    if person.mother and other.mother:
        evidence[MOTHER] = EQUAL if person.mother == other.mother else DIFFERS
        weight += 6.0 if person.mother == other.mother else -4.0
    return Comparison(weight, evidence, penalty, grown, untold, person.sex == other.sex == "F")


def _add_numbers(
    weight: float, evidence: dict[str, str], person: Person, other: Person, ssn_shared: bool
) -> tuple[float, float]:
    """The weight with that of the identifiers, and what those that disagree took off, as a positive number."""
    word, penalty = "", 0.0
    if person.ssn and other.ssn:
        word, share = _ssn_agreement(person.ssn, other.ssn, ssn_shared)
        evidence[SSN] = word
        weight += share
        penalty -= min(share, 0.0)
    if other.medicaid and (person.medicaid or person.maybe_medicaid):
        word, share = _medicaid_agreement(person, other)
        if word:
            evidence[MEDICAID_ID] = word
            weight += share
            penalty -= min(share, 0.0)
    if person.mrns and other.mrns:
        if not set(person.mrns).isdisjoint(other.mrns):
            evidence[MRN] = EQUAL
            weight += 18.0
        elif not {system for system, _ in person.mrns}.isdisjoint(system for system, _ in other.mrns):
            evidence[MRN] = DIFFERS
            weight -= 2.0
            penalty += 2.0
    return weight, penalty


def _add_home(weight: float, evidence: dict[str, str], person: Person, other: Person) -> float:
    """The weight with that of address, city and phone."""
    if person.addresses and other.addresses:
        share, street_word, zip_word = _address_agreement(person, other)
        weight += share
        if street_word:
            evidence[ADDRESS] = street_word
        if zip_word:
            evidence[ZIP] = zip_word
    if person.city and other.city and evidence.get(ADDRESS, DIFFERS) == DIFFERS:
        evidence[CITY] = EQUAL if person.city == other.city else DIFFERS
        if evidence.get(ZIP) != EQUAL:
            weight += 1.5 if person.city == other.city else -0.5
    if person.phones and other.phones:
        if not set(person.phones).isdisjoint(other.phones):
            evidence[PHONE] = EQUAL
            weight += 9.0
        elif any(_digits_agreement(phone, another) for phone in person.phones for another in other.phones):
            evidence[PHONE] = ONE_DIGIT
            weight += 5.0
        else:
            evidence[PHONE] = DIFFERS
            weight -= 1.0
    return weight


def _middle_agreement(middle: str, other: str) -> tuple[Agreement, float]:
    if middle == other and len(middle) > 1:
        weight = census_first_weight(middle)
        return (RARE, 7.0) if weight >= _RARE_MIDDLE_BITS else (EQUAL, weight)
    if middle[0] == other[0] and (len(middle) == 1 or len(other) == 1):
        return (RARE_INITIAL, 5.0) if middle[0] in _RARE_INITIALS else (INITIAL, 3.0)
    if nickname(middle, other) or close(middle, other):
        return SIMILAR, 3.0
    return DIFFERS, -3.0


def _crossed_agreement(person: Person, other: Person) -> tuple[str, float]:
    """One is called by the other's middle name: one's own middle name with the other's first, "" where it is absent."""
    if other.middle not in [first.key for _, first in person.names]:
        person, other = other, person
    if not person.middle:
        return "", 0.0
    agreements = [_middle_agreement(person.middle, first.key) for _, first in other.names if first.key]
    return max(agreements, key=lambda agreement: agreement[1], default=("", 0.0))


def _further_agreement(person: Person, other: Person) -> tuple[str, float]:
    """What follows the first word of the first name, or stands as the middle name: Mary Ann with Mary and Ann."""
    agreements = [
        _middle_agreement(further, another) for further in _further_names(person) for another in _further_names(other)
    ]
    return max(agreements, key=lambda agreement: agreement[1], default=("", 0.0))


def _further_names(person: Person) -> list[str]:
    names = [part for _, first in person.names for part in first.parts[1:]]
    return [*names, person.middle] if person.middle else names


def _ssn_agreement(ssn: str, other: str, shared: bool) -> tuple[Agreement, float]:
    if ssn == other and len(ssn) == 9:
        return (SHARED, 5.0) if shared else (EQUAL, 18.0)
    if len(ssn) != len(other) or len(ssn) == 4:
        if ssn[-4:] == other[-4:]:
            return LAST_FOUR, 11.0
        return (LAST_FOUR_NEARLY, 1.0) if _digits_agreement(ssn[-4:], other[-4:]) else (DIFFERS, -6.0)
    if abs(int(ssn) - int(other)) <= _REGISTERED_TOGETHER:
        return NEIGHBOR, 2.0
    if _digits_agreement(ssn, other):
        return ONE_DIGIT, 10.0
    if ssn[-4:] == other[-4:]:
        return LAST_FOUR, 7.0
    return DIFFERS, -6.0


def _medicaid_agreement(person: Person, other: Person) -> tuple[str, float]:
    held = set(other.medicaid)
    if not held.isdisjoint(person.medicaid) or not held.isdisjoint(person.maybe_medicaid):
        return EQUAL, 20.0
    if not person.medicaid:
        return "", 0.0
    if any(_digits_agreement(value, mine) for value in person.medicaid for mine in held):
        return ONE_DIGIT, 8.0
    return DIFFERS, -6.0
