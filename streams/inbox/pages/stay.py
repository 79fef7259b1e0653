"""One stay, and what is done about it."""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)

from rules.decisions import Action
from streams.inbox.access import StayDetail
from streams.inbox.pages import stay_words as pages
from streams.inbox.request import ACTS, Reader, news, tel, wants_json
from streams.store.actions import ActionKind, HeldBy, TooLate
from streams.store.audit import Audited

if TYPE_CHECKING:
    from streams.inbox.request import Inbox


async def stay_page(inbox: "Inbox", request: Request) -> Response:
    reader = await inbox.reader(request)
    came = await inbox.came(request, reader)
    return await run_in_threadpool(
        partial(render_stay, inbox), reader, request.path_params["alert_id"], "stay.html", came=came
    )


async def stay_part(inbox: "Inbox", request: Request) -> Response:
    """A stay as its page fetches it by itself: nobody has looked at it yet."""
    reader = await inbox.reader(request)
    return await run_in_threadpool(
        partial(render_stay, inbox), reader, request.path_params["alert_id"], "stay_part.html", came=False
    )


def render_stay(inbox: "Inbox", reader: Reader, alert_id: str, template: str, *, came: bool) -> Response:
    now = datetime.now(UTC)
    who = reader.person.case_manager_id
    position = inbox.store.position()
    detail = inbox.desk.detail(reader.person, alert_id)
    if detail is None:
        lines = ("There is no such stay, or it is not yours to see.",)
        return inbox.page(
            "words.html",
            404,
            heading="Not here",
            lines=lines,
            button=None,
            reader=reader.person,
            csrf=reader.session.csrf,
        )
    note_reading(inbox, who, detail, detail.stay.latest.version, now, came=came)
    stay = pages.stay_words(detail, who, now)
    answer = inbox.page(
        template,
        reader=reader.person,
        csrf=reader.session.csrf,
        position=position,
        last_alert=int((now - detail.stay.latest.decided_at).total_seconds()),
        stay=stay,
        holder=detail.stay.taken.case_manager_id if detail.stay.taken else "",
        news=news(stay),
        tel=tel(stay.phone),
    )
    answer.headers["X-Position"] = str(position)
    return answer


def note_reading(inbox: "Inbox", who: str, detail: StayDetail, version: int, now: datetime, *, came: bool) -> None:
    """Audits who got to see the stay. A person's coming marks it seen; a retraction is seen by a press only."""
    latest = detail.stay.latest
    inbox.store.audit(
        who,
        Audited.READ_STAY if came else Audited.AUTO,
        now,
        alert_ids=(latest.alert_id,),
        enrollee_id=latest.person.enrollee_id if latest.person else "",
        detail=f"version {version}, {detail.ruling}",
    )
    told = [
        view.version for view in detail.stay.versions if view.version <= version and view.action is not Action.RETRACT
    ]
    if came and told and detail.stay.seen < max(told):
        inbox.store.mark_seen(who, {latest.alert_id: max(told)}, now)


async def seen(inbox: "Inbox", request: Request) -> Response:
    """A person pressed *Show* on what a page had changed by itself."""
    reader = await inbox.reader(request)
    form = await inbox.posted(request, reader)
    version = str(form.get("version", ""))
    if not version.isdecimal():
        return PlainTextResponse("no such version", 400)
    return await run_in_threadpool(partial(mark_seen, inbox), reader, request.path_params["alert_id"], int(version))


def mark_seen(inbox: "Inbox", reader: Reader, alert_id: str, version: int) -> Response:
    detail = inbox.desk.detail(reader.person, alert_id)
    if detail is None:
        return PlainTextResponse("not yours", 404)
    note_reading(inbox, reader.person.case_manager_id, detail, version, datetime.now(UTC), came=True)
    return Response(status_code=204)


async def act(inbox: "Inbox", request: Request) -> Response:
    reader = await inbox.reader(request)
    form = await inbox.posted(request, reader)
    action = ACTS.get(request.path_params["act"])
    version = str(form.get("version", ""))
    if action is None or not version.isdecimal():
        return PlainTextResponse("no such action", 400)
    over = str(form.get("over", ""))
    return await run_in_threadpool(partial(write_act, inbox), request, reader, action, int(version), over)


def write_act(
    inbox: "Inbox", request: Request, reader: Reader, action: ActionKind, version: int, over: str
) -> Response:
    alert_id = request.path_params["alert_id"]
    who = reader.person.case_manager_id
    if not inbox.store.may_see(who, alert_id):
        return PlainTextResponse("not yours", 404)
    try:
        position = inbox.store.act(alert_id, who, action, version, datetime.now(UTC), over=over)
    except KeyError:
        return PlainTextResponse("no such version", 409)
    except HeldBy as held:
        return held_by(inbox, request, reader, held.case_manager_id, version)
    if wants_json(request):
        return JSONResponse({"position": position})
    return RedirectResponse(f"/stay/{alert_id}", 303)


def held_by(inbox: "Inbox", request: Request, reader: Reader, holder: str, version: int) -> Response:
    """Asks before a stay is taken from the person who holds it."""
    name = inbox.desk.name(holder)
    question = f"{name} has this. Take it over?"
    if wants_json(request):
        return JSONResponse({"question": question, "over": holder}, 409)
    fields = {"version": str(version), "over": holder}
    button = {"action": request.url.path, "words": f"Take it over from {name}", "fields": fields}
    return inbox.page(
        "words.html",
        409,
        heading=question,
        lines=(),
        button=button,
        reader=reader.person,
        csrf=reader.session.csrf,
    )


async def undo(inbox: "Inbox", request: Request) -> Response:
    reader = await inbox.reader(request)
    form = await inbox.posted(request, reader)
    position = str(form.get("position", ""))
    if not position.isdecimal():
        return PlainTextResponse("no such action", 400)
    try:
        back = await run_in_threadpool(
            inbox.store.undo, int(position), reader.person.case_manager_id, datetime.now(UTC)
        )
    except KeyError:
        return PlainTextResponse("nothing to undo", 409)
    except TooLate:
        return PlainTextResponse("too late", 409)
    return JSONResponse({"position": back})
