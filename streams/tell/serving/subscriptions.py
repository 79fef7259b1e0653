"""A client's Subscription in; a destination of that client's, told by the same engine as all others, out.

What a client may be told follows from whose it is (`handoff fhir-client add`), never from what it asks.
"""

import json
import threading
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from parsers.fhir.subscriptions import Asked, Content, Refused, asked
from rules.telling.destinations import Destination, FormKind, State, Wants, WayKind
from streams.store import Store
from streams.store.destinations import BY_A_PERSON, REQUESTED
from streams.store.fhir import CLIENT, FhirClient
from streams.tell.addresses import NotAllowed, look_up
from streams.tell.forms.notifications import Subject, enrollee_of, subscription
from streams.tell.serving.answers import Wrong
from streams.tell.ways.http import HEADERS

DOCUMENT: Final = "subscription"  # name of a secret: what the client sent, its headers among it
MOST: Final = 1_000  # of one client, until it deletes one
HELD: Final = "paused by whoever runs this server, who alone starts it again"
STATUS: Final = {State.ACTIVE: "active", State.PAUSED: "error", State.REQUESTED: "requested", State.OFF: "off"}


class Subscriptions:
    """The Subscriptions of clients."""

    def __init__(self, store: Store, secret: bytes, base: str, allowed: tuple[str, ...]) -> None:
        self._store = store
        self._secret = secret
        self._base = base
        self._allowed = allowed
        self._making = threading.Lock()

    async def checked(self, resource: Any, client: FhirClient) -> Asked:
        """Raises `Wrong`."""
        wanted = asked(resource)
        if isinstance(wanted, Refused):
            raise Wrong(422, wanted.code, wanted.text)
        if wanted.end and wanted.end <= datetime.now(UTC):
            raise Wrong(422, "value", "end is over")
        try:
            await look_up(wanted.endpoint, private=client.allow_private, allowed=self._allowed)
        except NotAllowed as error:
            raise Wrong(422, "value", f"channel.endpoint: {error}") from None
        except (OSError, UnicodeError):
            raise Wrong(422, "value", "channel.endpoint: the host cannot be found") from None
        return wanted

    def create(self, wanted: Asked, document: Mapping[str, Any], client: FhirClient) -> dict[str, Any]:
        """Keeps a new one; the handshake follows. Raises `Wrong` where the client has enough."""
        subscription_id = f"sub-{uuid.uuid4().hex}"
        with self._making:
            if len(self._store.fhir.subscriptions(client.client_id)) >= MOST:
                raise Wrong(422, "business-rule", f"a client has at most {MOST:,} subscriptions: delete one first")
            self._put(subscription_id, wanted, document, client, State.REQUESTED)
        return self.read(subscription_id, client.client_id)

    def update(
        self, subscription_id: str, wanted: Asked, document: Mapping[str, Any], client: FhirClient
    ) -> dict[str, Any]:
        """Changes one, or asks for it again; events go on being counted until the new handshake, and one that a person
        paused stays paused.
        """
        self.mine(subscription_id, client.client_id)
        self._put(subscription_id, wanted, document, client, State.PAUSED, REQUESTED)
        return self.read(subscription_id, client.client_id)

    def end(self, subscription_id: str, client_id: str, state: State) -> None:
        """Switched off, or deleted; one that a person paused is no other's to start afterwards. Raises `Wrong`."""
        self.mine(subscription_id, client_id)
        destinations, ended = self._store.destinations, False
        while not ended and (row := destinations.find(subscription_id)):
            why = row.why if row.why == BY_A_PERSON else ""
            ended = destinations.move(subscription_id, state, datetime.now(UTC), why, as_of=row.changed_at)

    def read(self, subscription_id: str, client_id: str) -> dict[str, Any]:
        """Raises `Wrong`."""
        destination, events = self.mine(subscription_id, client_id)
        return self._shown(destination, events)

    def search(self, client_id: str, url: str, status: str) -> list[dict[str, Any]]:
        """Those of a client, by endpoint and status where given."""
        shown = [self._shown(*counted) for counted in self._store.fhir.subscriptions(client_id)]
        wanted = set(status.split(",")) if status else set()
        return [
            resource
            for resource in shown
            if (not url or resource["channel"]["endpoint"] == url) and (not wanted or resource["status"] in wanted)
        ]

    def mine(self, subscription_id: str, client_id: str) -> tuple[Destination, int]:
        """Another's is as unknown as none. Raises `Wrong`."""
        subscription = self._store.fhir.subscription(subscription_id)
        if subscription and subscription[0].options.get(CLIENT) == client_id:
            return subscription
        raise Wrong(404, "not-found", "there is no such Subscription")

    def subject(self, destination: Destination, events: int) -> Subject:
        """What a notification says of a subscription: in error also while it fails and is tried again."""
        row = self._store.destinations.find(destination.destination_id)
        failing = row is not None and row.failures > 0 and destination.state is State.ACTIVE
        status = "requested" if row and row.why == REQUESTED else "error" if failing else STATUS[destination.state]
        content = Content(destination.options["content"])
        error = HELD if row and row.why == BY_A_PERSON else ""
        return Subject(self._base, destination.destination_id, status, content, events, error)

    def _shown(self, destination: Destination, events: int) -> dict[str, Any]:
        secrets = self._store.destinations.secrets_of(destination.destination_id, self._secret, datetime.now(UTC))
        document = json.loads(secrets[DOCUMENT][0])
        return subscription(self.subject(destination, events), document)

    def _put(
        self,
        subscription_id: str,
        wanted: Asked,
        document: Mapping[str, Any],
        client: FhirClient,
        state: State,
        why: str = "",
    ) -> None:
        options = {
            CLIENT: client.client_id,
            "content": wanted.content.value,
            "mime": wanted.mime,
            "heartbeat": str(wanted.heartbeat_seconds),
            "max_count": str(wanted.max_count),
        }
        options |= {"timeout": str(wanted.timeout_seconds)} if wanted.timeout_seconds else {}
        options |= {"end": wanted.end.isoformat()} if wanted.end else {}
        now = datetime.now(UTC)
        kept = {DOCUMENT: json.dumps(dict(document)), HEADERS: json.dumps(wanted.headers)}
        for name, value in kept.items():
            self._store.destinations.put_secret(subscription_id, name, value, self._secret, now, timedelta())
        made = Destination(
            destination_id=subscription_id,
            name=client.client_id,
            whose=client.whose,
            owner_id=client.owner_id,
            form=FormKind.SUBSCRIPTION,
            way=WayKind.HTTP,
            address=wanted.endpoint,
            state=state,
            wants=Wants(enrollees=tuple(enrollee_of(patient) for patient in wanted.patients)),
            tier=client.tier,
            allow_private=client.allow_private,
            options=options,
        )
        self._store.destinations.put(made, now, why)
