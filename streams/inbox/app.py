"""The pages and their addresses, behind one guard; the poller runs as long as they do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import Mount
from starlette.types import ASGIApp

from streams.inbox.behind_proxy import BehindProxy
from streams.inbox.page import Call, Open, Page
from streams.inbox.request import HERE, Assets, Inbox, gone_away
from streams.inbox.same_origin import Guard
from streams.inbox.table import PAGES
from streams.store import Unavailable


def app(inbox: Inbox) -> ASGIApp:
    """The ASGI app with its guard; the poller runs as long as the app does."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        poller = asyncio.create_task(inbox.live.run())
        poller.add_done_callback(inbox.live.ended)
        try:
            yield
        finally:
            inbox.live.close()
            poller.cancel()
            await asyncio.gather(poller, return_exceptions=True)
            if inbox.provider:
                inbox.provider.close()

    app = Starlette(
        lifespan=lifespan,
        routes=[
            *(row.route(inbox) for row in PAGES if _is_there(row, inbox)),
            Mount("/static", Assets(directory=HERE / "static")),
        ],
        exception_handlers={
            Unavailable: inbox.away,
            ValidationError: inbox.unreadable,
            ClientDisconnect: gone_away,
        },
    )
    names = (inbox.settings.inbox_host, urlsplit(inbox.settings.front_page).hostname or "")
    guarded = Guard(GZipMiddleware(app, minimum_size=1_000, compresslevel=5), *names, https=inbox.https)
    return BehindProxy(guarded, inbox.settings.inbox_proxy) if inbox.settings.inbox_proxy else guarded


def _is_there(row: Page | Open | Call, inbox: Inbox) -> bool:
    if isinstance(row, Page) and row.demo and not inbox.demo:
        return False
    return isinstance(row, Call) or not row.own or inbox.provider is None
