"""Board, cover, search, person, sheet and calendar in a real browser: fit for everybody to read."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from parsers.people import CaseManager, Role
from rules.following.acts import ActKind, Mode, Outcome
from tests.rigs.acts import acted
from tests.rigs.browser import page_of, violations
from tests.rigs.inbox import load_people

pytestmark = pytest.mark.servers

HALE = CaseManager(case_manager_id="mg-hale", name="S. Hale", role=Role.MANAGER, network_id="n1", practices=("p1",))
LOOKS = (("light", 1280), ("dark", 640), ("light", 390))  # 640 is 1280 at a zoom of 200%


@pytest.fixture
def staffed(inbox):
    """The town with a manager, somebody away, and a call in the story of the first person."""
    load_people(inbox.store, inbox.people, staff=[HALE], away=[("cm-brown", "cm-ortiz")])
    now = datetime.now(UTC)
    said = {"outcome": Outcome.NO_ANSWER, "mode": Mode.PHONE, "until": now + timedelta(hours=20)}
    acted(inbox.store, "a2", "cm-ortiz", ActKind.ATTEMPT, 1, now, **said)
    return inbox


def find(page, words):
    page.get_by_role("link", name="Find").click()
    page.get_by_label("Name, birth date, phone or member ID").fill(words)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Found")).to_be_visible()


def looked_at(page, axe):
    """What is wrong with the page as it stands, at every look."""
    found = []
    page.evaluate(axe)
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        wide = page.evaluate("document.documentElement.scrollWidth")
        found += [(scheme, width, one) for one in violations(page)]
        found += [(scheme, width, f"{wide} px wide")] * (wide > width)
    page.set_viewport_size({"width": 320, "height": 800})
    found += ["wider than 320 px"] * (page.evaluate("document.documentElement.scrollWidth") > 320)
    page.set_viewport_size({"width": 1280, "height": 800})
    return found


def test_each_page_is_accessible_and_fits_in_light_dark_at_200_percent_and_on_a_phone(chrome, staffed, axe):
    page = page_of(chrome, staffed, HALE, expect_live=False)
    found = {}
    for path in ("/board", "/cover", "/due", "/sheet"):
        page.goto(staffed.url + path)
        found[path] = looked_at(page, axe)
    find(page, "whit")
    found["search"] = looked_at(page, axe)
    page.get_by_role("link", name="Rosa Whitfield").click()
    expect(page.get_by_role("heading", name="What was done")).to_be_visible()
    found["person"] = looked_at(page, axe)
    assert {path: wrong for path, wrong in found.items() if wrong} == {}
    assert page.complaints == []
