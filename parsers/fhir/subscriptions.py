"""A FHIR R4 Subscription as JSON in; what its client asks for, or why it cannot be had, out.

Subscriptions R5 Backport 1.1.0: the topic stands in `criteria`, everything else that R4 lacks in extensions. What we
cannot do is refused, never left out in silence: a client that believes in a filter must not be told without it.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from parsers.http_headers import is_of_sending

TOPIC: Final = "urn:x-warm-handoff:topic:stay"
BACKPORT: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
JSON: Final = "application/fhir+json"
MIMES: Final = frozenset({JSON, "application/json"})
MOST_EVENTS: Final = 100  # in one notification, unless fewer are asked for
LONGEST_SECONDS: Final = 30 * 86_400
_PATIENT: Final = re.compile(r"Encounter\?(?:patient|subject)=Patient/([A-Za-z0-9.-]{1,64})")
_HEADER: Final = re.compile(r"[A-Za-z0-9-]+: ?[ -~]+")


class Content(StrEnum):
    """How much of what happened a notification holds."""

    EMPTY = "empty"
    ID_ONLY = "id-only"
    FULL = "full-resource"


class Asked(NamedTuple):
    """What a client wants. Holds its headers, so it is never logged."""

    endpoint: str
    content: Content
    mime: str
    headers: tuple[tuple[str, str], ...]
    patients: tuple[str, ...]  # Patient ids; any of them, empty: every patient
    heartbeat_seconds: int  # 0: none
    timeout_seconds: int  # 0: ours
    max_count: int
    end: datetime | None
    reason: str

    def __repr__(self) -> str:
        return "<Asked>"


class Refused(NamedTuple):
    """Why not: a code of FHIR's issue types, and a sentence that repeats nothing of what was sent."""

    code: str
    text: str


def asked(resource: Any) -> Asked | Refused:
    """What a Subscription asks for."""
    if not isinstance(resource, Mapping) or resource.get("resourceType") != "Subscription":
        return Refused("invalid", "the body must be a Subscription")
    if resource.get("status") not in ("requested", "active"):
        return Refused("value", "status must be requested")
    if resource.get("criteria") != TOPIC:
        return Refused("not-supported", f"criteria must be the topic {TOPIC}")
    channel = resource.get("channel")
    if not isinstance(channel, Mapping):
        return Refused("required", "channel is missing")
    extended = (resource.get("_criteria"), channel, channel.get("_type"), channel.get("_payload"))
    if not all(map(_well_formed, extended)):
        return Refused("structure", "an extension must be an object in a list")
    if channel.get("type") != "rest-hook" or _extensions(channel.get("_type"), "backport-channel-type"):
        return Refused("not-supported", "channel.type must be rest-hook")
    endpoint = channel.get("endpoint")
    if not isinstance(endpoint, str) or not endpoint:
        return Refused("required", "channel.endpoint is missing")
    mime = channel.get("payload", JSON)
    if not isinstance(mime, str) or mime not in MIMES:
        return Refused("not-supported", f"channel.payload must be {JSON}")
    contents = [
        extension.get("valueCode") for extension in _extensions(channel.get("_payload"), "backport-payload-content")
    ]
    if len(contents) != 1 or contents[0] not in tuple(Content):
        return Refused(
            "not-supported", "channel.payload needs one backport-payload-content: empty, id-only, full-resource"
        )
    headers = channel.get("header", [])
    if not isinstance(headers, list) or not all(
        isinstance(header, str) and _HEADER.fullmatch(header) for header in headers
    ):
        return Refused("value", "channel.header must be 'Name: value'")
    if any(is_of_sending(header.partition(":")[0]) for header in headers):
        return Refused("value", "channel.header must not say how we send: host, content-length, connection")
    patients = _patients(resource.get("_criteria"))
    if patients is None:
        return Refused("not-supported", "the only filter is Encounter?patient=Patient/ID, given once")
    numbers = {
        "backport-heartbeat-period": _whole(channel, "backport-heartbeat-period", "valueUnsignedInt", 0),
        "backport-timeout": _whole(channel, "backport-timeout", "valueUnsignedInt", 0),
        "backport-max-count": _whole(channel, "backport-max-count", "valuePositiveInt", MOST_EVENTS),
    }
    if wrong := [name for name, value in numbers.items() if value is None]:
        return Refused("value", f"{wrong[0]} must be one whole number")
    end = resource.get("end")
    ends = _instant(end) if end is not None else None
    if end is not None and ends is None:
        return Refused("value", "end must be an instant")
    heartbeat, timeout, most = (value or 0 for value in numbers.values())
    reason = resource.get("reason")
    return Asked(
        endpoint,
        Content(contents[0]),
        mime,
        tuple((name.strip(), value.strip()) for name, _, value in (header.partition(":") for header in headers)),
        patients,
        heartbeat,
        timeout,
        min(most or 1, MOST_EVENTS),
        ends,
        reason if isinstance(reason, str) else "",
    )


def _well_formed(element: Any) -> bool:
    if element is None:
        return True
    extensions = element.get("extension", []) if isinstance(element, Mapping) else None
    return isinstance(extensions, list) and all(isinstance(extension, Mapping) for extension in extensions)


def _extensions(element: Any, name: str) -> list[Mapping[str, Any]]:
    """Of a well-formed element."""
    extensions: Iterable[Any] = element.get("extension", ()) if element else ()
    return [extension for extension in extensions if extension.get("url") == f"{BACKPORT}/{name}"]


def _patients(criteria: Any) -> tuple[str, ...] | None:
    """The Patient ids of the filter; `None`: it is one we cannot apply. Several filters would all have to hold."""
    filters = [extension.get("valueString") for extension in _extensions(criteria, "backport-filter-criteria")]
    if not filters:
        return ()
    match = _PATIENT.fullmatch(filters[0]) if len(filters) == 1 and isinstance(filters[0], str) else None
    return (match[1],) if match else None


def _whole(channel: Mapping[str, Any], name: str, kind: str, usual: int) -> int | None:
    numbers = [extension.get(kind) for extension in _extensions(channel, name)]
    if not numbers:
        return usual
    value = numbers[0]
    if len(numbers) != 1 or isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= LONGEST_SECONDS else None


def _instant(text: Any) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return instant if instant.tzinfo else None
