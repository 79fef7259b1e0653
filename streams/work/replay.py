"""What people gave back from quarantine in; its records on their topics again, each under the id it always had, out."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from streams import __version__
from streams.kafka.outlet import Outlet, Output
from streams.kafka.records import Envelope
from streams.kafka.topics import Topic
from streams.run import metrics
from streams.run.metrics import Part, Stage
from streams.store import Store
from streams.store.quarantine import Failed, State
from streams.work.newer import TAKEN_UP_AFTER, schema_of, within_reach
from streams.work.quarantine import Crash
from streams.work.unavailable import Waiting

_AT_ONCE: Final = 50  # records that may be as large as a message can be
_LEASE_SECONDS: Final = 30.0
_TOPICS: Final = {Stage.READ.value: Topic.RAW, Stage.DECIDE.value: Topic.EVENTS}


def keep(store: Store, crashes: Sequence[Crash], secret: bytes) -> None:
    """In the thread of the store, before their endings are written there. Raises `Unavailable`."""
    failed = [
        Failed(
            *(crash.envelope.message_id, crash.stage.value, crash.code, crash.place, crash.sender),
            *(crash.envelope.feed, crash.envelope.received_at, crash.key, crash.value),
        )
        for crash in crashes
    ]
    store.quarantine.keep(failed, __version__, secret, datetime.now(UTC))


def keep_rejected(store: Store, outputs: Sequence[Output], secret: bytes) -> None:
    """What goes to `adt.rejects.v1`, as `keep`."""
    rejected = []
    for output in outputs:
        envelope = Envelope.from_headers(output.headers)
        rejected.append(
            Failed(
                *(envelope.message_id, Stage.READ.value, envelope.code, envelope.place, envelope.sender),
                *(envelope.feed, envelope.received_at, output.key, output.value),
            )
        )
    store.quarantine.keep(rejected, __version__, secret, datetime.now(UTC), State.REJECTED)


class Replay:
    """Publishes what is lined up, and what an older worker set aside for us, a little at a time; one worker does it for
    all."""

    def __init__(self, store: Store, outlet: Outlet, waiting: Waiting, secret: bytes, remembered: timedelta) -> None:
        """`remembered`: how long the ledger knows every ending."""
        self._store = store
        self._outlet = outlet
        self._waiting = waiting
        self._secret = secret
        self._me = uuid.uuid4().hex
        self._remembered = remembered
        self._began = False

    async def run(self, now: datetime) -> int:
        """Gives how many were published. Raises `Unavailable`."""
        quarantine, lease = self._store.quarantine, self._store.keeping_up.lease
        if not self._began:
            await asyncio.to_thread(quarantine.line_up_again, now - self._remembered)
            self._began = True
        if known := await asyncio.to_thread(quarantine.under, within_reach(), now - TAKEN_UP_AFTER, _AT_ONCE):
            await asyncio.to_thread(quarantine.release, known, self._secret)
        records = await asyncio.to_thread(quarantine.lined_up, _AT_ONCE, self._secret)
        if not records or not await asyncio.to_thread(lease, "replay", self._me, now, _LEASE_SECONDS):
            return 0
        outputs = [_output(record) for record in records]
        await self._waiting.until(Part.BROKER, lambda: self._outlet.publish(outputs), "replay")
        await asyncio.to_thread(quarantine.published, [record.message_id for record in records])
        metrics.REPLAYED.inc(len(records))
        return len(records)


def _output(record: Failed) -> Output:
    named = record.stage == Stage.DECIDE.value or record.sender == record.feed  # else MSH says whose it is, as before
    feed = record.feed if named else ""
    schema = schema_of(record.code)
    envelope = Envelope(record.message_id, record.received_at, feed, schema=schema, sender=record.sender)
    return Output(_TOPICS[record.stage], record.key, record.value, [*envelope.headers(), ("replay", b"1")])
