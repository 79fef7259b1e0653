"""One message being read: its segments, what was odd about it, and the ways to read one field."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b
from typing import Final, NamedTuple, TypeVar

from parsers.events import (
    EncounterClass,
    EventKind,
    Finding,
    Identifier,
    Patient,
    Prior,
    Visit,
)
from parsers.feeds import Feed
from parsers.hl7.er7 import NULL, Message, Segment
from parsers.hl7.placeholders import is_no_visit, is_placeholder
from parsers.hl7.times import Moment, Precision, read_time
from parsers.hl7.triggers import MERGES

VERSIONS: Final = frozenset("2.1 2.2 2.3 2.3.1 2.4 2.5 2.5.1 2.6 2.7 2.7.1 2.8 2.8.1 2.8.2 2.9 2.9.1".split())
# HL7 table 0004 (patient class), HL7 v3 ActEncounterCode, and the words that need no table
CLASSES: Final[dict[str, EncounterClass]] = {
    code: encounter_class
    for encounter_class, codes in {
        EncounterClass.EMERGENCY: "E|EMER|EMERG|EMG|EMERGENCY|EMERGENCY DEPARTMENT|EMERGENCY DEPT|EMERGENCY ROOM|ER|ED",
        EncounterClass.INPATIENT: "I|IMP|IN|INP|INPT|IP|INPATIENT|ACUTE|NONAC|B|OBSTETRICS|NB|NEWBORN",
        EncounterClass.OBSERVATION: "OBS|OBSENC|OBSV|OBSERVATION|OBV|OV",
        EncounterClass.AMBULATORY: "O|AMB|OP|OUT|OUTP|OUTPT|OUTPATIENT|CLINIC|R|RECURRING|HH|VR|FLD|SS|C",
        EncounterClass.PRE_ADMISSION: "P|PRE|PRENC|PREADMIT|PRE-ADMIT",
    }.items()
    for code in codes.split("|")
}
# HL7 table 0103: T training, D debugging; N (not for production) and the words that need no table
TEST_WORDS: Final = frozenset(
    "T D N TEST TESTING TRN TRAIN TRAINING DEBUG DEBUGGING DEV DEVELOPMENT NONPROD NON-PROD NONPRODUCTION "
    "NON-PRODUCTION UAT QA DEMO STAGE STAGING SANDBOX".split()
)
OBSERVATION_WORDS: Final = frozenset(code for code, kind in CLASSES.items() if kind is EncounterClass.OBSERVATION)
_T = TypeVar("_T")
MAX_TEXT: Final = 500  # characters of a text that people read
_MAX_CODE: Final = 50  # characters of a code and of the system it is from
MAX_IDENTIFIER: Final = 200
LONG_LINE: Final = 4 * MAX_TEXT
MAX_REPETITIONS: Final = 100  # segments of one name that are read, and identifiers that are kept
MAX_NAMES: Final = 10  # and addresses and mothers; a person moves and marries, but not more often than that
MAX_PHONES: Final = 20
_MAX_NOTES: Final = 100  # a message with more is a fault of another kind, and the first say so
MAX_SEARCHED: Final = 262_144  # characters in which unknown escapes are looked for
DIGITS: Final = re.compile(r"\d+", re.ASCII)
NEWBORN_NAME: Final = re.compile(
    r"BB|BG|(?:BABY|INFANT|NEWBORN)(?:[ -]?(?:BOY|GIRL|MALE|FEMALE))?(?:[ -]?[A-D1-4])?|(?:BOY|GIRL)(?:[ -][A-D1-4])?"
)
YES_NO: Final = {"Y": True, "T": True, "1": True, "N": False, "F": False, "0": False}  # table 0136, and booleans
PLACEHOLDER_NAMES: Final = frozenset(
    "DOE UNKNOWN UNK UNIDENTIFIED TEST TRAUMA DISASTER NONAME UNNAMED NAMELESS ANONYMOUS".split()
)
DEFAULT_BIRTH_DATES: Final = frozenset({date(1800, 1, 1), date(1900, 1, 1), date(1901, 1, 1), date(1111, 11, 11)})
NEWBORN_DAYS: Final = 60
CLEARABLE: Final = ("PID", "PV1", "PV2", "DG1")
BEGUN: Final = frozenset({EventKind.ADMITTED, EventKind.DISCHARGED, EventKind.TRANSFERRED})
ADMISSION_TIME: Final = frozenset({EventKind.ADMITTED, EventKind.REGISTERED})
CLOCKS_DIFFER: Final = timedelta(minutes=5)
ZONES_DIFFER: Final = timedelta(hours=15)  # no zone that was read for another is further off
_OLDEST_MESSAGE: Final = 1988  # HL7 version 2.0 is of that year
_CLOCK_RESET: Final = date(2000, 1, 1)  # where many a clock begins again
_LONGEST_STAY: Final = timedelta(days=20 * 366)
AHEAD: Final = timedelta(days=1)  # PV1-44 of an admission, PV1-45 of a discharge
PLANNED_AHEAD: Final = timedelta(days=366)
LENGTHS: Final = {
    Precision.DAY: timedelta(days=1),
    Precision.HOUR: timedelta(hours=1),
    Precision.MINUTE: timedelta(minutes=1),
    Precision.SECOND: timedelta(seconds=1),
}
STAY_EVENTS: Final = frozenset(
    {EventKind.ADMITTED, EventKind.REGISTERED, EventKind.DISCHARGED, EventKind.TRANSFERRED, EventKind.CLASS_CHANGED}
)
GROUPED: Final = MERGES | {EventKind.LINKED, EventKind.UNLINKED}


@dataclass(slots=True)
class Cut:
    """The segments of one group."""

    pid: Segment
    merged: list[Segment]
    pv1: Segment | None


class Part(NamedTuple):
    """One group as it was read."""

    patient: Patient
    visit: Visit | None
    prior: Prior | None
    stay_keys: tuple[Identifier, ...]


class Reader:
    """One message on its way to an event."""

    def __init__(self, message: Message, feed: Feed) -> None:
        self.message = message
        self.values = message.values
        self.feed = feed
        self.header = message.segments("MSH")[0]
        self.evn = message.first("EVN")
        self.notes = {(odd.finding, odd.place): None for odd in message.notes}
        self.facility = ""
        self.facility_from = ""
        self.sender = ""
        self.zone = feed.zone

    def note(self, finding: Finding, place: str) -> None:
        if len(self.notes) < _MAX_NOTES:
            self.notes[finding, place] = None

    def few(self, values: Iterable[_T], most: int, place: str) -> tuple[_T, ...]:
        """No more than `most` of the values; that there were more is noted."""
        kept = tuple(values)
        if len(kept) > most:
            self.note(Finding.VALUE_TOO_LONG, place)
            return kept[:most]
        return kept

    def namespace(self, address: str) -> str:
        """The name in a field or component of type HD; its universal id when it has no name."""
        value = self.message.get(address)
        if not value and self.message.raw(address):
            inner = "." in address.partition("-")[2]
            value = self.message.get(f"{address}.2")
            if not value and not inner:
                value = self.message.get(f"{address}.1.2")
        return clip(clean(value), MAX_IDENTIFIER)

    def time(self, segment: Segment | None, number: int) -> Moment | None:
        """The time in a field, with what is odd about it noted."""
        if segment is None or not (raw := segment.get(number)):
            return None
        read = read_time(raw, self.zone)
        if read is None:
            return None
        if not isinstance(read, Finding) and read.precision < Precision.DAY and segment.name in ("PV1", "PV2"):
            read = Finding.TIME_UNREADABLE  # a month is no time of a visit
        if isinstance(read, Finding):
            self.note(read, f"{segment.name}-{number}")
            return None
        if read.finding:
            self.note(read.finding, f"{segment.name}-{number}")
        if not read.offset_sent:
            self.note(Finding.TIME_ZONE_ASSUMED, "MSH-7")
        return read

    def plausible(
        self, segment: Segment | None, number: int, recorded: Moment | None, ahead: timedelta
    ) -> Moment | None:
        """PV1-44, PV1-45 or EVN-6, unless it is a placeholder: decades before the message, or further ahead of it."""
        moment = self.time(segment, number)
        if moment is None or recorded is None or recorded.at - _LONGEST_STAY < moment.at <= recorded.at + ahead:
            return moment
        if segment is not None:
            self.note(Finding.TIME_IMPLAUSIBLE, f"{segment.name}-{number}")
        return None

    def written(self, segment: Segment | None, number: int) -> Moment | None:
        """EVN-2 or MSH-7, unless it is a placeholder: no message of HL7 version 2 is that old."""
        moment = self.time(segment, number)
        if moment is None or (moment.day.year >= _OLDEST_MESSAGE and moment.day != _CLOCK_RESET):
            return moment
        if segment is not None:
            self.note(Finding.TIME_IMPLAUSIBLE, f"{segment.name}-{number}")
        return None

    def texts(self, raw: str, count: int) -> list[str]:
        """The first `count` components of one raw repetition."""
        texts = [clean(part) if part else "" for part in self.values.parts(raw)[:count]]
        return texts if len(texts) == count else texts + [""] * (count - len(texts))

    def code(self, text: str, place: str) -> str:
        """A code or the name of a code system; none is longer than 50 characters."""
        if not text:
            return text
        cleaned = clean(text)
        if len(cleaned) > _MAX_CODE:
            self.note(Finding.VALUE_TOO_LONG, place)
            return cleaned[:_MAX_CODE]
        return cleaned

    def identifiers(self, segment: Segment, number: int) -> list[Identifier]:
        """Each CX of a field, as often as it was sent."""
        if not segment.raw(number):
            return []
        place = f"{segment.name}-{number}"
        return [named for raw in segment.repetitions(number) if (named := self._identifier(raw, place))]

    def identifier(self, raw: str, place: str) -> Identifier | None:
        """The first CX of a field."""
        if not raw or raw == NULL:
            return None
        mark = self.values.delimiters.repetition
        return self._identifier(raw.split(mark, 1)[0] if mark and mark in raw else raw, place)

    def _identifier(self, raw: str, place: str) -> Identifier | None:
        """One CX; an authority that was not sent is the feed's, else the facility."""
        parts = self.values.parts(raw)
        value = clean(parts[0])
        if not value:
            return None
        if len(value) > MAX_IDENTIFIER:
            self.note(Finding.VALUE_TOO_LONG, place)
            return None
        of_visit = place[:3] == "PV1" or place in ("PID-18", "MRG-3", "MRG-5")
        if is_no_visit(value) if of_visit else is_placeholder(value):
            self.note(Finding.PLACEHOLDER_NUMBER, place)
            return None
        authority, kind = "", ""
        if len(parts) > 3:
            authority = clean(parts[3]) or clean(self.values.part(raw, 4, 2))
            kind = clean(parts[4])[:20] if len(parts) > 4 else ""
        if not authority and not of_visit:
            self.note(Finding.AUTHORITY_MISSING, place)
            authority = self.feed.authority or self.facility
        return Identifier(system=authority[:MAX_IDENTIFIER], value=value, type=kind)

    def parts(self, segment: Segment, number: int) -> list[str]:
        """The first four components of a field, clean."""
        repetitions = segment.repetitions(number)
        return self.texts(repetitions[0], 4) if repetitions else ["", "", "", ""]

    def key(self, sort: str, number: Identifier) -> Identifier:
        return Identifier(system=f"{sort}|{self.facility}|{number.system}", value=number.value)


