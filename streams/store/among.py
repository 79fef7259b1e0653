"""Whose rows are looked at, whoever has them, in; the conditions over the table `alerts` that find them out."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import or_, select

from streams.store.open_alerts import IS_AWAITED, MAY_BE_OPEN
from streams.store.tables import alerts, enrollees, to_us

SHOWN_DAYS: Final = 60  # a finished row leaves the page after so long
MOST_ROWS: Final = 2_000
MOST_OPEN: Final = 10_000


class Among(NamedTuple):
    """What is left out narrows nothing."""

    practice_ids: Collection[str] | None = None  # on the panels of these
    enrollee_id: str = ""
    alert_ids: Sequence[str] | None = None  # these, however old they are
    open_only: bool = False  # what may ask somebody for something; more of it is read

    @property
    def most(self) -> int:
        """How many rows are read: what asks for something first, most urgent and oldest."""
        return MOST_OPEN if self.open_only else MOST_ROWS

    def where(self, now: datetime) -> list[Any]:
        recent = alerts.c.decided_us >= to_us(now - timedelta(days=SHOWN_DAYS))
        conditions = [alerts.c.alert_id.in_(self.alert_ids) if self.alert_ids is not None else or_(IS_AWAITED, recent)]
        if self.practice_ids is not None:
            on_panels = select(enrollees.c.enrollee_id).where(enrollees.c.practice_id.in_(sorted(self.practice_ids)))
            conditions.append(alerts.c.enrollee_id.in_(on_panels))
        if self.enrollee_id:
            conditions.append(alerts.c.enrollee_id == self.enrollee_id)
        return [*conditions, MAY_BE_OPEN] if self.open_only else conditions
