"""Reading and deciding without Faust: what a batch comes to, in what order it is kept, and what a fault does to it."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from parsers.events import EventKind
from parsers.hl7.adt import read_adt
from rules.deciding.case import World
from rules.deciding.differences import changes_of
from rules.decisions import Reason, Stay
from rules.endings import Ending
from rules.matching.index import PanelIndex
from rules.policy.policy import default_policy
from rules.telling.destinations import FormKind, State, Whose
from rules.telling.routes_file import default_routes
from streams.invented.community import sample_directory, sample_panel
from streams.kafka.client import BrokerAway
from streams.kafka.records import AlertRecord, Envelope, EventRecord, keyed_hash
from streams.kafka.topics import Topic
from streams.run.metrics import REGISTRY, Part, Stage
from streams.run.settings import Settings
from streams.store import Store, Unavailable
from streams.store.quarantine import State as Held
from streams.store.sealing import lock_for
from streams.store.tables import ledger, stays
from streams.work import decide as deciding
from streams.work import newer
from streams.work import reader as reading
from streams.work.decide import DecideStage
from streams.work.grammar import GrammarSamples
from streams.work.live_destinations import LiveDestinations
from streams.work.quarantine import Brake, Crash
from streams.work.read import ReadStage
from streams.work.reader import Ended, RawRecord, Reader, envelope_of
from streams.work.replay import Replay
from streams.work.unavailable import Waiting
from tests.rigs.store import alert_of
from tests.rigs.telling import destination
from tests.rigs.worker import adt

SECRET = b"of the test"
AT = datetime(2026, 3, 3, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path)


@pytest.fixture
def store(settings):
    opened = Store.open(settings.store_url, migrate=True)
    opened.panel.load(sample_panel(50), full=True, now=AT)
    community = sample_directory()
    opened.directory.load(community.networks, community.practices, community.case_managers)
    yield opened
    opened.close()


@pytest.fixture
def reader(settings, store):
    index = PanelIndex.build(store.panel.records(), store.panel.crosswalk())
    return Reader(settings, SECRET, lambda: index)


def raw(data, number=1, headers=True, topic=Topic.RAW):
    envelope = Envelope(f"{number:032x}", AT)
    return RawRecord(topic.value, 0, number, AT.timestamp(), b"key", data, envelope.headers() if headers else None)


class FakeOutlet:
    """Keeps what is published; `faults` are raised by the first attempts, `refuses` says what never goes."""

    def __init__(self, faults=(), refuses=lambda output: False):
        self.published = []
        self.faults = list(faults)
        self.refuses = refuses
        self.log = []

    async def publish(self, outputs):
        if self.faults and outputs:
            raise self.faults.pop(0)
        self.log.append("published")
        self.published += [output for output in outputs if not self.refuses(output)]
        return {index: "MessageSizeTooLargeError" for index, output in enumerate(outputs) if self.refuses(output)}

    def on(self, topic):
        return [output for output in self.published if output.topic is topic]


class Failing:
    """A store whose named method raises the given faults first."""

    def __init__(self, store, method, *faults):
        self._store, self._method, self._faults = store, method, list(faults)

    def __getattr__(self, name):
        if name == self._method and self._faults:
            raise_ = self._faults.pop(0)

            def fail(*_):
                raise raise_

            return fail
        return getattr(self._store, name)


@pytest.fixture
def executor():
    with ThreadPoolExecutor(1) as made:
        yield made


READ = {
    "a person on the panel": (adt("A01", 1), "forward", "", ""),
    "a person nobody knows": (
        adt("A01", 1, on_panel=False, family="Nobodyatall"),
        Ending.SUPPRESSED,
        "not_on_panel",
        "A01",
    ),
    "another message type": (b"MSH|^~\\&|A|B|C|D|20260101||ORU^R01|77|P|2.5", Ending.REJECTED, "not_adt", "R01"),
    "nothing": (b"", Ending.REJECTED, "empty", ""),
    "no value at all": (None, Ending.REJECTED, "empty", ""),
    "no transition": (adt("A60", 1), Ending.NO_TRANSITION, "", "A60"),
    "a test message": (adt("A01", 1, test="T"), Ending.TEST_MESSAGE, "", "A01"),
}


@pytest.mark.parametrize("name", READ)
def test_each_record_ends_or_goes_on_by_name(reader, name):
    data, ending, code, trigger = READ[name]
    batch = reader.read_batch([raw(data)])
    if ending == "forward":
        (forward,) = batch.forwards
        assert forward.output.topic is Topic.EVENTS
        record = EventRecord.model_validate_json(forward.output.value)
        assert forward.output.key == keyed_hash(SECRET, record.match.enrollee_id)
        assert record.event.message_id == f"{1:032x}"
        return
    (ended,) = batch.ended
    assert (ended.entry.ending, ended.entry.code, ended.entry.trigger) == (ending, code, trigger)
    assert (ended.output is not None) == (ending is Ending.REJECTED)
    if ended.output:
        assert ended.output.value == (data or b"")
        assert dict(ended.output.headers)["code"] == code.encode()


KEPT = {
    "an admission": ("A01", "I", True),
    "an arrival in the emergency department": ("A04", "E", True),
    "a clinic visit": ("A04", "O", False),
    "a discharge": ("A03", "I", True),
    "a cancelled admission": ("A11", "I", True),
    "an update": ("A08", "I", False),
}


@pytest.mark.parametrize("name", KEPT)
def test_transitions_of_unknown_people_wait_for_late_enrollment(reader, settings, name):
    trigger, patient_class, kept = KEPT[name]
    data = adt(trigger, 1, on_panel=False, family="Nobodyatall").replace(
        b"PV1|1|I|", b"PV1|1|%s|" % patient_class.encode()
    )
    (ended,) = reader.read_batch([raw(data)]).ended
    assert (ended.unmatched is not None) is kept
    never = Reader(settings.model_copy(update={"unmatched_days": 0}), SECRET, lambda: PanelIndex.build([], []))
    assert never.read_batch([raw(data)]).ended[0].unmatched is None


def test_a_foreign_record_gets_the_same_id_each_time_and_sorts_by_its_time():
    first = envelope_of(raw(b"x", 1, headers=False))
    assert first == envelope_of(raw(b"x", 1, headers=False))
    later = envelope_of(raw(b"x", 2, headers=False)._replace(timestamp=AT.timestamp() + 1))
    assert first.message_id < later.message_id
    assert len(first.message_id) == len(later.message_id) == 32
    assert first.received_at == AT
    broken = raw(b"x", 1)._replace(headers=[("id", b"1"), ("received_at", b"yesterday")])
    assert envelope_of(broken) == first


def test_our_own_failure_is_a_crash_that_names_the_type_only(reader, monkeypatch):
    def fail(*_, **__):
        raise KeyError("DOE^JANE")

    monkeypatch.setattr(reading, "read_adt", fail)
    (crash,) = reader.read_batch([raw(b"MSH|DOE^JANE")]).crashes
    assert crash.code == "read:KeyError"
    assert dict(crash.output().headers)["code"] == b"read:KeyError"
    assert crash.output().value == b"MSH|DOE^JANE"
    assert crash.entry().ending is Ending.QUARANTINED


def read_stage(reader, outlet, store, executor, limit=100):
    return ReadStage(reader, outlet, store, executor, Waiting(), Brake(limit), SECRET, GrammarSamples(store))


def test_what_is_away_is_waited_for_and_outputs_come_before_the_ledger(reader, store, executor):
    outlet = FakeOutlet([BrokerAway(), BrokerAway()])
    failing = Failing(store, "end", Unavailable("locked"), Unavailable("locked"))
    messages = [adt("A01", 1), adt("A60", 2), adt("A01", 3, on_panel=False, family="Nobodyatall"), b""]
    records = [raw(data, number) for number, data in enumerate(messages, 1)]
    asyncio.run(read_stage(reader, outlet, failing, executor).run(records))
    assert len(outlet.on(Topic.EVENTS)) == len(outlet.on(Topic.REJECTS)) == 1
    assert store.ledger.endings() == {"no_transition": 1, "suppressed": 1, "rejected": 1}
    asyncio.run(read_stage(reader, outlet, store, executor).run(records))
    assert sum(store.ledger.endings().values()) == 3


def test_what_was_rejected_is_mended_and_moves_once(reader, store, executor):
    outlet, read = FakeOutlet(), read_stage(reader, FakeOutlet(), store, executor)
    broken = adt("A01", 1).replace(b"PID|", b"PIX|")
    asyncio.run(read.run([raw(broken, 1)]))
    (rejected,) = store.quarantine.all(states=(Held.REJECTED,))
    assert (rejected.code, rejected.place, rejected.ending) == ("segment_missing", "PID", "rejected")
    assert not store.quarantine.waiting()
    store.quarantine.correct(rejected.message_id, adt("A01", 1), SECRET)
    for _ in range(2):
        store.quarantine.release([rejected.message_id], SECRET)
        asyncio.run(Replay(store, outlet, Waiting(), SECRET, timedelta()).run(datetime.now(UTC)))
    (again,) = outlet.on(Topic.RAW)
    assert again.value == adt("A01", 1)
    lost = FakeOutlet()  # with its broker, before it was read
    after_a_start = Replay(store, lost, Waiting(), SECRET, timedelta(days=3650))
    for seconds in (60, 120):
        asyncio.run(after_a_start.run(datetime.now(UTC) + timedelta(seconds=seconds)))
    assert [output.value for output in lost.on(Topic.RAW)] == [again.value]
    asyncio.run(read_stage(reader, outlet, store, executor).run([raw(broken, 1)._replace(value=again.value)]))
    assert len(outlet.on(Topic.EVENTS)) == 1
    assert store.ledger.endings() == {}


def test_an_event_the_broker_will_never_take_goes_to_quarantine(reader, store, executor):
    outlet = FakeOutlet(refuses=lambda output: output.topic is Topic.EVENTS)
    asyncio.run(read_stage(reader, outlet, store, executor).run([raw(adt("A01", 1), 1), raw(adt("A60", 2), 2)]))
    (dead,) = outlet.on(Topic.QUARANTINE)
    assert dict(dead.headers)["code"] == b"read:MessageSizeTooLargeError"
    assert dead.value == adt("A01", 1)
    assert store.ledger.endings() == {"quarantined": 1, "no_transition": 1}


def decide_stage(store, outlet, executor, limit=100):
    directory, routes = store.directory.read(), default_routes()
    world = World(default_policy(), lambda *facts: routes.route(directory, *facts), AT)
    return DecideStage(store, outlet, executor, Waiting(), Brake(limit), lambda: world, SECRET)


def events(reader, *messages):
    forwards = reader.read_batch([raw(data, number) for number, data in enumerate(messages, 1)]).forwards
    return [
        RawRecord(
            Topic.EVENTS.value,
            0,
            number,
            AT.timestamp(),
            forward.output.key,
            forward.output.value,
            forward.output.headers,
        )
        for number, forward in enumerate(forwards)
    ]


def tell(stage, batch):
    async def run():
        await stage.run(batch)
        await stage.published()

    asyncio.run(run())


def test_a_batch_is_decided_told_and_marked_as_told(reader, store, executor):
    outlet = FakeOutlet([BrokerAway()])
    failing = Failing(store, "decide", Unavailable("lost"))
    batch = events(reader, adt("A01", 1), adt("A01", 2), adt("A03", 1, minutes=60))
    tell(decide_stage(failing, outlet, executor), batch)
    assert store.ledger.endings() == {"alerted": 2, "amended": 1}
    assert [dict(output.headers)["id"].split(b":")[1] for output in outlet.on(Topic.ALERTS)] == [b"1", b"1", b"2"]
    assert store.changes.unsent(10) == []
    tell(decide_stage(store, outlet, executor), batch)
    assert len(outlet.on(Topic.ALERTS)) == 3


def merged(trigger, *pairs):
    """A message of groups: of each pair of messages the patient of the first takes what the second's was."""
    lines = [survivor.decode().split("\r")[2] + "\rMRG|" + former.decode().split("\r")[2].split("|")[3].split("~")[0]
             for survivor, former in pairs]  # fmt: skip
    head = f"MSH|^~\\&|EPIC|MISSION|H|NC|20260303120000+0000||ADT^{trigger}|{trigger}.M|P|2.5.1"
    return "\r".join([head, f"EVN|{trigger}|20260303120000+0000", *lines]).encode()


