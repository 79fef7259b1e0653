"""What a person opens asks them to sign in, and is where they come back to; no other address is."""

from datetime import UTC, datetime, timedelta

import pytest

from streams.inbox.opened import is_opened
from streams.inbox.page import Comes, Page
from streams.inbox.request import COOKIE
from streams.inbox.table import PAGES
from tests.rigs.client import browser
from tests.rigs.inbox import ORTIZ, load_people

OPENED = [row.path for row in PAGES if isinstance(row, Page) and row.comes is Comes.OPENED]


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
