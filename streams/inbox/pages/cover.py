"""Being away, said on the page by oneself or by a manager; and what happened meanwhile, when one is back."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from parsers.people import Absence, CaseManager
from rules.following.acts import ActKind, effective
from rules.following.roles import Doing, Relation, may
from streams.inbox.coverage import Day, coverage, gaps
from streams.inbox.pages import list_rows as rows
from streams.inbox.request import Reader
from streams.inbox.team import away_until, colleagues
from streams.store.audit import Audited
from streams.words import acts as act_words
from streams.words import people as people_words
from streams.words import times as time_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox

LONGEST: Final = timedelta(days=366)
SHOWN_DAYS: Final = 14  # what is to come
SHOWN: Final = timedelta(days=SHOWN_DAYS)
BACK_FOR: Final = timedelta(days=7)  # so long after coming back the list stays
FAULTS: Final = {
    "times": "Not written: the end must lie after the start, at most a year later.",
    "who": "Not written: choose who covers; nobody covers for themselves.",
}


class Meanwhile(NamedTuple):
    """One stay of the reader's on which somebody did something while the reader was away."""

    alert_id: str
    who: str
    lines: tuple[str, ...]


def may_say_for(reader: CaseManager, other: CaseManager) -> bool:
    """Oneself, or a manager for the network's people."""
    if reader == other:
        return True
    near = Relation.CENTRAL if not reader.network_id else Relation.NETWORK
    of_ours = near is Relation.CENTRAL or other.network_id == reader.network_id
    return of_ours and bool(may(reader.role, Doing.ASSIGN, near))


async def cover_page(inbox: "Inbox", visit: "Visit") -> Response:
    said, whose = visit.request.query_params.get("said", ""), visit.request.query_params.get("whose", "")
    return await run_in_threadpool(partial(render, inbox), visit.reader, FAULTS.get(said, ""), whose)


def render(inbox: "Inbox", reader: Reader, said: str, whose: str) -> Response:
    now, me = datetime.now(UTC), reader.person
    team = colleagues(inbox.desk, me)
    people = [colleague for colleague in team if may_say_for(me, colleague)]
    coming = [
        (inbox.desk.name(absence.case_manager_id), absence)
        for person in team
        for absence in inbox.desk.directory().absences.get(person.case_manager_id, ())
        if absence.ends > now and absence.starts < now + SHOWN
    ]
    days = calendar_of(inbox, team, now)
    inbox.store.audit.write(me.case_manager_id, Audited.READ_LIST, now, detail="cover")
    return inbox.page(
        "cover.html",
        reader=reader,
        said=said,
        people=[(person.case_manager_id, _named(person)) for person in people],
        chosen=whose if whose in {person.case_manager_id for person in people} else me.case_manager_id,
        team=[(colleague.case_manager_id, _named(colleague)) for colleague in team],
        coming=[
            {
                "who": name,
                "times": " to ".join(
                    time_words.moment(at, now, inbox.desk.zone) for at in (absence.starts, absence.ends)
                ),
                "cover": inbox.desk.name(absence.backup_id) if absence.backup_id else "",
            }
            for name, absence in sorted(coming, key=lambda named_absence: (named_absence[1].starts, named_absence[0]))
        ],
        away_until=_until(inbox, me, now),
        shown_days=SHOWN_DAYS,
        days=[(time_words.plain_day(day.on), day.away) for day in days] if coming else [],
        gaps=[(name, [time_words.plain_day(on) for on in gap_days]) for name, gap_days in gaps(days).items()],
        meanwhile=meanwhile(inbox, me, now),
    )


def calendar_of(inbox: "Inbox", team: Iterable[CaseManager], now: datetime) -> tuple[Day, ...]:
    """Who of the team is away on each of the next days, from today on."""
    zone = inbox.desk.zone
    return coverage(inbox.desk.directory(), team, now.astimezone(zone).date(), SHOWN_DAYS, zone)


def _named(person: CaseManager) -> str:
    return f"{person.name} · {people_words.ROLE_WORDS[person.role]}"


def _until(inbox: "Inbox", person: CaseManager, now: datetime) -> str:
    until = away_until(inbox.desk, person, now)
    return time_words.time_or_moment(until, now, inbox.desk.zone) if until else ""


def meanwhile(inbox: "Inbox", me: CaseManager, now: datetime) -> list[Meanwhile]:
    """What others did on the reader's stays since the last absence began."""
    absences = inbox.desk.directory().absences.get(me.case_manager_id, ())
    past = [absence for absence in absences if absence.starts < now and absence.ends > now - BACK_FOR]
    if not past:
        return []
    since = min(absence.starts for absence in past)
    stays, zone = inbox.desk.stays(me, now), inbox.desk.zone
    acts = inbox.store.acts.of_stays([stay.latest.alert_id for stay in stays])
    lines_by_stay = []
    for stay in stays:
        done = [
            act
            for act in effective(acts.get(stay.latest.alert_id, ()))
            if act.recorded_at >= since and act.by != me.case_manager_id and act.kind is not ActKind.NOTED
        ]
        headlines = [rows.headline_of(version) for version in stay.versions if version.decided_at >= since]
        deeds = [
            f"{act_words.did(act, inbox.desk.name)}, {time_words.moment(act.recorded_at, now, zone)}" for act in done
        ]
        lines = [*headlines, *deeds]
        if lines:
            lines_by_stay.append(
                Meanwhile(stay.latest.alert_id, rows.who_of(stay.latest.person, now, zone), tuple(lines))
            )
    return lines_by_stay


async def say_away(inbox: "Inbox", visit: "Visit") -> Response:
    fields = {name: str(visit.form.get(name, "")) for name in ("who", "starts", "ends", "backup_id", "press")}
    return await run_in_threadpool(partial(write, inbox), visit.reader, fields)


def write(inbox: "Inbox", reader: Reader, form: dict[str, str]) -> Response:
    now, me = datetime.now(UTC), reader.person
    who = inbox.desk.person(form["who"]) if form["who"] else me
    if who is None or not may_say_for(me, who):
        return PlainTextResponse("not yours", 404)
    if form["press"] == "back":
        inbox.store.absences.back(who.case_manager_id, me.case_manager_id, now)
        inbox.desk.read_again()
        return RedirectResponse("/cover", 303)
    zone = inbox.desk.policy().tz
    try:
        starts, ends = (
            datetime.fromisoformat(form[name]).replace(tzinfo=zone).astimezone(UTC) for name in ("starts", "ends")
        )
    except (ValueError, OverflowError):
        return RedirectResponse("/cover?said=times", 303)
    if not starts < ends <= starts + LONGEST or ends <= now:
        return RedirectResponse("/cover?said=times", 303)
    backup = form["backup_id"]
    if backup and backup not in {each.case_manager_id for each in colleagues(inbox.desk, me)} - {who.case_manager_id}:
        return RedirectResponse("/cover?said=who", 303)
    absence = Absence(case_manager_id=who.case_manager_id, starts=starts, ends=ends, backup_id=backup)
    inbox.store.absences.say(absence, me.case_manager_id, now)
    inbox.desk.read_again()
    return RedirectResponse("/cover", 303)
