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
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import Final, TypeVar

from parsers.events import (
    Address,
    Diagnosis,
    EncounterClass,
    Event,
    EventKind,
    Finding,
    Identifier,
    Patient,
    PersonName,
    Prior,
    Visit,
)
from parsers.feeds import Feed
from parsers.hl7 import NULL, Message, Segment, note, peek
from parsers.outcomes import NoTransition, Reading, Reject, RejectCode, TestMessage
from parsers.times import Moment, Precision, read_date, read_time
from parsers.triggers import MERGES, Still, find_trigger, structure_finding

VERSIONS: Final = frozenset("2.1 2.2 2.3 2.3.1 2.4 2.5 2.5.1 2.6 2.7 2.7.1 2.8 2.8.1 2.8.2 2.9 2.9.1".split())

# HL7 table 0004 (patient class), HL7 v3 ActEncounterCode, and the words that need no table
CLASSES: Final[dict[str, EncounterClass]] = {
    code: encounter_class
    for encounter_class, codes in {
        EncounterClass.EMERGENCY: "E EMER EMERGENCY ER ED",
        EncounterClass.INPATIENT: "I IMP INP IP INPATIENT ACUTE NONAC B OBSTETRICS",
        EncounterClass.OBSERVATION: "OBS OBSENC OBSERVATION OBV OV",
        EncounterClass.AMBULATORY: "O AMB OP OUT OUTPATIENT R RECURRING HH VR FLD SS C N",
        EncounterClass.PRE_ADMISSION: "P PRE PRENC PREADMIT PRE-ADMIT",
    }.items()
    for code in codes.split()
}
_OBSERVATION_WORDS: Final = frozenset(code for code, kind in CLASSES.items() if kind is EncounterClass.OBSERVATION)

