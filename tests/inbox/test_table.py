"""Every address of the inbox has its row, and every row keeps out whom it does not name, before any page is made."""

from datetime import UTC, datetime

import pytest
from starlette.routing import Mount, Route

from parsers.people import CaseManager, Role
from rules.following.roles import may
from streams.inbox.app import app
from streams.inbox.page import Call, Comes, Open, Page
from streams.inbox.request import COOKIE, Inbox
from streams.inbox.table import PAGES
from tests.rigs.client import browser
from tests.rigs.inbox import load_people

SIGNED_IN = [row for row in PAGES if isinstance(row, Page)]
FOR_ANYBODY = {
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("POST", "/sign-in/password"),
    ("POST", "/sign-in/passkey"),
    ("POST", "/sign-in/passkey/options"),
    ("GET", "/sign-in/enroll"),
    ("POST", "/sign-in/enroll"),
    ("GET", "/sign-in/provider"),
    ("GET", "/sign-in/callback"),
    ("GET", "/signed-out"),
    ("POST", "/sign-out/back-channel"),
    ("GET", "/sign-out/front-channel"),
    ("GET", "/mail/stop/{token}"),
    ("POST", "/mail/stop/{token}"),
    ("GET", "/api/v1/openapi.json"),
}


def address(row):
    for part in ("{alert_id}", "{act}", "{ref}", "{review_id}", "{place}", "{token}"):
        row = row.replace(part, "x1")
    return row


@pytest.mark.parametrize("demo", [False, True])
def test_what_is_served_is_in_the_table(settings, store, demo):
    application = app(Inbox(settings, store, demo=demo))
    while not hasattr(application, "routes"):
        application = getattr(application, "app", None) or application._app
    assert [route.path for route in application.routes if isinstance(route, Mount)] == ["/static"]
    served = {(route.path, tuple(route.methods - {"HEAD"})) for route in application.routes if isinstance(route, Route)}
    rows = [row for row in PAGES if demo or not (isinstance(row, Page) and row.demo)]
    assert served == {(row.path, (row.method,)) for row in rows}
    assert len(served) == len(rows)


def test_whoever_is_let_in_without_a_session_is_named_here():
    assert {(row.method, row.path) for row in PAGES if isinstance(row, Open)} == FOR_ANYBODY
    assert all(row.why for row in PAGES if isinstance(row, Open))


def test_nothing_is_served_to_who_is_signed_out(settings, store):
    with browser(settings, store, None, demo=True) as client:
        for row in SIGNED_IN:
            answer = client.request(row.method, address(row.path))
            assert answer.status_code == 401, row
            assert ("Please sign in" in answer.text) == (row.comes is Comes.OPENED), row
        for row in (row for row in PAGES if isinstance(row, Call)):
            assert client.request(row.method, row.path).status_code == 401, row


def test_nothing_is_served_to_a_role_that_may_not(settings, store):
    people = [CaseManager(case_manager_id=f"x-{role}", name="X", role=role) for role in Role]
    load_people(store)
    store.directory.load([], [], people, [], [], replace=False)
    with browser(settings, store, None, demo=True) as client:
        for person in people:
            session = store.sessions.open(person.case_manager_id, datetime.now(UTC))
            client.cookies.set(COOKIE, session.secret)
            for row in SIGNED_IN:
                if row.who is not None and not may(person.role, row.who):
                    answer = client.request(row.method, address(row.path), headers={"X-CSRF-Token": session.csrf})
                    there = {"/": 303}  # leads to what is theirs
                    assert answer.status_code == there.get(row.path, 404), (person.role, row)


def test_nothing_is_written_without_the_session_s_token(settings, store):
    load_people(store)
    session = store.sessions.open("cm-ortiz", datetime.now(UTC))
    with browser(settings, store, None, demo=True) as client:
        client.cookies.set(COOKIE, session.secret)
        for row in SIGNED_IN:
            if row.comes is Comes.SENT and (row.who is None or may(Role.NURSE, row.who)):
                assert client.post(address(row.path), data={"csrf": "another"}).status_code == 401, row


def test_only_gestures_keep_a_session_open(settings, store):
    """What a page fetches by itself leaves the session as idle as it was."""
    load_people(store)
    with browser(settings, store, None, demo=True) as client:
        for row in SIGNED_IN:
            if row.comes is Comes.FETCHED and not row.path.startswith("/stream"):
                session = store.sessions.open("cm-ortiz", datetime.now(UTC))
                client.cookies.set(COOKIE, session.secret)
                client.request(row.method, address(row.path), headers={"Sec-Fetch-User": "?1"})
                after = store.sessions.find(session.secret, datetime.now(UTC))
                assert after.active_at == session.active_at, row


def test_every_page_that_is_opened_says_what_it_is():
    assert [row.path for row in SIGNED_IN if (row.comes is Comes.OPENED) != bool(row.says)] == []
