"""Somebody in, the answer that signs their browser in; and a session's end."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from streams.inbox.request import COOKIE
from streams.store.sessions import Session

if TYPE_CHECKING:
    from streams.inbox.request import Inbox


async def end_of(inbox: "Inbox", session: Session) -> None:
    await run_in_threadpool(inbox.store.sessions.end, session, datetime.now(UTC))
    inbox.presence.end(session.secret)


async def enter(inbox: "Inbox", who: str, now: datetime) -> Response:
    session = await run_in_threadpool(inbox.store.sessions.open, who, now)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(COOKIE, session.secret, httponly=True, samesite="strict", path="/")
    return answer
