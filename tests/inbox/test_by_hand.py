"""The page on which an event is entered by hand: for whom one may act, checked, once, in the audit."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from streams.store.audit import Audited
from tests.rigs.client import browser
from tests.rigs.inbox import FAR, load_people, open_store, person


@pytest.fixture
def store(settings):
    opened = open_store(settings)
    load_people(opened, [person(1), person(2, "Luis", "Bennett", practice_id="p9")])
    yield opened
    opened.close()


def local(store, **ago):
    return (datetime.now(UTC) - timedelta(**ago)).astimezone(store.database.zone).strftime("%Y-%m-%dT%H:%M")


def opened(client, words="whitfield"):
    """The address of the form about somebody, and the fields it was made with."""
    page = client.post("/people", data={"words": words}).text
    ref = re.search(r'href="/person/([\w-]+)"', page).group(1)
    (to,) = re.findall(r'href="(/by-hand/[\w-]+)"', client.get(f"/person/{ref}").text)
    return to, {"entry": re.search(r'name="entry" value="(\w+)"', client.get(to).text).group(1)}


def test_what_is_entered_is_lined_up_once_and_in_the_audit(settings, store):
    with browser(settings, store) as client:
        to, fields = opened(client)
        form = {
            **fields,
            "happened": "discharged",
            "hospital": "Mission",
            "at": local(store, hours=2),
            "disposition": "01",
        }
        for _ in range(2):
            done = client.post(to, data=form)
            assert (done.status_code, done.headers["location"]) == (303, f"{to}?said=1")
        assert "Entered. Who is to know" in client.get(f"{to}?said=1").text
    secret, now = settings.secret(), datetime.now(UTC)
    (event,) = store.hand_events.due(now, secret)
    assert b"ADT^A03^ADT_A03" in event.message
    assert b"Whitfield^Rosa" in event.message
    assert "Whitfield" not in repr(event)
    rows = [row for row in store.audit.read() if row.what is Audited.ENTERED]
    assert [(row.case_manager_id, row.enrollee_id) for row in rows] == [("cm-ortiz", "E00001")] * 2
    assert rows[0].detail == "by hand: discharged, Mission"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"happened": "vanished"}, "Say what happened."),
        ({"hospital": " "}, "Say at which hospital."),
        ({"at": "yesterday"}, "Say when"),
        ({"at": "ahead"}, "Say when"),
        ({"at": "long ago"}, "Say when"),
        ({"disposition": "99"}, "Where to is said"),
        ({"happened": "ed", "disposition": "01"}, "Where to is said"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_lined_up(settings, store, change, says):
    at = {"ahead": local(store, hours=-1), "long ago": local(store, days=31)}
    good = {"happened": "discharged", "hospital": "Mission", "at": local(store, hours=2), "disposition": "01"}
    with browser(settings, store) as client:
        to, fields = opened(client)
        form = {**fields, **good, **change}
        answer = client.post(to, data={**form, "at": at.get(form["at"], form["at"])})
        assert (answer.status_code, says in answer.text) == (422, True)
        assert fields["entry"] in answer.text
    assert store.hand_events.due(datetime.now(UTC), settings.secret()) == []


def test_it_is_for_whom_one_may_act(settings, store):
    with browser(settings, store) as client:
        to, fields = opened(client)
        assert client.get("/by-hand/nobody").status_code == 404
        form = {"happened": "ed", "hospital": "Mission", "at": local(store, hours=2), "disposition": ""}
        assert client.post(to, data={**form, "entry": "x"}).status_code == 404
    with browser(settings, store, FAR) as client:
        assert client.get(to).status_code == 404
        assert client.post(to, data={**form, **fields}).status_code == 404
    assert store.hand_events.due(datetime.now(UTC), settings.secret()) == []
