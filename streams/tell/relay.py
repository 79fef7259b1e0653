"""A mail in, handed to the relay out; what the relay says is a value.

TLS is required and the relay's name is checked: `smtps://` from the first byte, `smtp://` by STARTTLS. A 4xx is tried
again, a 5xx is not (RFC 5321 4.2.1).
"""

import ssl
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

from rules.telling.attempts import Failure
from streams.tell.way import Delivered, NotDelivered

ALL_SECONDS: Final = 30.0
_NO_SUCH_ADDRESS: Final = frozenset({550, 551, 553})  # of RCPT (RFC 5321 4.2.3): the address is paused


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
    client = aiosmtplib.SMTP(
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
        code = error.recipients[0].code if error.recipients else 550
        return NotDelivered(Failure.GONE if code in _NO_SUCH_ADDRESS else _failure(code), str(code))
    except aiosmtplib.SMTPAuthenticationError as error:
        return NotDelivered(Failure.NOT_ALLOWED, str(error.code))
    except aiosmtplib.SMTPResponseException as error:
        return NotDelivered(_failure(error.code), str(error.code))
    except aiosmtplib.SMTPConnectError as error:
        tls = isinstance(error.__cause__, ssl.SSLError)
        return NotDelivered(Failure.TLS if tls else Failure.NO_CONNECTION)
    except (aiosmtplib.SMTPTimeoutError, TimeoutError):
        return NotDelivered(Failure.TIMED_OUT)
    except ssl.SSLError:
        return NotDelivered(Failure.TLS)
    except (aiosmtplib.SMTPException, OSError):
        return NotDelivered(Failure.CONNECTION_LOST)
    return None


def _name_of(message: EmailMessage) -> str:
    """Its `Message-ID` before the @."""
    return str(message["Message-ID"]).strip("<> ").partition("@")[0]


def _failure(code: int) -> Failure:
    return Failure.SERVER_ERROR if 400 <= code < 500 else Failure.REFUSED
