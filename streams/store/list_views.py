"""Lists that people keep under a name, each as the document of what it shows. Theirs alone."""

import secrets
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import delete, func, select

from streams.store.database import Database, write_rows
from streams.store.tables import list_views, to_us

MOST: Final = 30  # of one person


class KeptView(NamedTuple):
    """One of a person's lists; the one without a name is the last they looked at without keeping it."""

    view_id: str
    name: str
    document: str


class ListViews:
    """What people kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, case_manager_id: str, name: str, document: str, at: datetime) -> str:
        """Keep a list in place of one of the same name; gives its id; "" when there are too many."""
        with self._database.writing() as connection:
            same = connection.scalar(
                select(list_views.c.view_id).where(
                    list_views.c.case_manager_id == case_manager_id, list_views.c.name == name
                )
            )
            mine = select(func.count()).where(list_views.c.case_manager_id == case_manager_id)
            if same is None and name and (connection.scalar(mine) or 0) > MOST:
                return ""
            view_id = str(same or secrets.token_hex(8))
            write_rows(
                connection,
                list_views,
                ("view_id", "case_manager_id", "name", "document", "kept_us"),
                [(view_id, case_manager_id, name, document, to_us(at))],
                "ON CONFLICT (view_id) DO UPDATE SET document = excluded.document, kept_us = excluded.kept_us",
            )
            return view_id

    def of(self, case_manager_id: str) -> list[KeptView]:
        """All of one person, by name."""
        wanted = select(list_views.c.view_id, list_views.c.name, list_views.c.document).where(
            list_views.c.case_manager_id == case_manager_id
        )
        with self._database.reading() as connection:
            return sorted((KeptView(*row) for row in connection.execute(wanted)), key=lambda view: view.name.casefold())

    def forget(self, case_manager_id: str, view_id: str) -> None:
        with self._database.writing() as connection:
            connection.execute(
                delete(list_views).where(
                    list_views.c.case_manager_id == case_manager_id, list_views.c.view_id == view_id
                )
            )
