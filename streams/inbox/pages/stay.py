"""One stay, and what is done about it."""

import json
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)

from rules.decisions import Action
from rules.following.acts import Act, ActFault, ActKind
from rules.telling.views import AlertView
from streams.inbox.detail import StayDetail, detail_of, goes_on_as
from streams.inbox.pages import list_rows as rows
from streams.inbox.pages import stay_words as pages
from streams.inbox.pages.loop_words import loop_words
from streams.inbox.pages.person import ref_of
from streams.inbox.request import ACTS, Reader, news, tel, wants_json
from streams.store.acts import Absent, Again, Answered, Held, Refused, Written
from streams.store.audit import Audited
from streams.store.other_stays import EARLIER_DAYS
from streams.words import times as time_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox


async def stay_page(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(
        partial(render_stay, inbox), visit.reader, visit.request.path_params["alert_id"], "stay.html", came=visit.came
    )


async def stay_part(inbox: "Inbox", visit: "Visit") -> Response:
    """A stay as its page fetches it by itself: nobody has looked at it yet."""
    return await run_in_threadpool(
        partial(render_stay, inbox), visit.reader, visit.request.path_params["alert_id"], "stay_part.html", came=False
    )


def render_stay(inbox: "Inbox", reader: Reader, alert_id: str, template: str, *, came: bool) -> Response:
    now = datetime.now(UTC)
    who = reader.person.case_manager_id
    position = inbox.store.changes.position()
    detail = detail_of(inbox.desk, reader.person, alert_id)
    if detail is None:
        lines = ("There is no such stay, or it is not yours to see.",)
        return inbox.page(
            "words.html",
            404,
            heading="Not here",
            lines=lines,
            button=None,
            reader=reader,
        )
    note_reading(inbox, who, detail, detail.stay.latest.version, now, came=came)
    stay, following = pages.stay_words(detail, who, now, inbox.desk.zone), detail.following
    answer = inbox.page(
        template,
        reader=reader,
        position=position,
        last_alert=int((now - detail.stay.latest.decided_at).total_seconds()),
        stay=stay,
        same_as=same_as(goes_on_as(inbox.desk, reader.person, detail), now, inbox.desk.zone),
        place=inbox.places.words(who, alert_id),
        earlier_days=EARLIER_DAYS,
        holder=detail.stay.taken.case_manager_id if detail.stay.taken else "",
        news=news(stay),
        tel=tel(stay.phone),
        tel_practice=tel(stay.practice_phone),
        tel_first=tel(following.wishes.first) if following else "",
        follow=loop_words(following, detail.stay.latest, inbox.desk.name, inbox.desk.policy(), now, inbox.desk.zone)
        if following
        else None,
        new_act=lambda: uuid4().hex,
        drafts=json.dumps(inbox.store.drafts.of(who, alert_id, inbox.secret)) if template == "stay.html" else "",
        person_ref=ref_of(inbox, reader, detail.stay.latest.person),
    )
    answer.headers["X-Position"] = str(position)
    return answer


def same_as(other: AlertView | None, now: datetime, zone: tzinfo) -> dict[str, str] | None:
    """A link to the stay that this one was joined to, by who it is and since when."""
    if other is None or other.person is None:
        return None
    parts = (rows.name_of(other.person), time_words.day(other.started_at, now, zone) if other.started_at else "")
    return {"alert_id": other.alert_id, "words": ", ".join(part for part in parts if part)}


def note_reading(inbox: "Inbox", who: str, detail: StayDetail, version: int, now: datetime, *, came: bool) -> None:
    """Audits who got to see the stay. A person's coming marks it seen; a retraction is seen by a press only."""
    latest = detail.stay.latest
    inbox.store.audit.write(
        who,
        Audited.READ_STAY if came else Audited.AUTO,
        now,
        alert_ids=(latest.alert_id,),
        enrollee_id=latest.person.enrollee_id if latest.person else "",
        detail=f"version {version}, {detail.ruling}",
    )
    versions = [
        view.version for view in detail.stay.versions if view.version <= version and view.action is not Action.RETRACT
    ]
    if came and versions and detail.stay.seen < max(versions):
        inbox.store.seen.mark(who, {latest.alert_id: max(versions)}, now)


async def seen(inbox: "Inbox", visit: "Visit") -> Response:
    """A person pressed *Show* on what a page had changed by itself."""
    version = str(visit.form.get("version", ""))
    if not version.isdecimal():
        return PlainTextResponse("no such version", 400)
    return await run_in_threadpool(
        partial(mark_seen, inbox), visit.reader, visit.request.path_params["alert_id"], int(version)
    )


def mark_seen(inbox: "Inbox", reader: Reader, alert_id: str, version: int) -> Response:
    detail = detail_of(inbox.desk, reader.person, alert_id)
    if detail is None:
        return PlainTextResponse("not yours", 404)
    note_reading(inbox, reader.person.case_manager_id, detail, version, datetime.now(UTC), came=True)
    return Response(status_code=204)


async def act(inbox: "Inbox", visit: "Visit") -> Response:
    kind = ACTS.get(visit.request.path_params["act"])
    version = str(visit.form.get("version", ""))
    if kind is None or not version.isdecimal():
        return PlainTextResponse("no such action", 400)
    now = datetime.now(UTC)
    done = Act(
        act_id=str(visit.form.get("act", "")) or uuid4().hex,
        kind=kind,
        by=visit.reader.person.case_manager_id,
        role=visit.reader.person.role,
        version=int(version),
        happened_at=now,
        recorded_at=now,
    )
    return await run_in_threadpool(
        partial(write_act, inbox), visit.request, visit.reader, done, str(visit.form.get("over", ""))
    )


def write_act(inbox: "Inbox", request: Request, reader: Reader, act: Act, over: str) -> Response:
    alert_id = request.path_params["alert_id"]
    theirs = inbox.store.inbox.may_see(act.by, alert_id)
    if not theirs and detail_of(inbox.desk, reader.person, alert_id) is None:
        return PlainTextResponse("not yours", 404)
    match inbox.store.acts.write(act, alert_id, inbox.desk.directory(), over=over):
        case Written(position, done) | Again(position, done):
            if wants_json(request):
                return JSONResponse({"position": position, "act": done.act_id})
            return RedirectResponse(f"/stay/{alert_id}", 303)
        case Held(holder):
            return held_by(inbox, request, reader, holder, act.version)
        case answer:
            return refused(answer)


def refused(answer: Answered) -> Response:
    """Why nothing was written."""
    codes = {fault.code for fault in answer.faults} if isinstance(answer, Refused) else set()
    if isinstance(answer, Absent) or ActFault.NOT_ALLOWED in codes:
        return PlainTextResponse("not yours", 404)
    if ActFault.TOO_LATE_TO_UNDO in codes:
        return PlainTextResponse("too late", 409)
    if codes & {ActFault.NO_SUCH_ACT, ActFault.NOT_YOURS}:
        return PlainTextResponse("nothing to undo", 409)
    return PlainTextResponse("no such version", 409)


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
        reader=reader,
    )


async def undo(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(partial(take_back, inbox), visit.reader, str(visit.form.get("act", "")))


def take_back(inbox: "Inbox", reader: Reader, act_id: str) -> Response:
    there = inbox.store.acts.at(act_id)
    if there is None:
        return PlainTextResponse("nothing to undo", 409)
    alert_id, done = there
    now = datetime.now(UTC)
    back = Act(
        act_id=f"undo-{act_id}",
        kind=ActKind.UNDO,
        by=reader.person.case_manager_id,
        role=reader.person.role,
        version=done.version,
        happened_at=now,
        recorded_at=now,
        supersedes=act_id,
    )
    match inbox.store.acts.write(back, alert_id, inbox.desk.directory()):
        case Written(position) | Again(position):
            return JSONResponse({"position": position})
        case answer:
            return refused(answer)
