"""What somebody typed into the forms of a stay and has not sent in, sealed; the same, to the same person, out.

A draft is nobody's act: nothing is told, no clock hears of it, nobody else reads it. It goes when its form is sent.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from cryptography.fernet import InvalidToken
from sqlalchemy import delete, func, select

from streams.store.audit import Audited, note
from streams.store.database import Database, delete_in_steps, write_rows
from streams.store.sealing import SealedFor, lock_for
from streams.store.tables import drafts, to_us

KEPT_DAYS: Final = 7
MOST: Final = 200  # forms of one person
_AT_ONCE: Final = 5_000


class Drafts:
    """Drafts, each by whose it is, of which stay, in which of its forms."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(
        self, case_manager_id: str, alert_id: str, form: str, fields: Mapping[str, str], secret: bytes, now: datetime
    ) -> bool:
        """Keep what was typed in place of what was; False when the person has too many. Audited when it begins."""
        mine = drafts.c.case_manager_id == case_manager_id
        sealed = lock_for(SealedFor.DRAFTS, secret).encrypt(json.dumps(dict(fields)).encode())
        with self._database.writing() as connection:
            same = (mine, drafts.c.alert_id == alert_id, drafts.c.form == form)
            if not connection.scalar(select(func.count()).where(*same)):
                if (connection.scalar(select(func.count()).where(mine)) or 0) >= MOST:
                    return False
                note(connection, now, case_manager_id, Audited.DRAFTED, alert_id=alert_id, detail="not sent")
            write_rows(
                connection,
                drafts,
                ("case_manager_id", "alert_id", "form", "sealed", "kept_us"),
                [(case_manager_id, alert_id, form, sealed, to_us(now))],
                "ON CONFLICT (case_manager_id, alert_id, form)"
                " DO UPDATE SET sealed = excluded.sealed, kept_us = excluded.kept_us",
            )
        return True

    def of(self, case_manager_id: str, alert_id: str, secret: bytes) -> dict[str, dict[str, str]]:
        """The person's drafts on a stay: what stands in which field, by form. Those of another key are none."""
        wanted = select(drafts.c.form, drafts.c.sealed).where(
            drafts.c.case_manager_id == case_manager_id, drafts.c.alert_id == alert_id
        )
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(drafts.c.form)).all()
        opened = ((row.form, _opened(row.sealed, secret)) for row in rows)
        return {form: fields for form, fields in opened if fields is not None}

    def forget(self, case_manager_id: str, alert_id: str, form: str) -> None:
        """Its form was sent, or emptied."""
        with self._database.writing() as connection:
            connection.execute(
                delete(drafts).where(
                    drafts.c.case_manager_id == case_manager_id, drafts.c.alert_id == alert_id, drafts.c.form == form
                )
            )

    def prune(self, now: datetime) -> int:
        """Forget what nobody went on with for `KEPT_DAYS`; gives how many."""
        old = drafts.c.kept_us < to_us(now - timedelta(days=KEPT_DAYS))
        return delete_in_steps(self._database, drafts, old, _AT_ONCE)


def _opened(sealed: bytes, secret: bytes) -> dict[str, str] | None:
    try:
        fields: dict[str, str] = json.loads(lock_for(SealedFor.DRAFTS, secret).decrypt(bytes(sealed)))
    except InvalidToken:
        return None
    return fields
