"""Stays of the caller's list, one stay with its story, and acts."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from rules.following.acts import Act, ActFault
from rules.following.loop import Loop
from rules.telling.confidentiality import Tier
from rules.telling.views import AlertView
from streams.inbox.api.caller import Caller, Refusal
from streams.inbox.api.models import ActIn, ClockOut, FollowUpOut, StayList, StaySummary, StayWhole, StepOut
from streams.inbox.detail import detail_of
from streams.inbox.pages.reader_stay import ReaderStay, people_of
from streams.store.acts import Absent, Again, Held, Refused, Written
from streams.store.audit import Audited

if TYPE_CHECKING:
    from streams.inbox.request import Inbox

MOST_BYTES: Final = 64 * 1024
_ALERT_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
KEY_PATTERN: Final = r"^[0-9A-Za-z._:~-]{8,128}$"
_KEY: Final = re.compile(KEY_PATTERN)
_CONFLICTS: Final = frozenset({ActFault.NO_SUCH_VERSION, ActFault.ACT_ID_TAKEN, ActFault.TOO_LATE_TO_UNDO})
_WORDS: Final[dict[str, Any]] = {"text": "", "who": "", "number": "", "answers": {}, "referral_to": ""}


async def list_stays(inbox: "Inbox", _request: Request, who: Caller) -> Response:
    listed = await run_in_threadpool(partial(_list, inbox), who)
    return _json(listed.model_dump_json())


async def one_stay(inbox: "Inbox", request: Request, who: Caller) -> Response:
    whole = await run_in_threadpool(partial(_whole, inbox), who, _alert_id(request))
    if request.headers.get("if-none-match") == whole.etag:
        return Response(status_code=304, headers={"ETag": whole.etag})
    return _json(whole.model_dump_json(), etag=whole.etag)


async def write_act(inbox: "Inbox", request: Request, who: Caller) -> Response:
    alert_id, key = _alert_id(request), request.headers.get("idempotency-key", "")
    if not _KEY.fullmatch(key):
        raise Refusal(400, "Idempotency-Key: 8 to 128 letters, digits and . _ : ~ - are needed")
    given = await _body(request)
    now = datetime.now(UTC)
    fields = {name: getattr(given, name) for name in type(given).model_fields}
    act = Act(
        **{**fields, "happened_at": fields["happened_at"] or now},
        act_id=key,
        by=who.person.case_manager_id,
        role=who.person.role,
        recorded_at=now,
    )
    return await run_in_threadpool(partial(_write, inbox), who, alert_id, act, request.headers.get("if-match", ""))


def _list(inbox: "Inbox", who: Caller) -> StayList:
    now = datetime.now(UTC)
    stays = inbox.desk.stays(who.person, now)
    ids = [stay.latest.alert_id for stay in stays]
    acts = inbox.store.acts.of_stays(ids)
    loops = inbox.store.acts.loops(ids, inbox.desk.directory(), inbox.desk.policy(), now)
    detail = f"API, token {who.token_id}, {len(stays)} stays"
    inbox.store.audit.write_list(who.person.case_manager_id, Audited.READ_LIST, now, people_of(stays), detail)
    return StayList(
        stays=tuple(
            StaySummary(**_summary(stay, loops.get(stay.latest.alert_id), acts.get(stay.latest.alert_id, ())))
            for stay in stays
        )
    )


def _whole(inbox: "Inbox", who: Caller, alert_id: str) -> StayWhole:
    now = datetime.now(UTC)
    detail = detail_of(inbox.desk, who.person, alert_id)
    if detail is None:
        raise Refusal(404, "there is no such stay, or it is not yours")
    latest = detail.stay.latest
    inbox.store.audit.write(
        who.person.case_manager_id,
        Audited.READ_STAY,
        now,
        alert_ids=(alert_id,),
        enrollee_id=latest.person.enrollee_id if latest.person else "",
        detail=f"API, token {who.token_id}, version {latest.version}, {detail.ruling}",
    )
    acts = inbox.store.acts.of_stay(alert_id)
    loop = inbox.store.acts.loops([alert_id], inbox.desk.directory(), inbox.desk.policy(), now).get(alert_id)
    if latest.tier is Tier.WITHHELD or loop is None:
        return StayWhole(
            **_summary(detail.stay, None, acts), versions=detail.stay.versions, acts=(), clocks=(), steps=()
        )
    return StayWhole(
        **_summary(detail.stay, loop, acts),
        versions=detail.stay.versions,
        acts=tuple(_shown(act, latest, who) for act in acts),
        clocks=tuple(
            ClockOut(
                kind=standing.clock.kind,
                due_at=standing.clock.due_at,
                verdict=standing.verdict,
                tries=standing.tries,
                act_id=standing.act.act_id if standing.act else "",
            )
            for standing in loop.standings
            if standing.clock.kind in {clock.kind for clock in latest.clocks}
        ),
        steps=tuple(StepOut(**step._asdict()) for step in inbox.store.escalations.of_stay(alert_id)),
    )


def _write(inbox: "Inbox", who: Caller, alert_id: str, act: Act, if_match: str) -> Response:
    detail = detail_of(inbox.desk, who.person, alert_id)
    if detail is None:
        raise Refusal(404, "there is no such stay, or it is not yours")
    before = inbox.store.acts.of_stay(alert_id)
    known = act.act_id in {written.act_id for written in before}
    if if_match and not known and if_match not in ("*", _etag(detail.stay.latest, before)):
        raise Refusal(412, "this stay changed meanwhile: get it again")
    match inbox.store.acts.write(act, alert_id, inbox.desk.directory(), over="" if if_match != "*" else None):
        case Written(_, done):
            etag = _etag(detail.stay.latest, inbox.store.acts.of_stay(alert_id))
            return _json(done.model_dump_json(), 201, etag=etag)
        case Again(_, done):
            return _json(done.model_dump_json(), etag=_etag(detail.stay.latest, before))
        case Held(by):
            raise Refusal(409, "somebody else has this stay; with If-Match: * it is taken from them", held_by=by)
        case Absent():
            raise Refusal(404, "there is no such stay, or it is not yours")
        case Refused(faults):
            codes = {fault.code for fault in faults}
            status = 403 if ActFault.NOT_ALLOWED in codes else 409 if codes & _CONFLICTS else 422
            raise Refusal(status, "the act was not written", faults=faults)


def _summary(stay: ReaderStay, loop: Loop | None, acts: Sequence[Act]) -> dict[str, Any]:
    latest = stay.latest
    etag = _etag(latest, acts)
    summary: dict[str, Any] = {"stay": latest, "etag": etag, "asked": bool(stay.asked), "holder": "", "follow_up": None}
    if loop is not None and latest.tier is not Tier.WITHHELD:
        now = loop.follow_up
        summary["holder"] = loop.holding.holder
        summary["follow_up"] = FollowUpOut(
            state=now.state, since=now.since, tries=now.tries, remind_at=now.remind_at, close_reason=now.close_reason
        )
    return summary


def _shown(act: Act, latest: AlertView, who: Caller) -> Act:
    """The act; below the full tier without what somebody else said of the patient."""
    if latest.tier is Tier.FULL or act.by == who.person.case_manager_id:
        return act
    return act.model_copy(update=_WORDS)


def _etag(latest: AlertView, acts: Iterable[Act]) -> str:
    return f'"{latest.version}-{len(tuple(acts))}"'


async def _body(request: Request) -> Any:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "application/json is needed")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise Refusal(413, f"at most {MOST_BYTES} bytes are taken")
    try:
        return ActIn.model_validate_json(bytes(body))
    except ValidationError as error:
        places = {".".join(str(part) for part in fault["loc"][:1]) for fault in error.errors(include_input=False)}
        raise Refusal(400, f"not as the document says: {', '.join(sorted(places & _NAMES)) or 'the body'}") from None


_NAMES: Final = frozenset(ActIn.model_fields)


def _alert_id(request: Request) -> str:
    alert_id = str(request.path_params["alert_id"])
    if not _ALERT_ID.fullmatch(alert_id):
        raise Refusal(404, "there is no such stay, or it is not yours")
    return alert_id


def _json(body: str, status: int = 200, *, etag: str = "") -> Response:
    return Response(body, status, {"ETag": etag} if etag else {}, "application/json")
