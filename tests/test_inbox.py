"""The inbox over a real store: who gets in, what they see, what they can do, and what never leaves."""

import re
import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import resources

import httpx
import pytest
import uvicorn

from parsers.events import (
    Diagnosis,
    EncounterClass,
    FacilityKind,
)
from parsers.people import Consent
from rules.decisions import Action, Change, ClockKind, ClockStatus, Owner, Priority, Reason, StayStatus
from streams.inbox import rows
from streams.inbox.app import COOKIE, Inbox
from streams.inbox.desk import Desk
from streams.inbox.live import Live
from streams.inbox.sign_in import NoInbox, find_session, make_link, open_session
from streams.metrics import REGISTRY
from streams.problems import Problem
from streams.settings import Settings
from streams.store.acting import ActionKind
from streams.store.auditing import Audited
from tests.inbox_rig import (
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
    open_store,
    person,
    tell,
    town,
)

BASE = "http://127.0.0.1:8080"


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path, inbox_port=0, lock_minutes=15)


@pytest.fixture
def store(settings):
    opened = open_store(settings)
    yield opened
    opened.close()


@contextmanager
def browser(settings, store, who=ORTIZ, *, demo=False):
    """A signed-in client of a served inbox, or with `who=None` one that is not."""
    inbox = Inbox(settings, store, demo=demo)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(inbox.app(), log_config=None, access_log=False, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=20) as client:
            if who is not None:
                session = open_session(store, who.case_manager_id, datetime.now(UTC))
                client.cookies.set(COOKIE, session.secret)
                client.headers["X-CSRF-Token"] = session.csrf
            yield client
    finally:
        inbox.live.close()
        server.should_exit = True
        thread.join(20)
        listening.close()


def rows_of(html):
    """{alert_id: text of the row}, and the groups by alert."""
    found = {}
    for match in re.finditer(r'<li class="row.*?</li>', html, re.S):
        item = match.group()
        name = re.search(r'data-id="(.*?)"', item).group(1)
        found[name] = (
            re.search(r'data-group="(.*?)"', item).group(1),
            " ".join(re.sub(r"<[^>]+>", " ", item).split()),
        )
    return found


# getting in


def test_a_link_signs_in_once_and_its_session_outlives_a_restart(settings, store):
    load_people(store)
    token = store.make_sign_in_link(ORTIZ.case_manager_id, datetime.now(UTC) + timedelta(minutes=15))
    with browser(settings, store, None) as client:
        first = client.get(f"/sign-in?t={token}")
        assert (first.status_code, first.headers["location"]) == (303, "/")
        cookie = first.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert "path=/" in cookie
        secret = client.cookies[COOKIE]
        client.cookies.clear()
        assert client.get(f"/sign-in?t={token}").status_code == 401
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
        for path in ("/", "/list", "/stay/a1", "/stay/a1/part", "/stream", "/stream/all", "/still", "/review"):
            answer = client.get(path)
            assert answer.status_code == 401, path
            assert "Whitfield" not in answer.text


