"""The lists a person can look at: whose stays, narrowed how, and those they keep under a name."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from parsers.people import RiskTier
from rules.decisions import AlertKind, Priority
from streams.inbox.narrowing import SOON, Due, Narrowing, Sort, View, narrowing_of
from streams.inbox.pages.reader_stay import ReaderStay
from streams.inbox.request import Reader
from streams.inbox.team import colleagues, scope
from streams.store.list_views import KeptView
from streams.words import people as people_words
from streams.words import stays as wording

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox

VIEW_WORDS: Final = {
    View.MINE: "My list",
    View.COVERING: "Covering for others",
    View.PRACTICES: "My practices",
    View.TEAM: "Team",
    View.NOBODY: "Nobody has it",
}
_DUE_WORDS: Final = {Due.OVERDUE: "overdue", Due.TODAY: "today", Due.WEEK: f"within {SOON.days} days"}
_SORT_WORDS: Final = {
    Sort.PRESSING: "what presses most",
    Sort.DUE: "when it is due",
    Sort.NEWEST: "newest news",
    Sort.NAME: "last name",
}
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
        return (View.MINE, View.COVERING)
    return tuple(view for view in View if view is not View.PRACTICES or reader.person.practices)


def choices(inbox: "Inbox", reader: Reader, by: Narrowing, stays: Iterable[ReaderStay]) -> tuple[Choice, ...]:
    """The fields of the form. `stays`: what is shown before anything narrows it, so that a hospital that may not be
    known to this reader is none of the choices."""
    alerts = [stay.latest for stay in stays]
    hospitals = sorted({alert.facility for alert in alerts if alert.facility} | ({by.hospital} - {""}))
    known = inbox.desk.directory().practices
    practices = {alert.person.practice_id for alert in alerts if alert.person} | ({by.practice} - {""})
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


def links(inbox: "Inbox", reader: Reader, at: Looking, counts: Mapping[View, int]) -> list[dict[str, Any]]:
    """Each list there is a link to, which of them this is, and how many people are on it where that is known."""
    plain = [
        {"href": address(view), "words": VIEW_WORDS[view], "here": not at.view_id and view is at.by.view}
        | {"count": counts.get(view)}
        for view in views_for(inbox, reader)
    ]
    named = [
        {"href": f"/?saved={view.view_id}", "words": view.name, "here": view.view_id == at.view_id, "count": None}
        for view in at.kept
        if view.name
    ]
    return plain + named
