"""Feeds fall silent: what ends is added up once, held against the feed's rhythm, and said on pages, by mail, to ops."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from parsers.feeds import Feed, Feeds, Pause
from rules.endings import Ending, LedgerEntry
from rules.feeds.rhythm import Talk
from rules.feeds.talk import Said, State, What
from rules.policy.policy import default_policy
from rules.telling.attempts import Failure
from rules.telling.directory import BUILT_IN_CENTRAL_OFFICE
from streams.commands.doctor import quiet_feeds
from streams.commands.finding import State as Finding
from streams.follow.silence import Silence, gauge
from streams.follow.ticks import TickName
from streams.inbox.access import Desk
from streams.run import metrics
from streams.store import Store
from streams.store.database import Database, make_engine, write_rows
from streams.store.feed_talk import HOUR_US
from streams.store.migrating import migrate
from streams.store.tables import feed_hours, feed_tallies, ledger, to_us
from streams.store.ticks import Turn
from streams.tell.hospital_desks import HospitalDesks
from streams.tell.in_thread import InThread
from streams.tell.way import Delivered, NotDelivered, Parcel
from streams.words import feeds as feed_words
from tests.rigs.store import NOW, decide, message_id, record, store, store_url, url_of

__all__ = ["store", "store_url"]

FEEDS = Feeds(feeds=(Feed(name="mission", sending=("MISSION",), contact="desk@mission.example"),))


def entry(number: int, at: datetime, trigger: str = "A01", feed: str = "mission", **more: Any) -> LedgerEntry:
    return LedgerEntry(message_id(number), more.pop("ending", Ending.SUPPRESSED), "", at, feed=feed, trigger=trigger)


def said(store: Store) -> dict[tuple[str, str], int]:
    """Messages in the hours, by feed and what they said."""
    talk = store.feed_talk.heard(NOW - timedelta(days=90))
    return {
        (feed, kind.value): sum(hours.values()) for feed, heard in talk.items() for kind, hours in heard.hours.items()
    }


def turn(store: Store) -> Turn:
    mine = store.ticks.take(TickName.SILENCE, "test", 15)
    assert mine
    return mine


def test_what_ends_is_added_up_once(store: Store) -> None:
    batch = [entry(1, NOW), entry(2, NOW, "A03"), entry(3, NOW, "A08"), entry(4, NOW, ending=Ending.TEST_MESSAGE)]
    store.ledger.end(batch)
    store.ledger.end([*batch, entry(5, NOW - timedelta(hours=2), "A03"), entry(6, NOW, feed="")])
    for _ in range(2):
        store.decisions.decide([record(7)], decide, NOW)
    mine = turn(store)
    assert not store.feed_talk.fold(mine).more
    assert store.feed_talk.fold(mine) == ((), False)
    assert said(store) == {("mission", "arrival"): 2, ("mission", "discharge"): 2, ("mission", "other"): 1}
    heard = store.feed_talk.heard(NOW - timedelta(days=1))["mission"]
    assert heard.last_of(Said.DISCHARGE) == NOW
    with store.database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(feed_tallies)) == 0
    store.feed_talk.prune(NOW + timedelta(days=63, hours=-1))
    assert sum(said(store).values()) == 4
    store.feed_talk.prune(NOW + timedelta(days=64))
    assert said(store) == {}


def test_a_store_of_before_knows_the_rhythm_by_its_ledger(tmp_path: Path, store_url: str) -> None:
    database = Database(make_engine(store_url))
    migrate(database, "0051")
    with database.writing() as connection:
        columns = ("message_id", "ending", "received_us", "ended_us", "feed", "trigger")
        triggers = ("A01", "A04", "A03", "A08")
        rows = [
            (message_id(n), "suppressed", to_us(NOW) + n, 1, "mission", trigger) for n, trigger in enumerate(triggers)
        ]
        write_rows(
            connection, ledger, columns, [*rows, (message_id(9), "test_message", to_us(NOW), 1, "mission", "A01")]
        )
    database.close()
    opened = Store.open(store_url, migrate=True)
    assert said(opened) == {("mission", "arrival"): 2, ("mission", "discharge"): 1, ("mission", "other"): 1}
    opened.close()


@pytest.fixture
def talked(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    """A store where `mission` has sent 20 admissions each hour for four weeks, until NOW; `new` began today."""
    opened = Store.open(url_of("sqlite", tmp_path, request), migrate=True)
    first = to_us(NOW) // HOUR_US - 24 * 28
    hours = [
        ("mission", (first + hour) * HOUR_US, "arrival", 20, (first + hour + 1) * HOUR_US - 1)
        for hour in range(24 * 28)
    ]
    with opened.database.writing() as connection:
        columns = ("feed", "hour_us", "said", "messages", "last_us")
        write_rows(connection, feed_hours, columns, [*hours, ("new", hours[-1][1], "arrival", 3, hours[-1][4])])
        connection.exec_driver_sql(f"INSERT INTO feeds VALUES ('mission', {hours[-1][4]}), ('new', {hours[-1][4]})")
    yield opened
    opened.close()


def tick(store: Store, now: datetime) -> dict[str, State]:
    mine = turn(store)
    Silence(store, lambda: FEEDS, default_policy).run(mine, now)
    store.ticks.ran(mine, now)
    gauge(store, set())
    return {talk.feed: talk.state for talk in store.feed_talk.all()}


def test_what_is_kept_in_memory_comes_to_what_is_read_anew(talked: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    lasting, anew = (Silence(talked, lambda: FEEDS, default_policy) for _ in range(2))
    reads: list[datetime] = []
    heard = talked.feed_talk.heard
    monkeypatch.setattr(talked.feed_talk, "heard", lambda since: reads.append(since) or heard(since))
    of_lasting = 0
    mine = turn(talked)
    for minutes in range(0, 14 * 60, 20):
        now = NOW + timedelta(minutes=minutes)
        if minutes % 60 == 0 and not 3 <= minutes // 60 < 8:
            batch = [entry(minutes + n, now - timedelta(minutes=n), "A03" if n % 5 else "A01") for n in range(20)]
            talked.ledger.end(batch)
        before = len(reads)
        lasting.run(mine, now)
        of_lasting += len(reads) - before
        kept = talked.feed_talk.all()
        anew._turn = None
        anew.run(mine, now)
        assert kept == talked.feed_talk.all(), minutes
    assert of_lasting == 1 + 3  # what is looked back on once, and what is learned every six hours


def test_another_s_turn_in_between_is_not_missed(talked: Store) -> None:
    lasting = Silence(talked, lambda: FEEDS, default_policy)
    lasting.run(turn(talked), NOW + timedelta(hours=3))
    assert talked.feed_talk.all()[0].state.talk is Talk.SILENT
    talked.ledger.end([entry(n, NOW + timedelta(hours=3)) for n in range(60)])
    other = talked.ticks.take(TickName.SILENCE, "other", 0.0)
    assert other is None  # watched for the first time
    other = talked.ticks.take(TickName.SILENCE, "other", 0.0)
    assert other
    talked.feed_talk.fold(other)
    talked.ticks.give_back(other)
    lasting.run(turn(talked), NOW + timedelta(hours=3, minutes=1))
    assert talked.feed_talk.all()[0].state.talk is Talk.TALKING


def quiet(feed: str) -> float | None:
    return metrics.REGISTRY.get_sample_value("toc_feed_quiet", {"feed": feed})


def test_a_silence_is_written_for_all_and_ends_when_the_feed_is_back(talked: Store) -> None:
    assert {feed: state.talk for feed, state in tick(talked, NOW + timedelta(minutes=20)).items()} == {
        "mission": Talk.TALKING,
        "new": Talk.LEARNING,
    }
    later = NOW + timedelta(hours=3)
    state = tick(talked, later)["mission"]
    assert (state.talk, state.what, quiet("mission")) == (Talk.SILENT, What.FEED, 2)
    findings = [finding for finding in quiet_feeds(talked) if finding.part == "feed mission"]
    assert [(finding.state, finding.what.partition(" since")[0]) for finding in findings] == [(Finding.WRONG, "quiet")]
    assert feed_words.quiet(state, later) == "quiet since 6:59 AM, usually 60 messages by now"
    began = next(talk.changed_at for talk in talked.feed_talk.all() if talk.feed == "mission")
    tick(talked, later + timedelta(minutes=5))
    assert next(talk.changed_at for talk in talked.feed_talk.all() if talk.feed == "mission") == began
    talked.keeping_up.park("mission", "mission", "by hand", later)
    assert (tick(talked, later)["mission"].talk, quiet("mission")) == (Talk.PAUSED, 0)
    talked.keeping_up.unpark("mission")
    talked.ledger.end([entry(1, later)])
    assert (tick(talked, later)["mission"].talk, quiet("mission")) == (Talk.TALKING, 0)
    assert tick(talked, NOW + timedelta(days=40)) == {}


def test_a_page_says_what_is_unusual_and_what_is_not_known_yet(talked: Store) -> None:
    soon, later = NOW + timedelta(minutes=20), NOW + timedelta(hours=3)
    tick(talked, soon)
    assert [(silence.feed, silence.words) for silence in Desk(talked).silent(BUILT_IN_CENTRAL_OFFICE, soon)[0]] == [
        ("new", "silent for 20 min")
    ]
    tick(talked, later)
    said = {silence.feed: silence.words for silence in Desk(talked).silent(BUILT_IN_CENTRAL_OFFICE, later)[0]}
    assert said == {"mission": "quiet since 6:59 AM, usually 60 messages by now", "new": "silent for 3 h"}
    unwatched = {
        silence.feed: silence.words
        for silence in Desk(talked).silent(BUILT_IN_CENTRAL_OFFICE, later + timedelta(minutes=11))[0]
    }
    assert unwatched["mission"] == "silent for 3 h"


class Desks:
    """A relay that says what it is told to, and what it was given."""

    def __init__(self, *answers: Delivered | NotDelivered) -> None:
        self.answers = list(answers)
        self.mails: list[tuple[Parcel, str]] = []

    async def send(self, parcel: Parcel, address: str) -> Delivered | NotDelivered:
        self.mails.append((parcel, address))
        return self.answers.pop(0)


def test_the_hospital_is_told_once_of_each_silence_by_a_mail_without_a_patient(talked: Store) -> None:
    relay = Desks(NotDelivered(Failure.TIMED_OUT), Delivered("250"), Delivered("250"))
    smtp: Any = relay
    desks = HospitalDesks(talked, lambda: FEEDS, default_policy, smtp, InThread(None))
    later = NOW + timedelta(hours=3)
    tick(talked, later)
    for _ in range(3):
        asyncio.run(desks.look(later))
    assert [address for _, address in relay.mails] == ["desk@mission.example"] * 2
    assert relay.mails[0][0] == relay.mails[1][0]
    assert relay.mails[0][0].subject == "Warm Handoff: the ADT feed mission is quiet"
    assert b"is quiet since 6:59 AM, usually 60 messages by now" in relay.mails[0][0].body
    talked.ledger.end([entry(1, later)])
    tick(talked, later)
    again = later + timedelta(hours=3)
    tick(talked, again)
    asyncio.run(desks.look(again))
    assert len(relay.mails) == 3
    assert relay.mails[2][0].delivery_id != relay.mails[1][0].delivery_id


def test_a_planned_pause_is_no_silence_and_says_so_until_it_ends(talked: Store) -> None:
    starts, ends = NOW, datetime(2026, 11, 22, 17, tzinfo=UTC)
    paused = Feed(name="mission", contact="desk@mission.example", pauses=(Pause(starts=starts, ends=ends),))
    silence = Silence(talked, lambda: Feeds(feeds=(paused,)), default_policy)

    def look(at: datetime) -> tuple[Talk, list[str], list[str]]:
        mine = turn(talked)
        silence.run(mine, at)
        talked.ticks.ran(mine, at)
        (mission,) = [talk.state for talk in talked.feed_talk.all() if talk.feed == "mission"]
        named = [
            silent.words for silent in Desk(talked).silent(BUILT_IN_CENTRAL_OFFICE, at)[0] if silent.feed == "mission"
        ]
        return mission.talk, named, [feed_words.quiet(mission, at)]

    words = "paused as planned until 12:00 PM"
    assert look(NOW + timedelta(hours=3)) == (Talk.PAUSED, [], [words])
    findings = {finding.part: finding for finding in quiet_feeds(talked)}
    assert (findings["feed mission"].state, findings["feed mission"].what.split(" until ")[0]) == (
        Finding.OK, "paused as planned",
    )  # fmt: skip
    relay: Any = Desks()
    asyncio.run(HospitalDesks(talked, lambda: FEEDS, default_policy, relay, InThread(None)).look(NOW))
    assert relay.mails == []
    assert look(ends + timedelta(minutes=5))[0] is Talk.TALKING
    assert look(ends + timedelta(hours=12))[0] is Talk.SILENT


def test_words_of_a_part_and_of_a_volume() -> None:
    since = datetime(2026, 11, 22, 11, tzinfo=UTC)
    part = State(Talk.SILENT, What.DISCHARGES, since, 31.2)
    assert feed_words.quiet(part, NOW) == "no discharge since 6:00 AM, usually 31 of them by now"
    thin = State(Talk.LATE, What.VOLUME, since, 640, 310)
    assert feed_words.quiet(thin, NOW) == "thin since 6:00 AM, 310 of usually 640 messages"
    assert feed_words.quiet(State(Talk.TALKING, since=since), NOW) == ""
    tell_them = partial(feed_words.sentence, hospital="Pardee Hospital", people=14, now=NOW)
    used = "14 of your people used it in the last 12 months."
    assert tell_them(part) == (
        f"Pardee Hospital has sent no discharge since 6:00 this morning. It usually sends one every 2 minutes. {used}"
    )
    assert tell_them(thin) == (f"Pardee Hospital has sent 310 of usually 640 messages since 6:00 this morning. {used}")
    for usual, often in ((10, "6 minutes"), (60, "minute"), (1, "hour"), (0.25, "4 hours")):
        whole = State(Talk.SILENT, since=since, usual=usual)
        assert f"It usually sends every {often}." in tell_them(whole)
    learning = State(Talk.LEARNING, since=NOW - timedelta(days=1))
    assert tell_them(learning, people=0) == "Pardee Hospital has sent nothing since Sat Nov 21, 7:00 AM."
    assert tell_them(State(Talk.LEARNING)) == ""
