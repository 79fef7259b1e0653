"""A day in, the report of its week for whoever sees the board out: the numbers of the page."""

from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from streams.inbox.api.caller import Caller, Refusal
from streams.inbox.api.models import PlaceOut, Report
from streams.inbox.pages.board import may_see
from streams.inbox.pages.report import places_of, week_asked_for
from streams.store.audit import Audited

if TYPE_CHECKING:
    from streams.inbox.request import Inbox

WEEK: Final = "week"


async def report(inbox: "Inbox", request: Request, who: Caller) -> Response:
    given = request.query_params.getlist(WEEK) or [""]
    if len(given) > 1 or (given[0] and not _is_day(given[0])):
        raise Refusal(400, "week: a day of it, as 2026-11-23")
    if not may_see(who.person):
        raise Refusal(403, "this person's role sees no report")
    made = await run_in_threadpool(partial(_report, inbox), who, given[0])
    return Response(made.model_dump_json(), media_type="application/json")


def _report(inbox: "Inbox", who: Caller, asked: str) -> Report:
    now, directory = datetime.now(UTC), inbox.desk.directory()
    week = week_asked_for(inbox.desk, asked, now)
    places = tuple(
        PlaceOut(
            practice_id=place.practice_id,
            practice=directory.practice_name(place.practice_id),
            hospital=place.facility,
            **place.sums._asdict(),
        )
        for place in places_of(inbox.desk, who.person, week)
    )
    detail = f"API, token {who.token_id}, report of {week}, counts"
    inbox.store.audit.write(who.person.case_manager_id, Audited.READ_LIST, now, detail=detail)
    return Report(week=week, places=places)


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
