"""Matched events in, decisions written: stays, alert versions, crosswalk, ledger and outbox, one transaction a batch.

A batch costs a handful of queries whatever its length: what its events can touch is loaded at once, decided upon in
memory in order, so that a later event sees what an earlier one changed, and written at once. On PostgreSQL transactions
about the same enrollee take turns (advisory locks, in one order), on SQLite all writers do; a stay or an alert changed
elsewhere all the same makes the batch `Unavailable`, to be tried again on the new state.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection

from parsers.people import Enrollee
from rules.deciding.groups import KNOWN
from rules.decisions import Action, Alert, Decision, Grade, History, Match, Reason
from rules.endings import LedgerEntry
from streams.kafka.records import AlertRecord, EventRecord, Whose
from streams.store.database import Changed, Database, Row, Unavailable, next_values, rows_among, write_rows
from streams.store.diagnosis_marks import write_marks
from streams.store.due import AskDue, write_due
from streams.store.feed_talk import tally
from streams.store.ledger import COLUMNS as LEDGER_COLUMNS
from streams.store.ledger import Ledger, ended_at, endings_of, ledger_row
from streams.store.received import behind
from streams.store.reviews import Verdict, add_waiting, subject_of, untold, verdict_on
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
from streams.store.unmatched import forget
from streams.store.workspace import Outcome, Work, active_moment, ledger_entry, load, matches

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


def _decidable(record: EventRecord, before: tuple[str, str] | None) -> bool:
    """Not ended yet; or ended as one that waits, or that was nobody's so far, and now released."""
    if before is None:
        return True
    return record.released and (untold(before) or before[1] == Reason.POSSIBLE_MATCH)


