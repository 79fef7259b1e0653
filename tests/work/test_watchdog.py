"""When a worker counts as standing still: tables of what the broker says, second by second."""

import time
from types import SimpleNamespace

from aiokafka import TopicPartition

from streams.kafka.offsets import Offsets
from streams.kafka.topics import Topic
from streams.run.metrics import Part
from streams.run.settings import Settings
from streams.store import Unavailable
from streams.work.live_panel import PanelWatch
from streams.work.unavailable import Waiting
from streams.work.watchdog import STUCK_SECONDS, Exit, Progress, Watchdog, Why

A = TopicPartition(Topic.RAW.value, 0)
B = TopicPartition(Topic.EVENTS.value, 1)


def watch(seconds, ends, committed, ours=(A, B), paused=()):
    """Seconds of standing at the end of a run; `ends` and `committed` give offsets of A and B by second."""
    progress = Progress(0.0)
    standing = 0.0
    for second in range(1, seconds + 1):
        if second in paused:
            progress.pause(second)
        else:
            progress.see(
                Offsets(
                    dict(zip((A, B), ends(second), strict=True)), dict(zip((A, B), committed(second), strict=True))
                ),
                second,
            )
        standing = progress.standing(second, ours)
    return standing


CASES = {
    "nothing to do": (60, lambda t: (5, 5), lambda t: (5, 5), {}, False),
    "keeps up": (60, lambda t: (t, t), lambda t: (t, t), {}, False),
    "falls behind but moves": (60, lambda t: (t * 100, 0), lambda t: (t, 0), {}, False),
    "stands still": (60, lambda t: (100, 0), lambda t: (7, 0), {}, True),
    "stands still for a moment": (10, lambda t: (100, 0), lambda t: (7, 0), {}, False),
    "assigned to nothing and nobody else moves": (60, lambda t: (100, 0), lambda t: (7, 0), {"ours": ()}, True),
    "assigned to nothing while others work": (60, lambda t: (t * 9, 0), lambda t: (t, 0), {"ours": ()}, False),
    "one partition of ours stands while another moves": (60, lambda t: (100, t), lambda t: (7, t), {}, True),
    "one partition of ours waits its turn in a backlog": (60, lambda t: (5000, 9000), lambda t: (7, t * 50), {}, False),
    "one partition of ours stands after the backlog": (400, lambda t: (900, 9000), lambda t: (7, t * 50), {}, True),
    "a partition of another stands while ours moves": (60, lambda t: (100, t), lambda t: (7, t), {"ours": (B,)}, False),
    "the broker or the store is away": (60, lambda t: (100, 0), lambda t: (7, 0), {"paused": range(55)}, False),
    "the broker has long been back": (60, lambda t: (100, 0), lambda t: (7, 0), {"paused": range(40)}, True),
    "topics emptied by a new broker": (20, lambda t: (100 if t < 10 else 0, 0), lambda t: (7, 0), {}, False),
}


def test_standing_still_is_told_from_waiting():
    for name, (seconds, ends, committed, more, stuck) in CASES.items():
        assert (watch(seconds, ends, committed, **more) > STUCK_SECONDS) is stuck, name


def test_a_process_that_was_held_is_not_one_that_stands_still():
    progress = Progress(0.0)
    for at in (1, 2, 60, 61, 62):
        progress.see(Offsets({A: 100}, {A: 7}), at)
    assert progress.standing(62, (A,)) == 2
    assert progress.standing(90, (A,)) > STUCK_SECONDS


def test_lag_is_by_topic_and_never_negative():
    offsets = Offsets({A: 10, B: 3}, {A: 4, B: 9})
    assert offsets.lag() == {Topic.RAW: 6, Topic.EVENTS: 0}


def test_a_watchdog_that_ends_takes_the_process_with_it(tmp_path):
    left = []
    worker = SimpleNamespace(main_loop=lambda: None, consumer_loop=lambda: None, dead_client=lambda: {}["a bug"])
    settings = Settings(data_dir=tmp_path, kafka_bootstrap_servers="127.0.0.1:1")
    watchdog = Watchdog(settings, "127.0.0.1:1", Waiting(), worker, lambda: True, lambda *why: left.append(why))
    watchdog.start()
    deadline = time.monotonic() + 30
    while not left and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left == [(Exit.STUCK, Why.WATCHDOG_ENDED)]


def test_rebalances_one_after_the_other_are_no_standing_still(tmp_path, monkeypatch):
    left, clock = [], [0.0]
    monkeypatch.setattr("streams.work.watchdog.time.monotonic", lambda: clock[0])
    coordinator = SimpleNamespace(generation=-1, coordinator_id=1)
    consumer = SimpleNamespace(_coordinator=coordinator, assignment=lambda: {A})
    worker = SimpleNamespace(consumer=lambda: consumer)
    settings = Settings(data_dir=tmp_path, kafka_bootstrap_servers="127.0.0.1:1")
    watchdog = Watchdog(settings, "", Waiting(), worker, lambda: True, lambda *why: left.append((clock[0], *why)))

    def look_until(second, generation):
        coordinator.generation = generation
        while clock[0] < second and not left:
            clock[0] += 1
            watchdog._take(Offsets({A: 100}, {A: 7}))

    look_until(29, -1)
    for generation in range(8):
        look_until(29 + 10 * (generation + 1), generation)
    assert left == []
    look_until(200, 7)
    assert left == [(29 + 10 * 7 + 1 + STUCK_SECONDS + 1, Exit.STUCK, Why.NO_PROGRESS)]


class Away:
    """A store that nobody asks anything but what the panel watch asks."""

    def __init__(self):
        self.away = True
        self.directory = self.panel = self

    def version(self):
        if self.away:
            raise Unavailable("OperationalError")
        return -1

    def seq(self):
        return 0

    def records(self, *_):
        return ()

    def crosswalk(self):
        return ()

    def changes(self, _):
        return SimpleNamespace(enrollee_ids=(), removed=(), crosswalk=(), seq=0)

    def age(self):
        return None


def test_a_store_that_goes_and_comes_while_no_message_comes_is_seen(tmp_path):
    store, waiting = Away(), Waiting()
    watch = PanelWatch(store, waiting)
    watch.start()

    def wait_for(away):
        deadline = time.monotonic() + 30
        while (waiting.seconds(Part.STORE) > 0) is not away:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    wait_for(True)
    assert not watch.loaded
    store.away = False
    wait_for(False)
    assert watch.wait(5)
    store.away = True
    wait_for(True)
    store.away = False
    wait_for(False)
    watch.stop()