def test_both_groups_of_a_move_are_read_and_decided_in_one_batch(reader, store, executor):
    outlet = FakeOutlet()
    moves = merged("A43", (adt("A01", 3), adt("A01", 1)), (adt("A01", 4), adt("A01", 2)))
    tell(decide_stage(store, outlet, executor), events(reader, adt("A01", 1), adt("A01", 2), moves))
    assert store.ledger.endings() == {"alerted": 3}
    alerts = [AlertRecord.model_validate_json(output.value).alert for output in outlet.on(Topic.ALERTS)]
    people = [alert.enrollee_id[-1] for alert in alerts]
    assert sorted(zip(people, [alert.action.value for alert in alerts], strict=True)) == [
        ("1", "notify"), ("1", "retract"), ("2", "notify"), ("2", "retract"), ("3", "notify"), ("4", "notify"),
    ]  # fmt: skip


def test_somebody_unknown_who_is_merged_into_an_enrollee_is_told_of(reader, store, executor):
    outlet = FakeOutlet()
    unknown = adt("A01", 9, on_panel=False)
    asyncio.run(read_stage(reader, outlet, store, executor).run([raw(unknown, 7)]))
    assert store.ledger.endings() == {"suppressed": 1}
    identified = events(reader, merged("A40", (adt("A01", 1), unknown)))
    tell(decide_stage(store, outlet, executor), identified)
    (alert,) = [AlertRecord.model_validate_json(output.value).alert for output in outlet.on(Topic.ALERTS)]
    assert alert.enrollee_id.endswith("1")
    assert Reason.IDENTITY_CORRECTED in alert.reasons
    assert store.ledger.endings() == {"suppressed": 1, "alerted": 1}


