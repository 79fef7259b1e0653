"""What all ways out share: a parcel in, what became of it out; the three outcomes are values."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, NamedTuple, Protocol

from rules.telling.attempts import Failure
from rules.telling.destinations import Destination

BEARER: Final = "bearer"  # name of a secret: a token over HTTP, a password over SFTP


class Parcel(NamedTuple):
    """What a form made of one delivery. It holds no alert; a way adds no words."""

    delivery_id: str  # the same for every try and replay: the receiver tells repeats apart by it
    body: bytes
    content_type: str
    name: str = ""  # of a file
    subject: str = ""  # of a mail, without any patient
    headers: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"<Parcel {self.delivery_id}>"


class Delivered(NamedTuple):
    """The receiver has it."""

    status: str = ""  # its code, such as 202 or AA; never its words


class NotDelivered(NamedTuple):
    """It has not, or nobody knows; `rules.telling.attempts` says what follows."""

    failure: Failure
    status: str = ""
    retry_after: timedelta | None = None


class Secrets(NamedTuple):
    """What a destination's row must not show: opened for one delivery, by name. The newest of each comes first."""

    values: Mapping[str, tuple[str, ...]]

    def newest(self, name: str) -> str:
        return next(iter(self.values.get(name, ())), "")

    def __repr__(self) -> str:
        return "<Secrets>"


class Way(Protocol):
    """One way out. Never raises for what the world does; every wait in it ends."""

    at_once: int  # parcels to one destination

    async def deliver(self, parcel: Parcel, to: Destination, secrets: Secrets) -> Delivered | NotDelivered:
        """Try once."""
        ...

    async def reach(self, to: Destination, secrets: Secrets) -> Delivered | NotDelivered:
        """Go there and sign in where one does, and say nothing of anybody."""
        ...

    async def close(self) -> None:
        """Give back what is kept open between deliveries."""
        ...
