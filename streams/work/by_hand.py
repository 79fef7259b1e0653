"""What people entered by hand in; its messages on the raw topic, to be read and decided like any other, out."""

import asyncio
from datetime import datetime

from parsers.feeds import BY_HAND
from streams.kafka.outlet import Outlet, Output
from streams.kafka.records import Envelope
from streams.kafka.topics import Topic
from streams.run import metrics
from streams.run.metrics import Part, Way
from streams.store import Store
from streams.work.unavailable import Waiting


class ByHand:
    """Publishes what is lined up, again until it has ended: a message that comes twice has its effect once."""

    def __init__(self, store: Store, outlet: Outlet, waiting: Waiting, secret: bytes) -> None:
        self._store = store
        self._outlet = outlet
        self._waiting = waiting
        self._secret = secret

    async def run(self, now: datetime) -> int:
        """Gives how many were published. Raises `Unavailable`."""
        events = await asyncio.to_thread(self._store.hand_events.due, now, self._secret)
        if not events:
            return 0
        outputs = [
            Output(
                Topic.RAW, event.key, event.message, Envelope(event.message_id, event.received_at, BY_HAND).headers()
            )
            for event in events
        ]
        await self._waiting.until(Part.BROKER, lambda: self._outlet.publish(outputs), "by hand")
        await asyncio.to_thread(self._store.hand_events.published, [event.message_id for event in events], now)
        metrics.RECEIVED.labels(Way.BY_HAND).inc(sum(not event.published for event in events))
        return len(events)
