"""A database URL in, an open `Store` out; what it can do is in the files of its parts."""

from typing import Self

from sqlalchemy import Engine

from streams.store.acts import Acts
from streams.store.audit import Auditing
from streams.store.changes import Feed
from streams.store.database import Database, make_engine
from streams.store.decisions import Deciding
from streams.store.deliveries import Deliveries
from streams.store.directory import Directories
from streams.store.escalations import Escalations
from streams.store.inbox_rows import Inbox
from streams.store.keeping_up import KeepingUp
from streams.store.migrating import MigrationState, StoreOutdated, TablesAre, migrate, state
from streams.store.panel_load import Panel
from streams.store.reviews import Reviewing
from streams.store.seen import Seen
from streams.store.sign_in import SignIn
from streams.store.ticks import Ticks
from streams.store.unmatched import Unmatched


class Store(
    Deciding, Feed, Inbox, Seen, Reviewing, Unmatched, Panel, Directories, SignIn, Auditing, KeepingUp, Deliveries
):
    """Everything a process asks of the database. Methods are safe to call from several threads."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.acts = Acts(self)
        self.escalations = Escalations(self)
        self.ticks = Ticks(self)

    @classmethod
    def open(cls, url: str, *, migrate: bool = False) -> Self:
        """Connect; with `migrate`, bring older tables up to date first.

        Raises `StoreOutdated` (the text says what to run), `Unavailable`, or `ValueError` for a URL that names neither
        SQLite nor PostgreSQL.
        """
        store = cls(make_engine(url))
        try:
            found = store.check()
            if migrate and found.tables in {TablesAre.MISSING, TablesAre.OLDER}:
                store._migrate()
                found = store.check()
            if found.tables is not TablesAre.CURRENT:
                raise StoreOutdated(found.explain())
        except BaseException:
            store.close()
            raise
        return store

    def _migrate(self) -> None:
        migrate(Database(self._engine))

    def check(self) -> MigrationState:
        """Which tables the database has. Raises `Unavailable`: so it also says whether the database answers."""
        with self.reading() as connection:
            return state(connection)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()
