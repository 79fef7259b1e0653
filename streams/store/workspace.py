"""What a batch of decisions can touch: loaded at once, changed in memory, with what is to be written."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from parsers.people import Enrollee
from rules.deciding.groups import Whose
from rules.deciding.history import Number, Remembered, active_at, keys_of, learnable, sought
from rules.decisions import Action, Alert, Decision, Grade, History, Match, Reason, Stay
from rules.endings import Ending, LedgerEntry
from rules.feeds.card import Fact, facts_of
from streams.kafka.records import AlertRecord, EventRecord
from streams.store.database import StoreFault, rows_among
from streams.store.panel_rows import EnrolleeRow, Home, enrollee_on, load_enrollees
from streams.store.questions import Questions
from streams.store.reviews import subject_of
from streams.store.tables import to_us
from streams.store.unmatched import earlier_of

ENDING_OF: Final = {
    Action.NOTIFY: Ending.ALERTED,
    Action.AMEND: Ending.AMENDED,
    Action.RETRACT: Ending.RETRACTED,
    Action.SUPPRESS: Ending.SUPPRESSED,
    Action.HOLD: Ending.HELD,
}


class Outcome(NamedTuple):
    """What became of one event of a batch."""

    message_id: str
    entry: LedgerEntry | None  # None: the message had ended before this batch
    decision: Decision | None = None
    alerts: tuple[AlertRecord, ...] = ()
    redelivered: bool = False
    apart: tuple[LedgerEntry, ...] = ()  # endings of further groups that wait by themselves


def active_moment(stay: Stay) -> int:
    """`active_at` as a column."""
    at = active_at(stay)
    return to_us(at) if at else 0


class Work:
    """What a batch can touch, as loaded and as changed so far, and what is to be written."""

    def __init__(self, now: datetime, zone: ZoneInfo) -> None:
        self.now = now
        self._zone = zone
        self.remembered = Remembered()
        self.revisions: dict[str, int] = {}
        self.enrollees: dict[str, EnrolleeRow] = {}
        self.homes: dict[str, list[Home]] = {}
        self.questions = Questions()
        self.changed_stays: set[str] = set()
        self.new_alerts: list[Alert] = []
        self.new_keys: set[tuple[str, str]] = set()
        self.said: dict[Number, str] = {}
        self.shown: dict[Number, str] = {}
        self.held: list[EventRecord] = []
        self.caught_up: set[str] = set()
        self.held_apart: list[LedgerEntry] = []  # endings of further groups of a message that wait by themselves
        self.new_fingerprints: dict[str, tuple[str, int]] = {}
        self.control_ids: dict[str, str] = {}  # of the first message with a fingerprint
        self.resent: set[str] = set()  # ids of messages that say again, under another control id, what was said

    def day_of(self, at: datetime) -> date:
        """The office's day, as the panel's dates are."""
        return at.astimezone(self._zone).date()

    def enrollee(self, enrollee_id: str, at: datetime) -> Enrollee | None:
        """The line of somebody on the panel, as of the day of `at`."""
        row = self.enrollees.get(enrollee_id)
        return enrollee_on(row, self.homes.get(enrollee_id, ()), self.day_of(at)) if row else None

    def history(self, record: EventRecord) -> History:
        event = record.event
        return self.remembered.history(
            event, whose(record), lambda enrollee_id: self.enrollee(enrollee_id, event.occurred_at)
        )

    def take(self, record: EventRecord, decision: Decision) -> None:
        event, remembered = record.event, self.remembered
        for stay in decision.stays:
            before = remembered.stays.get(stay.stay_id)
            known = keys_of(before) if before else set()
            self.new_keys |= {(key, stay.stay_id) for key in keys_of(stay) - known}
            self.changed_stays.add(stay.stay_id)
        latest: dict[str, Alert] = {}
        for alert in decision.alerts:
            last = latest.get(alert.alert_id) or remembered.alerts.get(alert.alert_id)
            if alert.version != (last.version if last else 0) + 1:
                raise StoreFault("an alert's version does not follow its last one")
            latest[alert.alert_id] = alert
            self.new_alerts.append(alert)
        if event.fingerprint and event.fingerprint not in remembered.seen:
            self.new_fingerprints[event.fingerprint] = (event.message_id, to_us(event.received_at))
        first = self.control_ids.setdefault(event.fingerprint, event.control_id)
        if decision.duplicate and first and event.control_id not in ("", first):
            self.resent.add(event.message_id)
        if (decision.waits or decision.action is Action.HOLD) and not decision.duplicate:
            self._hold(record, decision)
        self.caught_up.update(decision.caught_up)
        learned = remembered.take(event, whose(record), decision)
        self.said |= learned.said
        self.shown |= learned.shown

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


def ledger_entry(record: EventRecord, decision: Decision, resent: Collection[str] = ()) -> LedgerEntry:
    event = record.event
    again = (Fact.RESENT,) if event.message_id in resent else ()
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
        (*facts_of(event), *again),
    )


def whose(record: EventRecord) -> list[Whose]:
    """Whose each group of a message is, and whose the identity that gives way."""
    return [(part.match, part.prior_match) for part in record.parts()]


def matches(todo: Sequence[EventRecord]) -> Iterable[Match]:
    parts = (part for record in todo for part in record.parts())
    return (match for part in parts for match in (part.match, part.prior_match) if match)


def load(connection: Connection, todo: Sequence[EventRecord], now: datetime, zone: ZoneInfo, secret: bytes) -> Work:
    """All that an event of the batch may look at, as `rules.deciding.history` says.

    `zone`: the office's, whose days the panel's dates are. `secret`: what opens events of nobody; b"" opens none.
    """
    work = Work(now, zone)
    remembered = work.remembered
    prints = {record.event.fingerprint: record.event.message_id for record in todo}
    columns = "f.fingerprint, f.message_id, l.control_id"
    joined = f"SELECT {columns} FROM fingerprints f LEFT JOIN ledger l ON l.message_id = f.message_id"  # noqa: S608
    rows = rows_among(connection, f"{joined} WHERE f.fingerprint IN :among", list(prints))
    own = {record.event.message_id for record in todo if record.released}
    remembered.seen = {row[0] for row in rows if row[1] not in own}
    work.control_ids = {row[0]: row[2] or "" for row in rows}
    wanted = [sought(record.event, whose(record)) for record in todo]
    ids = {enrollee_id for stays_sought in wanted for enrollee_id in stays_sought.enrollee_ids}
    keys = {key for stays_sought in wanted for key in stays_sought.anywhere | stays_sought.here}
    by_key = rows_among(connection, "SELECT stay_id FROM stay_keys WHERE key IN :among", list(keys))
    since = to_us(min(stays_sought.since for stays_sought in wanted))
    columns = "s.stay_id, s.revision, s.document, a.document"
    joined = f"SELECT {columns} FROM stays s LEFT JOIN alerts a ON a.alert_id = s.stay_id"  # noqa: S608
    stay_rows = rows_among(connection, f"{joined} WHERE s.active_us >= {since} AND s.enrollee_id IN :among", list(ids))
    stay_rows += rows_among(connection, f"{joined} WHERE s.stay_id IN :among", list({row[0] for row in by_key}))
    for stay_id, revision, stay, alert in stay_rows:
        if stay_id in work.revisions:
            continue
        work.revisions[stay_id] = revision
        remembered.take_stay(Stay.read(stay))
        if alert:
            remembered.alerts[stay_id] = Alert.read(alert)
    people = ids | {stay.enrollee_id for stay in remembered.stays.values()}
    earliest = min(record.event.occurred_at for record in todo)
    work.enrollees, work.homes = load_enrollees(connection, people, work.day_of(earliest))
    remembered.numbers = _known_numbers(connection, todo)
    if secret:
        for event in earlier_of(connection, (part for record in todo for part in record.event.parts()), secret):
            remembered.keep(event)
    parts = (part for record in todo for part in record.parts())
    work.questions = Questions.load(
        connection, (subject_of(part) for part in parts if part.match.grade is Grade.POSSIBLE)
    )
    return work


def _known_numbers(connection: Connection, todo: Sequence[EventRecord]) -> dict[Number, str]:
    numbers = {
        number.value
        for record in todo
        for part in record.event.parts()
        for group in (part.patient.identifiers, part.prior.identifiers if part.prior else ())
        for number in learnable(group)
    }
    known = rows_among(
        connection, "SELECT system, value, enrollee_id FROM crosswalk WHERE value IN :among", list(numbers)
    )
    return {(row[0], row[1]): row[2] for row in known}
