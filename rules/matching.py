"""Two descriptions of a person in, how well they agree out: field by field, as one weight, and as a grade.

The weight is a sum of log2 likelihood ratios (Fellegi and Sunter, "A Theory for Record Linkage", 1969); common
names weigh less. A grade needs more than weight: `grade` states what must agree and what must not differ, and
takes log2 of the panel's size off, so that the threshold rises with the number of people one could be mistaken for.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from math import log2
from typing import Final, NamedTuple

from rapidfuzz.distance import DamerauLevenshtein, JaroWinkler

from parsers.events import Patient
from rules.decisions import Grade
from rules.names import Name, first_shares, fold, known_first, last_shares, nickname, read_first, read_last, read_suffix


class PanelRecord(NamedTuple):
    """What is known of one enrollee's identity; "" and () mean absent. Holds PHI: never log it.

    Dates are `YYYY-MM-DD`. `mrns` are `(assigning authority or facility, value)`. `effective_to` is the last
    day of enrollment, "" while it is open.
    """

    enrollee_id: str
    medicaid_id: str = ""
    ssn: str = ""
    last: str = ""
    first: str = ""
    middle: str = ""
    suffix: str = ""
    birth_date: str = ""
    sex: str = ""
    street: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""
    phone: str = ""
    mother_enrollee_id: str = ""
    mrns: tuple[tuple[str, str], ...] = ()
    former_names: tuple[tuple[str, str], ...] = ()
    former_addresses: tuple[tuple[str, str], ...] = ()
    former_phones: tuple[str, ...] = ()
    effective_from: str = ""
    effective_to: str = ""

    def __repr__(self) -> str:
        return "<PanelRecord>"

    def __str__(self) -> str:
        return "<PanelRecord>"


class Person(NamedTuple):
    """One side of a comparison, every field in its compared form; empty means absent or not to be trusted."""

    names: tuple[tuple[Name, Name], ...] = ()  # (last, first), the current one first, then former ones
    middle: str = ""
    suffix: str = ""
    birth: int = 0  # yyyymmdd
    sex: str = ""  # F or M
    ssn: str = ""  # nine digits, or the last four
    medicaid: tuple[str, ...] = ()
    maybe_medicaid: tuple[str, ...] = ()  # identifiers of no stated kind: they may agree but never disagree
    mrns: tuple[tuple[str, str], ...] = ()
    addresses: tuple[tuple[str, str], ...] = ()  # (street, five-digit zip)
    city: str = ""
    phones: tuple[str, ...] = ()
    mother: str = ""  # her enrollee id

    def __repr__(self) -> str:
        return "<Person>"

    def __str__(self) -> str:
        return "<Person>"


# --- reading the fields -------------------------------------------------------------------------------------------

_NOT_DIGITS: Final = re.compile(r"\D+")
_FALSE_SSNS: Final = frozenset(
    ("123456789", "078051120", "219099999", "111223333", "123121234", *(digit * 9 for digit in "12345678"))
)
_DEFAULT_BIRTHS: Final = frozenset((19000101, 19010101, 19700101, 18000101, 18991231, 19000102))
_STREET_WORDS: Final = {
    "STREET": "ST", "STR": "ST", "AVENUE": "AVE", "AV": "AVE", "ROAD": "RD", "DRIVE": "DR", "DRV": "DR", "LANE": "LN",
    "COURT": "CT", "CRT": "CT", "CIRCLE": "CIR", "BOULEVARD": "BLVD", "PLACE": "PL", "TERRACE": "TER", "HIGHWAY": "HWY",
    "PARKWAY": "PKWY", "TRAIL": "TRL", "SQUARE": "SQ", "CRESCENT": "CRES", "CRES": "CRES", "NORTH": "N", "SOUTH": "S",
    "EAST": "E", "WEST": "W", "NORTHEAST": "NE", "NORTHWEST": "NW", "SOUTHEAST": "SE", "SOUTHWEST": "SW",
    "MOUNT": "MT", "SAINT": "ST",
}  # fmt: skip
_NO_STREET: Final = frozenset(
    ("HOMELESS", "UNKNOWN", "NONE", "UNK", "NO FIXED ADDRESS", "GENERAL DELIVERY", "NO ADDRESS", "NA", "N A")
)
_UNIT_WORDS: Final = frozenset(("APT", "APARTMENT", "UNIT", "STE", "SUITE", "LOT", "TRLR", "FL", "RM", "ROOM", "NO"))
_PUNCTUATION: Final = str.maketrans(dict.fromkeys(".,;:#/-_()", " ") | {"'": None})


def read_ssn(text: str) -> str:
    """Nine digits, or the last four when only those are given; "" for numbers the SSA never issued.

    Never issued: area 000, 666 and 900-999, group 00, serial 0000 (POMS RM 10201.035), and the well-known
    samples; also repeated digits, which people type for "unknown".
    """
    digits = text if text.isdigit() else _NOT_DIGITS.sub("", text)
    if len(digits) != 9:
        return digits if len(digits) == 4 and digits not in ("0000", "9999", "6789") else ""
    if digits < "001" or digits >= "9":
        return ""
    if digits[:3] == "666" or digits[3:5] == "00" or digits[5:] == "0000":
        return ""
    return "" if digits in _FALSE_SSNS else digits


def read_birth(text: str) -> int:
    """`YYYY-MM-DD` as the number yyyymmdd; 0 when absent, unreadable, or a date that stands for "unknown"."""
    digits = text[:4] + text[5:7] + text[8:10]
    if len(digits) != 8 or not digits.isdigit():
        return 0
    number = int(digits)
    return 0 if number in _DEFAULT_BIRTHS or number < 18500000 else number


def read_phone(text: str) -> str:
    """Ten digits without the country's 1; "" for anything that is no subscriber's number."""
    digits = text if text.isdigit() else _NOT_DIGITS.sub("", text)
    if len(digits) == 11 and digits[0] == "1":
        digits = digits[1:]
    if len(digits) < 7 or digits == "1234567890" or digits.count(digits[0]) == len(digits):
        return ""
    return digits[-10:]


def read_sex(text: str) -> str:
    """F or M; everything else says nothing."""
    letter = text[:1].upper()
    return letter if letter in ("F", "M") else ""


def read_zip(text: str) -> str:
    """The five-digit part of a ZIP code, or another country's code as it is."""
    code = text.strip().upper()
    return code[:5] if code[:5].isdigit() else code.replace(" ", "")


