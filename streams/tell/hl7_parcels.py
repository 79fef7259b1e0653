"""The forms that are HL7 v2 messages: deliveries in, messages for MLLP out.

`application` and `facility` of a destination's options are MSH-5 and MSH-6. A sample has MSH-11 T: a training message.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rules.decisions import Action
from rules.telling.attempts import GiveUp
from rules.telling.confidentiality import Relationship, Tier
from rules.telling.destinations import Destination
from rules.telling.views import AlertView
from streams.tell.form import Item
from streams.tell.forms import adt, hl7v2, received
from streams.tell.hl7_documents import as_training
from streams.tell.nobody import sample_view, test_id
from streams.tell.way import Parcel

MakeMessage = Callable[[AlertView, str, tuple[str, str], ZoneInfo, int], bytes | None]


class OurMessage:
    """One message of our own making a version: MDM with a readable summary, or ADT."""

    batches = False

    def __init__(self, make: MakeMessage, zone: ZoneInfo) -> None:
        self._make = make
        self._zone = zone

    def parcel(self, items: Sequence[Item], to: Destination, number: int) -> Parcel | GiveUp:
        del number
        item = items[0]
        body = self._make(item.seen, item.delivery_id, receiver_of(to), self._zone, item.first_told)
        return GiveUp.WITHHELD if body is None else Parcel(item.delivery_id, body, hl7v2.CONTENT_TYPE)

    def sample(self, to: Destination, now: datetime) -> Parcel:
        body = self._make(sample_view(now), test_id(to, now), receiver_of(to), self._zone, 0)
        assert body is not None
        return Parcel(test_id(to, now), as_training(body), hl7v2.CONTENT_TYPE)

    def empty(self, to: Destination, number: int, at: datetime) -> Parcel | None:
        del to, number, at
        return None


class Kept(NamedTuple):
    """Messages as they were received (`streams.store.received`)."""

    of: Callable[[str, int], bytes | None]  # behind a version
    told_before: Callable[[str, int, str], bytes | None]  # the newest that a destination has, before a version


class ReceivedMessage:
    """The hospital's own message behind a version, as received, for who treats and from whom nothing is withheld.

    What is taken back without a message about that patient alone is taken back by an A11 about what was passed on.
    """

    batches = False

    def __init__(self, kept: Kept, zone: ZoneInfo) -> None:
        self._kept = kept
        self._zone = zone
        self._sample = OurMessage(adt.adt, zone).sample

    def parcel(self, items: Sequence[Item], to: Destination, number: int) -> Parcel | GiveUp:
        del number
        item, seen = items[0], items[0].seen
        open_to_all = seen.tier is Tier.FULL and not seen.withheld and not seen.notice
        may = open_to_all and seen.relationship is Relationship.TREATING
        message = self._kept.of(seen.alert_id, seen.version) if may else None
        body = received.passed_on(message, receiver_of(to)) if message is not None else None
        if body is not None:
            return Parcel(item.delivery_id, body, hl7v2.CONTENT_TYPE)
        if seen.action is not Action.RETRACT:
            return GiveUp.NOT_PASSED_ON if may else GiveUp.WITHHELD
        earlier = self._kept.told_before(seen.alert_id, seen.version, to.destination_id)
        if earlier is None:
            return GiveUp.NOT_PASSED_ON
        cancel = received.taken_back(earlier, receiver_of(to), item.delivery_id, seen.decided_at, self._zone)
        return GiveUp.NOT_PASSED_ON if cancel is None else Parcel(item.delivery_id, cancel, hl7v2.CONTENT_TYPE)

    def sample(self, to: Destination, now: datetime) -> Parcel:
        return self._sample(to, now)

    def empty(self, to: Destination, number: int, at: datetime) -> Parcel | None:
        del to, number, at
        return None


def receiver_of(to: Destination) -> tuple[str, str]:
    """MSH-5 and MSH-6."""
    return to.options.get("application", ""), to.options.get("facility", "")
