"""How the worker takes messages from Faust: acked when the next batch is asked for, left out after a rebalance."""

import asyncio
from types import SimpleNamespace

from streams.work.faust_app import batches_of


class Message:
    def __init__(self, offset, generation, size=1):
        self.offset, self.generation_id = offset, generation
        self.value = b"x" * size
        self.tracked = self.acked = False

    def ack(self, consumer):
        assert self in consumer.tracked, "Faust would commit past a message it does not know"
        self.acked = True


class App:
    def __init__(self):
        self.flowing = True
        self.consumer_generation_id = 1
        self.flow_control = SimpleNamespace(is_active=lambda: self.flowing)
        self.tracked = []
        self.consumer = SimpleNamespace(tracked=self.tracked, track_message=self.tracked.append)


class Stream:
    def __init__(self, messages):
        self.channel = SimpleNamespace(queue=asyncio.Queue())
        self.put(messages)

    def put(self, messages):
        for message in messages:
            self.channel.queue.put_nowait(SimpleNamespace(message=message))

    async def maybe_start(self):
        pass


def test_a_batch_is_acked_when_the_next_is_asked_for():
    async def run():
        app, messages = App(), [Message(number, 1) for number in range(5)]
        batches = batches_of(app, Stream(messages), 3, 0.001)
        assert await anext(batches) == messages[:3]
        assert not any(message.acked for message in messages)
        assert await anext(batches) == messages[3:]
        assert [message.acked for message in messages] == [True] * 3 + [False] * 2

    asyncio.run(run())


def test_what_was_fetched_before_a_rebalance_is_left_out_and_never_acked():
    async def run():
        app, old, new = App(), [Message(number, 1) for number in range(2)], [Message(number, 2) for number in range(2)]
        app.consumer_generation_id = 2
        stream = Stream(old)
        batches = batches_of(app, stream, 1, 0.001)
        waiting = asyncio.ensure_future(anext(batches))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        stream.put(new)
        assert await waiting == new[:1]
        assert await anext(batches) == new[1:]
        assert [message.acked for message in (*old, *new)] == [False, False, True, False]

    asyncio.run(run())


def test_nothing_is_taken_while_partitions_are_being_assigned():
    async def run():
        app, message = App(), Message(0, 1)
        app.flowing = False
        waiting = asyncio.ensure_future(anext(batches_of(app, Stream([message]), 5, 0.001)))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        assert not message.tracked
        waiting.cancel()

    asyncio.run(run())


def test_large_messages_come_in_batches_that_are_soon_over():
    async def run():
        messages = [Message(number, 1, size) for number, size in enumerate((400_000, 400_000, 400_000, 9_000_000, 1))]
        batches = batches_of(App(), Stream(messages), 200, 0.001)
        return [[message.offset for message in await anext(batches)] for _ in range(4)]

    assert asyncio.run(run()) == [[0, 1], [2], [3], [4]]
