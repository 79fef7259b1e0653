"""The page of destinations: how each does, what can be pressed, and by whom."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from parsers.people import CaseManager, Role
from rules.following.roles import Doing, may
from rules.telling.attempts import Failure
from rules.telling.destinations import FormKind, State, Whose
from streams.inbox.pages import destinations as page_module
from streams.store.audit import Audited
from streams.store.delivery import DeliveryState, End
from streams.store.destinations import BY_A_PERSON
from streams.tell.in_thread import InThread
from streams.tell.parcels import WebhookJson
from streams.tell.samples import Samples
from streams.tell.way import Delivered, NotDelivered
from streams.words import destinations as words
from tests.inbox.test_beside_the_list import looked_at
from tests.inbox.test_roles import enter
from tests.rigs.browser import page_of
from tests.rigs.client import served
from tests.rigs.store import line, record
from tests.rigs.telling import decide_for, destination

NOW = datetime.now(UTC)
ADMIN = CaseManager(case_manager_id="ad", name="D. Min", role=Role.ADMIN)
OFFICE = CaseManager(case_manager_id="co", name="O. Fice", role=Role.CENTRAL_OFFICE)
OAK = destination("d1", address="https://oak.example/hook?token=secret-of-theirs").model_copy(
    update={"name": "Oak EHR"}
)
ELM = destination("d2", FormKind.NDJSON, Whose.PLAN, address="/srv/elm").model_copy(update={"name": "Elm plan"})


def fill(store) -> None:
    """Two versions due to Oak: the first given up, the second waiting after a failed try; Elm is paused."""
    store.directory.load([], [], [ADMIN, OFFICE], [], [], replace=False)
    store.panel.load([line("E1", mrns="MISSION:M1")], full=False, now=NOW)
    for recipient in (OAK, ELM):
        store.destinations.put(recipient, NOW)
    store.destinations.pause("d2", Failure.NO_ROOM, NOW)
    decide_for(store, [OAK], record(1), record(2), now=NOW)
    for state, failure in ((DeliveryState.GIVEN_UP, Failure.REFUSED), (DeliveryState.WAITING, Failure.TIMED_OUT)):
        (delivery, *_) = store.deliveries.claim(
            "t", NOW + timedelta(days=9), timedelta(seconds=60), store.deliveries.ready(NOW + timedelta(days=9)), each=1
        )
        ended = End(delivery.delivery_id, "d1", state, NOW + timedelta(days=30), failure, "400")
        store.deliveries.settle([ended], "t", NOW)
    store.destinations.failed("d1", Failure.TIMED_OUT, NOW, NOW)


@pytest.fixture
def filled(store):
    fill(store)
    return store


def line_of(text: str, name: str) -> str:
    """The table row of one destination."""
    return text.partition(f'id="d-{name}"')[2].partition("</tr>")[0]


def press(client, where: str, deed: str, **more: str):
    return client.post("/destinations", data={"of": where, "do": deed, **more})


def test_each_destination_says_how_it_does_and_no_secret(settings, filled):
    with served(settings, filled, None) as (client, _):
        enter(client, filled, "ad")
        text = client.get("/destinations").text
    oak, elm = line_of(text, "d1"), line_of(text, "d2")
    assert "1 × it refuses what we send" in oak
    assert "1 × no answer in time" in oak
    assert "2 due = 0 delivered + 1 waiting + 1 given up + 0 superseded" in oak
    assert "failed 1 × since" in oak
    assert "paused: no room in the folder" in elm
    assert text.index('id="d-d2"') < text.index('id="d-d1"'), "what stands still comes first"
    assert "secret-of-theirs" not in text
    assert "WHITFIELD" not in text


def test_it_is_found_by_name_owner_and_kind(settings, filled):
    with served(settings, filled, None) as (client, _):
        enter(client, filled, "ad")
        for asked, shown in (("oak", {"d1"}), ("VAYA", {"d2"}), ("webhook", {"d1"}), ("", {"d1", "d2"}), ("x", set())):
            text = client.get("/destinations", params={"q": asked}).text
            assert {name for name in ("d1", "d2") if f'id="d-{name}"' in text} == shown


def test_pause_resume_and_tell_again_by_a_press_and_a_row_of_the_audit(settings, filled):
    store = filled
    with served(settings, store, None) as (client, _):
        enter(client, store, "ad")
        paused = press(client, "d1", "pause")
        assert paused.headers["location"] == "/destinations?said=paused&of=d1"
        assert "Oak EHR is paused" in client.get(paused.headers["location"]).text
        row = store.destinations.find("d1")
        assert (row.destination.state, row.why) == (State.PAUSED, "by a person")
        assert press(client, "d1", "pause").status_code == 404, "it is not active"
        press(client, "d1", "resume")
        press(client, "d2", "resume")
        assert {row.destination.state for row in store.destinations.all()} == {State.ACTIVE}
        again = press(client, "d1", "replay", days="7")
        assert again.headers["location"] == "/destinations?said=replay&of=d1"
        assert {row.state for row in store.deliveries.of(destination_id="d1")} == {DeliveryState.WAITING}
        nothing = press(client, "d1", "replay", days="never")
        assert "said=nothing" in nothing.headers["location"]
        for where, wrong in (("d1", "remove"), ("none", "pause"), ("", "")):
            assert press(client, where, wrong).status_code == 404
        assert "<script" not in client.get("/destinations?said=<script>&of=d1").text.partition('id="main"')[2]
    did = [row.detail for row in store.audit.read(case_manager_id="ad") if row.what is Audited.DESTINATION]
    assert sorted(did) == ["pause d1", "replay d1", "replay d1", "resume d1", "resume d2"]


@pytest.mark.parametrize("said", [Delivered("202"), NotDelivered(Failure.NOT_ALLOWED, "401")])
def test_a_test_is_sent_by_the_process_that_tells_and_its_answer_shown(settings, filled, said):
    class Way:
        async def deliver(self, parcel, to, secrets):
            assert b'"test":true' in parcel.body.replace(b" ", b"")
            return said

    forms, ways = {FormKind.WEBHOOK_JSON: WebhookJson()}, {"http": Way()}
    samples = Samples(filled, forms, ways, b"key", InThread(None), lambda: NOW)
    ended = threading.Event()

    def tell():
        while not ended.wait(0.1):
            asyncio.run(samples.look())

    telling = threading.Thread(target=tell)
    telling.start()
    try:
        with served(settings, filled, None) as (client, _):
            enter(client, filled, "ad")
            text = client.get(press(client, "d1", "test").headers["location"]).text
    finally:
        ended.set()
        telling.join()
    answer = "taken (202)" if isinstance(said, Delivered) else "it does not let us in (401)"
    assert f": {answer}" in line_of(text, "d1")


def test_a_test_that_nobody_answers_says_so(settings, filled, monkeypatch):
    monkeypatch.setattr(page_module, "ANSWER_SECONDS", 0.3)
    with served(settings, filled, None) as (client, _):
        enter(client, filled, "ad")
        text = client.get(press(client, "d1", "test").headers["location"]).text
    assert "no answer yet; does `handoff tell` run?" in line_of(text, "d1")


def test_what_cannot_be_sent_from_here_or_breaks_is_an_answer(filled):
    class Broken:
        async def deliver(self, parcel, to, secrets):
            raise ZeroDivisionError

    for destination_id in ("d1", "d2", "gone"):
        filled.destination_tests.ask(destination_id, NOW)
    samples = Samples(
        filled, {FormKind.WEBHOOK_JSON: WebhookJson()}, {"http": Broken()}, b"key", InThread(None), lambda: NOW
    )
    asyncio.run(samples.look())
    tests = filled.destination_tests.of(["d1", "d2"])
    assert {name: test.failure for name, test in tests.items()} == {"d1": "crashed", "d2": "misconfigured"}
    filled.destinations.put_secret("d1", "signing", "x", b"another key", NOW, timedelta())
    filled.destination_tests.ask("d1", NOW)
    asyncio.run(samples.look())
    assert filled.destination_tests.of(["d1"])["d1"].failure == "misconfigured"
    assert filled.destination_tests.take(NOW) == []


def test_a_subscription_that_stands_still_is_its_client_s_to_start(filled):
    def deeds(state: State, why: str = ""):
        filled.destinations.put(destination("s", FormKind.SUBSCRIPTION, state=state), NOW, why)
        return page_module.deeds_of(filled.destinations.find("s"))

    assert deeds(State.ACTIVE) == ("test", "pause", "replay")
    assert deeds(State.PAUSED) == deeds(State.REQUESTED) == deeds(State.OFF) == ()
    assert deeds(State.PAUSED, BY_A_PERSON) == ("test", "resume", "replay"), "unless a person paused it"


def test_only_who_may_change_destinations_sees_them(settings, filled):
    people = [
        CaseManager(case_manager_id=f"r-{role}", name=role, role=role, network_id="n1", practices=("p1",))
        for role in Role
    ]
    filled.directory.load([], [], people, [], [], replace=False)
    with served(settings, filled, None) as (client, _):
        for who in people:
            enter(client, filled, who.case_manager_id)
            allowed = bool(may(who.role, Doing.CHANGE_DESTINATIONS))
            assert (client.get("/destinations").status_code == 200) == allowed, who.role
            filled.destinations.move("d1", State.ACTIVE, NOW)
            assert (press(client, "d1", "pause").status_code == 303) == allowed, who.role
    assert {role for role in Role if may(role, Doing.CHANGE_DESTINATIONS)} == {Role.ADMIN, Role.CENTRAL_OFFICE}


def test_every_reason_has_words():
    assert words.why("by a person") == "by a person"
    assert words.whose(Whose.CENTRAL_OFFICE, "") == "central office"


@pytest.mark.servers
def test_it_is_worked_by_keys_and_fit_for_everybody_to_read(chrome, inbox, axe):
    fill(inbox.store)
    page = page_of(chrome, inbox, OFFICE, expect_live=False)
    page.get_by_role("link", name="Destinations").click()
    expect(page.get_by_role("heading", name="Destinations")).to_be_visible(timeout=10_000)
    assert looked_at(page, axe) == []
    page.get_by_role("button", name="Pause Oak EHR").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").get_by_text("Oak EHR is paused")).to_be_visible(timeout=10_000)
    resume = page.get_by_role("button", name="Resume Oak EHR")
    expect(resume).to_be_visible(timeout=10_000)
    resume.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Pause Oak EHR")).to_be_visible(timeout=10_000)
    assert page.complaints == []
