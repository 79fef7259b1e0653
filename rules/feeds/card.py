"""What a feed's messages lacked, by week, in; its report card out: each share against its target and the weeks before.

Nothing of a patient is in it: a fact is a word of a closed set, and what is kept of it is how often it was so.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from parsers.events import Event, EventKind, Finding
from rules.decisions import Reason, Stay, StayStatus
from rules.endings import Ending, LedgerEntry

LEAST: Final = 20  # of what a share is of: fewer say nothing
WEEKS_BEFORE: Final = 4
IN_TIME: Final = timedelta(minutes=5)
DELAYS: Final = (60, 300, 900, 3_600, 21_600, 86_400)  # seconds, from recorded (EVN-2) to received


class Of(StrEnum):
    """What a share is of."""

    MESSAGES = "messages"
    EVENTS = "events"  # those that could be read
    VISITS = "visits"  # events about a visit
    ARRIVALS = "arrivals"
    DISCHARGES = "discharges"
    DECIDED = "decided"  # events about somebody on the panel
    DAY_AFTER = "day_after"  # discharges of somebody on the panel, a day ago
    WEEK_AFTER = "week_after"
    SAMPLED = "sampled"  # messages held against the typed grammar


class Fact(StrEnum):
    """What may be wrong with a message, and what the hospital can mend."""

    VISIT_NUMBER_MISSING = "visit_number_missing"
    ADMIT_TIME_MISSING = "admit_time_missing"
    DISCHARGE_TIME_MISSING = "discharge_time_missing"
    DISPOSITION_MISSING = "disposition_missing"
    DIAGNOSIS_MISSING = "diagnosis_missing"
    DIAGNOSIS_MISSING_DAY = "diagnosis_missing_day"
    DIAGNOSIS_MISSING_WEEK = "diagnosis_missing_week"
    AUTHORITY_MISSING = "authority_missing"
    BIRTH_DATE_MISSING = "birth_date_missing"
    ADDRESS_MISSING = "address_missing"
    PHONE_MISSING = "phone_missing"
    PRIMARY_CARE_MISSING = "primary_care_missing"
    OFFSET_MISSING = "offset_missing"
    CLASS_UNKNOWN = "class_unknown"
    DISPOSITION_UNKNOWN = "disposition_unknown"
    ARRIVAL_LATE = "arrival_late"
    DISCHARGE_LATE = "discharge_late"
    REPEATED = "repeated"  # under the MSH-10 it had
    RESENT = "resent"  # the same content under a new one
    OUT_OF_ORDER = "out_of_order"
    REJECTED = "rejected"
    TRIGGER_DISAGREES = "trigger_disagrees"
    STRUCTURE_WRONG = "structure_wrong"
    GRAMMAR_BROKEN = "grammar_broken"
    CONTROL_ID_MISSING = "control_id_missing"
    LINE_END_WRONG = "line_end_wrong"
    CHARSET_WRONG = "charset_wrong"


class Row(NamedTuple):
    """What a share is of, and the most it should be."""

    of: Of
    target: float


ROWS: Final[Mapping[Fact, Row]] = {
    Fact.VISIT_NUMBER_MISSING: Row(Of.VISITS, 0.01),
    Fact.ADMIT_TIME_MISSING: Row(Of.ARRIVALS, 0.01),
    Fact.DISCHARGE_TIME_MISSING: Row(Of.DISCHARGES, 0.01),
    Fact.DISPOSITION_MISSING: Row(Of.DISCHARGES, 0.05),
    Fact.DIAGNOSIS_MISSING: Row(Of.DISCHARGES, 0.3),
    Fact.DIAGNOSIS_MISSING_DAY: Row(Of.DAY_AFTER, 0.2),
    Fact.DIAGNOSIS_MISSING_WEEK: Row(Of.WEEK_AFTER, 0.05),
    Fact.AUTHORITY_MISSING: Row(Of.EVENTS, 0.01),
    Fact.BIRTH_DATE_MISSING: Row(Of.EVENTS, 0.01),
    Fact.ADDRESS_MISSING: Row(Of.EVENTS, 0.1),
    Fact.PHONE_MISSING: Row(Of.EVENTS, 0.2),
    Fact.PRIMARY_CARE_MISSING: Row(Of.ARRIVALS, 0.2),
    Fact.OFFSET_MISSING: Row(Of.EVENTS, 0.05),
    Fact.CLASS_UNKNOWN: Row(Of.VISITS, 0.01),
    Fact.DISPOSITION_UNKNOWN: Row(Of.DISCHARGES, 0.02),
    Fact.ARRIVAL_LATE: Row(Of.ARRIVALS, 0.1),
    Fact.DISCHARGE_LATE: Row(Of.DISCHARGES, 0.1),
    Fact.REPEATED: Row(Of.DECIDED, 0.02),
    Fact.RESENT: Row(Of.DECIDED, 0.02),
    Fact.OUT_OF_ORDER: Row(Of.DECIDED, 0.01),
    Fact.REJECTED: Row(Of.MESSAGES, 0.005),
    Fact.TRIGGER_DISAGREES: Row(Of.EVENTS, 0.01),
    Fact.STRUCTURE_WRONG: Row(Of.EVENTS, 0.05),
    Fact.GRAMMAR_BROKEN: Row(Of.SAMPLED, 0.05),
    Fact.CONTROL_ID_MISSING: Row(Of.EVENTS, 0.01),
    Fact.LINE_END_WRONG: Row(Of.EVENTS, 0.01),
    Fact.CHARSET_WRONG: Row(Of.EVENTS, 0.01),
}
_FOUND: Final = {
    Finding.AUTHORITY_MISSING: Fact.AUTHORITY_MISSING,
    Finding.TIME_ZONE_ASSUMED: Fact.OFFSET_MISSING,
    Finding.CLASS_UNKNOWN: Fact.CLASS_UNKNOWN,
    Finding.DISPOSITION_UNKNOWN: Fact.DISPOSITION_UNKNOWN,
    Finding.TRIGGER_DISAGREES: Fact.TRIGGER_DISAGREES,
    Finding.STRUCTURE_WRONG: Fact.STRUCTURE_WRONG,
    Finding.CONTROL_ID_MISSING: Fact.CONTROL_ID_MISSING,
    Finding.LINE_END_NOT_CR: Fact.LINE_END_WRONG,
    Finding.CHARSET_LYING: Fact.CHARSET_WRONG,
    Finding.CHARSET_UNKNOWN: Fact.CHARSET_WRONG,
}
MARKS: Final[Mapping[int, tuple[Of, Fact]]] = {
    1: (Of.DAY_AFTER, Fact.DIAGNOSIS_MISSING_DAY),
    7: (Of.WEEK_AFTER, Fact.DIAGNOSIS_MISSING_WEEK),
}  # days after a discharge on which its diagnosis is looked for
CANCELLED: Final = "cancelled"  # admissions that did not happen after all (A11), counted beside arrivals
_ARRIVES: Final = frozenset({EventKind.ADMITTED, EventKind.REGISTERED})


def facts_of(event: Event) -> tuple[str, ...]:
    """What one event adds to the card: what it counts among, and what is wrong with it."""
    facts: set[str] = {Of.EVENTS}
    delay = event.received_at - event.recorded_at
    late = delay > IN_TIME
    bucket = next((most for most in DELAYS if delay.total_seconds() <= most), 0)
    visit, patient = event.visit, event.patient
    if visit is not None:
        facts.add(Of.VISITS)
        if visit.number is None:
            facts.add(Fact.VISIT_NUMBER_MISSING)
    if event.kind in _ARRIVES:
        facts |= {Of.ARRIVALS, f"{Of.ARRIVALS}:{bucket}"}
        wrong = {
            Fact.ADMIT_TIME_MISSING: visit is None or visit.admitted_at is None,
            Fact.PRIMARY_CARE_MISSING: not patient.primary_care,
            Fact.ARRIVAL_LATE: late,
        }
        facts.update(fact for fact, is_so in wrong.items() if is_so)
    if event.kind is EventKind.ADMIT_CANCELLED:
        facts.add(CANCELLED)
    if event.kind is EventKind.DISCHARGED:
        facts |= {Of.DISCHARGES, f"{Of.DISCHARGES}:{bucket}"}
        wrong = {
            Fact.DISCHARGE_TIME_MISSING: visit is None or visit.discharged_at is None,
            Fact.DISPOSITION_MISSING: visit is None or not visit.disposition,
            Fact.DIAGNOSIS_MISSING: visit is None or not visit.diagnoses,
            Fact.DISCHARGE_LATE: late,
        }
        facts.update(fact for fact, is_so in wrong.items() if is_so)
    missing = {
        Fact.BIRTH_DATE_MISSING: patient.birth_date,
        Fact.ADDRESS_MISSING: patient.addresses,
        Fact.PHONE_MISSING: patient.phones,
    }
    facts.update(fact for fact, value in missing.items() if not value)
    facts.update(_FOUND[note.finding] for note in event.notes if note.finding in _FOUND)
    return tuple(sorted(facts))


class Habits(NamedTuple):
    """What share of a feed's arrivals and discharges came late, and of its arrivals were cancelled; `None`: of too few
    to say."""

    late: float | None
    cancelled: float | None


def habits(counts: Mapping[str, int]) -> Habits:
    """Of some weeks of a feed, summed."""
    arrivals = counts.get(Of.ARRIVALS, 0)
    late = counts.get(Fact.ARRIVAL_LATE, 0) + counts.get(Fact.DISCHARGE_LATE, 0)
    return Habits(_share(late, arrivals + counts.get(Of.DISCHARGES, 0)), _share(counts.get(CANCELLED, 0), arrivals))


def _share(some: int, total: int) -> float | None:
    return some / total if total >= LEAST else None


def facts_after(stay: Stay, days: int) -> tuple[str, ...]:
    """What a stay adds so many days after its discharge, a key of `MARKS`; nothing where it was not one after all."""
    if stay.status is not StayStatus.FINISHED:
        return ()
    of, missing = MARKS[days]
    return (of,) if stay.diagnoses else (of, missing)


def facts_of_grammar(place: str) -> tuple[str, ...]:
    """What a sampled message adds that departs from its grammar at `place`; "" where it does not."""
    return (Of.SAMPLED, Fact.GRAMMAR_BROKEN, f"{Fact.GRAMMAR_BROKEN}:{place}") if place else (Of.SAMPLED,)


def counted(entry: LedgerEntry) -> Iterator[str]:
    """Everything that one ended message adds to its feed's card. What we failed on says nothing about the feed."""
    if entry.ending in (Ending.QUARANTINED, Ending.TEST_MESSAGE):
        return
    yield Of.MESSAGES
    yield from entry.facts
    if entry.ending is Ending.REJECTED:
        yield Fact.REJECTED
        yield f"{Fact.REJECTED}:{entry.code}"
    elif entry.facts and entry.code != Reason.NOT_ON_PANEL:
        yield Of.DECIDED
        if entry.ending is Ending.DUPLICATE and Fact.RESENT not in entry.facts:
            yield Fact.REPEATED
        if entry.code == Reason.OUT_OF_ORDER:
            yield Fact.OUT_OF_ORDER


