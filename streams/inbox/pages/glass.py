"""A patient who is nobody of the reader's, in an emergency: the search for one, why, and an hour of reading.

Found is only who is named exactly. Every search, opening and look is a row of the audit; a manager of the patient's
network, else the central office, finds it on the board until they say that they have looked at it.
"""

import math
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from parsers.people import CaseManager, Enrollee, Role
from rules.decisions import Action
from rules.following.glass import LONGEST, SHORTEST, GlassFault, GlassReason, fault_of, is_part2_emergency
from rules.telling.confidentiality import Tier
from rules.telling.views import AlertView, view
from streams.inbox.asked_for import AskedFor, read
from streams.inbox.pages.draft import drafts_beside, forget_beside
from streams.inbox.pages.person import may_see, reaching
from streams.inbox.pages.stay_words import about
from streams.store.among import Among
from streams.store.audit import IN_EMERGENCY, Audited
from streams.store.glass import Broken
from streams.store.guessing import Limit
from streams.words import diagnoses as diagnosis_words
from streams.words import people as people_words
from streams.words import stays as stay_words
from streams.words import times as time_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox, Reader

SEARCHES: Final = Limit(10, timedelta(minutes=6), timedelta(minutes=10))  # of one person
MOST_FOUND: Final = 3
REASON_WORDS: Final = {
    GlassReason.MEDICAL_EMERGENCY: "Medical emergency: the patient cannot be asked, and care cannot wait",
    GlassReason.DANGER: "Danger to the patient or to others",
    GlassReason.CALLED: "Patient, family or hospital is on the line now",
    GlassReason.NOBODY_ELSE: "Who answers for the patient is not to be had",
}
assert REASON_WORDS.keys() == set(GlassReason)
FAULT_WORDS: Final = {
    GlassFault.REASON: "Choose a reason.",
    GlassFault.WORDS: f"Say in {SHORTEST} to {LONGEST} characters what happened.",
}
assert FAULT_WORDS.keys() == set(GlassFault)


