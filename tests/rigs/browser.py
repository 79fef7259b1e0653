"""A signed-in page of an inbox in a real browser, and what is looked at on it."""

import time

from playwright.sync_api import expect

from tests.rigs.inbox import ORTIZ

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
expect.set_options(timeout=30_000)  # a page that is wrong fails all the same; a loaded machine is no fault of the page

# The row, or else the element, that has the focus.
FOCUSED = "document.activeElement?.closest('.row')?.dataset.id ?? document.activeElement?.id"


def sign_in(page, inbox, who=ORTIZ):
    page.goto(inbox.link(who.case_manager_id, inbox.store))
    page.get_by_role("button", name=f"Sign in as {who.name}").click()
    page.wait_for_url("**/")


def page_of(chrome, inbox, who=ORTIZ, *, width=1280, height=800, scheme="light", expect_live=True):
    """A signed-in page that has begun to listen; its requests and complaints are kept on it."""
    context = chrome.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.requests_made = []
    page.complaints = []
    page.on("request", lambda request: page.requests_made.append((request.url, request.post_data or "")))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda line: line.type == "error" and page.complaints.append(line.text))
    sign_in(page, inbox, who)
    if expect_live:
        expect(page.locator("#fresh")).to_contain_text("Live. ")
    return page


def row(page, alert_id):
    return page.locator(f"#r-{alert_id}")


def expect_focus(page, at):
    """Waits until the row (or the element) named has the focus, without a script that the page's policy forbids."""
    until = time.monotonic() + 10
    while (focused := page.evaluate(FOCUSED)) != at and time.monotonic() < until:
        page.wait_for_timeout(50)
    assert focused == at


def faults(page, axe):
    """What the checker finds on a page, once what moves on it has had time to end."""
    page.wait_for_timeout(300)
    page.evaluate(axe)
    return violations(page)


def violations(page):
    """The same of a page that stands still and has the checker."""
    report = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        (item["id"], item["impact"], [node["html"][:120] for node in item["nodes"]][:3])
        for item in report["violations"]
        if item["impact"] in {"moderate", "serious", "critical"}
    ]
