"""Possible matches in, a person's verdict kept for good: what waits, what was decided, and what is decided anew.

A verdict is about a pair, a patient and an enrollee (`streams.store.questions` says when two are the same). It is never
overridden by the machine. A pair has at most one review, however many messages wait under it.

One file, because every step changes one row, and what it may be at each step is seen at a glance.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, func, select, update

from parsers.events import Patient, Value
from parsers.people import Enrollee
from rules.deciding.history import learnable
from rules.decisions import Grade, Reason
from rules.endings import Ending
from rules.matching.evidence import Field, Note
from streams.kafka.records import EventRecord
from streams.store.audit import Audited, note
from streams.store.database import Changed, Database, Row, next_values, rows_among, write_rows
from streams.store.ledger import endings_of
from streams.store.panel_rows import enrollee_on, load_enrollees
from streams.store.questions import Questions, Subject, names_of
from streams.store.tables import (
    crosswalk,
    enrollees,
    event_outbox,
    from_us,
    ledger,
    review_events,
    reviews,
    to_us,
)
from streams.store.unmatched import forget

HELD_AT_ONCE: Final = 500


class Verdict(StrEnum):
    SAME = "same"
    DIFFERENT = "different"
    NOT_SURE = "not_sure"


UNDO_SECONDS: Final = 10  # so long an answer given on the page can be taken back: nothing comes of it before
_OPEN: Final = ("", str(Verdict.NOT_SURE))
_SOON: Final = {Verdict.SAME: "same_soon", Verdict.DIFFERENT: "different_soon"}  # in `reviews.verdict` until then
_MEANT: Final = {kept: verdict for verdict, kept in _SOON.items()}
_UNSETTLED: Final = frozenset({*_OPEN, *_MEANT})


class Review(Value):
    """Both sides of one possible match, and what was said about it."""

    review_id: str
    enrollee: Enrollee | None  # None: the line has left the panel
    records: tuple[EventRecord, ...]  # what waits, oldest first; () once decided
    weight: float
    opened_at: datetime
    verdict: Verdict | None = None
    decided_by: str = ""
    decided_at: datetime | None = None
    undoable: bool = False  # nothing came of the verdict yet
    note: str = ""


class Reviewed(NamedTuple):
    """What a verdict did: `changed` is False when somebody had decided before."""

    changed: bool
    released: int = 0
    dropped: int = 0


class Asked(NamedTuple):
    """What became of events of people perhaps enrolled late."""

    released: int  # a person had said before that it is them
    waiting: int  # wait for a verdict now, and did not before


def verdict_on(questions: Questions, patient: Patient, enrollee_id: str) -> Verdict | None:
    """What a person has said of this pair for good; "different" where two have said otherwise of its numbers."""
    said = {questions.verdicts[review_id] for review_id in questions.about(patient, enrollee_id)}
    return next((verdict for verdict in (Verdict.DIFFERENT, Verdict.SAME) if verdict in said), None)


def subject_of(record: EventRecord) -> Subject:
    """The pair that a record is about, if it is only possibly about anybody."""
    return record.event.patient, record.match.enrollee_id or ""


def untold(ending: tuple[str, str]) -> bool:
    """Whether (ending, code) is of a message that waits for a verdict, or that was nobody's so far."""
    return ending[0] == Ending.HELD or ending in (
        (Ending.SUPPRESSED, Reason.NOT_ON_PANEL),
        (Ending.SUPPRESSED, Reason.MATCH_REJECTED),
    )


def add_waiting(connection: Connection, questions: Questions, held: Sequence[EventRecord], now: datetime) -> None:
    """Let events wait under the review of their pair, opening it where there is none. `questions`: about these pairs;
    what was added to them is kept. Raises `Changed`."""
    opened: list[Row] = []
    waiting: list[Row] = []
    for record in held:
        patient, enrollee_id = subject_of(record)
        near = questions.perhaps_about(patient, enrollee_id)
        own = questions.about(patient, enrollee_id)
        review_id = next(
            (question for question in near if questions.verdicts[question] in _UNSETTLED), own[0] if own else ""
        )
        if not review_id:
            review_id = record.event.message_id
            pair = names_of(patient, enrollee_id).own[0]
            opened.append((review_id, pair, enrollee_id, to_us(now), record.match.weight))
        questions.add(patient, enrollee_id, review_id)
        waiting.append((review_id, record.event.message_id, record.written().decode()))
    columns = ("review_id", "pair", "enrollee_id", "opened_us", "weight")
    if write_rows(connection, reviews, columns, opened, "ON CONFLICT DO NOTHING") != len(opened):
        raise Changed("another process asked about the same patient meanwhile")
    write_rows(connection, review_events, ("review_id", "message_id", "document"), waiting, "ON CONFLICT DO NOTHING")
    questions.write(connection)


