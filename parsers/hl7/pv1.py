"""PV1, PV2 and DG1: the visit."""

import re
from typing import TYPE_CHECKING, Final

from parsers.events import (
    Diagnosis,
    EncounterClass,
    EventKind,
    Finding,
    Visit,
)
from parsers.hl7.dispositions import read_disposition
from parsers.hl7.er7 import Segment
from parsers.hl7.reader import (
    AHEAD,
    BEGUN,
    CLASSES,
    MAX_REPETITIONS,
    OBSERVATION_WORDS,
    PLANNED_AHEAD,
    STAY_EVENTS,
    clean,
    clip,
    unique,
    whole_number,
)
from parsers.hl7.times import Moment

if TYPE_CHECKING:
    from parsers.hl7.reader import Reader

_NO_COMPLAINT: Final = re.compile(
    r"[\W_X]+|N\W?A|UNK|UNKNOWN|NONE|NULL|TBD|NOT (?:GIVEN|AVAILABLE|ENTERED|STATED|SPECIFIED)|SEE (?:NOTES?|TRIAGE)",
    re.IGNORECASE,
)


def read_visit(reader: "Reader", pv1: Segment, kind: EventKind, recorded: Moment | None) -> Visit:
    pv2 = reader.message.first("PV2")
    location, before = reader.parts(pv1, 3), reader.parts(pv1, 6)
    number = reader.identifier(pv1.raw(19), "PV1-19")
    if number is None:
        reader.note(Finding.VISIT_NUMBER_MISSING, "PV1-19")
    ahead = AHEAD if kind in BEGUN else PLANNED_AHEAD
    admitted = reader.plausible(pv1, 44, recorded, ahead)
    discharged = reader.plausible(pv1, 45, recorded, AHEAD if kind is EventKind.DISCHARGED else PLANNED_AHEAD)
    admitted, discharged = in_order(reader, admitted, discharged, recorded)
    if admitted is None and kind in STAY_EVENTS:
        reader.note(Finding.ADMIT_TIME_MISSING, "PV1-44")
    encounter_class = patient_class(reader, pv1)
    if encounter_class is None and kind in STAY_EVENTS:
        reader.note(Finding.CLASS_MISSING, "PV1-2")
    expected_admit, expected_discharge = reader.time(pv2, 8), reader.time(pv2, 9)
    attending = reader.parts(pv1, 7)
    diagnoses, deleted = read_diagnoses(reader)
    return Visit(
        encounter_class=encounter_class,
        class_code=clip(clean(pv1.get(2)), 50),
        number=number,
        alternate_number=reader.identifier(pv1.raw(50), "PV1-50"),
        unit=location[0],
        room=location[1],
        bed=location[2],
        prior_unit=before[0],
        prior_facility=before[3],
        attending=", ".join(filter(None, attending[1:3])),
        service=clean(pv1.get(10)),
        admit_source=clean(pv1.get(14)),
        admission_type=clean(pv1.get(4)),
        disposition=disposition_of(reader, pv1),
        discharged_to=clean(pv1.get(37)),
        admitted_at=admitted.at if admitted else None,
        discharged_at=discharged.at if discharged else None,
        expected_admit=expected_admit.at if expected_admit else None,
        expected_discharge=expected_discharge.at if expected_discharge else None,
        complaint=complaint_of(reader),
        newborn=_newborn(pv1, pv2),
        diagnoses=diagnoses,
        diagnoses_deleted=deleted,
    )


def complaint_of(reader: "Reader") -> str:
    """PV2-3, its text, else its code, of the first PV2 that has one; N/A and its like are none."""
    for pv2 in reader.message.segments("PV2")[:MAX_REPETITIONS]:
        complaint = clean(pv2.get(3, 2)) or clean(pv2.get(3))
        if complaint and not _NO_COMPLAINT.fullmatch(complaint):
            return complaint
    return ""


def in_order(
    reader: "Reader", admitted: Moment | None, discharged: Moment | None, recorded: Moment | None
) -> tuple[Moment | None, Moment | None]:
    """PV1-44 and PV1-45; of a discharge on a day before the admission, the one that is nearer to the message."""
    if not (admitted and discharged and recorded) or discharged.day >= admitted.day:
        return admitted, discharged
    if abs(recorded.at - admitted.at) > abs(recorded.at - discharged.at):
        reader.note(Finding.TIME_IMPLAUSIBLE, "PV1-44")
        return None, discharged
    reader.note(Finding.TIME_IMPLAUSIBLE, "PV1-45")
    return admitted, None


def patient_class(reader: "Reader", pv1: Segment) -> EncounterClass | None:
    """PV1-2, code or words, by the feed's own table, else by HL7's; of an outpatient other fields say observation."""
    code, words = clean(pv1.get(2)), clean(pv1.get(2, 2))
    if not code and not words:
        return None
    if mapped := reader.feed.class_of(code) or reader.feed.class_of(words):
        return mapped
    encounter_class = CLASSES.get(code.upper()) or CLASSES.get(words.upper())
    if encounter_class is None:
        reader.note(Finding.CLASS_UNKNOWN, "PV1-2")
        return EncounterClass.UNKNOWN
    if encounter_class is EncounterClass.AMBULATORY and not OBSERVATION_WORDS.isdisjoint(
        [pv1.get(number).strip().upper() for number in (18, 10, 4, 3)]
    ):
        return EncounterClass.OBSERVATION
    return encounter_class


def disposition_of(reader: "Reader", pv1: Segment) -> str:
    """PV1-36 by the feed's own table, else by HL7's; what stands in neither is noted and stays as it was sent."""
    sent, words = clean(pv1.get(36)), clean(pv1.get(36, 2))
    if not sent and not words:
        return ""
    disposition = read_disposition(sent, words, reader.feed.disposition_of)
    if not disposition.known:
        reader.note(Finding.DISPOSITION_UNKNOWN, "PV1-36")
    return disposition.code


def read_diagnoses(reader: "Reader") -> tuple[tuple[Diagnosis, ...], tuple[Diagnosis, ...]]:
    """DG1; and those whose action code (DG1-21) is D, which are no longer so."""
    segments = reader.message.segments("DG1")
    if len(segments) > MAX_REPETITIONS:
        reader.note(Finding.VALUE_TOO_LONG, "DG1")
    diagnoses: list[Diagnosis] = []
    gone: list[Diagnosis] = []
    for segment in segments[:MAX_REPETITIONS]:
        diagnosis = Diagnosis(
            code=reader.code(segment.get(3, 1), "DG1-3"),
            system=reader.code(segment.get(3, 3) or segment.get(2), "DG1-3"),
            text=clean(segment.get(3, 2)) or clean(segment.get(4)),
            type=reader.code(segment.get(6), "DG1-6"),
            rank=whole_number(segment.get(15), 4),
        )
        if diagnosis.code or diagnosis.text:
            (gone if segment.get(21).strip().upper() == "D" else diagnoses).append(diagnosis)
    return unique(diagnoses), unique(gone)


def _newborn(pv1: Segment, pv2: Segment | None) -> bool:
    """PV2-36, the admission type (HL7 table 0007) or a local class of its own."""
    said = (pv2.get(36) if pv2 else "").strip().upper()[:1] == "Y"
    return said or pv1.get(4).strip().upper() == "N" or pv1.get(2).strip().upper() in ("NB", "NEWBORN")