def test_the_record_that_fails_is_isolated(reader, store, executor, monkeypatch):
    real = deciding.decide

    def fail_for_one(event, *more, **named):
        if event.kind is EventKind.DISCHARGED:
            raise ZeroDivisionError("DOE^JANE")
        return real(event, *more, **named)

    monkeypatch.setattr(deciding, "decide", fail_for_one)
    outlet = FakeOutlet()
    batch = events(reader, adt("A01", 1), adt("A03", 1, minutes=60), adt("A01", 2))
    garbled = batch[0]._replace(value=b"{", headers=Envelope("f" * 32, AT).headers())
    asyncio.run(decide_stage(store, outlet, executor).run([*batch, garbled]))
    assert store.ledger.endings() == {"alerted": 2, "quarantined": 2}
    dead = {dict(output.headers)["code"]: output.value for output in outlet.on(Topic.QUARANTINE)}
    assert dead == {b"decide:ZeroDivisionError": batch[1].value, b"decide:ValidationError": b"{"}
    assert EventRecord.model_validate_json(dead[b"decide:ZeroDivisionError"]).event.kind is EventKind.DISCHARGED


def test_the_relay_publishes_what_a_kill_left_behind(reader, store, executor):
    dead = decide_stage(store, FakeOutlet(), executor)
    dead._commit(deciding._take(events(reader, adt("A01", 1)))[0])
    outlet = FakeOutlet()
    stage = decide_stage(store, outlet, executor)
    assert asyncio.run(stage.relay(AT + timedelta(seconds=1))) == 0
    assert asyncio.run(stage.relay(AT + timedelta(minutes=1))) == 1
    assert len(outlet.on(Topic.ALERTS)) == 1
    assert asyncio.run(stage.relay(AT + timedelta(minutes=1))) == 0


