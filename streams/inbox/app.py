"""Settings in, the running inbox out: its pages, its event streams, its address in `<data_dir>/inbox.json`."""

import asyncio
import contextlib
import hashlib
import ipaddress
import json
import os
import re
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import jinja2
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from parsers.people import CaseManager, Enrollee
from rules.decisions import Action
from rules.telling.directory import BUILT_IN_CENTRAL_OFFICE
from streams.inbox import quiet
from streams.inbox.access import Desk, StayDetail
from streams.inbox.guesses import Guesses
from streams.inbox.live import Change, Live, sse
from streams.inbox.pages import list_rows as rows
from streams.inbox.pages import stay_words as pages
from streams.inbox.presence import Presence
from streams.inbox.same_origin import Guard
from streams.inbox.serving import StoppingServer, TimedProtocol, listening_socket
from streams.run.confidentiality_file import confidentiality_of
from streams.run.files import private_folder
from streams.run.health import Check, Health, Needed
from streams.run.policy_file import PolicyFile
from streams.run.scrape import serve_for
from streams.run.settings import Settings
from streams.store import Store, Unavailable
from streams.store.actions import UNDO_SECONDS, ActionKind, HeldBy, TooLate
from streams.store.audit import Audited
from streams.store.changes import FeedKind
from streams.store.reviews import UNDO_SECONDS as REVIEW_UNDO_SECONDS
from streams.store.reviews import Verdict
from streams.store.sessions import Session, end_session, find_session, open_session, touch_session
from streams.words import people as people_words
from streams.words import times as time_words