def put_events(connection: Connection, records: Sequence[EventRecord], now: datetime) -> None:
    """Line events up for the events topic, to be decided (again) there."""
    if not records:
        return
    rows = [
        (outbox_id, record.event.message_id, to_us(now), record.written().decode())
        for outbox_id, record in zip(next_values(connection, "events", len(records)), records, strict=True)
    ]
    write_rows(connection, event_outbox, ("outbox_id", "message_id", "written_us", "document"), rows)


class Reviews:
    """The review queue, and the way back of events that are decided again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self, limit: int = 100, practices: Collection[str] | None = None) -> list[Review]:
        """What nobody has settled, never looked at before not-sure, oldest first: of everybody, or with `practices` of
        people on their panels."""
        with self._database.reading() as connection:
            rows = connection.execute(
                _asked_of(select(reviews), practices)
                .where(reviews.c.verdict.in_(_OPEN))
                .order_by(reviews.c.verdict, reviews.c.opened_us, reviews.c.review_id)
                .limit(limit)
            ).all()
            return _reviews(connection, rows)

    def answered(self, since: datetime, limit: int = 20, practices: Collection[str] | None = None) -> list[Review]:
        """What was answered since then, newest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                _asked_of(select(reviews), practices)
                .where(reviews.c.verdict != "", reviews.c.decided_us >= to_us(since))
                .order_by(reviews.c.decided_us.desc(), reviews.c.review_id)
                .limit(limit)
            ).all()
            return _reviews(connection, rows)

    def find(self, review_id: str, practices: Collection[str] | None = None) -> Review | None:
        """One review, settled or not, if it is about somebody of these practices (`None`: of anywhere).

        The database is asked the same of one elsewhere and of one that is not there, so no time tells them apart.
        """
        with self._database.reading() as connection:
            wanted = _asked_of(select(reviews).where(reviews.c.review_id == review_id), practices)
            rows = connection.execute(wanted).all()
            return next(iter(_reviews(connection, rows)), None)

    def count(self, practices: Collection[str] | None = None) -> int:
        """How many pairs wait for a person: of everybody, or of people on the panels of `practices`."""
        with self._database.reading() as connection:
            waiting = _asked_of(select(func.count()).select_from(reviews), practices)
            return int(connection.scalar(waiting.where(reviews.c.verdict.in_(_OPEN))) or 0)

    def settle(
        self,
        review_id: str,
        verdict: Verdict,
        case_manager_id: str,
        at: datetime,
        note_text: str = "",
        *,
        undoable: bool = False,
    ) -> Reviewed:
        """Keep a person's verdict. The first same or different stands; a later one changes nothing.

        Same: every waiting event is released as a certain match through the event outbox, and the crosswalk learns the
        patient's numbers. Different: the waiting events end as suppressed (match_rejected) and are dropped. Not sure:
        they go on waiting. With `undoable` all of that happens `UNDO_SECONDS` later (`take_effect`), and until then
        what comes of this pair waits too. Raises `KeyError` for an unknown review.
        """
        with self._database.writing() as connection:
            row = connection.execute(
                select(reviews).where(reviews.c.review_id == review_id).with_for_update()
            ).one_or_none()
            if row is None:
                raise KeyError("no such review")
            if row.verdict not in _OPEN:
                return Reviewed(False)
            kept = _SOON.get(verdict, str(verdict)) if undoable else str(verdict)
            connection.execute(
                update(reviews)
                .where(reviews.c.review_id == review_id)
                .values(verdict=kept, decided_by=case_manager_id, decided_us=to_us(at), note=note_text)
            )
            note(connection, at, case_manager_id, Audited.REVIEWED, enrollee_id=row.enrollee_id, detail=str(verdict))
            if verdict is Verdict.NOT_SURE:
                return Reviewed(True)
            waiting = _waiting(connection, [review_id]).get(review_id, [])
            if not undoable:
                _effect(connection, review_id, verdict, waiting, at)
            same = verdict is Verdict.SAME
            return Reviewed(True, len(waiting) if same else 0, 0 if same else len(waiting))

    def undo(self, review_id: str, case_manager_id: str, at: datetime) -> None:
        """Take one's own answer back, as long as nothing came of it. Raises `KeyError` when that is over."""
        with self._database.writing() as connection:
            row = connection.execute(
                select(reviews).where(reviews.c.review_id == review_id).with_for_update()
            ).one_or_none()
            back = (*_SOON.values(), str(Verdict.NOT_SURE))
            if row is None or row.decided_by != case_manager_id or row.verdict not in back:
                raise KeyError("no answer of this person to take back")
            gone = update(reviews).where(reviews.c.review_id == review_id)
            connection.execute(gone.values(verdict="", decided_by="", decided_us=0, note=""))
            what = _MEANT.get(row.verdict, row.verdict)
            note(connection, at, case_manager_id, Audited.UNDID, enrollee_id=row.enrollee_id, detail=f"review: {what}")

    def take_effect(self, now: datetime) -> int:
        """Let answers that can no longer be undone have their effect; how many."""
        due = to_us(now - timedelta(seconds=UNDO_SECONDS))
        soon = select(reviews.c.review_id).where(reviews.c.verdict.in_(tuple(_MEANT)), reviews.c.decided_us <= due)
        with self._database.reading() as connection:
            ids = list(connection.scalars(soon.order_by(reviews.c.review_id)))
        if not ids:
            return 0
        with self._database.writing() as connection:
            locked = soon.add_columns(reviews.c.verdict).where(reviews.c.review_id.in_(ids)).with_for_update()
            rows = connection.execute(locked).all()
            waiting = _waiting(connection, [row.review_id for row in rows])
            for row in rows:
                verdict = _MEANT[row.verdict]
                now_known = update(reviews).where(reviews.c.review_id == row.review_id)
                connection.execute(now_known.values(verdict=str(verdict)))
                _effect(connection, row.review_id, verdict, waiting.get(row.review_id, []), now)
        return len(rows)

    def release(self, records: Sequence[EventRecord], now: datetime) -> None:
        """Line events up to be decided although their message has ended: waiting ones, and those of people enrolled
        late (see `Unmatched`). They are marked `released`."""
        with self._database.writing() as connection:
            put_events(connection, [record.model_copy(update={"released": True}) for record in records], now)

    def ask_late(self, records: Sequence[EventRecord], now: datetime) -> Asked:
        """Ask about events that are only possibly of people enrolled late: they wait like held ones, until then nothing
        leaves. A pair that a person has decided on is not asked about again: same is released, different dropped.
        """
        with self._database.writing() as connection:
            before = endings_of(connection, [record.event.message_id for record in records])
            open_ = [record for record in records if untold(before.get(record.event.message_id, _NOBODY_S))]
            questions = Questions.load(connection, map(subject_of, open_))
            asked, certain = [], []
            for record in open_:
                match verdict_on(questions, *subject_of(record)):
                    case Verdict.SAME:
                        certain.append(_as_certain(record))
                    case None:
                        asked.append(record)
            add_waiting(connection, questions, asked, now)
            waiting = _hold(connection, [record.event.message_id for record in asked])
            forget(connection, [record.event.message_id for record in certain])
            put_events(connection, certain, now)
        return Asked(len(certain), waiting)

    def unsent_events(self, limit: int = 200) -> list[tuple[int, EventRecord]]:
        """What waits for the events topic, oldest first: (outbox id, record)."""
        with self._database.reading() as connection:
            rows = connection.execute(
                select(event_outbox.c.outbox_id, event_outbox.c.document)
                .order_by(event_outbox.c.outbox_id)
                .limit(limit)
            ).all()
        return [(row.outbox_id, EventRecord.read(row.document)) for row in rows]

    def sent_events(self, outbox_ids: Sequence[int]) -> None:
        """Forget what is on the events topic now."""
        if outbox_ids:
            with self._database.writing() as connection:
                connection.execute(event_outbox.delete().where(event_outbox.c.outbox_id.in_(outbox_ids)))