def read_street(text: str) -> str:
    """House number and street in one spelling, the unit left out: "12 N OAK ST"."""
    upper = text.upper()
    if not upper.isascii():
        upper = fold(upper)
    words = upper.split()
    if not "".join(words).isalnum():
        words = upper.translate(_PUNCTUATION).split()
    if not _UNIT_WORDS.isdisjoint(words):
        place = next((place for place, word in enumerate(words) if place and word in _UNIT_WORDS), len(words))
        words = words[:place] + words[place + 2 :]
    street = " ".join([_STREET_WORDS.get(word, word) for word in words])
    return "" if street in _NO_STREET else street


def read_identifier(system: str, value: str) -> tuple[str, str]:
    """An identifier with its authority, both upper case without surrounding space or leading zeros of the value."""
    bare = value.strip().upper()
    return system.strip().upper(), bare.lstrip("0") or bare


def read_patient(patient: Patient, facility: str) -> Person:
    """The patient of a message. An identifier without an authority is the facility's own."""
    medicaid: list[str] = []
    maybe: list[str] = []
    mrns: list[tuple[str, str]] = []
    ssn = read_ssn(patient.ssn)
    for identifier in patient.identifiers:
        kind, system = identifier.type.upper(), identifier.system.upper()
        value = read_identifier("", identifier.value)[1]
        if not value:
            continue
        if kind == "SS":
            ssn = ssn or read_ssn(identifier.value)
        elif kind == "MA" or "MEDICAID" in system:
            medicaid.append(value)
        else:
            mrns.append(read_identifier(identifier.system or facility, identifier.value))
            if kind not in ("MR", "PI", "AN", "VN", "DL"):
                maybe.append(value)
    names = [(patient.name.family, patient.name.given)]
    names += [(other.family or patient.name.family, other.given or patient.name.given) for other in patient.other_names]
    read = tuple(dict.fromkeys((last_name(last), first_name(first)) for last, first in names))
    read = tuple(pair for pair in read if pair[0].key or pair[1].key)
    suffix = read_suffix(patient.name.suffix) or (read and (read[0][0].suffix or read[0][1].suffix)) or ""
    addresses = ((read_street(place.street), read_zip(place.zip)) for place in patient.addresses)
    return Person(
        names=read,
        middle=fold(patient.name.middle).replace(" ", ""),
        suffix=suffix,
        birth=read_birth(patient.birth_date.isoformat()) if patient.birth_date else 0,
        sex=read_sex(patient.sex),
        ssn=ssn,
        medicaid=tuple(medicaid),
        maybe_medicaid=tuple(maybe),
        mrns=tuple(mrns),
        addresses=tuple(place for place in addresses if place != ("", "")),
        city=fold(patient.addresses[0].city) if patient.addresses else "",
        phones=tuple(filter(None, map(read_phone, patient.phones))),
    )