def fingerprint(message: Message) -> str:
    """32 hex digits, equal for two messages that say the same: all but MSH-7, MSH-10 and how lines end."""
    separator = message.values.delimiters.field
    fields = message.lines[0].split(separator)
    fields.insert(1, separator)
    for index in (7, 10):
        if index < len(fields):
            fields[index] = ""
    text = "\r".join(["\x1e".join(fields), *message.lines[1:]])
    if message.unread:
        text += message.unread
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def unique(values: list[_T]) -> tuple[_T, ...]:
    return tuple(values) if len(values) < 2 else tuple(dict.fromkeys(values))


def clean(text: str) -> str:
    """One line, without control characters or blanks around it."""
    if not text:
        return text
    if not text.isprintable():
        text = " ".join(
            "".join(character if character.isprintable() else " " for character in text[: 4 * MAX_TEXT]).split()
        )
    return text.strip()[:MAX_TEXT]


def clip(text: str, length: int) -> str:
    return text[:length]


def digits_in(text: str) -> str:
    text = text[:100]
    return text if text.isascii() and text.isdigit() else "".join(DIGITS.findall(text))


def whole_number(text: str, digits: int) -> int | None:
    """The number in a field of at most so many digits; `None` where there is none."""
    text = text.strip()[:digits]
    return int(text) if text.isascii() and text.isdigit() else None


def sex(text: str) -> str:
    """HL7 table 0001."""
    code = text.strip().upper()[:1]
    return code if code in ("F", "M", "O", "U", "A", "N", "") else "U"


def ssn(text: str, identifiers: Iterable[Identifier]) -> str:
    """PID-19, else a PID-3 of type SS (HL7 table 0203): nine digits."""
    if text and len(digits := digits_in(text)) == 9:
        return digits
    for identifier in identifiers:
        if identifier.type in ("SS", "SSN") and len(digits := digits_in(identifier.value)) == 9:
            return digits
    return ""


def has_clock_time(raw: str) -> bool:
    """Whether more than a day was sent, and more than a midnight that stands for nothing."""
    return bool(raw.strip()[8:14].strip("0T:"))
