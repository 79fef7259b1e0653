"""People of panels by what is known of them, also those without a stay. Reads only."""

from collections.abc import Collection
from datetime import date
from typing import Final

from sqlalchemy import func, or_, select

from parsers.people import Enrollee
from streams.store.database import Database
from streams.store.panel_rows import enrollee_on, load_enrollees
from streams.store.tables import enrollees

MOST: Final = 50


class People:
    """Looks people up."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(
        self,
        practice_ids: Collection[str] | None,
        *,
        names: Collection[str] = (),
        born: date | None = None,
        ids: Collection[str] = (),
        phone: str = "",
        limit: int = MOST,
    ) -> list[Enrollee]:
        """Of the panels of these practices (`None`: of all) whoever fits everything that is given, by name.

        `names`: beginnings of first, middle or last names in lower case; `ids`: each a member or Medicaid ID, or a
        phone number that is one; `phone`: its last digits, of which a member ID may be made too.
        """
        table = enrollees.c
        wanted = select(table.enrollee_id).where(table.gone == 0)
        if practice_ids is not None:
            wanted = wanted.where(table.practice_id.in_(sorted(practice_ids)))
        for name in names:
            begin = f"{name.replace('/', '//').replace('%', '/%').replace('_', '/_')}%"
            parts = (func.lower(part).like(begin, escape="/") for part in (table.last, table.first, table.middle))
            wanted = wanted.where(or_(*parts))
        if born is not None:
            wanted = wanted.where(table.birth_date == born.isoformat())
        for number in ids:
            wanted = wanted.where(or_(func.upper(table.enrollee_id) == number, func.upper(table.medicaid_id) == number))
        if phone:
            wanted = wanted.where(
                or_(table.phone.like(f"%{phone}"), table.enrollee_id == phone, table.medicaid_id == phone)
            )
        with self._database.reading() as connection:
            enrollee_ids = connection.scalars(
                wanted.order_by(table.last, table.first, table.enrollee_id).limit(limit)
            ).all()
            rows, _ = load_enrollees(connection, enrollee_ids, None)
        return [enrollee_on(rows[enrollee_id], (), None) for enrollee_id in enrollee_ids]

    def of(self, enrollee_id: str) -> Enrollee | None:
        """One person, while they are on a panel."""
        with self._database.reading() as connection:
            rows, _ = load_enrollees(connection, [enrollee_id], None)
        row = rows.get(enrollee_id)
        return enrollee_on(row, (), None) if row else None