def read_record(record: PanelRecord) -> Person:
    """An enrollee of the panel, former names, addresses and phones included."""
    names = tuple(
        dict.fromkeys(
            (last_name(last or record.last), first_name(first or record.first))
            for last, first in ((record.last, record.first), *record.former_names)
        )
    )
    addresses = ((read_street(street), read_zip(code)) for street, code in _addresses(record))
    return Person(
        names=tuple(pair for pair in names if pair[0].key or pair[1].key),
        middle=fold(record.middle).replace(" ", ""),
        suffix=read_suffix(record.suffix) or names[0][0].suffix or names[0][1].suffix,
        birth=read_birth(record.birth_date),
        sex=read_sex(record.sex),
        ssn=read_ssn(record.ssn),
        medicaid=(read_identifier("", record.medicaid_id)[1],) if record.medicaid_id.strip() else (),
        mrns=tuple(read_identifier(system, value) for system, value in record.mrns),
        addresses=tuple(place for place in addresses if place != ("", "")),
        city=fold(record.city),
        phones=tuple(filter(None, map(read_phone, (record.phone, *record.former_phones)))),
        mother=record.mother_enrollee_id,
    )


def _addresses(record: PanelRecord) -> tuple[tuple[str, str], ...]:
    return ((record.street, record.zip), *record.former_addresses)


@lru_cache(maxsize=1 << 16)
def last_name(text: str) -> Name:
    """`read_last`, remembered."""
    return read_last(text)


@lru_cache(maxsize=1 << 16)
def first_name(text: str) -> Name:
    """`read_first`, remembered."""
    return read_first(text)


# --- comparing ----------------------------------------------------------------------------------------------------

Weights = Callable[[str], float]
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


EQUAL: Final = "equal"
RARE: Final = "rare and equal"
_RARE_MIDDLE_BITS: Final = 11.0  # fewer than one in 2,000 people bear it as their first name
DIFFERS: Final = "differs"


@lru_cache(maxsize=1 << 16)
def _last_agreement(one: Name, other: Name) -> tuple[str, float]:
    """The word, and the share of the name's weight it earns."""
    if one.key == other.key:
        return EQUAL, 1.0
    ones, others = one.parts or (one.key,), other.parts or (other.key,)
    if (len(ones) > 1 or len(others) > 1 or one.parts or other.parts) and not set(ones).isdisjoint(others):
        return "part equal", 0.75
    if _close(one.key, other.key):
        return "similar", 0.6
    return DIFFERS, 0.0


