"""PID and MRG: whom a message is about, and the identity that gives way."""

import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from parsers.events import (
    Address,
    Finding,
    Identifier,
    Patient,
    PersonName,
    Prior,
)
from parsers.hl7.er7 import Segment
from parsers.hl7.placeholders import is_placeholder
from parsers.hl7.reader import (
    AHEAD,
    DEFAULT_BIRTH_DATES,
    MAX_NAMES,
    MAX_PHONES,
    MAX_REPETITIONS,
    NEWBORN_DAYS,
    NEWBORN_NAME,
    PLACEHOLDER_NAMES,
    YES_NO,
    clean,
    digits_in,
    has_clock_time,
    sex,
    ssn,
    unique,
    whole_number,
)
from parsers.hl7.times import Moment, Precision, read_date, read_time

if TYPE_CHECKING:
    from parsers.hl7.reader import Reader

_DEAD_ON_ARRIVAL: Final = timedelta(days=2)
_DEAD_WORDS: Final = {"DECEASED": True, "DEAD": True, "DIED": True, "EXPIRED": True, "D": True, "ALIVE": False,
                      "LIVING": False}  # fmt: skip
_PRIMARY_CARE: Final = frozenset({"PP", "FHCP"})  # HL7 table 0443: primary care, family health care professional
_NOT_A_LETTER: Final = re.compile(r"[\W\d_]+")
_MARKS: Final = '^~&" '  # what stands in a field that names nobody


def read_patient(
    reader: "Reader", pid: Segment, recorded: Moment | None = None, begun: datetime | None = None
) -> Patient:
    """PID. Nobody is born or dies after the message was `recorded`, or comes to a visit `begun` days after death."""
    first_name, other_names = read_names(reader, pid)
    birth_raw = pid.get(7)
    birth_date = read_date(birth_raw)
    if isinstance(birth_date, Finding):
        reader.note(birth_date, "PID-7")
        birth_date = None
    elif birth_date in DEFAULT_BIRTH_DATES:
        reader.note(Finding.DEFAULT_BIRTH_DATE, "PID-7")
    elif birth_date and recorded and birth_date > recorded.day + AHEAD:
        reader.note(Finding.TIME_IMPLAUSIBLE, "PID-7")
        birth_date = None
    birth = read_time(birth_raw, reader.zone) if birth_date and has_clock_time(birth_raw) else None
    identifiers = all_identifiers(reader, pid)
    latest = recorded.at + AHEAD if recorded else None
    deceased, died_at = read_death(reader, pid, birth_date, begun and begun - _DEAD_ON_ARRIVAL, latest)
    return Patient(
        identifiers=identifiers,
        name=first_name,
        other_names=other_names,
        mother_maiden_name=clean(pid.get(6)),
        birth_date=birth_date,
        birth_time=birth.at if isinstance(birth, Moment) and birth.precision >= Precision.HOUR else None,
        sex=sex(pid.get(8)),
        addresses=read_addresses(reader, pid),
        phones=read_phones(reader, pid),
        ssn=ssn(pid.get(19), identifiers),
        account=reader.identifier(pid.raw(18), "PID-18"),
        mother=reader.few(unique(reader.identifiers(pid, 21)), MAX_NAMES, "PID-21"),
        multiple_birth=pid.get(24).strip().upper()[:1] == "Y",
        birth_order=whole_number(pid.get(25), 3),
        language=clean(pid.get(15)) or clean(pid.get(15, 2)),
        deceased=deceased,
        deceased_at=died_at,
        primary_care=names_primary_care(reader),
    )


def names_primary_care(reader: "Reader") -> bool:
    """PD1-4, or ROL-4 where ROL-3 is a primary care provider (HL7 table 0443)."""
    demographics = reader.message.first("PD1")
    if demographics is not None and demographics.raw(4).strip(_MARKS):
        return True
    roles = reader.message.segments("ROL")[:MAX_REPETITIONS]
    return any(role.get(3).strip().upper() in _PRIMARY_CARE and role.raw(4).strip(_MARKS) for role in roles)


def read_death(
    reader: "Reader", pid: Segment, birth_date: date | None, earliest: datetime | None, latest: datetime | None
) -> tuple[bool | None, datetime | None]:
    """PID-30, else that PID-29 names a time: an indicator that says the person lives goes before the time, and so does
    that the time cannot be one of a death."""
    death = reader.time(pid, 29)
    deceased = said_dead(pid.get(30))
    if death is None:
        return deceased, None
    impossible = (
        death.day in DEFAULT_BIRTH_DATES
        or (birth_date is not None and death.day < birth_date)
        or (earliest is not None and death.at < earliest)
        or (latest is not None and death.at > latest)
    )
    if deceased is False or impossible:
        reader.note(Finding.DEATH_DISAGREES, "PID-29" if impossible else "PID-30")
        return deceased, None
    return True, death.at


def said_dead(text: str) -> bool | None:
    """HL7 table 0136, a boolean, or a word."""
    said = text.strip().upper()
    return _DEAD_WORDS.get(said, YES_NO.get(said[:1]))


