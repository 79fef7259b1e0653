"""Networks, practices, people, their absences and LME/MCOs in; the directory that routing asks out."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Table, select

from parsers.people import Absence, CaseManager, LmeMco, Network, Practice, Role
from rules.telling.directory import Directory
from streams.store.absences import absences_in
from streams.store.audit import Audited, note
from streams.store.database import Database, Row, next_values, write_rows
from streams.store.sessions import end_where
from streams.store.tables import (
    absences,
    absences_said,
    case_managers,
    counters,
    lme_mcos,
    networks,
    practices,
    sessions,
    to_us,
)

ACCESS: Final = ("role", "network_id", "lme_mco_id", "practices", "feeds", "email")  # what decides who sees whom


def _rows(table: Table, values: Sequence[Any]) -> list[Row]:
    match table.name:
        case "case_managers":
            return [
                (
                    who.case_manager_id,
                    who.name,
                    str(who.role),
                    who.network_id,
                    who.lme_mco_id,
                    who.email,
                    ";".join(who.practices),
                    who.hours,
                    ";".join(who.feeds),
                    who.capacity,
                )
                for who in values
            ]
        case "absences":
            return [(gone.case_manager_id, to_us(gone.starts), to_us(gone.ends), gone.backup_id) for gone in values]
        case "lme_mcos":
            return [(plan.lme_mco_id, plan.name, ";".join(plan.counties)) for plan in values]
        case "networks":
            return [(network.network_id, network.name) for network in values]
        case _:
            return [(place.practice_id, place.name, place.network_id, place.county, place.phone) for place in values]


class Directories:
    """The directory. Its version grows with every load, so that live processes see that they have to read it again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(
        self,
        networks_: Sequence[Network] = (),
        practices_: Sequence[Practice] = (),
        case_managers_: Sequence[CaseManager] = (),
        absences_: Sequence[Absence] = (),
        lme_mcos_: Sequence[LmeMco] = (),
        replace: bool = True,
        *,
        by: str = "",
        now: datetime | None = None,
    ) -> int:
        """Write the directory in one transaction: instead of what is there, or (`replace=False`) over it.

        Gives the new version. A key that comes twice keeps its last value. `by`: whose deed it is at `now`: then what
        changes in who may see whom is in the audit, and who went or has another role signs in anew.
        """
        parts = (
            (networks, networks_),
            (practices, practices_),
            (case_managers, case_managers_),
            (absences, absences_),
            (lme_mcos, lme_mcos_),
        )
        with self._database.writing() as connection:
            before = _people(connection)
            for table, values in parts:
                if replace:
                    connection.execute(table.delete())
                names = tuple(table.c.keys())
                keys = tuple(table.primary_key.columns.keys())
                rows = {row[: len(keys)]: row for row in _rows(table, values)}
                changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
                rest = f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"
                write_rows(connection, table, names, list(rows.values()), rest)
            if by and now:
                after = _people(connection)
                for change in _changes(before, after):
                    note(connection, now, by, Audited.ACTED, detail=f"directory: {change}")
                others = [who for who in before if who not in after or after[who].role != before[who].role]
                for ended in end_where(connection, sessions.c.case_manager_id.in_(others), now):
                    note(connection, now, ended, Audited.ENDED, detail=f"{by}: went, or has another role")
            return next_values(connection, "directory", 1)[0]

    def read(self) -> Directory:
        """The directory as it stands."""
        with self._database.reading() as connection:
            return Directory(
                [Network(**row._mapping) for row in connection.execute(select(networks))],
                [Practice(**row._mapping) for row in connection.execute(select(practices))],
                [_case_manager(row) for row in connection.execute(select(case_managers))],
                absences_in(connection, absences) + absences_in(connection, absences_said),
                [
                    LmeMco(lme_mco_id=row.lme_mco_id, name=row.name, counties=_split(row.counties))
                    for row in connection.execute(select(lme_mcos))
                ],
                zone=self._database.zone,
            )

    def case_managers(self) -> list[CaseManager]:
        """Everyone who can own an alert, by name."""
        with self._database.reading() as connection:
            return [_case_manager(row) for row in connection.execute(select(case_managers).order_by("name"))]

    def version(self) -> int:
        """Grows with every load; 0 before the first."""
        with self._database.reading() as connection:
            return int(connection.scalar(select(counters.c.value).where(counters.c.name == "directory")) or 0)


def _people(connection: Connection) -> dict[str, CaseManager]:
    return {row.case_manager_id: _case_manager(row) for row in connection.execute(select(case_managers))}


def _changes(before: Mapping[str, CaseManager], after: Mapping[str, CaseManager]) -> Iterator[str]:
    """In words, who came, who went and of whom what counts for access changed; the first load in one line."""
    if not before:
        yield f"{len(after):,} people, the first"
        return
    for who in sorted(before.keys() | after.keys()):
        if who not in after:
            yield f"{who} went"
        elif who not in before:
            yield f"{who} came, {after[who].role}"
        else:
            was, now_is = before[who], after[who]
            changed = [
                f"{name} from {_said(getattr(was, name))} to {_said(getattr(now_is, name))}"
                for name in ACCESS
                if getattr(was, name) != getattr(now_is, name)
            ]
            if changed:
                yield f"{who}: {', '.join(changed)}"


def _said(value: str | tuple[str, ...]) -> str:
    return (value if isinstance(value, str) else " ".join(value)) or "none"


def _split(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(";") if part)


def _case_manager(row: Any) -> CaseManager:
    return CaseManager(
        case_manager_id=row.case_manager_id,
        name=row.name,
        role=Role(row.role),
        network_id=row.network_id,
        lme_mco_id=row.lme_mco_id,
        email=row.email,
        practices=_split(row.practices),
        hours=row.hours,
        feeds=_split(row.feeds),
        capacity=row.capacity,
    )
