"""Who opened which patient in an emergency, why and until when; and which of it a manager has still to look at."""

import secrets
from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import insert, select, update

from rules.following.glass import GlassReason
from rules.following.roles import BREAK_GLASS_FOR, glass_holds
from streams.store.audit import Audited, note
from streams.store.database import Database
from streams.store.notices import NoticeKind, leave
from streams.store.tables import from_us, glass, to_us


class Broken(NamedTuple):
    """One time that somebody opened a patient."""

    glass_id: str
    case_manager_id: str
    enrollee_id: str
    network_id: str  # whose manager looks at it
    reason: GlassReason
    words: str
    at: datetime

    @property
    def until(self) -> datetime:
        return self.at + BREAK_GLASS_FOR


class Glass:
    """What was opened in an emergency."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def break_for(
        self, case_manager_id: str, enrollee_id: str, network_id: str, reason: GlassReason, words: str, now: datetime
    ) -> Broken:
        """Opens a patient to somebody, in the audit with reason and end; who answers for the network is told."""
        broken = Broken(secrets.token_hex(8), case_manager_id, enrollee_id, network_id, reason, words.strip(), now)
        with self._database.writing() as connection:
            values = {**broken._asdict(), "reason": str(reason), "at_us": to_us(now)}
            del values["at"]
            connection.execute(insert(glass).values(values))
            detail = f"{reason}, until {broken.until.isoformat(timespec='seconds')}: {broken.words}"
            note(connection, now, case_manager_id, Audited.BROKE_GLASS, enrollee_id=enrollee_id, detail=detail)
            leave(connection, NoticeKind.BROKE_GLASS, case_manager_id, now, network_id=network_id)
        return broken

    def holds(self, case_manager_id: str, enrollee_id: str, now: datetime) -> Broken | None:
        """The newest time this person opened this patient, if that is not over."""
        wanted = (
            select(glass)
            .where(glass.c.case_manager_id == case_manager_id, glass.c.enrollee_id == enrollee_id)
            .order_by(glass.c.at_us.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            row = connection.execute(wanted).one_or_none()
        broken = _broken(row) if row is not None else None
        return broken if broken and glass_holds(broken.at, now) else None

    def waiting(self, networks: Collection[str] | None, but: str) -> list[Broken]:
        """What nobody has looked at yet of these networks (`None`: of all), the oldest first; `but`: nobody looks at
        their own."""
        wanted = select(glass).where(glass.c.looked_us == 0, glass.c.case_manager_id != but).order_by(glass.c.at_us)
        if networks is not None:
            wanted = wanted.where(glass.c.network_id.in_(networks))
        with self._database.reading() as connection:
            return [_broken(row) for row in connection.execute(wanted)]

    def look_at(self, glass_id: str, case_manager_id: str, now: datetime) -> bool:
        """Somebody has looked at it and found it in order; False when somebody had before."""
        open_one = (glass.c.glass_id == glass_id) & (glass.c.looked_us == 0)
        with self._database.writing() as connection:
            values = {"looked_by": case_manager_id, "looked_us": to_us(now)}
            done = connection.execute(update(glass).where(open_one).values(values).returning(glass)).one_or_none()
            if done is None:
                return False
            detail = f"opened by {done.case_manager_id}"
            note(connection, now, case_manager_id, Audited.LOOKED_AT_GLASS, enrollee_id=done.enrollee_id, detail=detail)
        return True


def _broken(row: Any) -> Broken:
    return Broken(
        row.glass_id,
        row.case_manager_id,
        row.enrollee_id,
        row.network_id,
        GlassReason(row.reason),
        row.words,
        from_us(row.at_us),
    )
