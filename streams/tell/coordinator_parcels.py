"""The forms that tell a hospital who coordinates its patient's care: deliveries in, a message or a text out."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from parsers.people import CaseManager, Practice, Role
from rules.telling.attempts import GiveUp
from rules.telling.destinations import Destination
from rules.telling.views import AlertView
from streams.tell.form import Item
from streams.tell.forms import coordinator, hl7v2
from streams.tell.forms.coordinator import Contact
from streams.tell.hl7_documents import as_training
from streams.tell.hl7_parcels import receiver_of
from streams.tell.nobody import TEST_ID, sample_view, test_id
from streams.tell.way import Parcel

ContactOf = Callable[[AlertView, Destination], Contact | None]
_NOBODY: Final = Contact(
    (),
    Practice(practice_id=TEST_ID, name="Test practice", network_id=TEST_ID),
    (CaseManager(case_manager_id=TEST_ID, name="A test", role=Role.NURSE),),
    instructions="do nothing, this is a test",
)


class CoordinatorMessage:
    """One MDM by MLLP."""

    batches = False

    def __init__(self, contact_of: ContactOf, zone: ZoneInfo) -> None:
        self._contact_of = contact_of
        self._zone = zone

    def parcel(self, items: Sequence[Item], to: Destination, number: int) -> Parcel | GiveUp:
        del number
        item = items[0]
        body = coordinator.mdm(
            item.seen, self._contact_of(item.seen, to), item.delivery_id, receiver_of(to), self._zone
        )
        return GiveUp.WITHHELD if body is None else Parcel(item.delivery_id, body, hl7v2.CONTENT_TYPE)

    def sample(self, to: Destination, now: datetime) -> Parcel:
        body = coordinator.mdm(sample_view(now), _NOBODY, test_id(to, now), receiver_of(to), self._zone)
        assert body is not None
        return Parcel(test_id(to, now), as_training(body), hl7v2.CONTENT_TYPE)

    def empty(self, to: Destination, number: int, at: datetime) -> Parcel | None:
        del to, number, at
        return None


class CoordinatorDirect:
    """One Direct message that a person reads."""

    batches = False

    def __init__(self, contact_of: ContactOf) -> None:
        self._contact_of = contact_of

    def parcel(self, items: Sequence[Item], to: Destination, number: int) -> Parcel | GiveUp:
        del number
        item = items[0]
        body = coordinator.text(item.seen, self._contact_of(item.seen, to))
        return GiveUp.WITHHELD if body is None else Parcel(item.delivery_id, body, coordinator.CONTENT_TYPE)

    def sample(self, to: Destination, now: datetime) -> Parcel:
        body = coordinator.text(sample_view(now), _NOBODY)
        assert body is not None
        return Parcel(test_id(to, now), body, coordinator.CONTENT_TYPE)

    def empty(self, to: Destination, number: int, at: datetime) -> Parcel | None:
        del to, number, at
        return None
