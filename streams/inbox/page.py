"""One address of the inbox in, a route behind its rule of access out: nothing is served that no rule lets in."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rules.following.roles import Doing
from streams.inbox.api.caller import Caller, caller, refusing
from streams.inbox.request import NotTheirs, SignedOut
from streams.store.api_tokens import Scope

if TYPE_CHECKING:
    from streams.inbox.request import Inbox, Reader


class Comes(StrEnum):
    """How a request comes about: what is a gesture that keeps a session from locking, and what is not."""

    OPENED = "opened"  # by a person, as a page of its own: a gesture; who is signed out may sign in, and comes back
    FETCHED = "fetched"  # by a page by itself: no gesture
    SENT = "sent"  # by a person, as a form with the session's token against forgery: a gesture


class Visit(NamedTuple):
    """A request that its row let in."""

    request: Request
    reader: "Reader"
    form: FormData  # what was sent
    came: bool  # a person opened the page, rather than the page itself


@dataclass(slots=True, frozen=True)
class Page:
    """An address for whoever is signed in and may do `who`; `None`: whatever their role."""

    path: str
    comes: Comes
    who: Doing | None
    serve: "Callable[[Inbox, Visit], Awaitable[Response]]"
    says: str = ""  # what is there, for README: of what is opened
    locked_too: bool = False  # a locked session is let in as well
    enrolling: bool = False  # and one that only sets up how somebody signs in
    demo: bool = False  # there in the demo only
    own: bool = False  # there only where no provider signs people in

    @property
    def method(self) -> str:
        return "POST" if self.comes is Comes.SENT else "GET"

    def route(self, inbox: "Inbox") -> Route:
        async def answer(request: Request) -> Response:
            try:
                return await self.serve(inbox, await self._let_in(inbox, request))
            except SignedOut as error:
                return await inbox.signed_out(request, error.session, opened=self.comes is Comes.OPENED)
            except NotTheirs as error:
                return inbox.not_theirs(request, error.reader)

        return Route(self.path, answer, methods=[self.method])

    async def _let_in(self, inbox: "Inbox", request: Request) -> Visit:
        reader = await inbox.reader(request, self.who, locked_too=self.locked_too, enrolling=self.enrolling)
        form = await inbox.posted(request, reader) if self.comes is Comes.SENT else FormData()
        came = await inbox.came(request, reader) if self.comes is Comes.OPENED else False
        return Visit(request, reader, form, came)


@dataclass(slots=True, frozen=True)
class Open:
    """An address for anybody: it asks for no session, and shows nothing of a patient."""

    path: str
    method: str
    serve: "Callable[[Inbox, Request], Awaitable[Response]]"
    why: str  # nobody has to be signed in
    own: bool = False  # there only where no provider signs people in

    def route(self, inbox: "Inbox") -> Route:
        async def answer(request: Request) -> Response:
            return await self.serve(inbox, request)

        return Route(self.path, answer, methods=[self.method])


@dataclass(slots=True, frozen=True)
class Call:
    """An address of the API, for programs with a token that is good for `scope`."""

    path: str
    method: str
    scope: Scope
    serve: "Callable[[Inbox, Request, Caller], Awaitable[Response]]"
    takes: frozenset[str] = frozenset()  # parameters of the address

    def route(self, inbox: "Inbox") -> Route:
        @refusing
        async def answer(request: Request) -> Response:
            return await self.serve(inbox, request, await caller(inbox, request, self.scope, takes=self.takes))

        return Route(self.path, answer, methods=[self.method])