def read_names(reader: "Reader", pid: Segment) -> tuple[PersonName, tuple[PersonName, ...]]:
    all_names = [read_name(reader, raw) for number in (5, 9) for raw in pid.repetitions(number)]
    names = reader.few(unique([name for name in all_names if name.family or name.given]), MAX_NAMES, "PID-5")
    if not names:
        return PersonName(), ()
    if is_nobodys_name(names[0]):
        reader.note(Finding.PLACEHOLDER_NAME, "PID-5")
    return names[0], names[1:]


def is_nobodys_name(name: PersonName) -> bool:
    """A name given to who has none yet, also where it stands whole in the first component (`TRAUMA, ALPHA`)."""
    family, given = name.family.upper(), name.given.upper()
    words = _NOT_A_LETTER.split(family)
    return (
        not PLACEHOLDER_NAMES.isdisjoint(words)
        or family.startswith(("ZZ", "TRAUMA", "DISASTER", "UNKNOWN", "NO NAME"))
        or (family != "" and (not family.strip("X") or is_placeholder(family)))
        or NEWBORN_NAME.fullmatch(given or family) is not None
    )


def read_name(reader: "Reader", raw: str) -> PersonName:
    """XPN (2.3 and later) and PN: family, given, middle, suffix are the first four components in both."""
    family, given, middle, suffix = reader.texts(raw, 4)
    return PersonName(family=family, given=given, middle=middle, suffix=suffix)


def all_identifiers(reader: "Reader", pid: Segment) -> tuple[Identifier, ...]:
    identifiers: dict[tuple[str, str], Identifier] = {}
    for number in (3, 2, 4):
        for identifier in reader.identifiers(pid, number):
            if number == 3 or all(identifier.value != known for _, known in identifiers):
                identifiers.setdefault((identifier.system, identifier.value), identifier)
    return reader.few(identifiers.values(), MAX_REPETITIONS, "PID-3")


def read_addresses(reader: "Reader", pid: Segment) -> tuple[Address, ...]:
    addresses: list[Address] = []
    own_county = clean(pid.get(12))
    for raw in pid.repetitions(11):
        street, _, city, state, zip_code, _, _, _, county = reader.texts(raw, 9)
        if street or city or state or zip_code:
            county = county or own_county
            addresses.append(Address(street=street, city=city, state=state, zip=zip_code, county=county))
    return reader.few(unique(addresses), MAX_NAMES, "PID-11")


def read_phones(reader: "Reader", pid: Segment) -> tuple[str, ...]:
    phones: dict[str, None] = {}
    for number in (13, 14):
        for raw in pid.repetitions(number):
            parts = reader.values.parts(raw)
            parts += [""] * (12 - len(parts))
            text = parts[0] if "@" not in parts[0] else ""
            digits = digits_in(text) or digits_in(parts[5]) + digits_in(parts[6]) or digits_in(parts[11])
            if len(digits) == 11 and digits[0] == "1":
                digits = digits[1:]
            if 7 <= len(digits) <= 15:
                phones.setdefault(digits)
    return reader.few(phones, MAX_PHONES, "PID-13")


def two_patients(reader: "Reader") -> bool:
    """A further PID that shares no PID-3 with the first one and has another name or birth date."""
    first, *others = reader.message.segments("PID")[:MAX_REPETITIONS]
    known = {identifier.value for identifier in reader.identifiers(first, 3)} if others else set()
    for other in others:
        numbers = {identifier.value for identifier in reader.identifiers(other, 3)}
        if known.isdisjoint(numbers) and (other.raw(5), other.raw(7)) != (first.raw(5), first.raw(7)):
            return True
    return False


def is_newborn(reader: "Reader", patient: Patient, occurred: datetime) -> bool:
    given = patient.name.given.upper()
    if not given or not NEWBORN_NAME.fullmatch(given):
        return False
    day = occurred.astimezone(ZoneInfo(reader.feed.zone)).date()
    return patient.birth_date is None or day - patient.birth_date <= timedelta(days=NEWBORN_DAYS)


def read_prior(reader: "Reader", segments: list[Segment]) -> Prior:
    """The MRG segments of one group: the identities that give way to the one of its PID."""
    identifiers: dict[Identifier, None] = {}
    for segment in segments:
        for number in (1, 4, 2):
            if given_up := reader.identifiers(segment, number):
                identifiers.update(dict.fromkeys(given_up))
                break
    merged = segments[0]
    names = merged.repetitions(7)
    visit = reader.identifier(merged.raw(5), "MRG-5")
    account = reader.identifier(merged.raw(3), "MRG-3")
    return Prior(
        identifiers=reader.few(identifiers, MAX_REPETITIONS, "MRG-1"),
        account=reader.key("account", account) if account else None,
        visit=reader.key("visit", visit) if visit else None,
        name=read_name(reader, names[0]) if names else PersonName(),
    )
