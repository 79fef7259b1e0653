"""Who can sign in here, for whoever looks after the directory: links to set it up, and what was set up forgotten.

A link opens the page of how one signs in, not the inbox, and is shown to its maker once. Who made it for whom, and who
forgot what of whom, is a row of the audit: whoever holds a link could become that person.
"""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from streams.store.sign_in import ENROLL_FOR
from streams.words import people as people_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox


async def staff_page(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(shown, inbox, visit)


def shown(inbox: "Inbox", visit: "Visit", said: str = "", link: str = "") -> Response:
    counts = inbox.store.credentials.counts()
    lines = []
    for person in sorted(
        inbox.desk.directory().case_managers.values(),
        key=lambda case_manager: (case_manager.name, case_manager.case_manager_id),
    ):
        keys, password = counts.get(person.case_manager_id, (0, False))
        has = [f"{keys} passkey{'s' if keys > 1 else ''}" if keys else "", "a password" if password else ""]
        lines.append(
            {
                "id": person.case_manager_id,
                "name": person.name,
                "role": people_words.ROLE_WORDS[person.role],
                "has": " and ".join(way for way in has if way),
            }
        )
    reader = visit.reader
    return inbox.page(
        "staff.html",
        reader=reader,
        lines=lines,
        said=said,
        link=link,
        days=ENROLL_FOR.days,
    )


async def do_for_somebody(inbox: "Inbox", visit: "Visit") -> Response:
    """Makes a link for somebody, or forgets what they set up."""
    who, deed = str(visit.form.get("who", "")), str(visit.form.get("do", ""))
    if who not in inbox.desk.directory().case_managers or deed not in {"link", "forget"}:
        return PlainTextResponse("not here", 404)
    return await run_in_threadpool(partial(linked if deed == "link" else forgotten, inbox, visit, who))


def linked(inbox: "Inbox", visit: "Visit", who: str) -> Response:
    by, now = visit.reader.person.case_manager_id, datetime.now(UTC)
    token = inbox.store.sign_in.make_enrollment(who, by, now)
    front = inbox.settings.front_page.rstrip("/") or str(visit.request.base_url).rstrip("/")
    return shown(inbox, visit, f"For {inbox.desk.name(who)}:", f"{front}/sign-in/enroll?t={token}")


def forgotten(inbox: "Inbox", visit: "Visit", who: str) -> Response:
    by, now = visit.reader.person.case_manager_id, datetime.now(UTC)
    inbox.store.credentials.forget(who, now, by=by)
    inbox.store.sessions.end_some(who, now, by=f"by {by}")
    return shown(inbox, visit, f"Forgotten: how {inbox.desk.name(who)} signed in. Their sessions are over.")
