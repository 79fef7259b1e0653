"""A signed-in client and what it asks for in; `$status`, `$events` and the resources they point at out.

A client reads an Encounter or a Patient only where one of its subscriptions was told of that stay or person, and of it
what that subscription's owner may read today.
"""

from datetime import UTC, datetime
from typing import Any

from parsers.fhir.subscriptions import Content
from rules.decisions import Alert
from rules.telling.destinations import Destination
from rules.telling.views import AlertView
from streams.store import Store
from streams.store.audit import Audited
from streams.tell.forms.notifications import (
    Happened,
    Kind,
    encounter,
    enrollee_of,
    notification,
    patient,
    status_of,
)
from streams.tell.seen import Known, seen_by
from streams.tell.serving.answers import Wrong, searchset
from streams.tell.serving.subscriptions import Subscriptions


class Notified:
    """What clients were told."""

    def __init__(self, store: Store, subscriptions: Subscriptions, base: str) -> None:
        self._store = store
        self._subscriptions = subscriptions
        self._base = base

    def status(self, client_id: str, ids: list[str], states: list[str]) -> dict[str, Any]:
        """`$status` of some or all of a client's subscriptions: a searchset of Parameters."""
        subjects = [self._subscriptions.subject(*counted) for counted in self._store.fhir.subscriptions(client_id)]
        wanted = [
            subject
            for subject in subjects
            if (not ids or subject.subscription_id in ids) and (not states or subject.status in states)
        ]
        return searchset([status_of(subject, Kind.QUERY_STATUS) for subject in wanted], self._base)

    def events(self, client_id: str, subscription_id: str, since: int, until: int, content: str, known: Known) -> Any:
        """`$events`: the history from one number to another, both included. Raises `Wrong`."""
        destination, count = self._subscriptions.mine(subscription_id, client_id)
        subject = self._subscriptions.subject(destination, count)
        if content:
            if content not in set(Content) or _more(Content(content), subject.content):
                raise Wrong(422, "not-supported", "content must be no more than the subscription's own")
            subject = subject._replace(content=Content(content))
        numbered = self._store.fhir.events(subscription_id, since, until)
        seen = self._seen([(destination, event.alert) for event in numbered], known)
        self._note(client_id, seen, f"FHIR, {len(numbered)} events")
        happened = [Happened(event.number, event.made_at, view) for event, view in zip(numbered, seen, strict=True)]
        now = datetime.now(UTC)
        return notification(subject, Kind.QUERY_EVENT, happened, now, f"{since}-{until}")

    def encounter(self, client_id: str, alert_id: str, known: Known) -> dict[str, Any]:
        """Raises `Wrong`."""
        versions = self._store.fhir.told_to(client_id, alert_id=alert_id) if alert_id.isprintable() else []
        for seen in self._seen(versions, known):
            self._note(client_id, [seen], "FHIR Encounter")
            return encounter(seen, self._base)
        raise Wrong(404, "not-found", "there is no such Encounter")

    def patient(self, client_id: str, fhir_id: str, known: Known) -> dict[str, Any]:
        """Raises `Wrong`."""
        versions = self._store.fhir.told_to(client_id, enrollee_id=enrollee_of(fhir_id)) if enrollee_of(fhir_id) else []
        for seen in self._seen(versions, known):
            if seen.person:
                self._note(client_id, [seen], "FHIR Patient")
                return patient(seen.person)
        raise Wrong(404, "not-found", "there is no such Patient")

    def _note(self, client_id: str, seen: list[AlertView], detail: str) -> None:
        people = [view.person.enrollee_id for view in seen if view.person]
        if people:
            self._store.audit.write_people(f"fhir:{client_id}", Audited.READ_STAY, datetime.now(UTC), people, detail)

    def _seen(self, versions: list[tuple[Destination, Alert]], known: Known) -> list[AlertView]:
        people = self._store.deliveries.enrollees_of([alert for _, alert in versions])
        return [seen_by(to, alert, people.get((alert.enrollee_id, alert.occurred_at)), known) for to, alert in versions]


def _more(asked: Content, own: Content) -> bool:
    order = list(Content)
    return order.index(asked) > order.index(own)
