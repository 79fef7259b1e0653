"""Matched events in, decisions written: stays, alert versions, crosswalk, ledger and outbox, one transaction a batch.

A batch costs a handful of queries whatever its length: what its events can touch is loaded at once, decided upon in
memory in order, so that a later event sees what an earlier one changed, and written at once. On PostgreSQL transactions
about the same enrollee take turns (advisory locks, in one order), on SQLite all writers do; a stay or an alert changed
elsewhere all the same makes the batch `Unavailable`, to be tried again on the new state.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Connection

from parsers.events import Event, EventKind, Identifier
from rules.decisions import Action, Alert, Decision, Grade, History, Match, Reason, Stay
from rules.endings import Ending, LedgerEntry
from streams.kafka.topics import AlertRecord, EventRecord, Whose
from streams.store.database import Changed, Row, StoreFault, next_values, rows_among, write_rows
from streams.store.ledger import COLUMNS as LEDGER_COLUMNS
from streams.store.ledger import Endings, endings_of, ledger_row
from streams.store.panel_rows import EnrolleeRow, Home, enrollee_on, load_enrollees
from streams.store.reviews import Verdict, add_waiting, learnable, pair_of, untold, verdicts_of
from streams.store.tables import (
    alert_owners,
    alert_versions,
    alerts,
    crosswalk,
    fingerprints,
    ledger,
    outbox,
    stay_keys,
    stays,
    to_us,
)
from streams.store.unmatched import earlier_of, forget

HISTORY_DAYS: Final = 400  # a year of stays for the rules and the page, and room for late messages
ENDING_OF: Final = {
    Action.NOTIFY: Ending.ALERTED,
    Action.AMEND: Ending.AMENDED,
    Action.RETRACT: Ending.RETRACTED,
    Action.SUPPRESS: Ending.SUPPRESSED,
    Action.HOLD: Ending.HELD,
}
_KNOWN: Final = frozenset({Grade.CERTAIN, Grade.PROBABLE})
STAY_COLUMNS: Final = (
    "stay_id",
    "enrollee_id",
    "facility",
    "status",
    "active_us",
    "revision",
    "document",
)
STAY_CONFLICT: Final = (
    "ON CONFLICT (stay_id) DO UPDATE SET enrollee_id = excluded.enrollee_id, facility = excluded.facility, "
    "status = excluded.status, active_us = excluded.active_us, revision = excluded.revision, "
    "document = excluded.document WHERE stays.revision = excluded.revision - 1"
)
ALERT_COLUMNS: Final = (
    "alert_id",
    "stay_id",
    "enrollee_id",
    "kind",
    "status",
    "priority",
    "action",
    "version",
    "position",
    "decided_us",
    "document",
)
ALERT_CONFLICT: Final = "ON CONFLICT (alert_id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in ALERT_COLUMNS[1:]
)


class Outcome(NamedTuple):
    """What became of one event of a batch."""

    message_id: str
    entry: LedgerEntry | None  # None: the message had ended before this batch
    decision: Decision | None = None
    alerts: tuple[AlertRecord, ...] = ()
    redelivered: bool = False


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


def _active_us(stay: Stay) -> int:
    times = [at for at in (stay.started_at, stay.ended_at, stay.last_recorded_at) if at]
    return to_us(max(times)) if times else 0


class _Work:
    """What a batch can touch, as loaded and as changed so far, and what is to be written."""

    def __init__(self, now: datetime) -> None:
        self.now = now
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
        ids = {match.enrollee_id for match in _matches([record]) if match.enrollee_id}
        anywhere, here = _asked(event)
        found = {stay_id for enrollee_id in ids for stay_id in self.of_enrollee.get(enrollee_id, ())}
        found |= {stay_id for key in anywhere for stay_id in self.of_key.get(key, ())}
        found |= {
            stay_id
            for key in here
            for stay_id in self.of_key.get(key, ())
            if self.stays[stay_id].facility == event.facility
        }
        chosen = sorted((self.stays[stay_id] for stay_id in found), key=lambda stay: (_active_us(stay), stay.stay_id))
        day = event.occurred_at
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
                self.held_apart.append(_entry(held, Decision(action=Action.HOLD, reasons=(Reason.POSSIBLE_MATCH,))))

    def _learn(self, record: EventRecord) -> None:
        for match, numbers in (
            (record.match, record.event.patient.identifiers),
            (record.prior_match, record.event.prior.identifiers if record.event.prior else ()),
        ):
            if match is None or not match.enrollee_id or match.grade not in _KNOWN:
                continue
            for number in learnable(numbers):
                if (number.system, number.value) not in self.known_numbers:
                    self.learned.setdefault((number.system, number.value), match.enrollee_id)


def _entry(record: EventRecord, decision: Decision) -> LedgerEntry:
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


def _decidable(record: EventRecord, before: tuple[str, str] | None) -> bool:
    """Not ended yet; or ended as one that waits, or that was nobody's so far, and now released."""
    if before is None:
        return True
    return record.released and (untold(before) or before[1] == Reason.POSSIBLE_MATCH)


