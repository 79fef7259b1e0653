"""One MLLP peer in, from its first byte to its last: its frames read, one acknowledgment each in their order out."""

import asyncio
import dataclasses
from collections.abc import Awaitable
from typing import Final, NamedTuple

import structlog

from parsers.hl7.er7 import Peek, peek
from parsers.hl7.mllp import Decoder, FrameFault, frame
from parsers.outcomes import RejectCode
from streams.listen.connections import Closed, Limits, Place
from streams.listen.intake import Answer, Door, Fate
from streams.listen.senders import Caller, caller_of
from streams.run import metrics
from streams.run.metrics import Stage, Way
from streams.run.settings import Settings

log = structlog.get_logger()

WINDOW: Final = 128  # unanswered frames of one connection
_READ_BYTES: Final = 65536
_BITE_BYTES: Final = 8192  # decoded before others get their turn
_TURN: Final = 16  # frames of one connection before others get their turn
_WRITE_SECONDS: Final = 15.0  # a peer that does not take its acknowledgements for so long is closed
_CLOSE_SECONDS: Final = 2.0
_GARBAGE_BYTES: Final = 1024 * 1024  # outside frames; more of it in a row is no MLLP
_NO_FRAME: Final = frozenset({RejectCode.FRAME_GARBAGE, RejectCode.NOT_MLLP})
_HTTP_ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 62\r\n\r\n"
    b"This port speaks MLLP. POST /hl7 is on the HTTP port instead.\n"
)
_AT_ONCE: Final = frozenset(
    {Closed.LOST, Closed.CRASHED, Closed.IN_FRAME, Closed.WRITE_TIMEOUT, Closed.BUFFERS_FULL, Closed.MADE_ROOM}
)


class _Unanswered(NamedTuple):
    answer: Awaitable[Answer]
    size: int
    since: float  # loop time at which the frame was complete