COOKIE: Final = "handoff_session"
BEAT_SECONDS: Final = 3.0
LONGEST_AGO_MS: Final = 60_000  # a page reports a gesture within seconds, or as soon as it can
MOST_ROWS_AT_ONCE: Final = 60  # more at once: the page fetches its list anew
MOST_READ_AGAIN: Final = 1_000
REVIEWS_SHOWN: Final = 20
REVIEWS_ANSWERED_HOURS: Final = 24
ACTS: Final = {"take": ActionKind.TAKEN, "acknowledge": ActionKind.ACKNOWLEDGED}
SAID_OF_REVIEW: Final = {
    Verdict.SAME.value: f"Kept: the same person. What waited goes out in {REVIEW_UNDO_SECONDS} seconds.",
    Verdict.DIFFERENT.value: "Kept: different people. Nobody is told.",
    "undone": "Taken back. It waits for an answer again.",
    "over": "Too late to take that back: it has had its effect.",
    Verdict.NOT_SURE.value: "Kept: not sure. It goes on waiting.",
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


@lru_cache(maxsize=64)
def asset(name: str) -> str:
    """Address of one of our static files; changes when the file does."""
    return f"/static/{name}?v={hashlib.sha256((HERE / 'static' / name).read_bytes()).hexdigest()[:12]}"


class Inbox:
    """The pages. `demo` lets a reader become another and unlock with one press."""

    def __init__(self, settings: Settings, store: Store, *, demo: bool = False) -> None:
        self.settings = settings
        self.store = store
        self.desk = Desk(store, confidentiality_of(settings), PolicyFile(settings.policy).current)
        self.live = Live(self.desk)
        self.demo = demo
        self._presence = Presence()
        self._guesses = Guesses()
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def app(self) -> ASGIApp:
        """The ASGI app with its guard; the poller runs as long as the app does."""

        @contextlib.asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            poller = asyncio.create_task(self.live.run())
            poller.add_done_callback(self.live.ended)
            try:
                yield
            finally:
                self.live.close()
                poller.cancel()
                await asyncio.gather(poller, return_exceptions=True)

        app = Starlette(
            lifespan=lifespan,
            routes=[
                Route("/", self.list_page),
                Route("/list", self.list_part),
                Route("/stay/{alert_id}", self.stay_page),
                Route("/stay/{alert_id}/part", self.stay_part),
                Route("/stay/{alert_id}/undo", self.undo, methods=["POST"]),
                Route("/stay/{alert_id}/seen", self.seen, methods=["POST"]),
                Route("/stay/{alert_id}/{act}", self.act, methods=["POST"]),
                Route("/stream", self.stream),
                Route("/stream/all", self.stream_all),
                Route("/still", self.still),
                Route("/left", self.left),
                Route("/here", self.here, methods=["POST"]),
                Route("/place", self.put_place, methods=["POST"]),
                Route("/place/{place}", self.place),
                Route("/sign-in", self.sign_in_page, methods=["GET"]),
                Route("/sign-in", self.sign_in, methods=["POST"]),
                Route("/sign-out", self.sign_out, methods=["POST"]),
                Route("/unlock", self.unlock, methods=["POST"]),
                Route("/become", self.become_page, methods=["GET"]),
                Route("/become", self.become, methods=["POST"]),
                Route("/review", self.review_page, methods=["GET"]),
                Route("/review/{review_id}", self.settle, methods=["POST"]),
                Route("/review/{review_id}/undo", self.take_back_review, methods=["POST"]),
                Mount("/static", _Assets(directory=HERE / "static")),
            ],
            exception_handlers={
                SignedOut: self._signed_out,
                Unavailable: self._away,
                ClientDisconnect: _gone_away,
            },
        )
        return Guard(GZipMiddleware(app, minimum_size=1_000, compresslevel=5), self.settings.inbox_host)

    # who is there

    async def _reader(self, request: Request, *, locked_too: bool = False) -> Reader:
        secret = request.cookies.get(COOKIE, "")
        now = datetime.now(UTC)
        session = await run_in_threadpool(find_session, self.store, secret, now)
        if session is None:
            raise SignedOut
        session = session._replace(active_at=self._presence.touched(secret, session.active_at))
        if session.locked(now, self.settings.lock_minutes) and not locked_too:
            raise SignedOut(session)
        person = await run_in_threadpool(self.desk.person, session.case_manager_id)
        if person is None:
            raise SignedOut
        return Reader(session, person)

    async def _posted(self, request: Request, reader: Reader) -> FormData:
        form = await request.form(max_files=0, max_fields=20)
        given = request.headers.get("x-csrf-token") or str(form.get("csrf", ""))
        if given != reader.session.csrf:
            raise SignedOut
        ago = str(form.get("ago", "0"))
        since = min(int(ago), LONGEST_AGO_MS) if ago.isdecimal() else 0
        await self._touch(reader.session, datetime.now(UTC) - timedelta(milliseconds=since))
        return form

    async def _touch(self, session: Session, at: datetime) -> None:
        if self._presence.touch(session.secret, at):
            await run_in_threadpool(touch_session, self.store, session, at)

    async def _came(self, request: Request, reader: Reader) -> bool:
        """Whether a person opened this page, rather than the page itself; that is a gesture."""
        if request.headers.get("sec-fetch-user") == "?1":
            await self._touch(reader.session, datetime.now(UTC))
            return True
        return request.method == "GET" and "sec-fetch-mode" not in request.headers

    def _left(self, session: Session) -> float:
        """Seconds until the session locks."""
        locks_at = session.active_at + timedelta(minutes=self.settings.lock_minutes)
        return max(0.0, round((locks_at - datetime.now(UTC)).total_seconds(), 1))

    async def _signed_out(self, request: Request, error: Exception) -> Response:
        session = error.session if isinstance(error, SignedOut) else None
        if request.method not in {"GET", "HEAD"} or request.url.path not in {"/", "/become", "/review"} | _stay_paths(
            request
        ):
            return PlainTextResponse("signed out", 401)
        if session is None:
            lines = (
                "This page opens with a one-time link.",
                "The person who runs this inbox makes one with: handoff sign-in",
            )
            return self._page("words.html", 401, heading="Please sign in", lines=lines, button=None)
        person = await run_in_threadpool(self.desk.name, session.case_manager_id)
        since = time_words.time_or_moment(session.active_at, datetime.now(UTC))
        lines = (
            f"{person} has not touched this page since {since}, so it shows nothing.",
            "" if self.demo else "Open it again with a new one-time link: handoff sign-in",
        )
        fields = {"back": request.url.path}
        button = {"action": "/unlock", "words": f"Unlock as {person}", "fields": fields} if self.demo else None
        return self._page(
            "words.html",
            401,
            heading="Locked",
            lines=[line for line in lines if line],
            button=button,
            csrf=session.csrf,
        )

    async def _away(self, request: Request, _error: Exception) -> Response:
        if request.method not in {"GET", "HEAD"}:
            return PlainTextResponse("the store does not answer now", 503)
        lines = ("The store behind this page does not answer. Nothing is lost.", "Reload the page in a moment.")
        return self._page("words.html", 503, heading="Not available right now", lines=lines, button=None)

    def _page(self, template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
        return HTMLResponse(self._render(template, **values), status)

    def _render(self, template: str, /, **values: Any) -> str:
        known: dict[str, Any] = {
            "asset": asset,
            "csrf": "",
            "reader": None,
            "demo": self.demo,
            "reviews": 0,
            "script": "",
            "lock_seconds": self.settings.lock_minutes * 60,
            "undo_seconds": UNDO_SECONDS,
        }
        return self._templates.get_template(template).render(known | values)

    # the list

    async def list_page(self, request: Request) -> Response:
        reader = await self._reader(request)
        came = await self._came(request, reader)
        return await run_in_threadpool(self._list_page, reader, came=came)

    def _list_page(self, reader: Reader, *, came: bool) -> Response:
        now = datetime.now(UTC)
        position = self.store.position()
        found = self._rows(reader, now)
        last = max((item.latest.decided_at for item, _ in found), default=None)
        what = Audited.READ_LIST if came else Audited.AUTO
        self.store.audit(reader.person.case_manager_id, what, now, detail=f"list, {len(found)} stays")
        return self._page(
            "list.html",
            reader=reader.person,
            csrf=reader.session.csrf,
            position=position,
            last_alert=int((now - last).total_seconds()) if last else "",
            now_words=time_words.moment(now, now),
            groups=self._groups(reader, found, now),
            reviews=self.store.review_count(self.desk.answers_for(reader.person, now)),
        )

    async def list_part(self, request: Request) -> Response:
        """The list as a page fetches it by itself; 304 when it would show the same rows."""
        reader = await self._reader(request)
        return await run_in_threadpool(self._list_part, reader, request.headers.get("if-none-match", ""))

    def _list_part(self, reader: Reader, known: str) -> Response:
        now = datetime.now(UTC)
        position = self.store.position()
        found = self._rows(reader, now)
        groups = self._groups(reader, found, now)
        shown = [[group["id"], list(group["rows"]), "" if group["rows"] else group["empty"]] for group in groups]
        headers = {
            "X-Position": str(position),
            "ETag": f'W/"{hashlib.sha256(repr(shown).encode()).hexdigest()[:32]}"',
        }
        if known == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        who = reader.person.case_manager_id
        self.store.audit(who, Audited.AUTO, now, detail=f"list, {len(found)} stays")
        answer = self._page("groups.html", groups=groups)
        answer.headers.update(headers)
        return answer

    def _rows(self, reader: Reader, now: datetime) -> list[tuple[rows.ReaderStay, rows.Row]]:
        who = reader.person.case_manager_id
        return [(stay, rows.row(stay, who, now)) for stay in self.desk.stays(reader.person, now)]

    def _groups(
        self, reader: Reader, found: list[tuple[rows.ReaderStay, rows.Row]], now: datetime
    ) -> list[dict[str, Any]]:
        around = self.desk.around(reader.person, now, [stay.latest.alert_id for stay, _ in found])
        empty = quiet.empty_words(around, now)
        cut = quiet.cut_words(len(found), around.listed)
        return [
            {"id": group.value, "words": rows.GROUP_WORDS[group], "rows": members, "empty": empty[group], "open": False}
            | {"note": cut if group is rows.Group.NOW else ""}
            for group, members in rows.grouped(row for _, row in found).items()
        ]

    # one stay

    async def stay_page(self, request: Request) -> Response:
        reader = await self._reader(request)
        came = await self._came(request, reader)
        return await run_in_threadpool(self._stay, reader, request.path_params["alert_id"], "stay.html", came=came)

    async def stay_part(self, request: Request) -> Response:
        """A stay as its page fetches it by itself: nobody has looked at it yet."""
        reader = await self._reader(request)
        return await run_in_threadpool(
            self._stay, reader, request.path_params["alert_id"], "stay_part.html", came=False
        )

    def _stay(self, reader: Reader, alert_id: str, template: str, *, came: bool) -> Response:
        now = datetime.now(UTC)
        who = reader.person.case_manager_id
        position = self.store.position()
        detail = self.desk.detail(reader.person, alert_id)
        if detail is None:
            lines = ("There is no such stay, or it is not yours to see.",)
            return self._page(
                "words.html",
                404,
                heading="Not here",
                lines=lines,
                button=None,
                reader=reader.person,
                csrf=reader.session.csrf,
            )
        self._note_reading(who, detail, detail.stay.latest.version, now, came=came)
        stay = pages.stay_words(detail, who, now)
        answer = self._page(
            template,
            reader=reader.person,
            csrf=reader.session.csrf,
            position=position,
            last_alert=int((now - detail.stay.latest.decided_at).total_seconds()),
            stay=stay,
            holder=detail.stay.taken.case_manager_id if detail.stay.taken else "",
            news=_news(stay),
            tel=_tel(stay.phone),
        )
        answer.headers["X-Position"] = str(position)
        return answer

    def _note_reading(self, who: str, detail: StayDetail, version: int, now: datetime, *, came: bool) -> None:
        """Audits who got to see the stay. A person's coming marks it seen; a retraction is seen by a press only."""
        latest = detail.stay.latest
        self.store.audit(
            who,
            Audited.READ_STAY if came else Audited.AUTO,
            now,
            alert_ids=(latest.alert_id,),
            enrollee_id=latest.person.enrollee_id if latest.person else "",
            detail=f"version {version}, {detail.ruling}",
        )
        told = [
            view.version
            for view in detail.stay.versions
            if view.version <= version and view.action is not Action.RETRACT
        ]
        if came and told and detail.stay.seen < max(told):
            self.store.mark_seen(who, {latest.alert_id: max(told)}, now)

    async def seen(self, request: Request) -> Response:
        """A person pressed *Show* on what a page had changed by itself."""
        reader = await self._reader(request)
        form = await self._posted(request, reader)
        version = str(form.get("version", ""))
        if not version.isdecimal():
            return PlainTextResponse("no such version", 400)
        return await run_in_threadpool(self._seen, reader, request.path_params["alert_id"], int(version))

    def _seen(self, reader: Reader, alert_id: str, version: int) -> Response:
        detail = self.desk.detail(reader.person, alert_id)
        if detail is None:
            return PlainTextResponse("not yours", 404)
        self._note_reading(reader.person.case_manager_id, detail, version, datetime.now(UTC), came=True)
        return Response(status_code=204)

    async def act(self, request: Request) -> Response:
        reader = await self._reader(request)
        form = await self._posted(request, reader)
        action = ACTS.get(request.path_params["act"])
        version = str(form.get("version", ""))
        if action is None or not version.isdecimal():
            return PlainTextResponse("no such action", 400)
        over = str(form.get("over", ""))
        return await run_in_threadpool(self._act, request, reader, action, int(version), over)

    def _act(self, request: Request, reader: Reader, action: ActionKind, version: int, over: str) -> Response:
        alert_id = request.path_params["alert_id"]
        who = reader.person.case_manager_id
        if not self.store.may_see(who, alert_id):
            return PlainTextResponse("not yours", 404)
        try:
            position = self.store.act(alert_id, who, action, version, datetime.now(UTC), over=over)
        except KeyError:
            return PlainTextResponse("no such version", 409)
        except HeldBy as held:
            return self._held(request, reader, held.case_manager_id, version)
        if _wants_json(request):
            return JSONResponse({"position": position})
        return RedirectResponse(f"/stay/{alert_id}", 303)

    def _held(self, request: Request, reader: Reader, holder: str, version: int) -> Response:
        """Asks before a stay is taken from the person who holds it."""
        name = self.desk.name(holder)
        question = f"{name} has this. Take it over?"
        if _wants_json(request):
            return JSONResponse({"question": question, "over": holder}, 409)
        fields = {"version": str(version), "over": holder}
        button = {"action": request.url.path, "words": f"Take it over from {name}", "fields": fields}
        return self._page(
            "words.html",
            409,
            heading=question,
            lines=(),
            button=button,
            reader=reader.person,
            csrf=reader.session.csrf,
        )

    async def undo(self, request: Request) -> Response:
        reader = await self._reader(request)
        form = await self._posted(request, reader)
        position = str(form.get("position", ""))
        if not position.isdecimal():
            return PlainTextResponse("no such action", 400)
        try:
            back = await run_in_threadpool(
                self.store.undo, int(position), reader.person.case_manager_id, datetime.now(UTC)
            )
        except KeyError:
            return PlainTextResponse("nothing to undo", 409)
        except TooLate:
            return PlainTextResponse("too late", 409)
        return JSONResponse({"position": back})

    # live

    async def stream(self, request: Request) -> Response:
        reader = await self._reader(request)
        if not await self._fresh():
            return PlainTextResponse("not live now", 503)
        start = await self._start(request)
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        return _events(self._changes(request, reader, start))

    async def _fresh(self) -> bool:
        """Whether the pages can be live; waits a moment for a poller that has just begun."""
        for _ in range(40):
            if self.live.polled_at or self.live.dead or self.live.closing:
                break
            await asyncio.sleep(0.05)
        return self.live.fresh(datetime.now(UTC))

    async def _start(self, request: Request) -> int:
        given = request.headers.get("last-event-id") or request.query_params.get("after", "")
        return int(given) if given.isdecimal() else await run_in_threadpool(self.store.position)

    async def _changes(self, request: Request, reader: Reader, position: int) -> AsyncIterator[bytes]:
        """Rows of the reader's stays as they change; a beat every few seconds; where the page must refetch, that."""
        who = reader.person.case_manager_id
        wake = self.live.subscribe()
        self._presence.opened(reader.session.secret, wake)
        try:
            yield b"retry: 1000\n\n"
            loop = asyncio.get_running_loop()
            next_beat = loop.time()
            while self.live.fresh(datetime.now(UTC)) and not await request.is_disconnected():
                wake.clear()
                changes = await self._after(position)
                mine = [change for change in changes or () if who in change.item.people]
                beat = loop.time() >= next_beat
                reader = await self._reader(request)  # nothing flows once it has signed out or is locked
                if changes is None:
                    position = self.live.position
                    yield sse("refetch", {}, position)
                elif changes:
                    position = changes[-1].item.position
                    if len({change.item.alert_id for change in mine}) > MOST_ROWS_AT_ONCE:
                        yield sse("refetch", {}, position)
                        self.live.written(mine)
                    elif mine:
                        for event in await run_in_threadpool(self._row_events, reader, mine):
                            yield event
                        self.live.written(mine)
                        yield sse("at", {}, position)
                if beat:
                    next_beat = loop.time() + BEAT_SECONDS
                    yield sse("beat", await run_in_threadpool(self._beat, reader), position)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), max(0.01, next_beat - loop.time()))
        except SignedOut:
            yield sse("locked", {})
        except Unavailable:
            log.info("inbox_stream_ended", why="store away")
        finally:
            self._presence.closed(reader.session.secret, wake)
            self.live.unsubscribe(wake)

    def _beat(self, reader: Reader) -> dict[str, Any]:
        """What the line at the top of a page says: ages in seconds."""
        now = datetime.now(UTC)
        silent, feeds = self.desk.silent(now)
        return {
            "last_alert": self._last_alert_age(reader.person),
            "left": self._left(reader.session),
            "silent": [
                {"name": heard.feed, "since": int((now - heard.received_at).total_seconds())} for heard in silent
            ],
            "feeds": feeds,
        }

    async def _after(self, position: int) -> list[Change] | None:
        """Like `Live.after`, but asks the store for what was before this process, and waits a moment for a poller that
        has not caught up with this page yet."""
        for _ in range(40):
            if position <= self.live.position and self.live.polled_at:
                break
            await asyncio.sleep(0.05)
        remembered = self.live.after(position)
        if remembered is not None:
            return remembered
        if position > self.live.position:
            return None
        found = await run_in_threadpool(self.live.read, position, MOST_READ_AGAIN)
        return found if len(found) < MOST_READ_AGAIN else None

    def _row_events(self, reader: Reader, changes: list[Change]) -> list[bytes]:
        now = datetime.now(UTC)
        last = {change.item.alert_id: change.item.position for change in changes}
        told = {change.item.alert_id for change in changes if change.item.kind is FeedKind.ALERT}
        stays = {stay.latest.alert_id: stay for stay in self.desk.stays(reader.person, now, list(last))}
        events = []
        for alert_id, position in sorted(last.items(), key=lambda item: item[1]):
            stay = stays.get(alert_id)
            if stay is None:
                events.append(sse("gone", {"id": alert_id}, position))
                continue
            row = rows.row(stay, reader.person.case_manager_id, now)
            html = self._render("row.html", row=row)
            data = {"id": alert_id, "html": html, "told": alert_id in told, "speak": row.speak}
            events.append(sse("row", data, position))
        return events

    def _last_alert_age(self, reader: CaseManager) -> int | None:
        at = self.desk.last_alert_at(reader.case_manager_id)
        return max(0, int((datetime.now(UTC) - at).total_seconds())) if at else None

    async def stream_all(self, request: Request) -> Response:
        """Every change of every alert as JSON without PHI, for harnesses that measure."""
        await self._reader(request, locked_too=True)
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        return _events(self._all_changes(request, await self._start(request)))

    async def _all_changes(self, request: Request, position: int) -> AsyncIterator[bytes]:
        wake = self.live.subscribe()
        try:
            yield sse("beat", {}, position)
            while not self.live.closing and not self.live.dead and not await request.is_disconnected():
                wake.clear()
                changes = await self._after(position)
                if changes is None:
                    position = self.live.position
                    yield sse("refetch", {}, position)
                elif changes:
                    position = changes[-1].item.position
                    yield b"".join(_bare(change) for change in changes)
                    self.live.written(changes)
                try:
                    await asyncio.wait_for(wake.wait(), BEAT_SECONDS)
                except TimeoutError:
                    yield sse("beat", {}, position)
        finally:
            self.live.unsubscribe(wake)

    async def still(self, request: Request) -> Response:
        """Whether a page that lost its stream may open it again."""
        await self._reader(request)
        if not await self._fresh():
            return PlainTextResponse("not live now", 503)
        return Response(status_code=204)

    async def left(self, request: Request) -> Response:
        """Seconds until the session locks, whichever tab its last gesture was in."""
        reader = await self._reader(request)
        return JSONResponse({"left": self._left(reader.session)})

    async def here(self, request: Request) -> Response:
        reader = await self._reader(request)
        await self._posted(request, reader)
        return Response(status_code=204)

    async def put_place(self, request: Request) -> Response:
        reader = await self._reader(request)
        form = await self._posted(request, reader)
        place, padded = str(form.get("place", "")), str(form.get("padded", ""))
        if not re.fullmatch(r"[0-9a-f]{16}", place) or not re.fullmatch(r"[0-9a-f]{0,512}", padded):
            return PlainTextResponse("no such place", 400)
        self._presence.put_place(reader.session.secret, place, padded)
        return Response(status_code=204)

    async def place(self, request: Request) -> Response:
        reader = await self._reader(request)
        return PlainTextResponse(self._presence.place(reader.session.secret, request.path_params["place"]))

    # signing in and out

    async def sign_in_page(self, request: Request) -> Response:
        """Asks for a press; mail scanners and previews that open the link do not use it up."""
        token = request.query_params.get("t", "")
        who = await self._tried(request, self.store.link_for, token)
        if isinstance(who, Response):
            return who
        name = await run_in_threadpool(self.desk.name, who)
        button = {"action": "/sign-in", "words": f"Sign in as {name}", "fields": {"t": token}}
        return self._page("words.html", heading="Open the inbox", lines=("This link works once.",), button=button)

    async def sign_in(self, request: Request) -> Response:
        form = await request.form(max_files=0, max_fields=5)
        who = await self._tried(request, self.store.redeem, str(form.get("t", "")))
        if isinstance(who, Response):
            return who
        before = request.cookies.get(COOKIE, "")
        now = datetime.now(UTC)
        if session := await run_in_threadpool(find_session, self.store, before, now):
            await self._end(session)
        return await self._enter(who, now)

    async def _tried(self, request: Request, ask: Callable[[str, datetime], str | None], token: str) -> str | Response:
        """Whom the link is for, or the page that says why it opens nothing."""
        address = request.client.host if request.client else ""
        if wait := self._guesses.wait(address, time.monotonic()):
            lines = ("Too many links were tried from here. Wait a minute.",)
            answer = self._page("words.html", 429, heading="Please wait", lines=lines, button=None)
            answer.headers["Retry-After"] = str(int(wait) + 1)
            return answer
        who = await run_in_threadpool(ask, token, datetime.now(UTC))
        if who is not None:
            return who
        self._guesses.wrong(address, time.monotonic())
        told = ("This link was used already, or it is older than 15 minutes.", "A new one comes with: handoff sign-in")
        heading = "This link no longer opens the inbox"
        return self._page("words.html", 401, heading=heading, lines=told, button=None)

    async def _end(self, session: Session) -> None:
        await run_in_threadpool(end_session, self.store, session, datetime.now(UTC))
        self._presence.end(session.secret)

    async def _enter(self, who: str, now: datetime) -> Response:
        session = await run_in_threadpool(open_session, self.store, who, now)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, session.secret, httponly=True, samesite="strict", path="/")
        return answer

    async def sign_out(self, request: Request) -> Response:
        reader = await self._reader(request, locked_too=True)
        await self._posted(request, reader)
        await self._end(reader.session)
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(COOKIE, path="/")
        return answer

    async def unlock(self, request: Request) -> Response:
        if not self.demo:
            return PlainTextResponse("not here", 404)
        reader = await self._reader(request, locked_too=True)
        form = await self._posted(request, reader)
        back = str(form.get("back", ""))
        known = back in {"/become", "/review"} or re.fullmatch(r"/stay/[^/?#\\]+", back)
        return RedirectResponse(back if known else "/", 303)

    async def become_page(self, request: Request) -> Response:
        reader = await self._reader(request)
        await self._came(request, reader)
        if not self.demo:
            return PlainTextResponse("not here", 404)
        people = await run_in_threadpool(self._people)
        return self._page("become.html", reader=reader.person, csrf=reader.session.csrf, people=people)

    def _people(self) -> list[dict[str, str]]:
        directory = self.desk.directory()
        loads = self.store.loads([*directory.case_managers.values(), BUILT_IN_CENTRAL_OFFICE])
        found = []
        for load in loads:
            person = load.case_manager
            network = directory.networks.get(person.network_id)
            plan = directory.lme_mcos.get(person.lme_mco_id)
            found.append(
                {
                    "id": person.case_manager_id,
                    "name": person.name,
                    "role": people_words.ROLE_WORDS[person.role],
                    "place": network.name if network else plan.name if plan else "",
                    "open": f"{load.open:,} open",
                }
            )
        return found

    async def become(self, request: Request) -> Response:
        if not self.demo:
            return PlainTextResponse("not here", 404)
        reader = await self._reader(request)
        form = await self._posted(request, reader)
        who = str(form.get("who", ""))
        if await run_in_threadpool(self.desk.person, who) is None:
            return PlainTextResponse("no such person", 400)
        now = datetime.now(UTC)
        await run_in_threadpool(self.store.audit, who, Audited.SWITCHED, now)
        await self._end(reader.session)
        return await self._enter(who, now)

    # possible matches

    def _may_review(self, reader: CaseManager, enrollee: Enrollee | None) -> bool:
        practices = self.desk.answers_for(reader, datetime.now(UTC))
        return enrollee is not None and (practices is None or enrollee.practice_id in practices)

    async def review_page(self, request: Request) -> Response:
        reader = await self._reader(request)
        await self._came(request, reader)
        said = SAID_OF_REVIEW.get(request.query_params.get("said", ""), "")
        return await run_in_threadpool(self._review_page, reader, said, request.query_params.get("of", ""))

    def _review_page(self, reader: Reader, said: str, of: str) -> Response:
        now, who = datetime.now(UTC), reader.person.case_manager_id
        practices = self.desk.answers_for(reader.person, now)
        before = self.store.review(of) if of and said else None
        if before and before.verdict and before.decided_at and self._may_review(reader.person, before.enrollee):
            name, when = self.desk.name(before.decided_by), time_words.time_or_moment(before.decided_at, now)
            said = f"{said} {name} said “{WORDS_OF_VERDICT[before.verdict]}”, {when}."
        found = [
            (review, words)
            for review in self.store.reviews_waiting(REVIEWS_SHOWN, practices)
            if (words := pages.review_words(review, now, self.desk.name(review.decided_by)))
        ]
        since = now - timedelta(hours=REVIEWS_ANSWERED_HOURS)
        answered = self.store.reviews_answered(since, REVIEWS_SHOWN, practices)
        shown = [*(review for review, _ in found), *answered]
        read = [review.enrollee.enrollee_id for review in shown if review.enrollee]
        self.store.audit_people(who, Audited.READ_REVIEW, now, read, f"{len(found)} pairs")
        waiting = self.store.review_count(practices)
        more = f"{waiting:,} wait; these are the oldest {len(found)}." if waiting > len(found) else ""
        return self._page(
            "review.html",
            reader=reader.person,
            csrf=reader.session.csrf,
            reviews=waiting,
            reviews_waiting=[words for _, words in found],
            answered=[pages.answer_words(one, self.desk.name(one.decided_by), who, now) for one in answered],
            more=more,
            said=said,
        )

    async def take_back_review(self, request: Request) -> Response:
        reader = await self._reader(request)
        await self._posted(request, reader)
        return await run_in_threadpool(self._take_back_review, reader, request.path_params["review_id"])

    def _take_back_review(self, reader: Reader, review_id: str) -> Response:
        review = self.store.review(review_id)
        if review is None or not self._may_review(reader.person, review.enrollee):
            return PlainTextResponse("not yours", 404)
        try:
            self.store.undo_review(review_id, reader.person.case_manager_id, datetime.now(UTC))
        except KeyError:
            return RedirectResponse("/review?said=over", 303)
        return RedirectResponse("/review?said=undone", 303)

    async def settle(self, request: Request) -> Response:
        reader = await self._reader(request)
        form = await self._posted(request, reader)
        word = str(form.get("verdict", ""))
        if word not in set(Verdict):
            return PlainTextResponse("no such answer", 400)
        return await run_in_threadpool(self._settle, reader, request.path_params["review_id"], Verdict(word))

    def _settle(self, reader: Reader, review_id: str, verdict: Verdict) -> Response:
        review = self.store.review(review_id)
        if review is None or not self._may_review(reader.person, review.enrollee):
            return PlainTextResponse("not yours", 404)
        who, now = reader.person.case_manager_id, datetime.now(UTC)
        done = self.store.settle_review(review_id, verdict, who, now, undoable=True)
        said = verdict.value if done.changed else f"before&of={review_id}"
        return RedirectResponse(f"/review?said={said}", 303)

    # health

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


