"""A database in, whose tables it has out: this program's, older ones, newer ones or none. Without Alembic: only
whoever changes tables (`migrating`) loads that.
"""

import re
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Connection, inspect

from streams.run.problems import Problem
from streams.store.database import Database

ADVICE: Final = "stop all processes of handoff and run `handoff migrate`"
MIGRATIONS: Final = Path(__file__).parent / "migrations"
_NAMES: Final = re.compile(r'^(revision|down_revision) = (?:"(\w+)"|None)$', re.MULTILINE)


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


@cache
def known_revisions() -> tuple[str, ...]:
    """Revisions of this program's tables, the first first, as the files of the migrations name them."""
    after: dict[str, str] = {}
    for path in (MIGRATIONS / "versions").glob("[0-9]*.py"):
        names = dict(_NAMES.findall(path.read_text("utf-8")))
        after[names["down_revision"]] = names["revision"]
    known: list[str] = []
    while (last := known[-1] if known else "") in after:
        known.append(after.pop(last))
    return tuple(known)


def compare(revision: str) -> MigrationState:
    """What a database at `revision` ("": no tables) has against what this program needs."""
    known = known_revisions()
    wanted = known[-1]
    if not revision:
        return MigrationState(TablesAre.MISSING, "", wanted)
    if revision == wanted:
        return MigrationState(TablesAre.CURRENT, revision, wanted)
    return MigrationState(TablesAre.OLDER if revision in known else TablesAre.NEWER, revision, wanted)


def check(database: Database) -> MigrationState:
    """What the database has. Raises `Unavailable`: so it also says whether the database answers."""
    with database.reading() as connection:
        return compare(_revision_of(connection))


def expect_current(database: Database) -> None:
    """Raises `StoreOutdated` (the text says what to run) unless the tables are this program's, `Unavailable`."""
    state = check(database)
    if state.tables is not TablesAre.CURRENT:
        raise StoreOutdated(state.explain())


def _revision_of(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() or "")