_T = TypeVar("_T")
_MAX_TEXT: Final = 500
_MAX_IDENTIFIER: Final = 200
_LONG_LINE: Final = 4 * _MAX_TEXT
_MAX_REPETITIONS: Final = 100
_DIGITS: Final = re.compile(r"\d+", re.ASCII)
_NO_NUMBER: Final = frozenset({"NONE", "NULL", "UNKNOWN", "UNK", "N/A", "NA", "-", "."})
_NEWBORN_NAME: Final = re.compile(
    r"BB|BG|(?:BABY|INFANT|NEWBORN)(?:[ -]?(?:BOY|GIRL|MALE|FEMALE))?(?:[ -]?[A-D1-4])?|(?:BOY|GIRL)(?:[ -][A-D1-4])?"
)
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
    message = Message.parse(data, feed.charset, glance)
    if isinstance(message, Reject):
        return message
    return _Reader(message, feed).read(message_id, received_at, test_mode)


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

    def note(self, finding: Finding, place: str) -> None:
        self.notes[finding, place] = None

    def read(self, message_id: str, received_at: datetime, test_mode: bool) -> Reading:
        header = self.header
        kind = header.get(9, 1).strip().upper()
        if kind and kind != "ADT" and not kind.startswith("ADT_"):
            return Reject(code=RejectCode.NOT_ADT, place="MSH-9.1")
        structure = header.get(9, 3).strip() or (kind if kind.startswith("ADT_") else "")
        trigger = find_trigger(header.get(9, 2), self.evn.get(1) if self.evn else "", structure)
        if trigger is None:
            return Reject(code=RejectCode.TRIGGER_MISSING, place="MSH-9.2")
        processing = header.get(11).strip().upper()
        if processing not in ("", "P") and not test_mode and not self.feed.accept_test:
            return TestMessage(trigger=trigger.code, processing_id=processing if processing in ("T", "D") else "other")
        if isinstance(trigger.meaning, Still):
            return NoTransition(trigger=trigger.code)
        if trigger.finding:
            self.note(trigger.finding, "MSH-9")
        return self._event(trigger.code, trigger.meaning, structure, message_id, received_at)

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

        recorded, recorded_from = self._recorded(received_at)
        pv1 = message.first("PV1")
        visit = self._visit(pv1, kind, recorded) if pv1 else None
        occurred = self._occurred(kind, pv1, recorded)
        if occurred is None:
            return Reject(code=RejectCode.TIME_MISSING, place="EVN-2")
        patient = self._patient(pid)
        name = patient.name
        if not patient.identifiers and not (name.family or name.given):
            return Reject(code=RejectCode.PATIENT_MISSING, place="PID-3")
        if visit and self._is_newborn(patient, occurred):
            visit = visit.model_copy(update={"newborn": True})
        if kind in _STAY_EVENTS and visit is None:
            self.note(Finding.CLASS_MISSING, "PV1-2")
        prior = self._prior() if kind in MERGES or message.first("MRG") else None
        if kind is EventKind.PERSON_MERGED and prior is not None and not prior.identifiers:
            return Reject(code=RejectCode.PATIENT_MISSING, place="MRG-1")
        keys = self._stay_keys(kind, patient, visit, prior)
        if message.unknown_escape:
            self._note_escapes()
        self._note_long_values()
        return Event(
            message_id=message_id,
            kind=kind,
            trigger=trigger,
            feed=self.feed.name,
            facility=self.facility,
            facility_kind=self.feed.facility_kinds.get(self.facility, self.feed.facility_kind),
            facility_from=self.facility_from,
            sender=self._sender(),
            occurred_at=occurred,
            recorded_at=recorded.at if recorded else occurred,
            recorded_from=recorded_from,
            received_at=received_at,
            control_id=control_id,
            patient=patient,
            visit=visit,
            prior=prior,
            stay_keys=keys,
            cleared=self._cleared(),
            fingerprint=fingerprint(message),
            notes=tuple(note(finding, place) for finding, place in self.notes),
        )

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
        read = read_time(raw, self.feed.zone)
        if read is None:
            return None
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
        told, made = self.time(self.evn, 2), self.time(self.header, 7)
        if made and made.at > received_at + _ZONES_DIFFER:
            self.note(Finding.TIME_IMPLAUSIBLE, "MSH-7")
            made = made._replace(at=received_at, precision=Precision.SECOND)
        if told is None:
            return made, "MSH-7"
        if told.at > received_at + _ZONES_DIFFER:
            self.note(Finding.TIME_IMPLAUSIBLE, "EVN-2")
            return made or told._replace(at=received_at, precision=Precision.SECOND), "MSH-7"
        if made is None:
            return told, "EVN-2"
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
        birth = read_time(birth_raw, self.feed.zone) if birth_date and _has_clock_time(birth_raw) else None
        identifiers = self._all_identifiers(pid)
        death = self.time(pid, 29)
        deceased = {"Y": True, "N": False}.get(pid.get(30).strip().upper()[:1])
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
            mother=self._identifiers(pid, 21),
            multiple_birth=pid.get(24).strip().upper()[:1] == "Y",
            birth_order=int(order[0]) if order else None,
            language=_clean(pid.get(15)) or _clean(pid.get(15, 2)),
            deceased=True if death and deceased is None else deceased,
            deceased_at=death.at if death else None,
        )

    def _names(self, pid: Segment) -> tuple[PersonName, tuple[PersonName, ...]]:
        found = [self._name(raw) for number in (5, 9) for raw in self._repetitions(pid, number)]
        names = _unique([name for name in found if name.family or name.given])
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

    def _repetitions(self, segment: Segment, number: int) -> list[str]:
        repetitions = segment.repetitions(number)
        if len(repetitions) > _MAX_REPETITIONS:
            self.note(Finding.VALUE_TOO_LONG, f"{segment.name}-{number}")
            return repetitions[:_MAX_REPETITIONS]
        return repetitions

    def _all_identifiers(self, pid: Segment) -> tuple[Identifier, ...]:
        found: dict[tuple[str, str], Identifier] = {}
        for number in (3, 2, 4):
            for one in self._identifiers(pid, number):
                if number == 3 or all(one.value != known for _, known in found):
                    found.setdefault((one.system, one.value), one)
        return tuple(found.values())

    def _identifiers(self, segment: Segment, number: int) -> tuple[Identifier, ...]:
        if not segment.raw(number):
            return ()
        place = f"{segment.name}-{number}"
        read = [self._identifier(raw, place) for raw in self._repetitions(segment, number)]
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
        for raw in self._repetitions(pid, 11):
            street, _, city, state, zip_code, _, _, _, county = self._texts(raw, 9)
            if street or city or state or zip_code:
                county = county or own_county
                found.append(Address(street=street, city=city, state=state, zip=zip_code, county=county))
        return _unique(found)

    def _phones(self, pid: Segment) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for number in (13, 14):
            for raw in self._repetitions(pid, number):
                parts = self.message.parts(raw)
                parts += [""] * (12 - len(parts))
                text = parts[0] if "@" not in parts[0] else ""
                digits = _digits(text) or _digits(parts[5]) + _digits(parts[6]) or _digits(parts[11])
                if len(digits) == 11 and digits[0] == "1":
                    digits = digits[1:]
                if 7 <= len(digits) <= 15:
                    found.setdefault(digits)
        return tuple(found)

    def _visit(self, pv1: Segment, kind: EventKind, recorded: Moment | None) -> Visit:
        pv2 = self.message.first("PV2")
        location, before = self._parts(pv1, 3), self._parts(pv1, 6)
        number = _real_number(self._identifier(pv1.raw(19), "PV1-19"))
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
        return Visit(
            encounter_class=encounter_class,
            class_code=_clip(_clean(pv1.get(2)), 50),
            number=number,
            alternate_number=_real_number(self._identifier(pv1.raw(50), "PV1-50")),
            unit=location[0],
            room=location[1],
            bed=location[2],
            prior_unit=before[0],
            prior_facility=before[3],
            attending=", ".join(part for part in attending[1:3] if part),
            service=_clean(pv1.get(10)),
            admit_source=_clean(pv1.get(14)),
            admission_type=_clean(pv1.get(4)),
            disposition=_clean(pv1.get(36)),
            discharged_to=_clean(pv1.get(37)),
            admitted_at=admitted.at if admitted else None,
            discharged_at=discharged.at if discharged else None,
            expected_admit=expected_admit.at if expected_admit else None,
            expected_discharge=expected_discharge.at if expected_discharge else None,
            complaint=(_clean(pv2.get(3, 2)) or _clean(pv2.get(3))) if pv2 else "",
            newborn=(pv2.get(36) if pv2 else "").strip().upper()[:1] == "Y" or pv1.get(4).strip().upper() == "N",
            diagnoses=self._diagnoses(),
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

    def _diagnoses(self) -> tuple[Diagnosis, ...]:
        segments = self.message.segments("DG1")
        if len(segments) > _MAX_REPETITIONS:
            self.note(Finding.VALUE_TOO_LONG, "DG1")
        found: list[Diagnosis] = []
        for segment in segments[:_MAX_REPETITIONS]:
            rank = _DIGITS.fullmatch(segment.get(15).strip()[:4])
            diagnosis = Diagnosis(
                code=_clean(segment.get(3, 1)),
                system=_clean(segment.get(3, 3)) or _clean(segment.get(2)),
                text=_clean(segment.get(3, 2)) or _clean(segment.get(4)),
                type=_clean(segment.get(6)),
                rank=int(rank[0]) if rank else None,
            )
            if diagnosis.code or diagnosis.text:
                found.append(diagnosis)
        return _unique(found)

    def _is_newborn(self, patient: Patient, occurred: datetime) -> bool:
        given = patient.name.given.upper()
        if not given or not _NEWBORN_NAME.fullmatch(given):
            return False
        return patient.birth_date is None or occurred.date() - patient.birth_date <= timedelta(days=_NEWBORN_DAYS)

    def _prior(self) -> Prior:
        """All MRG segments: the identities that give way to the one of the first PID."""
        segments = self.message.segments("MRG")
        identifiers: dict[Identifier, None] = {}
        for segment in segments[:_MAX_REPETITIONS]:
            for number in (1, 4, 2):
                if found := self._identifiers(segment, number):
                    identifiers.update(dict.fromkeys(found))
                    break
        survivors = {pid.raw(3) for pid in self.message.segments("PID")[:_MAX_REPETITIONS]}
        if len(segments) > 1 and len(survivors) > 1:
            self.note(Finding.STRUCTURE_WRONG, "MRG")
        merged = segments[0]
        names = merged.repetitions(7)
        visit = _real_number(self._identifier(merged.raw(5), "MRG-5"))
        account = _real_number(self._identifier(merged.raw(3), "MRG-3"))
        return Prior(
            identifiers=tuple(identifiers),
            account=self._key("account", account) if account else None,
            visit=self._key("visit", visit) if visit else None,
            name=self._name(names[0]) if names else PersonName(),
        )

    def _sender(self) -> str:
        return self._namespace("MSH-4") or self._namespace("MSH-3") or self.feed.name

    def _key(self, sort: str, number: Identifier) -> Identifier:
        return Identifier(system=f"{sort}|{self.facility}|{number.system}", value=number.value)

    def _stay_keys(
        self, kind: EventKind, patient: Patient, visit: Visit | None, prior: Prior | None
    ) -> tuple[Identifier, ...]:
        keys: dict[tuple[str, str], None] = {}  # system and value
        people = [*patient.identifiers[:1], *(prior.identifiers[:1] if prior else ())]
        sender = self._sender()
        number = visit.number if visit else None
        if visit and number:
            keys[f"visit|{self.facility}|{number.system}", number.value] = None
            if kind in (EventKind.TRANSFERRED, EventKind.TRANSFER_CANCELLED) and visit.prior_facility:
                keys[f"visit|{visit.prior_facility}|{number.system}", number.value] = None
            for one in people:
                keys[f"visit+patient|{sender}|{number.system}", f"{number.value}@{one.value}"] = None
        account = _real_number(patient.account)
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
        for name in ("EVN", "PID", "PV1", "PV2", "DG1", "MRG"):
            for segment in self.message.segments(name)[:_MAX_REPETITIONS]:
                if escape in segment.line:
                    for number, raw in enumerate(segment.fields):
                        self.message.unknown_escape = False
                        self.message.unescape(raw[:_LONG_LINE])
                        if self.message.unknown_escape:
                            self.note(Finding.ESCAPE_UNKNOWN, f"{name}-{number}")

    def _note_long_values(self) -> None:
        """Text longer than any real one is cut in the event: say where."""
        if max(map(len, self.message.lines)) <= _LONG_LINE:
            return
        for name in ("PID", "PV1", "PV2", "DG1", "MRG"):
            for segment in self.message.segments(name)[:_MAX_REPETITIONS]:
                if len(segment.line) > _LONG_LINE:
                    for number, raw in enumerate(segment.fields):
                        if len(raw) > _LONG_LINE:
                            self.note(Finding.VALUE_TOO_LONG, f"{name}-{number}")


def fingerprint(message: Message) -> str:
    """32 hex digits, equal for two messages that say the same: all but MSH-7, MSH-10 and how lines end."""
    fields = message.segments("MSH")[0].fields.copy()
    for index in (7, 10):
        if index < len(fields):
            fields[index] = ""
    text = "\r".join(["\x1e".join(fields), *message.lines[1:]])
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


def _real_number(number: Identifier | None) -> Identifier | None:
    """`None` for what stands for "no number": zeros, NONE, N/A."""
    if number is None or not number.value.strip("0") or number.value.upper() in _NO_NUMBER:
        return None
    return number


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
