"""The audit, for whoever may look at it: what was asked for is posted, so that no id stands in an address."""

from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from streams.store.audit import COLUMNS, Audited
from streams.words import times as time_words
from streams.words.spreadsheet import csv_of

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox, Reader

SHOWN: Final = 200
LINES_AT_ONCE: Final = 500  # of the CSV
_SPANS: Final = {"1": "a day", "7": "a week", "31": "a month", "366": "a year", "2196": "six years"}  # by days


async def audit_page(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(shown, inbox, visit.reader, "", "", "1")


async def audit_search(inbox: "Inbox", visit: "Visit") -> Response:
    person, user, days = (str(visit.form.get(name, "")).strip()[:200] for name in ("person", "user", "days"))
    show = in_csv if "csv" in visit.form else shown
    return await run_in_threadpool(show, inbox, visit.reader, person, user, days)


def shown(inbox: "Inbox", reader: "Reader", person: str, user: str, days: str) -> Response:
    now = datetime.now(UTC)
    rows = inbox.store.audit.read(enrollee_id=person, case_manager_id=user, since=since_of(days), limit=SHOWN)
    note_look(inbox, reader, person, len(rows))
    lines = [
        {
            "at": time_words.moment(row.at, now, inbox.desk.zone),
            "who": who_of(inbox, row.case_manager_id),
            "what": row.what.value.replace("_", " "),
            "person": row.enrollee_id,
            "detail": row.detail,
            "origin": row.origin,
        }
        for row in rows
    ]
    asked = {"person": person, "user": user, "days": days if days in _SPANS else "1"}
    more = f"The newest {SHOWN} are shown; the CSV holds all." if len(rows) == SHOWN else ""
    return inbox.page(
        "audit.html",
        reader=reader,
        lines=lines,
        asked=asked,
        spans=_SPANS,
        more=more,
    )


def who_of(inbox: "Inbox", who: str) -> str:
    """A name of the directory, else what the row says: a command's user, a FHIR client, somebody who is gone."""
    person = inbox.desk.person(who)
    return person.name if person else who or "nobody known"


def in_csv(inbox: "Inbox", reader: "Reader", person: str, user: str, days: str) -> Response:
    """All rows asked for, oldest first, as they come."""
    count, rows = inbox.store.audit.whole(enrollee_id=person, case_manager_id=user, since=since_of(days))
    note_look(inbox, reader, person, count)
    cells = chain([COLUMNS], (row.said().values() for row in rows))
    lines = iter(lambda: csv_of(islice(cells, LINES_AT_ONCE)), "")
    headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


def since_of(days: str) -> datetime:
    return datetime.now(UTC) - timedelta(days=int(days) if days in _SPANS else 1)


def note_look(inbox: "Inbox", reader: "Reader", person: str, count: int) -> None:
    """That somebody asked is a row."""
    who, now = reader.person.case_manager_id, datetime.now(UTC)
    inbox.store.audit.write(who, Audited.READ_AUDIT, now, enrollee_id=person, detail=f"{count} rows")
