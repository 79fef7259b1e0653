"""Which account of a provider is which row of the directory: bound once, so that an address that changes hands takes
nothing with it.
"""

from datetime import datetime

from sqlalchemy import delete, insert, select

from streams.store.audit import Audited, note
from streams.store.database import Database
from streams.store.tables import identities, to_us


class Identities:
    """Accounts (issuer, subject) and their rows; a row has one account of each issuer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def bound(self, issuer: str, subject: str) -> str | None:
        """The row of this account."""
        mine = (identities.c.issuer == issuer) & (identities.c.subject == subject)
        with self._database.reading() as connection:
            case_manager_id = connection.scalar(select(identities.c.case_manager_id).where(mine))
        return None if case_manager_id is None else str(case_manager_id)

    def bind(self, issuer: str, subject: str, case_manager_id: str, now: datetime) -> bool:
        """Make the row this account's; False when it is another one's already."""
        there = (identities.c.issuer == issuer) & (
            (identities.c.subject == subject) | (identities.c.case_manager_id == case_manager_id)
        )
        with self._database.writing() as connection:
            before = connection.execute(select(identities).where(there)).all()
            if before:
                return [(row.subject, row.case_manager_id) for row in before] == [(subject, case_manager_id)]
            values = {"issuer": issuer, "subject": subject, "case_manager_id": case_manager_id, "bound_us": to_us(now)}
            connection.execute(insert(identities).values(values))
            note(connection, now, case_manager_id, Audited.BOUND, detail="account of the provider")
        return True

    def forget(self, case_manager_id: str, now: datetime) -> int:
        """Part the row from its accounts, so that another may be bound; says from how many."""
        with self._database.writing() as connection:
            gone = connection.execute(delete(identities).where(identities.c.case_manager_id == case_manager_id))
            if gone.rowcount:
                note(connection, now, case_manager_id, Audited.UNBOUND, detail="account of the provider")
            return int(gone.rowcount)
