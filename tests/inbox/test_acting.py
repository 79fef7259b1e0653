"""Following a stay in a real browser: two presses, by mouse, keys and phone; kept over a lost line; told to others."""

import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from rules.following.acts import ActKind, MayLeave, Mode, Outcome
from tests.rigs.acts import acted
from tests.rigs.browser import expect_focus, faults, page_of, row, sign_in
from tests.rigs.inbox import BROWN, alert, tell

pytestmark = pytest.mark.servers

STORED = "JSON.stringify([{...localStorage}, {...sessionStorage}, history.state])"


def test_a_call_is_logged_in_two_presses_by_mouse_keys_and_phone_and_leaves_do_now_everywhere(chrome, inbox):
    acted(
        inbox.store, "a1", "cm-ortiz", ActKind.CONTACT_WISHES, 1, datetime.now(UTC), message=MayLeave.YES
    )  # else the message is asked about
    ortiz, brown = page_of(chrome, inbox), page_of(chrome, inbox, BROWN, width=390)
    began = time.monotonic()
    row(ortiz, "a2").get_by_role("link", name="Log a call").click()
    row(ortiz, "a2").get_by_role("button", name="Talked with patient").click()
    expect(ortiz.locator("#said")).to_contain_text("Luis Bennett: talked with the patient by phone.")
    assert time.monotonic() - began < 5
    ortiz.mouse.move(1, 1)
    ortiz.keyboard.press("Escape")
    ortiz.locator("#search").focus()
    expect(ortiz.locator("#finished #r-a2")).to_have_count(1)
    ortiz.keyboard.press("Escape")
    ortiz.keyboard.press("z")
    expect(ortiz.locator("#now #r-a2")).to_have_count(1)
    row(ortiz, "a1").get_by_role("button", name="I have this one").click()
    expect(row(ortiz, "a1").get_by_role("link", name="Log a call")).to_be_visible()
    row(ortiz, "a1").locator(".who").focus()
    ortiz.keyboard.press("n")
    ortiz.wait_for_url("**/stay/a1#key-n")
    expect(ortiz.locator("#note textarea")).to_be_focused()
    ortiz.keyboard.press("Escape")
    ortiz.wait_for_url("**/")
    expect(row(ortiz, "a1").locator(".who")).to_be_focused()
    ortiz.keyboard.press("3")
    expect(row(ortiz, "a1")).to_contain_text("1 try, not reached")
    expect(row(brown, "a1")).to_contain_text("1 try, not reached")
    row(brown, "a1").get_by_role("link", name="Log a call").click()
    row(brown, "a1").get_by_role("button", name="Talked with family or helper").click()
    expect(row(brown, "a1")).to_contain_text("Talked ")
    expect(row(ortiz, "a1")).to_contain_text("Talked ")
    assert ortiz.complaints == brown.complaints == []


def test_the_page_of_a_stay_does_it_by_key_and_form_and_keeps_what_could_not_be_sent(chrome, inbox):
    page = page_of(chrome, inbox)
    page.goto(f"{inbox.url}/stay/a2")
    loaded = page.evaluate("performance.timeOrigin")
    page.keyboard.press("4")
    expect(page.locator(".story")).to_contain_text("M. Ortiz, RN called, no answer")
    page.get_by_role("link", name="Add details").click()
    added = page.locator(".story details.fold[open]")
    expect(added.get_by_label("When")).to_be_focused()
    added.get_by_label("Number", exact=True).fill("828-555-0199")
    added.get_by_role("button", name="Write the correction").click()
    expect(page.locator(".story")).to_contain_text("number 828-555-0199")
    page.locator("#outcomes summary").click()
    late = page.locator("#outcomes")
    late.get_by_label("When").fill(f"{datetime.now(UTC) - timedelta(hours=40):%Y-%m-%dT%H:%M}")
    late.get_by_role("button", name="No answer").click()
    expect(page.locator("#said")).to_contain_text("say in the note why it is written down now")
    expect(late.get_by_label("When")).not_to_have_value("")  # nothing was written, so nothing that was typed is gone
    page.locator("h1").click()
    page.keyboard.press("n")
    page.keyboard.type("Zqxmarker will call back")
    page.get_by_role("button", name="Write the note").click()
    expect(page.locator(".story")).to_contain_text("Zqxmarker will call back")
    page.context.set_offline(True)
    page.keyboard.press("1")
    expect(page.locator("#unsent")).to_contain_text("not sent yet")
    assert "arker" not in page.evaluate(STORED)
    assert len(inbox.store.acts.of_stay("a2")) == 3
    page.context.set_offline(False)
    expect(page.locator("#unsent")).to_be_hidden(timeout=30_000)
    expect(page.locator(".story")).to_contain_text("talked with the patient by phone")
    talked = [act for act in inbox.store.acts.of_stay("a2") if act.outcome is Outcome.REACHED]
    assert len(talked) == 1
    assert page.evaluate("performance.timeOrigin") == loaded
    assert "arker" not in page.url + page.title() + page.evaluate(STORED)


