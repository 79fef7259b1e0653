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
from streams.inbox.pages import list_rows as rows
from streams.inbox.pages.loop_words import CALL_PRESSES
from streams.inbox.pages.reader_stay import ReaderStay
from streams.inbox.request import Reader
from streams.store.audit import Audited
from streams.words import times as time_words

if TYPE_CHECKING:
    from streams.inbox.request import Inbox


async def list_page(inbox: "Inbox", request: Request) -> Response:
    reader = await inbox.reader(request)
    came = await inbox.came(request, reader)
    return await run_in_threadpool(partial(render_list, inbox), reader, came=came)


def render_list(inbox: "Inbox", reader: Reader, *, came: bool) -> Response:
    now = datetime.now(UTC)
    position = inbox.store.changes.position()
    found = rows_of(inbox, reader, now)
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
        groups=groups_of(inbox, reader, found, now),
        call_presses=CALL_PRESSES,
        reviews=inbox.store.reviews.count(inbox.desk.answers_for(reader.person, now))
        if may(reader.person.role, Doing.REVIEW)
        else 0,
    )


async def list_part(inbox: "Inbox", request: Request) -> Response:
    """The list as a page fetches it by itself; 304 when it would show the same rows."""
    reader = await inbox.reader(request)
    return await run_in_threadpool(partial(render_list_part, inbox), reader, request.headers.get("if-none-match", ""))


def render_list_part(inbox: "Inbox", reader: Reader, known: str) -> Response:
    now = datetime.now(UTC)
    position = inbox.store.changes.position()
    found = rows_of(inbox, reader, now)
    groups = groups_of(inbox, reader, found, now)
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


def rows_of(inbox: "Inbox", reader: Reader, now: datetime) -> list[tuple[ReaderStay, rows.Row]]:
    who = reader.person.case_manager_id
    return [(stay, rows.row(stay, who, now, inbox.desk.zone)) for stay in inbox.desk.stays(reader.person, now)]


def groups_of(
    inbox: "Inbox", reader: Reader, found: list[tuple[ReaderStay, rows.Row]], now: datetime
) -> list[dict[str, Any]]:
    around = inbox.desk.around(reader.person, now, [stay.latest.alert_id for stay, _ in found])
    empty = quiet.empty_words(around, now, inbox.desk.zone)
    cut = quiet.cut_words(len(found), around.listed)
    return [
        {"id": group.value, "words": rows.GROUP_WORDS[group], "rows": members, "empty": empty[group], "open": False}
        | {"note": cut if group is rows.Group.NOW else ""}
        for group, members in rows.grouped(row for _, row in found).items()
    ]
