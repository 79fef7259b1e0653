"""What a worker does beside its messages: also while the store holds what only a newer version of it can read."""

import asyncio
import json
from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import select, update

from streams.kafka.client import BrokerAway
from streams.kafka.topics import Topic
from streams.store import Unavailable
from streams.store.tables import alert_versions, destinations
from streams.work import chores as chores_module
from streams.work import decide as deciding
from streams.work.chores import Chores, Steps
from streams.work.live_destinations import LiveDestinations
from streams.work.quarantine import Brake
from streams.work.unavailable import Waiting
from tests.rigs.telling import destination
from tests.rigs.worker import adt
from tests.work.test_stages import AT, FakeOutlet, decide_stage, events, executor, reader, settings, store

__all__ = ["executor", "reader", "settings", "store"]


@pytest.fixture
def rounds(settings, store, monkeypatch):
    """Runs one loop of the chores, by name, until the round in which `done` was called."""
    monkeypatch.setattr(chores_module, "ROUND_SECONDS", 0)
    called, waiting = [], Waiting()

    async def done(now):
        called.append(now)
        waiting.stopping = True

    def run(loop, *, publish=(), look=()):
        chores = Chores(settings, store, waiting, Brake(1), Steps((*publish, done), done, look))
        asyncio.run(asyncio.wait_for(getattr(chores, loop)(), 10))
        return len(called)

    return run


@pytest.fixture
def unsent(reader, store, executor):
    """An alert that a kill left unsent."""
    stage = decide_stage(store, FakeOutlet(), executor)
    stage._commit(deciding._take(events(reader, adt("A01", 1)))[0])
    return stage


def reworded(store, table, newer=True, **words):
    """The one document of a table, as another version of the program would write it."""
    with store.database.writing() as connection:
        document = json.loads(connection.scalar(select(table.c.document)))
        connection.execute(update(table).values(document=json.dumps(document | words)))
        if newer:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")


def test_an_alert_that_a_newer_worker_wrote_is_left_to_it_and_the_rest_is_done(store, unsent, rounds):
    reworded(store, alert_versions, reasons=["a word of theirs"])
    assert rounds("publish", publish=(unsent.relay,)) == 1
    assert store.changes.outbox_size() == 1


def test_what_no_version_can_read_ends_the_worker(store, unsent, rounds):
    reworded(store, alert_versions, newer=False, reasons=["a word of nobody's"])
    with pytest.raises(ValidationError):
        rounds("publish", publish=(unsent.relay,))


def test_a_destination_of_a_newer_version_stops_no_worker(store, rounds):
    store.destinations.put(destination(), AT)
    reworded(store, destinations, form="a form of theirs")
    assert rounds("look_around", look=(LiveDestinations(store, store.directory.read).look,)) == 1


def test_a_step_in_vain_keeps_no_other_from_being_done(rounds):
    def failing(error):
        async def fail(_now):
            raise error

        return fail

    assert rounds("publish", publish=(failing(Unavailable("lost")), failing(BrokerAway("lost")))) == 1


def test_what_a_kill_left_is_published_also_where_the_clock_was_ahead(store, unsent, executor):
    outlet = FakeOutlet()
    assert asyncio.run(decide_stage(store, outlet, executor).relay(AT - timedelta(days=300))) == 1
    assert len(outlet.on(Topic.ALERTS)) == 1
