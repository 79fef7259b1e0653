"""The lists a person can look at: whose stays, narrowed how, and those they keep under a name."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from parsers.people import RiskTier, Role
from rules.decisions import AlertKind, Priority
from rules.following.state import FollowUpState
from streams.inbox.narrowing import OWN, SOON, Due, Narrowing, Sort, View, narrowing_of
from streams.inbox.pages.reader_stay import ReaderStay
from streams.inbox.request import Reader
from streams.inbox.team import colleagues, covers_for, scope
from streams.store.list_views import KeptView
from streams.words import people as people_words
from streams.words import stays as wording

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox

VIEW_WORDS: Final = {
    View.MINE: "My list",
    View.COVERING: "Covering for others",
    View.ASKED: "Asked of me",
    View.PRACTICES: "My practices",
    View.TEAM: "Team",
    View.NOBODY: "Nobody has it",
    View.GRAVE: "Deaths, returns, against advice",
    View.DONE: "Done",
}
assert VIEW_WORDS.keys() == set(View)
# Whose list is above all what others ask of them.
_CONSULTED: Final = frozenset({Role.PHARMACIST, Role.SOCIAL_WORKER, Role.MEDICAL_DIRECTOR})
_DUE_WORDS: Final = {Due.OVERDUE: "overdue", Due.TODAY: "today", Due.WEEK: f"within {SOON.days} days"}
_SORT_WORDS: Final = {
    Sort.PRESSING: "what presses most",
    Sort.DUE: "when it is due",
    Sort.NEWEST: "newest news",
    Sort.NAME: "last name",
}
_STATE_WORDS: Final = {
    FollowUpState.IN_HOSPITAL: "in the hospital",
    FollowUpState.TO_CALL: "to call",
    FollowUpState.TRYING: "tried, not reached yet",
    FollowUpState.REACHED: "talked, something still to do",
    FollowUpState.UNABLE: "could not be reached",
    FollowUpState.PAUSED: "waits: back in the hospital",
    FollowUpState.NO_CALL: "no call is required",
    FollowUpState.DONE: "done",
    FollowUpState.CLOSED: "closed",
    FollowUpState.DIED: "died",
    FollowUpState.VOID: "taken back by the hospital",
}
assert _STATE_WORDS.keys() == set(FollowUpState)
_RISKS: Final = tuple(tier for tier in RiskTier if people_words.RISK_WORDS[tier])
LONGEST_NAME: Final = 40


class Choice(NamedTuple):
    """One field of the form that narrows a list."""

    name: str
    words: str
    chosen: str
    options: tuple[tuple[str, str], ...]


class Looking(NamedTuple):
    """Which list an address means."""

    by: Narrowing
    view_id: str = ""  # "" where nothing is narrowed
    kept: tuple[KeptView, ...] = ()


def looking(inbox: "Inbox", reader: Reader, request: Request) -> Looking:
    """The list that the address names, as far as it is this reader's; else their own."""
    kept = tuple(inbox.store.list_views.of(reader.person.case_manager_id))
    saved = request.query_params.get("saved", "")
    mine = next((view for view in kept if saved and view.view_id == saved), None)
    if mine is not None:
        return Looking(_read(mine.document), mine.view_id, kept)
    return Looking(narrowing_of({"view": request.query_params.get("view", "")}), "", kept)


def _read(document: str) -> Narrowing:
    """What was kept; one's own list where a later program knows its choices no more."""
    try:
        return Narrowing.read(document)
    except ValidationError:
        return Narrowing()


def views_for(inbox: "Inbox", reader: Reader) -> tuple[View, ...]:
    """The views that can hold anything for this reader."""
    practices = scope(inbox.desk, reader.person)
    if practices is not None and not practices:
        return OWN
    theirs = {
        View.PRACTICES: bool(reader.person.practices),
        View.GRAVE: reader.person.role is Role.MEDICAL_DIRECTOR,
    }
    return tuple(view for view in View if theirs.get(view, True))


