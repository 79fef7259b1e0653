"""Signing in and out, the lock, and where a reader was."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from anyio import to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)

from streams.inbox.entering import address_of, browser_of, end_of, enter, known_from_now_on, please_wait
from streams.inbox.opened import WAYS, back_of
from streams.inbox.request import COOKIE
from streams.store.audit import ORIGIN
from streams.store.sessions import Way
from streams.store.sign_in import Purpose

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox


async def sign_in_page(inbox: "Inbox", request: Request) -> Response:
    """Asks for a press; mail scanners and previews that open the link do not use it up.

    A browser gets a cookie here, by which its wrong links are counted apart from those of others at its address.
    """
    if not browser_of(inbox, request) and inbox.guesses.wait(address_of(request), time.monotonic()):
        answer: Response = RedirectResponse(f"/sign-in?{request.url.query}", 303)  # comes again as itself
    else:
        answer = await _asked_for_a_press(inbox, request)
    return known_from_now_on(inbox, request, answer)


async def _asked_for_a_press(inbox: "Inbox", request: Request) -> Response:
    token = request.query_params.get("t", "")
    if not token:
        return await inbox.please_sign_in(200, back=back_of(request.query_params.get("back", "")))
    who = await tried(inbox, request, inbox.store.sign_in.link_for, token)
    if isinstance(who, Response):
        return who
    name = await run_in_threadpool(inbox.desk.name, who)
    button = {"action": "/sign-in", "words": f"Sign in as {name}", "fields": {"t": token}}
    return inbox.page("words.html", heading="Open the inbox", lines=("This link works once.",), button=button)


async def sign_in(inbox: "Inbox", request: Request) -> Response:
    form = await request.form(max_files=0, max_fields=5)
    who = await tried(inbox, request, inbox.store.sign_in.redeem, str(form.get("t", "")))
    if isinstance(who, Response):
        return who
    return await enter(inbox, request, who, Way.LINK)


async def enroll_page(inbox: "Inbox", request: Request) -> Response:
    """Asks for a press, as for a link that signs in."""
    token = request.query_params.get("t", "")
    who = await tried(inbox, request, partial(inbox.store.sign_in.link_for, purpose=Purpose.ENROLL), token)
    if isinstance(who, Response):
        return who
    name = await run_in_threadpool(inbox.desk.name, who)
    button = {"action": "/sign-in/enroll", "words": f"I am {name}", "fields": {"t": token}}
    lines = ("Next you choose how you sign in from now on.", "This link works once.")
    return inbox.page("words.html", heading="Set up your sign-in", lines=lines, button=button)


async def enroll(inbox: "Inbox", request: Request) -> Response:
    """A session that opens nothing but the page of how one signs in."""
    form = await request.form(max_files=0, max_fields=5)
    redeem = partial(inbox.store.sign_in.redeem, purpose=Purpose.ENROLL)
    who = await tried(inbox, request, redeem, str(form.get("t", "")))
    if isinstance(who, Response):
        return who
    return await enter(inbox, request, who, Way.ENROLL, back=WAYS)


async def tried(
    inbox: "Inbox", request: Request, ask: Callable[[str, datetime], str | None], token: str
) -> str | Response:
    """Whom the link is for, or the page that says why it opens nothing."""
    if waiting := please_wait(inbox, request):
        return waiting
    ORIGIN.set(address_of(request))
    who = await run_in_threadpool(ask, token, datetime.now(UTC))
    if who is not None:
        return who
    inbox.guesses.wrong(address_of(request), time.monotonic(), browser_of(inbox, request))
    lines = ("This link was used already, or it is too old.", f"{inbox.whom_to_ask().removesuffix('.')} for a new one.")
    heading = "This link no longer opens the inbox"
    return inbox.page("words.html", 401, heading=heading, lines=lines, button=None)


async def sign_out(inbox: "Inbox", visit: "Visit") -> Response:
    await end_of(inbox, visit.reader.session)
    answer = inbox.leave(await to_thread.run_sync(inbox.way_out, visit.reader.session, limiter=inbox.asking))
    inbox.drop_cookie(answer, COOKIE)
    return answer


async def unlock(_inbox: "Inbox", visit: "Visit") -> Response:
    return RedirectResponse(back_of(str(visit.form.get("back", ""))), 303)


async def keep_clock(inbox: "Inbox", visit: "Visit") -> Response:
    """How this person writes times, from now on and wherever they sign in; back to the page it was said on."""
    chosen = str(visit.form.get("hours", ""))
    if chosen not in ("12", "24"):
        return PlainTextResponse("no such clock", 400)
    who = visit.reader.person.case_manager_id
    await run_in_threadpool(partial(inbox.store.preferences.write_hours, who, in_24=chosen == "24"))
    return RedirectResponse(back_of(urlsplit(visit.request.headers.get("referer", "")).path), 303)


async def still(inbox: "Inbox", _visit: "Visit") -> Response:
    """Whether a page that lost its stream may open it again."""
    if not await inbox.live.is_fresh():
        return PlainTextResponse("not live now", 503)
    return Response(status_code=204)


async def time_left(inbox: "Inbox", visit: "Visit") -> Response:
    """Seconds until the session locks, whichever tab its last gesture was in."""
    return JSONResponse({"left": inbox.locks_in(visit.reader.session)})


async def here(_inbox: "Inbox", _visit: "Visit") -> Response:
    return Response(status_code=204)


async def put_place(inbox: "Inbox", visit: "Visit") -> Response:
    place, padded = str(visit.form.get("place", "")), str(visit.form.get("padded", ""))
    if not re.fullmatch(r"[0-9a-f]{16}", place) or not re.fullmatch(r"[0-9a-f]{0,512}", padded):
        return PlainTextResponse("no such place", 400)
    inbox.presence.put_place(visit.reader.session.secret, place, padded)
    return Response(status_code=204)


async def place(inbox: "Inbox", visit: "Visit") -> Response:
    return PlainTextResponse(inbox.presence.place(visit.reader.session.secret, visit.request.path_params["place"]))
