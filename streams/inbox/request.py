"""A request in, who makes it and whether they may out; and how an answer is rendered."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

import jinja2
import structlog
from anyio import CapacityLimiter
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.staticfiles import StaticFiles

from parsers.people import CaseManager
from rules.following.acts import ActKind
from rules.following.roles import Doing, may
from streams.inbox.access import Desk
from streams.inbox.clock import IN_24_HOURS
from streams.inbox.deltas import Deltas
from streams.inbox.guesses import Guesses
from streams.inbox.live import Change, Live, sse
from streams.inbox.locked import COUNTS_AGAIN_SECONDS, news_words
from streams.inbox.opened import WAYS
from streams.inbox.pages import stay_words as pages
from streams.inbox.places import Places
from streams.inbox.presence import Presence
from streams.inbox.refs import Refs
from streams.inbox.sign_in.passkeys import Place, place_of
from streams.inbox.sign_in.provider import Provider, ProviderAway
from streams.run.health import Check, Health, Needed
from streams.run.rule_file import RuleFile
from streams.run.rule_files import CONFIDENTIALITY, GUIDES, POLICY
from streams.run.settings import Settings
from streams.store import Store
from streams.store.audit import ORIGIN
from streams.store.keys import secret_of
from streams.store.reviews import UNDO_SECONDS as REVIEW_UNDO_SECONDS
from streams.store.reviews import Verdict
from streams.store.revisions import TablesAre, check
from streams.store.sessions import Session, Way
from streams.words import times as time_words

COOKIE: Final = "handoff_session"
TRIP_COOKIE: Final = "handoff_trip"
BEAT_SECONDS: Final = 3.0
LONGEST_AGO_MS: Final = 60_000  # a page reports a gesture within seconds, or as soon as it can
MOST_ROWS_AT_ONCE: Final = 60  # more at once: the page fetches its list anew
MOST_READ_AGAIN: Final = 1_000
REVIEWS_SHOWN: Final = 20
REVIEWS_ANSWERED_HOURS: Final = 24
ASKED_AT_ONCE: Final = 8  # at the provider, which may take seconds to answer: no page waits behind that
HASHED_AT_ONCE: Final = 2  # passwords: each takes 64 MiB, and no page waits for a flood of them
ACTS: Final = {"take": ActKind.TAKE, "acknowledge": ActKind.NOTED}
UNDO_SECONDS: Final = 10  # how long a page offers to take an act back; `rules.following.acts` allows for a slow line
SAID_OF_REVIEW: Final = {
    Verdict.SAME.value: f"Saved: the same person. What waited goes out in {REVIEW_UNDO_SECONDS} seconds.",
    Verdict.DIFFERENT.value: "Saved: different people. No one was told.",
    "undone": "Taken back. It waits for an answer again.",
    "over": "Too late to take that back: it has had its effect.",
    Verdict.NOT_SURE.value: "Saved: not sure. It goes on waiting.",
    "before": "Somebody answered this before you.",
}
WORDS_OF_VERDICT: Final = {
    Verdict.SAME: "same person",
    Verdict.DIFFERENT: "different people",
    Verdict.NOT_SURE: "not sure",
}
HERE: Final = Path(__file__).parent
log = structlog.get_logger()


class Reader(NamedTuple):
    """Who is at the page."""

    session: Session
    person: CaseManager


class SignedOut(Exception):
    """No session, or a locked one."""

    def __init__(self, session: Session | None = None) -> None:
        super().__init__()
        self.session = session


class NotTheirs(Exception):
    """Their role does not do that; to them it looks as if it were not there."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self.reader = reader


@lru_cache(maxsize=64)
def asset(name: str) -> str:
    """Address of one of our static files; changes when the file does."""
    return f"/static/{name}?v={hashlib.sha256((HERE / 'static' / name).read_bytes()).hexdigest()[:12]}"


