"""A cursor in, the alert versions after it that the caller is told of out, a line each: for whoever has no Kafka."""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from streams.inbox.api.caller import Caller, Refusal
from streams.inbox.api.models import AlertLine
from streams.inbox.detail import views_of
from streams.store.audit import Audited

if TYPE_CHECKING:
    from streams.inbox.request import Inbox

MOST_LINES: Final = 200
_READ_AT_ONCE: Final = 500
_MOST_READ: Final = 5_000
NEXT: Final = "X-Next-Cursor"


async def alerts_after(inbox: "Inbox", request: Request, who: Caller) -> Response:
    given = request.query_params.getlist("after") or ["0"]
    after = given[0]
    if len(given) > 1 or not (after.isascii() and after.isdecimal() and len(after) <= 18):
        raise Refusal(400, "after: the cursor of the last line, or of X-Next-Cursor")
    lines, cursor = await run_in_threadpool(partial(_lines, inbox), who, int(after))
    body = "".join(f"{line.model_dump_json(exclude_defaults=True)}\n" for line in lines)
    return Response(body, headers={NEXT: str(cursor)}, media_type="application/x-ndjson")


def _lines(inbox: "Inbox", who: Caller, after: int) -> tuple[list[AlertLine], int]:
    """At most `MOST_LINES`, and the cursor to go on from, past what is nobody of the caller's.

    Nothing is ever pruned, so no cursor is too old; one from before a backup was brought back may be ahead.
    """
    if after > inbox.store.changes.position():
        raise Refusal(410, "after: ahead of this store, which was restored since; begin again without it")
    lines: list[AlertLine] = []
    read, cursor = 0, after
    while len(lines) < MOST_LINES and read < _MOST_READ:
        records = inbox.store.changes.versions(cursor, _READ_AT_ONCE)
        if not records:
            break
        theirs = [record for record in records if who.person.case_manager_id in record.alert.told]
        mine = theirs[: MOST_LINES - len(lines)]
        views = views_of(inbox.desk, who.person, [record.alert for record in mine])
        lines += [
            AlertLine(cursor=record.position, alert=seen) for record, seen in zip(mine, views, strict=True) if seen
        ]
        whole = len(mine) == len(theirs)
        read, cursor = read + len(records), (records if whole else mine)[-1].position
    people = [line.alert.person.enrollee_id for line in lines if line.alert.person]
    detail = f"API, token {who.token_id}, {len(lines)} alerts"
    if lines:
        now = datetime.now(UTC)
        inbox.store.audit.write_people(who.person.case_manager_id, Audited.READ_LIST, now, people, detail)
    return lines, cursor
