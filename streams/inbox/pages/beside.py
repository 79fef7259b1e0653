"""One stay of a list in, the one after or before it out, so that a list is worked through without going back to it."""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from streams.inbox.narrowing import Narrowing, listed
from streams.inbox.request import Reader

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox


async def next_stay(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(partial(_beside, inbox), visit.reader, visit.request.path_params["alert_id"], 1)


async def previous_stay(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(partial(_beside, inbox), visit.reader, visit.request.path_params["alert_id"], -1)


def _beside(inbox: "Inbox", reader: Reader, alert_id: str, by: int) -> Response:
    """To the next stay of the reader's own list that is not done; past its ends, and from what it does not hold, to
    the list itself."""
    now, who = datetime.now(UTC), reader.person.case_manager_id
    cards = listed(inbox.desk.stays(reader.person, now), who, Narrowing(), now, inbox.desk.zone)
    shown = inbox.places.shown(who, [row for _, row in cards])
    here = next((place for place, card in enumerate(shown) if alert_id in card), None)
    at = -1 if here is None else here + by
    return RedirectResponse(f"/stay/{shown[at][0]}" if 0 <= at < len(shown) else "/", 303)
