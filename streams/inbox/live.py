"""The store's positions in, a stream of changes for every open page out: one poller for all pages of this process.

A page asks for everything after a position and gets it in order, or hears that it must fetch its list anew when that is
longer ago than this process remembers.
"""

import asyncio
import json
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, NamedTuple

import structlog
from starlette.concurrency import run_in_threadpool

from streams.inbox.access import Desk
from streams.run.crash import traced
from streams.run.metrics import DELAY, INBOX_STREAMS, STAGE, UNAVAILABLE, Delay, Part, Stage
from streams.store import Unavailable
from streams.store.changes import FeedItem, FeedKind

POLL_SECONDS: Final = 0.025
POLL_SECONDS_AWAY: Final = 1.0
STALE_SECONDS: Final = 5.0  # looked at the store longer ago than this: the pages are not live
REMEMBERED: Final = 5_000
BATCH: Final = 500

log = structlog.get_logger()


class Change(NamedTuple):
    """One commit, and for an alert version the message that caused it."""

    item: FeedItem
    message_id: str = ""
    received_at: datetime | None = None
    prompt: bool = True  # False: decided late on purpose, so the time since receipt says nothing about us


class Live:
    """What was committed lately, and who waits for more."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._store = desk.store
        self._changes: deque[Change] = deque(maxlen=REMEMBERED)
        self._waiting: set[asyncio.Event] = set()
        self._floor = 0  # everything after it is in `_changes`
        self._observed = 0
        self.position = 0
        self.polled_at: datetime | None = None
        self.closing = False
        self.dead = False

    async def run(self) -> None:
        """Polls until cancelled. A store that is away is waited for."""
        away = False
        started = False
        while True:
            try:
                if not started:
                    self.position = self._floor = self._observed = await run_in_threadpool(self._store.changes.position)
                    started = True
                while await self._poll():
                    pass
                self.polled_at = datetime.now(UTC)
                if away:
                    log.info("inbox_store_back")
                away = False
            except Unavailable:
                UNAVAILABLE.labels(Part.STORE).inc()
                if not away:
                    log.warning("inbox_store_away")
                away = True
            await asyncio.sleep(POLL_SECONDS_AWAY if away else POLL_SECONDS)

    def ended(self, poller: "asyncio.Task[None]") -> None:
        """The poller is over; unless we are closing, that is a bug of ours, and this process is of no use."""
        if self.closing:
            return
        self.dead = True
        error = None if poller.cancelled() else poller.exception()
        log.error("inbox_poller_ended", **(traced(error) if error else {"error": "cancelled"}))
        for event in self._waiting:
            event.set()

    def fresh(self, now: datetime) -> bool:
        """Whether what pages show is what the store holds: the poller lives and has looked just now."""
        if self.dead or self.closing or self.polled_at is None:
            return False
        return (now - self.polled_at).total_seconds() < STALE_SECONDS

    async def is_fresh(self) -> bool:
        """As `fresh`, now; waits a moment for a poller that has just begun."""
        for _ in range(40):
            if self.polled_at or self.dead or self.closing:
                break
            await asyncio.sleep(0.05)
        return self.fresh(datetime.now(UTC))

    async def _poll(self) -> bool:
        if await run_in_threadpool(self._store.changes.position) <= self.position:
            return False
        changes = await run_in_threadpool(self.read, self.position, BATCH)
        self.polled_at = datetime.now(UTC)
        if not changes:
            return False
        if len(self._changes) + len(changes) > REMEMBERED:
            self._floor = self._changes[min(len(changes), len(self._changes)) - 1].item.position
        self._changes.extend(changes)
        self.position = changes[-1].item.position
        for event in self._waiting:
            event.set()
        return len(changes) == BATCH

    def read(self, after: int, limit: int) -> list[Change]:
        """At most `limit` changes after a position, from the store itself. Runs in a thread."""
        items = self._store.changes.after(after, limit)
        causes = self._desk.causes([item.position for item in items if item.kind is FeedKind.ALERT])
        changes = []
        for item in items:
            cause = causes.get(item.position)
            if cause is None:
                changes.append(Change(item))
            else:
                changes.append(Change(item, cause.message_id, cause.received_at, cause.prompt))
        return changes

    def after(self, position: int) -> list[Change] | None:
        """Changes after a position, oldest first; `None` when that is too long ago, or from another store."""
        if position < self._floor or position > self.position:
            return None
        if position == self.position:
            return []
        return [change for change in self._changes if change.item.position > position]

    def subscribe(self) -> asyncio.Event:
        """An event that is set whenever there is more. Give it back with `unsubscribe`."""
        event = asyncio.Event()
        self._waiting.add(event)
        INBOX_STREAMS.set(len(self._waiting))
        return event

    def unsubscribe(self, event: asyncio.Event) -> None:
        self._waiting.discard(event)
        INBOX_STREAMS.set(len(self._waiting))

    def written(self, changes: Iterable[Change]) -> None:
        """These stand on a page's event stream now: the time since receipt is observed, once for each change."""
        now = datetime.now(UTC)
        for change in changes:
            if change.item.position <= self._observed:
                continue
            self._observed = change.item.position
            if change.received_at is not None and change.prompt:
                STAGE.labels(Stage.SHOWN).observe(max(0.0, (now - change.received_at).total_seconds()))
                DELAY.labels(Delay.DECIDED_TO_SHOWN).observe(max(0.0, (now - change.item.at).total_seconds()))

    def close(self) -> None:
        """Every open stream ends; pages connect again when there is somebody to connect to."""
        self.closing = True
        for event in self._waiting:
            event.set()


def sse(event: str, data: object, position: int | None = None) -> bytes:
    """One server-sent event (WHATWG HTML, section 9.2)."""
    number = f"id: {position}\n" if position is not None else ""
    return f"{number}event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
