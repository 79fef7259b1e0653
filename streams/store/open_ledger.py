"""A database URL in, its ledger open out: all of the store that the listener asks, and nothing else loaded."""

from collections.abc import Callable

from streams.store.database import Database, make_engine
from streams.store.ledger import Ledger
from streams.store.revisions import expect_current


def open_ledger(url: str) -> tuple[Ledger, Callable[[], None]]:
    """The ledger, and what closes it. Raises as `Store.open`."""
    database = Database(make_engine(url))
    try:
        expect_current(database)
    except BaseException:
        database.close()
        raise
    return Ledger(database), database.close
