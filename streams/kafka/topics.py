"""The topics, in one table, and what travels on them: keys are keyed hashes, headers and keys hold no PHI.

| topic | value |
|---|---|
| adt.raw.v1, adt.rejects.v1 | the message's bytes exactly as received, headers as in `Envelope` |
| adt.quarantine.v1 | the failing record's: code `read:…` the message's bytes, `decide:…` `EventRecord` as JSON |
| toc.events.v1 | `EventRecord` as JSON |
| toc.alerts.v1 | `AlertRecord` as JSON |
"""

import hmac
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from parsers.events import FIRST_SCHEMA, Event, Value
from rules.decisions import Alert, Match


class Topic(StrEnum):
    RAW = "adt.raw.v1"
    REJECTS = "adt.rejects.v1"
    QUARANTINE = "adt.quarantine.v1"
    EVENTS = "toc.events.v1"
    ALERTS = "toc.alerts.v1"


class Whose(Value):
    """Whose a further group of a message is."""

    match: Match
    prior_match: Match | None = None


class EventRecord(Value):
    """An event and whose it is, on its way to the decision. Key: enrollee, else patient."""

    schema_version: Literal[1] = FIRST_SCHEMA
    event: Event
    match: Match
    prior_match: Match | None = None  # of the identity that gives way in a merge or a move
    released: bool = False  # a person decided a possible match; `match` holds what they said
    further: tuple[Whose, ...] = ()  # whose the event's further groups are, one for each of `event.groups`

    def parts(self) -> "tuple[EventRecord, ...]":
        """A record of each group, in order; this one alone when the message has but one."""
        if not self.further:
            return (self,)
        whose = (Whose(match=self.match, prior_match=self.prior_match), *self.further)
        return tuple(
            EventRecord(event=event, match=one.match, prior_match=one.prior_match, released=self.released)
            for event, one in zip(self.event.parts(), whose, strict=True)
        )


class AlertRecord(Value):
    """One version of an alert, for every consumer. (alert_id, version) tells repeats apart. Key: alert."""

    schema_version: Literal[1] = FIRST_SCHEMA
    position: int  # place in the store's stream of alert versions; grows with every commit
    alert: Alert


class TopicSpec(NamedTuple):
    key: str
    value: type[Value] | Literal["bytes", "the failing record's: bytes, or EventRecord when deciding failed"]
    retention_days: int
    cleanup: Literal["delete", "compact"]


TOPICS: Final[dict[Topic, TopicSpec]] = {
    Topic.RAW: TopicSpec("keyed hash of facility and patient identifier", "bytes", 7, "delete"),
    Topic.REJECTS: TopicSpec("as on adt.raw.v1", "bytes", 30, "delete"),
    Topic.QUARANTINE: TopicSpec(
        "the failing record's own", "the failing record's: bytes, or EventRecord when deciding failed", 90, "delete"
    ),
    Topic.EVENTS: TopicSpec("keyed hash of the enrollee", EventRecord, 7, "delete"),
    Topic.ALERTS: TopicSpec("keyed hash of the alert", AlertRecord, 30, "delete"),
}


class Envelope(NamedTuple):
    """Record headers beside raw bytes; none of them says anything about a patient."""

    message_id: str
    received_at: datetime
    feed: str = ""  # set when the way in decided the feed (its own port), else "" and MSH-3/MSH-4 decide
    code: str = ""  # on rejects: RejectCode; on quarantine: the stage and exception type
    place: str = ""  # on rejects: HL7 address
    schema: int = FIRST_SCHEMA
    sender: str = ""  # of events: whose message it was, the configured feed's name or "MSH-3|MSH-4"

    def headers(self) -> list[tuple[str, bytes]]:
        sender = [("sender", self.sender.encode())] if self.sender else []
        return [
            *sender,
            ("id", self.message_id.encode()),
            ("received_at", self.received_at.isoformat().encode()),
            ("feed", self.feed.encode()),
            ("code", self.code.encode()),
            ("place", self.place.encode()),
            ("schema", str(self.schema).encode()),
        ]

    @classmethod
    def from_headers(cls, headers: dict[str, bytes] | list[tuple[str, bytes]] | None) -> "Envelope":
        """Raises `KeyError` or `ValueError` when a foreign producer left out what we need."""
        found = {key: value.decode() for key, value in dict(headers or {}).items()}
        return cls(
            found["id"],
            datetime.fromisoformat(found["received_at"]).astimezone(UTC),
            found.get("feed", ""),
            found.get("code", ""),
            found.get("place", ""),
            int(found.get("schema", "1")),
            found.get("sender", ""),
        )


def keyed_hash(secret: bytes, *parts: str) -> bytes:
    """32 hex digits that say nothing about `parts` to whoever lacks the secret."""
    return hmac.digest(secret, "\x1f".join(parts).encode(), "sha256").hex()[:32].encode()
