"""What a batch of decisions can touch: loaded at once, changed in memory, with what is to be written."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from parsers.events import Event, EventKind, Identifier
from rules.decisions import Action, Alert, Decision, Grade, History, Match, Reason, Stay
from rules.endings import Ending, LedgerEntry
from streams.kafka.records import AlertRecord, EventRecord
from streams.store.database import StoreFault, rows_among
from streams.store.panel_rows import EnrolleeRow, Home, enrollee_on, load_enrollees
from streams.store.reviews import Verdict, learnable, pair_of, verdicts_of
from streams.store.tables import (
    to_us,
)

HISTORY_DAYS: Final = 400  # a year of stays for the rules and the page, and room for late messages
ENDING_OF: Final = {
    Action.NOTIFY: Ending.ALERTED,
    Action.AMEND: Ending.AMENDED,
    Action.RETRACT: Ending.RETRACTED,
    Action.SUPPRESS: Ending.SUPPRESSED,
    Action.HOLD: Ending.HELD,
}
KNOWN: Final = frozenset({Grade.CERTAIN, Grade.PROBABLE})


class Outcome(NamedTuple):
    """What became of one event of a batch."""

    message_id: str
    entry: LedgerEntry | None  # None: the message had ended before this batch
    decision: Decision | None = None
    alerts: tuple[AlertRecord, ...] = ()
    redelivered: bool = False
    apart: tuple[LedgerEntry, ...] = ()  # endings of further groups that wait by themselves


def visit_key(key: Identifier) -> str:
    """Text by which a stay is found from one of an event's stay keys."""
    return f"v\x1f{key.system}\x1f{key.value}"


def person_key(identifier: Identifier) -> str:
    """Text by which a stay is found from a medical record number it has run under."""
    return f"p\x1f{identifier.system}\x1f{identifier.value}"


def _keys_of_stay(stay: Stay) -> set[str]:
    return {visit_key(key) for key in stay.keys} | {person_key(number) for number in stay.patient_ids}


def _asked(event: Event) -> tuple[set[str], set[str]]:
    """(keys that find a stay anywhere, keys that find one at the event's facility)."""
    anywhere: set[str] = set()
    here: set[str] = set()
    for part in event.parts():
        anywhere |= {visit_key(key) for key in part.stay_keys}
        if part.prior:
            anywhere |= {person_key(number) for number in part.prior.identifiers}
            anywhere |= {visit_key(key) for key in (part.prior.account, part.prior.visit) if key}
        here |= {person_key(number) for number in part.patient.identifiers}
    return anywhere, here


def active_moment(stay: Stay) -> int:
    times = [at for at in (stay.started_at, stay.ended_at, stay.last_recorded_at) if at]
    return to_us(max(times)) if times else 0


