"""A press on a stay in, an act in its story out, or in words why not."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from rules.following.acts import Act, ActFault, ActKind, Fault, effective
from rules.following.wishes import is_to_be_asked
from streams.inbox.detail import StayDetail, detail_of
from streams.inbox.pages import list_rows as rows
from streams.inbox.pages.act_form import act_of
from streams.inbox.pages.reader_stay import clock_of
from streams.inbox.pages.story_acts import CORRECTABLE
from streams.inbox.request import Reader, wants_json
from streams.store.acts import Absent, Again, Held, Refused, Written
from streams.words import acts as act_words
from streams.words import times as time_words
from streams.words import wishes as wish_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox

SAME_WITHIN: Final = timedelta(minutes=5)  # another's act of the same kind so lately is asked about
_ONE_IS_ENOUGH: Final = frozenset(
    {
        ActKind.ATTEMPT, ActKind.UNABLE, ActKind.VISIT_BOOKED, ActKind.VISIT_KEPT, ActKind.VISIT_MISSED,
        ActKind.MEDICINES_RECONCILED, ActKind.PAPERS_FILED, ActKind.NOT_OURS, ActKind.CLOSE,
    }
)  # fmt: skip
_KEPT: Final = ("number", "minutes", "language", "interpreter", "who", "day", "until", "text", "on_behalf_of")
NOT_HERE: Final = frozenset({ActFault.NOT_ALLOWED, ActFault.NO_SUCH_ACT, ActFault.NOT_YOURS})


async def log(inbox: "Inbox", visit: "Visit") -> Response:
    fields = {name: value for name, value in visit.form.items() if isinstance(value, str)}
    return await run_in_threadpool(partial(write, inbox), visit.request, visit.reader, fields)


def write(inbox: "Inbox", request: Request, reader: Reader, form: dict[str, str]) -> Response:
    """Writes the act a form means, once by its `act`, and answers a script with JSON and a plain form with a page."""
    alert_id, now = request.path_params["alert_id"], datetime.now(UTC)
    detail = detail_of(inbox.desk, reader.person, alert_id)
    if detail is None:
        return PlainTextResponse("not yours", 404)
    act_id = form.get("act", "")[:64] or uuid4().hex
    act = meant(inbox, reader, detail, form, act_id, now)
    if not isinstance(act, Act):
        return refused(inbox, request, reader, act)
    before = inbox.store.acts.of_stay(alert_id)
    act = _completed(act, next((former for former in before if former.act_id == act.supersedes), None), form)
    if form.get("both") != "1" and (other := _same_lately(act, before, now)):
        ago = time_words.ago((now - other.recorded_at).total_seconds())
        question = f"{inbox.desk.name(other.by)} wrote the same {ago}. Keep both?"
        return asked(inbox, request, reader, question, "Keep both", {**form, "act": act_id, "both": "1"})
    following = detail.following
    if form.get("left") != "1" and not act.supersedes and following and is_to_be_asked(act, following.wishes):
        question = wish_words.QUESTIONS[following.wishes.message]
        return asked(inbox, request, reader, question, "A message was left", {**form, "act": act_id, "left": "1"})
    match inbox.store.acts.write(act, alert_id, inbox.desk.directory(), over=_over(act, form)):
        case Written(position, done) | Again(position, done):
            if draft := form.get("draft"):
                inbox.store.drafts.forget(act.by, alert_id, draft)
            if not wants_json(request):
                return RedirectResponse(f"/stay/{alert_id}", 303)
            person = detail.stay.latest.person
            whom = f"{rows.name_of(person)}: " if person else ""
            said = f"{whom}{act_words.written(done, inbox.desk.name, now, inbox.desk.zone)}."
            more = f"/stay/{alert_id}#c-{done.act_id}" if done.kind in CORRECTABLE else ""
            return JSONResponse({"position": position, "act": done.act_id, "said": said, "more": more})
        case Held(by):
            name = inbox.desk.name(by)
            question = f"{name} has this. Take it over?"
            return asked(inbox, request, reader, question, f"Take it over from {name}", {**form, "over": by})
        case Refused(faults):
            return refused(inbox, request, reader, faults)
        case Absent():
            return PlainTextResponse("not yours", 404)


def meant(
    inbox: "Inbox", reader: Reader, detail: StayDetail, form: Mapping[str, str], act_id: str, now: datetime
) -> Act | tuple[Fault, ...]:
    """The act a form means on this stay, with for whom the reader stands in; or what is wrong with it."""
    clock = clock_of(detail.stay)
    due, began = clock.due_at if clock else None, detail.stay.latest.started_at
    act = act_of(form, reader.person, act_id, now, inbox.desk.policy(), due, began)
    if not isinstance(act, Act):
        return act
    return act.model_copy(update={"on_behalf_of": detail.following.covered if detail.following else ""})


def _over(act: Act, form: Mapping[str, str]) -> str | None:
    """From whom the person agreed to take the stay; giving it to somebody asks nothing on its own page."""
    return form.get("over", "") if act.kind is ActKind.TAKE else None


def _completed(act: Act, former: Act | None, form: Mapping[str, str]) -> Act:
    """A correction says again what it does not change: when it happened above all."""
    if former is None or former.by != act.by:
        return act
    kept = {name: getattr(former, name) for name in _KEPT if getattr(act, name) in (None, "")}
    if not form.get("when"):
        kept["happened_at"] = former.happened_at
    return act.model_copy(update=kept)


def _same_lately(act: Act, before: tuple[Act, ...], now: datetime) -> Act | None:
    """What somebody else wrote just now and says the same, so that two who press at once learn of each other."""
    if act.kind not in _ONE_IS_ENOUGH or act.supersedes or any(written.act_id == act.act_id for written in before):
        return None
    return next(
        (
            earlier
            for earlier in reversed(effective(before))
            if (earlier.kind, earlier.outcome) == (act.kind, act.outcome)
            and earlier.by != act.by
            and now - earlier.recorded_at < SAME_WITHIN
        ),
        None,
    )


def asked(
    inbox: "Inbox", request: Request, reader: Reader, question: str, yes: str, fields: dict[str, str]
) -> Response:
    """Asks before it is written; a yes sends the same form again with what makes it sure."""
    fields = {name: value for name, value in fields.items() if name not in ("csrf", "ago")}
    if wants_json(request):
        return JSONResponse({"question": question, "yes": yes, "fields": fields}, 409)
    button = {"action": request.url.path, "words": yes, "fields": fields}
    return _words(inbox, reader, 409, question, (), button)


def refused(inbox: "Inbox", request: Request, reader: Reader, faults: tuple[Fault, ...]) -> Response:
    """Why nothing was written. What is not there and what is not theirs look the same."""
    codes = [fault.code for fault in faults]
    if not NOT_HERE.isdisjoint(codes):
        return PlainTextResponse("not yours", 404)
    words = "; ".join(dict.fromkeys(act_words.FAULT_WORDS[code] for code in codes))
    said = f"Not written: {words}."
    status = 409 if ActFault.NO_SUCH_VERSION in codes or ActFault.TOO_LATE_TO_UNDO in codes else 422
    if wants_json(request):
        return JSONResponse({"said": said}, status)
    return _words(inbox, reader, status, "Not written", (said, "Go back and press again."), None)


def _words(
    inbox: "Inbox",
    reader: Reader,
    status: int,
    heading: str,
    lines: tuple[str, ...],
    button: Mapping[str, object] | None,
) -> Response:
    return inbox.page(
        "words.html",
        status,
        heading=heading,
        lines=lines,
        button=button,
        reader=reader,
    )