class Inbox:
    """The pages. `demo` lets a reader become another and unlock with one press."""

    def __init__(self, settings: Settings, store: Store, *, demo: bool = False) -> None:
        self.settings = settings
        self.store = store
        self.desk = Desk(
            store,
            RuleFile(CONFIDENTIALITY, settings).current,
            RuleFile(POLICY, settings).current,
            RuleFile(GUIDES, settings).current,
        )
        self.live = Live(self.desk)
        self.demo = demo
        self.presence = Presence()
        self.guesses = Guesses()
        self.hashing = CapacityLimiter(HASHED_AT_ONCE)
        self.asking = CapacityLimiter(ASKED_AT_ONCE)
        self.provider = Provider(settings) if settings.oidc_issuer else None
        self.https = settings.front_page.startswith("https://") or settings.inbox_tls_cert is not None
        self.refs = Refs()
        self.deltas = Deltas()
        self.places = Places()
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def cookie(self, name: str) -> str:
        """The cookie's name: over TLS one that a browser takes from this host alone (RFC 6265bis, `__Host-`)."""
        return f"__Host-{name}" if self.https else name

    def set_cookie(self, answer: Response, name: str, value: str, seconds: int | None = None) -> None:
        answer.set_cookie(
            self.cookie(name), value, max_age=seconds, httponly=True, secure=self.https, samesite="lax", path="/"
        )

    def drop_cookie(self, answer: Response, name: str) -> None:
        answer.delete_cookie(self.cookie(name), httponly=True, secure=self.https, samesite="lax", path="/")

    @cached_property
    def secret(self) -> bytes:
        """The hash key, by which second factors are sealed. Reads the store."""
        return secret_of(self.settings, self.store)

    def place_of(self, request: Request) -> Place | None:
        """Where a passkey of the page that asks is good."""
        front = urlsplit(self.settings.front_page)
        if front.netloc:
            return place_of(f"{front.scheme}://{front.netloc}")
        return place_of(f"http{'s' if self.https else ''}://{request.headers.get('host', '')}")

    async def reader(
        self, request: Request, doing: Doing | None, *, locked_too: bool = False, enrolling: bool = False
    ) -> Reader:
        """Who is at the page, if their role may do that; `None`: whatever it is. Raises `SignedOut` or `NotTheirs`.

        `enrolling`: also who came by a link that only sets up how one signs in.
        """
        secret = request.cookies.get(self.cookie(COOKIE), "")
        now = datetime.now(UTC)
        session = await run_in_threadpool(self.store.sessions.find, secret, now)
        if session is None:
            raise SignedOut
        IN_24_HOURS.set(session.in_24_hours)
        session = session._replace(active_at=self.presence.touched(secret, session.active_at))
        if session.locked(now, self.settings.lock_minutes) and not locked_too:
            raise SignedOut(session)
        if session.way == Way.ENROLL and not enrolling:
            raise SignedOut(session)
        ORIGIN.set(f"{request.client.host if request.client else ''}, session {session.handle}")
        person = await run_in_threadpool(self.desk.person, session.case_manager_id)
        if person is None:
            raise SignedOut
        if doing is not None and not may(person.role, doing):
            raise NotTheirs(Reader(session, person))
        return Reader(session, person)

    async def posted(self, request: Request, reader: Reader) -> FormData:
        form = await request.form(max_files=0, max_fields=60)
        given = request.headers.get("x-csrf-token") or str(form.get("csrf", ""))
        if not hmac.compare_digest(given.encode(), reader.session.csrf.encode()):
            raise SignedOut
        ago = str(form.get("ago", "0"))
        since = min(int(ago), LONGEST_AGO_MS) if ago.isdecimal() else 0
        await self._touch(reader.session, datetime.now(UTC) - timedelta(milliseconds=since))
        return form

    async def _touch(self, session: Session, at: datetime) -> None:
        if self.presence.touch(session.secret, at):
            await run_in_threadpool(self.store.sessions.touch, session, at)

    async def came(self, request: Request, reader: Reader) -> bool:
        """Whether a person opened this page, rather than the page itself; that is a gesture."""
        if request.headers.get("sec-fetch-user") == "?1":
            await self._touch(reader.session, datetime.now(UTC))
            return True
        return request.method == "GET" and "sec-fetch-mode" not in request.headers

    def locks_in(self, session: Session) -> float:
        """Seconds until the session locks."""
        locks_at = session.active_at + timedelta(minutes=self.settings.lock_minutes)
        return max(0.0, round((locks_at - datetime.now(UTC)).total_seconds(), 1))

    async def signed_out(self, request: Request, session: Session | None, *, opened: bool) -> Response:
        """What somebody without a session, or with this locked one, gets in place of what they asked for."""
        if not opened:
            return PlainTextResponse("signed out", 401)
        if session is None:
            return await self.please_sign_in()
        if session.way == Way.ENROLL:
            return RedirectResponse(WAYS, 303) if request.url.path != WAYS else await self.please_sign_in()
        person = await run_in_threadpool(self.desk.name, session.case_manager_id)
        since = time_words.time_or_moment(session.active_at, datetime.now(UTC), self.desk.zone)
        news = await run_in_threadpool(self._news_words, session, since)
        lines = (f"{person} has not touched this page since {since}, so it shows nothing.", *news)
        fields = {"back": request.url.path}
        button: dict[str, Any] | None = None
        if self.demo:
            button = {"action": "/unlock", "words": f"Unlock as {person}", "fields": fields}
        else:
            way = "/sign-in/provider" if self.provider else "/sign-in"
            button = {"href": f"{way}?{urlencode(fields)}", "words": "Sign in again"}
        answer = self.page("words.html", 401, heading="Locked", lines=lines, button=button, csrf=session.csrf)
        if request.method == "GET":
            answer.headers["Refresh"] = str(COUNTS_AGAIN_SECONDS)
        return answer

    def _news_words(self, session: Session, since_words: str) -> tuple[str, ...]:
        """What a locked page says of news, to those who have a list."""
        person, since, now = self.desk.person(session.case_manager_id), session.active_at, datetime.now(UTC)
        if person is None or not may(person.role, Doing.SEE_ROW):
            return ()
        changed = self.store.changes.told_since(person.case_manager_id, since)
        return (news_words(self.desk.stays(person, now, changed) if changed else (), since, since_words),)

    async def please_sign_in(
        self, status: int = 401, heading: str = "Please sign in", why: str = "", back: str = "/"
    ) -> Response:
        """The page that says how to get in, and why that did not work before."""
        if self.provider:
            button = {"href": "/sign-in/provider", "words": "Sign in"}
            return self.page("words.html", status, heading=heading, lines=[why] if why else [], button=button)
        own = await run_in_threadpool(self.store.credentials.in_use)
        whom = self.whom_to_ask()
        return self.page("sign_in.html", status, heading=heading, why=why, own=own, back=back, whom=whom)

    def not_theirs(self, request: Request, reader: Reader) -> Response:
        """The front page leads those who see no patients to what is theirs; elsewhere there is nothing."""
        theirs = (
            (Doing.SEE_AUDIT, "/audit"),
            (Doing.CHANGE_DESTINATIONS, "/destinations"),
            (Doing.SEE_FEEDS, "/feeds"),
        )
        first = next((address for doing, address in theirs if may(reader.person.role, doing)), None)
        if request.url.path != "/" or first is None:
            return PlainTextResponse("not here", 404)
        return RedirectResponse(first, 303)

    def way_out(self, session: Session) -> str:
        """Where the browser goes to sign out at the provider as well; "" for a session that is not of it."""
        if self.provider is None or not session.id_token:
            return ""
        try:
            return self.provider.way_out(session.id_token)
        except ProviderAway as away:
            log.warning("provider_away", why=str(away))
            return ""

    def leave(self, provider: str) -> Response:
        """The page after signing out here, which goes on to the provider: a form may not be redirected there."""
        if not provider:
            return RedirectResponse("/signed-out", 303)
        lines = ("You are signed out here. The provider is asked to sign you out there, too.",)
        button = {"href": provider, "words": "Sign out there"}
        answer = self.page("words.html", heading="One moment", lines=lines, button=button)
        answer.headers["Refresh"] = f"0; url={provider}"
        return answer

    def whom_to_ask(self) -> str:
        return f"Ask {self.settings.inbox_contact or 'the person who runs this inbox'}."

    async def away(self, request: Request, _error: Exception) -> Response:
        if request.method not in {"GET", "HEAD"}:
            return PlainTextResponse("the store does not answer now", 503)
        lines = ("The store behind this page does not answer. Nothing is lost.", "Reload the page in a moment.")
        return self.page("words.html", 503, heading="Not available right now", lines=lines, button=None)

    async def unreadable(self, request: Request, error: Exception) -> Response:
        """A document that only a newer program reads is named; any other that cannot be read is a bug of ours."""
        if (await run_in_threadpool(check, self.store.database)).tables is not TablesAre.NEWER:
            raise error
        if request.method not in {"GET", "HEAD"}:
            return PlainTextResponse("a newer version of the program is needed for this", 503)
        lines = (
            "What this page shows was written by a newer version of the program than the one that answered.",
            "Nothing is lost. Reload the page in a moment; if this stays, have the newer version started.",
        )
        return self.page("words.html", 503, heading="A newer version is needed", lines=lines, button=None)

    def page(self, template: str, status: int = 200, /, *, reader: Reader | None = None, **values: Any) -> HTMLResponse:
        """`reader`: who is at the page; the template has the person as `reader`, and the session's `csrf`."""
        return HTMLResponse(self.render(template, reader=reader, **values), status)

    def render(self, template: str, /, *, reader: Reader | None = None, **values: Any) -> str:
        role = reader.person.role if reader else None
        known: dict[str, Any] = {
            "asset": asset,
            "csrf": reader.session.csrf if reader else "",
            "reader": reader.person if reader else None,
            "demo": self.demo,
            "reviews": 0,
            "board_link": role is not None and bool(may(role, Doing.SEE_BOARD)),
            "destinations_link": role is not None and bool(may(role, Doing.CHANGE_DESTINATIONS)),
            "feeds_link": role is not None and bool(may(role, Doing.SEE_FEEDS)) and not may(role, Doing.SEE_BOARD),
            "script": "",
            "in_24_hours": IN_24_HOURS.get(),
            "lock_seconds": self.settings.lock_minutes * 60,
            "undo_seconds": UNDO_SECONDS,
        }
        return self._templates.get_template(template).render(known | values)

    def health(self) -> Health:
        """Live while the poller runs; ready while the store answers it."""
        answers = self.live.fresh(datetime.now(UTC))
        why = "" if answers else "the store does not answer: see `handoff doctor`"
        return Health(
            (
                Check("poller", ok=not self.live.dead, why="the poller has ended: restart", needed=Needed.LIVE),
                Check("store", ok=answers, why=why, needed=Needed.READY),
            )
        )


def wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


async def gone_away(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)


def news(stay: pages.StayWords) -> str:
    """What changed last, for a page that changed by itself."""
    if stay.row.marks:
        return ", ".join(stay.row.marks)
    return stay.story[0].did if stay.story else ""


def tel(phone: str) -> str:
    """What a telephone dials (RFC 3966) for a number of ten digits, else ""."""
    digits = "".join(character for character in phone if character.isdigit())
    return f"+1{digits}" if len(digits) == 10 else ""


def bare(change: Change) -> bytes:
    item = change.item
    data = {
        "position": item.position,
        "kind": item.kind.value,
        "alert_id": item.alert_id,
        "version": item.version,
        "message_id": change.message_id,
        "received_at": change.received_at.isoformat() if change.received_at else "",
        "prompt": change.prompt,
    }
    return sse("change", data, item.position)


def events(stream: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


class Assets(StaticFiles):
    """Our static files; their addresses change with their content, so they may be kept."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        answer = super().file_response(*args, **kwargs)
        answer.headers["Cache-Control"] = "max-age=31536000, immutable"
        return answer
