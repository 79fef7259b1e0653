"""The pages and their addresses, behind one guard; the poller runs as long as they do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from streams.inbox.api.alerts import alerts_after
from streams.inbox.api.document import document_page
from streams.inbox.api.stays import list_stays, one_stay, write_act
from streams.inbox.behind_proxy import BehindProxy
from streams.inbox.pages.audit import audit_page, audit_search
from streams.inbox.pages.become import become, become_page
from streams.inbox.pages.board import board_page, give
from streams.inbox.pages.cover import cover_page, say_away
from streams.inbox.pages.letter import letter_page
from streams.inbox.pages.list import list_page, list_part
from streams.inbox.pages.log import log
from streams.inbox.pages.mail_stop import mail_stop, mail_stop_page
from streams.inbox.pages.paper import due_page, sheet_page
from streams.inbox.pages.person import person_page, search
from streams.inbox.pages.provider import back_channel, callback, signed_out_page, to_provider
from streams.inbox.pages.review import review_page, settle, take_back_review
from streams.inbox.pages.session import (
    here,
    place,
    put_place,
    sign_in,
    sign_in_page,
    sign_out,
    still,
    time_left,
    unlock,
)
from streams.inbox.pages.sessions import end_sessions, sessions_page
from streams.inbox.pages.stay import act, seen, stay_page, stay_part, undo
from streams.inbox.pages.stream import stream, stream_all
from streams.inbox.request import HERE, Assets, Inbox, NotTheirs, SignedOut, gone_away
from streams.inbox.same_origin import Guard
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
            Route("/", partial(list_page, inbox)),
            Route("/list", partial(list_part, inbox)),
            Route("/stay/{alert_id}", partial(stay_page, inbox)),
            Route("/stay/{alert_id}/part", partial(stay_part, inbox)),
            Route("/stay/{alert_id}/undo", partial(undo, inbox), methods=["POST"]),
            Route("/stay/{alert_id}/log", partial(log, inbox), methods=["POST"]),
            Route("/stay/{alert_id}/letter", partial(letter_page, inbox)),
            Route("/stay/{alert_id}/seen", partial(seen, inbox), methods=["POST"]),
            Route("/stay/{alert_id}/{act}", partial(act, inbox), methods=["POST"]),
            Route("/stream", partial(stream, inbox)),
            Route("/stream/all", partial(stream_all, inbox)),
            Route("/still", partial(still, inbox)),
            Route("/left", partial(time_left, inbox)),
            Route("/here", partial(here, inbox), methods=["POST"]),
            Route("/place", partial(put_place, inbox), methods=["POST"]),
            Route("/place/{place}", partial(place, inbox)),
            Route("/sign-in", partial(sign_in_page, inbox), methods=["GET"]),
            Route("/sign-in", partial(sign_in, inbox), methods=["POST"]),
            Route("/sign-in/provider", partial(to_provider, inbox), methods=["GET"]),
            Route("/sign-in/callback", partial(callback, inbox), methods=["GET"]),
            Route("/sessions", partial(sessions_page, inbox), methods=["GET"]),
            Route("/sessions", partial(end_sessions, inbox), methods=["POST"]),
            Route("/sign-out/back-channel", partial(back_channel, inbox), methods=["POST"]),
            Route("/signed-out", partial(signed_out_page, inbox), methods=["GET"]),
            Route("/sign-out", partial(sign_out, inbox), methods=["POST"]),
            Route("/unlock", partial(unlock, inbox), methods=["POST"]),
            Route("/become", partial(become_page, inbox), methods=["GET"]),
            Route("/become", partial(become, inbox), methods=["POST"]),
            Route("/board", partial(board_page, inbox), methods=["GET"]),
            Route("/board/give", partial(give, inbox), methods=["POST"]),
            Route("/cover", partial(cover_page, inbox), methods=["GET"]),
            Route("/cover", partial(say_away, inbox), methods=["POST"]),
            Route("/sheet", partial(sheet_page, inbox), methods=["GET"]),
            Route("/due", partial(due_page, inbox), methods=["GET"]),
            Route("/people", partial(search, inbox), methods=["GET", "POST"]),
            Route("/person/{ref}", partial(person_page, inbox), methods=["GET"]),
            Route("/review", partial(review_page, inbox), methods=["GET"]),
            Route("/review/{review_id}", partial(settle, inbox), methods=["POST"]),
            Route("/review/{review_id}/undo", partial(take_back_review, inbox), methods=["POST"]),
            Route("/audit", partial(audit_page, inbox), methods=["GET"]),
            Route("/audit", partial(audit_search, inbox), methods=["POST"]),
            Mount(
                "/api/v1",
                routes=[
                    Route("/openapi.json", document_page),
                    Route("/stays", partial(list_stays, inbox)),
                    Route("/stays/{alert_id}", partial(one_stay, inbox)),
                    Route("/stays/{alert_id}/acts", partial(write_act, inbox), methods=["POST"]),
                    Route("/alerts", partial(alerts_after, inbox)),
                ],
            ),
            Route("/mail/stop/{token}", partial(mail_stop_page, inbox), methods=["GET"]),
            Route("/mail/stop/{token}", partial(mail_stop, inbox), methods=["POST"]),
            Mount("/static", Assets(directory=HERE / "static")),
        ],
        exception_handlers={
            SignedOut: inbox.signed_out,
            NotTheirs: inbox.not_theirs,
            Unavailable: inbox.away,
            ClientDisconnect: gone_away,
        },
    )
    names = (inbox.settings.inbox_host, urlsplit(inbox.settings.front_page).hostname or "")
    guarded = Guard(GZipMiddleware(app, minimum_size=1_000, compresslevel=5), *names)
    return BehindProxy(guarded, inbox.settings.inbox_proxy) if inbox.settings.inbox_proxy else guarded
