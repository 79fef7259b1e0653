"""The places outside that are told, for whoever looks after them: how each does, and what can be done about it.

What is pressed is a row of the audit. No patient is on this page, and no secret: of an address what follows "?" is not
shown.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from rules.telling.destinations import Destination, State
from streams.store.audit import Audited
from streams.store.delivery import DeliveryState, Standing
from streams.store.destination_tests import Test
from streams.store.destinations import BY_A_PERSON, DestinationRow
from streams.words import destinations as words
from streams.words import times as time_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox, Reader

SHOWN: Final = 200
ANSWER_SECONDS: Final = 8.0  # a test is waited for so long before the page comes back without an answer
SPANS: Final = {"1": "a day", "7": "a week", "31": "a month"}
SAID: Final = {
    "paused": "is paused; what is due to it is kept.",
    "active": "is told again.",
    "asked": "is its client's again: it is told once that has answered a handshake, if it still wants it.",
    "replay": "is told again of what was given up.",
    "nothing": "had nothing given up in that time.",
    "tested": "was sent a test.",
}


async def destinations_page(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(shown, inbox, visit.reader, dict(visit.request.query_params))


async def do_to_destination(inbox: "Inbox", visit: "Visit") -> Response:
    """Pauses, resumes or tests one, or tells it again what was given up."""
    where, deed, days = (str(visit.form.get(name, "")) for name in ("of", "do", "days"))
    row = await run_in_threadpool(inbox.store.destinations.find, where)
    if row is None or deed not in deeds_of(row):
        return PlainTextResponse("not here", 404)
    said = await run_in_threadpool(_do, inbox, visit.reader, row, deed, days)
    if said == "tested":
        await _answered(inbox, where)
    return RedirectResponse(f"/destinations?said={said}&of={where}", 303)


def deeds_of(row: DestinationRow) -> Sequence[str]:
    """What can be done to it now."""
    match row.destination.state:
        case State.ACTIVE:
            return ("test", "pause", "replay")
        case State.PAUSED | State.OFF if not row.is_its_client_s_to_start:
            return ("test", "resume", "replay")
    return ()


def _do(inbox: "Inbox", reader: "Reader", row: DestinationRow, deed: str, days: str) -> str:
    """Does it; gives the key of `SAID`."""
    store, now, destination = inbox.store, datetime.now(UTC), row.destination
    where = destination.destination_id
    store.audit.write(reader.person.case_manager_id, Audited.DESTINATION, now, detail=f"{deed} {where}")
    match deed:
        case "test":
            store.destination_tests.ask(where, now)
            return "tested"
        case "replay":
            since = now - timedelta(days=int(days) if days in SPANS else 1)
            given_up, directory = [DeliveryState.GIVEN_UP], store.directory.read()
            again = store.deliveries.replay(destination, since, now, given_up, now, directory)
            return "replay" if again else "nothing"
        case "pause":
            store.destinations.move(where, State.PAUSED, now, BY_A_PERSON)
            return "paused"
    return "active" if store.destinations.resume(row, now) is State.ACTIVE else "asked"


async def _answered(inbox: "Inbox", where: str) -> None:
    """Returns when a process that tells has answered, or after a while."""
    until = asyncio.get_running_loop().time() + ANSWER_SECONDS
    while asyncio.get_running_loop().time() < until:
        tests = await run_in_threadpool(inbox.store.destination_tests.of, [where])
        if where in tests and tests[where].ended_at:
            return
        await asyncio.sleep(0.25)


def shown(inbox: "Inbox", reader: "Reader", query: dict[str, str]) -> Response:
    now, asked = datetime.now(UTC), query.get("q", "").strip()[:100]
    rows = [row for row in inbox.store.destinations.all() if asked.casefold() in _searched(row.destination)]
    rows.sort(key=lambda row: (row.destination.state is not State.PAUSED, not row.failures, row.destination.name))
    names = [row.destination.destination_id for row in rows[:SHOWN]]
    standing, tests = inbox.store.deliveries.standing(names), inbox.store.destination_tests.of(names)
    unconfirmed = inbox.store.confirmations.unconfirmed(now) if inbox.settings.mailboxes else {}
    lines = []
    for row in rows[:SHOWN]:
        where = row.destination.destination_id
        line = _line(inbox, row, standing.get(where, Standing()), tests.get(where), now)
        lines.append({**line, "unconfirmed": unconfirmed.get(where, 0)})
    of = inbox.store.destinations.find(query.get("of", ""))
    said = SAID.get(query.get("said", "")) if of else None
    return inbox.page(
        "destinations.html",
        reader=reader,
        lines=lines,
        asked=asked,
        spans=SPANS,
        said=f"{of.destination.name} {said}" if of and said else "",
        more=f"{len(rows) - SHOWN} more: search for them by name." if len(rows) > SHOWN else "",
    )


def _searched(destination: Destination) -> str:
    parts = (destination.name, destination.destination_id, destination.owner_id, words.FORMS[destination.form])
    return " ".join(parts).casefold()


def _line(inbox: "Inbox", row: DestinationRow, standing: Standing, test: Test | None, now: datetime) -> dict[str, Any]:
    zone, destination = inbox.desk.zone, row.destination
    since = standing.waiting_since
    return {
        "id": destination.destination_id,
        "name": destination.name,
        "whose": words.whose(destination.whose, destination.owner_id),
        "form": words.FORMS[destination.form],
        "address": destination.address.partition("?")[0],
        "state": words.STATES[destination.state],
        "paused": destination.state is State.PAUSED,
        "why": words.why(row.why),
        "succeeded": time_words.time_or_moment(row.succeeded_at, now, zone) if row.succeeded_at else "never",
        "failing": row.failures,
        "sums": standing.sums,
        "since": time_words.ago((now - since).total_seconds()) if since else "",
        "failures": sorted((words.why(code), count) for code, count in standing.failures.items()),
        "test": _tested(test, now, zone) if test else "",
        "deeds": deeds_of(row),
    }


def _tested(test: Test, now: datetime, zone: Any) -> str:
    asked = time_words.time_or_moment(test.asked_at, now, zone)
    status = f" ({test.status})" if test.status else ""
    if test.ended_at is None:
        return f"Test of {asked}: no answer yet; does `handoff tell` run?"
    return f"Test of {asked}: {words.why(test.failure) + status if test.failure else 'taken' + status}"
