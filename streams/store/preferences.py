"""How a person wants the pages to be: their choice in, kept under their id; each session of theirs comes with it."""

from sqlalchemy import insert, update

from streams.store.database import Database
from streams.store.tables import preferences


class Preferences:
    """What people chose for themselves."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write_hours(self, case_manager_id: str, *, in_24: bool) -> None:
        """Times are written 17:00 for this person, or 5:00 PM."""
        chosen = {"in_24_hours": int(in_24)}
        with self._database.writing() as connection:
            mine = update(preferences).where(preferences.c.case_manager_id == case_manager_id).values(**chosen)
            if not connection.execute(mine).rowcount:
                connection.execute(insert(preferences).values(case_manager_id=case_manager_id, **chosen))