def _stay_paths(request: Request) -> set[str]:
    path = request.url.path
    return {path} if path.startswith("/stay/") and path.count("/") == 2 else set()


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


async def _gone_away(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)


def _news(stay: pages.StayWords) -> str:
    """What changed last, for a page that changed by itself."""
    if stay.row.marks:
        return ", ".join(stay.row.marks)
    return stay.story[0].did if stay.story else ""


def _tel(phone: str) -> str:
    """What a telephone dials (RFC 3966) for a number of ten digits, else ""."""
    digits = "".join(one for one in phone if one.isdigit())
    return f"+1{digits}" if len(digits) == 10 else ""


def open_to_others(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def _bare(change: Change) -> bytes:
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


def _events(stream: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


class _Assets(StaticFiles):
    """Our static files; their addresses change with their content, so they may be kept."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        answer = super().file_response(*args, **kwargs)
        answer.headers["Cache-Control"] = "max-age=31536000, immutable"
        return answer


def run_inbox(settings: Settings, *, demo: bool | None = None) -> None:
    """Serves the inbox and its metrics until SIGINT or SIGTERM. `HANDOFF_DEMO=1` stands for `demo`."""
    store = Store.open(settings.store_url)
    inbox = Inbox(settings, store, demo=os.environ.get("HANDOFF_DEMO") == "1" if demo is None else demo)
    scrape = serve_for("HANDOFF_INBOX_METRICS_PORT", settings.metrics_host, settings.inbox_metrics_port, inbox.health)
    listening = listening_socket(settings.inbox_host, settings.inbox_port)
    port = listening.getsockname()[1]
    host = f"[{settings.inbox_host}]" if ":" in settings.inbox_host else settings.inbox_host
    _say_where(settings, f"http://{host}:{port}", scrape.port)
    config = uvicorn.Config(
        inbox.app(),
        log_config=None,
        access_log=False,
        loop="asyncio",
        http=TimedProtocol,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=30,
    )
    server = StoppingServer(config, inbox.live.close)
    if open_to_others(settings.inbox_host):
        log.warning("inbox_open_to_the_network", why="it speaks plain HTTP: bind it to loopback")
    log.info("inbox_started", port=port, metrics_port=scrape.port)
    try:
        server.run(sockets=[listening])
    finally:
        scrape.close()
        store.close()


def _say_where(settings: Settings, url: str, metrics_port: int) -> None:
    private_folder(settings.data_dir)
    path = settings.data_dir / "inbox.json"
    draft = path.with_name(f".inbox.{os.getpid()}.json")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"url": url, "pid": os.getpid(), "metrics_port": metrics_port}, file)
    draft.replace(path)
