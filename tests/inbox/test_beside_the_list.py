"""Board, cover, search, person, sheet and calendar in a real browser: fit for everybody to read."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from parsers.people import CaseManager, Role
from rules.decisions import Priority, Reason
from rules.endings import Ending, LedgerEntry
from rules.following.acts import ActKind, Mode, Outcome
from rules.policy.policy import default_policy
from streams.store.audit import Audited
from tests.rigs.acts import acted
from tests.rigs.browser import page_of, row, violations
from tests.rigs.inbox import ORTIZ, TWO, alert, discharge, load_people, newcomer, tell

pytestmark = pytest.mark.servers

HALE = CaseManager(case_manager_id="mg-hale", name="S. Hale", role=Role.MANAGER, network_id="n1", practices=("p1",))
LOOKS = (("light", 1280), ("dark", 640), ("light", 390))  # 640 is 1280 at a zoom of 200%


@pytest.fixture
def staffed(inbox):
    """The town with a manager, somebody away, and a call in the story of the first person."""
    ortiz = ORTIZ.model_copy(update={"capacity": 12})
    load_people(inbox.store, inbox.people, staff=[HALE, ortiz], away=[("cm-brown", "cm-ortiz")])
    now = datetime.now(UTC)
    said = {"outcome": Outcome.NO_ANSWER, "mode": Mode.PHONE, "until": now + timedelta(hours=20)}
    acted(inbox.store, "a2", "cm-ortiz", ActKind.ATTEMPT, 1, now, **said)
    facts = ("events", "discharges", "discharges:60", "disposition_missing")
    sent = {"feed": "mission", "trigger": "A03", "facts": facts}
    inbox.store.ledger.end(
        [LedgerEntry(f"{number:032x}", Ending.SUPPRESSED, "not_on_panel", now, **sent) for number in range(900, 930)]
    )
    turn = inbox.store.ticks.take("silence", "test", 15)
    assert turn
    inbox.store.feed_talk.fold(turn)
    reports = inbox.store.ticks.take("reports", "test", 15)
    assert reports
    inbox.store.week_counts.count(reports, default_policy().tz)
    return inbox


def find(page, words):
    page.get_by_role("link", name="Find").click()
    page.get_by_label("Name, birth date, phone or member ID").fill(words)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Found")).to_be_visible(timeout=10_000)


def looked_at(page, axe):
    """What is wrong with the page as it stands, at every look."""
    faults = []
    page.evaluate(axe)
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        wide = page.evaluate("document.documentElement.scrollWidth")
        faults += [(scheme, width, violation) for violation in violations(page)]
        faults += [(scheme, width, f"{wide} px wide")] * (wide > width)
    page.set_viewport_size({"width": 320, "height": 800})
    faults += ["wider than 320 px"] * (page.evaluate("document.documentElement.scrollWidth") > 320)
    page.set_viewport_size({"width": 1280, "height": 800})
    return faults


def test_each_page_is_accessible_and_fits_in_light_dark_at_200_percent_and_on_a_phone(chrome, staffed, axe):
    page = page_of(chrome, staffed, HALE, expect_live=False)
    faults = {}
    for path in ("/board", "/report?names=yes", "/cover", "/due", "/sheet", "/feeds", "/feeds?of=mission"):
        page.goto(staffed.url + path)
        faults[path] = looked_at(page, axe)
    find(page, "whit")
    faults["search"] = looked_at(page, axe)
    page.get_by_role("link", name="Rosa Whitfield").click()
    expect(page.get_by_role("heading", name="What was done")).to_be_visible(timeout=10_000)
    faults["person"] = looked_at(page, axe)
    page.get_by_role("link", name="Enter an event that no feed told").click()
    expect(page.get_by_role("heading", name="Enter an event")).to_be_visible(timeout=10_000)
    faults["by hand"] = looked_at(page, axe)
    assert {path: wrong for path, wrong in faults.items() if wrong} == {}
    assert page.complaints == []


def test_several_rows_are_chosen_and_done_by_keys_and_what_is_chosen_stays_so(chrome, staffed, axe):
    page = page_of(chrome, staffed)
    for key in ("j", "x", "j", "J"):
        page.keyboard.press(key)
    bar = page.get_by_role("form", name="What you chose")
    expect(bar.get_by_role("status")).to_have_text("2 chosen", timeout=10_000)
    for number in (3, 2):
        row(page, "a3").locator(".headline").click(modifiers=["Control"], force=True)
        expect(bar.get_by_role("status")).to_have_text(f"{number} chosen", timeout=10_000)
    assert page.url == f"{staffed.url}/"
    expect(page.get_by_role("link", name=re.compile(r"^Team \d+$"))).to_be_visible(
        timeout=10_000
    )  # read after the page
    tell(staffed.store, discharge(staffed.people[0], "a1", 4, reasons=(Reason.DIAGNOSIS_ADDED,), **TWO))
    expect(row(page, "a1")).to_have_attribute("data-version", "4", timeout=10_000)
    expect(row(page, "a1").get_by_role("checkbox")).to_be_checked(timeout=10_000)
    assert looked_at(page, axe) == []
    bar.get_by_role("button", name="OK, noted").press("Enter")
    expect(page.locator("#said")).to_contain_text("Noted: 2 people.", timeout=10_000)
    expect(bar).to_be_hidden(timeout=10_000)
    page.get_by_role("button", name="Undo (z)").press("z")
    expect(page.locator("#said")).to_contain_text("Undone.", timeout=10_000)
    row(page, "a3").get_by_role("checkbox").check()
    page.locator("#search").fill("whitfield")
    expect(bar).to_be_hidden(timeout=10_000)  # nothing is done for what is not seen
    assert [act.kind for act in staffed.store.acts.of_stay("a1")] == [ActKind.NOTED, ActKind.UNDO]
    assert page.complaints == []


def test_the_board_gives_by_keys_alone(chrome, staffed, axe):
    page = page_of(chrome, staffed, HALE, expect_live=False)
    page.get_by_label("You").get_by_role("link", name="Team").press("Enter")
    page.get_by_role("link", name="Nobody has it").press("Enter")
    page.wait_for_url("**/board?tile=nobody")
    page.get_by_role("checkbox", name="Choose Rosa Whitfield").press("Space")
    page.locator("#many [name=for_id]").press("M")
    page.get_by_role("button", name="Give", exact=True).press("Enter")
    expect(page.get_by_role("status").filter(has_text="Done for 1.")).to_be_visible(timeout=10_000)
    assert [(act.kind, act.for_id) for act in staffed.store.acts.of_stay("a1")] == [(ActKind.ASSIGN, "cm-ortiz")]
    page.get_by_role("link", name="Move some of M. Ortiz, RN").press("Enter")
    page.wait_for_url("**/board?whose=cm-ortiz")
    page.get_by_label("How many").fill("2")
    page.get_by_role("button", name="Choose these").press("Enter")
    expect(page.get_by_role("status").filter(has_text="2 chosen.")).to_be_visible(timeout=10_000)
    assert looked_at(page, axe) == []
    page.locator("#many [name=for_id]").select_option("cm-brown")
    page.get_by_role("button", name="Give", exact=True).press("Enter")
    expect(page.get_by_role("status").filter(has_text="Done for 2.")).to_be_visible(timeout=10_000)
    assert page.complaints == []


def test_a_notice_comes_only_when_asked_for_and_away_and_holds_a_number(chrome, staffed):
    page = page_of(chrome, staffed)
    page.context.grant_permissions(["notifications"])
    page.evaluate(
        """() => {
            class Told {
                constructor(title, more) {
                    const told = document.body.dataset;
                    told.notices = (told.notices ?? "") + JSON.stringify([title, more]);
                }
            }
            Told.permission = "granted"; Told.requestPermission = async () => "granted";
            window.Notification = Told; document.hasFocus = () => false;
            const start = OscillatorNode.prototype.start;
            OscillatorNode.prototype.start = function () {
                document.body.dataset.sounds = Number(document.body.dataset.sounds ?? 0) + 1;
                start.call(this);
            };
        }"""
    )
    icon = page.locator("link[rel=icon]")
    tell(staffed.store, alert(staffed.people[5], "one", priority=Priority.URGENT))
    expect(page.locator("#spoken")).to_contain_text("Urgent: Grace Fletcher", timeout=10_000)
    page.locator("#help").click()
    page.get_by_label("Tell me on this computer").check()
    tell(staffed.store, alert(newcomer(staffed.store), "two", priority=Priority.URGENT))
    notice = '["Warm Handoff",{"body":"2 new urgent","tag":"urgent"}]'
    expect(page.locator("body")).to_have_attribute("data-notices", notice, timeout=10_000)
    expect(page.locator("body")).not_to_have_attribute("data-sounds", re.compile("."))
    expect(icon).to_have_attribute("href", re.compile(r"/mark\.svg"))
    expect(page).to_have_title("Inbox · Warm Handoff")  # nothing is counted there unasked
    page.get_by_label("Count in the title").check()
    expect(page).to_have_title(re.compile(r"^\(\d+\) Inbox · Warm Handoff$"))
    expect(icon).to_have_attribute("href", re.compile(r"/mark-news\.svg"))
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(icon).to_have_attribute("href", re.compile(r"/mark\.svg"))
    page.get_by_label("One soft sound").check()
    expect(page.locator("body")).to_have_attribute("data-sounds", "1")  # to know it by
    for number in (1, 2):
        urgent = alert(newcomer(staffed.store, number), f"more{number}", priority=Priority.URGENT)
        tell(staffed.store, urgent)
        expect(page.locator("body")).to_have_attribute("data-notices", re.compile(rf"{number} new urgent[^2]*$"))
    expect(icon).to_have_attribute("href", re.compile(r"/mark-news\.svg"))
    expect(page.locator("body")).to_have_attribute("data-sounds", "2")  # once for both
    page.get_by_label("Count in the title").uncheck()
    expect(page).to_have_title("Inbox · Warm Handoff")
    expect(icon).to_have_attribute("href", re.compile(r"/mark\.svg"))
    kept = {"notices:cm-ortiz": "on", "sound:cm-ortiz": "on"}
    assert json.loads(page.evaluate("JSON.stringify({...localStorage})")) == kept
    assert page.complaints == []


def test_a_list_is_worked_through_by_the_brackets(chrome, staffed):
    page = page_of(chrome, staffed)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/stay/a1")
    page.keyboard.press("]")
    page.wait_for_url("**/stay/a4")
    expect(page.get_by_role("heading", name="Walter Dawson")).to_be_visible(timeout=10_000)
    page.keyboard.press("[")
    page.wait_for_url("**/stay/a1")
    page.keyboard.press("p")
    page.wait_for_url("**/sheet")
    expect(page.locator(".sheet > li")).to_have_count(1, timeout=10_000)
    expect(page.locator(".sheet")).to_contain_text("Rosa Whitfield, 71 F · born 03/04/1955 · 828-555-0147")
    expect(page.locator("main")).to_contain_text("confidential · destroy after use")
    page.keyboard.press("Escape")
    page.wait_for_url("**/stay/a1")
    expect(page.get_by_role("link", name="828-555-0100")).to_have_attribute("href", "tel:+18285550100")
    page.get_by_role("link", name="All people").click()
    page.wait_for_url("**/")
    row(page, "a2").locator(".who").focus()
    page.keyboard.press("p")
    page.wait_for_url("**/sheet")
    expect(page.locator(".sheet")).to_contain_text("Luis Bennett, 78 M", timeout=10_000)
    assert staffed.store.audit.read(limit=1)[0].what is Audited.PRINTED
