"""A failed try in, how long its destination rests out; who fails for days is paused, and somebody is told."""

from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from rules.telling.attempts import AWAY, MOST_ASKED, OF_CONTENT, STOPS_DESTINATION, Failure, pauses
from rules.telling.destinations import Destination, WayKind
from streams.run import metrics
from streams.store import Store
from streams.store.destinations import DestinationRow
from streams.tell.in_thread import InThread

log = structlog.get_logger()

REST: Final = (timedelta(seconds=5), timedelta(minutes=10))  # after the first failure, and at most
_BY_OUR_RELAY: Final = (WayKind.SMTP, WayKind.DIRECT)  # who does not let us in there says nothing of the recipient


class Resting:
    """What becomes of destinations that fail."""

    def __init__(self, store: Store, in_thread: InThread) -> None:
        self._store = store
        self._in_thread = in_thread

    async def rests(
        self, destination: Destination, failure: Failure, now: datetime, asked: timedelta | None = None
    ) -> bool:
        """Lets a destination rest, for as long as it `asked` at least, or pauses it; whether it does either.

        What is refused for its content rests nobody, but who refuses everything for days is paused like others.
        """
        of_content = failure in OF_CONTENT
        where, at_least = destination.destination_id, max(REST[0], min(asked or REST[0], MOST_ASKED))
        until = None if of_content else now + at_least
        row = await self._in_thread(self._store.destinations.failed, where, failure, now, until)
        if row is None:
            return True
        first, last = row.first_failed_at or now, row.last_failed_at or now
        stops = failure in STOPS_DESTINATION and not (
            failure is Failure.NOT_ALLOWED and destination.way in _BY_OUR_RELAY
        )
        if stops or pauses(first, last, row.succeeded_at, now):
            await self.pause(destination, failure, now)
        elif of_content:
            return False
        else:
            rest = max(min(REST[0] * 2 ** min(row.failures - 1, 20), REST[1]), at_least)
            await self._in_thread(self._store.destinations.rest, where, now + rest)
        return True

    async def recovered(self, row: DestinationRow, now: datetime) -> None:
        """The first success after failures; of one that was away, what waits for its next try need not wait longer.
        Raises `Unavailable`.
        """
        where, hastened = row.destination.destination_id, 0
        if row.first_failed_at and now - row.first_failed_at >= AWAY:
            hastened = await self._in_thread(self._store.destinations.hasten, where, now)
        log.info("destination_recovered", destination=where, failures=row.failures, hastened=hastened)

    async def pause(self, destination: Destination, failure: Failure, now: datetime) -> None:
        """Pauses one that is active; somebody is told of it (`streams.tell.notices`). Raises `Unavailable`."""
        where = destination.destination_id
        if await self._in_thread(partial(self._store.destinations.pause, where, failure, now, tell=True)):
            metrics.DESTINATIONS_PAUSED.inc()
            log.error("destination_paused", destination=where, failure=failure)
