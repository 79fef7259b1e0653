"""What somebody types on a page in, kept at the server until it is sent; nothing is kept in the browser."""

import json
import re
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from rules.following.acts import MAX_TEXT
from streams.inbox.detail import detail_of
from streams.inbox.request import Reader

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox

_FORM: Final = re.compile(r"[\w.-]{1,80}", re.ASCII)
_MOST_FIELDS: Final = 30
BESIDE: Final = ""  # in place of the stay, for a form that is on no page of one


async def keep_draft(inbox: "Inbox", visit: "Visit") -> Response:
    form, typed = str(visit.form.get("form", "")), _fields(str(visit.form.get("fields", "")))
    if typed is None or not _FORM.fullmatch(form):
        return PlainTextResponse("no such form", 400)
    return await run_in_threadpool(
        partial(_keep, inbox), visit.reader, visit.request.path_params["alert_id"], form, typed
    )


def _keep(inbox: "Inbox", reader: Reader, alert_id: str, form: str, typed: dict[str, str]) -> Response:
    who = reader.person.case_manager_id
    theirs = inbox.store.inbox.may_see(who, alert_id) or detail_of(inbox.desk, reader.person, alert_id) is not None
    if typed and not theirs:
        return PlainTextResponse("not yours", 404)
    return _write(inbox, reader, alert_id, form, typed)


def _write(inbox: "Inbox", reader: Reader, alert_id: str, form: str, typed: dict[str, str]) -> Response:
    who = reader.person.case_manager_id
    if not typed:
        inbox.store.drafts.forget(who, alert_id, form)
        return Response(status_code=204)
    kept = inbox.store.drafts.keep(who, alert_id, form, typed, inbox.secret, datetime.now(UTC))
    return Response(status_code=204) if kept else PlainTextResponse("too many drafts", 409)


async def keep_draft_beside(inbox: "Inbox", visit: "Visit") -> Response:
    """Of a form that is on no page of a stay; its name says of what it is."""
    form, typed = str(visit.form.get("form", "")), _fields(str(visit.form.get("fields", "")))
    if typed is None or not _FORM.fullmatch(form):
        return PlainTextResponse("no such form", 400)
    return await run_in_threadpool(partial(_write, inbox), visit.reader, BESIDE, form, typed)


def drafts_beside(inbox: "Inbox", reader: Reader) -> str:
    """What the reader typed in forms that are on no page of a stay, as their pages take it."""
    return json.dumps(inbox.store.drafts.of(reader.person.case_manager_id, BESIDE, inbox.secret))


def forget_beside(inbox: "Inbox", reader: Reader, form: str) -> None:
    """Such a form was sent."""
    inbox.store.drafts.forget(reader.person.case_manager_id, BESIDE, form)


def _fields(text: str) -> dict[str, str] | None:
    """What stands in which field; `None` for what no form of ours holds."""
    try:
        fields: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or len(fields) > _MOST_FIELDS:
        return None
    texts = [*fields, *fields.values()]
    return fields if all(isinstance(part, str) and len(part) <= MAX_TEXT for part in texts) else None
