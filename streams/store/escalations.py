"""Steps of escalation: which stays to look at, what a look came to, and the questions that are open.

A step is a row whose key is made from what it stands on (`rules.following.escalation.Step.key`), so whoever comes to it
again writes nothing. With it, in one transaction, go everybody who is told of the stay (so that a retraction reaches
them), the change that open pages hear of, what is due to the person's mail, and a row of the audit.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, insert, select, update

from rules.decisions import Alert
from rules.following.escalation import CameTo, Escalation
from rules.following.frozen import InForce
from rules.following.look import Rules
from rules.telling.destinations import Destination
from streams.store.audit import Audited, note
from streams.store.changes_since import changes_since, position_of
from streams.store.database import Database, next_values, rows_among, write_rows
from streams.store.decisions import take_turns
from streams.store.looks import NEVER, Looked, looked_at
from streams.store.nudges import write_mail
from streams.store.tables import (
    alert_owners,
    alerts,
    escalation_looks,
    escalation_rules,
    escalation_steps,
    from_us,
    ticks,
    to_us,
)
from streams.store.ticks import Turn, fence
from streams.store.told import tell_also

AT_ONCE: Final = 0
_READ_AT_ONCE: Final = 1_000
_PEOPLE: Final = "SELECT enrollee_id FROM alerts WHERE alert_id IN :among"
_STAYS: Final = "SELECT alert_id FROM alerts WHERE enrollee_id IN :among"


class StepRow(NamedTuple):
    """A step that was written."""

    run: str
    number: int
    clock: str
    began_at: datetime
    due_at: datetime
    at: datetime
    came_to: CameTo
    person: str  # case_manager_id; "" for nobody
    because: str
    ended_at: datetime | None


class Escalations:
    """Looks and steps. What writes takes the turn it writes under."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def in_force(self, turn: Turn, rules: Escalation, now: datetime) -> list[InForce]:
        """Every set of rules there was, oldest first, up to `rules`; when that is new all stays are looked at."""
        document = rules.model_dump_json()
        name = hashlib.sha256(document.encode()).hexdigest()
        wanted = select(escalation_rules).order_by(escalation_rules.c.since_us)
        with self._database.reading() as connection:
            rows = connection.execute(wanted).all()
        if not rows or rows[-1].rules_hash != name:
            since = max(to_us(now), rows[-1].since_us + 1) if rows else 0
            with self._database.writing() as connection:
                fence(connection, turn)
                row = {"rules_hash": name, "since_us": since, "document": document}
                connection.execute(insert(escalation_rules).values(**row))
                connection.execute(update(escalation_looks).values(look_us=AT_ONCE))
            return self.in_force(turn, rules, now)
        return [InForce(from_us(row.since_us), Escalation.model_validate_json(row.document)) for row in rows]

    def hear(self, turn: Turn) -> int:
        """Line up every stay of whoever something was told of or done about since the last time; gives how many."""
        if not self.unheard(turn.name):
            return 0
        with self._database.writing() as connection:
            fence(connection, turn)
            after = connection.scalar(select(ticks.c.cursor).where(ticks.c.name == turn.name)) or 0
            changes, cursor = changes_since(connection, after, _READ_AT_ONCE)
            people = {row[0] for row in rows_among(connection, _PEOPLE, list({alert_id for _, alert_id in changes}))}
            stays = sorted({row[0] for row in rows_among(connection, _STAYS, sorted(people))})
            rest = "ON CONFLICT (alert_id) DO UPDATE SET look_us = 0"
            write_rows(
                connection, escalation_looks, ("alert_id", "look_us"), [(alert_id, AT_ONCE) for alert_id in stays], rest
            )
            connection.execute(update(ticks).where(ticks.c.name == turn.name).values(cursor=cursor))
        return len(changes)

    def to_look_at(self, now: datetime, limit: int) -> dict[str, int]:
        """Stays whose time has come, what changed and what is due by half and half, with the time that was set."""
        looks = select(escalation_looks.c.alert_id, escalation_looks.c.look_us).limit(limit // 2)
        changed = looks.where(escalation_looks.c.look_us == AT_ONCE)
        late = looks.where(escalation_looks.c.look_us > AT_ONCE, escalation_looks.c.look_us <= to_us(now))
        with self._database.reading() as connection:
            rows = [*connection.execute(late.order_by(escalation_looks.c.look_us)), *connection.execute(changed)]
        return {row.alert_id: row.look_us for row in rows}

    def look(
        self, turn: Turn, set_for: Mapping[str, int], rules: Rules, mail: Sequence[Destination], now: datetime
    ) -> list[StepRow]:
        """Look at these stays (with the times that were set): writes what is due, also to the `mail` of whom it asks,
        and when to look next."""
        with self._database.reading() as connection:
            before = looked_at(connection, list(set_for), rules, now)
        asking = [due_stay.alert_id for due_stay in before.values() if due_stay.due or due_stay.over]
        steps = self._write(turn, asking, rules, mail, now) if asking else []
        quiet = [
            (alert_id, seen, before[alert_id].look_us if alert_id in before else NEVER)
            for alert_id, seen in set_for.items()
            if alert_id not in asking
        ]
        with self._database.writing() as connection:
            fence(connection, turn)
            for alert_id, seen, look_us in quiet:
                looks = escalation_looks.c
                unchanged = (looks.alert_id == alert_id) & (looks.look_us == seen)
                connection.execute(update(escalation_looks).where(unchanged).values(look_us=look_us))
        return steps

    def put_off(self, turn: Turn, alert_id: str, until: datetime) -> None:
        """Look at a stay that could not be looked at again later."""
        with self._database.writing() as connection:
            fence(connection, turn)
            which = escalation_looks.c.alert_id == alert_id
            connection.execute(update(escalation_looks).where(which).values(look_us=to_us(until)))

    def of_stay(self, alert_id: str) -> tuple[StepRow, ...]:
        """The steps of one stay, in the order in which they were written."""
        wanted = select(escalation_steps).where(escalation_steps.c.alert_id == alert_id)
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(escalation_steps.c.at_us, escalation_steps.c.due_us)).all()
        return tuple(_step_row(row) for row in rows)

    def unlooked(self, now: datetime, grace: timedelta) -> int:
        """Stays whose look is overdue by more than `grace`: each may have a step that nobody has planned."""
        late = to_us(now - grace)
        wanted = select(escalation_looks.c.alert_id).where(
            escalation_looks.c.look_us > AT_ONCE, escalation_looks.c.look_us < late
        )
        with self._database.reading() as connection:
            return len(connection.execute(wanted.limit(_READ_AT_ONCE)).all())

    def unheard(self, name: str) -> int:
        """How many changes nobody has looked at."""
        with self._database.reading() as connection:
            cursor = connection.scalar(select(ticks.c.cursor).where(ticks.c.name == name))
            return max(0, position_of(connection) - int(cursor or 0))

    def _write(
        self, turn: Turn, alert_ids: Sequence[str], rules: Rules, mail: Sequence[Destination], now: datetime
    ) -> list[StepRow]:
        """What is due for these stays, looked at again while nobody else can change them."""
        with self._database.writing() as connection:
            fence(connection, turn)
            take_turns(connection, [row[0] for row in rows_among(connection, _PEOPLE, alert_ids)])
            locked = select(alerts.c.alert_id).where(alerts.c.alert_id.in_(alert_ids)).order_by(alerts.c.alert_id)
            connection.execute(locked.with_for_update())
            stays = looked_at(connection, alert_ids, rules, now)
            for stay in stays.values():
                _tell(connection, stay)
                write_mail(connection, stay, mail, now)
                _audit(connection, stay, now)
                which = escalation_looks.c.alert_id == stay.alert_id
                connection.execute(update(escalation_looks).where(which).values(look_us=stay.look_us))
            positions = iter(
                next_values(
                    connection, "position", sum(len(due_stay.due) + len(due_stay.over) for due_stay in stays.values())
                )
            )
            return [step for stay in stays.values() for step in _write_steps(connection, stay, positions, now)]


