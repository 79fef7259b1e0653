"""Bytes of one ADT message in; an `Event`, or the named reason why there is none, out.

Fields are read by their HL7 address (chapter 3). What is odd is noted and read around; a message is rejected only when
it cannot say what happened, to whom, or when.

A stay is recognized by keys, best first. Every key carries where it comes from, so that two hospitals' numbers, or a
visit and an account of the same number, never meet:

| system | value | from |
|---|---|---|
| `visit|FACILITY|AUTHORITY` | visit number | PV1-19; after a transfer (A02, A12) also for the facility left, PV1-6.4 |
| `visit+patient|SENDER|AUTHORITY` | visit number@MRN | PV1-19 and PID-3: wherever they say it was; also with MRG-1 |
| `account|FACILITY|AUTHORITY` | account number | PID-18 |
| `account+patient|SENDER|AUTHORITY` | account number@MRN | PID-18 and PID-3; after a move also with MRG-1 |
| `admitted|SENDER|AUTHORITY` | MRN@minute in UTC | PID-3 and PV1-44; absent when PV1-44 is |

`Prior.account` and `Prior.visit` (MRG-3, MRG-5) carry the same systems, so they compare with the keys of a stay.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from parsers.events import (
    Address,
    Diagnosis,
    EncounterClass,
    Event,
    EventKind,
    Finding,
    Group,
    Identifier,
    Patient,
    PersonName,
    Prior,
    Visit,
)
from parsers.feeds import Feed
from parsers.hl7.dispositions import read_disposition
from parsers.hl7.er7 import NULL, Message, Segment, note, peek
from parsers.hl7.placeholders import is_placeholder
from parsers.hl7.times import Moment, Precision, read_date, read_time
from parsers.hl7.triggers import MERGES, Still, find_trigger, is_adt, structure_finding
from parsers.outcomes import NoTransition, Reading, Reject, RejectCode, TestMessage

VERSIONS: Final = frozenset("2.1 2.2 2.3 2.3.1 2.4 2.5 2.5.1 2.6 2.7 2.7.1 2.8 2.8.1 2.8.2 2.9 2.9.1".split())

# HL7 table 0004 (patient class), HL7 v3 ActEncounterCode, and the words that need no table
CLASSES: Final[dict[str, EncounterClass]] = {
    code: encounter_class
    for encounter_class, codes in {
        EncounterClass.EMERGENCY: "E EMER EMERGENCY ER ED",
        EncounterClass.INPATIENT: "I IMP INP IP INPATIENT ACUTE NONAC B OBSTETRICS",
        EncounterClass.OBSERVATION: "OBS OBSENC OBSERVATION OBV OV",
        EncounterClass.AMBULATORY: "O AMB OP OUT OUTP OUTPT OUTPATIENT CLINIC R RECURRING HH VR FLD SS C N",
        EncounterClass.PRE_ADMISSION: "P PRE PRENC PREADMIT PRE-ADMIT",
    }.items()
    for code in codes.split()
}
# HL7 table 0103: T training, D debugging; N (not for production) and the words that need no table
_TEST_WORDS: Final = frozenset(
    "T D N TEST TESTING TRN TRAIN TRAINING DEBUG DEBUGGING DEV DEVELOPMENT NONPROD NON-PROD".split()
)
_OBSERVATION_WORDS: Final = frozenset(code for code, kind in CLASSES.items() if kind is EncounterClass.OBSERVATION)

_T = TypeVar("_T")
_MAX_TEXT: Final = 500  # characters of a text that people read
_MAX_CODE: Final = 50  # characters of a code and of the system it is from
_MAX_IDENTIFIER: Final = 200
_LONG_LINE: Final = 4 * _MAX_TEXT
_MAX_REPETITIONS: Final = 100  # segments of one name that are read, and identifiers that are kept
_MAX_NAMES: Final = 10  # and addresses and mothers; a person moves and marries, but not more often than that
_MAX_PHONES: Final = 20
_MAX_NOTES: Final = 100  # a message with more is a fault of another kind, and the first say so
_MAX_SEARCHED: Final = 262_144  # characters in which unknown escapes are looked for
_DIGITS: Final = re.compile(r"\d+", re.ASCII)
_NEWBORN_NAME: Final = re.compile(
    r"BB|BG|(?:BABY|INFANT|NEWBORN)(?:[ -]?(?:BOY|GIRL|MALE|FEMALE))?(?:[ -]?[A-D1-4])?|(?:BOY|GIRL)(?:[ -][A-D1-4])?"
)
_YES_NO: Final = {"Y": True, "T": True, "1": True, "N": False, "F": False, "0": False}  # table 0136, and booleans
_PLACEHOLDER_NAMES: Final = frozenset({"DOE", "UNKNOWN", "UNIDENTIFIED", "TEST", "TRAUMA", "NONAME", "NO NAME"})
_DEFAULT_BIRTH_DATES: Final = frozenset({date(1800, 1, 1), date(1900, 1, 1), date(1901, 1, 1), date(1111, 11, 11)})
_NEWBORN_DAYS: Final = 60
_CLEARABLE: Final = ("PID", "PV1", "PV2", "DG1")
_BEGUN: Final = frozenset({EventKind.ADMITTED, EventKind.DISCHARGED, EventKind.TRANSFERRED})
_ADMISSION_TIME: Final = frozenset({EventKind.ADMITTED, EventKind.REGISTERED})
_CLOCKS_DIFFER: Final = timedelta(minutes=5)
_ZONES_DIFFER: Final = timedelta(hours=15)  # no zone that was read for another is further off
_LONGEST_STAY: Final = timedelta(days=20 * 366)
_AHEAD: Final = timedelta(days=1)  # PV1-44 of an admission, PV1-45 of a discharge
_PLANNED_AHEAD: Final = timedelta(days=366)
_LENGTHS: Final = {
    Precision.DAY: timedelta(days=1),
    Precision.HOUR: timedelta(hours=1),
    Precision.MINUTE: timedelta(minutes=1),
    Precision.SECOND: timedelta(seconds=1),
}
_STAY_EVENTS: Final = frozenset(
    {EventKind.ADMITTED, EventKind.REGISTERED, EventKind.DISCHARGED, EventKind.TRANSFERRED, EventKind.CLASS_CHANGED}
)
_GROUPED: Final = MERGES | {EventKind.LINKED, EventKind.UNLINKED}


def read_adt(
    data: bytes,
    feed_for: Callable[[str, str], Feed],
    *,
    message_id: str,
    received_at: datetime,
    test_mode: bool = False,
) -> Reading:
    """What `data` says, read as the feed of its MSH-3 and MSH-4 asks. Never raises for anything a sender can send."""
    glance = peek(data)
    if isinstance(glance, Reject):
        return glance
    feed = feed_for(glance.application, glance.facility)
    if not feed.sending and (glance.application_id or glance.facility_id):
        feed = feed_for(glance.application_id, glance.facility_id)
    message = Message.parse(data, feed.charset, glance)
    if isinstance(message, Reject):
        return message
    return _Reader(message, feed).read(message_id, received_at, test_mode)


@dataclass(slots=True)
class _Cut:
    """The segments of one group."""

    pid: Segment
    merged: list[Segment]
    pv1: Segment | None


class _Part(NamedTuple):
    """One group as it was read."""

    patient: Patient
    visit: Visit | None
    prior: Prior | None
    stay_keys: tuple[Identifier, ...]


class _Reader:
    """One message on its way to an event."""

    def __init__(self, message: Message, feed: Feed) -> None:
        self.message = message
        self.feed = feed
        self.header = message.segments("MSH")[0]
        self.evn = message.first("EVN")
        self.notes = {(one.finding, one.place): None for one in message.notes}
        self.facility = ""
        self.facility_from = ""
        self.sender = ""
        self.zone = feed.zone

    def note(self, finding: Finding, place: str) -> None:
        if len(self.notes) < _MAX_NOTES:
            self.notes[finding, place] = None

    def few(self, values: list[_T], most: int, place: str) -> tuple[_T, ...]:
        """Each value once and no more than `most` of them; that there were more is noted."""
        if len(values) < 2:
            return tuple(values)
        found = tuple(dict.fromkeys(values))
        if len(found) > most:
            self.note(Finding.VALUE_TOO_LONG, place)
            return found[:most]
        return found

    def read(self, message_id: str, received_at: datetime, test_mode: bool) -> Reading:
        header = self.header
        kind = header.get(9, 1).strip().upper()
        if kind and not is_adt(kind):
            return Reject(code=RejectCode.NOT_ADT, place="MSH-9.1")
        structure = header.get(9, 3).strip() or (kind if kind.startswith("ADT_") else "")
        named = header.get(9, 2) or (kind if kind != "ADT" and not structure else "")
        trigger = find_trigger(named, self._event_code(), structure)
        if trigger is None:
            return Reject(code=RejectCode.TRIGGER_MISSING, place="MSH-9.2")
        processing = header.get(11).strip().upper()
        test = processing in _TEST_WORDS
        if test and not test_mode and not self.feed.accept_test:
            return TestMessage(trigger=trigger.code, processing_id=processing if processing in ("T", "D") else "other")
        if isinstance(trigger.meaning, Still):
            return NoTransition(trigger=trigger.code)
        if trigger.finding:
            self.note(trigger.finding, "MSH-9")
        if not test and processing not in ("", "P"):
            self.note(Finding.PROCESSING_ID_UNKNOWN, "MSH-11")
        return self._event(trigger.code, trigger.meaning, structure, message_id, received_at)

    def _event_code(self) -> str:
        """EVN-1; whole where its first component is not a trigger (`ADT^A01`)."""
        if self.evn is None:
            return ""
        code = self.evn.get(1).strip()
        return self.message.unescape(self.evn.raw(1)) if code.upper() == "ADT" else code

    def _event(self, trigger: str, kind: EventKind, structure: str, message_id: str, received_at: datetime) -> Reading:
        message = self.message
        pid = message.first("PID")
        if pid is None:
            return Reject(code=RejectCode.SEGMENT_MISSING, place="PID")
        if kind in MERGES and message.first("MRG") is None:
            return Reject(code=RejectCode.SEGMENT_MISSING, place="MRG")
        version = self.header.get(12).strip()
        if version not in VERSIONS:
            self.note(Finding.VERSION_UNKNOWN, "MSH-12")
        if odd := structure_finding(trigger, structure, version):
            self.note(odd, "MSH-9.3")
        control_id = _clip(_clean(self.header.get(10)), _MAX_IDENTIFIER)
        if not control_id:
            self.note(Finding.CONTROL_ID_MISSING, "MSH-10")
        self.facility = self._facility()
        self.sender = self._namespace("MSH-4") or self._namespace("MSH-3") or self.feed.name
        self.zone = self.feed.zone_at(self.facility)

        recorded, recorded_from = self._recorded(received_at)
        occurred = self._occurred(kind, message.first("PV1"), recorded)
        if occurred is None:
            return Reject(code=RejectCode.TIME_MISSING, place="EVN-2")
        read = [self._group(cut, kind, occurred, recorded) for cut in self._cuts(kind, pid)]
        groups = [one for one in read if isinstance(one, _Part)]
        if not groups:
            return next(one for one in read if isinstance(one, Reject))
        if len(groups) < len(read):
            self.note(Finding.STRUCTURE_WRONG, "MRG")
        if kind not in _GROUPED and len(message.segments("PID")) > 1 and self._two_patients():
            self.note(Finding.STRUCTURE_WRONG, "PID")
        first = groups[0]
        unknown_escape = message.unknown_escape
        self._note_long_values()
        if unknown_escape:
            self._note_escapes()
        return Event(
            message_id=message_id,
            kind=kind,
            trigger=trigger,
            feed=self.feed.name,
            facility=self.facility,
            facility_kind=self.feed.facility_kinds.get(self.facility, self.feed.facility_kind),
            facility_from=self.facility_from,
            sender=self.sender,
            occurred_at=occurred,
            recorded_at=recorded.at if recorded else occurred,
            recorded_from=recorded_from,
            received_at=received_at,
            control_id=control_id,
            patient=first.patient,
            visit=first.visit,
            prior=first.prior,
            stay_keys=first.stay_keys,
            cleared=self._cleared(),
            fingerprint=fingerprint(message),
            notes=tuple(note(finding, place) for finding, place in self.notes),
            groups=tuple(Group.model_validate(one._asdict()) for one in groups[1:]),
        )

    def _cuts(self, kind: EventKind, pid: Segment) -> "list[_Cut]":
        """The groups of a merge, a move or a link as they were sent: { PID MRG PV1 } or, in A45, PID { MRG PV1 }.

        All MRG that give way to one PID are one group of a merge of persons; accounts and visits are one each.
        """
        message = self.message
        if kind not in _GROUPED:
            return [_Cut(pid, message.segments("MRG")[:_MAX_REPETITIONS], message.first("PV1"))]
        segments = {name: message.segments(name) for name in ("PID", "MRG", "PV1")}
        if max(map(len, segments.values())) < 2:
            return [_Cut(pid, segments["MRG"][:_MAX_REPETITIONS], message.first("PV1"))]
        following = {name: iter(found) for name, found in segments.items()}
        cuts = [_Cut(pid, [], None)]
        persons = kind is EventKind.PERSON_MERGED
        for name in (line[:3].upper() for line in message.lines):
            if name not in following:
                continue
            segment, last = next(following[name]), cuts[-1]
            if len(cuts) > _MAX_REPETITIONS or len(last.merged) > _MAX_REPETITIONS:
                self.note(Finding.VALUE_TOO_LONG, "MRG")
                break
            if name == "PID":
                same = segment.fields[2:] == last.pid.fields[2:] or segment.raw(3) == last.pid.raw(3) != ""
                if segment is not pid and not (persons and same):
                    cuts.append(_Cut(segment, [], None))
            elif name == "MRG":
                if persons or not last.merged:
                    last.merged.append(segment)
                else:
                    cuts.append(_Cut(last.pid, [segment], None))
            elif last.pv1 is None:
                last.pv1 = segment
            elif not persons and segment.raw(19) != last.pv1.raw(19):
                cuts.append(_Cut(last.pid, last.merged, segment))
        return cuts[:_MAX_REPETITIONS]

    def _group(self, cut: "_Cut", kind: EventKind, occurred: datetime, recorded: Moment | None) -> "_Part | Reject":
        visit = self._visit(cut.pv1, kind, recorded) if cut.pv1 else None
        patient = self._patient(cut.pid)
        name = patient.name
        if not patient.identifiers and not (name.family or name.given):
            return Reject(code=RejectCode.PATIENT_MISSING, place="PID-3")
        if kind in MERGES and not cut.merged:
            return Reject(code=RejectCode.SEGMENT_MISSING, place="MRG")
        if visit and self._is_newborn(patient, occurred):
            visit = visit.model_copy(update={"newborn": True})
        if kind in _STAY_EVENTS and visit is None:
            self.note(Finding.CLASS_MISSING, "PV1-2")
        prior = self._prior(cut.merged) if cut.merged else None
        if kind is EventKind.PERSON_MERGED and prior is not None and not prior.identifiers:
            return Reject(code=RejectCode.PATIENT_MISSING, place="MRG-1")
        return _Part(patient, visit, prior, self._stay_keys(kind, patient, visit, prior))

    def _two_patients(self) -> bool:
        """A further PID that shares no PID-3 with the first one and has another name or birth date."""
        first, *others = self.message.segments("PID")[:_MAX_REPETITIONS]
        known = {one.value for one in self._identifiers(first, 3)} if others else set()
        for other in others:
            numbers = {one.value for one in self._identifiers(other, 3)}
            if known.isdisjoint(numbers) and (other.raw(5), other.raw(7)) != (first.raw(5), first.raw(7)):
                return True
        return False

    def _facility(self) -> str:
        if self.feed.facility:
            return self.feed.facility
        for address in self.feed.facility_from:
            value = self._namespace(address)
            if value:
                self.facility_from = address
                if address == "MSH-3":
                    self.note(Finding.FACILITY_ASSUMED, address)
                return value
        self.facility_from = "MSH-4"
        self.note(Finding.FACILITY_ASSUMED, "MSH-4")
        return self.feed.name

    def _namespace(self, address: str) -> str:
        """The name in a field or component of type HD; its universal id when it has no name."""
        value = self.message.get(address)
        if not value and self.message.raw(address):
            inner = "." in address.partition("-")[2]
            value = self.message.get(f"{address}.2")
            if not value and not inner:
                value = self.message.get(f"{address}.1.2")
        return _clip(_clean(value), _MAX_IDENTIFIER)

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

    def _recorded(self, received_at: datetime) -> tuple[Moment | None, str]:
        """When the sender learned of it: EVN-2, else MSH-7, and neither after the message was made or came.

        Of a minute or a day in EVN-2, MSH-7 tells the part that was not sent.
        """
        told = self.time(self.evn, 2)
        alike = told is not None and self.evn is not None and self.evn.raw(2) == self.header.raw(7)
        made = told if alike else self.time(self.header, 7)
        if made and made.at > received_at + _ZONES_DIFFER:
            self.note(Finding.TIME_IMPLAUSIBLE, "MSH-7")
            made = made._replace(at=received_at, precision=Precision.SECOND)
        if told is None:
            return made, "MSH-7"
        if told.at > received_at + _ZONES_DIFFER:
            self.note(Finding.TIME_IMPLAUSIBLE, "EVN-2")
            return made or told._replace(at=received_at, precision=Precision.SECOND), "MSH-7"
        if made is None or alike:
            return told, "EVN-2"
        if told.precision < Precision.DAY and made.precision > told.precision:
            return made, "MSH-7"
        if told.at > made.at + _LENGTHS.get(made.precision, timedelta(days=366)) + _CLOCKS_DIFFER:
            self.note(Finding.TIME_IMPLAUSIBLE, "EVN-2")
            return made, "MSH-7"
        finer = made.precision > told.precision >= Precision.DAY
        if finer and told.at <= made.at < told.at + _LENGTHS[told.precision]:
            return made, "MSH-7"
        return told, "EVN-2"

    def _plausible(self, pv1: Segment | None, number: int, recorded: Moment | None, ahead: timedelta) -> Moment | None:
        """PV1-44 or PV1-45, unless it is a placeholder: decades before the message, or further ahead of it."""
        found = self.time(pv1, number)
        if found is None or recorded is None or recorded.at - _LONGEST_STAY < found.at <= recorded.at + ahead:
            return found
        self.note(Finding.TIME_IMPLAUSIBLE, f"PV1-{number}")
        return None

    def _occurred(self, kind: EventKind, pv1: Segment | None, recorded: Moment | None) -> datetime | None:
        """When it happened: the visit's own time for admissions and discharges, else EVN-6, EVN-2, MSH-7."""
        own: Moment | None = None
        if kind in _ADMISSION_TIME:
            own = self._plausible(pv1, 44, recorded, _AHEAD)
        elif kind is EventKind.DISCHARGED:
            own = self._plausible(pv1, 45, recorded, _AHEAD)
        if own and own.precision >= Precision.HOUR:
            return own.at
        happened = self.time(self.evn, 6)
        if own:
            same_day = next((one for one in (happened, recorded) if one and one.day == own.day), None)
            return same_day.at if same_day else own.at
        return happened.at if happened else recorded.at if recorded else None

    def _patient(self, pid: Segment) -> Patient:
        first_name, other_names = self._names(pid)
        birth_raw = pid.get(7)
        birth_date = read_date(birth_raw)
        if isinstance(birth_date, Finding):
            self.note(birth_date, "PID-7")
            birth_date = None
        elif birth_date in _DEFAULT_BIRTH_DATES:
            self.note(Finding.DEFAULT_BIRTH_DATE, "PID-7")
        birth = read_time(birth_raw, self.zone) if birth_date and _has_clock_time(birth_raw) else None
        identifiers = self._all_identifiers(pid)
        deceased, died_at = self._death(pid, birth_date)
        order = _DIGITS.fullmatch(pid.get(25).strip()[:3])
        return Patient(
            identifiers=identifiers,
            name=first_name,
            other_names=other_names,
            mother_maiden_name=_clean(pid.get(6)),
            birth_date=birth_date,
            birth_time=birth.at if isinstance(birth, Moment) and birth.precision >= Precision.HOUR else None,
            sex=_sex(pid.get(8)),
            addresses=self._addresses(pid),
            phones=self._phones(pid),
            ssn=_ssn(pid.get(19), identifiers),
            account=self._identifier(pid.raw(18), "PID-18"),
            mother=self.few([*self._identifiers(pid, 21)], _MAX_NAMES, "PID-21"),
            multiple_birth=pid.get(24).strip().upper()[:1] == "Y",
            birth_order=int(order[0]) if order else None,
            language=_clean(pid.get(15)) or _clean(pid.get(15, 2)),
            deceased=deceased,
            deceased_at=died_at,
        )

    def _death(self, pid: Segment, birth_date: date | None) -> tuple[bool | None, datetime | None]:
        """PID-30, else that PID-29 names a time: an indicator that says the person lives goes before the time."""
        death = self.time(pid, 29)
        deceased = _YES_NO.get(pid.get(30).strip().upper()[:1])
        if death is None:
            return deceased, None
        impossible = death.day in _DEFAULT_BIRTH_DATES or (birth_date is not None and death.day < birth_date)
        if deceased is False or impossible:
            self.note(Finding.DEATH_DISAGREES, "PID-29" if impossible else "PID-30")
            return deceased, None
        return True, death.at

    def _names(self, pid: Segment) -> tuple[PersonName, tuple[PersonName, ...]]:
        found = [self._name(raw) for number in (5, 9) for raw in pid.repetitions(number)]
        names = self.few([name for name in found if name.family or name.given], _MAX_NAMES, "PID-5")
        if not names:
            return PersonName(), ()
        first = names[0]
        family, given = first.family.upper(), first.given.upper()
        nobody = family in _PLACEHOLDER_NAMES or family.startswith("ZZ")
        if nobody or (given and _NEWBORN_NAME.fullmatch(given)):
            self.note(Finding.PLACEHOLDER_NAME, "PID-5")
        return first, names[1:]

    def _name(self, raw: str) -> PersonName:
        """XPN (2.3 and later) and PN: family, given, middle, suffix are the first four components in both."""
        family, given, middle, suffix = self._texts(raw, 4)
        return PersonName(family=family, given=given, middle=middle, suffix=suffix)

    def _texts(self, raw: str, count: int) -> list[str]:
        """The first `count` components of one raw repetition."""
        texts = [_clean(part) if part else "" for part in self.message.parts(raw)[:count]]
        return texts if len(texts) == count else texts + [""] * (count - len(texts))

    def code(self, text: str, place: str) -> str:
        """A code or the name of a code system; none is longer than 50 characters."""
        if not text:
            return text
        found = _clean(text)
        if len(found) > _MAX_CODE:
            self.note(Finding.VALUE_TOO_LONG, place)
            return found[:_MAX_CODE]
        return found

    def _all_identifiers(self, pid: Segment) -> tuple[Identifier, ...]:
        found: dict[tuple[str, str], Identifier] = {}
        for number in (3, 2, 4):
            for one in self._identifiers(pid, number):
                if number == 3 or all(one.value != known for _, known in found):
                    found.setdefault((one.system, one.value), one)
        return self.few([*found.values()], _MAX_REPETITIONS, "PID-3")

    def _identifiers(self, segment: Segment, number: int) -> tuple[Identifier, ...]:
        if not segment.raw(number):
            return ()
        place = f"{segment.name}-{number}"
        read = [self._identifier(raw, place) for raw in segment.repetitions(number)]
        return _unique([one for one in read if one])

    def _identifier(self, raw: str, place: str) -> Identifier | None:
        """One CX; an authority that was not sent is the feed's, else the facility."""
        if not raw or raw == NULL:
            return None
        message = self.message
        mark = message.delimiters.repetition
        if mark and mark in raw:
            raw = raw.split(mark, 1)[0]
        parts = message.parts(raw)
        value = _clean(parts[0])
        if not value:
            return None
        if len(value) > _MAX_IDENTIFIER:
            self.note(Finding.VALUE_TOO_LONG, place)
            return None
        if is_placeholder(value):
            self.note(Finding.PLACEHOLDER_NUMBER, place)
            return None
        authority = _clean(parts[3]) if len(parts) > 3 else ""
        if not authority and len(parts) > 3:
            authority = _clean(message.part(raw, 4, 2))
        if not authority and place[:3] != "PV1" and place not in ("PID-18", "MRG-3", "MRG-5"):
            self.note(Finding.AUTHORITY_MISSING, place)
            authority = self.feed.authority or self.facility
        return Identifier(
            system=authority[:_MAX_IDENTIFIER], value=value, type=_clean(parts[4])[:20] if len(parts) > 4 else ""
        )

    def _addresses(self, pid: Segment) -> tuple[Address, ...]:
        found: list[Address] = []
        own_county = _clean(pid.get(12))
        for raw in pid.repetitions(11):
            street, _, city, state, zip_code, _, _, _, county = self._texts(raw, 9)
            if street or city or state or zip_code:
                county = county or own_county
                found.append(Address(street=street, city=city, state=state, zip=zip_code, county=county))
        return self.few(found, _MAX_NAMES, "PID-11")

    def _phones(self, pid: Segment) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for number in (13, 14):
            for raw in pid.repetitions(number):
                parts = self.message.parts(raw)
                parts += [""] * (12 - len(parts))
                text = parts[0] if "@" not in parts[0] else ""
                digits = _digits(text) or _digits(parts[5]) + _digits(parts[6]) or _digits(parts[11])
                if len(digits) == 11 and digits[0] == "1":
                    digits = digits[1:]
                if 7 <= len(digits) <= 15:
                    found.setdefault(digits)
        return self.few([*found], _MAX_PHONES, "PID-13")

    def _visit(self, pv1: Segment, kind: EventKind, recorded: Moment | None) -> Visit:
        pv2 = self.message.first("PV2")
        location, before = self._parts(pv1, 3), self._parts(pv1, 6)
        number = self._identifier(pv1.raw(19), "PV1-19")
        if number is None:
            self.note(Finding.VISIT_NUMBER_MISSING, "PV1-19")
        ahead = _AHEAD if kind in _BEGUN else _PLANNED_AHEAD
        admitted = self._plausible(pv1, 44, recorded, ahead)
        discharged = self._plausible(pv1, 45, recorded, _AHEAD if kind is EventKind.DISCHARGED else _PLANNED_AHEAD)
        if admitted is None and kind in _STAY_EVENTS:
            self.note(Finding.ADMIT_TIME_MISSING, "PV1-44")
        encounter_class = self._class(pv1)
        if encounter_class is None and kind in _STAY_EVENTS:
            self.note(Finding.CLASS_MISSING, "PV1-2")
        expected_admit, expected_discharge = self.time(pv2, 8), self.time(pv2, 9)
        attending = self._parts(pv1, 7)
        diagnoses, deleted = self._diagnoses()
        return Visit(
            encounter_class=encounter_class,
            class_code=_clip(_clean(pv1.get(2)), 50),
            number=number,
            alternate_number=self._identifier(pv1.raw(50), "PV1-50"),
            unit=location[0],
            room=location[1],
            bed=location[2],
            prior_unit=before[0],
            prior_facility=before[3],
            attending=", ".join(part for part in attending[1:3] if part),
            service=_clean(pv1.get(10)),
            admit_source=_clean(pv1.get(14)),
            admission_type=_clean(pv1.get(4)),
            disposition=self._disposition(pv1),
            discharged_to=_clean(pv1.get(37)),
            admitted_at=admitted.at if admitted else None,
            discharged_at=discharged.at if discharged else None,
            expected_admit=expected_admit.at if expected_admit else None,
            expected_discharge=expected_discharge.at if expected_discharge else None,
            complaint=(_clean(pv2.get(3, 2)) or _clean(pv2.get(3))) if pv2 else "",
            newborn=(pv2.get(36) if pv2 else "").strip().upper()[:1] == "Y" or pv1.get(4).strip().upper() == "N",
            diagnoses=diagnoses,
            diagnoses_deleted=deleted,
        )

    def _parts(self, segment: Segment, number: int) -> list[str]:
        """The first four components of a field, clean."""
        repetitions = segment.repetitions(number)
        return self._texts(repetitions[0], 4) if repetitions else ["", "", "", ""]

    def _class(self, pv1: Segment) -> EncounterClass | None:
        """PV1-2 by the feed's own table, else by HL7's; an outpatient in observation says so elsewhere in PV1."""
        code = pv1.get(2).strip()
        if not code:
            return None
        mapped = self.feed.classes.get(code) or self.feed.classes.get(code.upper())
        if mapped:
            return mapped
        found = CLASSES.get(code.upper())
        if found is None:
            self.note(Finding.CLASS_UNKNOWN, "PV1-2")
            return EncounterClass.UNKNOWN
        if found is EncounterClass.AMBULATORY and not _OBSERVATION_WORDS.isdisjoint(
            [pv1.get(number).strip().upper() for number in (18, 10, 4, 3)]
        ):
            return EncounterClass.OBSERVATION
        return found

    def _disposition(self, pv1: Segment) -> str:
        """PV1-36 by the feed's own table, else by HL7's; what stands in neither is noted and stays as it was sent."""
        sent, words = _clean(pv1.get(36)), _clean(pv1.get(36, 2))
        if not sent and not words:
            return ""
        found = read_disposition(sent, words, self.feed.dispositions)
        if not found.known:
            self.note(Finding.DISPOSITION_UNKNOWN, "PV1-36")
        return found.code

    def _diagnoses(self) -> tuple[tuple[Diagnosis, ...], tuple[Diagnosis, ...]]:
        """DG1; and those whose action code (DG1-21) is D, which are no longer so."""
        segments = self.message.segments("DG1")
        if len(segments) > _MAX_REPETITIONS:
            self.note(Finding.VALUE_TOO_LONG, "DG1")
        found: list[Diagnosis] = []
        gone: list[Diagnosis] = []
        for segment in segments[:_MAX_REPETITIONS]:
            rank = _DIGITS.fullmatch(segment.get(15).strip()[:4])
            diagnosis = Diagnosis(
                code=self.code(segment.get(3, 1), "DG1-3"),
                system=self.code(segment.get(3, 3) or segment.get(2), "DG1-3"),
                text=_clean(segment.get(3, 2)) or _clean(segment.get(4)),
                type=self.code(segment.get(6), "DG1-6"),
                rank=int(rank[0]) if rank else None,
            )
            if diagnosis.code or diagnosis.text:
                (gone if segment.get(21).strip().upper() == "D" else found).append(diagnosis)
        return _unique(found), _unique(gone)

    def _is_newborn(self, patient: Patient, occurred: datetime) -> bool:
        given = patient.name.given.upper()
        if not given or not _NEWBORN_NAME.fullmatch(given):
            return False
        day = occurred.astimezone(ZoneInfo(self.feed.zone)).date()
        return patient.birth_date is None or day - patient.birth_date <= timedelta(days=_NEWBORN_DAYS)

    def _prior(self, segments: list[Segment]) -> Prior:
        """The MRG segments of one group: the identities that give way to the one of its PID."""
        identifiers: dict[Identifier, None] = {}
        for segment in segments:
            for number in (1, 4, 2):
                if found := self._identifiers(segment, number):
                    identifiers.update(dict.fromkeys(found))
                    break
        merged = segments[0]
        names = merged.repetitions(7)
        visit = self._identifier(merged.raw(5), "MRG-5")
        account = self._identifier(merged.raw(3), "MRG-3")
        return Prior(
            identifiers=self.few([*identifiers], _MAX_REPETITIONS, "MRG-1"),
            account=self._key("account", account) if account else None,
            visit=self._key("visit", visit) if visit else None,
            name=self._name(names[0]) if names else PersonName(),
        )

    def _key(self, sort: str, number: Identifier) -> Identifier:
        return Identifier(system=f"{sort}|{self.facility}|{number.system}", value=number.value)

    def _stay_keys(
        self, kind: EventKind, patient: Patient, visit: Visit | None, prior: Prior | None
    ) -> tuple[Identifier, ...]:
        keys: dict[tuple[str, str], None] = {}  # system and value
        people = [*patient.identifiers[:1], *(prior.identifiers[:1] if prior else ())]
        sender = self.sender
        number = visit.number if visit else None
        if visit and number:
            keys[f"visit|{self.facility}|{number.system}", number.value] = None
            if kind in (EventKind.TRANSFERRED, EventKind.TRANSFER_CANCELLED) and visit.prior_facility:
                keys[f"visit|{visit.prior_facility}|{number.system}", number.value] = None
            for one in people:
                keys[f"visit+patient|{sender}|{number.system}", f"{number.value}@{one.value}"] = None
        account = patient.account
        if account:
            keys[f"account|{self.facility}|{account.system}", account.value] = None
            for one in people:
                keys[f"account+patient|{sender}|{account.system}", f"{account.value}@{one.value}"] = None
        if visit and visit.admitted_at:
            for one in people[:1]:
                keys[f"admitted|{sender}|{one.system}", f"{one.value}@{visit.admitted_at:%Y%m%d%H%M}"] = None
        return tuple([Identifier(system=system, value=value) for system, value in keys])

    def _cleared(self) -> frozenset[str]:
        if not self.message.has_null:
            return frozenset()
        first = [self.message.first(name) for name in _CLEARABLE]
        return frozenset(
            f"{segment.name}-{number}"
            for segment in first
            if segment and NULL in segment.line
            for number, raw in enumerate(segment.fields)
            if raw == NULL
        )

    def _note_escapes(self) -> None:
        escape = self.message.delimiters.escape
        left = _MAX_SEARCHED
        for name in ("EVN", "PID", "PV1", "PV2", "DG1", "MRG"):
            for segment in self.message.segments(name)[:_MAX_REPETITIONS]:
                if escape in segment.line:
                    for number, raw in enumerate(segment.fields):
                        if escape in raw and left > 0:
                            left -= min(len(raw), _LONG_LINE)
                            self.message.unknown_escape = False
                            self.message.unescape(raw[:_LONG_LINE])
                            if self.message.unknown_escape:
                                self.note(Finding.ESCAPE_UNKNOWN, f"{name}-{number}")

    def _note_long_values(self) -> None:
        """What is longer, or more, than anything real is cut or not read: say where."""
        if max(map(len, self.message.lines)) > _MAX_TEXT:
            for name in ("PID", "PV1", "PV2", "DG1", "MRG"):
                for segment in self.message.segments(name)[:_MAX_REPETITIONS]:
                    if len(segment.line) > _MAX_TEXT:
                        for number, raw in enumerate(segment.fields):
                            if len(raw) > _MAX_TEXT and (len(raw) > _LONG_LINE or self._has_long_part(raw)):
                                self.note(Finding.VALUE_TOO_LONG, f"{name}-{number}")
        for place in self.message.cut:
            self.note(Finding.VALUE_TOO_LONG, place)

    def _has_long_part(self, raw: str) -> bool:
        marks = self.message.delimiters
        parts = raw.replace(marks.repetition or marks.component, marks.component).split(marks.component)
        return max(map(len, parts)) > _MAX_TEXT


