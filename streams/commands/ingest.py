"""Brings messages from files into the pipeline and waits for their endings: files in, counts of every ending out.

With Apache Kafka the messages go to it directly, past the same door as the listener's; without it they go to the
`POST /hl7` of the `handoff up` that runs on the data folder. Messages of one patient keep the order of the files.
"""

import asyncio
import collections
import contextlib
import http.client
import json
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from parsers.outcomes import Reject
from rules.endings import Ending
from streams.commands.printing import print_json
from streams.commands.send import read_messages
from streams.kafka.admin import ensure_topics_async
from streams.kafka.client import BrokerAway, client_options, record_bytes
from streams.listen.http import MESSAGE_ID_HEADER
from streams.listen.intake import Door, Fate, judge
from streams.listen.into_kafka import KafkaDurable
from streams.run.metrics import Way
from streams.run.problems import Problem
from streams.run.processes import PLACES
from streams.run.settings import Settings
from streams.store import Store, Unavailable
from streams.store.ledger import endings_of
from streams.store.opening import open_store

_LANES: Final = 8  # connections over HTTP
_IN_FLIGHT: Final = 256
_ATTEMPTS: Final = 12  # while the answer is "send it again"
_RETRY_SECONDS: Final = 5.0
_LEDGER_SECONDS: Final = 60.0  # without any new ending
_AT_ONCE: Final = 500
_UNAVAILABLE: Final = "unavailable"


class Taken(NamedTuple):
    """What the door said to one message: our id when it was stored, else a reject code or `unavailable`."""

    message_id: str
    code: str


class _Into(Protocol):
    async def take(self, message: bytes) -> Taken:
        """The door's answer; calls for one patient are answered in their order."""


class _Report(NamedTuple):
    messages: int
    accepted: int
    refused: dict[str, int]  # at the door, by code
    endings: dict[str, int]
    without_ending: int  # not within the time we waited
    batch_faults: list[dict[str, str]]


def run_ingest(settings: Settings, files: Sequence[Path], *, as_json: bool = False) -> int:
    """Takes every message in; 0 when all of them ended and none was refused, rejected or quarantined, else 1."""
    console = Console(stderr=True, quiet=as_json)
    if settings.embedded and not (settings.data_dir / PLACES["listen"]).exists():
        raise _nothing_runs(settings)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with open_store(settings, migrate=False) as store, Progress(*columns, console=console) as progress:
            report = asyncio.run(_ingest(settings, files, store, progress))
    except* Problem as problems:  # of the tasks that take messages in
        raise _first(problems) from None
    if as_json:
        print_json(report._asdict())
    else:
        _show(report)
    bad = report.endings.get(Ending.REJECTED, 0) + report.endings.get(Ending.QUARANTINED, 0)
    return 0 if report.messages and not (bad or report.refused or report.without_ending or report.batch_faults) else 1


async def _ingest(settings: Settings, files: Sequence[Path], store: Store, progress: Progress) -> _Report:
    taking = progress.add_task("taken in", total=None)
    room = asyncio.Semaphore(_IN_FLIGHT)
    ids: list[str] = []
    refused: collections.Counter[str] = collections.Counter()
    faults: list[dict[str, str]] = []
    messages = 0

    async def take(into: _Into, message: bytes) -> None:
        try:
            taken = await into.take(message)
        finally:
            room.release()
        if taken.message_id:
            ids.append(taken.message_id)
        else:
            refused[taken.code] += 1
        progress.update(taking, advance=1)

    async with _way_in(settings) as into, asyncio.TaskGroup() as group:
        for item in read_messages(files):
            if isinstance(item, Reject):
                faults.append({"code": item.code.value, "place": item.place})
                continue
            messages += 1
            await room.acquire()
            group.create_task(take(into, item))
    progress.update(taking, total=max(1, messages), completed=messages)
    ending = progress.add_task("ended", total=max(1, len(ids)))
    endings = await _endings(store, ids, lambda done: progress.update(ending, completed=done))
    without = len(ids) - endings.total()
    return _Report(messages, len(ids), dict(refused), dict(endings), without, faults)


@contextlib.asynccontextmanager
async def _way_in(settings: Settings) -> AsyncIterator[_Into]:
    if settings.embedded:
        into = _IntoListener(settings)
        try:
            yield into
        finally:
            into.close()
        return
    try:
        await ensure_topics_async(settings, seconds=15)
    except BrokerAway as error:
        raise Problem(str(error)) from None
    durable = KafkaDurable(
        settings.kafka_bootstrap_servers,
        accept_seconds=settings.accept_seconds,
        max_request_bytes=record_bytes(settings) + 1024,
        **client_options(settings),
    )
    running = asyncio.create_task(durable.run())
    try:
        yield _IntoKafka(Door(durable, settings.secret()))
    finally:
        running.cancel()
        await asyncio.wait({running})