def _tell(connection: Connection, stay: Looked) -> None:
    """Everybody asked is told of the stay from now on; whose questions are all over is asked no more."""
    document = connection.scalar(select(alerts.c.document).where(alerts.c.alert_id == stay.alert_id)) or ""
    alert = Alert.read(document)
    asked = {done.person.case_manager_id: done.because for done in stay.due if done.person}
    tell_also(connection, alert, asked)
    write_rows(
        connection,
        alert_owners,
        ("case_manager_id", "alert_id", "because", "owning", "asked"),
        [(person, stay.alert_id, because, 0, 1) for person, because in asked.items()],
        "ON CONFLICT (case_manager_id, alert_id) DO UPDATE SET asked = 1",
    )
    spared = [person for person in stay.spared if person not in asked]
    which = (alert_owners.c.alert_id == stay.alert_id) & alert_owners.c.case_manager_id.in_(spared)
    connection.execute(update(alert_owners).where(which).values(asked=0))


def _audit(connection: Connection, stay: Looked, now: datetime) -> None:
    """A row for each step: who was put before whom by which rule, or why nobody was."""
    enrollee_id = connection.scalar(select(alerts.c.enrollee_id).where(alerts.c.alert_id == stay.alert_id)) or ""
    for done in stay.due:
        note(
            connection,
            now,
            done.person.case_manager_id if done.person else "",
            Audited.ASKED,
            alert_id=stay.alert_id,
            enrollee_id=enrollee_id,
            detail=f"{done.step.run}, step {done.step.number}: {done.came_to}",
        )


def _write_steps(connection: Connection, stay: Looked, positions: Iterator[int], now: datetime) -> list[StepRow]:
    """The rows, and for those that are over another place in the stream of changes: open pages hear of both."""
    for key in stay.over:
        which = (escalation_steps.c.alert_id == stay.alert_id) & (escalation_steps.c.step_key == key)
        changes = {"ended_us": to_us(now), "position": next(positions)}
        connection.execute(update(escalation_steps).where(which).values(**changes))
    rows = []
    for done in stay.due:
        step, asked = done.step, done.came_to is CameTo.ASKED
        rows.append(
            {
                "alert_id": stay.alert_id,
                "step_key": step.key,
                "position": next(positions),
                "run": step.run,
                "number": step.number,
                "clock": step.clock.value if step.clock else "",
                "began_us": to_us(step.began_at),
                "due_us": to_us(step.due_at),
                "at_us": to_us(now),
                "came_to": str(done.came_to),
                "case_manager_id": done.person.case_manager_id if done.person else "",
                "because": done.because,
                "ended_us": 0 if asked else to_us(now),
            }
        )
    if rows:
        connection.execute(insert(escalation_steps), rows)
    return [_step_row(SimpleNamespace(**row)) for row in rows]


def _step_row(row: Any) -> StepRow:
    return StepRow(
        row.run,
        row.number,
        row.clock,
        from_us(row.began_us),
        from_us(row.due_us),
        from_us(row.at_us),
        CameTo(row.came_to),
        row.case_manager_id,
        row.because,
        from_us(row.ended_us) if row.ended_us else None,
    )
