"""Frames in, synced to the journal in groups; stored, or why not, out."""

import asyncio
import contextlib
import errno
import os
from typing import Final

import structlog

from streams.listen.durable import PROBE_SECONDS, Away, Line, Refused, WaitingFrame, settle_stored, settle_waiting
from streams.listen.journal import Journal, Record
from streams.run import metrics
from streams.run.metrics import Part

log = structlog.get_logger()
_GROUP_BYTES: Final = 8 * 1024 * 1024  # most that one sync of the journal covers
_READ_ONLY: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT})
_NO_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE})


def _why_not_written(error: OSError) -> tuple[Away, str]:
    if error.errno in _READ_ONLY:
        return Away.READ_ONLY, "the journal cannot be written: the data folder is gone, read-only or not ours: mend it"
    if error.errno in _NO_FILES:
        return Away.FILES, "the journal cannot be written: out of file descriptors: raise the limit (ulimit -n)"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Away.DISK, "the journal cannot be written, the disk is full: free space on the disk of the data folder"
    text = os.strerror(error.errno or errno.EIO)
    return Away.DISK, f"the journal cannot be written ({text}): check the disk of the data folder and its free space"


class JournalDurable(Line):
    """Stored means synced to the journal. `appended` is set whenever there is something new to publish."""

    def __init__(self, journal: Journal, accept_seconds: float) -> None:
        super().__init__(accept_seconds)
        self._journal = journal
        self._failing = ""
        self.appended = asyncio.Event()

    async def run(self) -> None:
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PROBE_SECONDS if self._failing else None):
                        await self._wake.wait()
                self._wake.clear()
                while group := self._next_group():
                    await self._store(group)
                if self._failing:
                    await self._probe()
        finally:
            self._turn_away()

    def trouble(self) -> str:
        return self._failing

    async def _probe(self) -> None:
        """Heals without a sender: who looks at `/readyz` sends nothing until it is well."""
        try:
            await asyncio.to_thread(self._journal.probe)
        except OSError as error:
            _, self._failing = _why_not_written(error)
        else:
            self._healed()

    def _healed(self) -> None:
        if self._failing:
            log.info("journal_writable_again")
            self._failing = ""

    def _next_group(self) -> list[WaitingFrame]:
        group: list[WaitingFrame] = []
        size = 0
        while self._waiting and size < _GROUP_BYTES:
            waiting = self._waiting.popleft()
            if not waiting.result.done():
                group.append(waiting)
                size += len(waiting.frame.data)
        return group

    async def _store(self, group: list[WaitingFrame]) -> None:
        records = [
            Record(w.frame.message_id, w.frame.received_at, w.frame.key, w.frame.data, w.frame.feed) for w in group
        ]
        writing = asyncio.create_task(asyncio.to_thread(self._journal.append, records))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            if not writing.cancelled():
                with contextlib.suppress(OSError):
                    await writing
                    self._stored(group)
            raise
        except OSError as error:
            away, why = _why_not_written(error)
            if not self._failing:
                log.error("journal_not_writable", errno=error.errno, text=why)
            self._failing = why
            metrics.UNAVAILABLE.labels(Part.DISK).inc()
            for waiting in group:
                settle_waiting(waiting.result, Refused(away))
            return
        self._healed()
        self._stored(group)

    def _stored(self, group: list[WaitingFrame]) -> None:
        for waiting in group:
            settle_stored(waiting)
        metrics.JOURNAL_BYTES.set(self._journal.bytes)
        self.appended.set()
