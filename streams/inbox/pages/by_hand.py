"""An event that no feed told, entered by hand: who, what, where and when in; a message like any other out."""

import re
import secrets
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from parsers.feeds import BY_HAND
from parsers.people import Enrollee
from rules.following.roles import Doing
from streams.inbox.by_hand import Entered, Happened, message_of
from streams.inbox.pages.draft import drafts_beside, forget_beside
from streams.inbox.pages.person import may_see
from streams.inbox.team import stays_of
from streams.kafka.records import keyed_hash
from streams.store.audit import Audited
from streams.store.hand_events import HandEvent
from streams.words import people as people_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox, Reader

OLDEST: Final = timedelta(days=30)
AHEAD: Final = timedelta(minutes=5)
HAPPENED: Final = {
    Happened.ED: "Came to the emergency department",
    Happened.ADMITTED: "Was admitted",
    Happened.OBSERVED: "Is being kept for observation",
    Happened.DISCHARGED: "Was discharged",
}
WHERE_TO: Final = {
    "": "not known",
    "01": "home",
    "06": "home with home health",
    "03": "skilled nursing facility",
    "62": "rehabilitation",
    "02": "another hospital",
    "07": "left against advice",
    "20": "died",
}  # HL7 table 0112
WRONG: Final = {
    "happened": "Say what happened.",
    "hospital": "Say at which hospital.",
    "at": f"Say when: in the last {OLDEST.days} days, and not ahead.",
    "disposition": "Where to is said of a discharge, from the list.",
}
_MESSAGE_ID: Final = re.compile(r"[0-9a-f]{32}")


async def by_hand_page(inbox: "Inbox", visit: "Visit") -> Response:
    said = "entered" if visit.request.query_params.get("said") else ""
    return await run_in_threadpool(partial(render, inbox), visit.reader, visit.request.path_params["ref"], said)


async def enter_by_hand(inbox: "Inbox", visit: "Visit") -> Response:
    given = {name: str(visit.form.get(name, "")).strip()[:120] for name in ("entry", *WRONG)}
    return await run_in_threadpool(partial(enter, inbox), visit.reader, visit.request.path_params["ref"], given)


def enter(inbox: "Inbox", reader: "Reader", ref: str, given: dict[str, str]) -> Response:
    """Lines the event up; the id that the form was made with keeps a second press from entering it twice."""
    person, now = _person(inbox, reader, ref), datetime.now(UTC)
    if person is None or not _MESSAGE_ID.fullmatch(given["entry"]):
        return PlainTextResponse("not here: search again", 404)
    entered = entered_of(inbox, given, now)
    if not isinstance(entered, Entered):
        return render(inbox, reader, ref, WRONG[entered], given)
    secret, me = inbox.secret, reader.person.case_manager_id
    message = message_of(entered, person, given["entry"], now, inbox.desk.zone)
    key = keyed_hash(secret, BY_HAND, person.enrollee_id)
    detail = f"by hand: {entered.happened}, {entered.hospital}"
    inbox.store.audit.write(me, Audited.ENTERED, now, enrollee_id=person.enrollee_id, detail=detail)
    inbox.store.hand_events.keep(HandEvent(given["entry"], key, now, message), secret)
    forget_beside(inbox, reader, f"by-hand-{ref}")
    return RedirectResponse(f"/by-hand/{ref}?said=1", 303)


def entered_of(inbox: "Inbox", given: dict[str, str], now: datetime) -> Entered | str:
    """What was entered, or the name of the field that is wrong."""
    if given["happened"] not in set(Happened):
        return "happened"
    happened = Happened(given["happened"])
    if not given["hospital"]:
        return "hospital"
    try:
        at = datetime.fromisoformat(given["at"]).replace(tzinfo=inbox.desk.zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return "at"
    if not now - OLDEST <= at <= now + AHEAD:
        return "at"
    discharged = happened is Happened.DISCHARGED
    if given["disposition"] not in WHERE_TO or (given["disposition"] and not discharged):
        return "disposition"
    return Entered(happened, given["hospital"], min(at, now), given["disposition"])


def render(inbox: "Inbox", reader: "Reader", ref: str, said: str = "", given: dict[str, str] | None = None) -> Response:
    person, now = _person(inbox, reader, ref), datetime.now(UTC)
    if person is None:
        return PlainTextResponse("not here: search again", 404)
    stays = stays_of(inbox.desk, reader.person, person, now)
    configured = (name for feed in inbox.settings.feeds for name in (feed.facility, *feed.facility_kinds))
    hospitals = sorted({name for name in (*configured, *(stay.latest.facility for stay in stays)) if name})
    name = person.name
    full = " ".join(part for part in (name.given, name.middle, name.family, name.suffix) if part)
    return inbox.page(
        "by_hand.html",
        422 if given else 200,
        reader=reader,
        ref=ref,
        who=people_words.person_line(full, person.birth_date, person.sex, now, inbox.desk.zone),
        entry=given["entry"] if given else f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}",
        given=given or dict.fromkeys(WRONG, ""),
        said="" if given else said,
        wrong=said if given else "",
        happened=HAPPENED,
        where_to=WHERE_TO,
        hospitals=hospitals,
        drafts=drafts_beside(inbox, reader),
    )


def _person(inbox: "Inbox", reader: "Reader", ref: str) -> Enrollee | None:
    """Whom it is about, when the reader may act for them."""
    person = inbox.store.people.of(inbox.refs.person(ref))
    return person if person and may_see(inbox, reader, person.practice_id, Doing.ACT) else None
