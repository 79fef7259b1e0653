"""The list: who needs this reader first."""

import hashlib
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import (
    Response,
)

from rules.following.roles import Doing, may
from streams.inbox import quiet
from streams.inbox.board import holder, is_open
from streams.inbox.narrowing import Narrowing, View, listed
from streams.inbox.pages import list_rows as rows
from streams.inbox.pages.cards import stays_on
from streams.inbox.pages.loop_words import CALL_PRESSES
from streams.inbox.pages.many import offered
from streams.inbox.pages.reader_stay import ReaderStay, people_of
from streams.inbox.pages.views import choices, links, looking
from streams.inbox.request import Reader
from streams.inbox.team import team_stays
from streams.store.audit import Audited
from streams.words import times as time_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox


async def list_page(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(partial(render_list, inbox), visit.reader, visit.request, came=visit.came)


def render_list(inbox: "Inbox", reader: Reader, request: Request, *, came: bool) -> Response:
    now = datetime.now(UTC)
    position = inbox.store.changes.position()
    at = looking(inbox, reader, request)
    stays = stays_of(inbox, reader, now, at.by.view)
    pairs = rows_of(inbox, reader, stays, at.by, now)
    last = max((stay.latest.decided_at for stay in stays), default=None)
    who, detail = reader.person.case_manager_id, f"list, {len(stays_on(pairs))} stays"
    if came:
        inbox.store.audit.write_list(who, Audited.READ_LIST, now, people_of(stay for stay, _ in pairs), detail)
    else:
        inbox.store.audit.write(who, Audited.AUTO, now, detail=detail)
    groups = groups_of(inbox, reader, pairs, now, at.by)
    etag = name_of(groups)
    inbox.deltas.sent(who, etag, [row for _, row in pairs])
    return inbox.page(
        "list.html",
        reader=reader,
        position=position,
        last_alert=int((now - last).total_seconds()) if last else "",
        now_words=time_words.moment(now, now, inbox.desk.zone),
        groups=groups,
        gone=(),
        etag=etag,
        own=at.by == Narrowing(),
        links=links(inbox, reader, at),
        choices=choices(inbox, reader, at.by, stays),
        narrows=at.by.narrows,
        view_id=at.view_id,
        view_name=next((kept_view.name for kept_view in at.kept if kept_view.view_id == at.view_id), ""),
        full=request.query_params.get("said") == "full",
        call_presses=CALL_PRESSES,
        many=offered(inbox, reader, now),
        reviews=inbox.store.reviews.count(inbox.desk.answers_for(reader.person, now))
        if may(reader.person.role, Doing.REVIEW)
        else 0,
    )


async def list_part(inbox: "Inbox", visit: "Visit") -> Response:
    """The list as a page fetches it by itself: what changed since the one it names, 304 where nothing did."""
    known = visit.request.headers.get("if-none-match", "")
    return await run_in_threadpool(partial(render_list_part, inbox), visit.reader, visit.request, known)


def render_list_part(inbox: "Inbox", reader: Reader, request: Request, known: str) -> Response:
    now, who = datetime.now(UTC), reader.person.case_manager_id
    position = inbox.store.changes.position()
    by = looking(inbox, reader, request).by
    pairs = rows_of(inbox, reader, stays_of(inbox, reader, now, by.view), by, now)
    groups = groups_of(inbox, reader, pairs, now, by)
    headers = {"X-Position": str(position), "ETag": name_of(groups)}
    if known == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    shown = [row for _, row in pairs]
    delta = inbox.deltas.since(who, known, shown)
    inbox.deltas.sent(who, headers["ETag"], shown)
    inbox.store.audit.write(who, Audited.AUTO, now, detail=f"list, {len(stays_on(pairs))} stays")
    if delta is not None:
        headers["X-Delta"] = "1"
        for group in groups:
            group["rows"] = [row for row in group["rows"] if row.alert_id in delta.changed]
    answer = inbox.page("groups.html", groups=groups, gone=delta.gone if delta else ())
    answer.headers.update(headers)
    return answer


def name_of(groups: list[dict[str, Any]]) -> str:
    """What a list is known by: the same for the same rows and words."""
    shown = [[group["id"], list(group["rows"]), "" if group["rows"] else group["empty"]] for group in groups]
    return f'W/"{hashlib.sha256(repr(shown).encode()).hexdigest()[:32]}"'


def stays_of(inbox: "Inbox", reader: Reader, now: datetime, view: View) -> list[ReaderStay]:
    """The stays of a view, before anything narrows it."""
    if view in (View.MINE, View.COVERING):
        return [stay for stay in inbox.desk.stays(reader.person, now) if view is View.MINE or stay.covered]
    team = team_stays(inbox.desk, reader.person, now)
    if view is View.PRACTICES:
        mine = frozenset(reader.person.practices)
        return [stay for stay in team if stay.latest.person and stay.latest.person.practice_id in mine]
    return [stay for stay in team if view is View.TEAM or (is_open(stay) and not holder(stay))]


def rows_of(
    inbox: "Inbox", reader: Reader, stays: list[ReaderStay], by: Narrowing, now: datetime
) -> list[tuple[ReaderStay, rows.Row]]:
    return listed(stays, reader.person.case_manager_id, by, now, inbox.desk.zone)


def groups_of(
    inbox: "Inbox", reader: Reader, pairs: list[tuple[ReaderStay, rows.Row]], now: datetime, by: Narrowing
) -> list[dict[str, Any]]:
    if by != Narrowing():
        none = "Nobody fits what you chose to show." if by.narrows and not pairs else ""
        return [
            {"id": group.value, "words": rows.GROUP_WORDS[group], "rows": members, "open": False, "note": ""}
            | {"empty": none if group is rows.Group.NOW else ""}
            for group, members in rows.grouped(row for _, row in pairs).items()
        ]
    shown = stays_on(pairs)
    around = inbox.desk.around(reader.person, now, shown)
    empty = quiet.empty_words(around, now, inbox.desk.zone)
    cut = quiet.cut_words(len(shown), around.listed)
    return [
        {"id": group.value, "words": rows.GROUP_WORDS[group], "rows": members, "empty": empty[group], "open": False}
        | {"note": cut if group is rows.Group.NOW else ""}
        for group, members in rows.grouped(row for _, row in pairs).items()
    ]
