"""A parcel and an e-mail address in, one mail handed to the relay (`streams.tell.relay`) out.

The `Message-ID` is made of the delivery id, so that a retry is no second mail.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as CRLF
from email.utils import format_datetime

from rules.telling.destinations import Destination
from streams.tell.relay import Relay, hand_in, reach
from streams.tell.way import Delivered, NotDelivered, Parcel, Secrets


class Smtp:
    """Mail by one relay."""

    at_once = 1

    def __init__(self, relay: Relay, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._relay = relay
        self._now = now

    async def deliver(self, parcel: Parcel, to: Destination, secrets: Secrets) -> Delivered | NotDelivered:
        del secrets
        return await self.send(parcel, to.address)

    async def send(self, parcel: Parcel, address: str) -> Delivered | NotDelivered:
        """One mail to an address that is no destination."""
        return await hand_in(self._relay, self.mail(parcel, address), self._relay.sender, address)

    def mail(self, parcel: Parcel, address: str) -> EmailMessage:
        """The mail as it goes out: plain text, marked as automatic (RFC 3834)."""
        message = EmailMessage(policy=CRLF)
        domain = self._relay.sender.partition("@")[2] or "localhost"
        message["From"], message["To"], message["Subject"] = self._relay.sender, address, parcel.subject
        message["Date"] = format_datetime(self._now())
        message["Message-ID"] = f"<{parcel.delivery_id}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        for name, value in parcel.headers.items():
            message[name] = value
        message.set_content(parcel.body.decode())
        return message

    async def reach(self, to: Destination, secrets: Secrets) -> Delivered | NotDelivered:
        del to, secrets
        return await reach(self._relay)

    async def close(self) -> None:
        """Nothing is kept open."""