def test_what_is_typed_outlives_a_reload_and_a_lost_line_and_goes_when_it_is_sent(chrome, inbox):
    page = page_of(chrome, inbox)
    page.goto(f"{inbox.url}/stay/a2")
    page.locator("#note summary").click()
    note = page.locator("#note textarea")
    with page.expect_response("**/draft", timeout=30_000):
        note.fill("Zqxmarker has the key.")
    page.locator("#visit summary").click()
    with page.expect_response("**/draft", timeout=30_000):
        page.get_by_label("With whom").fill("Dr. Lee")
    page.reload()
    expect(note).to_have_value("Zqxmarker has the key.")
    expect(page.locator("#said")).to_contain_text("What you had typed here is back.")
    expect(page.get_by_label("With whom")).to_have_value("Dr. Lee")
    page.context.set_offline(True)
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/draft"), timeout=30_000):
        note.fill("Zqxmarker has the key. Call her")
    with page.expect_response("**/draft", timeout=30_000):
        page.context.set_offline(False)
    assert "arker" not in page.evaluate(STORED) + page.url + page.title()
    assert inbox.store.acts.of_stay("a2") == ()
    page.get_by_role("button", name="Write the note").click()
    expect(page.locator(".story")).to_contain_text("Zqxmarker has the key. Call her")
    page.get_by_role("link", name="All stays and acts").click()
    page.get_by_role("link", name="Enter an event").click()
    hospital = page.get_by_label("Hospital", exact=True)
    with page.expect_response("**/draft", timeout=30_000):
        hospital.fill("Zqxmarker Hospital")
    page.reload()
    expect(hospital).to_have_value("Zqxmarker Hospital")
    page.goto(f"{inbox.url}/stay/a2")
    expect(page.get_by_label("With whom")).to_have_value("Dr. Lee")
    expect(page.locator("#note textarea")).to_have_value("")


def test_who_presses_the_same_a_moment_later_is_asked(chrome, inbox):
    page = page_of(chrome, inbox)
    page.goto(f"{inbox.url}/stay/a1")
    acted(
        inbox.store, "a1", "cm-brown", ActKind.ATTEMPT, 3, datetime.now(UTC), outcome=Outcome.NO_ANSWER, mode=Mode.PHONE
    )
    for answer, number in (("Leave it", 1), ("Keep both", 2)):
        page.get_by_role("button", name="No answer 4").click()
        dialog = page.get_by_role("dialog", name="T. Brown, RN wrote the same")
        dialog.get_by_role("button", name=answer).click()
        expect(page.locator(".story .did", has_text="called, no answer")).to_have_count(number)


def test_acts_work_without_script(chrome, inbox):
    page = chrome.new_context(java_script_enabled=False).new_page()
    sign_in(page, inbox)
    row(page, "a2").get_by_role("link", name="Log a call").click()
    page.get_by_role("button", name="Left a message 3").click()
    page.get_by_role("button", name="A message was left").click()
    expect(page.locator(".story")).to_contain_text("M. Ortiz, RN left a message by phone")
    page.locator("#note summary").click()
    page.locator("#note textarea").fill("Her son has the key")
    page.get_by_role("button", name="Write the note").click()
    expect(page.locator(".story")).to_contain_text("Her son has the key")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_a_followed_stay_and_the_letter_are_accessible_and_fit(chrome, inbox, axe, scheme, width):
    page = page_of(chrome, inbox, width=width, scheme=scheme)
    acted(
        inbox.store, "a2", "cm-ortiz", ActKind.ATTEMPT, 1, datetime.now(UTC), outcome=Outcome.NO_ANSWER, mode=Mode.PHONE
    )
    tell(inbox.store, alert(inbox.people[5], "more"))
    row(page, "a2").get_by_role("link", name="Log a call").click()
    assert faults(page, axe) == []
    page.goto(f"{inbox.url}/stay/a2")
    calls = page.get_by_role("form", name="Log a call")
    if width == 320:  # the first outcomes are at hand wherever one reads, the others a touch away
        page.evaluate("scrollTo(0, 600)")
        expect(calls.get_by_role("button", name="No answer")).to_be_in_viewport()
        expect(calls.get_by_role("button", name="Wrong number")).to_be_hidden()
        assert faults(page, axe) == []
        calls.get_by_role("button", name="More").click()
    expect(calls.get_by_role("button", name="Wrong number")).to_be_visible()
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    assert faults(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(f"{inbox.url}/stay/a2/letter")
    assert faults(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_letter_keys_can_be_bound_to_alt_or_turned_off_and_times_written_in_24_hours(chrome, inbox):
    page = page_of(chrome, inbox)
    page.locator("#help").click()
    page.get_by_label("Times").select_option("17:00")
    page.get_by_role("button", name="Write them so").click()
    expect(row(page, "a2").locator(".step")).to_have_text(re.compile(r"^Call by \w{3} \w{3} \d+, \d\d:\d\d$"))
    expect(page.locator("#main")).not_to_contain_text(re.compile(r"\d [AP]M"))
    expect(page.locator("#fresh")).to_contain_text("Live. ")
    page.context.set_offline(True)
    expect(page.locator("#stale")).to_contain_text(re.compile(r"No connection since \d\d:\d\d\. "))
    page.context.set_offline(False)
    expect(page.locator("#stale")).to_be_hidden()
    for choice, key, moves in (
        ("alt", "j", False),
        ("alt", "Alt+j", True),
        ("off", "Alt+j", False),
        ("off", "j", False),
    ):
        page.locator("#help").click()
        page.get_by_label("Letter keys").select_option(choice)
        page.get_by_role("button", name="Close").click()
        page.locator("#help").focus()
        page.keyboard.press(key)
        expect_focus(page, "a2" if moves else "help")
    page.reload()
    page.locator("#help").focus()
    page.keyboard.press("j")
    expect_focus(page, "help")
    assert page.evaluate("JSON.stringify({...localStorage})") == '{"letter-keys":"off"}'
