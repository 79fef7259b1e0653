"""Faust with another wait of a fetch and batches of our own from its queue."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import faust
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport

from streams.kafka.client import client_options
from streams.run.settings import Settings
from streams.work.leave import leave
from streams.work.reader import RawRecord
from streams.work.watchdog import Exit

FETCH_WAIT: Final = (20, 64 * 1024)  # ms, bytes: whichever comes first; a fetch for each record costs more than it
_BATCH_BYTES: Final = 1024 * 1024  # so that a batch of large messages is committed before anybody loses patience


def faust_credentials(settings: Settings) -> Any:
    """What `client_options` says, for Faust's own clients; None for a plain connection."""
    options = client_options(settings)
    if not options:
        return None
    if "sasl_mechanism" not in options:
        return faust.SSLCredentials(options["ssl_context"])
    return faust.SASLCredentials(
        mechanism=options["sasl_mechanism"],
        username=options["sasl_plain_username"],
        password=options["sasl_plain_password"],
        ssl_context=options.get("ssl_context"),
    )


class _ConsumerThread(AIOKafkaConsumerThread):  # type: ignore[misc]
    """Faust's consumer with another wait of a fetch, which Faust fixes at 1,500 ms or the first byte."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms, consumer._fetch_min_bytes = self.app.fetch_wait
        return consumer


class _Consumer(Consumer):  # type: ignore[misc]
    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class _Transport(Transport):  # type: ignore[misc]
    Consumer = _Consumer


class FaustApp(faust.App):  # type: ignore[misc]
    """A Faust app that never stops by itself: a crash of any service ends the process before anything is acked."""

    fetch_wait = FETCH_WAIT

    def _new_transport(self) -> _Transport:
        return _Transport(self.conf.broker_consumer, self)

    def _crash(self, reason: BaseException) -> None:
        leave(Exit.STUCK, f"faust:{type(reason).__name__}")


async def batches_of(app: Any, stream: Any, most: int, seconds: float) -> AsyncIterator[list[Any]]:
    """Faust's messages, at most `most` and `_BATCH_BYTES` (or one) at once.

    `seconds` is how long the first waits for others to come.
    Acks a batch when the next one is asked for, as `stream.take_events` does, which runs several tasks for each message
    and wakes up for nothing all the time. And it acks what it leaves out, because the partitions were assigned anew
    since: such messages come again, so here they are left out and no more.
    """
    await stream.maybe_start()
    queue = stream.channel.queue
    ahead: Any = None  # did not fit any more
    while True:
        events, ahead = [ahead if ahead is not None else await queue.get()], None
        size = len(events[0].message.value or b"")
        await asyncio.sleep(seconds)
        while len(events) < most and size < _BATCH_BYTES and not queue.empty():
            following = queue.get_nowait()
            size += len(following.message.value or b"")
            if size > _BATCH_BYTES:
                ahead = following
                break
            events.append(following)
        messages = []
        for message in (event.message for event in events):
            if not app.flow_control.is_active() or message.generation_id != app.consumer_generation_id:
                continue
            if not message.tracked:
                message.tracked = True
                app.consumer.track_message(message)
            messages.append(message)
        if messages:
            yield messages
        for message in messages:
            message.ack(app.consumer)


def raw_record(message: Any) -> RawRecord:
    return RawRecord(
        message.topic,
        message.partition,
        message.offset,
        message.timestamp or 0.0,
        message.key,
        message.value,
        message.headers,
    )
