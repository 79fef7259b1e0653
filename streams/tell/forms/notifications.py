"""What happened for one subscription in; FHIR R4 notification bundles and the resources they point at out.

Subscriptions R5 Backport 1.1.0. A stay is an Encounter whose id is that of the living alert, a person a Patient; both
hold what the subscription's owner may read and nothing else. Retracted is `entered-in-error`.
"""

import re
import uuid
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from html import escape
from typing import Any, Final, NamedTuple

from parsers.fhir.subscriptions import BACKPORT, TOPIC, Content
from rules.decisions import Action
from rules.telling.views import AlertView, PersonView
from streams.tell.fhir_words import ENROLLEES, STAYS, disposition, encounter_class, encounter_status, instant

_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")
_HEX: Final = "x."
_BASE64: Final = "z."
_ALTCHARS: Final = b"-."
_NAMESPACE: Final = uuid.UUID("0d4bd7f5-40f0-4f0f-9f0d-0c9a4a1d8f6e")


class Kind(StrEnum):
    HANDSHAKE = "handshake"
    HEARTBEAT = "heartbeat"
    EVENT = "event-notification"
    QUERY_STATUS = "query-status"
    QUERY_EVENT = "query-event"


class Happened(NamedTuple):
    """One event of a subscription."""

    number: int  # from 1, without holes
    at: datetime
    seen: AlertView


class Subject(NamedTuple):
    """The subscription a bundle is about."""

    base: str  # [base] of our FHIR server
    subscription_id: str
    status: str
    content: Content
    events: int  # since the subscription started
    error: str = ""  # why it stands still, where its client cannot know


def notification(
    subject: Subject, kind: Kind, happened: Sequence[Happened], made_at: datetime, of: str = ""
) -> dict[str, Any]:
    """The history bundle. `of`: what tells bundles of the same kind apart."""
    name = f"{subject.subscription_id}:{kind}:{of}"
    status = status_of(subject, kind, happened)
    address = f"{subject.base}/Subscription/{subject.subscription_id}/$status"
    entries: list[dict[str, Any]] = [
        {
            "fullUrl": f"urn:uuid:{status['id']}",
            "resource": status,
            "request": {"method": "GET", "url": address},
            "response": {"status": "200"},
        }
    ]
    if subject.content is not Content.EMPTY:
        newest = {event.seen.alert_id: event for event in happened}
        for event in newest.values():
            entries += _entries(subject, event.seen)
    return {
        "resourceType": "Bundle",
        "id": str(uuid.uuid5(_NAMESPACE, name)),
        "meta": {"profile": [f"{BACKPORT}/backport-subscription-notification-r4"]},
        "type": "history",
        "timestamp": instant(made_at),
        "entry": entries,
    }


def status_of(subject: Subject, kind: Kind, happened: Sequence[Happened] = ()) -> dict[str, Any]:
    """The Parameters of a subscription's status, as a notification's first entry and as `$status` answers it."""
    reference = f"{subject.base}/Subscription/{subject.subscription_id}"
    parameters: list[dict[str, Any]] = [{"name": "subscription", "valueReference": {"reference": reference}}]
    if subject.content is not Content.EMPTY:
        parameters.append({"name": "topic", "valueCanonical": TOPIC})
    parameters += [
        {"name": "status", "valueCode": subject.status},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(subject.events)},
    ]
    if subject.error:
        parameters.append({"name": "error", "valueCodeableConcept": {"text": subject.error}})
    for event in happened:
        parts: list[dict[str, Any]] = [
            {"name": "event-number", "valueString": str(event.number)},
            {"name": "timestamp", "valueInstant": instant(event.at)},
        ]
        if subject.content is not Content.EMPTY:
            parts.append({"name": "focus", "valueReference": {"reference": _url(subject.base, event.seen)}})
        parameters.append({"name": "notification-event", "part": parts})
    numbers = ",".join(str(event.number) for event in happened)
    return {
        "resourceType": "Parameters",
        "id": str(uuid.uuid5(_NAMESPACE, f"{subject.subscription_id}:{kind}:status:{subject.events}:{numbers}")),
        "meta": {"profile": [f"{BACKPORT}/backport-subscription-status-r4"]},
        "parameter": parameters,
    }


