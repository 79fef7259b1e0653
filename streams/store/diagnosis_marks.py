"""Discharged stays in; whether each had its diagnosis a day and a week later, on its feed's report card, out.

A mark is written with the discharge and taken off in the transaction that counts it, so each counts once.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, select, tuple_

from rules.decisions import Stay, StayStatus
from rules.feeds.card import MARKS, facts_after
from streams.store.database import Database, write_rows
from streams.store.feed_talk import add_facts
from streams.store.tables import diagnosis_marks, stays, to_us
from streams.store.ticks import Turn, fence

_AT_ONCE: Final = 200


def write_marks(connection: Connection, changed: Iterable[Stay], now: datetime) -> None:
    """Mark the days after each discharge that are still to come: what was told later than that teaches nothing."""
    rows = [
        (stay.stay_id, days, to_us(due))
        for stay in changed
        if stay.status is StayStatus.FINISHED and stay.ended_at
        for days in MARKS
        if (due := stay.ended_at + timedelta(days=days)) > now
    ]
    write_rows(connection, diagnosis_marks, ("stay_id", "days", "due_us"), rows, "ON CONFLICT DO NOTHING")


class DiagnosisMarks:
    """The days on which discharges are looked at again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, turn: Turn, now: datetime) -> bool:
        """Count those that are due; whether there are more. Raises `Unavailable`."""
        due = (
            select(diagnosis_marks.c.stay_id, diagnosis_marks.c.days, stays.c.document)
            .join(stays, stays.c.stay_id == diagnosis_marks.c.stay_id, isouter=True)
            .where(diagnosis_marks.c.due_us <= to_us(now))
            .order_by(diagnosis_marks.c.due_us)
            .limit(_AT_ONCE)
        )
        with self._database.writing() as connection:
            fence(connection, turn)
            rows = connection.execute(due).all()
            looked_at = [(Stay.read(row.document), row.days) for row in rows if row.document]
            add_facts(
                connection, ((stay.feed, fact) for stay, days in looked_at for fact in facts_after(stay, days)), now
            )
            keys = tuple_(diagnosis_marks.c.stay_id, diagnosis_marks.c.days)
            connection.execute(delete(diagnosis_marks).where(keys.in_([(row.stay_id, row.days) for row in rows])))
        return len(rows) == _AT_ONCE
