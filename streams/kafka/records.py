"""What travels on the topics: values, headers that say nothing about a patient, and keyed hashes."""

import hmac
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from parsers.events import FIRST_SCHEMA, Event, Value
from rules.decisions import Alert, Match
from streams.run.hash_keys import keys_in
from streams.run.published import published_schema

NEWEST_SCHEMA: Final = FIRST_SCHEMA  # of what we read; a field more is no new schema (`parsers.events.Value`)


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
    sealed: str = ""  # the message as received, encrypted; only while there is somebody it is passed on to
    further: tuple[Whose, ...] = ()  # whose the event's further groups are, one for each of `event.groups`

    def parts(self) -> "tuple[EventRecord, ...]":
        """A record of each group, in order; this one alone when the message has but one."""
        if not self.further:
            return (self,)
        whose = (Whose(match=self.match, prior_match=self.prior_match), *self.further)
        return tuple(
            EventRecord(event=event, match=patient.match, prior_match=patient.prior_match, released=self.released)
            for event, patient in zip(self.event.parts(), whose, strict=True)
        )


class AlertRecord(Value):
    """One version of an alert, for every consumer. (alert_id, version) tells repeats apart. Key: alert."""

    schema_version: Literal[1] = FIRST_SCHEMA
    position: int  # place in the store's stream of alert versions; grows with every commit
    alert: Alert


def alerts_schema() -> dict[str, Any]:
    """The JSON Schema of a value on `toc.alerts.v1`, as it lies in `streams/kafka/schemas/`."""
    return published_schema(AlertRecord, f"Warm Handoff alert record, version {FIRST_SCHEMA}")


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
        texts = {key: value.decode() for key, value in dict(headers or {}).items()}
        return cls(
            texts["id"],
            datetime.fromisoformat(texts["received_at"]).astimezone(UTC),
            texts.get("feed", ""),
            texts.get("code", ""),
            texts.get("place", ""),
            int(texts.get("schema", "1")),
            texts.get("sender", ""),
        )


def keyed_hash(secret: bytes, *parts: str) -> bytes:
    """32 hex digits that say nothing about `parts` to whoever lacks the secret."""
    return hmac.digest(keys_in(secret)[0], "\x1f".join(parts).encode(), "sha256").hex()[:32].encode()