@lru_cache(maxsize=1 << 16)
def _first_agreement(one: Name, other: Name) -> tuple[str, float]:
    a, b = one.key, other.key
    if a == b:
        return EQUAL, 1.0
    if len(a) == 1 or len(b) == 1:
        return ("initial equal", 0.3) if a[0] == b[0] else (DIFFERS, 0.0)
    if (one.parts or other.parts) and not set(one.parts or (a,)).isdisjoint(other.parts or (b,)):
        return "part equal", 0.8
    if nickname(a, b):
        return "nickname", 0.7
    if _close(a, b):
        alike = _sound(a) == _sound(b) or (a[0] == b[0] and not (known_first(a) and known_first(b)))
        return ("similar", 0.6) if alike else ("another name", 0.0)
    return DIFFERS, 0.0


def _close(a: str, b: str) -> bool:
    if min(len(a), len(b)) < 2 or max(len(a), len(b)) < 3:
        return False
    allowed = 1 if max(len(a), len(b)) < 7 else 2
    if DamerauLevenshtein.distance(a, b, score_cutoff=allowed) <= allowed:
        return True
    return JaroWinkler.similarity(a, b) >= 0.93


_SOUNDS: Final = str.maketrans({"C": "K", "Q": "K", "Z": "S", "Y": "I", "H": None, "W": None, "V": "F"})


def _sound(name: str) -> str:
    """First sound, consonants, and a closing vowel: alike for SARA and SARAH, not for JAYDEN and KAYDEN."""
    letters = name.replace("PH", "F").translate(_SOUNDS)
    consonants = [letter for letter in letters[1:] if letter not in "AEIOU"]
    single = [letter for place, letter in enumerate(consonants) if place == 0 or consonants[place - 1] != letter]
    return letters[:1] + "".join(single) + (letters[-1:] if letters[-1:] in "AEIOU" else "")


def _digits_agreement(one: str, other: str) -> bool:
    """One digit differs, or two neighbors are transposed."""
    return len(one) == len(other) and DamerauLevenshtein.distance(one, other, score_cutoff=1) <= 1


