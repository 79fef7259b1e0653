"""Somebody in, the answer that signs their browser in; a session's end; and who has to wait before they try again."""

import secrets
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
from streams.inbox.sign_in.known import KNOWN, KNOWN_FOR, cookie_for
from streams.store.sessions import AtProvider, Session, Way

if TYPE_CHECKING:
    from streams.inbox.request import Inbox


BROWSER: Final = "browser"  # a cookie; see `browser_of`
BROWSER_SECONDS: Final = 3600
_PROVEN: Final = frozenset({Way.PASSKEY, Way.PASSWORD})


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""


def browser_of(inbox: "Inbox", request: Request) -> str:
    """By what the wrong tries of a browser are counted apart from those of others at its address; "" for none yet."""
    return request.cookies.get(inbox.cookie(BROWSER), "")


def known_from_now_on(inbox: "Inbox", request: Request, answer: Response) -> Response:
    """The answer, with a cookie by which this browser is counted apart, if it has none."""
    if not browser_of(inbox, request):
        inbox.set_cookie(answer, BROWSER, secrets.token_urlsafe(16), BROWSER_SECONDS)
    return answer


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
    if way in _PROVEN:
        secret = await run_in_threadpool(lambda: inbox.secret)
        inbox.set_cookie(answer, KNOWN, cookie_for(who, secret), int(KNOWN_FOR.total_seconds()))
    return answer
