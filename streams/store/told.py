"""An alert and more people in; the alert theirs from now on, so that whatever comes of it reaches them, too."""

from collections.abc import Iterable

from sqlalchemy import Connection, update

from rules.decisions import Alert
from streams.store.tables import alerts


def tell_also(connection: Connection, alert: Alert, people: Iterable[str]) -> None:
    """They were told of the newest version, after it was decided. `people`: case_manager_ids."""
    grown = tuple(dict.fromkeys((*alert.told, *people)))
    if grown != alert.told:
        document = alert.model_copy(update={"told": grown}).written().decode()
        connection.execute(update(alerts).where(alerts.c.alert_id == alert.alert_id).values(document=document))
