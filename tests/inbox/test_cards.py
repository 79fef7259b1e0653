"""A person is one card: what presses most leads, the rest stands on it, and nothing of what a reader may not know."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from parsers.events import EncounterClass, FacilityKind
from rules.decisions import Action, AlertKind, Priority, Reason, StayStatus
from rules.following.state import FollowUpState
from rules.telling.views import view
from streams.inbox.pages import list_rows as rows
from streams.inbox.pages import stream
from streams.inbox.pages.cards import cards, on_card, stays_on
from streams.inbox.pages.list_rows import Group
from streams.inbox.pages.reader_stay import ReaderStay
from streams.inbox.request import Reader
from streams.words import times as time_words
from tests.rigs.browser import page_of, row
from tests.rigs.client import browser, rows_of, served
from tests.rigs.inbox import ORTIZ, alert, clock, discharge, load_people, person, tell

NOW = datetime.now(UTC)
ROSA, LUIS = person(1), person(2, "Luis", "Bennett")


def ago(**span):
    return NOW - timedelta(**span)


def home(enrollee, stay, days=2, **more):
    """A discharge home some days ago, with a call that is due."""
    return discharge(enrollee, stay, **{"occurred_at": ago(days=days), "ended_at": ago(days=days)} | more)


def in_ed(enrollee, stay, **more):
    values = {"kind": AlertKind.ED_VISIT, "encounter_class": EncounterClass.EMERGENCY, "facility": "Pardee"}
    return alert(enrollee, stay, **values | {"started_at": ago(minutes=50), "reasons": (Reason.ED_ARRIVAL,)} | more)


def pair(version, enrollee=ROSA, **more):
    stay = ReaderStay((view(version, enrollee, ORTIZ, network_id="n1"),), **more)
    return stay, rows.row(stay, ORTIZ.case_manager_id, NOW)


def carded(*pairs):
    return {row.alert_id: row for _, row in cards(pairs, NOW, time_words.ZONE)}


def test_a_new_stay_leads_and_the_calls_of_the_one_before_wait_on_the_same_card():
    running = in_ed(ROSA, "ed")
    again = view(running, ROSA, ORTIZ, network_id="n1")
    shown = carded(pair(home(ROSA, "d"), again=again), pair(running), pair(home(LUIS, "l"), LUIS))
    assert shown.keys() == {"ed", "l"}
    assert (shown["ed"].group, on_card(shown["ed"])) == (Group.IN_HOSPITAL, ("ed", "d"))
    (line,) = shown["ed"].lines
    assert (line.order, line.headline.startswith("Went home")) == ("Earlier", True)
    assert "Mission Hospital" in line.words
    assert "Back in the ED: this follow-up waits" in line.words
    assert "Call by" not in line.words
    assert shown["l"].lines == ()


def test_each_stay_on_a_card_keeps_its_own_next_step_and_the_most_pressing_one_leads():
    late, later = home(ROSA, "late", 9, clocks=(clock(hours=-30),)), home(ROSA, "later", 1, clocks=(clock(hours=500),))
    shown = carded(pair(later), pair(late))
    assert shown.keys() == {"late"}
    assert shown["late"].step.startswith("Call by")
    assert shown["late"].lines[0].order == "Also"  # it came after the one that leads
    assert "Call by" in shown["late"].lines[0].words


def test_what_is_done_stands_under_what_is_open_and_no_card_grows_without_end():
    over = [home(ROSA, f"o{number}", 20 + number, clocks=(), priority=Priority.ROUTINE) for number in range(6)]
    done = [pair(discharged, acknowledged=1, closed=1) for discharged in over]
    assert {row.group for _, row in done} == {Group.FINISHED}
    shown = carded(*done, pair(home(ROSA, "open")))
    assert on_card(shown["open"]) == ("open", *(f"o{number}" for number in range(6)))
    assert [line.words.endswith("nothing to do") for line in shown["open"].lines] == [True] * 4
    assert sorted(stays_on(cards([*done, pair(home(LUIS, "l"), LUIS)], NOW, time_words.ZONE))) == [
        "l", *(f"o{number}" for number in range(6)),
    ]  # fmt: skip


def test_what_a_hospital_took_back_is_a_row_of_its_own():
    gone = alert(ROSA, "gone", 2, action=Action.RETRACT, status=StayStatus.CANCELLED,
                 reasons=(Reason.ADMISSION_CANCELLED,))  # fmt: skip
    assert carded(pair(gone), pair(home(ROSA, "d"))).keys() == {"gone", "d"}


def test_stays_of_whom_the_reader_may_not_know_the_name_are_never_put_together():
    hidden = [in_ed(ROSA, name, facility_kind=FacilityKind.SUBSTANCE_USE) for name in ("h1", "h2")]
    pairs = [pair(version) for version in hidden]
    assert [stay.latest.person for stay, _ in pairs] == [None, None]
    shown = carded(*pairs, pair(home(ROSA, "d")))
    assert shown.keys() == {"h1", "h2", "d"}
    assert {row.others for row in shown.values()} == {()}


@pytest.fixture
def readmitted(store):
    """Rosa went home and came back; Luis went home."""
    load_people(store, [ROSA, LUIS])
    tell(store, home(ROSA, "d"), home(LUIS, "l"), in_ed(ROSA, "ed"))
    return store


def test_the_list_has_one_row_a_person_that_opens_each_of_their_stays(settings, readmitted):
    with browser(settings, readmitted) as client:
        shown = rows_of(client.get("/").text)
        assert shown.keys() == {"ed", "l"}
        assert "Earlier: new Went home" in shown["ed"][1]
        assert shown["ed"][1].count("Call by") == 0
        assert '<a href="/stay/d">' in client.get("/").text
        assert "Back in the ED: this follow-up waits" in client.get("/stay/d").text
        assert client.get("/stay/l/next").headers["location"] == "/stay/ed"
        assert client.get("/stay/d/previous").headers["location"] == "/stay/l"  # from anything on a card


@pytest.mark.parametrize(
    ("kind", "state"),
    [(FacilityKind.ACUTE, FollowUpState.PAUSED), (FacilityKind.SUBSTANCE_USE, FollowUpState.TO_CALL)],
)
def test_a_pause_says_nothing_of_a_stay_that_its_reader_may_not_know_of(settings, store, kind, state):
    load_people(store, [ROSA])
    tell(store, home(ROSA, "d"), in_ed(ROSA, "ed", facility_kind=kind))
    with served(settings, store) as (client, inbox):
        (stay,) = (stay for stay in inbox.desk.stays(ORTIZ, NOW) if stay.latest.alert_id == "d")
        assert stay.loop.follow_up.state is state
        knows = state is FollowUpState.PAUSED
        assert rows_of(client.get("/").text).keys() == ({"ed"} if knows else {"ed", "d"})
        page = client.get("/stay/d").text
        assert ("Back in the" in page) is knows
        assert ("<strong>Call</strong> <span>waits: back in the hospital</span>" in page) is knows


def test_what_an_open_page_is_told_of_is_the_card_and_what_is_no_row_any_more(settings, readmitted):
    with served(settings, readmitted) as (_, inbox):
        reader = Reader(readmitted.sessions.open(ORTIZ.case_manager_id, NOW), ORTIZ)
        changes = inbox.live.read(0, 100)
        sent = [event.decode() for event in stream.row_events(inbox, reader, changes)]
        assert sent[0] == 'event: gone\ndata: {"id":"d","into":"ed"}\n\n'  # without a position: said again if cut here
        assert [(at, event["id"], event["on"]) for at, event in cards_in(sent)] == [
            (2, "l", ["l"]),
            (3, "ed", ["ed", "d"]),
        ]
        tell(readmitted, in_ed(ROSA, "ed", version=2, action=Action.RETRACT, status=StayStatus.CANCELLED,
                               reasons=(Reason.ADMISSION_CANCELLED,)))  # fmt: skip
        sent = [event.decode() for event in stream.row_events(inbox, reader, inbox.live.read(3, 100))]
    (_, beside), (at, struck) = cards_in(sent)
    assert (beside["id"], beside["beside"], "Call by" in beside["html"]) == (
        "d",
        True,
        True,
    )  # though nothing was told of it
    assert (at, struck["id"], struck["on"]) == (4, "ed", ["ed"])


def cards_in(events):
    """(position, data) of every card among events."""
    shown = []
    for event in events:
        lines = dict(line.split(": ", 1) for line in event.strip().split("\n"))
        if lines["event"] == "row":
            shown.append((int(lines["id"]) if "id" in lines else None, json.loads(lines["data"])))
    return shown


@pytest.mark.servers
def test_a_person_who_comes_back_is_one_card_in_every_open_list_and_none_is_told_to_call(chrome, inbox):
    luis = inbox.people[1]
    page = page_of(chrome, inbox)
    row(page, "a2").locator(".who").focus()
    page.keyboard.press("x")
    people = page.locator('.views [aria-current="page"] .count')
    expect(people).to_have_text("8")
    tell(inbox.store, in_ed(luis, "back", priority=Priority.URGENT, complaint=""))
    expect(row(page, "back").locator(".beside")).to_contain_text("Back in the ED: this follow-up waits")
    expect(row(page, "a2").locator(".next")).to_have_text("Now on one card with a newer stay of this person")
    expect(page.locator("#news")).to_have_text("1 new in “Do now”")
    page.keyboard.press("j")
    expect(row(page, "a2")).to_have_count(0)
    expect(people).to_have_text("8")
    expect(page.locator(".pick input:checked")).to_have_count(0)
    page.locator("#search").fill("bennett")
    expect(page.locator(".row:visible")).to_have_count(1)
    expect(page.locator(".row:visible")).not_to_contain_text("Call by")
    row(page, "back").locator(".beside a").click()
    page.wait_for_url("**/stay/a2")
    expect(page.locator(".todo")).to_contain_text("Back in the ED: this follow-up waits")
    page.keyboard.press("Escape")
    expect(row(page, "back").locator(".who")).to_be_focused()
    tell(inbox.store, in_ed(luis, "back", version=2, action=Action.RETRACT, status=StayStatus.CANCELLED,
                            reasons=(Reason.ADMISSION_CANCELLED,)))  # fmt: skip
    expect(row(page, "back").locator("del").first).to_be_visible()
    page.locator("#search").focus()  # what is held stays where it is
    expect(page.locator("#taken-back #r-back")).to_have_count(1)
    expect(row(page, "a2")).to_contain_text("Call by")
    expect(people).to_have_text("9")
    assert page.complaints == []