class Deciding(Endings):
    """The unit of work of the deciding agent."""

    def decide(
        self,
        batch: Sequence[EventRecord],
        decide: Callable[[EventRecord, History], Decision],
        now: datetime,
        secret: bytes = b"",
    ) -> list[Outcome]:
        """Decide a batch in one transaction; gives one `Outcome` per record, in order.

        A record whose message has ended is `redelivered` and changes nothing; a released one takes the place of the
        ending it waited under. A pair of patient and enrollee that a person has decided on is not asked about again.
        Raises `Unavailable` (try the same again); anything else, also from `decide`, is a bug of ours, and nothing of
        the batch is written.
        """
        if not batch:
            return []
        with self.writing() as connection:
            _take_turns(connection, batch)
            before = endings_of(connection, list({record.event.message_id for record in batch}))
            todo = [record for record in batch if _decidable(record, before.get(record.event.message_id))]
            if not todo:
                return [Outcome(record.event.message_id, None, redelivered=True) for record in batch]
            work = _load(connection, todo, now)
            if secret:
                work.earlier = earlier_of(connection, _unheard(todo, work), secret)
            decided: list[tuple[EventRecord, Decision] | None] = []
            taken: set[str] = set()
            for record in batch:
                event = record.event
                if event.message_id in taken or not _decidable(record, before.get(event.message_id)):
                    decided.append(None)
                    continue
                taken.add(event.message_id)
                settled, rejected = _settle(record, work)
                decision = rejected or decide(settled, work.history(settled))
                work.take(settled, decision)
                decided.append((settled, decision))
            entries = [_entry(*pair) for pair in decided if pair]
            self._hear(connection, entries)
            records = iter(_flush(connection, work, [*entries, *work.held_apart], before))
        outcomes = []
        for record, pair in zip(batch, decided, strict=True):
            if pair is None:
                outcomes.append(Outcome(record.event.message_id, None, redelivered=True))
                continue
            told = tuple(next(records) for _ in pair[1].alerts)
            outcomes.append(Outcome(record.event.message_id, _entry(*pair), pair[1], told))
        return outcomes


def _unheard(todo: Sequence[EventRecord], work: _Work) -> Iterable[Event]:
    """Events whose stay we do not know, or that give up a number."""
    for record in todo:
        for event in record.event.parts():
            if event.kind is EventKind.PERSON_MERGED or not any(
                visit_key(key) in work.of_key for key in event.stay_keys
            ):
                yield event


def _settle(record: EventRecord, work: _Work) -> tuple[EventRecord, Decision | None]:
    """The record under a person's standing verdict about this patient and this enrollee, if there is one."""
    if record.further and not record.released:
        first, *further = (_settled(part, work) for part in record.parts())
        settled = {"match": first.match, "prior_match": first.prior_match, "further": tuple(further)}
        return record.model_copy(update=settled), None
    if record.released or record.match.grade is not Grade.POSSIBLE or not record.match.enrollee_id:
        return record, None
    match work.verdicts.get(pair_of(record.event.patient, record.match.enrollee_id)):
        case Verdict.SAME:
            certain = record.match.model_copy(update={"grade": Grade.CERTAIN})
            return record.model_copy(update={"released": True, "match": certain}), None
        case Verdict.DIFFERENT if record.prior_match and record.prior_match.grade in _KNOWN:  # a move away from them
            return record.model_copy(update={"match": Match(grade=Grade.CERTAINLY_NOT)}), None
        case Verdict.DIFFERENT:
            return record, Decision(action=Action.SUPPRESS, reasons=(Reason.MATCH_REJECTED,))
        case _:
            return record, None


def _settled(part: EventRecord, work: _Work) -> Whose:
    """Whose one group of several is under a standing verdict: the message as a whole is not released by it."""
    settled, rejected = _settle(part, work)
    match = Match(grade=Grade.CERTAINLY_NOT) if rejected else settled.match
    return Whose(match=match, prior_match=settled.prior_match)


def _take_turns(connection: Connection, batch: Sequence[EventRecord]) -> None:
    if connection.dialect.name != "postgresql":
        return
    ids = {match.enrollee_id for match in _matches(batch)}
    locks = sorted(
        int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
        for name in ids
        if name
    )
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(k) FROM unnest(%s::bigint[]) AS k", (locks,)).fetchall()


def _matches(todo: Sequence[EventRecord]) -> Iterable[Match]:
    parts = (part for record in todo for part in record.parts())
    return (match for part in parts for match in (part.match, part.prior_match) if match)


def _load(connection: Connection, todo: Sequence[EventRecord], now: datetime) -> _Work:
    work = _Work(now)
    prints = {record.event.fingerprint: record.event.message_id for record in todo}
    rows = rows_among(
        connection, "SELECT fingerprint, message_id FROM fingerprints WHERE fingerprint IN :among", list(prints)
    )
    own = {record.event.message_id for record in todo if record.released}
    work.seen = {row[0] for row in rows if row[1] not in own}
    ids = {match.enrollee_id for match in _matches(todo) if match.enrollee_id}
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
    work.enrollees, work.homes = load_enrollees(connection, people, earliest)
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