def choices(inbox: "Inbox", reader: Reader, by: Narrowing, stays: Iterable[ReaderStay]) -> tuple[Choice, ...]:
    """The fields of the form. `stays`: what is shown before anything narrows it, so that a hospital that may not be
    known to this reader is none of the choices."""
    alerts = [stay.latest for stay in stays]
    hospitals = sorted({alert.facility for alert in alerts if alert.facility} | ({by.hospital} - {""}))
    known = inbox.desk.directory().practices
    practices = {alert.person.practice_id for alert in alerts if alert.person} | ({by.practice} - {""})
    languages = sorted({alert.person.language for alert in alerts if alert.person} | {by.language} - {""})
    names = sorted((known[practice_id].name, practice_id) for practice_id in practices if practice_id in known)
    return (
        Choice("view", "Whose", by.view, tuple((view.value, VIEW_WORDS[view]) for view in views_for(inbox, reader))),
        Choice(
            "hospital", "Hospital", by.hospital, _any((hospital, wording.facility(hospital)) for hospital in hospitals)
        ),
        Choice("practice", "Practice", by.practice, _any((practice_id, name) for name, practice_id in names)),
        Choice(
            "holder",
            "Who has it",
            by.holder,
            _any((colleague.case_manager_id, colleague.name) for colleague in colleagues(inbox.desk, reader.person)),
        ),
        Choice("kind", "Kind", by.kind or "", _any((kind.value, wording.KIND_WORDS[kind]) for kind in AlertKind)),
        Choice(
            "urgency",
            "Urgency",
            by.urgency or "",
            _any((urgency, wording.PRIORITY_WORDS[urgency]) for urgency in Priority),
        ),
        Choice("risk", "Risk", by.risk or "", _any((risk.value, people_words.RISK_WORDS[risk]) for risk in _RISKS)),
        Choice("state", "Follow-up", by.state or "", _any(_STATE_WORDS.items())),
        Choice("language", "Language", by.language, _any((language, language) for language in languages)),
        Choice("due", "Due", by.due or "", _any((due.value, _DUE_WORDS[due]) for due in Due)),
        Choice("sort", "In order of", by.sort, tuple((sort.value, _SORT_WORDS[sort]) for sort in Sort)),
    )


def _any(options: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return (("", "any"), *options)


async def keep_view(inbox: "Inbox", visit: "Visit") -> Response:
    """What to show comes in the body and is kept here, so that the address says only which list."""
    fields = {name: value for name, value in visit.form.items() if isinstance(value, str)}
    return await run_in_threadpool(partial(_keep, inbox), visit.reader, fields)


def _keep(inbox: "Inbox", reader: Reader, form: dict[str, str]) -> Response:
    who, views = reader.person.case_manager_id, inbox.store.list_views
    if forgotten := form.get("forget", ""):
        views.forget(who, forgotten)
        return RedirectResponse("/", 303)
    by, name = narrowing_of(form), form.get("name", "").strip()[:LONGEST_NAME]
    if not by.narrows and not name:
        return RedirectResponse(address(by.view), 303)
    view_id = views.keep(who, name, by.model_dump_json(), datetime.now(UTC))
    return RedirectResponse(f"/?saved={view_id}" if view_id else "/?said=full", 303)


def address(view: View) -> str:
    return "/" if view is View.MINE else f"/?view={view}"


class Link(NamedTuple):
    """A list there is a link to."""

    href: str
    words: str
    by: Narrowing
    here: bool  # it is this one


def links(inbox: "Inbox", reader: Reader, at: Looking, now: datetime) -> list[Link]:
    """The lists of the row of links: the views that mean something to this reader now, then those they keep."""
    covered = covers_for(inbox.desk, reader.person, now)
    needless = {
        View.COVERING: not covered,
        View.ASKED: reader.person.role not in _CONSULTED,
    }
    words = dict(VIEW_WORDS)
    if len(covered) == 1:
        words[View.COVERING] = f"Covering for {covered[0]}"
    plain = [
        Link(address(view), words[view], Narrowing(view=view), here)
        for view in views_for(inbox, reader)
        if (here := not at.view_id and view is at.by.view) or not needless.get(view, False)
    ]
    named = [
        Link(f"/?saved={kept.view_id}", kept.name, _read(kept.document), kept.view_id == at.view_id)
        for kept in at.kept
        if kept.name
    ]
    return plain + named