class Decisions:
    """The unit of work of the deciding agent."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger
        self._in_doubt: dict[str, tuple[int, Outcome]] = {}  # written at this moment, and nobody heard of the COMMIT

    def decide(
        self,
        batch: Sequence[EventRecord],
        decide: Callable[[EventRecord, History], Decision],
        now: datetime,
        secret: bytes = b"",
        ask_due: AskDue | None = None,
    ) -> list[Outcome]:
        """Decide a batch in one transaction; gives one `Outcome` per record, in order.

        A record whose message has ended is `redelivered` and changes nothing; where it ended in a transaction of ours
        that was `Unavailable` only at its COMMIT, and not in one of another process since, its outcome is given the
        next time. A released one takes the place of the ending it waited under. A pair of patient and enrollee that a
        person decided on is not asked about again.
        `ask_due`: to which destinations a new version is due, asked within the transaction.
        Raises `Unavailable` (try the same again); anything else, also from `decide`, is a bug of ours, and nothing of
        the batch is written.
        """
        if not batch:
            return []
        outcomes: list[Outcome] = []
        ended_us = to_us(datetime.now(UTC))
        ids = [record.event.message_id for record in batch]
        tried = {message_id: self._in_doubt.pop(message_id) for message_id in ids if message_id in self._in_doubt}
        try:
            with self._database.writing() as connection:
                outcomes = self._decide(connection, batch, decide, now, secret, ask_due, ended_us)
                ours = ended_at(connection, {message_id: moment for message_id, (moment, _) in tried.items()})
        except Unavailable:
            decided = (outcome for outcome in outcomes if not outcome.redelivered)
            self._in_doubt |= tried | {outcome.message_id: (ended_us, outcome) for outcome in decided}
            raise
        before = {message_id: outcome for message_id, (_, outcome) in tried.items() if message_id in ours}
        return [before.pop(outcome.message_id, outcome) for outcome in outcomes]

    def _decide(
        self,
        connection: Connection,
        batch: Sequence[EventRecord],
        decide: Callable[[EventRecord, History], Decision],
        now: datetime,
        secret: bytes,
        ask_due: AskDue | None,
        ended_us: int,
    ) -> list[Outcome]:
        """As `decide`, within a transaction, whose endings are of the moment `ended_us`."""
        take_turns(connection, (match.enrollee_id or "" for match in matches(batch)))
        before = endings_of(connection, list({record.event.message_id for record in batch}))
        todo = [record for record in batch if _decidable(record, before.get(record.event.message_id))]
        if not todo:
            return [Outcome(record.event.message_id, None, redelivered=True) for record in batch]
        work = load(connection, todo, now, self._database.zone, secret)
        decided: list[tuple[EventRecord, Decision, tuple[LedgerEntry, ...]] | None] = []
        taken: set[str] = set()
        for record in batch:
            event = record.event
            if event.message_id in taken or not _decidable(record, before.get(event.message_id)):
                decided.append(None)
                continue
            taken.add(event.message_id)
            settled, rejected = _settle(record, work)
            decision = rejected or decide(settled, work.history(settled))
            ended_apart = len(work.held_apart)
            work.take(settled, decision)
            decided.append((settled, decision, tuple(work.held_apart[ended_apart:])))
        entries = [ledger_entry(*conclusion[:2], work.resent) for conclusion in decided if conclusion]
        self._ledger.hear(connection, entries)
        tally(connection, (entry for entry in entries if entry.message_id not in before))
        told_records = _flush(connection, work, [*entries, *work.held_apart], before, ended_us)
        if ask_due is not None:
            versions = [_with_enrollee(work, record) for record in told_records]
            write_due(connection, versions, ask_due, behind(conclusion[0] for conclusion in decided if conclusion))
        records, outcomes = iter(told_records), list[Outcome]()
        for record, conclusion in zip(batch, decided, strict=True):
            if conclusion is None:
                outcomes.append(Outcome(record.event.message_id, None, redelivered=True))
                continue
            settled, decision, apart = conclusion
            versions_told = tuple(next(records) for _ in decision.alerts)
            entry = ledger_entry(settled, decision, work.resent)
            outcomes.append(Outcome(record.event.message_id, entry, decision, versions_told, apart=apart))
        return outcomes


def _settle(record: EventRecord, work: Work) -> tuple[EventRecord, Decision | None]:
    """The record under a person's standing verdict about this patient and this enrollee, if there is one."""
    if record.further and not record.released:
        first, *further = (_settled(part, work) for part in record.parts())
        settled = {"match": first.match, "prior_match": first.prior_match, "further": tuple(further)}
        return record.model_copy(update=settled), None
    if record.released or record.match.grade is not Grade.POSSIBLE or not record.match.enrollee_id:
        return record, None
    work.questions.meet(*subject_of(record))
    match verdict_on(work.questions, *subject_of(record)):
        case Verdict.SAME:
            certain = record.match.model_copy(update={"grade": Grade.CERTAIN})
            return record.model_copy(update={"released": True, "match": certain}), None
        case Verdict.DIFFERENT if record.prior_match and record.prior_match.grade in KNOWN:  # a move away from them
            return record.model_copy(update={"match": Match(grade=Grade.CERTAINLY_NOT)}), None
        case Verdict.DIFFERENT:
            return record, Decision(action=Action.SUPPRESS, reasons=(Reason.MATCH_REJECTED,))
        case _:
            return record, None


def _settled(part: EventRecord, work: Work) -> Whose:
    """Whose one group of several is under a standing verdict: the message as a whole is not released by it."""
    settled, rejected = _settle(part, work)
    match = Match(grade=Grade.CERTAINLY_NOT) if rejected else settled.match
    return Whose(match=match, prior_match=settled.prior_match)


def take_turns(connection: Connection, enrollee_ids: Iterable[str]) -> None:
    """Wait for every other transaction that changes stays or alerts of these people."""
    if connection.dialect.name != "postgresql":
        return
    locks = sorted(
        int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
        for name in set(enrollee_ids)
        if name
    )
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(k) FROM unnest(%s::bigint[]) AS k", (locks,)).fetchall()