class Work:
    """What a batch can touch, as loaded and as changed so far, and what is to be written."""

    def __init__(self, now: datetime, zone: ZoneInfo) -> None:
        self.now = now
        self._zone = zone
        self.stays: dict[str, Stay] = {}
        self.revisions: dict[str, int] = {}
        self.alerts: dict[str, Alert] = {}
        self.of_enrollee: dict[str, set[str]] = defaultdict(set)
        self.of_key: dict[str, set[str]] = defaultdict(set)
        self.enrollees: dict[str, EnrolleeRow] = {}
        self.homes: dict[str, list[Home]] = {}
        self.seen: set[str] = set()
        self.verdicts: dict[str, Verdict] = {}
        self.known_numbers: set[tuple[str, str]] = set()
        self.changed_stays: set[str] = set()
        self.new_alerts: list[Alert] = []
        self.new_keys: set[tuple[str, str]] = set()
        self.corrected: dict[tuple[str, str], str] = {}  # a rule said so: takes the place of what was known
        self.learned: dict[tuple[str, str], str] = {}  # an automatic match showed it: never takes a place
        self.held: list[EventRecord] = []
        self.earlier: list[Event] = []  # of nobody so far, that events of the batch may go on from
        self.caught_up: set[str] = set()
        self.held_apart: list[LedgerEntry] = []  # endings of further groups of a message that wait by themselves
        self.new_fingerprints: dict[str, tuple[str, int]] = {}

    def day_of(self, at: datetime) -> date:
        """The office's day, as the panel's dates are."""
        return at.astimezone(self._zone).date()

    def take_stay(self, stay: Stay) -> None:
        before = self.stays.get(stay.stay_id)
        if before and before.enrollee_id != stay.enrollee_id:
            self.of_enrollee[before.enrollee_id].discard(stay.stay_id)
        self.stays[stay.stay_id] = stay
        self.of_enrollee[stay.enrollee_id].add(stay.stay_id)
        for key in _keys_of_stay(stay):
            self.of_key[key].add(stay.stay_id)

    def history(self, record: EventRecord) -> History:
        event = record.event
        ids = {match.enrollee_id for match in matches([record]) if match.enrollee_id}
        anywhere, here = _asked(event)
        found = {stay_id for enrollee_id in ids for stay_id in self.of_enrollee.get(enrollee_id, ())}
        found |= {stay_id for key in anywhere for stay_id in self.of_key.get(key, ())}
        found |= {
            stay_id
            for key in here
            for stay_id in self.of_key.get(key, ())
            if self.stays[stay_id].facility == event.facility
        }
        chosen = sorted(
            (self.stays[stay_id] for stay_id in found), key=lambda stay: (active_moment(stay), stay.stay_id)
        )
        day = self.day_of(event.occurred_at)
        people = sorted(ids | {stay.enrollee_id for stay in chosen})
        return History(
            earlier=tuple(one for one in self.earlier if one.message_id not in self.caught_up),
            stays=tuple(chosen),
            alerts=tuple(self.alerts[stay.stay_id] for stay in chosen if stay.stay_id in self.alerts),
            seen=event.fingerprint in self.seen,
            enrollees=tuple(
                enrollee_on(self.enrollees[person], self.homes.get(person, ()), day)
                for person in people
                if person in self.enrollees
            ),
        )

    def take(self, record: EventRecord, decision: Decision) -> None:
        event = record.event
        for stay in decision.stays:
            keys = _keys_of_stay(stay)
            known = _keys_of_stay(self.stays[stay.stay_id]) if stay.stay_id in self.stays else set()
            self.new_keys |= {(key, stay.stay_id) for key in keys - known}
            self.take_stay(stay)
            self.changed_stays.add(stay.stay_id)
        for alert in decision.alerts:
            last = self.alerts.get(alert.alert_id)
            if alert.version != (last.version if last else 0) + 1:
                raise StoreFault("an alert's version does not follow its last one")
            self.alerts[alert.alert_id] = alert
            self.new_alerts.append(alert)
        if event.fingerprint and event.fingerprint not in self.seen:
            self.seen.add(event.fingerprint)
            self.new_fingerprints[event.fingerprint] = (event.message_id, to_us(event.received_at))
        if (decision.waits or decision.action is Action.HOLD) and not decision.duplicate:
            self._hold(record, decision)
        self.caught_up.update(decision.caught_up)
        for change in decision.crosswalk:
            self.corrected[change.identifier.system, change.identifier.value] = change.enrollee_id or ""
        for part in record.parts():
            self._learn(part)

    def _hold(self, record: EventRecord, decision: Decision) -> None:
        """The groups of a message wait each by itself: the first under the message's id, others under one of their
        own, with an ending of their own."""
        parts = record.parts()
        if len(parts) == 1:
            self.held.append(record)
            return
        for number, own in decision.waiting.items():
            part = parts[number]
            held = part.model_copy(update={"event": part.event.model_copy(update={"message_id": own})})
            self.held.append(held)
            if own != record.event.message_id:
                self.held_apart.append(
                    ledger_entry(held, Decision(action=Action.HOLD, reasons=(Reason.POSSIBLE_MATCH,)))
                )

    def _learn(self, record: EventRecord) -> None:
        for match, numbers in (
            (record.match, record.event.patient.identifiers),
            (record.prior_match, record.event.prior.identifiers if record.event.prior else ()),
        ):
            if match is None or not match.enrollee_id or match.grade not in KNOWN:
                continue
            for number in learnable(numbers):
                if (number.system, number.value) not in self.known_numbers:
                    self.learned.setdefault((number.system, number.value), match.enrollee_id)


