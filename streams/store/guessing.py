"""Tries at a secret counted in the store, for every inbox alike: what is tried at in, how long to wait out.

A try is counted before it is looked at, so that many at once are no more than one after the other. Whoever waits is
slowed, never locked out; a count wears off by itself. Nobody learns from it who exists: an unknown name is counted too.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import select, update

from streams.store.database import Database, delete_in_steps, write_rows
from streams.store.tables import from_us, guesses, to_us

KEPT_DAYS: Final = 2
_AT_ONCE: Final = 5_000


class Limit(NamedTuple):
    """How one kind of key is slowed."""

    free: int  # tries without a wait
    worn_off: timedelta  # one try is forgotten each time so long has passed
    longest: timedelta

    def wait(self, tries: int) -> timedelta:
        """Until the next try after so many: nothing, then 2, 4, 8 … seconds."""
        over = tries - self.free
        return min(timedelta(seconds=2 ** min(over, 20)), self.longest) if over > 0 else timedelta()

    def left(self, tries: int, since: timedelta) -> int:
        """How many of the tries still count so long after the last."""
        return max(0, tries - since // self.worn_off)


PERSON: Final = Limit(5, timedelta(minutes=30), timedelta(minutes=30))
ADDRESS: Final = Limit(20, timedelta(seconds=30), timedelta(minutes=5))  # many people share one


class Guessing:
    """Who may try, and who waits."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, keys: Mapping[str, Limit], now: datetime) -> timedelta:
        """Counts one try at all of the keys, unless one of them has to wait: for how long."""
        names = sorted(keys)
        with self._database.writing() as connection:
            write_rows(connection, guesses, ("key",), [(name,) for name in names], "ON CONFLICT DO NOTHING")
            wanted = select(guesses).where(guesses.c.key.in_(names)).order_by(guesses.c.key).with_for_update()
            rows = connection.execute(wanted).all()
            wait = max(from_us(row.until_us) - now for row in rows)
            if wait > timedelta():
                return wait
            for row in rows:
                limit = keys[row.key]
                tries = limit.left(row.tries, now - from_us(row.last_us)) + 1
                values = {"tries": tries, "last_us": to_us(now), "until_us": to_us(now + limit.wait(tries))}
                connection.execute(update(guesses).where(guesses.c.key == row.key).values(values))
        return timedelta()

    def clear(self, key: str) -> None:
        """Who tried has proven to be the one: the key is free again."""
        with self._database.writing() as connection:
            connection.execute(update(guesses).where(guesses.c.key == key).values(tries=0, until_us=0))

    def give_back(self, key: str, tries: int = 1) -> None:
        """The tries that were just taken at a key that others share were no guesses."""
        with self._database.writing() as connection:
            taken = (guesses.c.key == key) & (guesses.c.tries >= tries)
            connection.execute(update(guesses).where(taken).values(tries=guesses.c.tries - tries, until_us=0))

    def prune(self, now: datetime) -> int:
        """Forgets what nobody tried at for days; gives how many."""
        old = guesses.c.last_us < to_us(now - timedelta(days=KEPT_DAYS))
        return delete_in_steps(self._database, guesses, old, _AT_ONCE)
