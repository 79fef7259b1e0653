"""Who does what again and again: a name in, the turn of one process out, with a token that fences whoever lost it.

No clock decides: whoever has the turn changes the row with every beat, and a process that has watched it unchanged for
so long by its own monotonic clock takes it over. What is written under a turn is written in a transaction that holds
the row and finds its own token there.
"""

import time
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from streams.store.database import Database, Unavailable, write_rows
from streams.store.tables import from_us, ticks, to_us


class TurnLost(Unavailable):
    """Another process has taken over; nothing was written."""


class Turn(NamedTuple):
    """The right to do `name`, as long as nobody took it over."""

    name: str
    token: int


class Ticks:
    """Turns at what only one process does; an object remembers what it watched, so a process keeps one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watched: dict[str, tuple[tuple[int, int], float]] = {}

    def take(self, name: str, holder: str, patience: float) -> Turn | None:
        """The turn, when `holder` has it or its holder has not moved for `patience` seconds. Counts as a beat."""
        with self._database.writing() as connection:
            write_rows(connection, ticks, ("name",), [(name,)], "ON CONFLICT DO NOTHING")
            row = connection.execute(select(ticks).where(ticks.c.name == name).with_for_update()).one()
            if row.holder != holder and not self._stands_still(name, row.token, row.beat, row.holder, patience):
                return None
            token = row.token if row.holder == holder else row.token + 1
            changes = {"holder": holder, "token": token, "beat": row.beat + 1}
            connection.execute(update(ticks).where(ticks.c.name == name).values(**changes))
        return Turn(name, token)

    def give_back(self, turn: Turn) -> None:
        """Let another process take over at once."""
        with self._database.writing() as connection:
            mine = (ticks.c.name == turn.name) & (ticks.c.token == turn.token)
            connection.execute(update(ticks).where(mine).values(holder=""))

    def ran(self, turn: Turn, at: datetime) -> None:
        """Note that it was done."""
        with self._database.writing() as connection:
            fence(connection, turn)
            connection.execute(update(ticks).where(ticks.c.name == turn.name).values(ran_us=to_us(at)))

    def last_run(self, name: str) -> datetime | None:
        """When it was done last, by anybody."""
        with self._database.reading() as connection:
            at = connection.scalar(select(ticks.c.ran_us).where(ticks.c.name == name))
        return from_us(at) if at else None

    def _stands_still(self, name: str, token: int, beat: int, holder: str, patience: float) -> bool:
        if not holder:
            return True
        now, (last, since) = time.monotonic(), self._watched.get(name, ((-1, -1), 0.0))
        if last != (token, beat):
            self._watched[name] = ((token, beat), now)
            return False
        return now - since >= patience


def fence(connection: Connection, turn: Turn) -> None:
    """Hold the row to the end of this transaction. Raises `TurnLost` when another process took over."""
    wanted = select(ticks.c.token).where(ticks.c.name == turn.name).with_for_update()
    if connection.scalar(wanted) != turn.token:
        raise TurnLost("another process has taken over")
