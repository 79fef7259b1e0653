"""A database in, the same database with today's tables out; or which of the two it has."""

from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from streams.run.problems import Problem
from streams.store.database import Database

ADVICE: Final = "stop all processes of handoff and run `handoff migrate`"
LOCK: Final = 0x68616E646F6666  # any number that only migrations use


class StoreOutdated(Problem):
    """The store's tables are not this program's; the text says what to do."""


class TablesAre(StrEnum):
    MISSING = "missing"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"


class MigrationState(NamedTuple):
    tables: TablesAre
    found: str  # revision of the database, "" for none
    wanted: str  # revision of this program

    def explain(self) -> str:
        """What is wrong and what to run; "" when nothing is."""
        match self.tables:
            case TablesAre.CURRENT:
                return ""
            case TablesAre.NEWER:
                return f"the store was written by a newer handoff (revision {self.found}): install that or a later one"
            case TablesAre.MISSING:
                return f"the store has no tables yet: {ADVICE}"
            case TablesAre.OLDER:
                return f"the store is at revision {self.found}, this program needs {self.wanted}: {ADVICE}"


def scripts() -> ScriptDirectory:
    """The migrations of this program."""
    return ScriptDirectory(str(Path(__file__).parent / "migrations"))


def state(connection: Connection) -> MigrationState:
    """What the database has against what this program needs."""
    found = MigrationContext.configure(connection).get_current_revision() or ""
    return _compare(found, scripts())


def _compare(found: str, known: ScriptDirectory) -> MigrationState:
    wanted = known.get_current_head() or ""
    if not found:
        return MigrationState(TablesAre.MISSING, "", wanted)
    if found == wanted:
        return MigrationState(TablesAre.CURRENT, found, wanted)
    older = found in {script.revision for script in known.walk_revisions()}
    return MigrationState(TablesAre.OLDER if older else TablesAre.NEWER, found, wanted)


def migrate(database: Database, to: str = "head") -> None:
    """Bring the tables to revision `to` in one transaction; processes that start together take turns.

    Raises `StoreOutdated` when the database is newer than the program, `Unavailable` when it cannot be reached.
    """
    known = scripts()
    with database.writing() as connection:
        if database.backend == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        context = MigrationContext.configure(connection)
        found = context.get_current_revision() or ""
        before = _compare(found, known)
        if before.tables is TablesAre.NEWER:
            raise StoreOutdated(before.explain())
        context._ensure_version_table()
        with Operations.context(context):
            for script in reversed(list(known.iterate_revisions(to, found or "base"))):
                script.module.upgrade()
                if script.down_revision is None:
                    connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{script.revision}')")  # noqa: S608
                else:
                    connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{script.revision}'")  # noqa: S608
