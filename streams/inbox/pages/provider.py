"""Signing in and out at the OpenID provider: there and back, no row, and the provider's own word that it is over."""

import hmac
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from anyio import to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from parsers.people import CaseManager
from streams.inbox.entering import address_of, browser_of, enter, known_from_now_on, please_wait
from streams.inbox.request import COOKIE, TRIP_COOKIE, log
from streams.inbox.sign_in.provider import Account, LoggedOut, ProviderAway
from streams.inbox.sign_in.rows import NoRow, row_of
from streams.inbox.sign_in.tokens import FRESH
from streams.inbox.sign_in.trip import Trip
from streams.run.metrics import SIGN_INS
from streams.store.sessions import AtProvider, Way

if TYPE_CHECKING:
    from streams.inbox.request import Inbox


async def to_provider(inbox: "Inbox", request: Request) -> Response:
    """Sends the browser to the provider; where a page has locked, the provider asks for the factor again."""
    if inbox.provider is None:
        return PlainTextResponse("not here", 404)
    secret = request.cookies.get(inbox.cookie(COOKIE), "")
    locked = await run_in_threadpool(inbox.store.sessions.find, secret, datetime.now(UTC)) is not None
    trip = Trip.start(anew=locked, back=request.query_params.get("back", "/"))
    try:
        where = await to_thread.run_sync(inbox.provider.way_in, trip, limiter=inbox.asking)
    except ProviderAway as away:
        return provider_away(inbox, away)
    answer = RedirectResponse(where, 303)
    inbox.set_cookie(answer, TRIP_COOKIE, trip.cookie, int(FRESH.total_seconds()))
    return known_from_now_on(inbox, request, answer)


async def callback(inbox: "Inbox", request: Request) -> Response:
    """The browser comes back with a code, or with the provider's reason why not."""
    if inbox.provider is None:
        return PlainTextResponse("not here", 404)
    if waiting := please_wait(inbox, request):
        return waiting
    asked = request.query_params
    trip = Trip.of_cookie(request.cookies.get(inbox.cookie(TRIP_COOKIE), ""))
    if trip is None or not hmac.compare_digest(asked.get("state", "").encode(), trip.state.encode()):
        return await again(inbox, request, "state")
    if asked.get("iss", inbox.provider.issuer) != inbox.provider.issuer:  # RFC 9207
        return await again(inbox, request, "issuer")
    if "code" not in asked:
        return await again(inbox, request, "denied")
    try:
        redeem = partial(inbox.provider.account, asked["code"], trip, datetime.now(UTC))
        account = await to_thread.run_sync(redeem, limiter=inbox.asking)
    except ProviderAway as away:
        return provider_away(inbox, away)
    if not isinstance(account, Account):
        return await again(inbox, request, account.value)
    person = await run_in_threadpool(partial(row_for, inbox), account)
    if isinstance(person, NoRow):
        return no_row(inbox, person)
    SIGN_INS.labels(Way.PROVIDER, "in").inc()
    at = AtProvider(account.issuer, account.subject, account.sid, account.id_token)
    answer = await enter(inbox, request, person.case_manager_id, Way.PROVIDER, at=at, back=trip.back)
    inbox.drop_cookie(answer, TRIP_COOKIE)
    return answer


def row_for(inbox: "Inbox", account: Account) -> CaseManager | NoRow:
    """The row this account is bound to; the first time, the one its claim names, and it is bound."""
    people = inbox.desk.directory().case_managers
    bound = inbox.store.identities.bound(account.issuer, account.subject)
    if bound is not None:
        return people.get(bound) or NoRow.NOBODY
    person = row_of(account.claims, inbox.settings.oidc_claim, people.values())
    if isinstance(person, NoRow):
        return person
    now = datetime.now(UTC)
    if inbox.store.identities.bind(account.issuer, account.subject, person.case_manager_id, now):
        return person
    return NoRow.OTHER_ACCOUNT


async def again(inbox: "Inbox", request: Request, why: str) -> Response:
    """The page for an answer that signs nobody in."""
    SIGN_INS.labels(Way.PROVIDER, "refused").inc()
    log.warning("provider_sign_in_refused", why=why)
    if why != "denied":
        inbox.guesses.wrong(address_of(request), time.monotonic(), browser_of(inbox, request))
    answer = await inbox.please_sign_in(
        401, "That did not sign you in", "The sign-in took too long or was not finished."
    )
    inbox.drop_cookie(answer, TRIP_COOKIE)
    return answer


def no_row(inbox: "Inbox", why: NoRow) -> Response:
    """The page for somebody the provider knows and the directory does not: whom to ask."""
    SIGN_INS.labels(Way.PROVIDER, "no_row").inc()
    log.warning("provider_sign_in_no_row", why=why.value)
    lines = ("You signed in, but this account belongs to nobody in the inbox's directory.", inbox.whom_to_ask())
    answer = inbox.page("words.html", 403, heading="You have no inbox here", lines=lines, button=None)
    inbox.drop_cookie(answer, TRIP_COOKIE)
    return answer


def provider_away(inbox: "Inbox", away: ProviderAway) -> Response:
    SIGN_INS.labels(Way.PROVIDER, "away").inc()
    log.warning("provider_away", why=str(away))
    lines = ("The service that you sign in at does not answer.", "Try it again in a moment.")
    button = {"href": "/sign-in/provider", "words": "Try again"}
    return inbox.page("words.html", 503, heading="Not available right now", lines=lines, button=button)


async def signed_out_page(inbox: "Inbox", _request: Request) -> Response:
    return await inbox.please_sign_in(200, "You are signed out")


async def back_channel(inbox: "Inbox", request: Request) -> Response:
    """The provider's own POST that a session of its is over (OpenID Connect Back-Channel Logout 1.0, 2.5 to 2.8)."""
    if inbox.provider is None:
        return PlainTextResponse("not here", 404)
    form = await request.form(max_files=0, max_fields=5)
    try:
        read = partial(inbox.provider.logged_out, str(form.get("logout_token", "")), datetime.now(UTC))
        said = await to_thread.run_sync(read, limiter=inbox.asking)
    except ProviderAway as away:
        log.warning("provider_away", why=str(away))
        return JSONResponse({"error": "temporarily_unavailable"}, 503)
    if not isinstance(said, LoggedOut):
        log.warning("back_channel_refused", why=said.value)
        return JSONResponse({"error": "invalid_request"}, 400)
    now = datetime.now(UTC)
    ended = await run_in_threadpool(inbox.store.sessions.end_at, said.issuer, said.sid, said.subject, now)
    log.info("back_channel_logout", sessions=ended)
    return Response(status_code=200)


async def front_channel(inbox: "Inbox", request: Request) -> Response:
    """The provider has a browser say that its session is over (OpenID Connect Front-Channel Logout 1.0, 2 and 3).

    What says so is a frame on the provider's page, to which a browser gives no cookie of ours (SameSite): the session
    is known by `iss` and `sid`, which only the provider, its clients and the ID token have, and it ends, no more.
    """
    if inbox.provider is None:
        return PlainTextResponse("not here", 404)
    issuer, sid = (request.query_params.get(name, "") for name in ("iss", "sid"))
    if issuer != inbox.provider.issuer or not sid:
        return JSONResponse({"error": "invalid_request"}, 400)
    ended = await run_in_threadpool(inbox.store.sessions.end_at, issuer, sid, "", datetime.now(UTC))
    log.info("front_channel_logout", sessions=ended)
    return Response(status_code=200)
