"""One press for several stays: an act on each, once, and in words what could not be done for whom."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from rules.following.acts import ActKind
from streams.inbox.pages.many import MOST_AT_ONCE, Chosen, chosen_of
from tests.rigs.acts import acted
from tests.rigs.client import browser
from tests.rigs.inbox import BROWN, FAR, LANE, TWO, alert, discharge, load_people, person, tell

JSON = {"Accept": "application/json"}
IDS = ("s1", "s2", "s3")


@pytest.fixture
def three(store):
    """Three people went home; the first two are told to two nurses."""
    people = [person(number, f"Given{number}", "Smith") for number in range(1, 4)]
    load_people(store, people)
    home = {"ended_at": datetime.now(UTC) - timedelta(hours=6), "started_at": datetime.now(UTC) - timedelta(hours=90)}
    tell(store, *(discharge(enrollee, f"s{number}", **home, **TWO) for number, enrollee in enumerate(people, 1)))
    return store


def many(client, press, ids=IDS, version=1, **more):
    return client.post(
        "/many",
        data={"stay": [f"{version}.{stay_id}" for stay_id in ids], "press": press, "act": "a" * 32} | more,
        headers=JSON,
    )


def kinds(store, alert_id):
    return [act.kind for act in store.acts.of_stay(alert_id)]


def test_what_boxes_say_is_read_in_bounds_and_none_twice():
    assert chosen_of(["3.a1", "x", "4.a.b", "3.a1", "5."]) == [Chosen("a1", "3"), Chosen("a.b", "4")]
    assert len(chosen_of(f"1.s{number}" for number in range(200))) == MOST_AT_ONCE


@pytest.mark.parametrize(
    ("press", "more", "kind", "said"),
    [
        ("noted", {}, ActKind.NOTED, "Noted: 3 people."),
        ("take", {}, ActKind.TAKE, "You have 3 people."),
        ("remind", {"until": "tomorrow"}, ActKind.REMIND, "You are reminded of 3 people."),
        ("note", {"text": "Flu clinic moved"}, ActKind.NOTE, "Written on 3 people."),
        ("hand_over", {"for_id": "cm-brown"}, ActKind.HAND_OVER, "Offered to T. Brown, RN: 3 people."),
    ],
)
def test_a_press_writes_its_act_on_each_and_sent_again_nothing_more(settings, three, press, more, kind, said):
    with browser(settings, three) as client:
        for _ in range(2):
            answer = many(client, press, **more)
            assert (answer.status_code, answer.json()["said"]) == (200, said)
        assert [kinds(three, stay_id) for stay_id in IDS] == [[kind]] * 3
        undone = [client.post(f"/stay/{act['id']}/undo", data={"act": act["act"]}) for act in answer.json()["acts"]]
        assert {response.status_code for response in undone} == {200}


def test_what_cannot_be_done_is_said_by_why_and_the_others_are_done(settings, three):
    acted(three, "s1", "cm-brown", ActKind.TAKE, 1, datetime.now(UTC))
    with browser(settings, three) as client:
        answer = many(client, "take", (*IDS, "gone")).json()
        assert answer["said"] == (
            "You have 2 people. Not written for 1: no longer yours. Not written for 1: somebody else has it."
        )
        assert [act["id"] for act in answer["acts"]] == ["s2", "s3"]
        assert kinds(three, "s1") == [ActKind.TAKE]
        stale = many(client, "noted", ("s2",), version=7, act="b" * 32)
        assert (stale.status_code, stale.json()["said"]) == (
            422, "Not written for 1: this stay changed meanwhile; look again.",
        )  # fmt: skip
        assert many(client, "note", ("s2",), act="c" * 32).status_code == 422  # no text


def test_a_call_is_never_logged_for_many_and_nobody_is_given_to_nobody(settings, three):
    with browser(settings, three) as client:
        assert many(client, "talked").status_code == 400
        for whom in ("", "cm-far", "made-up"):
            answer = many(client, "hand_over", for_id=whom)
            assert (answer.status_code, answer.json()["said"]) == (422, "Not written: choose to whom.")
        page = client.post("/many", data={"stay": ["1.s1"], "press": "hand_over"})
        assert "Not written: choose to whom." in page.text
    assert [kinds(three, stay_id) for stay_id in IDS] == [[]] * 3


def test_who_may_not_is_told_no_more_than_that_there_is_nothing(settings, three):
    with browser(settings, three, FAR) as far, browser(settings, three, LANE) as plan:
        for client in (far, plan):
            assert many(client, "take").status_code == many(client, "note", text="hello").status_code == 404
    assert [kinds(three, stay_id) for stay_id in IDS] == [[]] * 3


def test_the_chosen_are_printed_and_no_others(settings, three):
    tell(three, alert(person(2, "Given2", "Smith"), "s2", 2))
    with browser(settings, three) as client:
        sheet = client.post("/sheet", data={"stay": ["1.s1", "2.s2", "1.made-up"]}).text
        assert re.findall(r"<strong>(Given\d) Smith", sheet) == ["Given1", "Given2"]
    with browser(settings, three, FAR) as far:
        assert "Smith" not in far.post("/sheet", data={"stay": ["1.s1"]}).text


def test_a_note_for_many_that_is_not_sent_yet_is_kept_for_who_types_it_until_it_is(settings, three):
    typed = {"form": "many", "fields": '{"text": "Ask for the pharmacy"}'}
    with browser(settings, three) as client, browser(settings, three, BROWN) as other:
        assert client.post("/draft", data=typed).status_code == 204
        assert client.post("/draft", data=typed | {"fields": "[]"}).status_code == 400
        assert "Ask for the pharmacy" in client.get("/").text
        assert "Ask for the pharmacy" not in other.get("/").text
        press = {"press": "note", "text": "Ask for the pharmacy", "stay": ["1.s1"], "act": "a" * 32}
        assert client.post("/many", data=press).status_code == 303
        assert "Ask for the pharmacy" not in client.get("/").text


def test_without_a_script_the_list_comes_back(settings, three):
    with browser(settings, three, BROWN) as client:
        answer = client.post("/many", data={"stay": ["1.s1"], "press": "noted"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert 'value="assign"' not in client.get("/").text  # a nurse offers, a manager gives
