"""A parcel and host:port in, one HL7 v2 message over MLLP and what its acknowledgment means out.

One connection a destination is kept, until the receiver's certificate is revoked; one message is in flight. AA and CA:
taken. AE and CE: again later. AR and CR: never again (HL7 v2.5.1 2.9.2). Without an acknowledgment nobody knows, and
the same message goes again on a new connection; a late acknowledgment of another message is told by MSA-2 and does not
count.
"""

import asyncio
from typing import Final

from parsers.hl7.mllp import Decoder, frame
from rules.telling.attempts import Failure
from rules.telling.destinations import Destination
from streams.tell.addresses import resolve
from streams.tell.connecting import Streams, connected, opened, reached
from streams.tell.revocation import Revocations
from streams.tell.way import Delivered, NotDelivered, Parcel, Secrets

ACK_SECONDS: Final = 25.0
LARGEST_ACK: Final = 64 * 1024
SHORT_ID: Final = 20
_SAID: Final = {
    b"AA": None,
    b"CA": None,
    b"AE": Failure.SERVER_ERROR,
    b"CE": Failure.SERVER_ERROR,
    b"AR": Failure.NEVER,
    b"CR": Failure.NEVER,
}


class Mllp:
    """MLLP to any number of receivers, by TLS but within one's own network."""

    at_once = 1

    def __init__(self, allowed: tuple[str, ...] = (), revocations: Revocations | None = None) -> None:
        self._allowed = allowed
        self._revocations = revocations or Revocations()
        self._context = self._revocations.context()
        self._open: dict[str, Streams] = {}

    async def deliver(self, parcel: Parcel, to: Destination, secrets: Secrets) -> Delivered | NotDelivered:
        del secrets
        where, kept, lost = to.destination_id, self._open.pop(to.destination_id, None), None
        if kept is not None:
            if self._usable(*kept):
                said = await self._talk(kept, parcel.body, where)
                if not (isinstance(said, NotDelivered) and said.failure is Failure.CONNECTION_LOST):
                    return said
                lost = said
            kept[1].close()  # many receivers close after each, or after hours of nothing: the same at once on a new one
        streams = await connected(self._connect(to))
        said = streams if isinstance(streams, NotDelivered) else await self._talk(streams, parcel.body, where)
        return lost if lost and isinstance(said, NotDelivered) else said  # the first time it may have arrived

    async def _talk(self, streams: Streams, message: bytes, where: str) -> Delivered | NotDelivered:
        """One message and its acknowledgment; the connection is kept while it is in step."""
        said: Delivered | NotDelivered
        try:
            async with asyncio.timeout(ACK_SECONDS):
                said = await _exchange(*streams, message)
        except TimeoutError:
            said = NotDelivered(Failure.TIMED_OUT)
        except OSError:
            said = NotDelivered(Failure.CONNECTION_LOST)
        if said.status:  # an acknowledgment
            self._open[where] = streams
        else:
            streams[1].close()
        return said

    async def reach(self, to: Destination, secrets: Secrets) -> Delivered | NotDelivered:
        del secrets
        return await reached(self._connect(to))

    async def _connect(self, to: Destination) -> Streams:
        host, _, port = to.address.rpartition(":")
        host = host.strip("[]")
        plain = without_tls(to)
        addresses = await resolve(host, int(port), private=to.allow_private, allowed=self._allowed, plain=plain)
        if plain:
            return await opened(addresses, int(port))
        return await opened(addresses, int(port), ssl=self._context, server_hostname=host)

    def _usable(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether a connection that was kept still stands, to somebody we still trust."""
        tls = writer.get_extra_info("ssl_object")
        gone = reader.at_eof() or writer.is_closing()
        return not gone and not (tls is not None and self._revocations.refuses(tls))

    async def close(self) -> None:
        for _, writer in self._open.values():
            writer.close()
        self._open.clear()


def without_tls(to: Destination) -> bool:
    """Whether a destination is spoken to in the clear: within the own network, unless it asks for TLS there."""
    return to.allow_private and to.options.get("tls") != "1"


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes
) -> Delivered | NotDelivered:
    writer.write(frame(message))
    await writer.drain()
    control_id = _field(message, b"MSH", 9)
    decoder = Decoder(LARGEST_ACK)
    while data := await reader.read(4096):
        for ack in decoder.feed(data):
            if not isinstance(ack, bytes):
                return NotDelivered(Failure.BAD_ANSWER)
            code = _field(ack, b"MSA", 1)
            if code not in _SAID:
                return NotDelivered(Failure.BAD_ANSWER)
            if not _is_of(control_id, _field(ack, b"MSA", 2)):
                continue  # a late one, of a message before
            failure = _SAID[code]
            return Delivered(code.decode()) if failure is None else NotDelivered(failure, code.decode())
    return NotDelivered(Failure.CONNECTION_LOST)


def _is_of(control_id: bytes, said: bytes) -> bool:
    """Receivers that keep the 20 characters of HL7 v2.5.1 (2.15.9.10) give back as many."""
    return said == control_id or (len(said) == SHORT_ID and control_id.startswith(said))


def _field(message: bytes, segment: bytes, number: int) -> bytes:
    """A field of the first such segment; of MSH, whose separator is a field, one less than its number."""
    for line in message.replace(b"\n", b"\r").split(b"\r"):
        if line.startswith(segment) and len(line) > 3:
            fields = line.split(message[3:4])
            return fields[number].strip() if len(fields) > number else b""
    return b""
