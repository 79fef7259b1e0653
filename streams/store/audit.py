"""Who read or wrote what about whom, and when: kept as rows that nothing updates."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, insert, select

from streams.store.database import Database, write_rows
from streams.store.tables import audit, from_us, to_us


class Audited(StrEnum):
    """What can be done; the word in the audit."""

    SIGNED_IN = "signed_in"
    SIGNED_OUT = "signed_out"
    ENDED = "ended"  # a session, by another than the one who signs out
    BOUND = "bound"  # a way to sign in and a row of the directory
    UNBOUND = "unbound"
    READ_LIST = "read_list"
    READ_STAY = "read_stay"
    READ_REVIEW = "read_review"
    AUTO = "auto"  # a page fetched it by itself; nobody may have looked
    ACTED = "acted"
    UNDID = "undid"
    REVIEWED = "reviewed"
    SWITCHED = "switched"
    PRINTED = "printed"
    READ_QUARANTINED = "read_quarantined"  # the bytes of a message that our code failed on


class AuditRow(NamedTuple):
    at: datetime
    case_manager_id: str
    what: Audited
    alert_id: str
    enrollee_id: str
    detail: str


def note(
    connection: Connection,
    at: datetime,
    case_manager_id: str,
    what: Audited,
    *,
    alert_id: str = "",
    enrollee_id: str = "",
    detail: str = "",
) -> None:
    """Write one row within a transaction."""
    connection.execute(
        insert(audit).values(
            at_us=to_us(at),
            case_manager_id=case_manager_id,
            what=str(what),
            alert_id=alert_id,
            enrollee_id=enrollee_id,
            detail=detail,
        )
    )


class Audit:
    """The audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(
        self,
        case_manager_id: str,
        what: Audited,
        at: datetime,
        *,
        alert_ids: Sequence[str] = ("",),
        enrollee_id: str = "",
        detail: str = "",
    ) -> None:
        """Write that somebody read (or did) something, one row per alert."""
        rows = [(to_us(at), case_manager_id, str(what), alert_id, enrollee_id, detail) for alert_id in alert_ids]
        columns = ("at_us", "case_manager_id", "what", "alert_id", "enrollee_id", "detail")
        with self._database.writing() as connection:
            write_rows(connection, audit, columns, rows)

    def write_people(
        self, case_manager_id: str, what: Audited, at: datetime, enrollee_ids: Sequence[str], detail: str = ""
    ) -> None:
        """Write that somebody read about these people, one row for each; one without a person when there is none."""
        whose = list(dict.fromkeys(enrollee_ids)) or [""]
        rows = [(to_us(at), case_manager_id, str(what), "", enrollee_id, detail) for enrollee_id in whose]
        columns = ("at_us", "case_manager_id", "what", "alert_id", "enrollee_id", "detail")
        with self._database.writing() as connection:
            write_rows(connection, audit, columns, rows)

    def read(self, *, alert_id: str = "", enrollee_id: str = "", limit: int = 500) -> list[AuditRow]:
        """Newest first: about an alert, about an enrollee, or about everything."""
        wanted = select(audit).order_by(audit.c.audit_id.desc()).limit(limit)
        if alert_id:
            wanted = wanted.where(audit.c.alert_id == alert_id)
        if enrollee_id:
            wanted = wanted.where(audit.c.enrollee_id == enrollee_id)
        with self._database.reading() as connection:
            return [
                AuditRow(
                    from_us(row.at_us),
                    row.case_manager_id,
                    Audited(row.what),
                    row.alert_id,
                    row.enrollee_id,
                    row.detail,
                )
                for row in connection.execute(wanted)
            ]
