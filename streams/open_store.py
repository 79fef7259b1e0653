"""Settings in, the open store out, for commands: what a user can mend comes as a `Problem`."""

from collections.abc import Iterator
from contextlib import contextmanager

from streams.problems import Problem
from streams.settings import Settings, private_folder
from streams.store import Store, StoreOutdated, Unavailable


@contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    """The store, closed afterwards. The one in the data folder is made or brought up to date when it has to be."""
    own = not settings.database_url.get_secret_value()
    if own:
        private_folder(settings.data_dir)
    try:
        store = Store.open(settings.store_url, migrate=own)
    except StoreOutdated as error:
        raise Problem(str(error)) from None
    except (Unavailable, ValueError):
        raise Problem("the database does not answer: check DATABASE_URL and that the server is up") from None
    try:
        yield store
    except Unavailable:
        raise Problem("the database went away while it was needed: nothing is half done, try again") from None
    finally:
        store.close()