def test_an_idle_page_locks_and_a_demo_unlocks_it(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    long_ago = datetime.now(UTC) - timedelta(minutes=16)
    for demo in (False, True):
        session = open_session(store, ORTIZ.case_manager_id, long_ago)
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
    assert find_session(store, secret, datetime.now(UTC)) is None


def test_a_session_does_not_last_for_ever(store):
    load_people(store)
    session = open_session(store, ORTIZ.case_manager_id, datetime.now(UTC) - timedelta(hours=13))
    assert find_session(store, session.secret, datetime.now(UTC)) is None


def test_links_are_for_people_in_the_directory_and_for_the_busiest_when_nobody_is_named(settings, store):
    people, versions = town()
    load_people(store, people)
    with pytest.raises(NoInbox, match="start"):
        make_link(settings, None, store=store)
    (settings.data_dir / "inbox.json").write_text(f'{{"url": "{BASE}", "pid": 1}}')
    tell(store, *versions)
    assert store.redeem(make_link(settings, None, store=store).partition("t=")[2], datetime.now(UTC)) == "cm-ortiz"
    with pytest.raises(NoInbox, match="directory"):
        make_link(settings, "cm-nobody", store=store)


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
        assert store.stay_page("cm-ortiz", "a1").actions == ()
        assert client.post(**act, headers={"Origin": str(client.base_url).rstrip("/")}).status_code == 303
        assert len(store.stay_page("cm-ortiz", "a1").actions) == 1


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
    store.act("a2", "cm-ortiz", ActionKind.TAKEN, 1, datetime.now(UTC))
    store.act("a9", "cm-ortiz", ActionKind.ACKNOWLEDGED, 1, datetime.now(UTC))
    store.mark_seen("cm-ortiz", {"a1": 2}, datetime.now(UTC))
    with browser(settings, store) as client:
        html = client.get("/").text
    found = rows_of(html)
    assert {name: group for name, (group, _) in found.items()} == {
        "a1": "now",
        "a2": "now",
        "a3": "in-hospital",
        "a4": "now",
        "a5": "in-hospital",
        "a6": "home",
        "a7": "in-hospital",
        "a8": "in-hospital",
        "a9": "finished",
    }
    rosa = found["a1"][1]
    assert rosa.startswith(
        "urgent Rosa Whitfield, 71 F high risk · 4th ED in 60 d now discharged Discharged home, against"
    )
    assert "Mission Hospital, 3 days · heart failure" in rosa
    assert "not taken yet" in rosa
    assert "4 h overdue · yours" in found["a2"][1]
    assert '<span class="on-paper">M. Ortiz, RN</span>' in html
    assert re.search(r"Cancelled by the hospital \d\d:\d\d: this admission did not happen", found["a4"][1])
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
        assert group == "now"
        assert "Mark as seen" in text
        assert "<del>Admitted</del>" in client.get("/").text
        assert client.post("/stay/s1/acknowledge", data={"version": 2}).status_code == 303
        assert rows_of(client.get("/").text).get("s1", ("finished",))[0] == "finished"


def test_a_person_in_the_hospital_waits_for_the_discharge_and_for_somebody_to_take_them(settings, store):
    enrollee = person(1)
    load_people(store, [enrollee])
    now = datetime.now(UTC)
    notice = clock(ClockKind.TRC_ADMISSION_NOTICE).model_copy(update={"status": ClockStatus.MET, "met_at": now})
    tell(store, alert(enrollee, clocks=(notice,)))
    with browser(settings, store) as client:
        group, text = rows_of(client.get("/").text)["s1"]
        assert group == "in-hospital"
        assert "In the hospital; the clocks start at discharge" in text
        assert "not taken yet" in text
        assert "Take it" in text
        assert "Notice of admission in the record (TRC)" in client.get("/stay/s1").text


def test_what_is_finished_asks_nobody_to_take_it(settings, store):
    enrollee = person(1)
    load_people(store, [enrollee])
    tell(store, discharge(enrollee, clocks=()))
    with browser(settings, store) as client:
        group, text = rows_of(client.get("/").text)["s1"]
        assert (group, "Take it" in text) == ("home", True)
        client.post("/stay/s1/acknowledge", data={"version": 1})
        group, text = rows_of(client.get("/").text)["s1"]
        assert (group, "Take it" in text, "not taken yet" in text) == ("finished", False, False)


def test_back_to_outpatient_strikes_the_row_until_it_is_seen_and_a_later_version_opens_it_again(settings, store):
    enrollee = person(1)
    load_people(store, [enrollee])
    back = {"action": Action.RETRACT, "encounter_class": EncounterClass.AMBULATORY, "trigger": "A07",
            "reasons": (Reason.BACK_TO_OUTPATIENT,)}  # fmt: skip
    tell(store, alert(enrollee), alert(enrollee, version=2, **back))
    with browser(settings, store) as client:
        html = client.get("/").text
        group, text = rows_of(html)["s1"]
        assert group == "now"
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
        assert "Withheld from you: who this is and what happened (consent is needed)" in page
        assert "Withheld from you" in stay
        assert not secret.search(page + stay)
    with browser(settings, store, LANE) as client:
        page, stay = client.get("/").text, client.get("/stay/w2").text
        assert "Ruth Holloway" in page
        assert "Withheld from you: where, why, and the medical details (consent is needed)" in page
        assert not re.search("Mission|Lee, Ann|shortness|depress|F32", page + stay)


def test_the_page_of_a_stay_tells_its_story_and_why(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    store.act("a1", "cm-brown", ActionKind.ACKNOWLEDGED, 3, datetime.now(UTC))
    with browser(settings, store) as client:
        html = client.get("/stay/a1").text
    text = " ".join(re.sub(r"<[^>]+>", " ", html).split())
    for words in (
        "kind of stay: in the ED → inpatient",
        "Mission Hospital, message A06, number 4712",
        "T. Brown, RN marked it as seen",
        "heart failure ICD-10 I50.9",
        "828-555-0147",
        "Haywood Family Medicine",
        "This is certainly the person on your panel",
        "birth date: the same",
        "First contact after discharge (TCM, 2 working days)",
        "None that we know of.",
    ):
        assert words in text, words
    story = text[text.index("The story so far") :]
    assert story.index("T. Brown") < story.index("Discharged home") < story.index("Admitted") < story.index("In the ED")
    assert "Whitfield" not in re.search(r"<title>(.*?)</title>", html).group(1)
    with browser(settings, store) as client:
        assert "20 Mar" not in client.get("/stay/a8").text
        ruth = " ".join(re.sub(r"<[^>]+>", " ", client.get("/stay/a8").text).split())
    assert "Discharged to a skilled nursing facility, Mission Hospital" in ruth[ruth.index("Earlier stays") :]


# what they do


def test_an_action_is_written_once_shown_and_can_be_undone(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    json = {"Accept": "application/json"}
    with browser(settings, store) as client, browser(settings, store, BROWN) as other:
        done = client.post("/stay/a1/take", data={"version": 3}, headers=json).json()
        again = client.post("/stay/a1/take", data={"version": 3}, headers=json).json()
        assert done == again
        assert "M. Ortiz, RN" in rows_of(other.get("/").text)["a1"][1]
        assert "yours" in rows_of(client.get("/").text)["a1"][1]
        assert other.post("/stay/a1/undo", data=done).status_code == 409
        assert client.post("/stay/a1/undo", data=done, headers=json).json()["position"] > done["position"]
        assert client.post("/stay/a1/undo", data=done).status_code == 409
        assert "not taken yet" in rows_of(other.get("/").text)["a1"][1]
        for bad in ({"version": "4"}, {"version": "0"}, {"version": "x"}, {}):
            assert client.post("/stay/a1/take", data=bad).status_code in {400, 409}
        assert client.post("/stay/a1/delete", data={"version": 3}).status_code == 400
    assert [row.what for row in store.audit_of(alert_id="a1")] == [Audited.UNDID, Audited.ACTED]


def test_reading_is_audited(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    with browser(settings, store) as client:
        client.get("/")
        client.get("/stay/a1")
        client.get("/stay/a1/part")
    assert [(row.what, row.enrollee_id) for row in store.audit_of(alert_id="a1")] == [(Audited.READ_STAY, "E00001")] * 2
    assert Audited.READ_LIST in {row.what for row in store.audit_of()}


def test_opening_a_stay_takes_its_mark_away(settings, store):
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
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
        assert "9 open" in page
        before = client.cookies[COOKIE]
        assert client.post("/become", data={"who": "nobody"}).status_code == 400
        answer = client.post("/become", data={"who": "cm-brown"})
        assert answer.status_code == 303
        client.cookies.clear()
        client.cookies.set(COOKIE, answer.headers["set-cookie"].split("=")[1].split(";")[0])
        assert "T. Brown, RN" in client.get("/").text
    assert find_session(store, before, datetime.now(UTC)) is None


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
        assert "Birth date 4 Mar 1955 4 Mar 1955 the same (agrees)" in text
        assert client.post(f"/review/{review}", data={"verdict": "perhaps"}).status_code == 400
        for verdict, said in (
            ("not_sure", "Kept: not sure"),
            ("same", "Kept: the same person"),
            ("different", "Somebody answered this before you"),
        ):
            answer = client.post(f"/review/{review}", data={"verdict": verdict})
            assert answer.status_code == 303
            page = client.get(answer.headers["location"]).text
            assert said in page
            assert ("M. Ortiz, RN was not sure" in page) == (verdict == "not_sure")
            assert ("M. Ortiz, RN said the same person" in page) == (verdict != "not_sure")
        assert "Nothing waits for your answer" in client.get("/review").text
        assert store.unsent_events() == []
        assert "waits for an answer again" in client.get(client.post(f"/review/{review}/undo").headers["location"]).text
        client.post(f"/review/{review}", data={"verdict": "same"})
        store.take_effect(datetime.now(UTC) + timedelta(seconds=10))
        assert "Too late" in client.get(client.post(f"/review/{review}/undo").headers["location"]).text
    assert len(store.unsent_events()) == 1


def test_reviews_are_those_of_one_s_own_practices_and_the_audit_says_whose(settings, store):
    theirs, mine = person(1, practice_id="p2"), person(2)
    load_people(store, [theirs, mine])
    hold(store, theirs, "e" * 32)
    hold(store, mine, "f" * 32)
    with browser(settings, store, BROWN) as client:  # carries p1 alone, of the same network
        assert "1 to review" in client.get("/").text
        assert client.get("/review").text.count('class="pair card"') == 1
        assert client.post(f"/review/{'e' * 32}", data={"verdict": "same"}).status_code == 404
    read = [row.enrollee_id for row in store.audit_of() if row.what is Audited.READ_REVIEW]
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
    words = {"urgent": "urgent", "high": "high", "routine": "routine", "digest": "digest"}[priority]
    assert rows_of(html)["s1"][1].startswith(words)


def test_the_page_counts_by_the_policy_in_force_also_when_it_changes(settings, store, tmp_path, monkeypatch):
    file = tmp_path / "policy.toml"
    shipped = resources.files("rules").joinpath("policy.toml").read_text()
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
    monkeypatch.setattr("streams.policy_file._POLICY_SECONDS", 0.0)
    assert left() == "3 working days left"


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
    assert Inbox(own, store).desk.detail(ORTIZ, "a7").ruling == "general: facility_122c"
    file.write_text('facility_122c = "full"\n')
    with pytest.raises(Problem, match=r"(?s)has faults.*facility_122c: expected 'general' or 'withheld'"):
        Inbox(own, store)
    with pytest.raises(Problem, match="cannot be read"):
        Inbox(settings.model_copy(update={"confidentiality": tmp_path}), store)


def test_a_change_of_diagnoses_has_words_beside_its_codes(settings, store):
    enrollee = person(1)
    load_people(store, [enrollee])
    found = (Diagnosis(code="J18.9", system="I10", text="Pneumonia"), Diagnosis(code="I50.9", system="I10"))
    coded = alert(
        enrollee, version=2, reasons=(Reason.DIAGNOSIS_ADDED,), diagnoses=found,
        changes=(Change(field="diagnoses", after="J18.9, I50.9"),),
    )  # fmt: skip
    tell(store, alert(enrollee), coded)
    with browser(settings, store) as client:
        page = client.get("/stay/s1").text
    assert "diagnoses: pneumonia (J18.9), heart or circulation (I50.9)" in page
    assert '<span class="did">The hospital added a diagnosis</span>' in page


def test_the_time_to_the_page_is_observed_once_for_each_prompt_change(settings, store):
    def observed():
        return REGISTRY.get_sample_value("toc_stage_seconds_count", {"stage": "shown"}) or 0

    enrollee = person(1)
    load_people(store, [enrollee])
    tell(store, alert(enrollee), alert(enrollee, version=2, reasons=(Reason.LATE_ENROLLMENT,)))
    store.act("s1", "cm-ortiz", ActionKind.TAKEN, 2, datetime.now(UTC))
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
