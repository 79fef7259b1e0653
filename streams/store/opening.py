"""Settings in, the open store out, for commands: what a user can mend comes as a `Problem`."""

from collections.abc import Iterator
from contextlib import contextmanager
from zoneinfo import ZoneInfo

from streams.run.files import private_folder
from streams.run.problems import Problem
from streams.run.rule_file import RuleFile
from streams.run.rule_files import POLICY
from streams.run.settings import Settings
from streams.run.who import who_commands
from streams.store import Damaged, Store, Unavailable
from streams.store.audit import ORIGIN


def office_zone(settings: Settings) -> ZoneInfo:
    """That of the policy in force. Raises `SettingsError` when the file has faults."""
    return RuleFile(POLICY, settings).current().tz


@contextmanager
def open_store(settings: Settings, *, migrate: bool | None = None, office: ZoneInfo | None = None) -> Iterator[Store]:
    """The store, closed afterwards; brought up to date first with `migrate`, or where it is the data folder's own. What
    is done with it comes, for the audit, from whoever runs the command. `office`: its zone, for who asks nothing of
    its days, and goes on where the policy that names it has faults.

    Raises `Problem` when it cannot be opened or goes away within the block, also `StoreOutdated`, which is one.
    """
    own = not settings.database_url.get_secret_value()
    if own:
        private_folder(settings.data_dir)
    try:
        zone = office or office_zone(settings)
        store = Store.open(settings.store_url, migrate=own if migrate is None else migrate, zone=zone)
    except Unavailable as error:
        raise Problem(said_of(error, settings)) from None
    except ValueError:
        raise Problem("DATABASE_URL is not a database URL: expected postgresql://user:password@host/name") from None
    origin = ORIGIN.set(who_commands())
    try:
        yield store
    except Unavailable as error:
        raise Problem(f"{said_of(error, settings)}; nothing is half done, try again then") from None
    finally:
        ORIGIN.reset(origin)
        store.close()


def said_of(error: Unavailable, settings: Settings) -> str:
    """Why the database cannot be used and what to do, in a sentence."""
    if isinstance(error, Damaged):
        return f"the store is damaged ({error}): stop everything and bring back your last copy of the data folder"
    if not settings.database_url.get_secret_value():
        return f"the store in {settings.data_dir} cannot be used now ({error}): is the disk full, the folder writable?"
    return f"the database does not answer ({error}): check DATABASE_URL and that the server is up"