def _entries(subject: Subject, seen: AlertView) -> list[dict[str, Any]]:
    resources = [encounter(seen, subject.base)]
    if seen.person:
        resources.append(patient(seen.person))
    entries = []
    for resource in resources:
        place = f"{resource['resourceType']}/{resource['id']}"
        entry: dict[str, Any] = {"fullUrl": f"{subject.base}/{place}"}
        if subject.content is Content.FULL:
            entry["resource"] = resource
        entry["request"] = {"method": "PUT", "url": place}
        entry["response"] = {"status": "200"}
        entries.append(entry)
    return entries


def _url(base: str, seen: AlertView) -> str:
    return f"{base}/Encounter/{seen.alert_id}"


def encounter(seen: AlertView, base: str) -> dict[str, Any]:
    """A stay as FHIR Encounter."""
    retracted = seen.action is Action.RETRACT
    resource: dict[str, Any] = {
        "resourceType": "Encounter",
        "id": seen.alert_id,
        "meta": {"versionId": str(seen.version), "lastUpdated": instant(seen.decided_at)},
        "identifier": [{"system": STAYS, "value": seen.alert_id}],
        "status": "entered-in-error" if retracted else encounter_status(seen),
        "class": encounter_class(seen.encounter_class),
        "subject": {"reference": f"{base}/Patient/{patient_id(seen.person.enrollee_id)}"}
        if seen.person
        else {"display": "Withheld"},
    }
    if seen.notice:
        words = f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(seen.notice)}</p></div>'
        resource["text"] = {"status": "additional", "div": words}
    period = {"start": seen.started_at, "end": seen.ended_at}
    if any(period.values()):
        resource["period"] = {name: instant(at) for name, at in period.items() if at}
    if seen.facility:
        resource["serviceProvider"] = {"display": seen.facility}
    if seen.attending:
        resource["participant"] = [{"individual": {"display": seen.attending}}]
    reasons = [diagnosis.text or diagnosis.code for diagnosis in seen.diagnoses if diagnosis.text or diagnosis.code]
    if texts := [text for text in (seen.complaint, *reasons) if text]:
        resource["reasonCode"] = [{"text": text} for text in texts]
    if seen.disposition:
        resource["hospitalization"] = {"dischargeDisposition": disposition(seen.disposition)}
    return resource


def patient(person: PersonView) -> dict[str, Any]:
    """A person as FHIR Patient: who, and how to reach them."""
    given = [name for name in (person.name.given, person.name.middle) if name]
    name: dict[str, Any] = {"use": "official"}
    name |= {"family": person.name.family} if person.name.family else {}
    name |= {"given": given} if given else {}
    resource: dict[str, Any] = {
        "resourceType": "Patient",
        "id": patient_id(person.enrollee_id),
        "identifier": [{"system": ENROLLEES, "value": person.enrollee_id}],
        "name": [name],
        "gender": {"F": "female", "M": "male", "O": "other"}.get(person.sex, "unknown"),
        "birthDate": person.birth_date.isoformat(),
    }
    return resource | ({"telecom": [{"system": "phone", "value": person.phone}]} if person.phone else {})


def patient_id(enrollee_id: str) -> str:
    """The id of a Patient: the enrollee's, or where FHIR does not allow its characters, the same in hex, or in base64
    where that would be too long: up to 46 bytes.
    """
    if _ID.fullmatch(enrollee_id) and not enrollee_id.startswith((_HEX, _BASE64)):
        return enrollee_id
    raw = enrollee_id.encode()
    short = f"{_HEX}{raw.hex()}"
    return short if _ID.fullmatch(short) else f"{_BASE64}{b64encode(raw, _ALTCHARS).rstrip(b'=').decode()}"


def enrollee_of(fhir_id: str) -> str:
    """The enrollee a Patient's id names; "": none."""
    kind, rest = fhir_id[:2], fhir_id[2:]
    try:
        if kind == _HEX:
            fhir_id = bytes.fromhex(rest).decode()
        elif kind == _BASE64:
            fhir_id = b64decode(rest + "=" * (-len(rest) % 4), _ALTCHARS, validate=True).decode()
    except ValueError:
        return ""
    return fhir_id if fhir_id.isprintable() else ""


def subscription(subject: Subject, document: Mapping[str, Any]) -> dict[str, Any]:
    """The Subscription as its client made it, with the status and the error of now."""
    made = {name: value for name, value in document.items() if name not in ("error", "_error")}
    error = {"error": subject.error} if subject.error else {}
    return {**made, "id": subject.subscription_id, "status": subject.status, **error}
