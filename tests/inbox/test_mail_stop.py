"""The link that stops mails: looked at it does nothing, pressed or posted by a mail program it stops those mails."""

from datetime import UTC, datetime

from rules.policy.policy import default_policy
from rules.telling.destinations import FormKind, State, Whose
from streams.inbox.pages.mail_stop import STOPPED
from streams.run.mail_stop import stop_token
from streams.run.settings import Settings
from streams.tell.process import make_forms
from tests.inbox.test_pages import browser
from tests.rigs.telling import NOW, destination

MAIL = destination("ortiz-mail", FormKind.NUDGE, Whose.PERSON, address="ortiz@example.org")


def test_a_look_stops_nothing_and_one_click_stops_it_without_a_session(settings, store) -> None:
    store.destinations.put(MAIL, datetime.now(UTC))
    with browser(settings, store, None) as client:
        path = f"/mail/stop/{stop_token(settings.secret(), 'ortiz-mail')}"
        assert "Stop these mails" in client.get(path).text
        assert store.destinations.find("ortiz-mail").destination.state is State.ACTIVE
        answer = client.post(path, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        row = store.destinations.find("ortiz-mail")
        assert (row.destination.state, row.why) == (State.PAUSED, STOPPED)
        assert client.post(path).status_code == 200


def test_a_link_nobody_made_and_one_of_what_is_no_mail_stop_nothing(settings, store) -> None:
    store.destinations.put(destination("hook"), datetime.now(UTC))
    store.destinations.put(MAIL, datetime.now(UTC))
    with browser(settings, store, None) as client:
        for token in (stop_token(settings.secret(), "hook"), stop_token(b"other", "ortiz-mail"), "ortiz-mail", "é.é"):
            assert client.get(f"/mail/stop/{token}").status_code == 404
            assert client.post(f"/mail/stop/{token}").status_code == 404
    assert {row.destination.state for row in store.destinations.all()} == {State.ACTIVE}


def test_each_mail_has_the_link_in_its_headers(settings, store) -> None:
    there = Settings(data_dir=settings.data_dir, front_page="https://handoff.example/")
    parcel = make_forms(there, store, default_policy, store.directory.read)[FormKind.NUDGE].parcel([], MAIL, 1)
    token = stop_token(settings.secret(), "ortiz-mail")
    assert parcel.headers == {
        "List-Unsubscribe": f"<https://handoff.example/mail/stop/{token}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    sample = make_forms(settings, store, default_policy, store.directory.read)[FormKind.DIGEST].sample(MAIL, NOW)
    assert sample.headers == {}, "no link without a page that answers by TLS"
