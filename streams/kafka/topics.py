"""The topics, in one table, and what travels on them: keys are keyed hashes, headers and keys hold no PHI.

| topic | value |
|---|---|
| adt.raw.v1, adt.rejects.v1 | the message's bytes exactly as received, headers as in `Envelope` |
| adt.quarantine.v1 | the failing record's: code `read:…` the message's bytes, `decide:…` `EventRecord` as JSON |
| toc.events.v1 | `EventRecord` as JSON |
| toc.alerts.v1 | `AlertRecord` as JSON |
"""

from enum import StrEnum
from typing import Final, Literal, NamedTuple

from parsers.events import Value
from streams.kafka.records import AlertRecord, EventRecord


class Topic(StrEnum):
    RAW = "adt.raw.v1"
    REJECTS = "adt.rejects.v1"
    QUARANTINE = "adt.quarantine.v1"
    EVENTS = "toc.events.v1"
    ALERTS = "toc.alerts.v1"


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
