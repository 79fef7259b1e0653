"""A record that ends the process each time: after three attempts it goes to quarantine, and only it."""

import asyncio
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from rules.matching.index import PanelIndex
from streams.kafka.client import BrokerAway
from streams.kafka.topics import Topic
from streams.run.settings import Settings
from streams.store import Store
from streams.work import reader as reading
from streams.work.attempts import LARGE_BYTES, WARY_RECORDS
from streams.work.grammar import GrammarSamples
from streams.work.quarantine import Brake
from streams.work.read import ReadStage
from streams.work.reader import Reader
from streams.work.unavailable import Waiting
from tests.rigs.worker import adt
from tests.work.test_stages import SECRET, FakeOutlet, raw


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours catches it."""


@pytest.fixture
def store(tmp_path):
    opened = Store.open(Settings(data_dir=tmp_path).store_url, migrate=True)
    yield opened
    opened.close()


@pytest.fixture
def outlet():
    return FakeOutlet()


def worker(tmp_path, store, outlet, executor):
    """What a process that starts has: nothing but the store."""
    reader = Reader(Settings(data_dir=tmp_path), SECRET, lambda: PanelIndex.build([], []))
    return ReadStage(reader, outlet, store, executor, Waiting(), Brake(100), SECRET, GrammarSamples(store))


def lives(tmp_path, store, outlet, records, monkeypatch, mark=b"POISON"):
    """How often a worker was ended before the batch came through, and what was read of the poison."""
    real, seen = reading.read_adt, []

    def read(data, *more, **named):
        if mark in data:
            seen.append(data)
            raise Killed
        return real(data, *more, **named)

    monkeypatch.setattr(reading, "read_adt", read)
    for life in range(10):
        with ThreadPoolExecutor(1) as executor:
            try:
                asyncio.run(worker(tmp_path, store, outlet, executor).run(records))
            except Killed:
                continue
        return life, len(seen)
    raise AssertionError("never came through")


@pytest.mark.parametrize("size", [0, 3 * LARGE_BYTES], ids=["small", "large"])
def test_it_goes_to_quarantine_alone_after_three_attempts(tmp_path, store, outlet, monkeypatch, size):
    poison = adt("A60", 9, family="POISON") + b"\rZZZ|" + b"x" * size
    records = [raw(adt("A60", n), n) for n in range(1, 6)] + [raw(poison, 6)] + [raw(adt("A60", n), n) for n in (7, 8)]
    assert lives(tmp_path, store, outlet, records, monkeypatch) == (3, 3)
    assert store.ledger.endings() == {"no_transition": 7, "quarantined": 1}
    (dead,) = outlet.on(Topic.QUARANTINE)
    assert (dict(dead.headers)["code"], dead.value) == (b"read:TakenUpTooOften", poison)


def test_records_that_came_through_are_not_held_against_anybody(tmp_path, store, outlet):
    records = [raw(adt("A60", n), n) for n in range(1, 4)]
    for _ in range(8):  # a restart each time, and everything comes again
        with ThreadPoolExecutor(1) as executor:
            asyncio.run(worker(tmp_path, store, outlet, executor).run(records))
    assert store.ledger.endings() == {"no_transition": 3}
    assert outlet.on(Topic.QUARANTINE) == []


def test_waiting_for_the_broker_is_no_attempt(tmp_path, store):
    """As with too few replicas in sync: records come, none can be published, and the watchdog ends the worker."""
    records = [raw(b"MSH|^~\\&|EPIC|MISSION|C|D|20260101||ADT^A01|%d|P|2.5" % n, n) for n in range(1, 4)]
    for faults in [*[[BrokerAway("NotEnoughReplicasError"), Killed]] * 6, []]:
        outlet = FakeOutlet(faults)
        with ThreadPoolExecutor(1) as executor, suppress(Killed):
            asyncio.run(worker(tmp_path, store, outlet, executor).run(records))
    assert store.ledger.endings() == {"rejected": 3}
    assert outlet.on(Topic.QUARANTINE) == []


def test_copies_of_what_has_ended_are_no_attempts_at_it(tmp_path, store, outlet, monkeypatch):
    records = [raw(adt("A60", n), n) for n in range(1, 17)]
    with ThreadPoolExecutor(1) as executor:
        for _ in range(6):  # the topic holds each of them six times
            asyncio.run(worker(tmp_path, store, outlet, executor).run(records))
        cut_short = raw(adt("A60", 17), 17)
        stage = worker(tmp_path, store, outlet, executor)
        store.keeping_up.take_up([f"read:{stage._attempts._id_of(cut_short)}"], datetime.now(UTC))
        asyncio.run(stage.run([*records, cut_short]))
    assert store.ledger.endings() == {"no_transition": 17}
    assert outlet.on(Topic.QUARANTINE) == []


def test_an_ordinary_record_costs_nothing_once_the_beginning_is_over(tmp_path, store, outlet, monkeypatch):
    with ThreadPoolExecutor(1) as executor:
        stage = worker(tmp_path, store, outlet, executor)
        asyncio.run(stage.run([raw(b"", n) for n in range(WARY_RECORDS)]))
        noted = []
        monkeypatch.setattr(
            store.keeping_up, "take_up", lambda names, _: noted.append(names) or dict.fromkeys(names, 1)
        )
        asyncio.run(stage.run([raw(b"", WARY_RECORDS), raw(b"", WARY_RECORDS + 1)]))
        assert noted == []
        asyncio.run(stage.run([raw(b"x" * LARGE_BYTES, WARY_RECORDS + 2)]))
        assert len(noted) == 1
        asyncio.run(stage.run([raw(b"", 7)]))  # the partition went and came back
        assert len(noted) == 2


def test_a_large_message_that_takes_long_leaves_the_loop_alone(tmp_path, store, outlet, monkeypatch):
    def slow(*_, **__):
        end = time.monotonic() + 0.6
        while time.monotonic() < end:
            sum(range(1000))
        raise KeyError

    monkeypatch.setattr(reading, "read_adt", slow)

    async def run(records):
        beats = []

        async def beat():
            while True:
                beats.append(time.monotonic())
                await asyncio.sleep(0.02)

        beating = asyncio.create_task(beat())
        with ThreadPoolExecutor(1) as executor:
            await worker(tmp_path, store, outlet, executor).run(records)
        beating.cancel()
        return max(later - earlier for earlier, later in itertools.pairwise(beats))

    assert asyncio.run(run([raw(b"x" * 2 * LARGE_BYTES, 1), raw(b"y" * 2 * LARGE_BYTES, 2)])) < 0.5
