"""A request with a bearer token in, in whose name it speaks out; or why it is refused, as a problem document."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from parsers.people import CaseManager
from rules.following.acts import Fault
from rules.following.roles import Doing, may
from streams.inbox.api.models import FaultOut, ProblemOut
from streams.store import Unavailable
from streams.store.api_tokens import Scope
from streams.store.audit import ORIGIN

if TYPE_CHECKING:
    from streams.inbox.request import Inbox

_API: Final = "api"  # wrong tokens are counted apart from wrong sign-in links
Handler = Callable[[Request], Awaitable[Response]]


class Caller(NamedTuple):
    """Who asks, and by which token."""

    person: CaseManager
    token_id: str


class Refusal(Exception):
    """Why there is no answer."""

    def __init__(
        self,
        status: int,
        title: str,
        *,
        faults: tuple[Fault, ...] = (),
        held_by: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        faults_out = tuple(FaultOut(code=fault.code, field=fault.field) for fault in faults)
        self.problem = ProblemOut(title=title, status=status, faults=faults_out, held_by=held_by)
        self.headers = headers or {}

    def answer(self) -> Response:
        body = self.problem.model_dump_json(exclude_defaults=True)
        return Response(body, self.problem.status, self.headers, "application/problem+json")


def refusing(handler: Handler) -> Handler:
    """The handler, whose refusals and whose store that is away are problem documents."""

    async def answering(request: Request) -> Response:
        try:
            return await handler(request)
        except Refusal as refusal:
            return refusal.answer()
        except Unavailable:
            return Refusal(503, "the store does not answer now", headers={"Retry-After": "5"}).answer()

    return answering


async def caller(inbox: "Inbox", request: Request, scope: Scope, *, takes: frozenset[str] = frozenset()) -> Caller:
    """Whose token the request carries, if it is good for `scope`. After ten wrong ones in a minute an address is told
    to wait; a valid one is let in all the same: it has 256 random bits, and others may share the address.

    `takes`: the parameters that the address may have; a misspelled one is refused, not passed over.
    """
    address = request.client.host if request.client else ""
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    asks = {"WWW-Authenticate": 'Bearer realm="handoff"'}
    if kind.lower() != "bearer" or not secret:
        raise Refusal(401, "a bearer token is needed", headers=asks)
    token = await run_in_threadpool(inbox.store.api_tokens.find, secret.strip(), datetime.now(UTC))
    person = await run_in_threadpool(inbox.desk.person, token.case_manager_id) if token else None
    if token is None or person is None:
        if wait := inbox.guesses.wait(address, time.monotonic(), _API):
            raise Refusal(429, "too many wrong tokens", headers={"Retry-After": str(int(wait) + 1)})
        inbox.guesses.wrong(address, time.monotonic(), _API)
        raise Refusal(401, "this token is not valid", headers=asks)
    if not may(person.role, Doing.SEE_ROW):
        raise Refusal(403, "this person's role sees no patients")
    if scope not in token.scopes:
        raise Refusal(403, f"this token is not good for: {scope}")
    if request.query_params.keys() - takes:
        raise Refusal(400, "a parameter that this document does not name")
    ORIGIN.set(f"{address}, token {token.token_id}")
    return Caller(person, token.token_id)
