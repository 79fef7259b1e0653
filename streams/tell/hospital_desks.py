"""Feeds that are silent in; one mail each to the hospital's interface desk, where it is wished, out. No patient in it.

One process at a time sends, and what was sent is noted after the relay took it: a kill between repeats a mail under the
same id.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import structlog

from parsers.feeds import Feeds
from rules.feeds.rhythm import Talk
from rules.policy.policy import Policy
from streams.store import Store
from streams.store.delivery import made_of
from streams.store.feed_talk import FeedTalk
from streams.tell.forms import mail
from streams.tell.in_thread import InThread
from streams.tell.looking import look_every
from streams.tell.way import Delivered, Parcel
from streams.tell.ways.smtp import Smtp
from streams.words import feeds as feed_words

log = structlog.get_logger()
LOOK_SECONDS: Final = 60.0
LEASE_SECONDS: Final = 180.0


class HospitalDesks:
    """Tells the `contact` of a feed once of each silence."""

    def __init__(
        self,
        store: Store,
        feeds: Callable[[], Feeds],
        policy: Callable[[], Policy],
        smtp: Smtp,
        in_thread: InThread,
    ) -> None:
        self._store = store
        self._feeds = feeds
        self._policy = policy
        self._smtp = smtp
        self._in_thread = in_thread
        self._me = os.urandom(8).hex()

    async def run(self) -> None:
        """Until it is cancelled."""
        await look_every(LOOK_SECONDS, lambda: self.look(datetime.now(UTC)))

    async def look(self, now: datetime) -> None:
        """Sends what is due. Raises `Unavailable`."""
        silent = [
            talk
            for talk in await self._in_thread(self._store.feed_talk.all)
            if talk.state.talk is Talk.SILENT and talk.told_at is None
        ]
        for talk in silent:
            feed = self._feeds().named(talk.feed)
            if not (feed and feed.contact):
                continue
            if not await self._in_thread(self._store.keeping_up.lease, "hospital desks", self._me, now, LEASE_SECONDS):
                return
            said = await self._smtp.send(self._parcel(talk, now), feed.contact)
            if isinstance(said, Delivered):
                await self._in_thread(self._store.feed_talk.note_told, talk.feed, now)
            else:
                log.warning("hospital_not_told", feed=talk.feed, why=said.failure.value)

    def _parcel(self, talk: FeedTalk, now: datetime) -> Parcel:
        made = mail.feed_is_quiet(talk.feed, feed_words.quiet(talk.state, now, self._policy().tz))
        name = made_of("feed silent", talk.feed, talk.changed_at.isoformat())
        return Parcel(name, made.text.encode(), "text/plain", subject=made.subject)
