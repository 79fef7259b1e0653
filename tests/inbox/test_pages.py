"""The inbox over a real store: who gets in, what they see, what they can do, and what never leaves."""

import asyncio
import json
import re
import socket
import time
from datetime import UTC, datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import event, select, update
from structlog.testing import capture_logs

from parsers.events import (
    Diagnosis,
    EncounterClass,
    FacilityKind,
)
from parsers.people import CaseManager, Consent, Role
from rules.decisions import Action, Change, ClockKind, ClockStatus, Owner, Priority, Reason, StayStatus
from rules.following.acts import UNDO_FOR, ActKind
from rules.telling.destinations import State as DestinationState
from rules.telling.directory import BUILT_IN_CENTRAL_OFFICE
from streams.inbox import serving
from streams.inbox.access import Desk
from streams.inbox.detail import detail_of
from streams.inbox.guesses import Guesses, as_itself, one_address
from streams.inbox.links import NoInbox, make_link
from streams.inbox.live import Live
from streams.inbox.pages import list_rows as rows
from streams.inbox.request import COOKIE, Inbox
from streams.run.listening import open_to_others
from streams.run.metrics import REGISTRY
from streams.run.problems import Problem
from streams.store import Store
from streams.store.audit import Audited
from streams.store.database import write_rows
from streams.store.tables import alerts, deliveries, to_us
from streams.words import times as time_words
from tests.rigs.acts import acted
from tests.rigs.client import browser, rows_of, served
from tests.rigs.inbox import (
    BROWN,
    FAR,
    LANE,
    MARKER,
    ORTIZ,
    alert,
    clock,
    discharge,
    hold,
    load_people,
    person,
    tell,
    town,
)
from tests.rigs.store import DATABASES, url_of
from tests.rigs.telling import destination

BASE = "http://127.0.0.1:8080"


# getting in


def test_a_link_signs_in_once_and_its_session_outlives_a_restart(settings, store):
    load_people(store)
    token = store.sign_in.make_link(ORTIZ.case_manager_id, datetime.now(UTC) + timedelta(minutes=15))
    with browser(settings, store, None) as client:
        first = client.post("/sign-in", data={"t": token})
        assert (first.status_code, first.headers["location"]) == (303, "/")
        cookie = first.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie  # strict would not come along when a provider sends the browser back
        assert "path=/" in cookie
        secret = client.cookies[COOKIE]
        client.cookies.clear()
        assert client.post("/sign-in", data={"t": token}).status_code == 401
    with browser(settings, store, None) as client:
        client.cookies.set(COOKIE, secret)
        assert "M. Ortiz, RN" in client.get("/").text


@pytest.mark.parametrize("cookie", ["", "made-up"])
def test_nobody_gets_in_without_a_session(settings, store, cookie):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    with browser(settings, store, None) as client:
        if cookie:
            client.cookies.set(COOKIE, cookie)
        for path in ("/", "/list", "/stay/a1", "/stay/a1/part", "/stream", "/still", "/review"):
            answer = client.get(path)
            assert answer.status_code == 401, path
            assert "Whitfield" not in answer.text


