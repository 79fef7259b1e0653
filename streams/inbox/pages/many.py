"""Several stays chosen and one press in; an act in the story of each, once, and in words how many there are, out.

The list and the board choose with the same boxes and send the same form.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from rules.following.acts import Act, ActFault, ActKind, Fault
from rules.following.allowed import DOING
from rules.following.roles import may
from streams.inbox.access import is_away
from streams.inbox.detail import detail_of
from streams.inbox.pages.act_form import PRESSES
from streams.inbox.pages.draft import forget_beside
from streams.inbox.pages.log import NOT_HERE, meant
from streams.inbox.request import Reader, wants_json
from streams.inbox.team import colleagues
from streams.store.acts import Again, Held, Refused, Written
from streams.words import acts as act_words
from streams.words import numbers as number_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox

MOST_AT_ONCE: Final = 50
# Of each press for many, the fields it takes; a call is never logged for many.
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "noted": (),
    "take": (),
    "remind": ("until",),
    "note": ("text",),
    "hand_over": ("for_id", "text"),
    "assign": ("for_id", "text"),
}
_SAID: Final = {
    "noted": "Noted: {}.",
    "take": "You have {}.",
    "remind": "You are reminded of {}.",
    "note": "Written on {}.",
    "hand_over": "Offered to {who}: {}.",
    "assign": "Given to {who}: {}.",
}
assert _SAID.keys() == FIELDS.keys()
_BACK: Final = {"board": "/board?said={}"}
_HELD, _GONE = "somebody else has it", "no longer yours"


class Chosen(NamedTuple):
    """One box that was ticked: a stay, and its version that was before the person."""

    alert_id: str
    version: str
    holder: str | None = None  # who had it then; `None`: it was not asked


def chosen_of(values: Iterable[str]) -> list[Chosen]:
    """What boxes say ("3.a1", or "3.a1|cm-lee" with who has it), at most `MOST_AT_ONCE` and none twice."""
    chosen: dict[str, Chosen] = {}
    for value in values:
        version, _, stay = value.partition(".")
        alert_id, asked, holder = stay.partition("|")
        if alert_id:
            chosen[alert_id] = Chosen(alert_id, version, holder if asked else None)
    return list(chosen.values())[:MOST_AT_ONCE]


def offered(inbox: "Inbox", reader: Reader, now: datetime, back: str = "") -> dict[str, Any]:
    """What the form of the chosen needs: what this role may press, and to whom they can go."""
    directory = inbox.desk.directory()
    return {
        "back": back,
        "act": uuid4().hex,
        "presses": {press for press in FIELDS if may(reader.person.role, DOING[PRESSES[press]["kind"]])},
        "team": [
            (
                colleague.case_manager_id,
                colleague.name + (" (away)" if is_away(directory, colleague.case_manager_id, now) else ""),
            )
            for colleague in colleagues(inbox.desk, reader.person)
            if colleague != reader.person
        ],
    }


async def many(inbox: "Inbox", visit: "Visit") -> Response:
    chosen = chosen_of(str(box) for box in visit.form.getlist("stay"))
    fields = {name: value for name, value in visit.form.items() if isinstance(value, str)}
    return await run_in_threadpool(partial(write, inbox), visit.request, visit.reader, chosen, fields)


def write(inbox: "Inbox", request: Request, reader: Reader, chosen: list[Chosen], form: Mapping[str, str]) -> Response:
    """Writes the act on each stay, under ids made of the press, so that a repetition writes nothing twice."""
    press, for_id, now = form.get("press", ""), form.get("for_id", ""), datetime.now(UTC)
    if press not in FIELDS:
        return PlainTextResponse("no such action", 400)
    if "for_id" in FIELDS[press] and for_id not in {
        colleague.case_manager_id for colleague in colleagues(inbox.desk, reader.person)
    }:
        return _answer(inbox, request, reader, 422, "Not written: choose to whom.")
    said = {"press": press} | {name: form[name] for name in FIELDS[press] if form.get(name)}
    act_id = form.get("act", "")[:32] or uuid4().hex
    done: list[tuple[str, int, Act]] = []
    why_not: Counter[str] = Counter()
    for stay in chosen:
        match _one(inbox, reader, stay, said, f"{act_id}-{stay.alert_id}"[:64], now):
            case Written(position, act) | Again(position, act):
                done.append((stay.alert_id, position, act))
            case Held(by):
                why_not[f"{inbox.desk.name(by)} has it meanwhile" if press == "assign" else _HELD] += 1
            case Refused(faults):
                why_not[_words(faults)] += 1
            case _:
                why_not[_GONE] += 1
    if not done and set(why_not) <= {_GONE}:
        return PlainTextResponse("not yours", 404)
    whom = inbox.desk.name(for_id) if for_id else ""
    lines = [_SAID[press].format(number_words.count(len(done), "person", "people"), who=whom)] if done else []
    lines += [f"Not written for {number}: {why}." for why, number in sorted(why_not.items())]
    acts = [{"id": alert_id, "act": act.act_id} for alert_id, _, act in done]
    position = max((position for _, position, _ in done), default=0)
    if done:
        forget_beside(inbox, reader, "many")
    if done and set(why_not) <= {_GONE} and not wants_json(request):
        return RedirectResponse(_BACK.get(form.get("back", ""), "/").format(len(done)), 303)
    status = 200 if done else 422
    return _answer(inbox, request, reader, status, " ".join(lines), {"acts": acts, "position": position})


def _one(
    inbox: "Inbox", reader: Reader, stay: Chosen, said: Mapping[str, str], act_id: str, now: datetime
) -> Written | Again | Held | Refused | None:
    detail = detail_of(inbox.desk, reader.person, stay.alert_id)
    if detail is None:
        return None
    act = meant(inbox, reader, detail, {**said, "version": stay.version}, act_id, now)
    if not isinstance(act, Act):
        return Refused(act)
    over = stay.holder if act.kind is ActKind.ASSIGN else ""
    answer = inbox.store.acts.write(act, stay.alert_id, inbox.desk.directory(), over=over)
    return answer if isinstance(answer, Written | Again | Held | Refused) else None


def _words(faults: tuple[Fault, ...]) -> str:
    codes: list[ActFault] = [fault.code for fault in faults]
    if not NOT_HERE.isdisjoint(codes):
        return _GONE
    return "; ".join(dict.fromkeys(act_words.FAULT_WORDS[code] for code in codes))


def _answer(
    inbox: "Inbox", request: Request, reader: Reader, status: int, said: str, more: Mapping[str, Any] | None = None
) -> Response:
    if wants_json(request):
        return JSONResponse({"said": said, **(more or {})}, status)
    heading, lines = "Not all was written", (said, "Go back, look again and press again.")
    return inbox.page(
        "words.html",
        status,
        heading=heading,
        lines=lines,
        button=None,
        reader=reader,
    )
