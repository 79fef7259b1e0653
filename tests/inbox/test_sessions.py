"""The page of one's sessions: what is listed, what "end" ends, and nobody else's among them."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from parsers.people import Role
from streams.run.settings import Settings
from streams.store.audit import Audited
from streams.store.sessions import Way
from tests.inbox.test_pages import served
from tests.rigs.inbox import BROWN, FAR, LANE, ORTIZ, load_people, open_store


@pytest.fixture
def store(tmp_path):
    opened = open_store(Settings(data_dir=tmp_path))
    load_people(opened)
    yield opened
    opened.close()


def test_one_s_sessions_are_listed_and_ended_one_or_all_others_and_nobody_else_s(store, tmp_path):
    now = datetime.now(UTC)
    ipad = store.sessions.open("cm-ortiz", now, way=Way.PROVIDER, device="Safari on iPad", address="10.1.2.3")
    home = store.sessions.open("cm-ortiz", now, device="Firefox on Linux")
    old = store.sessions.open("cm-ortiz", now - timedelta(hours=13), device="Edge on Windows")
    other = store.sessions.open(BROWN.case_manager_id, now, device="Chrome on Mac")
    with served(Settings(data_dir=tmp_path), store, ORTIZ) as (client, _):
        page = client.get("/sessions").text
        assert "Safari on iPad, 10.1.2.3" in page
        assert "at your organization's sign-in" in page.replace("&#39;", "'")
        assert "Firefox on Linux" in page
        assert "this page" in page
        assert "Edge on Windows" not in page
        assert "Chrome on Mac" not in page
        for session in (ipad, other):
            assert session.secret not in page
        for wrong in ("", "%", "g" * 12, other.handle[:11]):
            assert client.post("/sessions", data={"handle": wrong}).status_code == 400
        assert client.post("/sessions", data={"handle": other.handle}).status_code == 303
        assert store.sessions.find(other.secret, now)
        assert client.post("/sessions", data={"handle": ipad.handle}).status_code == 303
        assert store.sessions.find(ipad.secret, now) is None
        assert store.sessions.find(home.secret, now)
        assert store.audit.read(limit=1)[0].what is Audited.ENDED
        assert client.post("/sessions", data={"others": "1"}).status_code == 303
        assert store.sessions.find(home.secret, now) is None
        assert store.sessions.find(other.secret, now)
        assert client.get("/sessions").status_code == 200
        assert client.post("/sessions", data={"others": "1"}, headers={"X-CSRF-Token": "x"}).status_code == 401
    assert store.sessions.find(old.secret, now) is None


def test_who_went_or_has_another_role_signs_in_anew_and_nobody_else(store):
    now = datetime.now(UTC)
    staff = [ORTIZ, BROWN, LANE, FAR]
    opened = {who.case_manager_id: store.sessions.open(who.case_manager_id, now) for who in staff}
    then = [ORTIZ.model_copy(update={"role": Role.MANAGER}), BROWN.model_copy(update={"practices": ("p2",)}), LANE]
    store.directory.load([], [], then, [], [], by="os:dana", now=now)
    live = [who for who, session in opened.items() if store.sessions.find(session.secret, now)]
    assert live == ["cm-brown", "cc-lane"]
    ended = [row.case_manager_id for row in store.audit.read() if row.what is Audited.ENDED]
    assert sorted(ended) == ["cm-far", "cm-ortiz"]


def test_times_are_written_as_their_reader_writes_them_wherever_they_sign_in_and_for_nobody_else(store, tmp_path):
    settings, noon = Settings(data_dir=tmp_path), re.compile(r"\d{1,2}:\d\d [AP]M")
    with served(settings, store, ORTIZ) as (client, _):
        assert noon.search(client.get("/sheet").text)
        for hours, referer, back in (("24", "https://x/stay/a1?t=1", "/stay/a1"), ("24", "", "/"), ("25", "", None)):
            answer = client.post("/clock", data={"hours": hours}, headers={"Referer": referer})
            assert (answer.status_code, answer.headers.get("location")) == (303 if back else 400, back)
        page = client.get("/sheet").text
        assert re.search(r"Hand-over of M. Ortiz, RN, \w{3} \w{3} \d+, \d\d:\d\d<", page)
        assert not noon.search(page.partition("<dialog")[0])
    with served(settings, store, ORTIZ) as (again, _), served(settings, store, BROWN) as (other, _):
        assert not noon.search(again.get("/sheet").text.partition("<dialog")[0])
        assert noon.search(other.get("/sheet").text.partition("<dialog")[0])
        again.post("/clock", data={"hours": "12"})
        assert noon.search(again.get("/sheet").text.partition("<dialog")[0])