def _flush(
    connection: Connection, work: _Work, entries: Sequence[LedgerEntry], before: dict[str, tuple[str, str]]
) -> list[AlertRecord]:
    replaced = [entry for entry in entries if entry.message_id in before]
    fresh = [ledger_row(entry) for entry in entries if entry.message_id not in before]
    _expect(write_rows(connection, ledger, LEDGER_COLUMNS, fresh, "ON CONFLICT DO NOTHING"), len(fresh))
    write_rows(
        connection,
        ledger,
        LEDGER_COLUMNS,
        [ledger_row(entry) for entry in replaced],
        "ON CONFLICT (message_id) DO UPDATE SET ending = excluded.ending, code = excluded.code, "
        "ended_us = excluded.ended_us",
    )
    write_rows(
        connection,
        fingerprints,
        ("fingerprint", "message_id", "received_us"),
        [(print_, *found) for print_, found in sorted(work.new_fingerprints.items())],
        "ON CONFLICT DO NOTHING",
    )
    rows: list[Row] = [
        (
            stay.stay_id,
            stay.enrollee_id,
            stay.facility,
            str(stay.status),
            _active_us(stay),
            work.revisions.get(stay.stay_id, 0) + 1,
            stay.model_dump_json(),
        )
        for stay in (work.stays[stay_id] for stay_id in sorted(work.changed_stays))
    ]
    _expect(write_rows(connection, stays, STAY_COLUMNS, rows, STAY_CONFLICT), len(rows))
    write_rows(connection, stay_keys, ("key", "stay_id"), sorted(work.new_keys), "ON CONFLICT DO NOTHING")
    add_waiting(connection, work.held, work.now)
    _write_crosswalk(connection, work)
    if work.caught_up:
        forget(connection, sorted(work.caught_up))
    return _write_alerts(connection, work)


def _write_crosswalk(connection: Connection, work: _Work) -> None:
    if not work.corrected and not work.learned:
        return
    seq = next_values(connection, "crosswalk", 1)[0]
    columns = ("system", "value", "enrollee_id", "seq")
    for found, rest in (
        (work.corrected, "(system, value) DO UPDATE SET enrollee_id = excluded.enrollee_id, seq = excluded.seq"),
        (work.learned, "DO NOTHING"),
    ):
        rows = [(*number, enrollee_id, seq) for number, enrollee_id in sorted(found.items())]
        write_rows(connection, crosswalk, columns, rows, f"ON CONFLICT {rest}")


def _write_alerts(connection: Connection, work: _Work) -> list[AlertRecord]:
    if not work.new_alerts:
        return []
    again = sorted({alert.alert_id for alert in work.new_alerts if alert.version > 1})
    if again and connection.dialect.name == "postgresql":  # before the counter, as `Actions.act` does: no deadlock
        rows_among(connection, "SELECT 1 FROM alerts WHERE alert_id IN :among ORDER BY alert_id FOR UPDATE", again)
    positions = next_values(connection, "position", len(work.new_alerts))
    versions: list[Row] = []
    latest: dict[str, Row] = {}
    owners: dict[tuple[str, str], Row] = {}
    for position, alert in zip(positions, work.new_alerts, strict=True):
        document, at = alert.model_dump_json(), to_us(alert.decided_at)
        versions.append((alert.alert_id, alert.version, position, at, document))
        latest[alert.alert_id] = (
            alert.alert_id,
            alert.stay_id,
            alert.enrollee_id,
            str(alert.kind),
            str(alert.status),
            str(alert.priority),
            str(alert.action),
            alert.version,
            position,
            at,
            document,
        )
        now_owning = {owner.case_manager_id: owner.because for owner in alert.owners}
        for person in {*alert.told, *now_owning}:
            owners[person, alert.alert_id] = (
                person,
                alert.alert_id,
                now_owning.get(person, ""),
                1 if person in now_owning else 0,
            )
    _expect(
        write_rows(
            connection,
            alert_versions,
            ("alert_id", "version", "position", "decided_us", "document"),
            versions,
            "ON CONFLICT DO NOTHING",
        ),
        len(versions),
    )
    write_rows(connection, alerts, ALERT_COLUMNS, list(latest.values()), ALERT_CONFLICT)
    everyone = rows_among(
        connection, "SELECT case_manager_id, alert_id FROM alert_owners WHERE alert_id IN :among", list(latest)
    )
    for person, alert_id in everyone:
        owners.setdefault((person, alert_id), (person, alert_id, "", 0))
    write_rows(
        connection,
        alert_owners,
        ("case_manager_id", "alert_id", "because", "owning"),
        sorted(owners.values()),
        "ON CONFLICT (case_manager_id, alert_id) DO UPDATE SET because = excluded.because, owning = excluded.owning",
    )
    write_rows(connection, outbox, ("position", "decided_us"), [(row[2], row[3]) for row in versions])
    return [
        AlertRecord(position=position, alert=alert) for position, alert in zip(positions, work.new_alerts, strict=True)
    ]


def _expect(written: int, wanted: int) -> None:
    if written != wanted:
        raise Changed("another process changed the same stay, alert or ending meanwhile")
