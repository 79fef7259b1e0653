"""The addresses of the FHIR server: requests in, each signed in and within its scopes, answers out."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from rules.telling.destinations import State
from streams.run.crash import traced
from streams.store import Store, Unavailable
from streams.store.audit import ORIGIN
from streams.store.fhir import FhirClient
from streams.tell.seen import Known
from streams.tell.serving import sign_in
from streams.tell.serving.answers import NO_STORE, Wrong, outcome, resource, searchset
from streams.tell.serving.capabilities import capabilities
from streams.tell.serving.care_teams import CareTeams
from streams.tell.serving.key_sets import KeySets
from streams.tell.serving.notified import Notified
from streams.tell.serving.requests import (
    LARGEST,
    document_of,
    expect_json_wanted,
    form_of,
    number_of,
    operation_of,
    searched_by,
)
from streams.tell.serving.subscriptions import Subscriptions

log = structlog.get_logger()

Answer = Callable[[Request], Awaitable[Response]]
Handler = Callable[[Request, sign_in.Asker], Awaitable[Response]]


class FhirApp:
    """What the server answers."""

    def __init__(
        self,
        store: Store,
        secret: bytes,
        base: str,
        subscriptions: Subscriptions,
        known: Callable[[], Known],
        key_sets: KeySets,
        news: asyncio.Event,
    ) -> None:
        self._store = store
        self._secret = secret
        self._base = base
        self._subscriptions = subscriptions
        self._notified = Notified(store, subscriptions, base)
        self._care_teams = CareTeams(store, base)
        self._known = known
        self._key_sets = key_sets
        self._news = news

    def asgi(self) -> ASGIApp:
        path = "/fhir/Subscription/{id}"
        routes = [
            Route("/fhir/.well-known/smart-configuration", self._configuration),
            Route("/fhir/metadata", self._metadata),
            Route("/fhir/token", self._token, methods=["POST"]),
            Route("/fhir/Subscription", self._in("c", self._create), methods=["POST"]),
            Route("/fhir/Subscription", self._in("s", self._search)),
            Route("/fhir/Subscription/_search", self._in("s", self._search), methods=["POST"]),
            Route("/fhir/Subscription/$status", self._in("r", self._status), methods=["GET", "POST"]),
            Route(f"{path}/$status", self._in("r", self._status), methods=["GET", "POST"]),
            Route(f"{path}/$events", self._in("r", self._events), methods=["GET", "POST"]),
            Route(path, self._in("r", self._read)),
            Route(path, self._in("u", self._update), methods=["PUT"]),
            Route(path, self._in("d", self._delete), methods=["DELETE"]),
            Route("/fhir/Encounter/{id}", self._in("r", self._encounter, "Encounter")),
            Route("/fhir/Patient/{id}", self._in("r", self._patient, "Patient")),
            Route("/fhir/CareTeam", self._in("s", self._care_team, "CareTeam")),
            Route("/fhir/CareTeam/_search", self._in("s", self._care_team, "CareTeam"), methods=["POST"]),
        ]
        handlers = {Wrong: _wrong, HTTPException: _not_there, Unavailable: _away, Exception: _crashed}
        app = Starlette(routes=routes, exception_handlers=handlers)
        app.router.redirect_slashes = False  # behind a proxy we do not know our own address
        return _named(app)

    def _in(
        self, letter: str, handler: Handler, kind: str = "Subscription"
    ) -> Callable[[Request], Awaitable[Response]]:
        async def signed_in(request: Request) -> Response:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            asker = sign_in.read(self._secret, token, datetime.now(UTC)) if scheme.lower() == "bearer" else None
            if asker is None or await run_in_threadpool(self._store.fhir.client, asker.client_id) is None:
                raise Wrong(401, "login", "sign in: the token is missing, over or not ours")
            ORIGIN.set(request.client.host if request.client else "")
            if not asker.may(kind, letter):
                raise Wrong(403, "forbidden", f"the scope system/{kind}.{letter} is missing")
            expect_json_wanted(request)
            return await handler(request, asker)

        return signed_in

    async def _configuration(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "token_endpoint": f"{self._base}/token",
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": list(sign_in.ALGORITHMS),
                "grant_types_supported": [sign_in.GRANT],
                "scopes_supported": sign_in.words(sign_in.ALLOWED).split(),
                "capabilities": ["client-confidential-asymmetric", "permission-v2"],
            }
        )

    async def _metadata(self, request: Request) -> Response:
        expect_json_wanted(request)
        return resource(capabilities(self._base))

    async def _proven(self, assertion: str, now: datetime) -> FhirClient | None:
        """Whose assertion it is."""
        fhir = self._store.fhir
        client_id, kid = sign_in.named_by(assertion)
        client = await run_in_threadpool(fhir.client, client_id)
        if client is None:
            return None
        keys = await self._key_sets.keys_of(client, kid, now)

        def prove() -> FhirClient | None:
            first = lambda client_id, jti, until: fhir.first_use(client_id, jti, now, until)  # noqa: E731
            return sign_in.signed_by(assertion, f"{self._base}/token", client, keys, first, now)

        return await run_in_threadpool(prove)

    async def _token(self, request: Request) -> Response:
        try:
            given = {name: values[0] for name, values in (await form_of(request)).items()}
        except Wrong as wrong:
            return JSONResponse({"error": "invalid_request"}, wrong.status, headers=NO_STORE)
        if given.get("grant_type") != sign_in.GRANT:
            return JSONResponse({"error": "unsupported_grant_type"}, 400, headers=NO_STORE)
        now = datetime.now(UTC)
        of_kind = given.get("client_assertion_type") == sign_in.ASSERTION
        client = await self._proven(given.get("client_assertion", ""), now) if of_kind else None
        if client is None:
            return JSONResponse({"error": "invalid_client"}, 401, headers=NO_STORE)
        scopes = sign_in.granted(given.get("scope", ""))
        if not scopes:
            return JSONResponse({"error": "invalid_scope"}, 400, headers=NO_STORE)
        token = {
            "access_token": sign_in.issue(self._secret, client.client_id, scopes, now),
            "token_type": "bearer",
            "expires_in": int(sign_in.LIVES.total_seconds()),
            "scope": sign_in.words(scopes),
        }
        return JSONResponse(token, headers=NO_STORE)

    async def _create(self, request: Request, asker: sign_in.Asker) -> Response:
        if "if-none-exist" in request.headers:
            raise Wrong(412, "not-supported", "no conditional create: search by url first")
        document, client = await document_of(request), await self._client(asker)
        wanted = await self._subscriptions.checked(document, client)
        made = await run_in_threadpool(self._subscriptions.create, wanted, document, client)
        self._news.set()
        return resource(made, 201, {"Location": f"{self._base}/Subscription/{made['id']}"})

    async def _read(self, request: Request, asker: sign_in.Asker) -> Response:
        subscription = await run_in_threadpool(self._subscriptions.read, request.path_params["id"], asker.client_id)
        return resource(subscription)

    async def _update(self, request: Request, asker: sign_in.Asker) -> Response:
        document, name = await document_of(request), request.path_params["id"]
        if document.get("status") == "off":
            await run_in_threadpool(self._subscriptions.end, name, asker.client_id, State.OFF)
            return resource(await run_in_threadpool(self._subscriptions.read, name, asker.client_id))
        client = await self._client(asker)
        wanted = await self._subscriptions.checked(document, client)
        changed = await run_in_threadpool(self._subscriptions.update, name, wanted, document, client)
        self._news.set()
        return resource(changed)

    async def _delete(self, request: Request, asker: sign_in.Asker) -> Response:
        await run_in_threadpool(self._subscriptions.end, request.path_params["id"], asker.client_id, State.REMOVED)
        return Response(status_code=204)

    async def _search(self, request: Request, asker: sign_in.Asker) -> Response:
        given = await searched_by(request, "url", "status")
        search = self._subscriptions.search
        subscriptions = await run_in_threadpool(search, asker.client_id, given["url"], given["status"])
        return resource(searchset(subscriptions, self._base))

    async def _status(self, request: Request, asker: sign_in.Asker) -> Response:
        given = await operation_of(request)
        ids = [request.path_params["id"]] if "id" in request.path_params else given.get("id", [])
        if "id" in request.path_params:
            await run_in_threadpool(self._subscriptions.mine, ids[0], asker.client_id)
        return resource(await run_in_threadpool(self._notified.status, asker.client_id, ids, given.get("status", [])))

    async def _events(self, request: Request, asker: sign_in.Asker) -> Response:
        given = await operation_of(request)
        since, until = number_of(given, "eventsSinceNumber", 1), number_of(given, "eventsUntilNumber", LARGEST)
        content = given.get("content", [""])[0]
        events, name = self._notified.events, request.path_params["id"]
        return resource(await run_in_threadpool(events, asker.client_id, name, since, until, content, self._known()))

    async def _encounter(self, request: Request, asker: sign_in.Asker) -> Response:
        find, name = self._notified.encounter, request.path_params["id"]
        return resource(await run_in_threadpool(find, asker.client_id, name, self._known()))

    async def _patient(self, request: Request, asker: sign_in.Asker) -> Response:
        find, name = self._notified.patient, request.path_params["id"]
        return resource(await run_in_threadpool(find, asker.client_id, name, self._known()))

    async def _care_team(self, request: Request, asker: sign_in.Asker) -> Response:
        """By POST the identifier is in no address."""
        given, client = await searched_by(request, "patient.identifier"), await self._client(asker)
        search, directory = self._care_teams.search, self._known().directory
        return resource(await run_in_threadpool(search, client, given["patient.identifier"], directory))

    async def _client(self, asker: sign_in.Asker) -> FhirClient:
        client = await run_in_threadpool(self._store.fhir.client, asker.client_id)
        if client is None:
            raise Wrong(401, "login", "sign in: the client is not known any more")
        return client


async def _wrong(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Wrong)
    return outcome(error)


async def _not_there(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = "not-found" if error.status_code == HTTPStatus.NOT_FOUND else "not-supported"
    answer = outcome(Wrong(error.status_code, code, "metadata lists what there is"))
    answer.headers.update(error.headers or {})
    return answer


async def _crashed(_request: Request, _error: Exception) -> Response:
    return outcome(Wrong(500, "exception", "a fault of ours: it is logged"))


def _named(app: ASGIApp) -> ASGIApp:
    """What our own code fails on is logged by its place, without a value of the request."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except Exception as error:  # answered already
            log.error("fhir_request_crashed", **traced(error))

    return guarded


async def _away(_request: Request, _error: Exception) -> Response:
    return outcome(Wrong(503, "transient", "the store does not answer now"))