class _IntoKafka:
    """Straight to Apache Kafka, past the listener's door."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def take(self, message: bytes) -> Taken:
        for _ in range(_ATTEMPTS):
            answer = await self._door.take(message, Way.BATCH)
            if answer.fate is not Fate.UNAVAILABLE:
                return Taken(answer.message_id, answer.reject.code.value if answer.reject else "")
        return Taken("", _UNAVAILABLE)


class _IntoListener:
    """`POST /hl7` of the listener that `listener.json` names, over a few connections."""

    def __init__(self, settings: Settings) -> None:
        try:
            place = json.loads((settings.data_dir / PLACES["listen"]).read_text())
            self._host = _reachable(str(place["host"]))
            self._port, self._tls = int(place["http_port"]), bool(place["tls"])
            socket.create_connection((self._host, self._port), 5).close()
        except (OSError, ValueError, KeyError):
            raise _nothing_runs(settings) from None
        self._settings = settings
        self._try_handshake()
        self._lanes = [(asyncio.Lock(), self._connection()) for _ in range(_LANES)]

    async def take(self, message: bytes) -> Taken:
        seen = judge(message).peek
        lock, connection = self._lanes[zlib.crc32(seen.patient_key.encode()) % _LANES if seen else 0]
        async with lock:
            for _ in range(_ATTEMPTS):
                try:
                    status, message_id = await asyncio.to_thread(self._post, connection, message)
                except (OSError, http.client.HTTPException):
                    connection.close()
                    status, message_id = 503, ""
                if status == 200:
                    return Taken(message_id, "")
                if status in {401, 403}:
                    raise Problem("the listener refused us: set HANDOFF_HTTP_TOKEN to the token it was started with")
                if status not in {408, 429, 503}:
                    reject = judge(message).reject
                    return Taken("", reject.code.value if reject else "frame_too_large" if status == 413 else "refused")
                await asyncio.sleep(_RETRY_SECONDS)
        return Taken("", _UNAVAILABLE)

    def close(self) -> None:
        for _, connection in self._lanes:
            connection.close()

    def _post(self, connection: http.client.HTTPConnection, message: bytes) -> tuple[int, str]:
        headers = {"Content-Type": "application/hl7-v2"}
        if token := self._settings.http_token.get_secret_value():
            headers["Authorization"] = f"Bearer {token}"
        connection.request("POST", "/hl7", message, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get(MESSAGE_ID_HEADER, "")

    def _try_handshake(self) -> None:
        """Raises `Problem` when the listener does not want our certificate, which each message would hear anew."""
        if not self._tls:
            return
        connection = self._connection()
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except (ssl.SSLError, ConnectionError) as error:
            raise Problem(
                "the listener does not take our TLS connection"
                f" ({getattr(error, 'reason', None) or type(error).__name__}): it asks for a client certificate that "
                "HANDOFF_TLS_CLIENT_CA signed, and we show HANDOFF_TLS_CERT; have the same CA sign that one, or send "
                "with `handoff send --cert --key`"
            ) from None
        except (OSError, http.client.HTTPException):
            pass  # busy or starting: that is what asking again is for
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        seconds = self._settings.accept_seconds + self._settings.frame_seconds
        if not self._tls:
            return http.client.HTTPConnection(self._host, self._port, timeout=seconds)
        context = ssl.create_default_context(cafile=self._settings.tls_cert)
        context.check_hostname = False  # our own certificate, on our own machine, by whatever name
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if self._settings.tls_client_ca and self._settings.tls_cert:
            context.load_cert_chain(self._settings.tls_cert, self._settings.tls_key)
        return http.client.HTTPSConnection(self._host, self._port, timeout=seconds, context=context)


def _nothing_runs(settings: Settings) -> Problem:
    return Problem(
        f"nothing runs on {settings.data_dir}: start `handoff up` there (or set HANDOFF_DATA_DIR to its "
        "folder, or KAFKA_BOOTSTRAP_SERVERS to an Apache Kafka) and try again"
    )


def _first(group: BaseExceptionGroup[Problem]) -> Problem:
    problem: BaseException = group
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    assert isinstance(problem, Problem)
    return problem


def _reachable(bound: str) -> str:
    """Where a listener bound to `bound` can be reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bound, bound)  # noqa: S104 compared, not bound


async def _endings(store: Store, ids: Sequence[str], tell: Callable[[int], Any]) -> "collections.Counter[str]":
    """Endings of these messages, waited for as long as there is progress."""
    loop = asyncio.get_running_loop()
    endings: collections.Counter[str] = collections.Counter()
    left = sorted(ids)
    moved = loop.time()
    while left and loop.time() - moved < _LEDGER_SECONDS:
        still: list[str] = []
        for at in range(0, len(left), _AT_ONCE):
            some = left[at : at + _AT_ONCE]
            try:
                ended = await asyncio.to_thread(_ended, store, some)
            except Unavailable:
                ended = {}
            endings.update(ended.values())
            still += [message_id for message_id in some if message_id not in ended]
            if len(still) > 10 * _AT_ONCE:
                still += left[at + _AT_ONCE :]
                break
        if len(still) < len(left):
            moved = loop.time()
        left = still
        tell(endings.total())
        if left:
            await asyncio.sleep(0.2)
    return endings


def _ended(store: Store, ids: Sequence[str]) -> dict[str, str]:
    with store.database.reading() as connection:
        return {message_id: ending for message_id, (ending, _code) in endings_of(connection, ids).items()}


def _show(report: _Report) -> None:
    console = Console()
    table = Table("what became of it", "messages", box=None)
    for name, number in sorted(report.endings.items()):
        table.add_row(name, str(number))
    for code, number in sorted(report.refused.items()):
        table.add_row(f"refused: {code}", str(number), style="red")
    if report.without_ending:
        table.add_row("taken, no ending yet (is a worker running?)", str(report.without_ending), style="yellow")
    console.print(table)
    for fault in report.batch_faults:
        console.print(f"in the file: {fault['code']} at {fault['place'] or 'the message'}", style="yellow")
    console.print(f"{report.accepted} of {report.messages} messages taken in")