class Verdict(StrEnum):
    """How a share is against its target."""

    MEETS = "meets"
    NEARLY = "nearly"
    DOES_NOT = "does not"
    TOO_FEW = "too few to say"


class Trend(StrEnum):
    """How a share is against the weeks before."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    NEW = "new"


class Line(NamedTuple):
    """One line of a card."""

    fact: Fact
    of: Of
    wrong: int
    total: int
    target: float
    verdict: Verdict
    trend: Trend

    @property
    def share(self) -> float:
        return self.wrong / self.total if self.total else 0.0

    @property
    def gain(self) -> float:
        """Messages that would be right if the target were met."""
        return max(0.0, self.wrong - self.target * self.total)


class Delay(NamedTuple):
    """How long messages took from recorded to received: not longer than so many seconds; 0: than a day and more."""

    of: Of
    median: int
    ninetieth: int


class Card(NamedTuple):
    """A feed's week."""

    messages: int
    lines: tuple[Line, ...]
    delays: tuple[Delay, ...]
    rejects: Mapping[str, int]  # by code
    grammar: Mapping[str, int]  # by where it is broken, the most frequent first
    first: Line | None  # the one repair that gains most


def card(week: Mapping[str, int], before: Sequence[Mapping[str, int]]) -> Card:
    """The card of a week, held against the weeks before."""
    lines = tuple(_line(fact, row, week, before) for fact, row in ROWS.items())
    wrong = [line for line in lines if line.verdict in (Verdict.DOES_NOT, Verdict.NEARLY)]
    delays = tuple(_delay(of, week) for of in (Of.ARRIVALS, Of.DISCHARGES) if week.get(of, 0) >= LEAST)
    places = sorted(_parts(Fact.GRAMMAR_BROKEN, week), key=lambda place: -place[1])
    first = max(wrong, key=lambda line: line.gain, default=None)
    return Card(week.get(Of.MESSAGES, 0), lines, delays, dict(_parts(Fact.REJECTED, week)), dict(places), first)


