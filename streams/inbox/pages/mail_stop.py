"""The link "stop these mails" of a nudge or digest: a GET shows what it would do, a POST does it (RFC 8058).

Whoever reads a mailbox may stop its mails without signing in; nothing else can be done with the link. A mail program
posts `List-Unsubscribe=One-Click` without cookies or Origin, so the token is all that is asked for.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from rules.telling.destinations import NO_PATIENT
from streams.run.mail_stop import stopped_by

if TYPE_CHECKING:
    from streams.inbox.request import Inbox

STOPPED = "stopped by its reader"
_HEADING = "Mails from Warm Handoff"


async def mail_stop_page(inbox: "Inbox", request: Request) -> Response:
    """Asks for a press: mail scanners open every link."""
    token = request.path_params["token"]
    if not await _mails(inbox, token):
        return _unknown(inbox)
    lines = ("Your list stays as it is; only the mails about it end.",)
    button = {"action": f"/mail/stop/{token}", "words": "Stop these mails", "fields": {}}
    return inbox.page("words.html", heading=_HEADING, lines=lines, button=button)


async def mail_stop(inbox: "Inbox", request: Request) -> Response:
    """Pauses the destination; again changes nothing."""
    destination_id = await _mails(inbox, request.path_params["token"])
    if not destination_id:
        return _unknown(inbox)
    await run_in_threadpool(inbox.store.destinations.pause, destination_id, STOPPED, datetime.now(UTC))
    lines = ("No more of these mails come. Whoever runs Warm Handoff can start them again.",)
    return inbox.page("words.html", heading=_HEADING, lines=lines, button=None)


async def _mails(inbox: "Inbox", token: str) -> str:
    destination_id = stopped_by(inbox.settings.secret(), token)
    row = await run_in_threadpool(inbox.store.destinations.find, destination_id) if destination_id else None
    return destination_id if row and row.destination.form in NO_PATIENT else ""


def _unknown(inbox: "Inbox") -> Response:
    return inbox.page("words.html", 404, heading="No such link", lines=("It stops no mails.",), button=None)
