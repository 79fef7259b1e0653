"""The list: who needs this reader first."""

import hashlib
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import (
    Response,
)

from rules.following.roles import Doing, may
from streams.inbox import quiet
from streams.inbox.board import holder, is_open
from streams.inbox.pages import list_rows as rows
from streams.inbox.pages.loop_words import CALL_PRESSES
from streams.inbox.pages.many import offered
from streams.inbox.pages.reader_stay import ReaderStay
from streams.inbox.request import Reader
from streams.inbox.team import scope, team_stays
from streams.store.audit import Audited
from streams.words import times as time_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox


class View(StrEnum):
    """Whose stays a list shows; the value is in the address."""

    MINE = "mine"
    COVERING = "covering"
    TEAM = "team"
    NOBODY = "nobody"


VIEW_WORDS: Final = {
    View.MINE: "My list",
    View.COVERING: "Covering for others",
    View.TEAM: "Team",
    View.NOBODY: "Nobody has it",
}


async def list_page(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(partial(render_list, inbox), visit.reader, view_of(visit.request), came=visit.came)


def render_list(inbox: "Inbox", reader: Reader, view: View, *, came: bool) -> Response:
    now = datetime.now(UTC)
    position = inbox.store.changes.position()
    found = rows_of(inbox, reader, now, view)
    last = max((item.latest.decided_at for item, _ in found), default=None)
    what = Audited.READ_LIST if came else Audited.AUTO
    inbox.store.audit.write(reader.person.case_manager_id, what, now, detail=f"list, {len(found)} stays")
    return inbox.page(
        "list.html",
        reader=reader.person,
        csrf=reader.session.csrf,
        position=position,
        last_alert=int((now - last).total_seconds()) if last else "",
        now_words=time_words.moment(now, now, inbox.desk.zone),
        groups=groups_of(inbox, reader, found, now, view),
        view=view.value,
        views=[(one.value, VIEW_WORDS[one]) for one in views_for(inbox, reader)],
        call_presses=CALL_PRESSES,
        many=offered(inbox, reader, now),
        reviews=inbox.store.reviews.count(inbox.desk.answers_for(reader.person, now))
        if may(reader.person.role, Doing.REVIEW)
        else 0,
    )


async def list_part(inbox: "Inbox", visit: "Visit") -> Response:
    """The list as a page fetches it by itself; 304 when it would show the same rows."""
    known = visit.request.headers.get("if-none-match", "")
    return await run_in_threadpool(partial(render_list_part, inbox), visit.reader, view_of(visit.request), known)


def render_list_part(inbox: "Inbox", reader: Reader, view: View, known: str) -> Response:
    now = datetime.now(UTC)
    position = inbox.store.changes.position()
    found = rows_of(inbox, reader, now, view)
    groups = groups_of(inbox, reader, found, now, view)
    shown = [[group["id"], list(group["rows"]), "" if group["rows"] else group["empty"]] for group in groups]
    headers = {
        "X-Position": str(position),
        "ETag": f'W/"{hashlib.sha256(repr(shown).encode()).hexdigest()[:32]}"',
    }
    if known == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    who = reader.person.case_manager_id
    inbox.store.audit.write(who, Audited.AUTO, now, detail=f"list, {len(found)} stays")
    answer = inbox.page("groups.html", groups=groups)
    answer.headers.update(headers)
    return answer


def rows_of(inbox: "Inbox", reader: Reader, now: datetime, view: View = View.MINE) -> list[tuple[ReaderStay, rows.Row]]:
    who = reader.person.case_manager_id
    if view in (View.MINE, View.COVERING):
        stays = [stay for stay in inbox.desk.stays(reader.person, now) if view is View.MINE or stay.covered]
    else:
        team = team_stays(inbox.desk, reader.person, now)
        stays = [stay for stay in team if view is View.TEAM or (is_open(stay) and not holder(stay))]
    return [(stay, rows.row(stay, who, now, inbox.desk.zone)) for stay in stays]


def view_of(request: Request) -> View:
    """The view that the address names; one's own list for anything else."""
    named = request.query_params.get("view", "")
    return View(named) if named in set(View) else View.MINE


def views_for(inbox: "Inbox", reader: Reader) -> tuple[View, ...]:
    """The views that can hold anything for this reader."""
    practices = scope(inbox.desk, reader.person)
    return tuple(View) if practices is None or practices else (View.MINE, View.COVERING)


def groups_of(
    inbox: "Inbox", reader: Reader, found: list[tuple[ReaderStay, rows.Row]], now: datetime, view: View
) -> list[dict[str, Any]]:
    if view is not View.MINE:
        bare = {"empty": "", "open": False, "note": ""}
        return [
            {"id": group.value, "words": rows.GROUP_WORDS[group], "rows": members} | bare
            for group, members in rows.grouped(row for _, row in found).items()
        ]
    around = inbox.desk.around(reader.person, now, [stay.latest.alert_id for stay, _ in found])
    empty = quiet.empty_words(around, now, inbox.desk.zone)
    cut = quiet.cut_words(len(found), around.listed)
    return [
        {"id": group.value, "words": rows.GROUP_WORDS[group], "rows": members, "empty": empty[group], "open": False}
        | {"note": cut if group is rows.Group.NOW else ""}
        for group, members in rows.grouped(row for _, row in found).items()
    ]