def _flush(
    connection: Connection,
    work: Work,
    entries: Sequence[LedgerEntry],
    before: dict[str, tuple[str, str]],
    ended_us: int,
) -> list[AlertRecord]:
    replaced = [entry for entry in entries if entry.message_id in before]
    fresh = [ledger_row(entry, ended_us) for entry in entries if entry.message_id not in before]
    _expect(write_rows(connection, ledger, LEDGER_COLUMNS, fresh, "ON CONFLICT DO NOTHING"), len(fresh))
    write_rows(
        connection,
        ledger,
        LEDGER_COLUMNS,
        [ledger_row(entry, ended_us) for entry in replaced],
        "ON CONFLICT (message_id) DO UPDATE SET ending = excluded.ending, code = excluded.code, "
        "ended_us = excluded.ended_us",
    )
    write_rows(
        connection,
        fingerprints,
        ("fingerprint", "message_id", "received_us"),
        [(print_, *first_seen) for print_, first_seen in sorted(work.new_fingerprints.items())],
        "ON CONFLICT DO NOTHING",
    )
    rows: list[Row] = [
        (
            stay.stay_id,
            stay.enrollee_id,
            stay.facility,
            str(stay.status),
            active_moment(stay),
            work.revisions.get(stay.stay_id, 0) + 1,
            stay.written().decode(),
        )
        for stay in (work.remembered.stays[stay_id] for stay_id in sorted(work.changed_stays))
    ]
    _expect(write_rows(connection, stays, STAY_COLUMNS, rows, STAY_CONFLICT), len(rows))
    write_marks(connection, (work.remembered.stays[stay_id] for stay_id in sorted(work.changed_stays)), work.now)
    write_rows(connection, stay_keys, ("key", "stay_id"), sorted(work.new_keys), "ON CONFLICT DO NOTHING")
    add_waiting(connection, work.questions, work.held, work.now)
    _write_crosswalk(connection, work)
    if work.caught_up:
        forget(connection, sorted(work.caught_up))
    return _write_alerts(connection, work)


def _write_crosswalk(connection: Connection, work: Work) -> None:
    if not work.said and not work.shown:
        return
    seq = next_values(connection, "crosswalk", 1)[0]
    columns = ("system", "value", "enrollee_id", "seq")
    for numbers, rest in (
        (work.said, "(system, value) DO UPDATE SET enrollee_id = excluded.enrollee_id, seq = excluded.seq"),
        (work.shown, "DO NOTHING"),
    ):
        rows = [(*number, enrollee_id, seq) for number, enrollee_id in sorted(numbers.items())]
        write_rows(connection, crosswalk, columns, rows, f"ON CONFLICT {rest}")


def _write_alerts(connection: Connection, work: Work) -> list[AlertRecord]:
    if not work.new_alerts:
        return []
    again = sorted({alert.alert_id for alert in work.new_alerts if alert.version > 1})
    if again and connection.dialect.name == "postgresql":  # before the counter, as `Acts.write` does: no deadlock
        rows_among(connection, "SELECT 1 FROM alerts WHERE alert_id IN :among ORDER BY alert_id FOR UPDATE", again)
    positions = next_values(connection, "position", len(work.new_alerts))
    versions: list[Row] = []
    latest: dict[str, Row] = {}
    owners: dict[tuple[str, str], Row] = {}
    for position, alert in zip(positions, work.new_alerts, strict=True):
        document, at = alert.written().decode(), to_us(alert.decided_at)
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


def _with_enrollee(work: Work, record: AlertRecord) -> tuple[int, Alert, Enrollee | None]:
    alert = record.alert
    return record.position, alert, work.enrollee(alert.enrollee_id, alert.occurred_at)


def _expect(written: int, wanted: int) -> None:
    if written != wanted:
        raise Changed("another process changed the same stay, alert or ending meanwhile")
