"""A week of a network: how many stays were told of, called about and visited in time, by practice and by hospital.

Counts only, unless names are asked for. Nobody of the staff is in it, and lines stand by name.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from rules.following.counted import Counted, monday_of, week_of
from rules.following.roles import Doing, Relation, may
from streams.follow.ticks import TickName
from streams.inbox.board import practice_of
from streams.inbox.pages import list_rows as rows
from streams.inbox.pages.board import may_see
from streams.inbox.pages.reader_stay import people_of
from streams.inbox.team import scope, stays_named
from streams.store.audit import Audited
from streams.store.week_counts import LONG_AGO, Place, Sums
from streams.words import times as time_words
from streams.words.report import COLUMN_WORDS, HOW_COUNTED
from streams.words.spreadsheet import csv_of
from streams.words.stays import facility

if TYPE_CHECKING:
    from parsers.people import CaseManager
    from streams.inbox.access import Desk
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox, Reader

WEEKS: Final = timedelta(weeks=12)  # shown before the one asked for
WEEK: Final = timedelta(weeks=1)
MOST_NAMED: Final = 1_000
NO_PRACTICE: Final = "no practice on file"


class NamedStay(NamedTuple):
    """One stay of a week."""

    alert_id: str
    who: str
    practice: str
    hospital: str
    columns: tuple[bool, ...]  # in the order of `Counted`


async def report_page(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(partial(_shown, inbox), visit.reader, visit.request.query_params)


async def report_file(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(partial(_in_csv, inbox), visit.reader, visit.request.query_params)


def week_asked_for(desk: "Desk", text: str, now: datetime) -> date:
    """The Monday of the week with that day; this week's for what is no day."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return week_of(now, desk.zone)
    day = max(day, LONG_AGO + WEEK)
    return monday_of(day)


def places_of(desk: "Desk", reader: "CaseManager", week: date) -> list[Place]:
    """A week of everybody on the panels of the reader's network and practices."""
    return desk.store.week_counts.places(week, scope(desk, reader))


def _shown(inbox: "Inbox", reader: "Reader", query: Mapping[str, str]) -> Response:
    if not may_see(reader.person):
        return PlainTextResponse("not yours", 404)
    now, desk, person = datetime.now(UTC), inbox.desk, reader.person
    week = week_asked_for(desk, query.get("week", ""), now)
    places = places_of(desk, person, week)
    counted_at = inbox.store.ticks.last_run(TickName.REPORTS)
    named = _named(inbox, reader, week, now, Audited.READ_LIST) if query.get("names") else None
    if named is None:
        inbox.store.audit.write(person.case_manager_id, Audited.READ_LIST, now, detail=f"report of {week}, counts")
    directory = desk.directory()
    by_practice = _summed(places, lambda place: directory.practice_name(place.practice_id) or NO_PRACTICE)
    return inbox.page(
        "report.html",
        reader=reader,
        week=week,
        named=named,
        most=MOST_NAMED,
        may_export=_may_export(person),
        before=week - WEEK,
        after=week + WEEK if week < week_of(now, desk.zone) else None,
        week_words=time_words.full_date(week),
        weeks=[
            (monday, time_words.full_date(monday), sums)
            for monday, sums in inbox.store.week_counts.weeks(scope(desk, person), week, week - WEEKS).items()
        ],
        columns=COLUMN_WORDS.values(),
        how=[(COLUMN_WORDS[each], HOW_COUNTED[each]) for each in Counted],
        parts=[("Practice", by_practice), ("Hospital", _summed(places, lambda place: facility(place.facility)))],
        whole=_sum(places),
        counted=time_words.time_or_moment(counted_at, now, desk.zone) if counted_at else "",
    )


def _in_csv(inbox: "Inbox", reader: "Reader", query: Mapping[str, str]) -> Response:
    """A line for each practice and hospital, or, asked for, for each stay."""
    if not may_see(reader.person):
        return PlainTextResponse("not yours", 404)
    now, desk, who = datetime.now(UTC), inbox.desk, reader.person.case_manager_id
    week = week_asked_for(desk, query.get("week", ""), now)
    headers = {"Content-Disposition": f'attachment; filename="report-{week}.csv"'}
    if query.get("names"):
        if not _may_export(reader.person):
            return PlainTextResponse("not yours", 404)
        named = _named(inbox, reader, week, now, Audited.PRINTED)
        of_stays = [[*line[1:4], *("1" if is_so else "0" for is_so in line.columns)] for line in named]
        text = csv_of([["patient", "practice", "hospital", *Counted], *of_stays])
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)
    directory = desk.directory()
    lines: list[list[Any]] = [["week", "practice_id", "practice", "hospital", *Counted]]
    for place in places_of(desk, reader.person, week):
        name = directory.practice_name(place.practice_id)
        lines.append([week.isoformat(), place.practice_id, name, place.facility, *map(str, place.sums)])
    inbox.store.audit.write(who, Audited.PRINTED, now, detail=f"report of {week}, counts")
    return Response(csv_of(lines), media_type="text/csv; charset=utf-8", headers=headers)


def _may_export(person: "CaseManager") -> bool:
    near = Relation.NETWORK if person.network_id else Relation.CENTRAL
    return bool(may(person.role, Doing.EXPORT, near))


def _named(inbox: "Inbox", reader: "Reader", week: date, now: datetime, audited: Audited) -> list[NamedStay]:
    """The stays of a week, as far as the reader may know whose they are. Who was shown is a row of the audit."""
    desk, who = inbox.desk, reader.person.case_manager_id
    counts = inbox.store.week_counts.stays(week, scope(desk, reader.person), MOST_NAMED)
    directory = desk.directory()
    stays = [stay for stay in stays_named(desk, reader.person, list(counts), now) if stay.latest.person]
    inbox.store.audit.write_list(who, audited, now, people_of(stays), f"report of {week}, {len(stays)} named")
    lines = [
        NamedStay(
            stay.latest.alert_id,
            rows.who_of(stay.latest.person, now, desk.zone),
            directory.practice_name(practice_of(stay)) or NO_PRACTICE,
            facility(stay.latest.facility),
            tuple(each in counts[stay.latest.alert_id] for each in Counted),
        )
        for stay in stays
    ]
    return sorted(lines, key=lambda line: (line.who, line.alert_id))


def _sum(places: list[Place]) -> Sums:
    return Sums(*map(sum, zip(*(place.sums for place in places), strict=True))) if places else Sums()


def _summed(places: list[Place], name: Callable[[Place], str]) -> list[tuple[str, Sums]]:
    """By what `name` says of a place, in its order."""
    by_name: dict[str, list[Place]] = {}
    for place in places:
        by_name.setdefault(name(place), []).append(place)
    return [(each, _sum(by_name[each])) for each in sorted(by_name)]
