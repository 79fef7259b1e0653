"""What people do about an alert in; a row each, with its place in the stream of commits."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from streams.store.audit import Audited, note
from streams.store.database import Database, next_values, write_rows
from streams.store.tables import actions, alerts, from_us, seen, to_us


class ActionKind(StrEnum):
    """What a person can do about an alert."""

    TAKEN = "taken"
    ACKNOWLEDGED = "acknowledged"
    REACHED = "reached"
    LEFT_MESSAGE = "left_message"
    NOT_REACHED = "not_reached"
    VISIT_BOOKED = "visit_booked"
    MEDICATION_RECONCILED = "medication_reconciled"
    HANDED_OVER = "handed_over"
    NOT_OUR_PATIENT = "not_our_patient"
    UNDONE = "undone"


ONCE: Final = frozenset({ActionKind.TAKEN, ActionKind.ACKNOWLEDGED})  # doing them again changes nothing


UNDO_SECONDS: Final = 10  # how long a page offers to take an action back
UNDO_GRACE_SECONDS: Final = 5  # for the way from the press to here


class HeldBy(Exception):
    """Somebody else holds the stay; whoever wants it says first that they take it from this person."""

    def __init__(self, case_manager_id: str) -> None:
        super().__init__()
        self.case_manager_id = case_manager_id


class TooLate(Exception):
    """The moment for taking an action back has passed."""


class ActionRow(NamedTuple):
    position: int
    alert_id: str
    case_manager_id: str
    action: ActionKind
    version: int  # of the alert the person had before them
    at: datetime
    note: str
    undone: bool


class Actions(Database):
    """What people do, and what they have seen."""

    def act(
        self,
        alert_id: str,
        case_manager_id: str,
        action: ActionKind,
        version: int,
        at: datetime,
        note_text: str = "",
        *,
        over: str | None = None,
    ) -> int:
        """Write an action about the version the person saw; gives its position.

        Taking or acknowledging the same version twice gives the first position. `over` names the holder the person
        agreed to take it from ("": nobody); `None` asks nothing. Raises `KeyError` for an unknown alert or a version it
        has not reached, `HeldBy` when somebody other than `over` holds it.
        """
        with self.writing() as connection:
            alert = connection.execute(
                select(alerts.c.enrollee_id, alerts.c.version).where(alerts.c.alert_id == alert_id).with_for_update()
            ).one_or_none()
            if alert is None or not 1 <= version <= alert.version:
                raise KeyError("no such version of an alert")
            if action in ONCE and (before := _same(connection, alert_id, case_manager_id, action, version)):
                return before
            if action is ActionKind.TAKEN and over is not None:
                holder = _holder(connection, alert_id)
                if holder not in {"", case_manager_id, over}:
                    raise HeldBy(holder)
            note(
                connection,
                at,
                case_manager_id,
                Audited.ACTED,
                alert_id=alert_id,
                enrollee_id=alert.enrollee_id,
                detail=str(action),
            )
            if action is ActionKind.ACKNOWLEDGED:
                newest = alerts.c.acknowledged_version < version
                connection.execute(
                    update(alerts).where(alerts.c.alert_id == alert_id, newest).values(acknowledged_version=version)
                )
            _see(connection, case_manager_id, {alert_id: version}, at)
            return _write(connection, alert_id, case_manager_id, action, version, at, note_text)

    def undo(self, position: int, case_manager_id: str, at: datetime) -> int:
        """Take back one's own action; gives the position of the taking back.

        Raises `KeyError` when there is none, `TooLate` more than `UNDO_SECONDS` and a grace after it.
        """
        with self.writing() as connection:
            done = connection.execute(
                select(actions).where(
                    actions.c.position == position,
                    actions.c.case_manager_id == case_manager_id,
                    actions.c.undone == 0,
                    actions.c.action != str(ActionKind.UNDONE),
                )
            ).one_or_none()
            if done is None:
                raise KeyError("no such action of this person")
            if at - from_us(done.at_us) > timedelta(seconds=UNDO_SECONDS + UNDO_GRACE_SECONDS):
                raise TooLate
            connection.execute(update(actions).where(actions.c.position == position).values(undone=1))
            if done.action == ActionKind.ACKNOWLEDGED:
                left = select(func.coalesce(func.max(actions.c.version), 0)).where(
                    actions.c.alert_id == done.alert_id,
                    actions.c.action == str(ActionKind.ACKNOWLEDGED),
                    actions.c.undone == 0,
                )
                connection.execute(
                    update(alerts)
                    .where(alerts.c.alert_id == done.alert_id)
                    .values(acknowledged_version=left.scalar_subquery())
                )
            note(connection, at, case_manager_id, Audited.UNDID, alert_id=done.alert_id, detail=done.action)
            return _write(
                connection, done.alert_id, case_manager_id, ActionKind.UNDONE, done.version, at, str(done.action)
            )

    def mark_seen(self, case_manager_id: str, versions: Mapping[str, int], at: datetime) -> None:
        """Remember which version of each alert a person has looked at; an older one never takes a newer one's place."""
        if versions:
            with self.writing() as connection:
                _see(connection, case_manager_id, versions, at)


def _holder(connection: Connection, alert_id: str) -> str:
    newest = (
        select(actions.c.case_manager_id)
        .where(actions.c.alert_id == alert_id, actions.c.action == str(ActionKind.TAKEN), actions.c.undone == 0)
        .order_by(actions.c.position.desc())
        .limit(1)
    )
    return connection.scalar(newest) or ""


def _same(connection: Connection, alert_id: str, case_manager_id: str, action: ActionKind, version: int) -> int | None:
    return connection.scalar(
        select(actions.c.position).where(
            actions.c.alert_id == alert_id,
            actions.c.case_manager_id == case_manager_id,
            actions.c.action == str(action),
            actions.c.version == version,
            actions.c.undone == 0,
        )
    )


def _write(
    connection: Connection,
    alert_id: str,
    case_manager_id: str,
    action: ActionKind,
    version: int,
    at: datetime,
    note_text: str,
) -> int:
    position = next_values(connection, "position", 1)[0]
    connection.execute(
        insert(actions).values(
            position=position,
            alert_id=alert_id,
            case_manager_id=case_manager_id,
            action=str(action),
            version=version,
            at_us=to_us(at),
            note=note_text,
        )
    )
    return position


def _see(connection: Connection, case_manager_id: str, versions: Mapping[str, int], at: datetime) -> None:
    write_rows(
        connection,
        seen,
        ("case_manager_id", "alert_id", "version", "seen_us"),
        [(case_manager_id, alert_id, version, to_us(at)) for alert_id, version in sorted(versions.items())],
        "ON CONFLICT (case_manager_id, alert_id) DO UPDATE SET version = excluded.version, seen_us = excluded.seen_us "
        "WHERE excluded.version >= seen.version",
    )
