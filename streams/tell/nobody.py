"""An alert about nobody, and the id it is sent under: what a test of a destination sends."""

from datetime import date, datetime
from typing import Final

from parsers.events import EncounterClass, PersonName
from rules.decisions import Action, AlertKind, Priority, Reason, StayStatus
from rules.telling.confidentiality import Relationship, Tier
from rules.telling.destinations import Destination
from rules.telling.views import AlertView, PersonView
from streams.store.delivery import made_of

TEST_ID: Final = "test"


def sample_view(now: datetime) -> AlertView:
    """An alert about nobody, for tests of a destination."""
    return AlertView(
        alert_id=TEST_ID,
        version=1,
        action=Action.NOTIFY,
        decided_at=now,
        tier=Tier.FULL,
        relationship=Relationship.TREATING,
        person=PersonView(
            enrollee_id=TEST_ID, name=PersonName(family="TEST", given="NOBODY"), birth_date=date(1900, 1, 1)
        ),
        kind=AlertKind.ADMISSION,
        encounter_class=EncounterClass.INPATIENT,
        status=StayStatus.IN_PROGRESS,
        priority=Priority.ROUTINE,
        reasons=(Reason.ADMITTED,),
        facility="TEST",
        occurred_at=now,
        started_at=now,
    )


def test_id(to: Destination, now: datetime) -> str:
    """Of the delivery of a test."""
    return made_of(to.destination_id, "test", now.isoformat())
