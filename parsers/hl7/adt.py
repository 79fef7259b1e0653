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

from collections.abc import Callable
from datetime import datetime, timedelta

from parsers.events import (
    Event,
    EventKind,
    Finding,
    Group,
)
from parsers.feeds import Feed
from parsers.hl7.doubled import note_doubled
from parsers.hl7.er7 import NULL, Message, Peek, Segment, note, peek
from parsers.hl7.pid import is_newborn, read_patient, read_prior
from parsers.hl7.pv1 import in_order, read_visit
from parsers.hl7.reader import (
    ADMISSION_TIME,
    AHEAD,
    BEGUN,
    CLEARABLE,
    CLOCKS_DIFFER,
    GROUPED,
    LENGTHS,
    LONG_LINE,
    MAX_IDENTIFIER,
    MAX_REPETITIONS,
    MAX_SEARCHED,
    MAX_TEXT,
    PLANNED_AHEAD,
    STAY_EVENTS,
    TEST_WORDS,
    VERSIONS,
    ZONES_DIFFER,
    Cut,
    Part,
    Reader,
    clean,
    clip,
    fingerprint,
)
from parsers.hl7.stay_keys import keys_of
from parsers.hl7.times import Moment, Precision
from parsers.hl7.triggers import MERGES, Still, find_trigger, is_adt, structure_finding
from parsers.outcomes import NoTransition, Reading, Reject, RejectCode, TestMessage


def read_adt(
    data: bytes,
    feed_for: Callable[[str, str], Feed],
    *,
    message_id: str,
    received_at: datetime,
    test_mode: bool = False,
    glance: Peek | None = None,
) -> Reading:
    """What `data` says, read as the feed of its MSH-3 and MSH-4 asks. Never raises for anything a sender can send.

    `glance`: what `peek` said of `data`, where the caller looked already.
    """
    if glance is None:
        looked = peek(data)
        if isinstance(looked, Reject):
            return looked
        glance = looked
    feed = feed_of(glance, feed_for)
    message = Message.parse(data, feed.charset, glance)
    if isinstance(message, Reject):
        return message
    return read_event(Reader(message, feed), message_id, received_at, test_mode)


def feed_of(glance: Peek, feed_for: Callable[[str, str], Feed]) -> Feed:
    """The feed of MSH-3 and MSH-4, by their names or else by their universal ids."""
    feed = feed_for(glance.application, glance.facility)
    if not feed.sending and (glance.application_id or glance.facility_id):
        feed = feed_for(glance.application_id, glance.facility_id)
    return feed


def read_event(reader: Reader, message_id: str, received_at: datetime, test_mode: bool) -> Reading:
    header = reader.header
    kind = header.get(9, 1).strip().upper()
    if kind and not is_adt(kind):
        return Reject(code=RejectCode.NOT_ADT, place="MSH-9.1")
    structure = header.get(9, 3).strip() or (kind if kind.startswith("ADT_") else "")
    named = header.get(9, 2) or (kind if kind != "ADT" and not structure else "")
    trigger = find_trigger(named, event_code(reader), structure)
    if trigger is None:
        return Reject(code=RejectCode.TRIGGER_MISSING, place="MSH-9.2")
    processing = header.get(11).strip().upper()
    test = processing in TEST_WORDS
    if test and not test_mode and not reader.feed.accept_test:
        return TestMessage(trigger=trigger.code, processing_id=processing if processing in ("T", "D") else "other")
    if isinstance(trigger.meaning, Still):
        return NoTransition(trigger=trigger.code)
    if trigger.finding:
        reader.note(trigger.finding, "MSH-9")
    if not test and processing not in ("", "P"):
        reader.note(Finding.PROCESSING_ID_UNKNOWN, "MSH-11")
    return event_of(reader, trigger.code, trigger.meaning, structure, message_id, received_at)


def event_code(reader: Reader) -> str:
    """EVN-1; whole where its first component is not a trigger (`ADT^A01`)."""
    if reader.evn is None:
        return ""
    code = reader.evn.get(1).strip()
    return reader.values.unescape(reader.evn.raw(1)) if code.upper() == "ADT" else code


