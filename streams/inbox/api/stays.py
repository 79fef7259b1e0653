"""Stays of the caller's list, one stay with its story, and acts."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from rules.following.acts import Act, ActFault, ActKind
from rules.following.wishes import Wishes
from rules.telling.confidentiality import Tier
from rules.telling.views import AlertView
from streams.inbox.api.caller import Caller, Refusal
from streams.inbox.api.models import ActIn, ClockOut, FollowUpOut, StayList, StaySummary, StayWhole, StepOut, WishesOut
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
    if _holds(request.headers.get("if-none-match", ""), whole.etag, weak=True):
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
    acts = inbox.store.acts.of_stays([stay.latest.alert_id for stay in stays])
    people = people_of(stays)
    wished = inbox.store.acts.wishes(people)
    detail = f"API, token {who.token_id}, {len(stays)} stays"
    inbox.store.audit.write_list(who.person.case_manager_id, Audited.READ_LIST, now, people, detail)
    return StayList(
        stays=tuple(
            StaySummary(
                **_summary(
                    stay,
                    acts.get(stay.latest.alert_id, ()),
                    wished.get(stay.latest.person.enrollee_id if stay.latest.person else ""),
                )
            )
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
    wished = _wished(inbox, latest)
    loop = detail.stay.loop
    if latest.tier is Tier.WITHHELD or loop is None:
        return StayWhole(
            **_summary(detail.stay, acts, wished),
            versions=detail.stay.versions,
            acts=(),
            clocks=(),
            steps=(),
            wishes=None,
        )
    return StayWhole(
        **_summary(detail.stay, acts, wished),
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
        wishes=_wishes(wished) if wished and detail.following else None,
    )


def _write(inbox: "Inbox", who: Caller, alert_id: str, act: Act, if_match: str) -> Response:
    detail = detail_of(inbox.desk, who.person, alert_id)
    if detail is None:
        raise Refusal(404, "there is no such stay, or it is not yours")
    before = inbox.store.acts.of_stay(alert_id)
    known = act.act_id in {written.act_id for written in before}
    wished = _wished(inbox, detail.stay.latest)
    if if_match and not known and not _holds(if_match, _etag(detail.stay.latest, before, wished)):
        raise Refusal(412, "this stay changed meanwhile: get it again")
    asks = act.kind is ActKind.TAKE and if_match != "*"
    match inbox.store.acts.write(act, alert_id, inbox.desk.directory(), over="" if asks else None):
        case Written(_, done):
            latest = detail.stay.latest
            etag = _etag(latest, inbox.store.acts.of_stay(alert_id), _wished(inbox, latest))
            return _json(done.model_dump_json(), 201, etag=etag)
        case Again(_, done):
            return _json(done.model_dump_json(), etag=_etag(detail.stay.latest, before, wished))
        case Held(by):
            raise Refusal(409, "somebody else has this stay; with If-Match: * it is taken from them", held_by=by)
        case Absent():
            raise Refusal(404, "there is no such stay, or it is not yours")
        case Refused(faults):
            codes = {fault.code for fault in faults}
            status = 403 if ActFault.NOT_ALLOWED in codes else 409 if codes & _CONFLICTS else 422
            raise Refusal(status, "the act was not written", faults=faults)


def _wished(inbox: "Inbox", latest: AlertView) -> Wishes | None:
    """How the person wants to be reached; `None` where the caller may not know who it is."""
    person = latest.person
    return inbox.store.acts.wishes([person.enrollee_id])[person.enrollee_id] if person else None


def _wishes(known: Wishes) -> WishesOut:
    fields = {name: getattr(known, name) for name in ("message", "first", "language", "interpreter")}
    said_at = known.last.happened_at if known.last else None
    return WishesOut(**fields, never=tuple(sorted(known.never)), said_at=said_at)


def _summary(stay: ReaderStay, acts: Sequence[Act], wished: Wishes | None) -> dict[str, Any]:
    latest, loop = stay.latest, stay.loop
    etag = _etag(latest, acts, wished)
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


def _etag(latest: AlertView, acts: Sequence[Act], wished: Wishes | None) -> str:
    """Of the version, the acts, and the person's wishes, which may be written on another stay."""
    since = int(wished.last.recorded_at.timestamp() * 1_000_000) if wished and wished.last else 0
    return f'"{latest.version}-{len(acts)}-{since:x}"'


def _holds(condition: str, etag: str, *, weak: bool = False) -> bool:
    """Whether a condition names the ETag: itself, among several, or by * (RFC 9110 13.1). `weak`: W/ is let be."""
    named = [tag.strip().removeprefix("W/" if weak else "") for tag in condition.split(",")]
    return condition.strip() == "*" or etag in named


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
