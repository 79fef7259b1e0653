"""What one has, on paper at the end of a shift, and by the day on which it is due."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import partial
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from parsers.people import Practice
from rules.following.acts import ActKind
from rules.following.wishes import Wishes
from rules.telling.confidentiality import Tier
from streams.inbox.board import is_open
from streams.inbox.following import readable
from streams.inbox.opened import back_of
from streams.inbox.pages import list_rows as rows
from streams.inbox.pages.many import chosen_of
from streams.inbox.pages.reader_stay import ReaderStay, clock_of, people_of
from streams.inbox.request import Reader
from streams.inbox.team import team_stays
from streams.store.audit import Audited
from streams.words import acts as act_words
from streams.words import clocks as clock_words
from streams.words import people as people_words
from streams.words import times as time_words
from streams.words import wishes as wish_words
from streams.words.calendar import calendar

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox


async def sheet_page(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(partial(render_sheet, inbox), visit.reader)


async def sheet_of(inbox: "Inbox", visit: "Visit") -> Response:
    """Of the stays that are chosen, printed at once."""
    chosen = frozenset(stay.alert_id for stay in chosen_of(str(value) for value in visit.form.getlist("stay")))
    back = back_of(str(visit.form.get("back", "")))
    return await run_in_threadpool(partial(render_sheet, inbox), visit.reader, chosen, back)


def render_sheet(inbox: "Inbox", reader: Reader, chosen: frozenset[str] | None = None, back: str = "/") -> Response:
    """Everything open of the reader, or what is chosen of what the reader's list and team show, with phones, tries and
    notes, and lines to write on. Audited as printed."""
    now, who, directory = datetime.now(UTC), reader.person.case_manager_id, inbox.desk.directory()
    stays = inbox.desk.stays(reader.person, now)
    if chosen is None:
        stays = [stay for stay in stays if is_open(stay)]
    else:
        near = {stay.latest.alert_id: stay for stay in (*team_stays(inbox.desk, reader.person, now), *stays)}
        stays = [stay for alert_id, stay in near.items() if alert_id in chosen]
    acts = inbox.store.acts.of_stays([stay.latest.alert_id for stay in stays])
    wished = inbox.store.acts.wishes(people_of(stays))
    listed = sorted(
        ((rows.row(stay, who, now, inbox.desk.zone), stay) for stay in stays), key=lambda pair: pair[0].rank
    )
    ids = [stay.latest.alert_id for stay in stays]
    inbox.store.audit.write(who, Audited.PRINTED, now, alert_ids=ids, detail="hand-over sheet")
    sheet = []
    for row, stay in listed:
        person, done = stay.latest.person, readable(acts.get(row.alert_id, ()), stay.latest.tier, who)
        said = [act for act in done if act.kind in (ActKind.ATTEMPT, ActKind.NOTE, ActKind.HAND_OVER)][-4:]
        sheet.append(
            {
                "row": row,
                "born": time_words.birth_date(person.birth_date) if person else "",
                "phone": people_words.phone(person.phone) if person else "",
                "wishes": _wishes(wished[person.enrollee_id]) if person else "",
                "practice": _practice(directory.practices.get(person.practice_id)) if person else "",
                "language": person.language if person and stay.latest.tier is Tier.FULL else "",
                "lines": [
                    " · ".join((act_words.did(act, inbox.desk.name), *act_words.details(act, now, inbox.desk.zone)))
                    for act in said
                ],
            }
        )
    return inbox.page(
        "sheet.html",
        reader=reader,
        sheet=sheet,
        at_once=chosen is not None,
        back=back,
        now_words=time_words.moment(now, now, inbox.desk.zone),
    )


def _practice(practice: Practice | None) -> str:
    return f"{practice.name} {people_words.phone(practice.phone)}".strip() if practice else ""


def _wishes(known: Wishes) -> str:
    first = f"call first {people_words.phone(known.first)}" if known.first else ""
    return "; ".join(
        part for part in (wish_words.MAY_LEAVE_WORDS[known.message], first, *wish_words.others(known)) if part
    )


async def due_page(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(partial(render_due, inbox), visit.reader)


def render_due(inbox: "Inbox", reader: Reader) -> Response:
    """The next steps of the reader's stays by the day of their last working moment; what is late stands first."""
    now, who = datetime.now(UTC), reader.person.case_manager_id
    days: dict[date, list[ReaderStay]] = defaultdict(list)
    stays = inbox.desk.stays(reader.person, now)
    for stay in stays:
        if day := _day(stay, now, inbox.desk.zone):
            days[day].append(stay)
    inbox.store.audit.write_list(who, Audited.READ_LIST, now, people_of(stays), f"calendar, {len(stays)} stays")
    zone = inbox.desk.zone
    today = now.astimezone(zone).date()
    return inbox.page(
        "due.html",
        reader=reader,
        days=[
            (_words(day, today, now, zone), [rows.row(stay, who, now, zone) for stay in kept])
            for day, kept in sorted(days.items())
        ],
    )


async def due_file(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(partial(render_due_file, inbox), visit.reader)


def render_due_file(inbox: "Inbox", reader: Reader) -> Response:
    """How much is due on each day; what is late counts for today."""
    now, who = datetime.now(UTC), reader.person.case_manager_id
    today = now.astimezone(inbox.desk.zone).date()
    stays = inbox.desk.stays(reader.person, now)
    due = Counter(max(day, today) for stay in stays if (day := _day(stay, now, inbox.desk.zone)))
    inbox.store.audit.write(who, Audited.PRINTED, now, detail=f"calendar file, {sum(due.values())} due")
    headers = {"Content-Disposition": 'attachment; filename="due.ics"'}
    return Response(calendar(due, who, now), media_type="text/calendar; charset=utf-8", headers=headers)


def _day(stay: ReaderStay, now: datetime, zone: tzinfo) -> date | None:
    clock = clock_of(stay)
    if clock is None:
        return None
    last = clock_words.last_moment(clock, now, zone, stay.policy) - timedelta(minutes=1)
    return max(last, now - timedelta(days=1)).astimezone(zone).date()


def _words(day: date, today: date, now: datetime, zone: tzinfo) -> str:
    if day < today:
        return "Overdue"
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone)
    return "Today" if day == today else time_words.day(noon, now, zone)
