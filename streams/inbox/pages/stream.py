"""The event streams: what changed, to every open page."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import (
    PlainTextResponse,
    Response,
)

from parsers.people import CaseManager
from rules.following.roles import Doing
from streams.inbox.live import Change, sse
from streams.inbox.narrowing import Narrowing, listed
from streams.inbox.pages.cards import on_card
from streams.inbox.request import (
    BEAT_SECONDS,
    MOST_READ_AGAIN,
    MOST_ROWS_AT_ONCE,
    NotTheirs,
    Reader,
    SignedOut,
    bare,
    events,
    log,
)
from streams.store import Unavailable
from streams.store.changes import FeedKind

MOVE_MS: Final = 200  # within which the pages of an inbox that closes look for another one

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox


async def stream(inbox: "Inbox", visit: "Visit") -> Response:
    if not await inbox.live.is_fresh():
        return PlainTextResponse("not live now", 503)
    start = await start_of(inbox, visit.request)
    if visit.request.method == "HEAD":
        return Response(media_type="text/event-stream")
    return events(changes(inbox, visit.request, visit.reader, start))


async def start_of(inbox: "Inbox", request: Request) -> int:
    given = request.headers.get("last-event-id") or request.query_params.get("after", "")
    return int(given) if given.isdecimal() else await run_in_threadpool(inbox.store.changes.position)


async def changes(inbox: "Inbox", request: Request, reader: Reader, position: int) -> AsyncIterator[bytes]:
    """Rows of the reader's stays as they change; a beat every few seconds; where the page must refetch, that."""
    who = reader.person.case_manager_id
    wake = inbox.live.subscribe()
    inbox.presence.opened(reader.session.secret, wake)
    try:
        yield b"retry: 1000\n\n"
        loop = asyncio.get_running_loop()
        next_beat = loop.time()
        while inbox.live.fresh(datetime.now(UTC)) and not await request.is_disconnected():
            wake.clear()
            changes = await changes_after(inbox, position)
            mine = [change for change in changes or () if who in change.item.people]
            beat = loop.time() >= next_beat
            reader = await inbox.reader(request, Doing.SEE_ROW)  # nothing flows once it has signed out or is locked
            if changes is None:
                position = inbox.live.position
                yield sse("refetch", {}, position)
            elif changes:
                position = changes[-1].item.position
                if len({change.item.alert_id for change in mine}) > MOST_ROWS_AT_ONCE:
                    yield sse("refetch", {}, position)
                    inbox.live.written(mine)
                elif mine:
                    for event in await run_in_threadpool(partial(row_events, inbox), reader, mine):
                        yield event
                    inbox.live.written(mine)
                    yield sse("at", {}, position)
            if beat:
                next_beat = loop.time() + BEAT_SECONDS
                yield sse("beat", await run_in_threadpool(partial(beat_now, inbox), reader), position)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), max(0.01, next_beat - loop.time()))
        if inbox.live.closing:  # in order: whoever else is behind this address answers at once
            yield f"retry: {random.randrange(MOVE_MS)}\n".encode() + sse("closing", {"within": MOVE_MS})
    except (SignedOut, NotTheirs):  # or their role sees no patients any more
        yield sse("locked", {})
    except Unavailable:
        log.info("inbox_stream_ended", why="store away")
    finally:
        inbox.presence.closed(reader.session.secret, wake)
        inbox.live.unsubscribe(wake)


def beat_now(inbox: "Inbox", reader: Reader) -> dict[str, Any]:
    """What the line at the top of a page says: ages in seconds."""
    now = datetime.now(UTC)
    silent, feeds = inbox.desk.silent(reader.person, now)
    return {
        "last_alert": last_alert_age(inbox, reader.person),
        "left": inbox.locks_in(reader.session),
        "silent": [heard.sentence for heard in silent],
        "feeds": feeds,
    }


async def changes_after(inbox: "Inbox", position: int) -> list[Change] | None:
    """Like `Live.after`, but asks the store for what was before this process, and waits a moment for a poller that
    has not caught up with this page yet."""
    for _ in range(40):
        if position <= inbox.live.position and inbox.live.polled_at:
            break
        await asyncio.sleep(0.05)
    remembered = inbox.live.after(position)
    if remembered is not None:
        return remembered
    if position > inbox.live.position:
        return None
    read_again = await run_in_threadpool(inbox.live.read, position, MOST_READ_AGAIN)
    return read_again if len(read_again) < MOST_READ_AGAIN else None


def row_events(inbox: "Inbox", reader: Reader, changes: list[Change]) -> list[bytes]:
    """The cards of everybody of whom something changed. What is no card any more, and those that only a change beside
    them changed, come first and without a position, so that a page that lost its line in between is told all again."""
    now = datetime.now(UTC)
    last = {change.item.alert_id: change.item.position for change in changes}
    told_ids = {change.item.alert_id for change in changes if change.item.kind is FeedKind.ALERT}
    stays = inbox.desk.stays(reader.person, now, list(last))
    who, zone = reader.person.case_manager_id, inbox.desk.zone
    shown = [row for _, row in listed(stays, who, Narrowing(), now, zone)]
    still = {alert_id for row in shown for alert_id in on_card(row)}
    left = {alert_id: position for alert_id, position in last.items() if alert_id not in still}
    first = [sse("gone", {"id": alert_id, "into": row.alert_id}) for row in shown for alert_id in row.others]
    then = [(position, sse("gone", {"id": alert_id}, position)) for alert_id, position in left.items()]
    for row in shown:
        on = on_card(row)
        changed = last.keys() & set(on)
        data = {"id": row.alert_id, "on": on, "html": inbox.render("row.html", row=row), "speak": row.speak}
        if changed:
            position = max(last[alert_id] for alert_id in changed)
            then.append((position, sse("row", data | {"told": not told_ids.isdisjoint(changed)}, position)))
        else:
            first.append(sse("row", data | {"told": False, "beside": True}))
    return [*first, *(event for _, event in sorted(then))]


def last_alert_age(inbox: "Inbox", reader: CaseManager) -> int | None:
    at = inbox.desk.last_alert_at(reader.case_manager_id)
    return max(0, int((datetime.now(UTC) - at).total_seconds())) if at else None


async def stream_all(inbox: "Inbox", visit: "Visit") -> Response:
    """Every change of every alert as JSON without PHI, for the demo and the bench, which measure. Nowhere else: how
    much is told, and when, is as little anybody's as to whom."""
    if visit.request.method == "HEAD":
        return Response(media_type="text/event-stream")
    return events(all_changes(inbox, visit.request, await start_of(inbox, visit.request)))


async def all_changes(inbox: "Inbox", request: Request, position: int) -> AsyncIterator[bytes]:
    wake = inbox.live.subscribe()
    try:
        yield sse("beat", {}, position)
        while not inbox.live.closing and not inbox.live.dead and not await request.is_disconnected():
            wake.clear()
            changes = await changes_after(inbox, position)
            if changes is None:
                position = inbox.live.position
                yield sse("refetch", {}, position)
            elif changes:
                position = changes[-1].item.position
                yield b"".join(bare(change) for change in changes)
                inbox.live.written(changes)
            try:
                await asyncio.wait_for(wake.wait(), BEAT_SECONDS)
            except TimeoutError:
                yield sse("beat", {}, position)
    finally:
        inbox.live.unsubscribe(wake)