def _parts(fact: Fact, week: Mapping[str, int]) -> list[tuple[str, int]]:
    """How often it was so in each way, by its name."""
    named = ((name.partition(":"), count) for name, count in sorted(week.items()))
    return [(part, count) for (whole, _, part), count in named if whole == fact and part]


def _delay(of: Of, week: Mapping[str, int]) -> Delay:
    def within(share: float) -> int:
        so_far = 0
        for most in DELAYS:
            so_far += week.get(f"{of}:{most}", 0)
            if so_far >= share * week[of]:
                return most
        return 0

    return Delay(of, within(0.5), within(0.9))


def _line(fact: Fact, row: Row, week: Mapping[str, int], before: Sequence[Mapping[str, int]]) -> Line:
    wrong, total = week.get(fact, 0), week.get(row.of, 0)
    share = wrong / total if total else 0.0
    if total < LEAST:
        verdict = Verdict.TOO_FEW
    elif share <= row.target:
        verdict = Verdict.MEETS
    else:
        verdict = Verdict.NEARLY if share <= 2 * row.target else Verdict.DOES_NOT
    earlier = sum(counts.get(row.of, 0) for counts in before)
    trend = Trend.NEW
    if earlier >= LEAST and total >= LEAST:
        change = share - sum(counts.get(fact, 0) for counts in before) / earlier
        moved = abs(change) > max(0.01, 0.1 * share)
        trend = (Trend.WORSE if change > 0 else Trend.BETTER) if moved else Trend.SAME
    return Line(fact, row.of, wrong, total, row.target, verdict, trend)