async def glass_page(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(asking, inbox, visit.reader)


async def find(inbox: "Inbox", visit: "Visit") -> Response:
    """What is searched for comes in the body; slowed for who searches much."""
    words = str(visit.form.get("words", ""))[:200]
    now = datetime.now(UTC)
    key = f"glass:{visit.reader.person.case_manager_id}"
    wait = await run_in_threadpool(inbox.store.guessing.take, {key: SEARCHES}, now)
    if wait > timedelta():
        said = f"You searched many times. Wait {math.ceil(wait.total_seconds())} seconds."
        return await run_in_threadpool(asking, inbox, visit.reader, said, 429)
    return await run_in_threadpool(partial(search_result, inbox, visit.reader, words))


def asking(
    inbox: "Inbox", reader: "Reader", said: str = "", status: int = 200, people: list[dict[str, str]] | None = None
) -> Response:
    return inbox.page(
        "glass.html",
        status,
        reader=reader,
        said=said,
        people=people or [],
        reasons=[(reason.value, words) for reason, words in REASON_WORDS.items()],
        shortest=SHORTEST,
        longest=LONGEST,
        drafts=drafts_beside(inbox, reader),
    )


def search_result(inbox: "Inbox", reader: "Reader", words: str) -> Response:
    now, zone = datetime.now(UTC), inbox.desk.zone
    asked = read(words, now.astimezone(zone).date())
    people = inbox.store.people.find(None, names=asked.names, born=asked.born, ids=asked.ids) if is_exact(asked) else []
    if len(people) > MOST_FOUND:
        people = []
    who = reader.person.case_manager_id
    ids = [person.enrollee_id for person in people]
    inbox.store.audit.write_people(who, Audited.READ_LIST, now, ids, "search to open in an emergency")
    shown = [
        {
            "ref": inbox.refs.of(person.enrollee_id),
            "who": _name(person),
            "born": time_words.birth_date(person.birth_date),
        }
        | {"theirs": "yes" if may_see(inbox, reader, person.practice_id) else ""}
        for person in people
    ]
    said = "" if shown else "Nobody, or too many. Give first and last name with the birth date, or the member ID."
    return asking(inbox, reader, said, 200, shown)


def is_exact(asked: AskedFor) -> bool:
    """First and last name with the birth date, or a member or Medicaid ID; never a part of one."""
    named = len(asked.names) >= 2 and all(len(name) >= 2 for name in asked.names)
    return bool(asked.ids) or (named and asked.born is not None)


async def break_glass(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(partial(opened, inbox, visit))


def opened(inbox: "Inbox", visit: "Visit") -> Response:
    ref = visit.request.path_params["ref"]
    enrollee = inbox.store.people.of(inbox.refs.person(ref))
    if enrollee is None:
        return PlainTextResponse("not here: search again", 404)
    reason, words = (str(visit.form.get(name, "")) for name in ("reason", "text"))
    if fault := fault_of(reason, words):
        return asking(inbox, visit.reader, FAULT_WORDS[fault], 400)
    who, now = visit.reader.person.case_manager_id, datetime.now(UTC)
    network = inbox.desk.network_id(enrollee)
    forget_beside(inbox, visit.reader, f"glass-{ref}")
    inbox.store.glass.break_for(who, enrollee.enrollee_id, network, GlassReason(reason), words, now)
    return RedirectResponse(f"/glass/{ref}", 303)


async def opened_page(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(partial(shown_to, inbox, visit))


def shown_to(inbox: "Inbox", visit: "Visit") -> Response:
    """The patient and their stays, to read, as long as it is open to this reader."""
    now, me, zone = datetime.now(UTC), visit.reader.person, inbox.desk.zone
    enrollee = inbox.store.people.of(inbox.refs.person(visit.request.path_params["ref"]))
    broken = inbox.store.glass.holds(me.case_manager_id, enrollee.enrollee_id, now) if enrollee else None
    if enrollee is None or broken is None:
        return PlainTextResponse("not here: search again", 404)
    views = views_of(inbox, me, enrollee, broken, now)
    inbox.store.audit.write(
        me.case_manager_id,
        Audited.READ_STAY,
        now,
        alert_ids=[alert.alert_id for alert in views] or [""],
        enrollee_id=enrollee.enrollee_id,
        detail=f"{IN_EMERGENCY}, {broken.reason}",
    )
    return inbox.page(
        "glass_person.html",
        reader=visit.reader,
        who=people_words.person_line(_name(enrollee), enrollee.birth_date, enrollee.sex, now, zone),
        until=time_words.time_or_moment(broken.until, now, zone),
        reason=REASON_WORDS[broken.reason],
        facts=reaching(inbox, me, enrollee, now),
        stays=[_words(inbox, alert, now) for alert in views if alert.tier is not Tier.WITHHELD],
        withheld=len([alert for alert in views if alert.tier is Tier.WITHHELD]),
    )


def views_of(inbox: "Inbox", reader: CaseManager, enrollee: Enrollee, broken: Broken, now: datetime) -> list[AlertView]:
    """The newest version of each stay, as one who was asked would read it; consent is asked as ever."""
    rows = inbox.store.inbox.rows_of(reader.case_manager_id, Among(enrollee_id=enrollee.enrollee_id), now)
    emergency = is_part2_emergency(reader.role, broken.reason)
    rules, network = inbox.desk.confidentiality(), inbox.desk.network_id(enrollee)
    return [
        view(row.alert, enrollee, reader, rules, network_id=network, assigned=True, emergency=emergency)
        for row in rows
        if row.alert.action is not Action.RETRACT
    ]


def _words(inbox: "Inbox", alert: AlertView, now: datetime) -> dict[str, object]:
    return {
        "kind": stay_words.KIND_WORDS[alert.kind] if alert.kind else "",
        "facts": about(alert, now, inbox.desk.zone),
        "why": diagnosis_words.why_there(alert.diagnoses, alert.complaint),
        "notice": alert.notice,
    }


async def look_at(inbox: "Inbox", visit: "Visit") -> Response:
    """Somebody who answers for the network has looked at what was opened there."""
    me, now = visit.reader.person, datetime.now(UTC)
    waiting = await run_in_threadpool(waiting_for, inbox, me)
    wanted = str(visit.form.get("of", ""))
    if wanted not in {broken.glass_id for broken in waiting}:
        return PlainTextResponse("not here", 404)
    await run_in_threadpool(inbox.store.glass.look_at, wanted, me.case_manager_id, now)
    return RedirectResponse("/board#glass", 303)


def waiting_for(inbox: "Inbox", reader: CaseManager) -> list[Broken]:
    """What this person is to look at: a manager of the own network, the central office of all."""
    if reader.role is Role.CENTRAL_OFFICE:
        return inbox.store.glass.waiting(None, reader.case_manager_id)
    if reader.role is Role.MANAGER and reader.network_id:
        return inbox.store.glass.waiting({reader.network_id}, reader.case_manager_id)
    return []


def _name(enrollee: Enrollee) -> str:
    name = enrollee.name
    return " ".join(part for part in (name.given, name.middle, name.family, name.suffix) if part)
