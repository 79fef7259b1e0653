"""What all forms share: deliveries to one destination in, the parcels a way carries out."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from rules.telling.attempts import GiveUp
from rules.telling.destinations import Destination
from rules.telling.views import AlertView
from streams.tell.way import Parcel


class Item(NamedTuple):
    """One delivery as a form gets it: what its recipient may read, never the alert."""

    delivery_id: str
    made_at: datetime
    seen: AlertView
    number: int = 0  # of the event, of a FHIR subscription
    first_told: int = 0  # version of the stay that its recipient has, or may have, and nothing took back; 0: none

    def __repr__(self) -> str:
        return f"<Item {self.delivery_id}>"


class Form(Protocol):
    """Makes the parcel of one delivery, or of all that is due to a destination when it `batches`."""

    batches: bool

    def parcel(self, items: Sequence[Item], to: Destination, number: int) -> Parcel | GiveUp:
        """`number`: of the file or mail, where the form batches. `GiveUp`: why it can never be told there."""
        ...

    def sample(self, to: Destination, now: datetime) -> Parcel:
        """What `handoff destination test` sends: marked as a test, about nobody."""
        ...

    def empty(self, to: Destination, number: int, at: datetime) -> Parcel | None:
        """What says that nothing was; `None` where a form has no such thing."""
        ...