def fingerprint(message: Message) -> str:
    """32 hex digits, equal for two messages that say the same: all but MSH-7, MSH-10 and how lines end."""
    separator = message.delimiters.field
    fields = message.lines[0].split(separator)
    fields.insert(1, separator)
    for index in (7, 10):
        if index < len(fields):
            fields[index] = ""
    text = "\r".join(["\x1e".join(fields), *message.lines[1:]])
    if message.unread:
        text += message.unread
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _unique(values: list[_T]) -> tuple[_T, ...]:
    return tuple(values) if len(values) < 2 else tuple(dict.fromkeys(values))


def _clean(text: str) -> str:
    """One line, without control characters or blanks around it."""
    if not text:
        return text
    if not text.isprintable():
        text = " ".join("".join(one if one.isprintable() else " " for one in text[: 4 * _MAX_TEXT]).split())
    return text.strip()[:_MAX_TEXT]


def _clip(text: str, length: int) -> str:
    return text[:length]


def _digits(text: str) -> str:
    return "".join(_DIGITS.findall(text[:100])) if text else ""


def _sex(text: str) -> str:
    """HL7 table 0001."""
    code = text.strip().upper()[:1]
    return code if code in ("F", "M", "O", "U", "A", "N", "") else "U"


def _ssn(text: str, identifiers: Iterable[Identifier]) -> str:
    """PID-19, else a PID-3 of type SS (HL7 table 0203): nine digits."""
    candidates = (text, *(one.value for one in identifiers if one.type in ("SS", "SSN")))
    return next((digits for digits in map(_digits, candidates) if len(digits) == 9), "")


