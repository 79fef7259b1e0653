"""The demo: look as somebody else."""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import (
    PlainTextResponse,
    Response,
)

from rules.telling.directory import BUILT_IN_CENTRAL_OFFICE
from streams.inbox.entering import enter
from streams.store.audit import Audited
from streams.store.sessions import Way
from streams.words import people as people_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox


async def become_page(inbox: "Inbox", visit: "Visit") -> Response:
    people = await run_in_threadpool(partial(people_of, inbox))
    return inbox.page("become.html", reader=visit.reader, people=people)


def people_of(inbox: "Inbox") -> list[dict[str, str]]:
    directory = inbox.desk.directory()
    loads = inbox.store.inbox.loads([*directory.case_managers.values(), BUILT_IN_CENTRAL_OFFICE])
    people = []
    for load in loads:
        person = load.case_manager
        network = directory.networks.get(person.network_id)
        plan = directory.lme_mcos.get(person.lme_mco_id)
        people.append(
            {
                "id": person.case_manager_id,
                "name": person.name,
                "role": people_words.ROLE_WORDS[person.role],
                "place": network.name if network else plan.name if plan else "",
                "open": f"{load.open:,} on the list",
            }
        )
    return people


async def become(inbox: "Inbox", visit: "Visit") -> Response:
    who = str(visit.form.get("who", ""))
    if await run_in_threadpool(inbox.desk.person, who) is None:
        return PlainTextResponse("no such person", 400)
    await run_in_threadpool(inbox.store.audit.write, who, Audited.SWITCHED, datetime.now(UTC))
    return await enter(inbox, visit.request, who, Way.DEMO)
