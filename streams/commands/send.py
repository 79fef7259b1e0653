"""Sends HL7 files over MLLP: files and an address in, the acknowledgement of every message out.

`MllpClient` is one connection, for the demo, the bench and whoever else sends: many messages may be on their way at
once, answers come back in order. Answers are matched to messages by MSA-2 and, where a listener leaves that empty, by
order. When the connection breaks, whatever was unanswered ends in `ConnectionError`; `connect` makes it usable again.
"""

import asyncio
import collections
import functools
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from parsers.hl7.batches import split
from parsers.outcomes import Reject
from streams.commands.printing import print_json
from streams.listen.mllp_client import CHUNK, POSITIVE, MllpClient, control_id_of
from streams.run.problems import Problem

_MOST_SHOWN: Final = 200  # rows of the table


def read_messages(files: Sequence[Path]) -> Iterator[bytes | Reject]:
    """Every message in the files, and what was wrong with their batches. Raises `Problem` for an unreadable file."""
    for path in files:
        try:
            with path.open("rb") as file:
                for message, reject in split(iter(functools.partial(file.read, CHUNK), b"")):
                    yield message if reject is None else reject
        except OSError as error:
            raise Problem(f"{path}: cannot be read ({error.strerror})") from None


class _Sent(NamedTuple):
    control_id: str
    ack: str  # MSA-1, "" when there was none
    error: str
    ms: float | None


def client_tls(
    *, tls: bool, ca: Path | None, cert: Path | None, key: Path | None, insecure: bool
) -> ssl.SSLContext | None:
    """The client's side of TLS, or None when none of the options asks for it. Raises `Problem`."""
    if not (tls or ca or cert or insecure):
        return None
    try:
        context = ssl.create_default_context(cafile=ca)
        if cert is not None:
            context.load_cert_chain(cert, key)
    except (OSError, ValueError) as error:
        raise Problem(f"--ca, --cert or --key cannot be used ({type(error).__name__}): expected PEM files") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def run_send(
    files: Sequence[Path],
    to: str,
    *,
    tls: bool = False,
    ca: Path | None = None,
    cert: Path | None = None,
    key: Path | None = None,
    insecure: bool = False,
    rate: float | None = None,
    repeat: int = 1,
    connections: int = 1,
    timeout: float = 30,
    as_json: bool = False,
) -> int:
    """Sends every message of `files`; 0 when all were acknowledged positively, else 1. `rate` is messages a second."""
    host, _, port = to.rpartition(":")
    if not host or not port.isdigit():
        raise Problem("--to: expected HOST:PORT, for example 127.0.0.1:2575")
    context = client_tls(tls=tls, ca=ca, cert=cert, key=key, insecure=insecure)
    clients = [MllpClient(host.strip("[]"), int(port), tls=context) for _ in range(connections)]
    messages = (message for _ in range(repeat) for message in read_messages(files))
    sending = _Sending(messages, clients, rate, timeout)
    sent = asyncio.run(sending.run(lambda sent_message: print_json(sent_message._asdict()) if as_json else None))
    if not as_json:
        _show(sent, sending)
    return 0 if sending.total and sending.positive == sending.total else 1


class _Sending:
    """One run over shared messages: each connection takes the next one when its last is answered."""

    def __init__(
        self, messages: Iterable[bytes | Reject], clients: Sequence[MllpClient], rate: float | None, timeout: float
    ) -> None:
        self._messages = iter(messages)
        self._clients = clients
        self._rate = rate
        self._timeout = timeout
        self._next_at = 0.0
        self.total = 0
        self.positive = 0
        self.faults: list[Reject] = []
        self.seconds = 0.0

    async def run(self, tell: Callable[[_Sent], None]) -> list[_Sent]:
        """What became of each message; only the last ones and the failed ones are kept."""
        began = time.perf_counter()
        kept: collections.deque[_Sent] = collections.deque(maxlen=_MOST_SHOWN)

        async def over(client: MllpClient) -> None:
            while (message := self._next_message()) is not None:
                await self._pace()
                sent_message = await self._send(client, message)
                self.total += 1
                self.positive += sent_message.ack in POSITIVE
                kept.append(sent_message)
                tell(sent_message)

        try:
            async with asyncio.TaskGroup() as group:
                for client in self._clients:
                    group.create_task(over(client))
        finally:
            await asyncio.gather(*(client.close() for client in self._clients))
        self.seconds = time.perf_counter() - began
        return list(kept)

    def _next_message(self) -> bytes | None:
        for item in self._messages:
            if isinstance(item, Reject):
                self.faults.append(item)
            else:
                return item
        return None

    async def _pace(self) -> None:
        if self._rate is None:
            return
        now = time.perf_counter()
        at = self._next_at = max(now, self._next_at)
        self._next_at += 1 / self._rate
        await asyncio.sleep(at - now)

    async def _send(self, client: MllpClient, message: bytes) -> _Sent:
        control_id = control_id_of(message)
        try:
            if not client.connected:
                await client.connect(self._timeout)
            ack = await client.send_and_wait(message, self._timeout, control_id)
        except TimeoutError:
            return _Sent(control_id, "", f"no acknowledgement in {self._timeout:g} s", None)
        except ConnectionError as error:
            return _Sent(control_id, "", str(error), None)
        return _Sent(control_id, ack.code, ack.error, round(ack.ms, 1))


def _show(sent: Sequence[_Sent], sending: _Sending) -> None:
    console = Console()
    table = Table("control id", "ACK", "ms", "error", box=None)
    for sent_message in sent:
        style = "" if sent_message.ack in POSITIVE else "red"
        table.add_row(
            sent_message.control_id,
            sent_message.ack or "none",
            "" if sent_message.ms is None else f"{sent_message.ms:.1f}",
            sent_message.error,
            style=style,
        )
    console.print(table)
    for fault in sending.faults:
        console.print(f"in the file: {fault.code.value} at {fault.place or 'the message'}", style="yellow")
    if sending.total > len(sent):
        console.print(f"(the last {len(sent)} of {sending.total})")
    rate = f", {sending.total / sending.seconds:.0f} messages/s" if sending.seconds else ""
    console.print(f"{sending.positive} of {sending.total} acknowledged positively{rate}")
