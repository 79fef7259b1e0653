"""How a person wants the pages to be: their choice in, kept under their id; each session of theirs comes with it."""

from streams.store.database import Database, write_rows
from streams.store.tables import preferences


class Preferences:
    """What people chose for themselves."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write_hours(self, case_manager_id: str, *, in_24: bool) -> None:
        """Times are written 17:00 for this person, or 5:00 PM."""
        rest = "ON CONFLICT (case_manager_id) DO UPDATE SET in_24_hours = excluded.in_24_hours"
        with self._database.writing() as connection:
            write_rows(
                connection, preferences, ("case_manager_id", "in_24_hours"), [(case_manager_id, int(in_24))], rest
            )
