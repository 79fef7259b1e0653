"""What somebody is to hear by mail beside their alerts in, written with the deed it is about; what is unsent out.

No patient is in one: who did what, or what happened, and when. To whom it goes is found when it is sent.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from streams.store.database import Database, delete_in_steps
from streams.store.tables import from_us, notices, to_us

NOTICE_DAYS: Final = 7
_AT_ONCE: Final = 1_000


class NoticeKind(StrEnum):
    BROKE_GLASS = "broke_glass"  # to the managers of the network whose patient it was
    USED_CODE = "used_code"  # a recovery code; to whom it belonged
    PAUSED = "paused"  # a destination that fails; to who answers for whose it is, else to who may start it again


class Notice(NamedTuple):
    """One thing to be told."""

    notice_id: str
    kind: NoticeKind
    about: str  # who did it, or the destination that was paused
    network_id: str
    codes_left: int
    at: datetime
    tries: int = 0


def leave(
    connection: Connection,
    kind: NoticeKind,
    about: str,
    now: datetime,
    *,
    network_id: str = "",
    codes_left: int = 0,
) -> None:
    """Put up a notice, in the transaction of what it tells."""
    values = {"notice_id": secrets.token_hex(16), "kind": str(kind), "case_manager_id": about}
    details = {"network_id": network_id, "codes_left": codes_left, "at_us": to_us(now), "next_us": to_us(now)}
    connection.execute(insert(notices).values(**values, **details))


class Notices:
    """Notices until they are told, and a week after."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, now: datetime, limit: int = 20) -> Sequence[Notice]:
        """Those to be tried now, the oldest first."""
        waiting = (notices.c.ended_us == 0) & (notices.c.next_us <= to_us(now))
        with self._database.reading() as connection:
            rows = connection.execute(select(notices).where(waiting).order_by(notices.c.at_us).limit(limit)).all()
        return [
            Notice(
                row.notice_id,
                NoticeKind(row.kind),
                row.case_manager_id,
                row.network_id,
                row.codes_left,
                from_us(row.at_us),
                row.tries,
            )
            for row in rows
        ]

    def waiting(self) -> tuple[int, datetime | None]:
        """How many are not told yet, and what the oldest of them is of."""
        unsent = select(func.count(), func.min(notices.c.at_us)).where(notices.c.ended_us == 0)
        with self._database.reading() as connection:
            number, oldest = connection.execute(unsent).one()
        return int(number), from_us(oldest) if oldest is not None else None

    def end(self, notice_id: str, now: datetime) -> None:
        """It was told, or nobody will be."""
        self._change(notice_id, ended_us=to_us(now))

    def again(self, notice_id: str, at: datetime) -> None:
        """A try failed; the next is at `at`."""
        self._change(notice_id, next_us=to_us(at), tries=notices.c.tries + 1)

    def prune(self, now: datetime) -> None:
        """Forget those of more than a week ago, told or not: they are in the audit."""
        delete_in_steps(self._database, notices, notices.c.at_us < to_us(now - timedelta(days=NOTICE_DAYS)), _AT_ONCE)

    def _change(self, notice_id: str, **values: object) -> None:
        with self._database.writing() as connection:
            connection.execute(update(notices).where(notices.c.notice_id == notice_id).values(**values))
