"""People of one's panels: the search for one of them, and everything about one."""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from parsers.people import CaseManager, Enrollee
from rules.following.roles import Doing, Relation, may
from rules.following.wishes import is_never
from rules.telling.confidentiality import Tier
from rules.telling.views import PersonView
from streams.inbox.asked_for import read
from streams.inbox.following import counting, readable
from streams.inbox.pages import list_rows as rows
from streams.inbox.request import Reader, tel
from streams.inbox.team import scope, stays_of
from streams.store.among import SHOWN_DAYS
from streams.store.audit import Audited
from streams.words import acts as act_words
from streams.words import people as people_words
from streams.words import times as time_words
from streams.words import wishes as wish_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox


async def people_page(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(partial(render_search, inbox), visit.reader, "")


async def search(inbox: "Inbox", visit: "Visit") -> Response:
    """What is searched for comes in the body, so that no address and no log holds a name."""
    words = str(visit.form.get("words", ""))[:200]
    return await run_in_threadpool(partial(render_search, inbox), visit.reader, words)


def may_see(inbox: "Inbox", reader: Reader, practice_id: str, doing: Doing = Doing.SEE_PERSON) -> bool:
    """Whether the reader's role sees people of this practice, or may do something else for them."""
    practices = scope(inbox.desk, reader.person)
    if practices is None:
        return bool(may(reader.person.role, doing, Relation.CENTRAL))
    near = Relation.PRACTICE if practice_id in reader.person.practices else Relation.NETWORK
    return practice_id in practices and bool(may(reader.person.role, doing, near))


def ref_of(inbox: "Inbox", reader: Reader, person: PersonView | None) -> str:
    """The address of a person's page; "" where the reader may not open it."""
    return inbox.refs.of(person.enrollee_id) if person and may_see(inbox, reader, person.practice_id) else ""


def render_search(inbox: "Inbox", reader: Reader, words: str) -> Response:
    now = datetime.now(UTC)
    today = now.astimezone(time_words.ZONE).date()
    asked = read(words, today)
    practices = scope(inbox.desk, reader.person)
    shown = []
    if asked and (practices is None or practices):
        people = inbox.store.people.find(
            practices, names=asked.names, born=asked.born, ids=asked.ids, phone=asked.phone
        )
        shown = [person for person in people if may_see(inbox, reader, person.practice_id)]
        ids = [person.enrollee_id for person in shown]
        inbox.store.audit.write_people(reader.person.case_manager_id, Audited.READ_LIST, now, ids, "search")
    return inbox.page(
        "search.html",
        reader=reader,
        words=words,
        asked=bool(words),
        people=[
            {
                "ref": inbox.refs.of(person.enrollee_id),
                "who": people_words.person_line(_name(person), person.birth_date, person.sex, now, inbox.desk.zone),
                "born": time_words.birth_date(person.birth_date),
                "practice": inbox.desk.directory().practice_name(person.practice_id),
            }
            for person in shown
        ],
    )


def _name(enrollee: Enrollee) -> str:
    name = enrollee.name
    return " ".join(part for part in (name.given, name.middle, name.family, name.suffix) if part)


class Fact(NamedTuple):
    """What is known of a person; "" for nothing."""

    name: str
    value: str
    tel: str = ""  # what a telephone dials


def reaching(inbox: "Inbox", reader: CaseManager, enrollee: Enrollee, now: datetime) -> list[Fact]:
    """What one needs to reach somebody: their numbers, what they wish, their language, their practice."""
    desk, phone = inbox.desk, people_words.phone
    practice = desk.directory().practices.get(enrollee.practice_id)
    wished = inbox.store.acts.wishes([enrollee.enrollee_id])[enrollee.enrollee_id]
    wished_by = desk.name_near(reader, wished.last.by) if wished.last else ""
    of_practice = practice.phone if practice else ""
    return [
        Fact("Phone", phone(enrollee.phone), "" if is_never(wished, enrollee.phone) else tel(enrollee.phone)),
        Fact("Call first", phone(wished.first), tel(wished.first)),
        Fact("Messages", wish_words.message(wished, wished_by, now, desk.zone)),
        Fact("Wishes", "; ".join(wish_words.others(wished))),
        Fact("Born", time_words.birth_date(enrollee.birth_date)),
        Fact("Language", enrollee.language),
        Fact("Practice", practice.name if practice else ""),
        Fact("Practice phone", phone(of_practice), tel(of_practice)),
    ]


async def person_page(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(partial(render_person, inbox), visit.reader, visit.request.path_params["ref"])


def render_person(inbox: "Inbox", reader: Reader, ref: str) -> Response:
    now, me = datetime.now(UTC), reader.person
    enrollee = inbox.store.people.of(inbox.refs.person(ref))
    if enrollee is None or not may_see(inbox, reader, enrollee.practice_id):
        return PlainTextResponse("not here: search again", 404)
    desk, name = inbox.desk, inbox.desk.name
    stays = sorted(stays_of(desk, me, enrollee, now), key=lambda stay: stay.latest.decided_at, reverse=True)
    tiers = {stay.latest.alert_id: stay.latest.tier for stay in stays}
    written = [
        (act, tiers[alert_id])
        for alert_id, act in inbox.store.acts.of_person(enrollee.enrollee_id)
        if tiers.get(alert_id, Tier.WITHHELD) is not Tier.WITHHELD
    ]
    counts = counting(act for act, _ in written)
    done = [
        act for entry, tier in written for act in readable([entry], tier, me.case_manager_id) if act.act_id in counts
    ]
    inbox.store.audit.write_people(me.case_manager_id, Audited.READ_STAY, now, [enrollee.enrollee_id], "person")
    return inbox.page(
        "person.html",
        reader=reader,
        shown_days=SHOWN_DAYS,
        who=people_words.person_line(_name(enrollee), enrollee.birth_date, enrollee.sex, now, desk.zone),
        by_hand=f"/by-hand/{ref}" if may_see(inbox, reader, enrollee.practice_id, Doing.ACT) else "",
        facts=[
            *reaching(inbox, me, enrollee, now),
            Fact("Address", people_words.address(enrollee.address)),
            Fact("Member ID", enrollee.enrollee_id),
        ],
        stays=[rows.row(stay, me.case_manager_id, now, desk.zone) for stay in stays],
        deeds=[
            (
                f"{act_words.did(act, name)}, {time_words.moment(act.happened_at, now, desk.zone)}",
                act_words.details(act, now, desk.zone),
            )
            for act in sorted(done, key=lambda act: act.happened_at, reverse=True)
        ],
        team=[
            f"{case_manager.name} · {people_words.ROLE_WORDS[case_manager.role]}"
            for case_manager in desk.directory().case_managers.values()
            if enrollee.practice_id in case_manager.practices
        ],
    )
