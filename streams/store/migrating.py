"""A database in, the same database with today's tables out."""

from typing import Final

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

from streams.store.database import Database, take_your_time
from streams.store.revisions import MIGRATIONS, StoreOutdated, TablesAre, compare

LOCK: Final = 0x68616E646F6666  # any number that only migrations use


def scripts() -> ScriptDirectory:
    """The migrations of this program."""
    return ScriptDirectory(str(MIGRATIONS))


def migrate(database: Database, to: str = "head") -> None:
    """Bring the tables to revision `to` in one transaction; processes that start together take turns.

    Raises `StoreOutdated` when the database is newer than the program, `Unavailable` when it cannot be reached.
    """
    with database.writing() as connection:
        if database.backend == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        take_your_time(connection)
        context = MigrationContext.configure(connection)
        revision = context.get_current_revision() or ""
        before = compare(revision)
        if before.tables is TablesAre.NEWER:
            raise StoreOutdated(before.explain())
        context._ensure_version_table()
        with Operations.context(context):
            for script in reversed(list(scripts().iterate_revisions(to, revision or "base"))):
                script.module.upgrade()
                if script.down_revision is None:
                    connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{script.revision}')")  # noqa: S608
                else:
                    connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{script.revision}'")  # noqa: S608