def test_an_idle_page_locks_and_a_demo_unlocks_it(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    long_ago = datetime.now(UTC) - timedelta(minutes=16)
    for demo in (False, True):
        session = store.sessions.open(ORTIZ.case_manager_id, long_ago)
        with browser(settings, store, None, demo=demo) as client:
            client.cookies.set(COOKIE, session.secret)
            locked = client.get("/")
            assert locked.status_code == 401
            assert "Locked" in locked.text
            assert "Whitfield" not in locked.text
            assert client.get("/stream").status_code == 401
            assert client.post("/stay/a1/take", data={"version": 3, "csrf": session.csrf}).status_code == 401
            unlocked = client.post("/unlock", data={"csrf": session.csrf})
            assert unlocked.status_code == (303 if demo else 404)
            assert client.get("/").status_code == (200 if demo else 401)


def test_signing_out_ends_the_session_everywhere(settings, store):
    load_people(store)
    with browser(settings, store) as client:
        secret = client.cookies[COOKIE]
        assert client.post("/sign-out").status_code == 303
    assert store.sessions.find(secret, datetime.now(UTC)) is None


def test_a_session_does_not_last_for_ever(store):
    load_people(store)
    session = store.sessions.open(ORTIZ.case_manager_id, datetime.now(UTC) - timedelta(hours=13))
    assert store.sessions.find(session.secret, datetime.now(UTC)) is None


def test_links_are_for_people_in_the_directory_and_for_the_busiest_when_nobody_is_named(settings, store):
    people, versions = town()
    load_people(store, people)
    with pytest.raises(NoInbox, match="start"):
        make_link(settings, None, store=store)
    (settings.data_dir / "inbox.json").write_text(f'{{"url": "{BASE}", "pid": 1}}')
    tell(store, *versions)
    assert (
        store.sign_in.redeem(make_link(settings, None, store=store).partition("t=")[2], datetime.now(UTC)) == "cm-ortiz"
    )
    with pytest.raises(NoInbox, match="directory"):
        make_link(settings, "cm-nobody", store=store)
    behind = settings.model_copy(update={"front_page": "https://inbox.example.org/"})
    assert make_link(behind, None, store=store).startswith("https://inbox.example.org/sign-in?t=")


# what a browser may be made to do


def test_requests_under_a_foreign_name_or_from_a_foreign_page_do_nothing(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    with browser(settings, store) as client:
        assert client.get("/", headers={"Host": "rebound.example:8080"}).status_code == 421
        assert client.get("/", headers={"Host": "localhost:8080"}).status_code in {200, 401}
        act = {"url": "/stay/a1/take", "data": {"version": 3}}
        assert client.post(**act, headers={"Origin": "https://evil.example"}).status_code == 403
        assert client.post(**act, headers={"Origin": "null"}).status_code == 403
        assert client.post(**act, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert client.post(**act, headers={"X-CSRF-Token": "guess"}).status_code == 401
        assert client.get("/stay/a1/take").status_code == 405
        assert store.inbox.stay_page("cm-ortiz", "a1").acts == ()
        assert client.post(**act, headers={"Origin": str(client.base_url).rstrip("/")}).status_code == 303
        assert len(store.inbox.stay_page("cm-ortiz", "a1").acts) == 1


def test_pages_stay_here(settings, store):
    load_people(store)
    with browser(settings, store) as client:
        for path in ("/", "/list", "/stay/none", "/review", "/still"):
            headers = client.get(path).headers
            assert headers["cache-control"] == "no-store"
            assert headers["referrer-policy"] == "same-origin"
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
        style = re.search(r'href="(/static/inbox.css[^"]*)"', client.get("/").text).group(1)
        assert "immutable" in client.get(style).headers["cache-control"]
        assert client.get("/static/../app.py").status_code == 404


def test_templates_hold_no_inline_script_or_style(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    with browser(settings, store, demo=True) as client:
        for path in ("/", "/stay/a1", "/become", "/review"):
            html = client.get(path).text
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*src=)", html), path


# what they see


def test_the_list_groups_rows_by_what_to_do_and_each_reads_as_a_sentence(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    acted(store, "a2", "cm-ortiz", ActKind.TAKE, 1, datetime.now(UTC))
    acted(store, "a9", "cm-ortiz", ActKind.NOTED, 1, datetime.now(UTC))
    store.seen.mark("cm-ortiz", {"a1": 2}, datetime.now(UTC))
    with browser(settings, store) as client:
        html = client.get("/").text
    listed = rows_of(html)
    assert {name: group for name, (group, _) in listed.items()} == {
        "a1": "now",
        "a2": "now",
        "a3": "in-hospital",
        "a4": "taken-back",
        "a5": "in-hospital",
        "a6": "home",
        "a7": "in-hospital",
        "a8": "in-hospital",
    }
    assert re.search(r"Earlier: Went to a skilled nursing facility .* · nothing to do", listed["a8"][1])
    rosa = listed["a1"][1]
    assert rosa.startswith(
        "urgent Rosa Whitfield, 71 F high risk · 4th ED visit in 60 days now discharged Went home today, "
    )
    assert "Mission Hospital, 3 days · heart failure" in rosa
    assert "nobody has this yet" in rosa
    assert re.search(r"(4 h overdue|overdue (1 working day|since [^·]+)) · you", listed["a2"][1])  # by the hour of day
    assert '<span class="on-paper">M. Ortiz, RN</span>' in html
    assert re.search(
        r"Mission Hospital cancelled this at \d+:\d\d [AP]M.*: the admission did not happen", listed["a4"][1]
    )
    assert html.index('id="r-a2"') < html.index('id="r-a1"') < html.index('id="r-a4"') < html.index('id="r-a8"')
    title = re.search(r"<title>(.*?)</title>", html).group(1)
    assert title == "Inbox · Warm Handoff"


def test_an_empty_list_teaches(settings, store):
    load_people(store, [person(1), person(2)])
    with browser(settings, store) as client:
        html = client.get("/").text
    assert "Nobody needs you now. 2 people on your panel are being watched at 0 hospitals; no message has come" in html


def test_a_taken_back_row_stays_until_this_reader_has_seen_it(settings, store):
    enrollee = person(1)
    load_people(store, [enrollee])
    tell(store, alert(enrollee), alert(enrollee, version=2, action=Action.RETRACT, status=StayStatus.CANCELLED,
                                       reasons=(Reason.ADMISSION_CANCELLED,)))  # fmt: skip
    with browser(settings, store) as client:
        group, text = rows_of(client.get("/").text)["s1"]
        assert group == "taken-back"
        assert "Press OK, noted" in text
        assert "<del>Admitted</del>" in client.get("/").text
        assert client.post("/stay/s1/acknowledge", data={"version": 2}).status_code == 303
        assert rows_of(client.get("/").text).get("s1", ("finished",))[0] == "finished"


def test_a_person_in_the_hospital_waits_for_the_discharge_and_is_whose_only_one_was_told(settings, store):
    enrollee = person(1)
    load_people(store, [enrollee])
    now = datetime.now(UTC)
    notice = clock(ClockKind.TRC_ADMISSION_NOTICE).model_copy(update={"status": ClockStatus.MET, "met_at": now})
    tell(store, alert(enrollee, clocks=(notice,)))
    with browser(settings, store) as client:
        group, text = rows_of(client.get("/").text)["s1"]
        assert group == "in-hospital"
        assert "In the hospital. Follow-up starts the day they go home." in text
        assert " you M. Ortiz, RN" in text  # told to one person, it is theirs
        assert "admission noted for you" in client.get("/stay/s1").text


def test_who_must_be_called_stays_until_reached_or_closed_and_then_asks_for_nothing(settings, store):
    enrollee = person(1)
    load_people(store, [enrollee])
    tell(store, discharge(enrollee, clocks=()))
    with browser(settings, store) as client:
        group, text = rows_of(client.get("/").text)["s1"]
        assert (group, "Log a call" in text) == ("home", True)
        client.post("/stay/s1/acknowledge", data={"version": 1})
        assert rows_of(client.get("/").text)["s1"][0] == "home"
        client.post("/stay/s1/log", data={"version": 1, "press": "talked", "act": "a" * 32})
        group, text = rows_of(client.get("/").text)["s1"]
        assert (group, "Log a call" in text, "Nothing to do" in text) == ("finished", False, True)


def test_back_to_outpatient_strikes_the_row_until_it_is_seen_and_a_later_version_opens_it_again(settings, store):
    enrollee = person(1)
    load_people(store, [enrollee])
    back = {"action": Action.RETRACT, "encounter_class": EncounterClass.AMBULATORY, "trigger": "A07",
            "reasons": (Reason.BACK_TO_OUTPATIENT,)}  # fmt: skip
    tell(store, alert(enrollee), alert(enrollee, version=2, **back))
    with browser(settings, store) as client:
        html = client.get("/").text
        group, text = rows_of(html)["s1"]
        assert group == "taken-back"
        assert "<del>Admitted</del>" in html
        assert ">now outpatient</span>" in html
        assert "no longer an inpatient, now outpatient" in text
        client.post("/stay/s1/acknowledge", data={"version": 2})
        html = client.get("/").text
        assert rows_of(html)["s1"][0] == "finished"
        tell(store, alert(enrollee, version=3))
        html = client.get("/").text
        assert rows_of(html)["s1"][0] == "in-hospital"
        assert "<del>" not in html
        assert ">now admitted</span>" in html


def test_somebody_else_s_stay_is_not_there(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    with browser(settings, store, FAR) as client:
        assert rows_of(client.get("/").text) == {}
        for answer in (
            client.get("/stay/a1"),
            client.get("/stay/nowhere"),
            client.post("/stay/a1/take", data={"version": 1}),
        ):
            assert answer.status_code == 404
            assert "Whitfield" not in answer.text


def test_what_a_reader_may_not_know_is_named_and_not_shown(settings, store):
    otis = person(7, "Otis", "Gaines")
    ruth = person(8, "Ruth", "Holloway", practice_id="p1")
    load_people(store, [otis, ruth])
    tell(
        store, alert(otis, "w1", facility="Balsam Center", facility_kind=FacilityKind.PSYCHIATRIC, attending="Lee, Ann")
    )
    plan = {"owners": (Owner(case_manager_id="cc-lane", because="lme_mco"),), "told": ("cc-lane",)}
    tell(
        store,
        alert(ruth, "w2", attending="Lee, Ann", **plan),
        alert(
            ruth, "w2", 2, attending="Lee, Ann", reasons=(Reason.DIAGNOSIS_ADDED,),
            diagnoses=(Diagnosis(code="F32.9", system="I10", text="Major depressive disorder"),), **plan,
        ),
    )  # fmt: skip
    secret = re.compile("Gaines|Balsam|Lee, Ann|shortness|depress|F32")
    with browser(settings, store, ORTIZ) as client:
        page, stay = client.get("/").text, client.get("/stay/w1").text
        assert "You may not see who this is and what happened: a protected facility, no consent on file" in page
        assert "You may not see" in stay
        assert not secret.search(page + stay)
    with browser(settings, store, LANE) as client:
        page, stay = client.get("/").text, client.get("/stay/w2").text
        assert "Ruth Holloway" in page
        assert "You may not see where, why, and the medical details: no consent on file" in page
        assert not re.search("Mission|Lee, Ann|shortness|depress|F32", page + stay)


def test_the_page_of_a_stay_tells_its_story_and_why(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    acted(store, "a1", "cm-brown", ActKind.NOTED, 3, datetime.now(UTC))
    with browser(settings, store) as client:
        html = client.get("/stay/a1").text
    text = " ".join(re.sub(r"<[^>]+>", " ", html).split())
    for words in (
        "Moved from the ED to an inpatient bed",
        "Mission Hospital, message A06, number 4712",
        "T. Brown, RN noted this",
        "heart failure ICD-10 I50.9",
        "828-555-0147",
        "Haywood Family Medicine",
        "We matched birth date, last name, Social Security number",
        "(Medicare TCM, 2 working days)",
        "None that we know of.",
    ):
        assert words in text, words
    story = text[text.index("The story so far") :]
    assert story.index("T. Brown") < story.index("Went home") < story.index("Admitted") < story.index("In the ED")
    assert "Whitfield" not in re.search(r"<title>(.*?)</title>", html).group(1)
    with browser(settings, store) as client:
        assert "Mar 20" not in client.get("/stay/a8").text
        ruth = " ".join(re.sub(r"<[^>]+>", " ", client.get("/stay/a8").text).split())
    assert "Went to a skilled nursing facility, Mission Hospital" in ruth[ruth.index("Earlier stays") :]


# what they do


def test_an_action_is_written_once_shown_and_can_be_undone(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    json = {"Accept": "application/json"}
    with browser(settings, store) as client, browser(settings, store, BROWN) as other:
        press = {"version": 3, "act": "one-press"}
        done = client.post("/stay/a1/take", data=press, headers=json).json()
        again = client.post("/stay/a1/take", data=press, headers=json).json()
        assert done == again
        assert "M. Ortiz, RN" in rows_of(other.get("/").text)["a1"][1]
        assert "· you M. Ortiz, RN" in rows_of(client.get("/").text)["a1"][1]
        assert other.post("/stay/a1/undo", data=done).status_code == 409
        back = client.post("/stay/a1/undo", data=done, headers=json).json()
        assert back["position"] > done["position"]
        assert client.post("/stay/a1/undo", data=done).json() == back  # sent again: written once
        assert "nobody has this yet" in rows_of(other.get("/").text)["a1"][1]
        for bad in ({"version": "4"}, {"version": "0"}, {"version": "x"}, {}):
            assert client.post("/stay/a1/take", data=bad).status_code in {400, 409}
        assert client.post("/stay/a1/delete", data={"version": 3}).status_code == 400
    assert [row.what for row in store.audit.read(alert_id="a1")] == [Audited.UNDID, Audited.ACTED]


def test_reading_is_audited(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    with browser(settings, store) as client:
        client.get("/")
        client.get("/stay/a1")
        client.get("/stay/a1/part")
    assert [(row.what, row.enrollee_id) for row in store.audit.read(alert_id="a1")] == [
        (Audited.AUTO, "E00001"),  # the page fetched it by itself: nobody may have looked
        (Audited.READ_STAY, "E00001"),
    ]
    assert Audited.READ_LIST in {row.what for row in store.audit.read()}


@pytest.mark.parametrize(
    ("host", "warned"),
    [
        ("127.0.0.1", False),
        ("::1", False),
        ("localhost", False),
        ("::", True),
        ("10.1.2.3", True),
        ("inbox.example", True),
    ],
)
def test_an_inbox_others_can_reach_is_told_apart(host, warned):
    assert open_to_others(host) == warned


def test_the_phone_to_call_can_be_dialed(settings, store):
    enrollee = person(1)
    load_people(store, [enrollee])
    tell(store, alert(enrollee))
    with browser(settings, store) as client:
        assert 'Phone <a href="tel:+18285550147">828-555-0147</a>' in client.get("/stay/s1").text


def test_opening_a_stay_takes_its_mark_away(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    store.seen.mark("cm-ortiz", {"a9": 1}, datetime.now(UTC))  # it stands on the same card
    with browser(settings, store) as client:
        assert " new " in rows_of(client.get("/").text)["a8"][1]
        assert '<span class="mark">new</span>' in client.get("/stay/a8").text
        assert " new " not in rows_of(client.get("/").text)["a8"][1]
        tell(store, alert(people[7], "a8", 2, reasons=(Reason.CLASS_CHANGED, Reason.ADMITTED)))
        assert " now inpatient " in rows_of(client.get("/").text)["a8"][1]


def test_only_a_demo_lets_one_become_another(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    with browser(settings, store) as client:
        assert client.get("/become").status_code == 404
        assert client.post("/become", data={"who": "cm-brown"}).status_code == 404
    with browser(settings, store, demo=True) as client:
        page = client.get("/become").text
        assert page.index("M. Ortiz") < page.index("T. Brown")
        assert "9 on the list" in page
        before = client.cookies[COOKIE]
        assert client.post("/become", data={"who": "nobody"}).status_code == 400
        answer = client.post("/become", data={"who": "cm-brown"})
        assert answer.status_code == 303
        client.cookies.clear()
        client.cookies.set(COOKIE, answer.headers["set-cookie"].split("=")[1].split(";")[0])
        assert "T. Brown, RN" in client.get("/").text
    assert store.sessions.find(before, datetime.now(UTC)) is None


# possible matches


def test_a_possible_match_shows_both_sides_and_a_person_decides_for_good(settings, store):
    enrollee = person(1)
    load_people(store, [enrollee])
    review = hold(store, enrollee)
    with browser(settings, store, FAR) as client:
        assert "Whitf" not in client.get("/review").text
        assert client.post(f"/review/{review}", data={"verdict": "same"}).status_code == 404
    with browser(settings, store) as client:
        assert "1 to review" in client.get("/").text
        page = client.get("/review").text
        text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
        assert "Name Rosa Whitfeild Rosa Whitfield close" in text
        assert "Name Rosa Whitfeild Rosa Whitfield close (unclear)" in text
        assert "Birth date 03/04/1955 03/04/1955 the same (agrees)" in text
        assert client.post(f"/review/{review}", data={"verdict": "perhaps"}).status_code == 400
        for verdict, said in (
            ("not_sure", "Saved: not sure"),
            ("same", "Saved: the same person"),
            ("different", "M. Ortiz, RN answered “same person” 0 s ago."),
        ):
            answer = client.post(f"/review/{review}", data={"verdict": verdict})
            assert answer.status_code == 303
            page = client.get(answer.headers["location"]).text
            assert said in page
            assert ("M. Ortiz, RN was not sure" in page) == (verdict == "not_sure")
            assert ("M. Ortiz, RN said the same person" in page) == (verdict != "not_sure")
        assert "Nothing waits for your answer" in client.get("/review").text
        assert store.reviews.unsent_events() == []
        assert "waits for an answer again" in client.get(client.post(f"/review/{review}/undo").headers["location"]).text
        client.post(f"/review/{review}", data={"verdict": "same"})
        store.reviews.take_effect(datetime.now(UTC) + timedelta(seconds=10))
        assert "Too late" in client.get(client.post(f"/review/{review}/undo").headers["location"]).text
    assert len(store.reviews.unsent_events()) == 1


def test_reviews_are_those_of_one_s_own_practices_and_the_audit_says_whose(settings, store):
    theirs, mine = person(1, practice_id="p2"), person(2)
    load_people(store, [theirs, mine])
    hold(store, theirs, "e" * 32)
    hold(store, mine, "f" * 32)
    with browser(settings, store, BROWN) as client:  # carries p1 alone, of the same network
        assert "1 to review" in client.get("/").text
        assert client.get("/review").text.count('class="pair card"') == 1
        assert client.post(f"/review/{'e' * 32}", data={"verdict": "same"}).status_code == 404
    read = [row.enrollee_id for row in store.audit.read() if row.what is Audited.READ_REVIEW]
    assert read == [mine.enrollee_id]


def test_hostile_text_from_a_hospital_is_text(settings, store):
    enrollee = person(1, family="<script>alert(1)</script>")
    load_people(store, [enrollee])
    tell(store, discharge(enrollee, complaint='"><img src=x onerror=alert(1)>', facility="<b>Mission</b>"))
    with browser(settings, store) as client:
        for path in ("/", "/stay/s1"):
            html = client.get(path).text
            assert "<img src=x" not in html
            assert "<script>alert" not in html
            assert "<b>Mission" not in html


def test_no_identifier_of_a_patient_is_in_an_address(settings, store):
    enrollee = person(1, given=MARKER, family=MARKER)
    load_people(store, [enrollee])
    tell(store, discharge(enrollee, facility=MARKER, complaint=MARKER, control_id=MARKER))
    with browser(settings, store) as client:
        for path in ("/", "/stay/s1"):
            html = client.get(path).text
            assert MARKER in html
            for name, value in re.findall(r'(href|src|action|id|data-[a-z-]+)="([^"]*)"', html):
                assert MARKER not in value or name == "data-speak"
                assert "E00001" not in value


@pytest.mark.parametrize("priority", Priority)
def test_urgency_is_said_in_a_word_beside_its_shape(settings, store, priority):
    enrollee = person(1)
    load_people(store, [enrollee])
    tell(store, alert(enrollee, priority=priority, encounter_class=EncounterClass.INPATIENT))
    with browser(settings, store) as client:
        html = client.get("/").text
    assert re.search(r'<svg class="shape"[^>]*aria-hidden="true"', html)
    words = {"urgent": "urgent", "high": "soon", "routine": "routine", "digest": "no hurry"}[priority]
    assert rows_of(html)["s1"][1].startswith(words)


def test_the_page_counts_by_the_policy_in_force_also_when_it_changes(settings, store, tmp_path, monkeypatch):
    file = tmp_path / "policy.toml"
    shipped = resources.files("rules.policy").joinpath("policy.toml").read_text()
    file.write_text(shipped.replace("closed = []", 'closed = ["2026-11-23"]'))
    inbox = Inbox(settings.model_copy(update={"policy": file}), store)
    enrollee, now = person(1), datetime(2026, 11, 20, 19, 2, tzinfo=UTC)
    load_people(store, [enrollee])
    due = datetime(2026, 11, 25, 22, tzinfo=UTC)
    call = clock().model_copy(update={"due_at": due, "calendar": "federal"})
    tell(store, discharge(enrollee, clocks=(call,)))

    def left():
        (stay,) = inbox.desk.stays(ORTIZ, now)
        return rows.row(stay, ORTIZ.case_manager_id, now).left

    assert left() == "2 working days left"
    file.write_text(shipped)
    monkeypatch.setattr("streams.run.rule_file._LOOK_SECONDS", 0.0)
    inbox.desk.policy()  # sees that it changed; the next look finds it settled
    assert left() == "3 working days left"


def test_times_are_said_in_the_zone_of_the_policy_in_force(settings, store, tmp_path):
    file = tmp_path / "policy.toml"
    shipped = resources.files("rules.policy").joinpath("policy.toml").read_text()
    load_people(store, [enrollee := person(1)])
    now = datetime.now(UTC)
    began = now - timedelta(days=2)
    tell(store, alert(enrollee, started_at=began))
    for zone in ("America/New_York", "America/Denver"):
        file.write_text(shipped.replace("America/New_York", zone))
        with browser(settings.model_copy(update={"policy": file}), store) as client:
            assert time_words.moment(began, now, ZoneInfo(zone)) in client.get("/stay/s1").text, zone


def test_consent_opens_what_was_withheld(settings, store):
    otis = person(7, "Otis", "Gaines", consent=Consent.ALL)
    load_people(store, [otis])
    tell(store, alert(otis, "w1", facility="Balsam Center", facility_kind=FacilityKind.SUBSTANCE_USE))
    with browser(settings, store) as client:
        page = client.get("/stay/w1").text
    assert "Balsam Center" in page
    assert "42 CFR part 2 prohibits unauthorized" in page


def test_a_confidentiality_file_of_your_own_says_how_far_content_goes(settings, store, tmp_path):
    otis = person(7, "Otis", "Gaines", sex="M", consent=Consent.NONE)
    load_people(store, [otis])
    tell(store, alert(otis, "a7", 1, facility="Balsam Center", facility_kind=FacilityKind.PSYCHIATRIC))
    assert [stay.latest.tier for stay in Inbox(settings, store).desk.stays(ORTIZ, datetime.now(UTC))] == ["withheld"]
    file = tmp_path / "confidentiality.toml"
    own = settings.model_copy(update={"confidentiality": file})
    file.write_text('facility_122c = "general"\n')
    [stay] = Inbox(own, store).desk.stays(ORTIZ, datetime.now(UTC))
    assert (stay.latest.tier, stay.latest.facility, stay.latest.person.name.family) == ("general", "", "Gaines")
    assert detail_of(Inbox(own, store).desk, ORTIZ, "a7").ruling == "general: facility_122c"
    file.write_text('facility_122c = "full"\n')
    with pytest.raises(Problem, match=r"(?s)has faults.*facility_122c: expected 'general' or 'withheld'"):
        Inbox(own, store)
    with pytest.raises(Problem, match="cannot be read"):
        Inbox(settings.model_copy(update={"confidentiality": tmp_path}), store)


def test_a_change_of_diagnoses_has_words_beside_its_codes(settings, store):
    enrollee = person(1)
    load_people(store, [enrollee])
    diagnoses = (Diagnosis(code="J18.9", system="I10", text="Pneumonia"), Diagnosis(code="I50.9", system="I10"))
    coded = alert(
        enrollee, version=2, reasons=(Reason.DIAGNOSIS_ADDED,), diagnoses=diagnoses,
        changes=(Change(field="diagnoses", after="J18.9, I50.9"),),
    )  # fmt: skip
    tell(store, alert(enrollee), coded)
    with browser(settings, store) as client:
        page = client.get("/stay/s1").text
    assert '<span class="did">New diagnosis: pneumonia (J18.9), heart or circulation (I50.9)</span>' in page
    assert "The hospital added a diagnosis" not in page[page.index("The story so far") : page.index("Why am I")]


def test_a_stay_says_to_its_reader_why_they_have_it(settings, store):
    rosa = person(1)
    load_people(store, [rosa])
    tell(store, alert(rosa, route="M. Ortiz, RN carries the panel of Haywood Family Medicine."))
    with browser(settings, store) as client, browser(settings, store, BROWN) as colleague:
        assert "<p>You carry Haywood Family Medicine.</p>" in client.get("/stay/s1").text
        assert "<p>M. Ortiz, RN carries Haywood Family Medicine.</p>" in colleague.get("/stay/s1").text


@pytest.mark.parametrize(("kind", "reader", "linked"), [
    (FacilityKind.ACUTE, ORTIZ, True),
    (FacilityKind.SUBSTANCE_USE, ORTIZ, False),
    (FacilityKind.ACUTE, LANE, False),
])  # fmt: skip
def test_a_stay_that_was_joined_to_another_leads_there_who_may_know_of_it(settings, store, kind, reader, linked):
    rosa, owners = person(1), (("cm-ortiz", "practice"), ("cc-lane", "lme_mco"))
    both = {
        "told": ("cm-ortiz", "cc-lane"),
        "owners": tuple(Owner(case_manager_id=who, because=because) for who, because in owners),
    }
    joined = {"action": Action.RETRACT, "status": StayStatus.CANCELLED, "reasons": (Reason.MERGED,)}
    load_people(store, [rosa])
    tell(store, alert(rosa, "s1", facility_kind=kind), alert(rosa, "s2", **both))
    tell(store, alert(rosa, "s2", 2, **both, **joined), into="s1")
    with browser(settings, store, reader) as client:
        page = client.get("/stay/s2")
        assert (page.status_code, '<p>Same stay as <a href="/stay/s1">Rosa Whitfield, ' in page.text) == (200, linked)
        assert "Same stay as" not in client.get("/stay/s1").text


def test_the_time_to_the_page_is_observed_once_for_each_prompt_change(settings, store):
    def observed():
        return REGISTRY.get_sample_value("toc_stage_seconds_count", {"stage": "shown"}) or 0

    enrollee = person(1)
    load_people(store, [enrollee])
    tell(store, alert(enrollee), alert(enrollee, version=2, reasons=(Reason.LATE_ENROLLMENT,)))
    acted(store, "s1", "cm-ortiz", ActKind.TAKE, 2, datetime.now(UTC))
    live = Live(Desk(store))
    changes = live.read(0, 10)
    assert [(bool(change.message_id), change.prompt) for change in changes] == [
        (True, True),
        (True, False),
        (False, True),
    ]
    before = observed()
    live.written(changes)
    live.written(changes)
    assert observed() == before + 1


def test_a_page_that_asks_for_what_this_process_never_saw_fetches_anew(store):
    live = Live(Desk(store))
    assert live.after(0) == []
    assert live.after(7) is None


# what a page does by itself, and what only a person does

BY_ITSELF = {"Sec-Fetch-Mode": "navigate"}
BY_HAND = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-User": "?1"}
TAKEN_BACK = {
    "version": 2,
    "action": Action.RETRACT,
    "status": StayStatus.CANCELLED,
    "reasons": (Reason.ADMISSION_CANCELLED,),
}


def seen_version(store, alert_id="s1", who=ORTIZ):
    return store.inbox.stay_page(who.case_manager_id, alert_id).row.seen_version


def test_only_a_person_who_comes_marks_a_stay_seen(settings, store):
    enrollee = person(1)
    load_people(store, [enrollee])
    tell(store, alert(enrollee))
    with browser(settings, store) as client:
        client.get("/stay/s1/part")
        client.get("/list")
        client.get("/stay/s1", headers=BY_ITSELF)
        client.head("/stay/s1")
        assert seen_version(store) == 0
        assert {row.what for row in store.audit.read()} == {Audited.AUTO}
        client.get("/stay/s1", headers=BY_HAND)
        assert seen_version(store) == 1
        tell(store, alert(enrollee, version=2, reasons=(Reason.DIAGNOSIS_ADDED,)))
        client.get("/stay/s1/part")
        assert seen_version(store) == 1
        assert client.post("/stay/s1/seen", data={"version": 2}).status_code == 204
        assert seen_version(store) == 2
        assert store.audit.read(alert_id="s1")[0].what is Audited.READ_STAY
        for bad, status in (("/stay/s1/seen", 400), ("/stay/none/seen", 404)):
            assert client.post(bad, data={"version": "x" if status == 400 else "1"}).status_code == status


def test_a_retraction_is_seen_by_a_press_only(settings, store):
    enrollee = person(1)
    load_people(store, [enrollee])
    tell(store, alert(enrollee), alert(enrollee, **TAKEN_BACK))
    with browser(settings, store) as client:
        client.get("/stay/s1", headers=BY_HAND)
        client.post("/stay/s1/seen", data={"version": 2})
        assert seen_version(store) == 1
        assert rows_of(client.get("/").text)["s1"][0] == "taken-back"
        client.post("/stay/s1/acknowledge", data={"version": 2})
        assert seen_version(store) == 2


def left_of(client):
    return client.get("/left").json()["left"]


def test_only_gestures_keep_a_session_open(settings, store):
    load_people(store, [person(1)])
    session = store.sessions.open(ORTIZ.case_manager_id, datetime.now(UTC) - timedelta(minutes=14))
    with browser(settings, store, None) as client:
        client.cookies.set(COOKIE, session.secret)
        client.headers["X-CSRF-Token"] = session.csrf
        for path in ("/", "/list", "/review", "/still", "/left", "/stay/none"):
            client.get(path, headers=BY_ITSELF)
        assert 55 < left_of(client) < 60
        assert client.post("/here", data={"ago": "20000"}).status_code == 204
        assert 14 * 60 + 30 < left_of(client) < 14 * 60 + 41
        client.post("/here", data={"ago": "999999999"})
        client.post("/here", data={"ago": "-1"})
        assert left_of(client) > 14 * 60 + 50
        client.get("/", headers=BY_HAND)
        assert left_of(client) > 14 * 60 + 58


def test_a_locked_page_goes_on_counting_who_is_new_and_urgent_and_says_no_more(settings, store):
    rosa, luis, urgent = person(1), person(2, "Luis", "Bennett"), {"priority": Priority.URGENT}
    now = datetime.now(UTC)
    load_people(store, [rosa, luis])
    tell(store, alert(rosa, "before", decided_at=now - timedelta(minutes=20), **urgent))
    session = store.sessions.open(ORTIZ.case_manager_id, now - timedelta(minutes=16))
    with browser(settings, store, None) as client:
        client.cookies.set(COOKIE, session.secret)

        def news():
            locked = client.get("/stay/before")
            assert (locked.status_code, locked.headers["refresh"]) == (401, "60")
            assert not re.search("Whitfield|Bennett|Mission", locked.text)
            return re.search(r"<p>(\S+ new since) .*?[AP]M(.*?)</p>", locked.text).groups()

        assert news() == ("Nothing new since", ".")
        tell(store, alert(rosa, "s1", decided_at=now, priority=Priority.ROUTINE))
        assert news() == ("1 new since", ".")
        tell(store, alert(luis, "s2", decided_at=now, **urgent), alert(luis, "s3", decided_at=now, **urgent))
        assert news() == ("2 new since", ", 1 urgent.")
        store.seen.mark(ORTIZ.case_manager_id, {"s2": 1, "s3": 1}, datetime.now(UTC))
        assert news() == ("1 new since", ".")


def test_a_locked_stay_unlocks_to_where_it_was(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    for asked, given in (("/stay/a1", "/stay/a1"), ("/review", "/review"), ("https://evil.example/stay/a1", "/")):
        session = store.sessions.open(ORTIZ.case_manager_id, datetime.now(UTC) - timedelta(minutes=16))
        with browser(settings, store, None, demo=True) as client:
            client.cookies.set(COOKIE, session.secret)
            if asked.startswith("/"):
                assert f'name="back" value="{asked}"' in client.get(asked).text
            answer = client.post("/unlock", data={"csrf": session.csrf, "back": asked})
            assert answer.headers["location"] == given


# of another version


def test_a_stay_that_a_newer_program_wrote_is_shown_or_refused_by_name(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)

    def written(change):
        with store.database.writing() as connection:
            for alert_id, document in connection.execute(select(alerts.c.alert_id, alerts.c.document)).all():
                changed = json.dumps(json.loads(document) | change)
                connection.execute(update(alerts).where(alerts.c.alert_id == alert_id).values(document=changed))

    with served(settings, store) as (client, _):
        page = f"/stay/{versions[0].alert_id}"
        written({"bed_phone": "555"})
        assert client.get(page).status_code == 200
        written({"status": "a word of theirs"})
        assert client.get(page).status_code == 500
        with store.database.writing() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        for path in (page, "/"):
            answer = client.get(path)
            assert answer.status_code == 503
            assert "A newer version is needed" in answer.text


# live, or said not to be


def test_a_page_is_not_live_when_the_poller_has_ended(settings, store, monkeypatch):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)

    async def broken(_self):
        raise RuntimeError

    with served(settings, store) as (client, inbox):
        with client.stream("GET", "/stream") as answer:
            lines = answer.iter_lines()
            assert any(line == "event: beat" for line in lines)
            assert inbox.health().live
            monkeypatch.setattr(Live, "_poll", broken)
            list(lines)  # ends by itself
        assert not inbox.health().live
        assert client.get("/still").status_code == 503
        assert client.get("/stream").status_code == 503
    assert inbox.live.dead


def test_a_poller_that_was_cancelled_unasked_is_dead(settings, store):
    live = Live(Desk(store))

    async def cancelled():
        poller = asyncio.create_task(live.run())
        poller.add_done_callback(live.ended)
        await asyncio.sleep(0.1)
        assert live.fresh(datetime.now(UTC))
        assert not live.fresh(datetime.now(UTC) + timedelta(seconds=6))
        poller.cancel()
        await asyncio.sleep(0.05)

    asyncio.run(cancelled())
    assert live.dead
    assert not live.fresh(datetime.now(UTC))


def test_a_feed_that_sends_nothing_is_named(store):
    now = datetime.now(UTC)
    with store.database.writing() as connection:
        for feed, ago in (("PARDEE", 19), ("MISSION", 1), ("AVERY", 600), ("CLOSED", 60 * 24 * 31)):
            at = int((now - timedelta(minutes=ago)).timestamp() * 1e6)
            connection.exec_driver_sql(f"INSERT INTO feeds VALUES ('{feed}', {at})")
    silent, feeds = Desk(store).silent(BUILT_IN_CENTRAL_OFFICE, now)
    assert ([silence.feed for silence in silent], feeds) == (["AVERY", "PARDEE"], 3)


def test_a_silent_feed_is_named_to_who_has_patients_there(store):
    now = datetime.now(UTC)
    boss = CaseManager(case_manager_id="mg-boss", name="B. Boss", role=Role.MANAGER, network_id="n1")
    asked = CaseManager(case_manager_id="sw-asked", name="S. Asked", role=Role.SOCIAL_WORKER, network_id="n2")
    rosa, luis = person(1), person(2, "Luis", "Bennett", practice_id="p77")
    load_people(store, [rosa, luis], staff=(boss, asked))
    tell(store, alert(rosa, "a1"), feed="MISSION")
    tell(store, alert(luis, "a2", owners=(Owner(case_manager_id="sw-asked", because="asked"),), told=()), feed="PARDEE")
    tell(store, alert(rosa, "a3"), feed="AVERY", now=now - timedelta(days=200))
    with store.database.writing() as connection:
        connection.exec_driver_sql(
            f"UPDATE feeds SET received_us = {int((now - timedelta(hours=2)).timestamp() * 1e6)}"
        )
        connection.exec_driver_sql("UPDATE stays SET active_us = 0 WHERE document LIKE '%AVERY%'")
    desk = Desk(store)
    named = {who.case_manager_id: [heard.feed for heard in desk.silent(who, now)[0]] for who in (ORTIZ, boss, asked)}
    assert named == {"cm-ortiz": ["MISSION"], "mg-boss": ["MISSION"], "sw-asked": ["PARDEE"]}
    assert desk.silent(FAR, now) == ([], 0)


def test_rows_stop_flowing_when_the_reader_s_role_sees_patients_no_more(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    with browser(settings, store) as client, client.stream("GET", "/stream") as answer:
        lines = answer.iter_lines()
        assert any(line == "event: beat" for line in lines)
        store.directory.load([], [], [ORTIZ.model_copy(update={"role": Role.ADMIN})], [], [], replace=False)
        rest = list(lines)
    assert "event: locked" in rest
    assert "event: row" not in rest


def test_rows_stop_flowing_at_once_when_the_session_ends(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    with browser(settings, store) as client, client.stream("GET", "/stream") as answer:
        lines = answer.iter_lines()
        assert any(line == "event: beat" for line in lines)
        with httpx.Client(base_url=client.base_url, cookies=client.cookies, headers=client.headers) as other:
            began = time.monotonic()
            other.post("/sign-out")
            tell(store, alert(people[5], "after"))
            rest = list(lines)
        assert time.monotonic() - began < 1.5
        assert "event: locked" in rest
        assert "event: row" not in rest


# taking over, undoing


def test_a_stay_is_not_taken_from_its_holder_without_a_question(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    json = {"Accept": "application/json"}
    with browser(settings, store) as client, browser(settings, store, BROWN) as other:
        client.post("/stay/a1/take", data={"version": 3})
        asked = other.post("/stay/a1/take", data={"version": 3}, headers=json)
        assert (asked.status_code, asked.json()) == (
            409,
            {"question": "M. Ortiz, RN has this. Take it over?", "over": "cm-ortiz"},
        )
        page = other.post("/stay/a1/take", data={"version": 3})
        assert page.status_code == 409
        assert "Take it over from M. Ortiz, RN" in page.text
        assert 'name="over" value="cm-ortiz"' in page.text
        assert "M. Ortiz, RN" in rows_of(other.get("/").text)["a1"][1]
        assert other.post("/stay/a1/take", data={"version": 3, "over": "cm-far"}).status_code == 409
        assert 'name="over" value="cm-ortiz"' in other.get("/stay/a1").text  # its button says "Take it over"
        assert other.post("/stay/a1/take", data={"version": 3, "over": "cm-ortiz"}).status_code == 303
        assert "· you T. Brown, RN" in rows_of(other.get("/").text)["a1"][1]


def test_undo_has_a_limit_here_too(settings, store):
    enrollee = person(1)
    load_people(store, [enrollee])
    tell(store, alert(enrollee))
    now = datetime.now(UTC)
    early = acted(store, "s1", "cm-ortiz", ActKind.NOTED, 1, now - UNDO_FOR + timedelta(seconds=20))
    with browser(settings, store) as client:
        assert client.post("/stay/s1/undo", data={"act": early.act_id}).status_code == 200
        late = acted(store, "s1", "cm-ortiz", ActKind.NOTED, 1, now - UNDO_FOR - timedelta(seconds=1))
        answer = client.post("/stay/s1/undo", data={"act": late.act_id})
        assert (answer.status_code, answer.text) == (409, "too late")


# signing in


def test_looking_at_a_link_does_not_use_it_up(settings, store):
    load_people(store)
    token = store.sign_in.make_link(ORTIZ.case_manager_id, datetime.now(UTC) + timedelta(minutes=15))
    with browser(settings, store, None) as client:
        assert client.head(f"/sign-in?t={token}").status_code == 200
        page = client.get(f"/sign-in?t={token}")
        assert page.status_code == 200
        assert COOKIE not in client.cookies
        assert "Sign in as M. Ortiz, RN" in page.text
        assert client.post("/sign-in", data={"t": token}, headers={"Origin": "https://evil.example"}).status_code == 403
        assert client.post("/sign-in", data={"t": token}).status_code == 303
        assert client.get(f"/sign-in?t={token}").status_code == 401


def test_guessed_links_are_limited_and_logged(settings, store):
    load_people(store)
    token = store.sign_in.make_link(ORTIZ.case_manager_id, datetime.now(UTC) + timedelta(minutes=15))
    with browser(settings, store, None) as client, capture_logs() as logs:
        for number in range(10):
            assert client.post("/sign-in", data={"t": f"guess{number}"}).status_code == 401
        answer = client.post("/sign-in", data={"t": token})
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 30
    refused = [line for line in logs if line["event"] == "sign_in_refused"]
    assert [line["for_a_minute"] for line in refused] == [False] * 9 + [True]
    assert "guess" not in str(logs)


def test_a_flood_of_wrong_links_closes_the_door_to_no_other_browser_at_the_same_address(settings, store):
    load_people(store)
    token = store.sign_in.make_link(ORTIZ.case_manager_id, datetime.now(UTC) + timedelta(minutes=15))
    with browser(settings, store, None) as client:
        for number in range(12):  # as another process of the machine would: it keeps no cookie
            client.cookies.clear()
            client.post("/sign-in", data={"t": f"guess{number}"})
        assert client.post("/sign-in", data={"t": token}).status_code == 429
        opened = client.get(f"/sign-in?t={token}", follow_redirects=True)
        assert (opened.status_code, "This link works once." in opened.text) == (200, True)
        assert client.post("/sign-in", data={"t": token}).status_code == 303
        for number in range(10):  # a browser that guesses closes the door to itself
            assert client.post("/sign-in", data={"t": f"more{number}"}).status_code == 401
        assert client.get("/sign-in?t=more").status_code == 429


def test_cookies_that_are_made_up_count_as_one(monkeypatch):
    monkeypatch.setattr("streams.inbox.guesses.KEPT", 3)
    guesses = Guesses()
    for number in range(20):
        guesses.wrong("10.0.0.1", 1.0, f"cookie{number}")
    assert guesses.wait("10.0.0.1", 2.0) > 0
    assert guesses.wait("10.0.0.1", 2.0, "cookie19") == 0


def test_on_a_socket_for_both_kinds_of_address_each_is_its_own():
    assert one_address("::ffff:10.0.0.1") == as_itself("::ffff:10.0.0.1") == "10.0.0.1"
    assert (as_itself("2001:db8::1"), as_itself("testclient")) == ("2001:db8::1", "testclient")
    assert one_address("2001:db8::1") == one_address("2001:db8::2") != one_address("2001:db8:0:1::1")


def test_an_address_may_guess_again_after_a_minute():
    guesses = Guesses()
    for number in range(10):
        guesses.wrong("2001:db8::1", float(number))
    assert guesses.wait("2001:db8::ffff", 10.0) == pytest.approx(50.0)  # one /64 is one address
    assert guesses.wait("2001:db8:0:1::1", 10.0) == 0
    assert guesses.wait("not an address", 10.0) == 0
    assert guesses.wait("2001:db8::1", 61.0) == 0


def test_signing_in_again_ends_the_session_before_it(settings, store):
    load_people(store)
    with browser(settings, store) as client:
        before = client.cookies[COOKIE]
        token = store.sign_in.make_link(BROWN.case_manager_id, datetime.now(UTC) + timedelta(minutes=15))
        assert client.post("/sign-in", data={"t": token}).status_code == 303
    assert store.sessions.find(before, datetime.now(UTC)) is None


# bytes


def test_a_list_that_did_not_change_is_not_sent_again(settings, store):
    crowd = [person(1000 + number, given=f"Given{number}", family=f"Family{number}") for number in range(300)]
    load_people(store, crowd)
    tell(store, *(alert(enrollee, f"c{number}") for number, enrollee in enumerate(crowd)))
    tell(store, alert(crowd[0], "now", priority=Priority.URGENT))
    with browser(settings, store) as client:
        raw = httpx.get(f"{client.base_url}/list", cookies=client.cookies, headers={"Accept-Encoding": "identity"})
        with client.stream("GET", "/list") as answer:
            sent = sum(len(part) for part in answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
        assert sent < len(raw.content) / 10
        print(f"301 rows: {len(raw.content):,} bytes, {sent:,} compressed, 0 when nothing changed")
        again = client.get("/list", headers={"If-None-Match": raw.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["x-position"] == str(store.changes.position())
        tell(store, alert(crowd[0], "new"))
        assert client.get("/list", headers={"If-None-Match": raw.headers["etag"]}).status_code == 200


def test_what_was_searched_for_comes_back_to_its_session_only(settings, store):
    load_people(store)
    with browser(settings, store) as client:
        assert client.post("/place", data={"place": "0" * 16, "padded": "00ff"}).status_code == 204
        assert client.get("/place/" + "0" * 16).text == "00ff"
        assert client.get("/place/" + "1" * 16).text == ""
        for bad in ({"place": "x", "padded": "00"}, {"place": "0" * 16, "padded": "Rosa"}):
            assert client.post("/place", data=bad).status_code == 400
        for number in range(25):
            client.post("/place", data={"place": f"{number:016x}", "padded": "11"})
        assert client.get("/place/" + "0" * 16).text == ""
        assert client.get(f"/place/{24:016x}").text == "11"


@pytest.mark.parametrize("host", ["[::1", "[", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080"])
def test_a_host_that_is_not_ours_gets_nothing(settings, store, host):
    load_people(store)
    with browser(settings, store) as client:
        assert client.get("/", headers={"Host": host}).status_code == 421
        assert client.post("/sign-out", headers={"Origin": f"http://{host}"}).status_code == 403


def test_a_request_that_does_not_come_whole_is_given_up(settings, store, monkeypatch):
    monkeypatch.setattr(serving, "REQUEST_SECONDS", 0.4)
    load_people(store)
    begun = {
        "nothing": b"",
        "half a header": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-",
        "half a body": b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nt=",
    }
    with browser(settings, store, None) as client:
        for name, sent in begun.items():
            with socket.create_connection((client.base_url.host, client.base_url.port), timeout=5) as peer:
                began = time.monotonic()
                peer.sendall(sent)
                while peer.recv(4096):
                    pass
                assert 0.2 < time.monotonic() - began < 2, name
        assert client.get("/sign-in?t=x").status_code == 401
        time.sleep(0.6)
        assert client.get("/sign-in?t=x").status_code == 401


def test_head_answers_like_get_without_a_body(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    with browser(settings, store) as client:
        assert client.get("/stream/all").status_code == 404  # of everybody's: in the demo only
    with browser(settings, store, demo=True) as client:
        for path in ("/", "/list", "/stay/a1", "/stream", "/stream/all", "/review", "/still"):
            answer = client.head(path, timeout=3)
            assert (answer.status_code, answer.content) == (204 if path == "/still" else 200, b""), path
    with browser(settings, store, None) as client:
        assert client.head("/").status_code == 401


def test_the_page_of_a_stay_says_which_systems_were_told_and_whether_it_arrived(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    now = datetime.now(UTC)
    columns = ("delivery_id", "destination_id", "alert_id", "version", "position", "state", "failure", "ended_us")
    rows = [
        ("1", "oak", "a1", 1, 1, "delivered", "", to_us(now), 0),
        ("2", "oak", "a1", 2, 2, "waiting", "server_error", 0, 0),
        ("3", "plan", "a1", 2, 2, "delivered", "", to_us(now), 0),
        ("4", "fax", "a1", 2, 2, "given_up", "refused", to_us(now), 0),
        ("5", "elm", "a1", 2, 2, "given_up", "timed_out", to_us(now), 1),
        ("6", "ash", "a1", 2, 2, "waiting", "gone", 0, 0),
    ]
    for name in ("oak", "plan", "fax", "elm", "ash"):
        store.destinations.put(destination(name), now)
    store.destinations.pause("ash", "gone", now)
    store.destinations.move("plan", DestinationState.REMOVED, now)
    with store.database.writing() as connection:
        write_rows(connection, deliveries, (*columns, "maybe", "due_us", "made_us"), [(*row, 0, 0) for row in rows])
    with browser(settings, store) as client:
        text = " ".join(re.sub(r"<[^>]+>", " ", client.get("/stay/a1").text).split())
    assert "oak webhook not arrived yet, tried again" in text
    assert "plan webhook arrived" in text, "it was told, though it is removed now"
    assert "fax webhook did not arrive" in text
    assert "elm webhook may have arrived" in text
    assert "ash webhook kept until it is started again" in text


@pytest.fixture(params=DATABASES)
def either_store(request, tmp_path):
    opened = Store.open(url_of(request.param, tmp_path, request), migrate=True)
    yield opened
    opened.close()


def test_a_refused_look_asks_the_database_the_same_whether_the_stay_exists(either_store):
    """What is another's and what is not there cannot be told apart by time: the same queries, the same refusal."""
    store = either_store
    rosa, luis = person(1), person(2, "Luis", "Bennett", practice_id="p77")
    load_people(store, [rosa, luis])
    tell(store, alert(rosa, "m1"))
    for version in (1, 2):
        tell(store, alert(luis, "n1", version, owners=(Owner(case_manager_id="cm-far", because="practice"),), told=()))
    desk, asked = Desk(store), []
    desk.directory()
    event.listen(store.database._engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    queries = {}
    for name, alert_id in {"another's": "n1", "above it": "z9", "below it": "a0", "beside mine": "m0"}.items():
        asked.clear()
        assert detail_of(desk, ORTIZ, alert_id) is None
        queries[name] = tuple(asked)
    assert len(queries["another's"]) > 5
    assert set(queries.values()) == {queries["another's"]}
    hold(store, luis)
    (review,) = store.reviews.waiting(10)
    queries = {}
    for name, review_id in {"another's": review.review_id, "absent": "0" * 32}.items():
        asked.clear()
        assert store.reviews.find(review_id, desk.answers_for(ORTIZ, datetime.now(UTC))) is None
        queries[name] = tuple(asked)
    assert queries["another's"] == queries["absent"] != ()
    assert detail_of(desk, ORTIZ, "m1") is not None