def event_of(
    reader: Reader, trigger: str, kind: EventKind, structure: str, message_id: str, received_at: datetime
) -> Reading:
    message = reader.message
    pid = message.first("PID")
    if pid is None:
        return Reject(code=RejectCode.SEGMENT_MISSING, place="PID")
    if kind in MERGES and message.first("MRG") is None:
        return Reject(code=RejectCode.SEGMENT_MISSING, place="MRG")
    version = reader.header.get(12).strip()
    if version not in VERSIONS:
        reader.note(Finding.VERSION_UNKNOWN, "MSH-12")
    if odd := structure_finding(trigger, structure, version):
        reader.note(odd, "MSH-9.3")
    control_id = clip(clean(reader.header.get(10)), MAX_IDENTIFIER)
    if not control_id:
        reader.note(Finding.CONTROL_ID_MISSING, "MSH-10")
    reader.facility = facility_of(reader)
    reader.sender = reader.namespace("MSH-4") or reader.namespace("MSH-3") or reader.feed.name
    reader.zone = reader.feed.zone_at(reader.facility)

    recorded, recorded_from = recorded_time(reader, received_at)
    occurred = occurred_time(reader, kind, message.first("PV1"), recorded)
    if occurred is None:
        return Reject(code=RejectCode.TIME_MISSING, place="EVN-2")
    read = [read_group(reader, cut, kind, occurred, recorded) for cut in cuts_of(reader, kind, pid)]
    groups = [group for group in read if isinstance(group, Part)]
    if not groups:
        return next(group for group in read if isinstance(group, Reject))
    if len(groups) < len(read):
        reader.note(Finding.STRUCTURE_WRONG, "MRG")
    if kind not in GROUPED:
        note_doubled(reader)
    first = groups[0]
    unknown_escape = message.values.unknown_escape
    note_long_values(reader)
    if unknown_escape:
        note_escapes(reader)
    return Event(
        message_id=message_id,
        kind=kind,
        trigger=trigger,
        feed=reader.feed.name,
        facility=reader.facility,
        facility_kind=reader.feed.kind_at(reader.facility),
        facility_from=reader.facility_from,
        sender=reader.sender,
        occurred_at=occurred,
        recorded_at=recorded.at if recorded else occurred,
        recorded_from=recorded_from,
        received_at=received_at,
        control_id=control_id,
        patient=first.patient,
        visit=first.visit,
        prior=first.prior,
        stay_keys=first.stay_keys,
        cleared=cleared_fields(reader),
        fingerprint=fingerprint(message),
        notes=tuple([note(finding, place) for finding, place in reader.notes]),
        groups=tuple(Group.model_validate(group._asdict()) for group in groups[1:]),
    )


def cuts_of(reader: Reader, kind: EventKind, pid: Segment) -> "list[Cut]":
    """The groups of a merge, a move or a link as they were sent: { PID MRG PV1 } or, in A45, PID { MRG PV1 }.

    All MRG that give way to one PID are one group of a merge of persons; accounts and visits are one each.
    """
    message = reader.message
    if kind not in GROUPED:
        return [Cut(pid, message.segments("MRG")[:MAX_REPETITIONS], message.first("PV1"))]
    segments = {name: message.segments(name) for name in ("PID", "MRG", "PV1")}
    if max(map(len, segments.values())) < 2:
        return [Cut(pid, segments["MRG"][:MAX_REPETITIONS], message.first("PV1"))]
    following = {name: iter(same_name) for name, same_name in segments.items()}
    cuts = [Cut(pid, [], None)]
    persons = kind is EventKind.PERSON_MERGED
    for name in (line[:3].upper() for line in message.lines):
        if name not in following:
            continue
        segment, last = next(following[name]), cuts[-1]
        if len(cuts) > MAX_REPETITIONS or len(last.merged) > MAX_REPETITIONS:
            reader.note(Finding.VALUE_TOO_LONG, "MRG")
            break
        if name == "PID":
            same = segment.fields[2:] == last.pid.fields[2:] or segment.raw(3) == last.pid.raw(3) != ""
            if segment is not pid and not (persons and same):
                cuts.append(Cut(segment, [], None))
        elif name == "MRG":
            if persons or not last.merged:
                last.merged.append(segment)
            else:
                cuts.append(Cut(last.pid, [segment], None))
        elif last.pv1 is None:
            last.pv1 = segment
        elif not persons and segment.raw(19) != last.pv1.raw(19):
            cuts.append(Cut(last.pid, last.merged, segment))
    return cuts[:MAX_REPETITIONS]


def read_group(
    reader: Reader, cut: "Cut", kind: EventKind, occurred: datetime, recorded: Moment | None
) -> "Part | Reject":
    visit = read_visit(reader, cut.pv1, kind, recorded) if cut.pv1 else None
    begun = (visit and visit.admitted_at) or (recorded.at if recorded and kind in ADMISSION_TIME else None)
    patient = read_patient(reader, cut.pid, recorded, begun)
    name = patient.name
    if not patient.identifiers and not (name.family or name.given):
        return Reject(code=RejectCode.PATIENT_MISSING, place="PID-3")
    if kind in MERGES and not cut.merged:
        return Reject(code=RejectCode.SEGMENT_MISSING, place="MRG")
    if visit and is_newborn(reader, patient, occurred):
        visit = visit.model_copy(update={"newborn": True})
    if kind in STAY_EVENTS and visit is None:
        reader.note(Finding.CLASS_MISSING, "PV1-2")
    prior = read_prior(reader, cut.merged) if cut.merged else None
    if kind is EventKind.PERSON_MERGED and prior is not None and not prior.identifiers:
        return Reject(code=RejectCode.PATIENT_MISSING, place="MRG-1")
    return Part(patient, visit, prior, keys_of(reader, kind, patient, visit, prior))


def facility_of(reader: Reader) -> str:
    if reader.feed.facility:
        return reader.feed.facility
    for address in reader.feed.facility_from:
        value = reader.namespace(address)
        if value:
            reader.facility_from = address
            if address == "MSH-3":
                reader.note(Finding.FACILITY_ASSUMED, address)
            return value
    reader.facility_from = "MSH-4"
    reader.note(Finding.FACILITY_ASSUMED, "MSH-4")
    return reader.feed.name


