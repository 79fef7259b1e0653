"""Signing in and out, the lock, and where a reader was."""

import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)

from streams.inbox.entering import BROWSER, address_of, browser_of, end_of, enter, please_wait
from streams.inbox.links import LINK_MINUTES
from streams.inbox.opened import is_opened
from streams.inbox.request import COOKIE
from streams.store.sessions import Way

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox


_BROWSER_SECONDS: Final = 3600


async def sign_in_page(inbox: "Inbox", request: Request) -> Response:
    """Asks for a press; mail scanners and previews that open the link do not use it up.

    A browser gets a cookie here, by which its wrong links are counted apart from those of others at its address.
    """
    known = browser_of(inbox, request)
    if not known and inbox.guesses.wait(address_of(request), time.monotonic()):
        answer: Response = RedirectResponse(f"/sign-in?{request.url.query}", 303)  # comes again as itself
    else:
        answer = await _asked_for_a_press(inbox, request)
    if not known:
        inbox.set_cookie(answer, BROWSER, secrets.token_urlsafe(16), _BROWSER_SECONDS)
    return answer


async def _asked_for_a_press(inbox: "Inbox", request: Request) -> Response:
    token = request.query_params.get("t", "")
    if not token:
        return inbox.please_sign_in(200)
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


async def tried(
    inbox: "Inbox", request: Request, ask: Callable[[str, datetime], str | None], token: str
) -> str | Response:
    """Whom the link is for, or the page that says why it opens nothing."""
    if waiting := please_wait(inbox, request):
        return waiting
    who = await run_in_threadpool(ask, token, datetime.now(UTC))
    if who is not None:
        return who
    inbox.guesses.wrong(address_of(request), time.monotonic(), browser_of(inbox, request))
    told = (
        f"This link was used already, or it is older than {LINK_MINUTES} minutes.",
        "A new one comes with: handoff sign-in",
    )
    heading = "This link no longer opens the inbox"
    return inbox.page("words.html", 401, heading=heading, lines=told, button=None)


async def sign_out(inbox: "Inbox", visit: "Visit") -> Response:
    answer = inbox.leave(await run_in_threadpool(inbox.way_out, visit.reader.session))
    await end_of(inbox, visit.reader.session)
    inbox.drop_cookie(answer, COOKIE)
    return answer


async def unlock(_inbox: "Inbox", visit: "Visit") -> Response:
    back = str(visit.form.get("back", ""))
    return RedirectResponse(back if is_opened(back) else "/", 303)


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