def ledger_entry(record: EventRecord, decision: Decision) -> LedgerEntry:
    event = record.event
    return LedgerEntry(
        event.message_id,
        Ending.DUPLICATE if decision.duplicate else ENDING_OF[decision.action],
        str(decision.reasons[0]) if decision.reasons else "",
        event.received_at,
        "",
        event.feed,
        event.control_id,
        event.trigger,
        event.fingerprint,
    )


def unheard(todo: Sequence[EventRecord], work: Work) -> Iterable[Event]:
    """Events whose stay we do not know, or that give up a number."""
    for record in todo:
        for event in record.event.parts():
            if event.kind is EventKind.PERSON_MERGED or not any(
                visit_key(key) in work.of_key for key in event.stay_keys
            ):
                yield event


def matches(todo: Sequence[EventRecord]) -> Iterable[Match]:
    parts = (part for record in todo for part in record.parts())
    return (match for part in parts for match in (part.match, part.prior_match) if match)


def load(connection: Connection, todo: Sequence[EventRecord], now: datetime, zone: ZoneInfo) -> Work:
    """`zone`: the office's, whose days the panel's dates are."""
    work = Work(now, zone)
    prints = {record.event.fingerprint: record.event.message_id for record in todo}
    rows = rows_among(
        connection, "SELECT fingerprint, message_id FROM fingerprints WHERE fingerprint IN :among", list(prints)
    )
    own = {record.event.message_id for record in todo if record.released}
    work.seen = {row[0] for row in rows if row[1] not in own}
    ids = {match.enrollee_id for match in matches(todo) if match.enrollee_id}
    keys = {key for record in todo for group in _asked(record.event) for key in group}
    by_key = rows_among(connection, "SELECT stay_id FROM stay_keys WHERE key IN :among", list(keys))
    since = to_us(min(record.event.occurred_at for record in todo) - timedelta(days=HISTORY_DAYS))
    columns = "s.stay_id, s.revision, s.document, a.document"
    joined = f"SELECT {columns} FROM stays s LEFT JOIN alerts a ON a.alert_id = s.stay_id"  # noqa: S608
    found = rows_among(connection, f"{joined} WHERE s.active_us >= {since} AND s.enrollee_id IN :among", list(ids))
    found += rows_among(connection, f"{joined} WHERE s.stay_id IN :among", list({row[0] for row in by_key}))
    for stay_id, revision, stay, alert in found:
        if stay_id in work.stays:
            continue
        work.revisions[stay_id] = revision
        work.take_stay(Stay.model_validate_json(stay))
        if alert:
            work.alerts[stay_id] = Alert.model_validate_json(alert)
    people = ids | {stay.enrollee_id for stay in work.stays.values()}
    earliest = min(record.event.occurred_at for record in todo)
    work.enrollees, work.homes = load_enrollees(connection, people, work.day_of(earliest))
    numbers = {
        number.value
        for record in todo
        for part in record.event.parts()
        for group in (part.patient.identifiers, part.prior.identifiers if part.prior else ())
        for number in learnable(group)
    }
    known = rows_among(connection, "SELECT system, value FROM crosswalk WHERE value IN :among", list(numbers))
    work.known_numbers = {(row[0], row[1]) for row in known}
    parts = [part for record in todo for part in record.parts()]
    unsure = [part for part in parts if part.match.grade is Grade.POSSIBLE and part.match.enrollee_id]
    if unsure:
        pairs = [pair_of(record.event.patient, str(record.match.enrollee_id)) for record in unsure]
        work.verdicts = verdicts_of(connection, pairs)
    return work
