"""A hospital's identifier of a patient in; the enrollee who has a stay there that runs or ended not long ago, out.

And of an alert the stay as that hospital knows it, of somebody who looks after patients the feeds that tell of them.
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import JSON, cast, distinct, func, or_, select, type_coerce, union

from parsers.people import Enrollee
from rules.decisions import Stay, StayStatus
from streams.store.database import Database
from streams.store.open_alerts import STAY_GOES_ON
from streams.store.panel_rows import enrollee_on, load_enrollees
from streams.store.tables import alert_owners, alerts, crosswalk, enrollees, stays, to_us


class TheirHospital(NamedTuple):
    """What one feed is to somebody."""

    name: str  # of the hospital; "" for a feed of several
    people: int  # of theirs who had a stay there


class AtHospital:
    """Who is known to a hospital as a patient of now."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, system: str, value: str, facility: str, since: datetime) -> Enrollee | None:
        """`since`: a stay that ended before is over. `None`: unknown, nobody of ours, or not theirs."""
        stay = (
            select(stays.c.stay_id)
            .where(
                stays.c.enrollee_id == crosswalk.c.enrollee_id,
                func.lower(stays.c.facility) == func.lower(facility),
                or_(
                    STAY_GOES_ON,
                    (stays.c.status == str(StayStatus.FINISHED)) & (stays.c.active_us >= to_us(since)),
                ),
            )
            .exists()
        )
        wanted = select(crosswalk.c.enrollee_id).where(
            crosswalk.c.system == system, crosswalk.c.value == value, crosswalk.c.enrollee_id != "", stay
        )
        with self._database.reading() as connection:
            enrollee_id = connection.scalar(wanted)
            if enrollee_id is None:
                return None
            rows, homes = load_enrollees(connection, [enrollee_id], None)
            row = rows.get(enrollee_id)
            return enrollee_on(row, homes.get(enrollee_id, ()), None) if row else None

    def feeds_of(
        self, case_manager_id: str, practice_ids: Collection[str], since: datetime
    ) -> dict[str, TheirHospital]:
        """The feeds that have told of somebody of these practices, or of whom this person was told, since then."""
        text_as = cast if self._database.backend == "postgresql" else type_coerce  # SQLite has no such type
        feed = text_as(stays.c.document, JSON)["feed"].as_string().label("feed")
        stay = (feed, stays.c.facility.label("facility"), stays.c.enrollee_id.label("enrollee_id"))
        recent = stays.c.active_us >= to_us(since)
        theirs = (
            select(*stay)
            .join(enrollees, enrollees.c.enrollee_id == stays.c.enrollee_id)
            .where(enrollees.c.practice_id.in_(sorted(practice_ids)), recent)
        )
        heard_of = (
            select(*stay)
            .join(alerts, alerts.c.stay_id == stays.c.stay_id)
            .join(alert_owners, alert_owners.c.alert_id == alerts.c.alert_id)
            .where(alert_owners.c.case_manager_id == case_manager_id, recent)
        )
        both = union(theirs, heard_of).subquery()
        people = func.count(distinct(both.c.enrollee_id))
        names = (func.min(both.c.facility), func.max(both.c.facility))
        wanted = select(both.c.feed, *names, people).group_by(both.c.feed)
        with self._database.reading() as connection:
            return {
                feed: TheirHospital(first if first == last else "", number)
                for feed, first, last, number in connection.execute(wanted)
            }

    def stay_of(self, alert_id: str, facility: str) -> Stay | None:
        """The stay of an alert; `None` when it is at another facility, or not known."""
        wanted = (
            select(stays.c.document)
            .join(alerts, alerts.c.stay_id == stays.c.stay_id)
            .where(alerts.c.alert_id == alert_id, func.lower(stays.c.facility) == func.lower(facility))
        )
        with self._database.reading() as connection:
            document = connection.scalar(wanted)
        return Stay.read(document) if document else None