def test_a_released_event_that_the_broker_never_takes_is_set_aside_by_name(reader, store, executor):
    (batch,) = events(reader, adt("A01", 1))
    store.reviews.release([EventRecord.model_validate_json(batch.value)], AT)
    outlet = FakeOutlet(refuses=lambda output: output.topic is Topic.EVENTS)
    stage = decide_stage(store, outlet, executor)
    assert asyncio.run(stage.relay(AT)) == 1
    assert asyncio.run(stage.relay(AT)) == 0
    (dead,) = outlet.on(Topic.QUARANTINE)
    assert dict(dead.headers)["code"] == b"decide:MessageSizeTooLargeError"
    assert store.ledger.endings() == {"quarantined": 1}


def test_the_largest_alert_there_can_be_fits_on_its_topic(reader):
    """Every text is at most 500 characters of four bytes, and of each segment at most a hundred are read."""
    text = "\N{MUSICAL SYMBOL G CLEF}" * 2_000
    diagnoses = [f"DG1|{number}||^{number}{text}^{text}^{text}^{text}||20261122|{text}" for number in range(300)]
    message = b"\r".join([adt("A01", 1), *map(str.encode, diagnoses)])
    record = EventRecord.model_validate_json(events(reader, message)[0].value)
    assert record.event.visit is not None and len(record.event.visit.diagnoses) == 100
    before = Stay(stay_id="s", enrollee_id="E1", facility="MISSION", diagnoses=record.event.visit.diagnoses[::-1])
    alert = alert_of(before, 1, record.event, diagnoses=before.diagnoses)
    after = before.model_copy(update={"diagnoses": record.event.visit.diagnoses})
    changed = alert.model_copy(update={"changes": changes_of(alert, after)})
    assert len(AlertRecord(position=1, alert=changed).written()) < 700_000, "a broker's own limit is 1,000,000"


def test_released_events_go_to_the_events_topic(reader, store, executor):
    (batch,) = events(reader, adt("A01", 1))
    store.reviews.release([EventRecord.model_validate_json(batch.value)], AT)
    outlet = FakeOutlet()
    stage = decide_stage(store, outlet, executor)
    assert asyncio.run(stage.relay(AT)) == 1
    (output,) = outlet.on(Topic.EVENTS)
    assert EventRecord.model_validate_json(output.value).released
    assert output.key == batch.key
    assert asyncio.run(stage.relay(AT)) == 0


