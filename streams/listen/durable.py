"""Makes a message outlive any process: takes a frame, answers once it is stored or says that it is not.

Two places keep that promise. Apache Kafka itself (`KafkaDurable`: all replicas, idempotent producer), and on one
machine, where the embedded broker keeps its log in memory, the journal (`JournalDurable`: synced to disk, many frames
with one sync; `streams.listen.playback` brings them to the broker afterwards). Neither ever hangs:
past `accept_seconds` the answer is `Refused`, and the sender is told to send again. A frame whose
deadline passes while Kafka already has it in hand may still arrive there; the resend then ends as a duplicate by its
fingerprint.
"""

import asyncio
import collections
from collections.abc import Awaitable, Coroutine
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

import structlog

from streams.run import metrics
from streams.run.metrics import Way

log = structlog.get_logger()
PROBE_SECONDS: Final = 3.0


class Accepted(NamedTuple):
    """A frame we would take: bytes as received, and what its record on `adt.raw.v1` needs besides."""

    message_id: str
    received_at: datetime
    key: bytes  # keyed hash of facility and patient, 32 hex digits
    data: bytes
    feed: str = ""
    way: Way = Way.MLLP


class Stored(NamedTuple):
    """The message survives any process being killed from now on."""

    message_id: str


class Away(StrEnum):
    """Why a message could not be stored; the sender should send it again."""

    BROKER = "broker"  # no connection, or the broker refused
    DISK = "disk"  # full or failing
    READ_ONLY = "read_only"  # the data folder cannot be written
    FILES = "files"  # no file descriptor left
    TIMEOUT = "timeout"
    STOPPING = "stopping"


class Refused(NamedTuple):
    code: Away


class Durable(Protocol):
    """Where accepted messages become safe. Frames are stored in the order of the calls."""

    def accept(self, frame: Accepted) -> Awaitable[Stored | Refused]:
        """Stores one frame. The result never takes longer than the set time and never raises."""

    async def run(self) -> None:
        """Keeps the place usable until cancelled; frames are taken only while this runs."""

    def trouble(self) -> str:
        """What is wrong right now, in words for `/readyz`; "" when frames can be stored."""


class WaitingFrame(NamedTuple):
    frame: Accepted
    result: asyncio.Future[Stored | Refused]
    deadline: float  # loop time


def settle_waiting(result: asyncio.Future[Stored | Refused], verdict: Stored | Refused) -> bool:
    if result.done():
        return False
    result.set_result(verdict)
    return True


class Line:
    """Frames in the order of their calls, each with the time by which it has its answer."""

    def __init__(self, accept_seconds: float) -> None:
        self._accept_seconds = accept_seconds
        self._waiting: collections.deque[WaitingFrame] = collections.deque()
        self._wake = asyncio.Event()

    def accept(self, frame: Accepted) -> Awaitable[Stored | Refused]:
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Stored | Refused] = loop.create_future()
        while self._waiting and self._waiting[0].result.done():  # too late, while nobody could store it
            self._waiting.popleft()
        self._waiting.append(WaitingFrame(frame, result, loop.time() + self._accept_seconds))
        timer = loop.call_later(self._accept_seconds, settle_waiting, result, Refused(Away.TIMEOUT))
        result.add_done_callback(lambda _: timer.cancel())
        self._wake.set()
        return result

    def _turn_away(self) -> None:
        while self._waiting:
            settle_waiting(self._waiting.popleft().result, Refused(Away.STOPPING))


async def together(*coroutines: Coroutine[object, object, None]) -> None:
    """Runs all until one ends, which none should: then, or when cancelled, ends the others, and raises what it did."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def settle_stored(waiting: WaitingFrame) -> None:
    """A message that is stored after we said AE is received all the same: it will have its ending."""
    if not settle_waiting(waiting.result, Stored(waiting.frame.message_id)):
        metrics.RECEIVED.labels(waiting.frame.way).inc()
