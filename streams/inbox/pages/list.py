"""The list: who needs this reader first."""

import hashlib
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rules.following.roles import Doing, may
from streams.inbox import quiet
from streams.inbox.narrowing import OWN, Narrowing, View, count, narrowed, of_view, paired
from streams.inbox.pages import list_rows as rows
from streams.inbox.pages.cards import Pair, stays_on
from streams.inbox.pages.draft import drafts_beside
from streams.inbox.pages.loop_words import CALL_PRESSES
from streams.inbox.pages.many import offered
from streams.inbox.pages.reader_stay import people_of
from streams.inbox.pages.views import choices, links, looking
from streams.inbox.request import Reader
from streams.inbox.team import is_cut, team_stays
from streams.store.among import MOST_ROWS
from streams.store.audit import Audited
from streams.words import times as time_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox

_BEHIND: Final = {True: View.MINE, False: View.TEAM}  # whether a view is taken from one's own stays, and such a one


async def list_page(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(partial(render_list, inbox), visit.reader, visit.request, came=visit.came)


def render_list(inbox: "Inbox", reader: Reader, request: Request, *, came: bool) -> Response:
    now = datetime.now(UTC)
    position = inbox.store.changes.position()
    at = looking(inbox, reader, request)
    behind = pairs_behind(inbox, reader, now, at.by.view)
    of_view_pairs = of_view(behind, at.by.view, reader.person.practices)
    stays, zone = [stay for stay, _ in of_view_pairs], inbox.desk.zone
    pairs = narrowed(of_view_pairs, at.by, now, zone)
    last = max((stay.latest.decided_at for stay in stays), default=None)
    who, detail = reader.person.case_manager_id, f"list, {len(stays_on(pairs))} stays"
    if came:
        inbox.store.audit.write_list(who, Audited.READ_LIST, now, people_of(stay for stay, _ in pairs), detail)
    else:
        inbox.store.audit.write(who, Audited.AUTO, now, detail=detail)
    groups = groups_of(inbox, reader, pairs, now, at.by)
    etag = name_of(groups)
    inbox.deltas.sent(who, etag, [row for _, row in pairs])
    if at.by == Narrowing():
        inbox.places.shown(who, [row for _, row in pairs])
    return inbox.page(
        "list.html",
        reader=reader,
        position=position,
        last_alert=int((now - last).total_seconds()) if last else "",
        now_words=time_words.moment(now, now, zone),
        groups=groups,
        gone=(),
        etag=etag,
        own=at.by == Narrowing(),
        drafts=drafts_beside(inbox, reader),
        view=at.by.view.value,
        links=[
            (link, count(behind, link.by, reader.person.practices, now, zone) if is_alike(link.by, at.by) else None)
            for link in links(inbox, reader, at, now)
        ],
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


async def list_counts(inbox: "Inbox", visit: "Visit") -> Response:
    """How many are on each list of the links, for those that the page of a list was not made with."""
    return await run_in_threadpool(partial(counted, inbox), visit.reader, visit.request)


def counted(inbox: "Inbox", reader: Reader, request: Request) -> Response:
    now, zone = datetime.now(UTC), inbox.desk.zone
    behind = {is_own: pairs_behind(inbox, reader, now, view) for is_own, view in _BEHIND.items()}
    return JSONResponse(
        {
            link.href: count(behind[link.by.view in OWN], link.by, reader.person.practices, now, zone)
            for link in links(inbox, reader, looking(inbox, reader, request), now)
        }
    )


async def list_part(inbox: "Inbox", visit: "Visit") -> Response:
    """The list as a page fetches it by itself: what changed since the one it names, 304 where nothing did."""
    known = visit.request.headers.get("if-none-match", "")
    return await run_in_threadpool(partial(render_list_part, inbox), visit.reader, visit.request, known)


def render_list_part(inbox: "Inbox", reader: Reader, request: Request, known: str) -> Response:
    now, who = datetime.now(UTC), reader.person.case_manager_id
    position = inbox.store.changes.position()
    by = looking(inbox, reader, request).by
    behind = pairs_behind(inbox, reader, now, by.view)
    pairs = narrowed(of_view(behind, by.view, reader.person.practices), by, now, inbox.desk.zone)
    groups = groups_of(inbox, reader, pairs, now, by)
    shown = [row for _, row in pairs]
    if by == Narrowing():
        inbox.places.shown(who, shown)
    headers = {"X-Position": str(position), "ETag": name_of(groups)}
    if known == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    delta = inbox.deltas.sent(who, headers["ETag"], shown, known)
    inbox.store.audit.write(who, Audited.AUTO, now, detail=f"list, {len(stays_on(pairs))} stays")
    if delta is not None:
        headers["X-Delta"] = "1"
        for group in groups:
            group["rows"] = [row for row in group["rows"] if row.alert_id in delta.changed]
    answer = inbox.page("groups.html", groups=groups, gone=delta.gone if delta else ())
    answer.headers.update(headers)
    return answer


def is_alike(by: Narrowing, other: Narrowing) -> bool:
    """Whether two lists are taken from the same stays."""
    return (by.view in OWN) is (other.view in OWN)


def name_of(groups: list[dict[str, Any]]) -> str:
    """What a list is known by: the same for the same rows and words."""
    shown = [[group["id"], list(group["rows"]), "" if group["rows"] else group["empty"]] for group in groups]
    return f'W/"{hashlib.sha256(repr(shown).encode()).hexdigest()[:32]}"'


def pairs_behind(inbox: "Inbox", reader: Reader, now: datetime, view: View) -> list[Pair]:
    """The stays that a view is taken from, each with its row."""
    desk, person = inbox.desk, reader.person
    stays = desk.stays(person, now) if view in OWN else team_stays(desk, person, now)
    return paired(stays, person.case_manager_id, now, desk.zone)


def groups_of(inbox: "Inbox", reader: Reader, pairs: list[Pair], now: datetime, by: Narrowing) -> list[dict[str, Any]]:
    if by != Narrowing():
        none = "Nobody fits what you chose to show." if by.narrows and not pairs else ""
        is_partial = by.view not in OWN and is_cut(inbox.desk, reader.person, now)
        cut = quiet.cut_of_team_words(MOST_ROWS) if is_partial else ""
        return [
            {"id": group.value, "words": rows.GROUP_WORDS[group], "rows": members}
            | {"open": by.view is View.DONE, "empty": none if group is rows.Group.NOW else ""}
            | {"note": cut if group is rows.Group.NOW else ""}
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
