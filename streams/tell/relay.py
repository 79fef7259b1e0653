"""A mail in, handed to the relay out; what the relay says is a value.

TLS is required and the relay's name is checked: `smtps://` from the first byte, `smtp://` by STARTTLS. Of what is said
about the recipient or the mail a 4xx is tried again, a 5xx is not (RFC 5321 4.2.1); what is said before is about us and
the relay, which somebody mends: tried again. Nobody knows whether a mail arrived only once its data was begun.
"""

import ssl
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

from parsers.mail_reports import is_no_such_address, status_in
from rules.telling.attempts import Failure
from streams.tell.way import Delivered, NotDelivered

ALL_SECONDS: Final = 30.0
_NO_SUCH_ADDRESS: Final = frozenset({550, 551, 553})  # of RCPT, without an enhanced code: the address is paused


class Relay:
    """Where mail is handed in: `smtps://user:password@host:port` or `smtp://…`, and the sender's address."""

    def __init__(self, url: str, sender: str, ca: str = "", context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or (465 if parts.scheme == "smtps" else 587)
        self.tls_first = parts.scheme == "smtps"
        self.user, self.password = unquote(parts.username or ""), unquote(parts.password or "")
        self.sender = sender
        self.context = context or ssl.create_default_context(cafile=ca or None)

    def __repr__(self) -> str:
        return f"<Relay {self.host}:{self.port}>"


class _Client(aiosmtplib.SMTP):
    """Knows whether the data of a mail was begun."""

    begun = False

    async def data(self, message: str | bytes, **more: Any) -> aiosmtplib.SMTPResponse:
        self.begun = True
        return await super().data(message, **more)


async def hand_in(relay: Relay, message: EmailMessage, sender: str, address: str) -> Delivered | NotDelivered:
    """Gives one mail to the relay; what it says is a value."""

    async def send(client: aiosmtplib.SMTP) -> None:
        await client.ehlo()
        options = ["RET=HDRS", f"ENVID={_name_of(message)}"] if client.supports_extension("dsn") else []  # RFC 3461
        await client.send_message(message, sender=sender, recipients=[address], mail_options=options)

    return await _signed_in(relay, send) or Delivered("250")


async def reach(relay: Relay) -> Delivered | NotDelivered:
    """Signs in at the relay and sends nothing."""

    async def greet(client: aiosmtplib.SMTP) -> None:
        await client.noop()

    return await _signed_in(relay, greet) or Delivered()


async def _signed_in(relay: Relay, work: Callable[[aiosmtplib.SMTP], Awaitable[None]]) -> NotDelivered | None:
    client = _Client(
        hostname=relay.host,
        port=relay.port,
        use_tls=relay.tls_first,
        start_tls=not relay.tls_first,  # required: `None` would mean "if offered"
        tls_context=relay.context,
        timeout=ALL_SECONDS,
    )
    try:
        async with client:
            if relay.user:
                await client.login(relay.user, relay.password)
            await work(client)
    except aiosmtplib.SMTPRecipientsRefused as error:
        return _of_recipient(error.recipients[0])
    except aiosmtplib.SMTPDataError as error:
        return NotDelivered(Failure.SERVER_ERROR if error.code < 500 else Failure.REFUSED, str(error.code))
    except aiosmtplib.SMTPAuthenticationError as error:
        return NotDelivered(Failure.SERVER_ERROR if error.code < 500 else Failure.NOT_ALLOWED, str(error.code))
    except aiosmtplib.SMTPResponseException as error:
        return NotDelivered(Failure.SERVER_ERROR, str(error.code))
    except aiosmtplib.SMTPNotSupported:  # an address in other than ASCII
        return NotDelivered(Failure.REFUSED)
    except (aiosmtplib.SMTPException, OSError) as error:
        return NotDelivered(_cut(error, client))
    return None


def _of_recipient(refused: aiosmtplib.SMTPRecipientRefused) -> NotDelivered:
    code, status = refused.code, status_in(refused.message)
    gone = is_no_such_address(status) if status else code in _NO_SUCH_ADDRESS
    failure = Failure.SERVER_ERROR if code < 500 else Failure.GONE if gone else Failure.REFUSED
    return NotDelivered(failure, str(code))


def _cut(error: Exception, client: _Client) -> Failure:
    """Of a talk that ended without an answer."""
    if client.begun:
        return Failure.TIMED_OUT if isinstance(error, TimeoutError) else Failure.CONNECTION_LOST
    tls = isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError)
    return Failure.TLS if tls or not isinstance(error, OSError) else Failure.NO_CONNECTION  # STARTTLS is not offered


def _name_of(message: EmailMessage) -> str:
    """Its `Message-ID` before the @."""
    return str(message["Message-ID"]).strip("<> ").partition("@")[0]
