"""Finding somebody on one's panels by what a caller says, and everything about one person on one page."""

import re
from datetime import UTC, date, datetime

import pytest

from rules.following.acts import ActKind, Mode, Outcome
from streams.inbox import refs
from streams.inbox.asked_for import AskedFor, read
from streams.inbox.refs import Refs
from tests.rigs.acts import acted
from tests.rigs.client import browser
from tests.rigs.inbox import FAR, LANE, alert, discharge, load_people, open_store, person, tell

TODAY = date(2026, 11, 25)


@pytest.fixture
def store(settings):
    opened = open_store(settings)
    people = [
        person(1),
        person(2, "Luis", "Bennett", birth_date=date(1948, 11, 2), phone="8285550199"),
        person(3, "Rosa", "Whitman", practice_id="p9"),
    ]
    load_people(opened, people)
    tell(opened, discharge(people[0], "s1"), alert(people[0], "s2"))
    now = datetime.now(UTC)
    acted(opened, "s2", "cm-ortiz", ActKind.ATTEMPT, 1, now, outcome=Outcome.LEFT_MESSAGE, mode=Mode.PHONE, text="son")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Whitfield, Rosa", AskedFor(names=("whitfield", "rosa"))),
        ("3/4/1955", AskedFor(born=date(1955, 3, 4))),
        ("03-04-55", AskedFor(born=date(1955, 3, 4))),
        ("1955-03-04 whit", AskedFor(names=("whit",), born=date(1955, 3, 4))),
        ("3/4/24", AskedFor(born=date(2024, 3, 4))),
        ("13/45/1955", AskedFor()),
        ("(828) 555-0147", AskedFor(phone="8285550147")),
        ("+1 828 555 0147", AskedFor(phone="8285550147")),
        ("555-0147", AskedFor(phone="5550147")),
        ("e00001", AskedFor(ids=("E00001",))),
        ("900000001k", AskedFor(ids=("900000001K",))),
        ("12345", AskedFor(ids=("12345",))),
        ("  ", AskedFor()),
    ],
)
def test_what_is_typed_is_read(text, asked):
    assert read(text, TODAY) == asked
    assert bool(read(text, TODAY)) == any(asked)


def people_found_by(client, words):
    page = client.post("/people", data={"words": words}).text
    return dict(re.findall(r'<a href="/person/([\w-]+)">(.*?),', page))


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("whit", {"Rosa Whitfield"}),
        ("rosa whit", {"Rosa Whitfield"}),
        ("11/2/1948", {"Luis Bennett"}),
        ("828 555 0199", {"Luis Bennett"}),
        ("E00002", {"Luis Bennett"}),
        ("900000001K", {"Rosa Whitfield"}),
        ("rosa 11/2/1948", set()),
        ("%", set()),
        ("", set()),
    ],
)
def test_a_person_is_found_on_one_s_panels_with_or_without_a_stay(settings, store, words, names):
    with browser(settings, store) as client:
        assert set(people_found_by(client, words).values()) == names


def test_the_page_of_a_person_has_all_stays_acts_and_contacts_and_no_identifier_in_its_address(settings, store):
    with browser(settings, store) as client:
        (ref,) = people_found_by(client, "whitfield")
        assert "E00001" not in ref
        html = client.get(f"/person/{ref}").text
        page = " ".join(re.sub(r"<[^>]+>", " ", html).split())
        assert "Rosa Whitfield, 71 F" in page
        assert 'href="tel:+18285550147"' in html
        assert {"/stay/s1", "/stay/s2"} <= set(re.findall(r'href="(/stay/\w+)"', html))
        assert "M. Ortiz, RN left a message by phone" in page
        assert "“son”" in page
        assert "T. Brown, RN · nurse" in page
        assert f'href="/person/{ref}"' in client.get("/stay/s1").text
        (other,) = people_found_by(client, "bennett")
        assert "No stay in the last 60 days that we know of." in client.get(f"/person/{other}").text
        assert client.get("/person/made-up").status_code == 404


def test_other_networks_and_plans_find_nobody_here(settings, store):
    with browser(settings, store) as client:
        (ref,) = people_found_by(client, "whitfield")
    with browser(settings, store, FAR) as far:
        assert set(people_found_by(far, "whit").values()) == {"Rosa Whitman"}
        assert far.get(f"/person/{ref}").status_code == 404
    with browser(settings, store, LANE) as plan:
        assert people_found_by(plan, "whit") == {}


def test_names_of_people_in_addresses_are_kept_in_bounds(monkeypatch):
    monkeypatch.setattr(refs, "KEPT", 2)
    kept = Refs()
    ref_a, ref_b = kept.of("a"), kept.of("b")
    assert kept.of("a") == ref_a
    kept.of("c")
    assert (kept.person(ref_a), kept.person(ref_b)) == ("", "b")
