"""What somebody missed before they were enrolled: kept events and whose they now are in, those to be told late out.

A person who joins the panel while in hospital, or within some days after discharge, gets the alert that could not be
given before: at once on a certain or probable match, and on a possible one when a person has said that it is them.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from parsers.events import EncounterClass, Event, EventKind, Finding, Identifier
from parsers.people import Enrollee
from rules.decisions import Grade, Match
from rules.event_kinds import ABOUT, ENDS, GOES_ON, KEPT, About
from rules.matching.evidence import Field, Note


class Missed(NamedTuple):
    event: Event
    match: Match

    @property
    def sure(self) -> bool:
        """Whether it is to be told now; otherwise a person is to be asked first."""
        return self.match.grade is not Grade.POSSIBLE


_FROM_NUMBERS: Final = frozenset({EventKind.PERSON_MERGED}) | ABOUT[About.MOVE]
_NO_STAY: Final = frozenset({EncounterClass.AMBULATORY, EncounterClass.PRE_ADMISSION})


def worth_keeping(event: Event) -> bool:
    """Whether somebody known later would want to know: a stay's beginning, end or undoing, not a clinic visit."""
    clinic = event.visit is not None and event.visit.encounter_class in _NO_STAY
    return event.kind in KEPT and not (clinic and event.kind is EventKind.REGISTERED)


def looks_back(event: Event) -> tuple[Identifier, ...]:
    """By what earlier events of nobody may turn out to be of this one's patient: the numbers that a merge of persons
    or a move gives up, or the best key of a visit that goes on (a John Doe was admitted, and is identified by A40, A43
    or A08)."""
    if event.kind in _FROM_NUMBERS:
        return event.prior.identifiers if event.prior else ()
    return event.stay_keys[:1] if event.kind in GOES_ON else ()


def goes_back_to(event: Event, earlier: Event) -> bool:
    """Whether the earlier event, of nobody, is of this one's patient: under the number that gives way, or of the same
    visit and either under the same record number or of somebody whose name was not known."""
    own = {(number.system, number.value) for number in (*earlier.patient.identifiers, *earlier.stay_keys[:1])}
    if not any((number.system, number.value) in own for number in looks_back(event)):
        return False
    nameless = (
        any(note.finding is Finding.PLACEHOLDER_NAME for note in earlier.notes) or not earlier.patient.name.family
    )
    same = any((number.system, number.value) in own for number in event.patient.identifiers)
    return event.kind is EventKind.PERSON_MERGED or nameless or same


def late(match: Match) -> bool:
    """Whether the match was made because the person was enrolled after the event."""
    return match.evidence.get(Field.ENROLLMENT) == Note.LATE


def missed(
    candidates: Iterable[tuple[Event, Match]], enrollees: Mapping[str, Enrollee], now: datetime, days: float
) -> list[Missed]:
    """Those of `candidates` to be decided now, or asked about (not `sure`), oldest first, marked as late.

    A stay counts when no discharge is known, or when it ended less than `days` ago; a person when enrolled on the day
    of `now`, which is local to its own zone, or later.
    """
    theirs = [
        Missed(event, match)
        for event, match in candidates
        if match.grade is not Grade.CERTAINLY_NOT and _enrolled(enrollees.get(match.enrollee_id or ""), now)
    ]
    since = now - timedelta(days=days)
    over = {
        (each.match.enrollee_id, key)
        for each in theirs
        if each.event.kind in ENDS and each.event.occurred_at < since
        for key in each.event.stay_keys
    }
    current = [
        each
        for each in theirs
        if not (each.event.kind in ENDS and each.event.occurred_at < since)
        and not any((each.match.enrollee_id, key) in over for key in each.event.stay_keys)
    ]
    return [
        Missed(event, match.model_copy(update={"evidence": {**match.evidence, Field.ENROLLMENT: Note.LATE}}))
        for event, match in sorted(current, key=lambda each: each.event.message_id)
    ]


def _enrolled(enrollee: Enrollee | None, now: datetime) -> bool:
    return enrollee is not None and (enrollee.effective_to is None or enrollee.effective_to >= now.date())