def _has_clock_time(raw: str) -> bool:
    """Whether more than a day was sent, and more than a midnight that stands for nothing."""
    return bool(raw.strip()[8:14].strip("0T:"))


FIELDS: Final = (
    "MSH-3 MSH-4 MSH-9.1 MSH-9.2 MSH-10 MSH-12 EVN-2 PID-5.1 PID-5.2 PID-7 PID-8 PID-11.5 PID-18 PID-19 PV1-2 PV1-3.1 "
    "PV1-19 PV1-36 PV1-44 PV1-45 MRG-1"
).split()


def read_fields(data: bytes, charset: str = "") -> dict[str, str | list[list[str]]]:
    """What was read, by HL7 address: first repetition and component, unescaped; "" when absent, `""` when sent so.

    `PID-3` is a list of `[value, authority, type]`. Of input that is no message, what can be read: at worst all "".
    """
    message = Message.parse(data, charset)
    if isinstance(message, Reject) and message.code is RejectCode.UNDECODABLE:
        message = Message.parse(data, "latin-1")
    if isinstance(message, Reject):
        return {**dict.fromkeys(FIELDS, ""), "PID-3": []}
    fields: dict[str, str | list[list[str]]] = {address: _sent(message, address) for address in FIELDS}
    pid = message.first("PID")
    repetitions = pid.repetitions(3) or [""] if pid and len(pid.fields) > 3 else []
    fields["PID-3"] = [
        [NULL if one == NULL and number == 1 else message.part(one, number) for number in (1, 4, 5)]
        for one in repetitions
    ]
    return fields


def _sent(message: Message, address: str) -> str:
    value = message.get(address)
    return NULL if not value and message.is_delete(address) else value
