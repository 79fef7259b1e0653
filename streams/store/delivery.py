"""One delivery: its id, where it stands, what is known of it while it is in hand and after."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from rules.decisions import Alert
from streams.run.hash_keys import keys_in
from streams.store.destinations import GIVEN_UP, WAITING


class DeliveryState(StrEnum):
    WAITING = WAITING
    DELIVERED = "delivered"
    GIVEN_UP = GIVEN_UP
    SUPERSEDED = "superseded"


class Claimed(NamedTuple):
    """A delivery in hand."""

    delivery_id: str
    destination_id: str
    alert: Alert
    position: int
    tries: int  # before this one
    made_at: datetime
    batch: int
    number: int = 0  # of the event, of a FHIR subscription

    def __repr__(self) -> str:
        return f"<Claimed {self.delivery_id}>"


class End(NamedTuple):
    """What became of a delivery in hand: ended, or waiting for another try at `at`, or given back untried."""

    delivery_id: str
    destination_id: str
    state: DeliveryState
    at: datetime  # when it ended, or when it is tried again
    failure: str = ""  # Failure or GiveUp
    status: str = ""  # the receiver's code
    tier: str = ""  # how much of the alert went along
    maybe: bool = False  # nobody knows whether it arrived
    tried: bool = True


class Sums(NamedTuple):
    """How many deliveries of a destination are where."""

    due: int = 0
    waiting: int = 0
    delivered: int = 0
    given_up: int = 0
    superseded: int = 0

    @property
    def balanced(self) -> bool:
        return self.due == self.waiting + self.delivered + self.given_up + self.superseded


class Standing(NamedTuple):
    """How a destination stands."""

    sums: Sums = Sums()
    waiting_since: datetime | None = None  # the oldest that waits
    failures: Mapping[str, int] = {}  # of what waits after a failed try or was given up: by Failure or GiveUp


class Backlog(NamedTuple):
    """What waits in all."""

    waiting: int
    oldest_due_at: datetime | None  # of what could be tried now


class DeliveryRow(NamedTuple):
    """What a page shows of one delivery."""

    delivery_id: str
    destination_id: str
    alert_id: str
    version: int
    state: DeliveryState
    tries: int
    failure: str
    status: str
    tier: str
    maybe: bool
    made_at: datetime
    ended_at: datetime | None
    next_at: datetime | None


def made_of(*parts: object) -> str:
    """32 hex digits: always the same for the same parts, and nothing can be read from them."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:32]


def delivery_id(alert_id: str, version: int, destination_id: str) -> str:
    """32 hex digits: always the same for the same delivery, and nothing can be read from them."""
    return made_of(destination_id, alert_id, version)


def mail_id(secret: bytes, destination_id: str, number: int) -> str:
    """32 hex digits for the counting mail of that number: always the same, and nobody makes them without our key."""
    return mail_ids(secret, destination_id, number)[0]


def mail_ids(secret: bytes, destination_id: str, number: int) -> list[str]:
    """The same under each key there is, first the one that mails go out with."""
    keys = (hashlib.sha256(b"mail\x1f" + key).digest() for key in keys_in(secret))
    return [hmac.digest(key, f"{destination_id}\x1f{number}".encode(), "sha256").hex()[:32] for key in keys]