@lru_cache(maxsize=1 << 16)
def _birth_agreement(one: int, other: int) -> tuple[str, float]:
    if one == other:
        return EQUAL, 9.0 if one % 10000 == 101 else 13.5
    year, rest = divmod(one, 10000)
    month, day = divmod(rest, 100)
    if year * 10000 + day * 100 + month == other:
        return "month and day swapped", 9.5
    same = (year == other // 10000) + (month == other // 100 % 100) + (day == other % 100)
    if _digits_agreement(f"{one:08d}", f"{other:08d}"):
        return "one digit differs", 7.0
    if same == 2:
        return "one part differs", 4.5
    return DIFFERS, -7.0


def _name_agreement(one: Person, other: Person, last_weight: Weights, first_weight: Weights) -> tuple[float, str, str]:
    """Best of every name of one with every name of the other: weight, word for the last and for the first name."""
    best = (-99.0, "", "")
    for turn, (last, first) in enumerate(one.names):
        for other_turn, (other_last, other_first) in enumerate(other.names):
            weight = 0.0 if turn == other_turn == 0 else -1.0
            last_word = first_word = ""
            if last.key and other_last.key:
                last_word, share = _last_agreement(last, other_last)
                if share:
                    weight += share * min(last_weight(last.key), last_weight(other_last.key))
                else:
                    weight -= 4.0
            if first.key and other_first.key:
                first_word, share = _first_agreement(first, other_first)
                if share:
                    weight += share * min(first_weight(first.key), first_weight(other_first.key))
                elif len(first.key) > 1 and first.key == other.middle:
                    first_word, weight = "middle name", weight + 0.6 * first_weight(first.key)
                elif len(other_first.key) > 1 and other_first.key == one.middle:
                    first_word, weight = "middle name", weight + 0.6 * first_weight(other_first.key)
                else:
                    weight -= 5.0
            if last_word == DIFFERS and first_word in (DIFFERS, "another name"):
                share = max(_last_agreement(last, other_first)[1], _first_agreement(last, other_first)[1])
                other_share = max(_last_agreement(first, other_last)[1], _first_agreement(first, other_last)[1])
                if min(share, other_share) >= 0.6 and share + other_share >= 1.6:
                    weight += 9.0 + 0.8 * (last_weight(other_last.key) + share * first_weight(other_first.key))
                    last_word = first_word = "swapped"
            if (turn or other_turn) and last_word == EQUAL:
                last_word = "former name equal"
            if weight > best[0]:
                best = (weight, last_word, first_word)
    return best if best[0] > -99.0 else (0.0, "", "")


@lru_cache(maxsize=1 << 15)
def _street_agreement(one: str, other: str) -> tuple[str, float]:
    if one == other:
        return EQUAL, 9.0
    number, name = _house(one)
    other_number, other_name = _house(other)
    if not name or not other_name:
        return "", 2.0 if number == other_number != "" else 0.0
    alike = name == other_name or JaroWinkler.similarity(name, other_name) >= 0.88
    if not alike:
        return DIFFERS, -1.0 if number == other_number != "" else -1.5
    if number == other_number:
        return "similar", 7.0 if number else 5.0
    if not number or not other_number:
        return "number missing", 5.0
    if name == other_name and DamerauLevenshtein.distance(number, other_number, score_cutoff=1) <= 1:
        return "similar", 6.0
    return "same street", 4.0


def _house(street: str) -> tuple[str, str]:
    """House number, and the rest without spaces."""
    number, _, name = street.partition(" ")
    return (number, name.replace(" ", "")) if number[:1].isdigit() else ("", street.replace(" ", ""))


def _address_agreement(one: Person, other: Person) -> tuple[float, str, str]:
    """Best of every address with every address: weight, word for the street and for the ZIP code."""
    best = (-99.0, "", "")
    for turn, (street, code) in enumerate(one.addresses):
        for other_turn, (other_street, other_code) in enumerate(other.addresses):
            weight, street_word, zip_word = 0.0, "", ""
            if street and other_street:
                street_word, weight = _street_agreement(street, other_street)
                if street_word == EQUAL and (turn or other_turn):
                    street_word = "former address equal"
            if code and other_code:
                if code == other_code:
                    zip_word, weight = EQUAL, weight + (2.0 if weight > 0 else 4.0)
                elif _digits_agreement(code, other_code):
                    zip_word, weight = "one digit differs", weight + 2.0
                else:
                    zip_word, weight = DIFFERS, weight - 1.0
            if weight > best[0]:
                best = (weight, street_word, zip_word)
    return best if best[0] > -99.0 else (0.0, "", "")


def compare(
    one: Person,
    other: Person,
    last_weight: Weights = census_last_weight,
    first_weight: Weights = census_first_weight,
    *,
    ssn_shared: bool = False,
) -> Comparison:
    """How `one` and `other` agree. `ssn_shared`: more than one enrollee has this SSN on file."""
    evidence: dict[str, str] = {}
    penalty = 0.0
    weight, last_word, first_word = _name_agreement(one, other, last_weight, first_weight)
    if last_word:
        evidence["last_name"] = last_word
    if first_word:
        evidence["first_name"] = first_word
    if one.middle and other.middle and first_word != "middle name":
        word, share = _middle_agreement(one.middle, other.middle)
        evidence["middle_name"] = word
        weight += share
    if one.suffix and other.suffix:
        evidence["suffix"] = EQUAL if one.suffix == other.suffix else DIFFERS
        weight += 2.0 if one.suffix == other.suffix else -6.0
    if one.birth and other.birth:
        evidence["birth_date"], share = _birth_agreement(one.birth, other.birth)
        weight += share
    if one.sex and other.sex:
        evidence["sex"] = EQUAL if one.sex == other.sex else DIFFERS
        weight += 0.9 if one.sex == other.sex else -4.0
    if one.ssn and other.ssn:
        word, share = _ssn_agreement(one.ssn, other.ssn, ssn_shared)
        evidence["ssn"] = word
        weight += share
        penalty -= min(share, 0.0)
    if other.medicaid and (one.medicaid or one.maybe_medicaid):
        word, share = _medicaid_agreement(one, other)
        if word:
            evidence["medicaid_id"] = word
            weight += share
            penalty -= min(share, 0.0)
    if one.mrns and other.mrns:
        if not set(one.mrns).isdisjoint(other.mrns):
            evidence["mrn"] = EQUAL
            weight += 18.0
        elif not {system for system, _ in one.mrns}.isdisjoint(system for system, _ in other.mrns):
            evidence["mrn"] = DIFFERS
            weight -= 2.0
            penalty += 2.0
    if one.addresses and other.addresses:
        share, street_word, zip_word = _address_agreement(one, other)
        weight += share
        if street_word:
            evidence["address"] = street_word
        if zip_word:
            evidence["zip"] = zip_word
    if one.city and other.city and evidence.get("address", DIFFERS) == DIFFERS:
        evidence["city"] = EQUAL if one.city == other.city else DIFFERS
        if evidence.get("zip") != EQUAL:
            weight += 1.5 if one.city == other.city else -0.5
    if one.phones and other.phones:
        if not set(one.phones).isdisjoint(other.phones):
            evidence["phone"] = EQUAL
            weight += 9.0
        elif any(_digits_agreement(phone, another) for phone in one.phones for another in other.phones):
            evidence["phone"] = "one digit differs"
            weight += 5.0
        else:
            evidence["phone"] = DIFFERS
            weight -= 1.0
    if one.mother and other.mother:
        evidence["mother"] = EQUAL if one.mother == other.mother else DIFFERS
        weight += 6.0 if one.mother == other.mother else -4.0
    return Comparison(weight, evidence, penalty)


def _middle_agreement(one: str, other: str) -> tuple[str, float]:
    if one == other and len(one) > 1:
        weight = census_first_weight(one)
        return (RARE, 7.0) if weight >= _RARE_MIDDLE_BITS else (EQUAL, weight)
    if one[0] == other[0] and (len(one) == 1 or len(other) == 1):
        return "initial equal", 3.0
    if nickname(one, other) or _close(one, other):
        return "similar", 3.0
    return DIFFERS, -3.0


def _ssn_agreement(one: str, other: str, shared: bool) -> tuple[str, float]:
    if one == other and len(one) == 9:
        return ("shared", 5.0) if shared else (EQUAL, 18.0)
    if len(one) != len(other) or len(one) == 4:
        if one[-4:] == other[-4:]:
            return "last four equal", 11.0
        return ("last four nearly equal", 1.0) if _digits_agreement(one[-4:], other[-4:]) else (DIFFERS, -6.0)
    if _digits_agreement(one, other):
        return "one digit differs", 10.0
    if one[-4:] == other[-4:]:
        return "last four equal", 7.0
    return DIFFERS, -6.0


def _medicaid_agreement(one: Person, other: Person) -> tuple[str, float]:
    held = set(other.medicaid)
    if not held.isdisjoint(one.medicaid) or not held.isdisjoint(one.maybe_medicaid):
        return EQUAL, 20.0
    if not one.medicaid:
        return "", 0.0
    if any(_digits_agreement(value, mine) for value in one.medicaid for mine in held):
        return "one digit differs", 8.0
    return DIFFERS, -6.0


# --- grading ------------------------------------------------------------------------------------------------------

CERTAIN_BITS: Final = 18.0
PROBABLE_BITS: Final = 9.0
POSSIBLE_BITS: Final = -4.0
NAMESAKES_FROM: Final = 17_000  # people; up to here no two of one name and birth date live in one street by chance
_GRADE_ORDER: Final = {Grade.CERTAINLY_NOT: 0, Grade.POSSIBLE: 1, Grade.PROBABLE: 2, Grade.CERTAIN: 3}
_ANOTHER: Final = (DIFFERS, "another name")
_PLACE: Final = (EQUAL, "similar", "former address equal")
_SURE_NAME: Final = (EQUAL, "nickname", "former name equal")
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
    not ZIP, city or sex; a field that is absent or differs must be outweighed by an identifier or by two such
    elements. Twins (another first name) and Jr/Sr (another suffix, another birth date) never pass without an
    identifier. Certain needs all three present and nothing that differs, so blanking a field cannot lead there
    from "certainly-not".
    """
    evidence = comparison.evidence
    ceiling = _ceiling(evidence, panel_size)
    if not evidence.keys() & {"last_name", "first_name", "birth_date"}:
        return ceiling  # an identifier alone: there is nothing to weigh it against
    bits = comparison.weight - log2(max(panel_size, 1))
    if bits >= CERTAIN_BITS:
        return ceiling
    if bits >= PROBABLE_BITS:
        return lower(ceiling, Grade.PROBABLE)
    known = EQUAL in (evidence.get("mrn"), evidence.get("medicaid_id")) and evidence.get("last_name") != DIFFERS
    return lower(ceiling, Grade.POSSIBLE) if known or bits >= POSSIBLE_BITS else Grade.CERTAINLY_NOT


def _ceiling(evidence: dict[str, str], panel_size: int) -> Grade:
    """The best grade this agreement may get, whatever its weight."""
    last, first, birth = evidence.get("last_name"), evidence.get("first_name"), evidence.get("birth_date")
    issued = (evidence.get("medicaid_id") == EQUAL) + (evidence.get("mrn") == EQUAL)
    ssn = evidence.get("ssn")
    identifiers = issued + (ssn == EQUAL)
    near_identifiers = (ssn in ("one digit differs", "last four equal", "shared")) + (
        evidence.get("medicaid_id") == "one digit differs"
    )
    places = (evidence.get("address") in _PLACE) + (evidence.get("phone") == EQUAL) + (evidence.get("mother") == EQUAL)
    middle = evidence.get("middle_name") in (EQUAL, RARE)
    thirds = identifiers + near_identifiers + places
    rare_middle = evidence.get("middle_name") == RARE
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
    if first == "similar" and not identifiers and DIFFERS in (evidence.get("sex"), evidence.get("middle_name")):
        return Grade.POSSIBLE  # Eric and Erica
    if birth == DIFFERS:
        return Grade.PROBABLE if issued and thirds >= 2 and named and lasted else Grade.POSSIBLE
    if last == DIFFERS:
        if identifiers and named and dated:
            return Grade.PROBABLE
        proven = thirds and birth == EQUAL and first == EQUAL and evidence.get("middle_name") != DIFFERS and not opposed
        return Grade.PROBABLE if proven else Grade.POSSIBLE
    absent = (first is None) + (last is None) + (birth is None)
    if absent:
        if identifiers:
            return Grade.PROBABLE if absent == 1 or issued else Grade.POSSIBLE
        enough = absent == 1 and first is not None and thirds + middle >= 1
        if birth is None:  # father and son share the rest
            enough = enough and near_identifiers > 0 and places > 0
        return Grade.PROBABLE if enough else Grade.POSSIBLE
    near_home = evidence.get("address") in ("same street", "number missing") and evidence.get("zip") == EQUAL
    if not thirds:
        apart = any(evidence.get(field) == DIFFERS for field in ("address", "phone", "ssn", "medicaid_id", "sex"))
        alone = middle and birth == EQUAL and (not apart or (rare_middle and not opposed))
        alone = alone or (near_home and panel_size <= NAMESAKES_FROM and not opposed)
        return Grade.PROBABLE if alone else Grade.POSSIBLE
    if opposed:
        sure = first in _SURE_NAME and last in _SURE_NAME and birth == EQUAL
        return Grade.PROBABLE if issued or thirds >= 2 or sure else Grade.POSSIBLE
    if identifiers:
        return Grade.CERTAIN
    if birth in _SURE_DATE and first in _SURE_NAME and last in _SURE_NAME:
        return Grade.CERTAIN
    return Grade.PROBABLE