def test_the_brake_holds_at_the_limit_within_ten_minutes(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("streams.work.quarantine.time.monotonic", lambda: now[0])
    crash = Crash(Stage.READ, "KeyError", Envelope("0" * 32, AT), b"", b"", sender="north")
    brake = Brake(3)
    for now[0] in (0.0, 300.0, 601.0, 1000.0):
        assert not brake.count(crash)
    now[0] = 1100.0
    assert not brake.count(crash._replace(sender="south"))
    assert brake.count(crash)
    brake.take_over(["north"])
    assert not any(brake.count(crash) for _ in range(9))


def test_waiting_tells_since_when_and_forgets(monkeypatch):
    waiting = Waiting()
    attempts = [Unavailable("x"), BrokerAway("x"), None]
    seen = []

    async def attempt():
        seen.append(waiting.seconds(Part.STORE) > 0)
        if fault := attempts.pop(0):
            raise fault
        return "done"

    assert asyncio.run(waiting.until(Part.STORE, attempt)) == "done"
    assert seen == [False, True, True]
    assert waiting.seconds(Part.STORE) == 0


def test_what_holds_a_message_shows_none_of_it():
    record = raw(b"DOE^JANE")
    crash = Crash(Stage.READ, "KeyError", Envelope("0" * 32, AT), b"", b"DOE^JANE")
    for held in (record, crash, crash.output(), Ended(crash.entry(), crash.output())):
        assert "DOE" not in f"{held} {held!r}"


def counted(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


def of(facility, number):
    return adt("A01", number).replace(b"|MISSION|H|", b"|%s|H|" % facility.encode())


def fail_for(monkeypatch, mark):
    def read(data, *more, **named):
        if mark in data:
            raise KeyError("DOE^JANE")
        return read_adt(data, *more, **named)

    monkeypatch.setattr(reading, "read_adt", read)


def parking_stage(settings, store, outlet, executor, limit):
    brake = Brake(limit)
    brake.take_over(parking.sender for parking in store.keeping_up.parked())
    index = PanelIndex.build(store.panel.records(), store.panel.crosswalk())
    reader = Reader(settings, SECRET, lambda: index, lambda: brake.parked)
    return ReadStage(reader, outlet, store, executor, Waiting(), brake, SECRET, GrammarSamples(store))


def test_a_sender_whose_messages_make_us_fail_is_parked_and_the_others_go_on(settings, store, executor, monkeypatch):
    fail_for(monkeypatch, b"|NORTH|")
    outlet = FakeOutlet()
    stage = parking_stage(settings, store, outlet, executor, 3)
    records = [raw(of(("NORTH", "SOUTH")[number % 2], number), number) for number in range(1, 13)]
    for record in records:
        asyncio.run(stage.run([record]))
    codes = [dict(output.headers)["code"] for output in outlet.on(Topic.QUARANTINE)]
    assert codes == [b"read:KeyError"] * 3 + [b"parked"] * 3
    assert len(outlet.on(Topic.EVENTS)) == 6
    assert store.ledger.endings() == {"quarantined": 6}


def test_a_parked_sender_s_messages_are_set_aside_unread_also_after_a_restart(settings, store, executor, monkeypatch):
    fail_for(monkeypatch, b"|NORTH|")
    outlet = FakeOutlet()
    before = counted("toc_parked_total")
    asyncio.run(parking_stage(settings, store, outlet, executor, 2).run([raw(of("NORTH", n), n) for n in range(1, 4)]))
    (parked,) = store.keeping_up.parked()
    assert (parked.sender, parked.feed, parked.code) == ("EPIC|NORTH", "default", "read:KeyError")
    again = parking_stage(settings, store, outlet, executor, 2)
    asyncio.run(again.run([raw(of("NORTH", 5), 5), raw(of("SOUTH", 6), 6)]))
    assert dict(outlet.on(Topic.QUARANTINE)[-1].headers)["code"] == b"parked"
    assert outlet.on(Topic.QUARANTINE)[-1].value == of("NORTH", 5)
    assert counted("toc_parked_total") == before + 1
    assert len(outlet.on(Topic.EVENTS)) == 1
    assert store.keeping_up.unpark("EPIC|NORTH")
    monkeypatch.undo()
    asyncio.run(parking_stage(settings, store, outlet, executor, 2).run([raw(of("NORTH", 7), 7)]))
    assert len(outlet.on(Topic.EVENTS)) == 2


def test_a_sender_that_deciding_fails_on_is_parked_where_it_is_read(reader, store, executor, monkeypatch):
    monkeypatch.setattr(deciding, "decide", lambda *_, **__: {}["DOE^JANE"])
    batch = events(reader, adt("A01", 1), adt("A01", 2))
    asyncio.run(decide_stage(store, FakeOutlet(), executor, limit=2).run(batch))
    assert [parking.sender for parking in store.keeping_up.parked()] == ["EPIC|MISSION"]


def test_a_crash_says_where_it_was_and_whose_it_was(settings, store, executor, monkeypatch):
    def fail(*_, **__):
        return envelope_of(None)  # fails in a frame of ours

    monkeypatch.setattr(reading, "read_adt", fail)
    feeds = ({"name": "mission", "sending": ["MISSION"]},)
    reader = Reader(Settings(data_dir=settings.data_dir, feeds=feeds), SECRET, lambda: PanelIndex.build([], []))
    (crash,) = reader.read_batch([raw(adt("A01", 1))]).crashes
    assert crash.place.startswith("streams/work/reader.py:")
    assert crash.place.partition(":")[2].isdecimal()
    assert (crash.sender, crash.entry().feed, crash.entry().place) == ("mission", "mission", crash.place)
    headers = dict(crash.output().headers)
    assert (headers["place"], headers["feed"]) == (crash.place.encode(), b"mission")


FEEDLESS = {
    "a reject": (b"MSH|^~\\&|EPIC|MISSION|C|D|20260101||ORU^R01|77|P|2.5", Ending.REJECTED),
    "a reject without a patient": (b"MSH|^~\\&|EPIC|MISSION|C|D|20260101||ADT^A01|77|P|2.5", Ending.REJECTED),
    "no transition": (adt("A60", 1), Ending.NO_TRANSITION),
    "a test message": (adt("A01", 1, test="T"), Ending.TEST_MESSAGE),
}


@pytest.mark.parametrize("name", FEEDLESS)
def test_what_is_no_event_has_its_feed_all_the_same(settings, store, executor, name):
    data, ending = FEEDLESS[name]
    feeds = ({"name": "mission", "sending": ["MISSION"]},)
    reader = Reader(Settings(data_dir=settings.data_dir, feeds=feeds), SECRET, lambda: PanelIndex.build([], []))
    (ended,) = reader.read_batch([raw(data)]).ended
    assert (ended.entry.ending, ended.entry.feed) == (ending, "mission")
    asyncio.run(read_stage(reader, FakeOutlet(), store, executor).run([raw(data)]))
    assert set(store.ledger.feeds()) == {"mission"}


def test_one_redelivered_record_does_not_hide_the_others_of_its_batch(reader, store, executor):
    stage = read_stage(reader, FakeOutlet(), store, executor)
    asyncio.run(stage.run([raw(adt("A60", 1), 1)]))
    asyncio.run(stage.run([raw(adt("A60", 5), 5)]))
    before = counted("toc_endings_total", ending="no_transition"), counted("toc_redelivered_total", stage="read")
    asyncio.run(stage.run([raw(adt("A60", number), number) for number in range(1, 11)]))
    after = counted("toc_endings_total", ending="no_transition"), counted("toc_redelivered_total", stage="read")
    assert (after[0] - before[0], after[1] - before[1]) == (8, 2)


def test_what_was_committed_before_the_database_went_is_told_and_counted(reader, store, executor, monkeypatch):
    real, calls = deciding.decide, []

    def poisoned(event, *more, **named):
        if event.kind is EventKind.DISCHARGED:
            raise ZeroDivisionError
        return real(event, *more, **named)

    class Flaky:
        def __getattr__(self, name):
            return getattr(store, name)

        def decide(self, batch, *more):
            calls.append(len(batch))
            if len(calls) == 3:  # the batch, the first alone, then the second
                raise Unavailable("lost")
            return store.decisions.decide(batch, *more)

    monkeypatch.setattr(deciding, "decide", poisoned)
    batch = events(reader, adt("A01", 1), adt("A01", 2), adt("A03", 1, minutes=60))
    outlet = FakeOutlet()
    before = counted("toc_endings_total", ending="alerted")
    tell(decide_stage(Flaky(), outlet, executor), batch)
    assert counted("toc_endings_total", ending="alerted") == before + 2
    assert len(outlet.on(Topic.ALERTS)) == 2
    assert store.ledger.endings() == {"alerted": 2, "quarantined": 1}


def test_a_commit_nobody_heard_of_is_counted_and_told_once(reader, store, executor, monkeypatch):
    real, lost = store.database.writing, []

    @contextmanager
    def writing():
        with real() as connection:
            before = connection.scalar(select(func.count()).select_from(ledger))
            yield connection
            after = connection.scalar(select(func.count()).select_from(ledger))
        if after > before and len(lost) < 2:  # that the endings are there
            lost.append(after)
            raise Unavailable("the connection was lost in COMMIT")

    monkeypatch.setattr(store.database, "writing", writing)
    before = {name: counted("toc_endings_total", ending=name) for name in ("alerted", "no_transition")}
    outlet = FakeOutlet()
    asyncio.run(read_stage(reader, outlet, store, executor).run([raw(adt("A60", 7), 7)]))
    batch = events(reader, adt("A01", 1), adt("A01", 2))
    stage = decide_stage(store, outlet, executor)
    tell(stage, batch)
    tell(stage, batch)
    assert len(lost) == 2
    endings = store.ledger.endings()
    assert endings == {"alerted": 2, "no_transition": 1}
    assert {name: counted("toc_endings_total", ending=name) - before[name] for name in before} == endings
    assert len(outlet.on(Topic.ALERTS)) == 2


def test_the_outbox_is_gauged_in_full_and_while_the_broker_is_away(reader, store, executor, monkeypatch):
    monkeypatch.setattr(deciding, "_RELAY_BATCH", 1)
    stage = decide_stage(store, FakeOutlet(), executor)
    stage._commit(deciding._take(events(reader, adt("A01", 1), adt("A01", 2), adt("A01", 3)))[0])
    asyncio.run(stage.gauge(AT + timedelta(minutes=1)))
    assert counted("toc_outbox_alerts") == 3
    assert counted("toc_outbox_age_seconds") == 60


def test_only_one_worker_relays_at_a_time(reader, store, executor):
    first, second = (decide_stage(store, FakeOutlet(), executor) for _ in range(2))
    first._commit(deciding._take(events(reader, adt("A01", 1)))[0])
    assert asyncio.run(first.relay(AT + timedelta(minutes=1))) == 1
    first._commit(deciding._take(events(reader, adt("A01", 1), adt("A01", 2)))[0])
    assert asyncio.run(second.relay(AT + timedelta(minutes=1, seconds=2))) == 0
    assert asyncio.run(first.relay(AT + timedelta(minutes=1, seconds=4))) == 1
    second._commit(deciding._take(events(reader, adt("A01", 1), adt("A01", 2), adt("A01", 3)))[0])
    assert asyncio.run(second.relay(AT + timedelta(minutes=2))) == 1


def test_what_one_can_do_says_nothing_about_what_another_cannot():
    waiting = Waiting()
    waiting.away(Part.STORE, "Unavailable", "decide")
    waiting.back(Part.STORE, "panel")
    assert waiting.seconds(Part.STORE) > 0
    waiting.back(Part.STORE, "decide")
    assert waiting.seconds(Part.STORE) == 0


def test_a_version_is_due_to_a_destination_within_a_second_and_nothing_is_asked_without_one(reader, store, executor):
    directory, routes = store.directory.read(), default_routes()
    world = World(default_policy(), lambda *facts: routes.route(directory, *facts), AT)
    live = LiveDestinations(store, lambda: directory)
    assert live.ask() is None
    stage = DecideStage(store, FakeOutlet(), executor, Waiting(), Brake(100), lambda: world, SECRET, live.ask)
    to = destination("d1", FormKind.WEBHOOK_JSON, Whose.CENTRAL_OFFICE)
    store.destinations.put(to, AT)
    assert live.ask() is None, "asked of the store once a second"
    live._looked = 0.0
    tell(stage, events(reader, adt("A01", 1), adt("A03", 1, minutes=60)))
    assert [row.version for row in store.deliveries.of(destination_id="d1")] == [2, 1]
    store.destinations.move(to.destination_id, State.REMOVED, AT)
    live._looked = 0.0
    assert live.ask() is None


def test_a_message_travels_along_sealed_only_while_there_is_somebody_it_is_passed_on_to(settings, store):
    index = PanelIndex.build(store.panel.records(), store.panel.crosswalk())
    live = LiveDestinations(store, store.directory.read)
    reader = Reader(settings, SECRET, lambda: index, passes_on=lambda: live.passes_on)

    def sealed() -> str:
        (forward,) = reader.read_batch([raw(adt("A01", 1))]).forwards
        assert b"PV1|" not in forward.output.value
        return EventRecord.model_validate_json(forward.output.value).sealed

    live.look()
    assert sealed() == ""
    store.destinations.put(destination("d1", FormKind.HL7_RECEIVED, Whose.PRACTICE), AT)
    live._looked = 0.0
    live.look()
    assert lock_for("received", SECRET).decrypt(sealed()) == adt("A01", 1)


def with_more(document, **more):
    """A document as the next version of the program would write it: a field more, at two depths."""
    changed = json.loads(document)
    changed["event"]["patient"]["pronouns"] = "they"
    return json.dumps(changed | more).encode()


def test_an_event_with_a_field_more_is_decided_and_counted(reader, store, executor):
    (batch,) = events(reader, adt("A01", 1))
    before = counted("toc_newer_total", outcome="read_over")
    tell(decide_stage(store, FakeOutlet(), executor), [batch._replace(value=with_more(batch.value, hint="x"))])
    assert store.ledger.endings() == {"alerted": 1}
    assert counted("toc_newer_total", outcome="read_over") == before + 1


def test_a_stay_keeps_what_a_newer_worker_wrote_into_it(reader, store, executor):
    stage = decide_stage(store, FakeOutlet(), executor)
    tell(stage, events(reader, adt("A01", 1)))
    with store.database.writing() as connection:
        document = json.loads(connection.scalar(select(stays.c.document)))
        document["registers"]["returned"] = "2026-03-03"
        connection.execute(update(stays).values(document=json.dumps(document | {"ward_phone": "555"})))
    tell(stage, events(reader, adt("A01", 1), adt("A03", 1, minutes=60))[1:])
    assert store.ledger.endings() == {"alerted": 1, "amended": 1}
    with store.database.reading() as connection:
        kept = json.loads(connection.scalar(select(stays.c.document)))
    assert (kept["status"], kept["ward_phone"]) == ("finished", "555")
    assert kept["registers"]["returned"] == "2026-03-03"


@pytest.mark.parametrize("topic", [Topic.RAW, Topic.EVENTS])
def test_a_record_of_a_newer_schema_waits_for_a_worker_that_knows_it(reader, store, executor, monkeypatch, topic):
    outlet = FakeOutlet()
    record = raw(adt("A01", 1)) if topic is Topic.RAW else events(reader, adt("A01", 1))[0]
    headers = Envelope.from_headers(record.headers)._replace(schema=2).headers()
    read = read_stage(reader, outlet, store, executor, limit=1)
    run = read.run if topic is Topic.RAW else decide_stage(store, outlet, executor, limit=1).run
    before = counted("toc_newer_total", outcome="set_aside")
    asyncio.run(run([record._replace(headers=headers)]))
    assert counted("toc_newer_total", outcome="set_aside") == before + 1
    (aside,) = store.quarantine.all()
    assert (aside.code, aside.ending) == ("newer_record:2", "quarantined")
    assert not store.keeping_up.parked()

    replay, later = Replay(store, outlet, Waiting(), SECRET, timedelta()), datetime.now(UTC) + timedelta(seconds=11)
    assert asyncio.run(replay.run(later)) == 0
    monkeypatch.setattr(newer, "NEWEST_SCHEMA", 2)
    assert asyncio.run(replay.run(later)) == 1
    again = outlet.on(topic)[-1]
    assert Envelope.from_headers(again.headers).schema == 2
    asyncio.run(run([record._replace(headers=again.headers)]))
    if topic is Topic.EVENTS:
        assert store.ledger.endings() == {"alerted": 1}
    else:
        assert len(outlet.on(Topic.EVENTS)) == 1
        assert store.ledger.endings() == {}


def test_what_a_store_of_a_newer_program_keeps_from_us_waits_for_it(reader, store, executor, monkeypatch):
    outlet = FakeOutlet()
    stage = decide_stage(store, outlet, executor, limit=1)
    admitted, discharged = events(reader, adt("A01", 1), adt("A03", 1, minutes=60))
    tell(stage, [admitted])
    with store.database.writing() as connection:
        ours = connection.scalar(select(stays.c.document))
        theirs = json.loads(ours) | {"status": "a word of theirs"}
        connection.execute(update(stays).values(document=json.dumps(theirs)))
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    tell(stage, [discharged])
    (aside,) = store.quarantine.all()
    assert aside.code == "newer_store:9999"
    assert not store.keeping_up.parked()

    with store.database.writing() as connection:  # a worker that can read it
        connection.execute(update(stays).values(document=ours))
    monkeypatch.setattr(newer, "known_revisions", lambda: ("9999",))
    replay = Replay(store, outlet, Waiting(), SECRET, timedelta())
    assert asyncio.run(replay.run(datetime.now(UTC))) == 0  # not before an older worker may have given the partition up
    assert asyncio.run(replay.run(datetime.now(UTC) + timedelta(seconds=11))) == 1
    tell(stage, [discharged])
    assert store.ledger.endings() == {"alerted": 1, "amended": 1}


def test_a_person_deleted_at_one_hospital_keeps_the_stays_at_another(reader, store, executor):
    """They share a payer's number (PID-3 of type MA), which no hospital can delete."""
    at_pardee = adt("A01", 1).replace(b"MISSION", b"PARDEE")
    deleted = adt("A29", 1, minutes=60)
    tell(decide_stage(store, FakeOutlet(), executor), events(reader, at_pardee, deleted))
    assert store.ledger.endings() == {"alerted": 1, "suppressed": 1}
    there = deleted.replace(b"MISSION", b"PARDEE").replace(b"A291.1", b"A291.2")
    tell(decide_stage(store, FakeOutlet(), executor), events(reader, b"", b"", there))
    assert store.ledger.endings() == {"alerted": 1, "suppressed": 1, "retracted": 1}