def recorded_time(reader: Reader, received_at: datetime) -> tuple[Moment | None, str]:
    """When the sender learned of it: EVN-2, else MSH-7, and neither after the message was made or came.

    Of a minute or a day in EVN-2, MSH-7 tells the part that was not sent. Nobody learns of what is still to happen: an
    EVN-6 between EVN-2 and MSH-7 stands in the other's place.
    """
    learned = reader.written(reader.evn, 2)
    alike = learned is not None and reader.evn is not None and reader.evn.raw(2) == reader.header.raw(7)
    made = learned if alike else reader.written(reader.header, 7)
    if made and made.at > received_at + ZONES_DIFFER:
        reader.note(Finding.TIME_IMPLAUSIBLE, "MSH-7")
        made = made._replace(at=received_at, precision=Precision.SECOND)
    if learned is None:
        return made, "MSH-7"
    if learned.at > received_at + ZONES_DIFFER:
        reader.note(Finding.TIME_IMPLAUSIBLE, "EVN-2")
        return made or learned._replace(at=received_at, precision=Precision.SECOND), "MSH-7"
    if made is None or alike:
        return learned, "EVN-2"
    happened = reader.time(reader.evn, 6)
    if happened and happened.precision >= Precision.MINUTE and learned.at < happened.at <= made.at:
        return happened, "EVN-2"
    if learned.precision < Precision.DAY and made.precision > learned.precision:
        return made, "MSH-7"
    if learned.at > made.at + LENGTHS.get(made.precision, timedelta(days=366)) + CLOCKS_DIFFER:
        reader.note(Finding.TIME_IMPLAUSIBLE, "EVN-2")
        return made, "MSH-7"
    finer = made.precision > learned.precision >= Precision.DAY
    if finer and learned.at <= made.at < learned.at + LENGTHS[learned.precision]:
        return made, "MSH-7"
    return learned, "EVN-2"


def occurred_time(reader: Reader, kind: EventKind, pv1: Segment | None, recorded: Moment | None) -> datetime | None:
    """When it happened: the visit's own time for admissions and discharges, else EVN-6, EVN-2, MSH-7."""
    own: Moment | None = None
    if kind in ADMISSION_TIME:
        own = reader.plausible(pv1, 44, recorded, AHEAD)
    elif kind is EventKind.DISCHARGED:
        own = in_order(
            reader, reader.plausible(pv1, 44, recorded, AHEAD), reader.plausible(pv1, 45, recorded, AHEAD), recorded
        )[1]
    if own and own.precision >= Precision.HOUR:
        return own.at
    happened = reader.plausible(reader.evn, 6, recorded, AHEAD if kind in BEGUN else PLANNED_AHEAD)
    if own:
        same_day = next((moment for moment in (happened, recorded) if moment and moment.day == own.day), None)
        return same_day.at if same_day else own.at
    return happened.at if happened else recorded.at if recorded else None


def cleared_fields(reader: Reader) -> frozenset[str]:
    message, component = reader.message, reader.values.delimiters.component
    return frozenset(
        [
            f"{name}-{number}"
            for name in CLEARABLE
            if (segment := message.first(name)) and NULL in segment.line
            for number, raw in enumerate(segment.fields)
            if raw == NULL or (NULL in raw and not raw.replace(NULL, "").strip(component))
        ]
    )


def note_escapes(reader: Reader) -> None:
    values = reader.values
    escape = values.delimiters.escape
    left = MAX_SEARCHED
    for name in ("EVN", "PID", "PV1", "PV2", "DG1", "MRG"):
        for segment in reader.message.segments(name)[:MAX_REPETITIONS]:
            if escape in segment.line:
                for number, raw in enumerate(segment.fields):
                    if escape in raw and left > 0:
                        left -= min(len(raw), LONG_LINE)
                        values.unknown_escape = False
                        values.unescape(raw[:LONG_LINE])
                        if values.unknown_escape:
                            reader.note(Finding.ESCAPE_UNKNOWN, f"{name}-{number}")


def note_long_values(reader: Reader) -> None:
    """What is longer, or more, than anything real is cut or not read: say where."""
    if max(map(len, reader.message.lines)) > MAX_TEXT:
        for name in ("PID", "PV1", "PV2", "DG1", "MRG"):
            for segment in reader.message.segments(name)[:MAX_REPETITIONS]:
                if len(segment.line) > MAX_TEXT:
                    for number, raw in enumerate(segment.fields):
                        if len(raw) > MAX_TEXT and (len(raw) > LONG_LINE or has_long_part(reader, raw)):
                            reader.note(Finding.VALUE_TOO_LONG, f"{name}-{number}")
    for place in reader.values.cut:
        reader.note(Finding.VALUE_TOO_LONG, place)


def has_long_part(reader: Reader, raw: str) -> bool:
    marks = reader.values.delimiters
    parts = raw.replace(marks.repetition or marks.component, marks.component).split(marks.component)
    return max(map(len, parts)) > MAX_TEXT
