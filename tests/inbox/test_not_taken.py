"""Messages not taken: an analyst reads those of the own hospital, and learns nothing of another's, nor of a patient."""

import random
import re
from datetime import UTC, datetime, timedelta

import pytest

from parsers.people import CaseManager, Role
from rules.endings import Ending, LedgerEntry
from streams.inbox.request import COOKIE
from streams.listen.message_ids import new_message_id
from tests.rigs.client import browser
from tests.rigs.inbox import alert, load_people, person, tell

FEEDS = ("mission", "pardee", "harbor")
CODES = {"mission": "patient_missing", "pardee": "segment_missing", "harbor": "time_missing"}


@pytest.fixture
def fed(store):
    now = datetime.now(UTC)
    load_people(store, [person(1)])
    tell(store, alert(person(1), "a1"))
    entries = [
        LedgerEntry(new_message_id(now), Ending.REJECTED, CODES[feed], now, "PID-5", feed, f"{feed}-{number}", "A01")
        for feed in FEEDS
        for number in range(3)
    ]
    bug = LedgerEntry(new_message_id(now), Ending.QUARANTINED, "read:ValueError", now, "reader.py:10", "mission", "q1")
    old = now - timedelta(days=9)
    store.ledger.end([*entries, bug])
    with store.database.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO ledger (message_id, ending, code, received_us, ended_us, feed, control_id)"
            f" VALUES ('{int(old.timestamp() * 1000) << 16:016x}', 'rejected', 'empty', 1, 1, 'mission', 'mission-old')"
        )
    return store


def enter(client, store, who):
    session = store.sessions.open(who.case_manager_id, datetime.now(UTC))
    client.cookies.set(COOKIE, session.secret)


def plain(answer):
    return answer.status_code, re.sub(r"[0-9a-f]{40}", "", answer.text)


def test_random_analysts_read_their_own_hospitals_and_tell_no_other_from_none(settings, fed):
    chance = random.Random(7)
    people = [
        CaseManager(
            case_manager_id=f"an{number}",
            name="A. Nalyst",
            role=Role.ANALYST,
            feeds=tuple(chance.sample(FEEDS, number % 4)),
            network_id=chance.choice(("", "n1")),
            practices=chance.choice(((), ("p1",))),
        )
        for number in range(8)
    ]
    fed.directory.load([], [], people, [], [], replace=False)
    with browser(settings, fed, None) as client:
        for who in people:
            enter(client, fed, who)
            assert client.get("/").headers["location"] == "/feeds"
            heard = client.get("/feeds").text
            page = client.get("/not-taken").text
            assert "Whitfield" not in page
            for feed in FEEDS:
                assert (f"{feed}-0" in page) is (CODES[feed] in page) is (feed in who.feeds), who
                assert (f'row">{feed}<' in heard) is (feed in who.feeds), who
                card = client.get("/feeds", params={"of": feed})
                assert plain(card) == plain(client.get("/feeds", params={"of": "nowhere"})), who  # none has a card yet
                listing = client.get("/not-taken", params={"of": feed})
                if feed in who.feeds:
                    assert f"{feed}-2" in listing.text
                    assert not [other for other in FEEDS if other != feed and f"{other}-0" in listing.text]
                else:
                    assert plain(listing) == plain(client.get("/not-taken", params={"of": "nowhere"})), who
            assert ("read:ValueError" in page) is ("mission" in who.feeds)
            assert "mission-old" not in page


def test_who_looks_after_all_feeds_reads_all_and_a_nurse_none(settings, fed):
    admin = CaseManager(case_manager_id="ad", name="D. Min", role=Role.ADMIN)
    fed.directory.load([], [], [admin], [], [], replace=False)
    with browser(settings, fed, None) as client:
        enter(client, fed, admin)
        page = client.get("/not-taken").text
        assert all(f"{feed}-1" in page for feed in FEEDS)
        assert "Whitfield" not in page
    with browser(settings, fed) as client:
        assert client.get("/not-taken").status_code == 404


def test_of_whose_hospital_somebody_is_comes_from_the_directory(fed):
    someone = CaseManager(case_manager_id="an", name="A", role=Role.ANALYST, feeds=("mission", "pardee"))
    fed.directory.load([], [], [someone], [], [], replace=False)
    assert fed.directory.read().person("an").feeds == ("mission", "pardee")
