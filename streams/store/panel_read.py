"""The panel as the matcher reads it: where a reader stands and what changed since."""

from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from streams.store.tables import counters

READ_AT_ONCE: Final = 5_000
CURSOR_SHIFT: Final = 40


class PanelChanges(NamedTuple):
    """What the matcher has to learn. `seq` is to be handed back next time."""

    seq: int
    enrollee_ids: tuple[str, ...] = ()  # new or changed
    removed: tuple[str, ...] = ()
    crosswalk: tuple[tuple[str, str, str | None], ...] = ()  # system, value, enrollee_id or nobody


class PanelLoad(NamedTuple):
    """A load that was written."""

    seq: int
    loaded_at: datetime


def counters_now(connection: Connection) -> tuple[int, int]:
    wanted = select(counters.c.name, counters.c.value).where(counters.c.name.in_(("panel", "crosswalk")))
    values = {row[0]: row[1] for row in connection.execute(wanted)}
    return values["panel"], values["crosswalk"]


def cursor_of(panel: int, numbers: int) -> int:
    return (panel << CURSOR_SHIFT) + numbers
