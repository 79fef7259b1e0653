"""Where somebody is signed in, with "end" beside each, and one press that ends all others."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from rules.following.roles import Doing, may
from streams.store.sessions import HANDLE, Way
from streams.words import times as time_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox, Reader

WAY_WORDS: Final = {
    Way.LINK: "by a one-time link",
    Way.ENROLL: "by a link to set up signing in",
    Way.PASSKEY: "with a passkey",
    Way.PASSWORD: "with a password",
    Way.PROVIDER: "at your organization's sign-in",
    Way.DEMO: "in the demo",
}
assert WAY_WORDS.keys() == set(Way)


async def sessions_page(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(render, inbox, visit.reader)


def render(inbox: "Inbox", reader: "Reader") -> Response:
    now = datetime.now(UTC)
    lines = [
        {
            "handle": session.handle,
            "here": session.handle == reader.session.handle,
            "device": session.device or "a browser",
            "address": session.address,
            "how": WAY_WORDS[Way(session.way)] if session.way else "",
            "since": time_words.time_or_moment(session.made_at, now, inbox.desk.zone),
            "used": time_words.ago((now - session.active_at).total_seconds()),
        }
        for session in inbox.store.sessions.of(reader.person.case_manager_id, now)
    ]
    return inbox.page(
        "sessions.html",
        reader=reader,
        lines=lines,
        own=not inbox.provider,
        staff=bool(may(reader.person.role, Doing.CHANGE_DIRECTORY)),
    )


async def end_sessions(inbox: "Inbox", visit: "Visit") -> Response:
    """Ends the named one, or all others. Open pages of theirs find out within seconds."""
    handle = str(visit.form.get("handle", ""))
    if not re.fullmatch(rf"[0-9a-f]{{{HANDLE}}}", handle) and "others" not in visit.form:
        return PlainTextResponse("no such session", 400)
    await run_in_threadpool(_end, inbox, visit.reader, "" if "others" in visit.form else handle)
    return RedirectResponse("/sessions", 303)


def _end(inbox: "Inbox", reader: "Reader", handle: str) -> int:
    who, now = reader.person.case_manager_id, datetime.now(UTC)
    return inbox.store.sessions.end_some(who, now, handle=handle, but=reader.session.handle)
