"""What this process claimed in; whether it still is this process's, out.

A process that was stopped, or cut off from the store, for longer than it may hold lost what it had: another may have
delivered that and the versions after it, so what is left of the turn is not sent.
"""

from collections.abc import Iterable
from datetime import datetime

from streams.store.delivery import Claimed


class InHand:
    """Deliveries by when others may take them."""

    def __init__(self) -> None:
        self._until: dict[str, datetime] = {}

    def take(self, claimed: Iterable[Claimed], until: datetime) -> None:
        """What was claimed, until when."""
        self._until.update((delivery.delivery_id, until) for delivery in claimed)

    def extend(self, delivery_ids: Iterable[str], until: datetime) -> None:
        """What is held for longer, unless it ended meanwhile."""
        self._until.update((delivery_id, until) for delivery_id in delivery_ids if delivery_id in self._until)

    def drop(self, delivery_ids: Iterable[str]) -> None:
        """What ended or was given back."""
        for delivery_id in delivery_ids:
            self._until.pop(delivery_id, None)

    def held(self, now: datetime) -> tuple[str, ...]:
        """The ids of all that nobody else may take now."""
        return tuple(delivery_id for delivery_id, until in self._until.items() if until > now)

    def holds(self, claimed: Iterable[Claimed], now: datetime) -> bool:
        """Whether nobody else may take any of these."""
        return all(self._until.get(delivery.delivery_id, now) > now for delivery in claimed)
