"""An event entered by hand goes the way of a message, once, and is one stay with what the feed tells, in any order."""

import asyncio
from datetime import timedelta

import pytest

from parsers.feeds import BY_HAND, Feed, Feeds
from parsers.hl7.batches import split
from rules.decisions import StayStatus
from streams.inbox.by_hand import Entered, Happened, message_of
from streams.kafka.records import keyed_hash
from streams.kafka.topics import Topic
from streams.run.metrics import REGISTRY
from streams.store.hand_events import HandEvent
from streams.work.by_hand import ByHand
from streams.work.reader import RawRecord
from streams.work.unavailable import Waiting
from tests.rigs.worker import START, adt
from tests.work.test_stages import (
    AT,
    SECRET,
    FakeOutlet,
    decide_stage,
    executor,
    raw,
    read_stage,
    reader,
    settings,
    store,
    tell,
)

__all__ = ["executor", "reader", "settings", "store"]

ARRIVED = START + timedelta(days=1)  # as `adt` says it of a first visit
IDS = iter(range(0x100, 0x1000))


def entered(store, happened=Happened.ADMITTED, at=ARRIVED, **more):
    """Lines an event about the first of the sample panel up, as the page does it; gives its message id."""
    enrollee = min(row.enrollee_id for row in store.panel.records())
    person = store.people.of(enrollee)
    message_id = f"{next(IDS):032x}"
    message = message_of(
        Entered(happened, "MISSION", at, **more), person, message_id, at + timedelta(hours=1), store.database.zone
    )
    key = keyed_hash(SECRET, BY_HAND, enrollee)
    assert store.hand_events.keep(HandEvent(message_id, key, at + timedelta(hours=1), message), SECRET)
    return message_id


def through(store, reader, executor, records):
    """Records of the raw topic read and decided."""
    outlet = FakeOutlet()
    asyncio.run(read_stage(reader, outlet, store, executor).run(records))
    tell(decide_stage(store, FakeOutlet(), executor), [record_of(output) for output in outlet.on(Topic.EVENTS)])


def record_of(output):
    return RawRecord(output.topic.value, 0, next(IDS), AT.timestamp(), output.key, output.value, output.headers)


def pump(store, reader, executor, now=AT):
    """What a worker does with what is lined up, to the end; gives how many were published."""
    outlet = FakeOutlet()
    count = asyncio.run(ByHand(store, outlet, Waiting(), SECRET).run(now))
    through(store, reader, executor, [record_of(output) for output in outlet.on(Topic.RAW)])
    return count


def stays(store):
    with store.database.reading() as connection:
        return [(row[0], row[1]) for row in connection.exec_driver_sql("SELECT stay_id, status FROM stays").all()]


def versions(store):
    with store.database.reading() as connection:
        return connection.exec_driver_sql("SELECT count(*), count(DISTINCT alert_id) FROM alert_versions").one()


def test_what_is_entered_is_told_and_published_until_it_has_ended(store, reader, executor):
    received = REGISTRY.get_sample_value("toc_received_total", {"way": "by_hand"}) or 0
    message_id = entered(store)
    outlet = FakeOutlet()
    run = ByHand(store, outlet, Waiting(), SECRET).run
    assert [asyncio.run(run(AT + timedelta(seconds=after))) for after in (0, 30, 90)] == [1, 0, 1]
    assert {dict(output.headers)["feed"] for output in outlet.on(Topic.RAW)} == {BY_HAND.encode()}
    assert REGISTRY.get_sample_value("toc_received_total", {"way": "by_hand"}) == received + 1
    assert pump(store, reader, executor, AT + timedelta(seconds=200)) == 1
    assert store.ledger.endings() == {"alerted": 1}
    assert store.ledger.ended([message_id]) == {message_id}
    assert pump(store, reader, executor, AT + timedelta(seconds=300)) == 0
    assert store.hand_events.due(AT + timedelta(days=1), SECRET) == []
    assert store.ledger.feeds() == {}


@pytest.mark.parametrize("first", ["by hand", "feed"])
@pytest.mark.parametrize("trigger", ["A01", "A08"])
def test_it_is_the_same_stay_when_the_feed_comes(store, reader, executor, first, trigger):
    def from_feed(*messages):
        through(store, reader, executor, [raw(data, next(IDS)) for data in messages])

    if first == "feed":
        from_feed(adt(trigger, 0, minutes=5))
    entered(store, at=ARRIVED + timedelta(minutes=20))
    pump(store, reader, executor)
    if first == "by hand":
        from_feed(adt(trigger, 0, minutes=5))
    assert len(stays(store)) == 1
    from_feed(adt("A08", 0, minutes=90), adt("A03", 0, minutes=300))
    entered(store, Happened.DISCHARGED, ARRIVED + timedelta(minutes=310), disposition="01")
    pump(store, reader, executor)
    assert [status for _, status in stays(store)] == [StayStatus.FINISHED]
    assert versions(store)[1] == 1


def test_it_is_read_as_the_hospital_s_own_feed_under_its_own_name() -> None:
    hospital = Feed(name="mission", sending=("MISSION",), facility="Mission Hospital", zone="America/Denver")
    exchange = Feed(name="hie", sending=("HIE",), facility_kinds={"Broughton": "psychiatric"})
    feeds = Feeds(feeds=(hospital, exchange))
    assert (feeds.by_hand("Mission Hospital").zone, feeds.by_hand("MISSION").facility) == (
        *("America/Denver", "Mission Hospital"),
    )
    assert feeds.by_hand("Broughton").facility_kinds == exchange.facility_kinds
    assert (feeds.by_hand("Elsewhere").name, feeds.by_hand("Elsewhere").facility) == (BY_HAND, "Elsewhere")
    assert feeds.by_hand("").facility == ""


def test_what_breaks_fields_breaks_nothing(store) -> None:
    person = store.people.of("SAMPLE-00000000")
    hostile = Entered(Happened.ED, "St. M|ry^s \\ & ~\rPID|2", ARRIVED)
    message = message_of(hostile, person, "a" * 32, ARRIVED, store.database.zone)
    assert [line[:3] for line in message.split(b"\r")] == [b"MSH", b"EVN", b"PID", b"PV1", b""]
    assert len(list(split(message))) == 1
