"""Who is at the pages, kept in memory: each session's last gesture, its open streams, where it was in its list.

A gesture is a key, a click, a touch or a move that a page reports; what a page fetches by itself is none.
"""

import asyncio
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from streams.inbox.links import TOUCH_SECONDS
from streams.store.sessions import SESSION_HOURS

PLACES_KEPT: Final = 20  # of one session


class Presence:
    """What this process knows of its signed-in sessions beyond the store; a restart forgets it."""

    def __init__(self) -> None:
        self._touched: dict[str, datetime] = {}
        self._written: dict[str, datetime] = {}
        self._streams: dict[str, set[asyncio.Event]] = {}
        self._places: dict[str, OrderedDict[str, str]] = {}

    def touched(self, secret: str, otherwise: datetime) -> datetime:
        """The session's last gesture, at least `otherwise`."""
        return max(otherwise, self._touched.get(secret, otherwise))

    def touch(self, secret: str, at: datetime) -> bool:
        """A gesture at `at`; says whether it is time to write it to the store."""
        self._touched[secret] = max(at, self._touched.get(secret, at))
        written = self._written.get(secret)
        if written is not None and (at - written).total_seconds() <= TOUCH_SECONDS:
            return False
        self._written[secret] = at
        self._forget_before(at - timedelta(hours=SESSION_HOURS))
        return True

    def opened(self, secret: str, wake: asyncio.Event) -> None:
        """A stream of this session, woken when the session ends."""
        self._streams.setdefault(secret, set()).add(wake)

    def closed(self, secret: str, wake: asyncio.Event) -> None:
        waking = self._streams.get(secret, set())
        waking.discard(wake)
        if not waking:
            self._streams.pop(secret, None)

    def end(self, secret: str) -> None:
        """The session is over: its streams wake up to find that out, the rest is forgotten."""
        for wake in self._streams.get(secret, ()):
            wake.set()
        for kept in (self._touched, self._written, self._places):
            kept.pop(secret, None)

    def put_place(self, secret: str, place: str, padded: str) -> None:
        """What was searched for in a list that is being left, unreadable without the pad that the browser keeps."""
        places = self._places.setdefault(secret, OrderedDict())
        places[place] = padded
        places.move_to_end(place)
        while len(places) > PLACES_KEPT:
            places.popitem(last=False)

    def place(self, secret: str, place: str) -> str:
        return self._places.get(secret, OrderedDict()).get(place, "")

    def _forget_before(self, moment: datetime) -> None:
        for secret in [secret for secret, at in self._touched.items() if at < moment]:
            self.end(secret)
