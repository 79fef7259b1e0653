"""Some rows of a list only, in an order of one's own; kept under a name, and an address that says nothing of either."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest

from parsers.people import RiskTier
from rules.decisions import AlertKind, ClockKind, Priority
from rules.following.acts import ActKind
from streams.inbox.narrowing import Due, Narrowing, Sort, View, narrowing_of
from streams.store.list_views import MOST
from tests.rigs.acts import acted
from tests.rigs.client import browser, rows_of
from tests.rigs.inbox import BROWN, FAR, LANE, TWO, alert, clock, discharge, load_people, person, tell


@pytest.fixture
def five(store):
    """Five people of two practices, in two hospitals, of several urgencies and due times."""
    people = [
        person(1, "Ann", "Zeller", risk_tier=RiskTier.LOW),
        person(2, "Bea", "Young", practice_id="p2"),
        person(3, "Cal", "Xu"),
        person(4, "Dee", "Wolf"),
        person(5, "Eli", "Vance", birth_date=date(1990, 1, 1), language="Spanish"),
    ]
    load_people(store, people)
    home = {"started_at": datetime.now(UTC) - timedelta(days=9), "ended_at": datetime.now(UTC) - timedelta(hours=30)}
    tell(
        store,
        discharge(people[0], "late", clocks=(clock(hours=-3),), priority=Priority.ROUTINE, **home),
        discharge(
            people[1],
            "soon",
            clocks=(clock(ClockKind.TCM_VISIT, 100),),
            priority=Priority.ROUTINE,
            facility="MEMORIAL",
            **home,
        ),
        discharge(people[2], "far", clocks=(clock(ClockKind.TCM_VISIT, 300),), priority=Priority.HIGH, **home),
        alert(people[3], "inside", priority=Priority.URGENT, **TWO),
        alert(people[4], "ed", kind=AlertKind.ED_VISIT, priority=Priority.DIGEST),
    )
    acted(store, "inside", "cm-brown", ActKind.TAKE, 1, datetime.now(UTC))
    return store


def shown(client, **by):
    """The rows of what is asked for, in the order of the page within each group."""
    address = client.post("/views", data=by).headers["location"]
    return list(rows_of(client.get(address).text))


@pytest.mark.parametrize(
    ("by", "ids"),
    [
        ({"hospital": "MEMORIAL"}, {"soon"}),
        ({"practice": "p2"}, {"soon"}),
        ({"holder": "cm-brown"}, {"inside"}),
        ({"kind": "ed_visit"}, {"ed"}),
        ({"urgency": "high"}, {"far"}),
        ({"risk": "low"}, {"late"}),
        ({"state": "to_call"}, {"late", "far"}),
        ({"state": "in_hospital", "urgency": "urgent"}, {"inside"}),
        ({"language": "Spanish"}, {"ed"}),
        ({"due": "overdue"}, {"late"}),
        ({"due": "week"}, {"late", "soon"}),
        ({"due": "week", "hospital": "MEMORIAL"}, {"soon"}),
        ({"view": "practices", "kind": "admission"}, {"inside"}),
        ({"urgency": "loud", "risk": "low"}, {"late"}),
        ({"hospital": "Nowhere"}, set()),
    ],
)
def test_only_what_fits_is_shown(settings, five, by, ids):
    with browser(settings, five) as client:
        assert set(shown(client, **by)) == ids


@pytest.mark.parametrize(
    ("sort", "order"),
    [("pressing", ["far", "soon"]), ("due", ["soon", "far"]), ("newest", ["far", "soon"]), ("name", ["far", "soon"])],
)
def test_each_group_is_in_the_order_asked_for(settings, five, sort, order):
    with browser(settings, five) as client:
        assert [stay_id for stay_id in shown(client, sort=sort, name="x") if stay_id in order] == order


def test_what_is_no_choice_narrows_nothing():
    assert narrowing_of({}) == narrowing_of({"view": "everything", "due": "never", "csrf": "x"}) == Narrowing()
    narrowing = narrowing_of({"view": "team", "due": "today", "sort": "name", "urgency": "urgent", "kind": ""})
    assert narrowing == Narrowing(view=View.TEAM, due=Due.TODAY, sort=Sort.NAME, urgency=Priority.URGENT)
    assert narrowing.narrows
    assert not Narrowing(view=View.TEAM).narrows


def test_a_list_is_kept_under_a_name_for_who_kept_it_and_can_be_forgotten(settings, five):
    with browser(settings, five) as client, browser(settings, five, BROWN) as other:
        address = client.post("/views", data={"hospital": "MEMORIAL", "name": " Memorial "}).headers["location"]
        assert re.fullmatch(r"/\?saved=[0-9a-f]{16}", address)
        page = client.get(address).text
        assert set(rows_of(page)) == {"soon"}
        assert f'<a href="{address}" aria-current="page">Memorial <span class="count">1</span></a>' in page
        assert '<option value="MEMORIAL" selected>Memorial</option>' in page
        assert set(rows_of(client.get(address.replace("/?", "/list?")).text)) == {"soon"}
        again = client.post("/views", data={"due": "overdue", "name": "Memorial"}).headers["location"]
        assert again == address
        assert set(rows_of(client.get(address).text)) == {"late"}
        assert ">Memorial <" not in other.get(address).text
        other.post("/views", data={"forget": address[-16:]})
        assert ">Memorial <" in client.get("/").text
        client.post("/views", data={"forget": address[-16:]})
        assert ">Memorial <" not in client.get("/").text
        assert len(rows_of(client.get(address).text)) == 5


def test_what_narrows_nothing_needs_no_keeping_and_nobody_keeps_without_end(settings, five):
    with browser(settings, five) as client:
        assert client.post("/views", data={"view": "team", "sort": "pressing"}).headers["location"] == "/?view=team"
        for number in range(MOST + 2):
            address = client.post("/views", data={"due": "today", "name": f"n{number}"}).headers["location"]
        assert address == "/?said=full"
        assert "Forget one first" in client.get(address).text


def test_the_choices_hold_nothing_that_is_not_theirs(settings, five):
    with browser(settings, five, FAR) as far, browser(settings, five, LANE) as plan:
        for client in (far, plan):
            page = client.get("/").text
            assert "MEMORIAL" not in page
            assert "Haywood" not in page
            assert set(shown(client, hospital="MEMORIAL", view="team")) == set()
