"""Somebody in, the answer that signs their browser in; a session's end; and who has to wait before they try again."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from streams.inbox.request import COOKIE
from streams.inbox.sign_in.device import device_of
from streams.store.sessions import AtProvider, Session, Way

if TYPE_CHECKING:
    from streams.inbox.request import Inbox


BROWSER: Final = "browser"  # a cookie; see `browser_of`


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""


def browser_of(inbox: "Inbox", request: Request) -> str:
    """By what the wrong tries of a browser are counted apart from those of others at its address; "" for none yet."""
    return request.cookies.get(inbox.cookie(BROWSER), "")


def please_wait(inbox: "Inbox", request: Request) -> Response | None:
    """The page for a browser that tried too often in vain."""
    wait = inbox.guesses.wait(address_of(request), time.monotonic(), browser_of(inbox, request))
    if not wait:
        return None
    lines = ("Too many tries to sign in came from here. Wait a minute.",)
    answer = inbox.page("words.html", 429, heading="Please wait", lines=lines, button=None)
    answer.headers["Retry-After"] = str(int(wait) + 1)
    return answer


async def end_of(inbox: "Inbox", session: Session) -> None:
    await run_in_threadpool(inbox.store.sessions.end, session, datetime.now(UTC))
    inbox.presence.end(session.secret)


async def enter(
    inbox: "Inbox",
    request: Request,
    who: str,
    way: Way,
    *,
    at: AtProvider | None = None,
    back: str = "/",
    page: Callable[[Session], Response] | None = None,
) -> Response:
    """A new session, whatever the browser had before, which ends; `page`: its first page, instead of the way `back`."""
    now = datetime.now(UTC)
    before = request.cookies.get(inbox.cookie(COOKIE), "")
    if known := await run_in_threadpool(inbox.store.sessions.find, before, now):
        await end_of(inbox, known)
    device = device_of(request.headers.get("user-agent", ""))
    opening = partial(inbox.store.sessions.open, way=way, device=device, address=address_of(request), at=at)
    session = await run_in_threadpool(opening, who, now)
    answer = page(session) if page else RedirectResponse(back, 303)
    inbox.set_cookie(answer, COOKIE, session.secret)
    return answer