def _asked_of(wanted: Any, practices: Collection[str] | None) -> Any:
    """Only reviews about people of these practices."""
    if practices is None:
        return wanted
    theirs = select(enrollees.c.enrollee_id).where(enrollees.c.practice_id.in_(sorted(practices)))
    return wanted.where(reviews.c.enrollee_id.in_(theirs))


def _effect(
    connection: Connection, review_id: str, verdict: Verdict, waiting: Sequence[EventRecord], at: datetime
) -> None:
    connection.execute(review_events.delete().where(review_events.c.review_id == review_id))
    if verdict is Verdict.SAME:
        certain = [_as_certain(record) for record in waiting]
        _teach(connection, certain)
        forget(connection, [record.event.message_id for record in certain])
        put_events(connection, certain, at)
        return
    connection.execute(
        update(ledger)
        .where(ledger.c.message_id.in_([record.event.message_id for record in waiting]))
        .where(ledger.c.ending == str(Ending.HELD))
        .values(ending=str(Ending.SUPPRESSED), code=str(Reason.MATCH_REJECTED))
    )


_NOBODY_S: Final = (str(Ending.SUPPRESSED), str(Reason.NOT_ON_PANEL))


def _hold(connection: Connection, message_ids: Sequence[str]) -> int:
    """Let messages that were nobody's wait instead; how many did not wait before."""
    held = 0
    for start in range(0, len(message_ids), HELD_AT_ONCE):
        held += connection.execute(
            update(ledger)
            .where(ledger.c.message_id.in_(message_ids[start : start + HELD_AT_ONCE]))
            .where(ledger.c.ending == str(Ending.SUPPRESSED))
            .values(ending=str(Ending.HELD), code=str(Reason.POSSIBLE_MATCH))
        ).rowcount
    return held


