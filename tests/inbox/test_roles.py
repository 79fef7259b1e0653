"""Random people of every role on every route: who is nothing to a patient is shown nothing, nor that there is one."""

import random
import re
from datetime import UTC, datetime

import pytest

from parsers.people import NO_PATIENTS, CaseManager, Role
from rules.telling.directory import Directory
from streams.inbox.page import Page
from streams.inbox.request import COOKIE
from streams.inbox.table import PAGES
from streams.run.settings import Settings
from streams.store.audit import Audited
from tests.inbox.test_pages import served
from tests.rigs.inbox import ORTIZ, alert, hold, load_people, open_store, person, tell, town

STREAMS = {"/stream", "/stream/all"}  # they do not end
OF_PATIENTS = [row for row in PAGES if isinstance(row, Page) and row.who is not None and row.path not in STREAMS]


@pytest.fixture
def store(tmp_path):
    opened = open_store(Settings(data_dir=tmp_path))
    people, versions = town()
    load_people(opened, people)
    tell(opened, *versions)
    opened.enrolled = people
    opened.pair = hold(opened, people[0])
    yield opened
    opened.close()


def strangers(count):
    """People of every role who are nothing to anybody in p1: not their practice, network or plan, and never told."""
    chance = random.Random(26)
    for number in range(count):
        role = list(Role)[number % len(Role)]
        yield CaseManager(
            case_manager_id=f"x{number}",
            name=f"Stranger {number}",
            role=role,
            network_id=chance.choice(("", "n2")),
            lme_mco_id="vaya" if role is Role.CARE_COORDINATOR or chance.random() < 0.2 else "",
            practices=chance.choice(((), ("p9",))),
        )


def theirs(role, route):
    """The audit names people by id, that is what it is for; the central office answers for the whole state."""
    return (route == "/audit" and role is Role.AUDITOR) or role is Role.CENTRAL_OFFICE


def enter(client, store, who):
    session = store.sessions.open(who, datetime.now(UTC))
    client.cookies.set(COOKIE, session.secret)
    client.headers["X-CSRF-Token"] = session.csrf


def same(answer):
    """What somebody can tell two answers apart by."""
    return answer.status_code, re.sub(r"[0-9a-f]{40}|\d+:\d\d [AP]M", "", answer.text)


def test_no_stranger_reads_anything_on_any_route(store, tmp_path):
    hidden = {
        word for enrollee in store.enrolled for word in (enrollee.name.family, enrollee.enrollee_id, enrollee.phone)
    }
    people = list(strangers(2 * len(Role)))
    store.directory.load([], [], people, [], [], replace=False)
    with served(Settings(data_dir=tmp_path), store, None) as (client, inbox):
        ref = inbox.refs.of(store.enrolled[0].enrollee_id)
        for who in people:
            enter(client, store, who.case_manager_id)
            for row in OF_PATIENTS:
                for act in ("take", "acknowledge") if "{act}" in row.path else ("",):
                    path = row.path.format(alert_id="a1", act=act, ref=ref, review_id=store.pair)
                    if theirs(who.role, path):
                        continue
                    form = {"version": 1, "verdict": "same", "words": "Whitfield", "to": "cm-brown", "stay": "1.a1"}
                    form |= {"press": "note", "text": "hello"}
                    answer = client.request(row.method, path, data=form if row.method == "POST" else None)
                    if row.method == "POST":
                        own = {"/cover?said=times", "/"}  # one's own absence, without times; one's own list
                        said = answer.status_code, answer.headers.get("location")
                        assert said[0] in {200, 400, 404, 409} or (said[0] == 303 and said[1] in own), (
                            who.role,
                            path,
                            said,
                        )
                    shown = answer.text.replace('value="Whitfield"', "")  # what was typed comes back
                    assert not [word for word in hidden if word in shown], (who.role, path)
            if who.role is not Role.CENTRAL_OFFICE:
                for path in ("/stay/{}", "/stay/{}/part"):  # there and not there look the same
                    there, absent = client.get(path.format("a1")), client.get(path.format("nothere"))
                    assert same(there) == same(absent), (who.role, path)
    assert store.inbox.stay_page("cm-ortiz", "a1").acts == ()
    assert store.reviews.find(store.pair).verdict is None


def test_an_auditor_gets_the_audit_and_an_administrator_the_destinations(store, tmp_path):
    auditor = CaseManager(case_manager_id="au", name="U. Audit", role=Role.AUDITOR)
    admin = CaseManager(case_manager_id="ad", name="D. Min", role=Role.ADMIN, network_id="n1", practices=("p1",))
    store.directory.load([], [], [auditor, admin], [], [], replace=False)
    store.audit.write("cm-ortiz", Audited.READ_STAY, datetime.now(UTC), alert_ids=("a1",), enrollee_id="E00001")
    with served(Settings(data_dir=tmp_path), store, None) as (client, _):
        enter(client, store, "au")
        assert client.get("/").headers["location"] == "/audit"
        page = client.get("/audit")
        assert page.status_code == 200
        assert "M. Ortiz, RN" in page.text
        assert "Whitfield" not in page.text
        audit = client.post("/audit", data={"person": "E00001", "days": "7"})
        assert "read stay" in audit.text
        sheet = client.post("/audit", data={"user": "cm-ortiz", "days": "7", "csv": "1"})
        assert sheet.headers["content-type"].startswith("text/csv")
        assert sheet.text.splitlines()[0] == "at,user,what,person,alert,detail,from"
        assert "cm-ortiz" in sheet.text
        looks = [row for row in store.audit.read(case_manager_id="au") if row.what is Audited.READ_AUDIT]
        assert len(looks) == 3
        assert "session " in looks[0].origin
        for role in (ORTIZ.case_manager_id, "ad"):
            enter(client, store, role)
            assert client.get("/audit").status_code == client.post("/audit").status_code == 404
        assert client.get("/").headers["location"] == "/destinations", "what an administrator looks after"
        assert client.get("/stream").status_code == 404


def test_nobody_is_routed_to_a_role_without_patients():
    now = datetime.now(UTC)
    for role in sorted(NO_PATIENTS):
        case_manager = CaseManager(
            case_manager_id="x", name="X", role=role, network_id="n1", practices=("p1",), lme_mco_id="l1"
        )
        directory = Directory(case_managers=[case_manager])
        assert directory.of_practice("p1", now) is None
        assert directory.of_network("n1", now) is None
        assert directory.stand_in(case_manager, now) is None


def test_who_was_told_and_became_an_auditor_reads_nothing_more(store, tmp_path):
    tell(store, alert(person(9), "z1"))
    store.directory.load([], [], [ORTIZ.model_copy(update={"role": Role.AUDITOR})], [], [], replace=False)
    with served(Settings(data_dir=tmp_path), store, ORTIZ) as (client, _):
        assert client.get("/stay/a1").status_code == 404
        assert client.get("/list").status_code == 404
