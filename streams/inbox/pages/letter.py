"""The letter to somebody whom nobody reached, ready to print; a person's name and the practice's phone, no reason."""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from rules.following.acts import ActKind
from rules.following.guides.guide import Language, language_of
from rules.following.guides.letter import printed
from streams.inbox.detail import detail_of
from streams.inbox.pages import list_rows as rows
from streams.inbox.request import Reader
from streams.store.audit import Audited
from streams.words import people as people_words
from streams.words import times as time_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox


async def letter_page(inbox: "Inbox", visit: "Visit") -> Response:
    language = visit.request.query_params.get("language", "")
    return await run_in_threadpool(
        partial(render, inbox), visit.reader, visit.request.path_params["alert_id"], language
    )


def render(inbox: "Inbox", reader: Reader, alert_id: str, language: str) -> Response:
    """In the person's language, or the one asked for. Printing it is audited as an export."""
    detail, now = detail_of(inbox.desk, reader.person, alert_id), datetime.now(UTC)
    person = detail.stay.latest.person if detail else None
    if detail is None or person is None or detail.following is None or not detail.following.may(ActKind.ATTEMPT):
        return PlainTextResponse("not yours", 404)
    practice = detail.practice
    chosen = (
        Language(language)
        if language in set(Language)
        else language_of(detail.following.wishes.language or person.language)
    )
    letter = printed(
        inbox.desk.scripts().letter,
        chosen,
        name=rows.name_of(person),
        practice=practice.name if practice else "",
        phone=people_words.phone(practice.phone) if practice else "",
        sender=reader.person.name,
    )
    inbox.store.audit.write(
        reader.person.case_manager_id,
        Audited.PRINTED,
        now,
        alert_ids=(alert_id,),
        enrollee_id=person.enrollee_id,
        detail="letter",
    )
    return inbox.page(
        "letter.html",
        reader=reader,
        alert_id=alert_id,
        letter=letter,
        address=people_words.address(person.address) if person.address else "",
        day=time_words.full_date(now.astimezone(inbox.desk.zone).date()),
        other=Language.ENGLISH if chosen is Language.SPANISH else Language.SPANISH,
    )