def _as_certain(record: EventRecord) -> EventRecord:
    certain = record.match.model_copy(
        update={"grade": Grade.CERTAIN, "evidence": {**record.match.evidence, Field.REVIEW: Note.SAME}}
    )
    return record.model_copy(update={"match": certain, "released": True})


def _teach(connection: Connection, records: Sequence[EventRecord]) -> None:
    taught = {
        (number.system, number.value): record.match.enrollee_id or ""
        for record in records
        for number in learnable(record.event.patient.identifiers)
    }
    if not taught:
        return
    seq = next_values(connection, "crosswalk", 1)[0]
    write_rows(
        connection,
        crosswalk,
        ("system", "value", "enrollee_id", "seq"),
        [(*number, enrollee_id, seq) for number, enrollee_id in sorted(taught.items())],
        "ON CONFLICT (system, value) DO UPDATE SET enrollee_id = excluded.enrollee_id, seq = excluded.seq",
    )


def _waiting(connection: Connection, review_ids: Sequence[str]) -> dict[str, list[EventRecord]]:
    records: dict[str, list[EventRecord]] = {}
    statement = "SELECT review_id, document FROM review_events WHERE review_id IN :among ORDER BY message_id"
    for review_id, document in rows_among(connection, statement, review_ids):
        records.setdefault(review_id, []).append(EventRecord.read(document))
    return records


def _reviews(connection: Connection, rows: Sequence[Row]) -> list[Review]:
    by_column = [row._mapping for row in rows]  # type: ignore[attr-defined]
    people, _ = load_enrollees(connection, {row["enrollee_id"] for row in by_column}, None)
    waiting = _waiting(connection, [row["review_id"] for row in by_column])
    return [
        Review(
            review_id=row["review_id"],
            enrollee=enrollee_on(people[row["enrollee_id"]], (), None) if row["enrollee_id"] in people else None,
            records=tuple(waiting.get(row["review_id"], ())),
            weight=row["weight"],
            opened_at=from_us(row["opened_us"]),
            verdict=_MEANT.get(row["verdict"]) or (Verdict(row["verdict"]) if row["verdict"] else None),
            undoable=row["verdict"] in _MEANT or row["verdict"] == Verdict.NOT_SURE,
            decided_by=row["decided_by"],
            decided_at=from_us(row["decided_us"]) if row["decided_us"] else None,
            note=row["note"],
        )
        for row in by_column
    ]
