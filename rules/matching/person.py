"""A patient of a message or a record of the panel in, the person as both are compared out: each field in one form.

What hospitals write for "unknown" (a Social Security number nobody was given, a default birth date, a phone of nines)
is absent here.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from parsers.events import Patient
from rules.matching.names import Name, fold, read_first, read_last, read_suffix


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
_GLUED: Final = re.compile(r"(\d+)(?!ST$|ND$|RD$|TH$)([A-Z]{2,})")
_UNIT_WORDS: Final = frozenset(("APT", "APARTMENT", "UNIT", "STE", "SUITE", "LOT", "TRLR", "FL", "RM", "ROOM", "NO"))
_NO_MEDICAID: Final = frozenset(("MR", "PI", "AN", "VN", "DL"))  # types of identifiers that are no Medicaid ids
_IDLE_SIGNS: Final = frozenset(" -.,/_*?#'\"")
_REPEATED: Final = 4
_NOT_WORD: Final = re.compile(r"[\W_]+")
_FALSE_NUMBERS: Final = frozenset(
    ("123456", "1234567", "12345678", "123456789", "1234567890", "0123456789", "987654321", "9876543210")
)
_NO_NUMBER: Final = frozenset(
    (
        "UNKNOWN UNK UNKN UNKNOWNMRN NONE NULL NIL NA NOTAVAILABLE NOTASSIGNED NOTKNOWN NOTGIVEN NOMRN NONUMBER NOID "
        "UNASSIGNED PENDING TBD TBA TEMP TEMPORARY NEW NEWPATIENT DUMMY DEFAULT BLANK EMPTY MISSING INVALID ANONYMOUS "
        "UNIDENTIFIED TEST JOHNDOE JANEDOE DOE"
    ).split()
)
_PHONE_SIGNS: Final = str.maketrans(dict.fromkeys("()-. +"))
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
    return _birth(number)


def _birth(number: int) -> int:
    return 0 if number in _DEFAULT_BIRTHS or number < 18500000 else number


def read_phone(text: str) -> str:
    """Ten digits without the country's 1; "" for anything that is no subscriber's number."""
    digits = text if text.isdigit() else text.translate(_PHONE_SIGNS)
    if not digits.isdigit():
        digits = _NOT_DIGITS.sub("", digits)
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
    number, _, name = text.partition(" ")
    return number + _after_number(name) if number.isdigit() and number.isascii() else _read_street(text)


@lru_cache(maxsize=1 << 17)
def _after_number(name: str) -> str:
    """What stands behind the house number, a space before it; many houses share it."""
    return _read_street(f"0 {name}")[1:]


def _read_street(text: str) -> str:
    upper = text.upper()
    if not upper.isascii():
        upper = fold(upper)
    words = upper.split()
    if not "".join(words).isalnum():
        words = upper.translate(_PUNCTUATION).split()
    if words and words[0][:1].isdigit() and not words[0].isdigit() and (glued := _GLUED.fullmatch(words[0])):
        words[:1] = glued.groups()
    if not _UNIT_WORDS.isdisjoint(words):
        place = next((place for place, word in enumerate(words) if place and word in _UNIT_WORDS), len(words))
        words = words[:place] + words[place + 2 :]
    street = " ".join([_STREET_WORDS.get(word, word) for word in words])
    return "" if street in _NO_STREET else street


def is_nobodys(value: str) -> bool:
    """What is typed into a number's field when there is no number: UNKNOWN, N/A, 000000, 9999999, XXXX, 123456789.

    It is never learned and never compared: everybody without a number would be one person. One sign repeated counts
    from four on (noughts and what is neither letter nor digit from one on): 7 and 111 are somebody's.
    """
    bare = value.strip().upper()
    signs = set(bare) - _IDLE_SIGNS
    if not signs or signs in ({"0"}, {"X"}):
        return True
    if len(signs) == 1 and len(bare) >= _REPEATED:
        return True
    return bare in _FALSE_NUMBERS or _NOT_WORD.sub("", bare) in _NO_NUMBER


def read_identifier(system: str, value: str) -> tuple[str, str]:
    """An identifier with its authority, both upper case without surrounding space or leading zeros of the value."""
    bare = value.strip().upper()
    return system.strip().upper(), bare.lstrip("0") or bare


def read_patient(patient: Patient, facility: str) -> Person:
    """The patient of a message. An identifier without an authority is the facility's own."""
    medicaid: list[str] = []
    maybe: list[str] = []
    mrns: list[tuple[str, str]] = []
    ssn = read_ssn(patient.ssn) if patient.ssn else ""
    for identifier in patient.identifiers:
        kind, (system, value) = identifier.type.upper(), read_identifier(identifier.system, identifier.value)
        if not value or is_nobodys(value):
            continue
        if kind == "SS":
            ssn = ssn or read_ssn(identifier.value)
        elif kind == "MA" or "MEDICAID" in system:
            medicaid.append(value)
        else:
            mrns.append((system or facility.strip().upper(), value))
            if kind not in _NO_MEDICAID:
                maybe.append(value)
    name = patient.name
    last, first = last_name(name.family), first_name(name.given)
    read: tuple[tuple[Name, Name], ...] = ((last, first),) if last.key or first.key else ()
    if patient.other_names:
        others = [(other.family or name.family, other.given or name.given) for other in patient.other_names]
        pairs = dict.fromkeys([(last, first), *[(last_name(family), first_name(given)) for family, given in others]])
        read = tuple([pair for pair in pairs if pair[0].key or pair[1].key])
    places = patient.addresses
    addresses = [(read_street(place.street), read_zip(place.zip)) for place in places]
    day = patient.birth_date
    return Person(
        read,
        _one_word(name.middle),
        (read_suffix(name.suffix) if name.suffix else "") or (read[0][0].suffix or read[0][1].suffix if read else ""),
        _birth(day.year * 10000 + day.month * 100 + day.day) if day else 0,
        read_sex(patient.sex),
        ssn,
        tuple(medicaid),
        tuple(maybe),
        tuple(mrns),
        tuple([place for place in addresses if place != ("", "")]),
        _one_word(places[0].city) if places else "",
        tuple([phone for text in patient.phones if (phone := read_phone(text))]),
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
        middle=_one_word(record.middle),
        suffix=read_suffix(record.suffix) or names[0][0].suffix or names[0][1].suffix,
        birth=read_birth(record.birth_date),
        sex=read_sex(record.sex),
        ssn=read_ssn(record.ssn),
        medicaid=() if is_nobodys(record.medicaid_id) else (read_identifier("", record.medicaid_id)[1],),
        mrns=read_mrns(record),
        addresses=tuple(place for place in addresses if place != ("", "")),
        city=_one_word(record.city),
        phones=tuple(filter(None, map(read_phone, (record.phone, *record.former_phones)))),
        mother=record.mother_enrollee_id,
    )


def read_mrns(record: PanelRecord) -> tuple[tuple[str, str], ...]:
    """The record numbers of an enrollee that are somebody's."""
    return tuple(read_identifier(system, value) for system, value in record.mrns if not is_nobodys(value))


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


@lru_cache(maxsize=1 << 15)
def _one_word(text: str) -> str:
    return fold(text).replace(" ", "")