class Connection:
    """One peer, from its first byte to its last. `held` counts its bytes in the server's budget."""

    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    _caller: Caller

    def __init__(self, settings: Settings, door: Door, limits: Limits, host: str) -> None:
        self.host = host
        self.place: Place | None = None
        self.begun = False
        self.told: Closed | None = None
        self._settings = settings
        self._door = door
        self._limits = limits
        self._decoder = Decoder(settings.max_frame_bytes)
        self._unanswered: asyncio.Queue[_Unanswered | None] = asyncio.Queue()
        self._window = asyncio.Semaphore(WINDOW)
        self._reading: asyncio.Task[Closed] | None = None
        self._said_unframed = False
        self._first = b""  # of all its bytes
        self._outside = 0  # bytes since the last frame
        self._outcome = Closed.LOST
        self.held = 0
        self.unfinished = 0

    @property
    def certificate(self) -> tuple[str, int]:
        """The issuer and serial number of what it showed; once it runs."""
        return (self._caller.issuer, self._caller.serial) if self.begun else ("", 0)

    def end(self, outcome: Closed) -> None:
        """Stops reading; what has been taken is still answered."""
        if self.told is None:
            self.told = outcome
            if self._reading is not None:
                self._reading.cancel()

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Closed:
        """Serves until either side ends it."""
        self._reader, self._writer = reader, writer
        self._caller = caller_of(self.host, writer.get_extra_info("ssl_object"))
        self.begun = True
        try:
            self._outcome = await self._serve()
        finally:
            await self._close()
        return self._outcome

    async def _serve(self) -> Closed:
        reading = self._reading = asyncio.create_task(self._read())
        answering = asyncio.create_task(self._answer())
        try:
            await asyncio.wait({reading, answering}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                reading.cancel()
                await asyncio.wait({reading})
                return answering.result() or Closed.LOST
            outcome = self.told if reading.cancelled() and self.told else reading.result()
            self._drop_unfinished()
            self._unanswered.put_nowait(None)
            return await answering or outcome
        finally:
            reading.cancel()
            answering.cancel()
            await asyncio.wait({reading, answering})

    async def _close(self) -> None:
        """Lets the last answer arrive: bytes that nobody read would make the system throw it away."""
        if self._outcome in _AT_ONCE:
            self._writer.transport.abort()
            return
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                if self._outcome is not Closed.PEER and self._writer.can_write_eof():
                    self._writer.write_eof()
                    while not self._reader.at_eof() and await self._reader.read(_READ_BYTES):
                        pass
                self._writer.close()
                await self._writer.wait_closed()
        except (OSError, TimeoutError, RuntimeError):
            self._writer.transport.abort()

    async def _read(self) -> Closed:
        loop = asyncio.get_running_loop()
        decoder = self._decoder
        since = loop.time()  # of the unfinished frame's first bytes, else of the last bytes at all
        while True:
            await self._limits.room()
            in_frame = decoder.open
            data = await self._bytes(since, in_frame=in_frame)
            if isinstance(data, Closed):
                return data
            self._first = self._first or data[:1]
            whole = await self._decode(data)
            if isinstance(whole, Closed):
                return whole
            if self._outside > _GARBAGE_BYTES:
                for fault in decoder.finish():
                    await self._garbage(dataclasses.replace(fault, unframed=True))
                return Closed.NOT_MLLP
            if self.place is not None and (decoder.open or whole):
                self.place.heard = loop.time()
            if not (in_frame and decoder.open and not whole):
                since = loop.time()

    async def _bytes(self, since: float, *, in_frame: bool) -> bytes | Closed:
        """What the peer sends next; or how it ended, which it does by saying nothing for too long as well."""
        longest = self._settings.frame_seconds if in_frame else self._settings.idle_seconds
        try:
            async with asyncio.timeout_at(since + longest):
                data = await self._reader.read(_READ_BYTES)
        except TimeoutError:
            return self._out_of_time() if in_frame else Closed.IDLE
        except OSError:
            return Closed.LOST
        if data:
            return data
        for fault in self._decoder.finish():
            metrics.REFUSED.labels(fault.code).inc()
        return Closed.IN_FRAME if in_frame else Closed.PEER

    async def _decode(self, data: bytes) -> bool | Closed:
        """Takes what is in `data`, in bites so that others get their turn: whether any frame, or fault, became whole;
        or that this is no MLLP at all."""
        whole = False
        for at in range(0, len(data), _BITE_BYTES):
            if at:
                await asyncio.sleep(0)
            bite = data[at : at + _BITE_BYTES]
            items = self._decoder.feed(bite)
            self._count_unfinished()
            whole = whole or bool(items)
            self._outside += len(bite)
            for number, item in enumerate(items, 1):
                if number % _TURN == 0:
                    await asyncio.sleep(0)
                if not isinstance(item, FrameFault) or item.code not in _NO_FRAME:
                    self._outside = 0
                    await self._take(item)
                elif item.code is RejectCode.NOT_MLLP:
                    self._refuse_other_protocol(item)
                    return Closed.NOT_MLLP
                else:
                    await self._garbage(item)
            if self._decoder.in_frame:
                self._outside = 0
        return whole

    def _refuse_other_protocol(self, fault: FrameFault) -> None:
        metrics.REFUSED.labels(fault.code).inc()
        if self._first.isalpha():
            self._writer.write(_HTTP_ANSWER)

    async def _garbage(self, fault: FrameFault) -> None:
        """Bytes outside a frame: counted, and answered where a header and an end came, for then somebody waits."""
        header = peek(fault.head) if fault.unframed else None
        if not isinstance(header, Peek):
            metrics.REFUSED.labels(fault.code).inc()
            return
        if not self._said_unframed:
            log.warning("mllp_frame_without_start", peer=self.host)
            self._said_unframed = True
        await self._window.acquire()
        answer = self._door.refuse(fault.code, fault.head)
        self._unanswered.put_nowait(_Unanswered(_settled(answer), 0, asyncio.get_running_loop().time()))

    async def _take(self, item: bytes | FrameFault) -> None:
        now = asyncio.get_running_loop().time()
        if isinstance(item, FrameFault):
            if item.code is RejectCode.EMPTY:
                metrics.REFUSED.labels(item.code).inc()
                return
            await self._window.acquire()
            self._unanswered.put_nowait(_Unanswered(_settled(self._door.refuse(item.code, item.head)), 0, now))
            return
        left = len(item)  # of its bytes, which nobody answers for yet
        self._limits.hold(left)
        self.held += left
        try:
            for message, judged in await self._door.look(item, several=True, caller=self._caller):
                await self._window.acquire()
                size = min(left, len(message))
                left -= size
                answer = self._door.counted(self._door.take(message, Way.MLLP, judged=judged), self._caller)
                self._unanswered.put_nowait(_Unanswered(answer, size, now))
        finally:
            self.held -= left
            self._limits.release(left)

    def _out_of_time(self) -> Closed:
        unfinished = self._decoder.finish()
        if not unfinished:  # the rest of a frame that has its answer: it was too large
            metrics.REFUSED.labels(RejectCode.FRAME_TIMEOUT).inc()
            return Closed.FRAME_TIMEOUT
        answer = self._door.refuse(RejectCode.FRAME_TIMEOUT, unfinished[0].head, Fate.UNAVAILABLE)
        self._unanswered.put_nowait(_Unanswered(_settled(answer), 0, asyncio.get_running_loop().time()))
        return Closed.FRAME_TIMEOUT

    def _count_unfinished(self) -> None:
        change = self._decoder.buffered - self.unfinished
        self.unfinished += change
        self.held += change
        self._limits.hold(change)

    def _drop_unfinished(self) -> None:
        self.held -= self.unfinished
        self._limits.release(self.unfinished)
        self.unfinished = 0

    async def _answer(self) -> Closed | None:
        """Writes answers until told to stop (None) or the peer does not take them."""
        loop = asyncio.get_running_loop()
        writer = self._writer
        written = 0
        while (unanswered := await self._unanswered.get()) is not None:
            answer = await unanswered.answer
            written += 1
            if written % _TURN == 0:
                await asyncio.sleep(0)
            try:
                if answer.fate is Fate.STORED and self.place is not None:
                    self.place.brought = True
                for ack, code in answer.acks:
                    writer.write(frame(ack))
                    metrics.ACKS.labels(code).inc()
                if answer.acks:
                    metrics.STAGE.labels(Stage.ACK).observe(loop.time() - unanswered.since)
                async with asyncio.timeout(_WRITE_SECONDS):
                    await writer.drain()
            except TimeoutError:
                return Closed.WRITE_TIMEOUT
            except OSError:
                return Closed.LOST
            finally:
                self.held -= unanswered.size
                self._limits.release(unanswered.size)
                self._window.release()
        return None


def _settled(answer: Answer) -> Awaitable[Answer]:
    done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    done.set_result(answer)
    return done
