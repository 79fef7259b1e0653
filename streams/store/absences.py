"""Absences that people say on the page, beside those of the directory's files, whose loading replaces none of them."""

from datetime import datetime

from sqlalchemy import Connection, Table, delete, select, update

from parsers.people import Absence
from streams.store.audit import Audited, note
from streams.store.database import Database, next_values, write_rows
from streams.store.tables import absences_said, from_us, to_us


class Absences:
    """What was said on the page. Every change makes the directory's version grow, so that live processes read it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def say(self, absence: Absence, by: str, at: datetime) -> None:
        """Write that somebody will be away; the same person and start again changes the rest."""
        row = (absence.case_manager_id, to_us(absence.starts), to_us(absence.ends), absence.backup_id, by, to_us(at))
        with self._database.writing() as connection:
            write_rows(
                connection,
                absences_said,
                ("case_manager_id", "starts_us", "ends_us", "backup_id", "said_by", "said_us"),
                [row],
                "ON CONFLICT (case_manager_id, starts_us) DO UPDATE SET ends_us = excluded.ends_us, "
                "backup_id = excluded.backup_id, said_by = excluded.said_by, said_us = excluded.said_us",
            )
            _changed(connection, by, at, "absence said")

    def back(self, case_manager_id: str, by: str, at: datetime) -> bool:
        """Whoever is back ends what runs and takes back what was to come; gives whether there was any."""
        mine = absences_said.c.case_manager_id == case_manager_id
        now = to_us(at)
        with self._database.writing() as connection:
            running = (mine, absences_said.c.starts_us < now, absences_said.c.ends_us > now)
            ended = connection.execute(update(absences_said).where(*running).values(ends_us=now)).rowcount
            coming = connection.execute(delete(absences_said).where(mine, absences_said.c.starts_us >= now)).rowcount
            if ended or coming:
                _changed(connection, by, at, "absence ended")
            return bool(ended or coming)


def absences_in(connection: Connection, table: Table) -> list[Absence]:
    """Every absence of the directory (`absences`) or said on the page (`absences_said`)."""
    return [
        Absence(
            case_manager_id=row.case_manager_id,
            starts=from_us(row.starts_us),
            ends=from_us(row.ends_us),
            backup_id=row.backup_id,
        )
        for row in connection.execute(select(table))
    ]


def _changed(connection: Connection, by: str, at: datetime, detail: str) -> None:
    note(connection, at, by, Audited.ACTED, detail=detail)
    next_values(connection, "directory", 1)
