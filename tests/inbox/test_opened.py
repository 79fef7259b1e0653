"""What a person opens asks them to sign in, and is where they come back to; no other address is."""

from datetime import UTC, datetime, timedelta

import pytest
from starlette.routing import Route

from streams.inbox.app import app
from streams.inbox.opened import OPENED, is_opened
from streams.inbox.request import COOKIE, Inbox
from tests.rigs.client import browser
from tests.rigs.inbox import ORTIZ, load_people


def routes_of(inbox):
    found = app(inbox)
    while not hasattr(found, "routes"):
        found = getattr(found, "app", None) or found._app
    return [route for route in found.routes if isinstance(route, Route)]


def test_every_page_that_is_opened_is_served(settings, store):
    served = {route.path for route in routes_of(Inbox(settings, store)) if "GET" in (route.methods or ())}
    assert set(OPENED) - served == set()


def test_who_opens_a_page_is_asked_to_sign_in_and_who_was_locked_out_comes_back_to_it(settings, store):
    load_people(store)
    with browser(settings, store, None, demo=True) as client:
        for path in (path.replace("{alert_id}", "a1").replace("{ref}", "r1") for path in OPENED):
            client.cookies.clear()
            answer = client.get(path)
            assert (answer.status_code, "Please sign in" in answer.text) == (401, True), path
            session = store.sessions.open(ORTIZ.case_manager_id, datetime.now(UTC) - timedelta(minutes=16))
            client.cookies.set(COOKIE, session.secret)
            assert f'name="back" value="{path}"' in client.get(path).text
            back = client.post("/unlock", data={"csrf": session.csrf, "back": path})
            assert back.headers["location"] == path


@pytest.mark.parametrize(
    "path",
    ["", "/list", "/stay/", "/stay/a1/part", "/stay/a?x", "//evil.example", "/\\evil.example", "https://evil.example/"],
)
def test_nothing_else_is_opened(path):
    assert not is_opened(path)
