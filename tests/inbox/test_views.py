"""Whose stays a list shows, the hand-over sheet and the calendar."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from parsers.people import CaseManager, Role
from rules.decisions import Owner, Priority, Reason
from rules.following.acts import ActKind, CloseReason, Mode, Outcome
from rules.telling.views import view
from streams.inbox.pages import list_rows as rows
from streams.inbox.pages.reader_stay import ReaderStay
from streams.inbox.places import Places
from tests.rigs.acts import acted
from tests.rigs.client import browser, rows_of
from tests.rigs.inbox import BROWN, FAR, LANE, ORTIZ, TWO, clock, discharge, load_people, open_store, person, tell


@pytest.fixture
def store(settings):
    opened = open_store(settings)
    people = [person(number, f"Given{number}", "Smith") for number in range(1, 5)]
    load_people(opened, people, away=[("cm-brown", "cm-ortiz")])
    home = {"ended_at": datetime.now(UTC) - timedelta(hours=30), "started_at": datetime.now(UTC) - timedelta(hours=90)}
    brown = {"owners": (Owner(case_manager_id="cm-brown", because="practice"),), "told": ("cm-brown",)}
    tell(
        opened,
        discharge(people[0], "mine", clocks=(clock(hours=-2),), **home),
        discharge(people[1], "free", clocks=(clock(hours=150),), priority=Priority.ROUTINE, **TWO, **home),
        discharge(people[2], "theirs", clocks=(clock(hours=150),), **brown, **home),
    )
    acted(opened, "mine", "cm-ortiz", ActKind.ATTEMPT, 1, datetime.now(UTC), outcome=Outcome.NO_ANSWER, mode=Mode.PHONE)
    acted(opened, "mine", "cm-ortiz", ActKind.NOTE, 1, datetime.now(UTC), text="Try the daughter")
    yield opened
    opened.close()


def shown(client, query=""):
    return set(rows_of(client.get(f"/{query}").text))


def test_each_view_holds_what_it_says(settings, store):
    acted(store, "free", "cm-brown", ActKind.TAKE, 1, datetime.now(UTC))
    with browser(settings, store) as client:
        assert shown(client) == {"mine", "free"}
        assert shown(client, "?view=covering") == {"free"}
        assert shown(client, "?view=team") == {"mine", "free", "theirs"}
        assert shown(client, "?view=nobody") == shown(client, "?view=asked") == shown(client, "?view=done") == set()
        assert shown(client, "list?view=team") == {"mine", "free", "theirs"}
        assert shown(client, "?view=made-up") == {"mine", "free"}
    acted(store, "free", "cm-brown", ActKind.GIVE_BACK, 1, datetime.now(UTC))
    with browser(settings, store) as client:
        assert shown(client, "?view=nobody") == {"free"}


def counted(client, query=""):
    """What each link to a list says, without its tags."""
    links = re.search(r'<nav class="views".*?</nav>', client.get(f"/{query}").text, re.S).group()
    return [" ".join(re.sub(r"<[^>]+>", "", link).split()) for link in re.findall(r"<a .*?</a>", links, re.S)]


def test_the_links_say_how_many_are_on_the_lists_that_were_read_those_that_are_done_left_out(settings, store):
    acted(store, "free", "cm-brown", ActKind.TAKE, 1, datetime.now(UTC))
    with browser(settings, store) as client:
        own, team = ["My list 2", "Covering for T. Brown, RN 1"], ["My practices 3", "Team 3", "Nobody has it 0"]
        assert counted(client)[:6] == [*own, "My practices", "Team", "Nobody has it", "Done 0"]
        assert counted(client, "?view=team")[:6] == ["My list", "Covering for T. Brown, RN", *team, "Done"]
        acted(store, "mine", "cm-ortiz", ActKind.CLOSE, 1, datetime.now(UTC), close_reason=CloseReason.DECLINED)
        kept = client.post("/views", data={"holder": "cm-brown", "name": "With Brown"}).headers["location"]
        assert counted(client)[:2] == ["My list 1", own[1]]
        assert counted(client)[5:7] == ["Done 1", "With Brown 1"]
        assert shown(client, "?view=done") == {"mine"}
        assert '<details class="group" id="finished" open>' in client.get("/?view=done").text
        all_of_them = {"/": 1, "/?view=covering": 1, "/?view=practices": 2, "/?view=team": 2, "/?view=nobody": 0}
        assert client.get("/counts").json() == all_of_them | {"/?view=done": 1, kept: 1}
    with browser(settings, store, BROWN) as other:
        assert counted(other)[0] == "My list 2"  # nobody is away whom she covers for


def test_who_is_consulted_has_a_list_of_what_is_asked_and_a_director_one_of_what_went_badly(settings, store):
    director = CaseManager(case_manager_id="md-lee", name="J. Lee, MD", role=Role.MEDICAL_DIRECTOR, network_id="n1")
    load_people(store, staff=[director])
    ask = acted(store, "mine", "cm-ortiz", ActKind.ASK, 1, datetime.now(UTC), for_id="md-lee", text="Check warfarin?")
    left = discharge(person(3, "Given3", "Smith"), "theirs", 2, reasons=(Reason.LEFT_AGAINST_ADVICE,), disposition="07")
    tell(store, left)
    with browser(settings, store, director) as client, browser(settings, store) as nurse:
        assert "Asked of me 1" in counted(client)
        assert "M. Ortiz, RN asks you" in rows_of(client.get("/?view=asked").text)["mine"][1]
        assert shown(client, "?view=grave") == {"theirs"}
        assert "Deaths, returns, against advice" in counted(client)
        assert not {"Asked of me 0", "Deaths, returns, against advice"} & set(counted(nurse))
        acted(store, "mine", "md-lee", ActKind.ANSWER, 1, datetime.now(UTC), answers_act=ask.act_id, text="Yes")
        assert shown(client, "?view=asked") == set()


def test_another_network_and_a_plan_see_no_team_of_ours(settings, store):
    with browser(settings, store, FAR) as far, browser(settings, store, LANE) as plan:
        assert shown(far, "?view=team") == set()
        assert shown(plan, "?view=team") == set()
        assert "Nobody has it" not in plan.get("/").text


def test_the_sheet_has_what_is_open_with_phone_tries_and_notes_and_says_to_destroy_it(settings, store):
    with browser(settings, store) as client:
        page = " ".join(re.sub(r"<[^>]+>", " ", client.get("/sheet").text).split())
        assert "Given1 Smith, 71 F" in page
        assert "828-555-0147" in page
        assert "Haywood Family Medicine 828-555-0100" in page
        assert "called, no answer" in page
        assert "“Try the daughter”" in page
        assert "confidential · destroy after use" in page
        assert "Given3 Smith" not in page
    with browser(settings, store, FAR) as far:
        assert "Nothing of yours is open." in far.get("/sheet").text


def test_the_calendar_puts_each_step_on_its_day_what_is_late_first(settings, store):
    with browser(settings, store) as client:
        html = client.get("/due").text
        order = re.findall(r'href="/stay/(\w+)"', html)
        assert order == ["mine", "free"]
        assert re.search(r"(Overdue|Today) <span", html)
    with browser(settings, store, BROWN) as other:
        assert set(re.findall(r'href="/stay/(\w+)"', other.get("/due").text)) == {"free", "theirs"}


def test_the_calendar_file_counts_what_is_due_and_names_nobody(settings, store):
    with browser(settings, store) as client:
        answer = client.get("/due.ics")
        assert answer.headers["content-type"].startswith("text/calendar")
        assert re.findall(r"SUMMARY:(.*?)\r", answer.text) == ["1 call or visit due"] * 2
        assert "Smith" not in answer.text
        assert "/due.ics" in client.get("/due").text
    with browser(settings, store, FAR) as far:
        assert "VEVENT" not in far.get("/due.ics").text


def test_the_next_and_the_previous_stay_are_those_of_one_s_list_and_past_its_ends_is_the_list(settings, store):
    with browser(settings, store) as client:
        order = [alert_id for alert_id, (group, _) in rows_of(client.get("/").text).items() if group != "finished"]
        assert set(order) == {"mine", "free"}
        ways = [
            client.get(f"/stay/{alert_id}/{way}").headers["location"]
            for alert_id in order
            for way in ("next", "previous")
        ]
        assert ways == [f"/stay/{order[1]}", "/", "/", f"/stay/{order[0]}"]
        assert client.get("/stay/theirs/next").headers["location"] == "/"


def test_a_stay_says_its_place_in_the_list_as_it_was_last_shown(settings, store):
    def place(alert_id):
        said = re.search(r"</a> <span[^>]*>(\d+ of \d+)</span> <a", client.get(f"/stay/{alert_id}").text)
        return said and said.group(1)

    with browser(settings, store) as client:
        assert place("mine") is None  # no list was shown yet
        client.get("/")
        client.get("/?view=team")
        assert [place(alert_id) for alert_id in ("mine", "free", "theirs")] == ["1 of 2", "2 of 2", None]
        assert "1 of 2" in client.get("/stay/mine/part").text
        acted(store, "mine", "cm-ortiz", ActKind.CLOSE, 1, datetime.now(UTC), close_reason=CloseReason.DECLINED)
        client.get("/list")
        assert [place(alert_id) for alert_id in ("mine", "free")] == [None, "1 of 1"]


def test_the_place_of_who_was_shown_a_list_longest_ago_is_forgotten():
    rosa = person(1)
    shown = rows.row(ReaderStay((view(discharge(rosa, "s1"), rosa, ORTIZ, network_id="n1"),)), "a", datetime.now(UTC))
    places = Places(most_readers=2)
    for who in ("a", "b", "a", "c"):
        places.shown(who, [shown])
    assert [places.words(who, "s1") for who in ("a", "b", "c")] == ["1 of 1", "", "1 of 1"]
