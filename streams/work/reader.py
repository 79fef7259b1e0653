"""Raw records and the panel in; for each an event for the decision, a named ending, or a crash, out."""

import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from parsers.events import Event
from parsers.feeds import BY_HAND, PLAIN, Feed, Feeds
from parsers.hl7.adt import read_adt
from parsers.hl7.er7 import Peek, peek
from parsers.outcomes import NoTransition, Reject, TestMessage
from rules.deciding.groups import unsure
from rules.deciding.history import owner_of
from rules.deciding.late_enrollment import worth_keeping
from rules.decisions import Reason
from rules.endings import Ending, LedgerEntry
from rules.feeds.card import facts_of
from rules.matching.index import PanelIndex
from streams.kafka.outlet import Output
from streams.kafka.records import Envelope, EventRecord, Whose, keyed_hash
from streams.kafka.topics import Topic
from streams.run.crash import place_of
from streams.run.metrics import Stage
from streams.run.settings import Settings
from streams.store.received import seal_received
from streams.work.newer import record_beyond
from streams.work.quarantine import PARKED, Crash

_LINE_END: Final = re.compile(rb"[\r\n]")
_SENDER_LENGTH: Final = 100


class RawRecord(NamedTuple):
    """A record as it lies on a topic."""

    topic: str
    partition: int
    offset: int
    timestamp: float  # seconds since 1970, as the broker or the producer set it
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes] | list[tuple[str, bytes]] | None

    def __repr__(self) -> str:
        return f"<RawRecord {self.topic}/{self.partition}/{self.offset}>"


class Forward(NamedTuple):
    """An event somebody may have to be told about."""

    envelope: Envelope
    output: Output
    feed: str
    trigger: str


class Ended(NamedTuple):
    """A message that came to its end here, with the copy for `adt.rejects.v1` when it is a reject."""

    entry: LedgerEntry
    output: Output | None = None
    unmatched: Event | None = None  # kept for late enrollment


class ReadBatch(NamedTuple):
    """What a batch of raw records came to, each record once in one of the three."""

    forwards: tuple[Forward, ...]
    ended: tuple[Ended, ...]
    crashes: tuple[Crash, ...]


class Reader:
    """Reads and matches. `panel` and `feeds` give what to use now; `secret` keys the hashes on topics.

    `passes_on`: whether there is somebody to whom messages go on as received; then they travel along, sealed.
    """

    def __init__(
        self,
        settings: Settings,
        secret: bytes,
        panel: Callable[[], PanelIndex],
        parked: Callable[[], frozenset[str]] = frozenset,
        feeds: Callable[[], Feeds] | None = None,
        passes_on: Callable[[], bool] = lambda: False,
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._panel = panel
        self._parked = parked
        self._passes_on = passes_on
        configured = Feeds(feeds=settings.feeds)
        self._feeds = feeds or (lambda: configured)

    def read_batch(self, records: Sequence[RawRecord]) -> ReadBatch:
        """Never raises for what a record holds: the guard turns our own failures into `Crash`."""
        return gathered([self.read(record) for record in records])

    def read(self, record: RawRecord) -> Forward | Ended | Crash:
        """One record, as `read_batch`."""
        envelope = envelope_of(record)
        if beyond := record_beyond(envelope):
            return self.crash(record, beyond)
        try:
            if self._parked() and self._sender(record, envelope)[0] in self._parked():
                return self.crash(record, PARKED)
            return self._read(record, envelope)
        except Exception as error:  # the one guard: a message must never stop the others
            return self.crash(record, type(error).__name__, place_of(error))

    def crash(self, record: RawRecord, error: str, place: str = "") -> Crash:
        """The record on its way to quarantine, with whose it is as far as MSH can be made out."""
        envelope = envelope_of(record)
        try:
            sender, feed = self._sender(record, envelope)
        except Exception:  # what we fail to read may fail here as well
            sender, feed = envelope.feed, envelope.feed
        return Crash(
            Stage.READ, error, envelope._replace(feed=feed), record.key or b"", record.value or b"", place, sender
        )

    def _sender(self, record: RawRecord, envelope: Envelope) -> tuple[str, str]:
        """(what the brake knows the sender as, the name of its feed); both "" without a readable MSH."""
        if envelope.feed:
            return envelope.feed, envelope.feed
        seen = header_of(record.value or b"")
        if seen is None:
            return "", ""
        feed = self._feeds().feed_for(seen.application, seen.facility)
        return _sender_of(feed, seen.application, seen.facility), feed.name

    def _read(self, record: RawRecord, envelope: Envelope) -> Forward | Ended:
        data = record.value or b""
        chosen = PLAIN
        sender = envelope.feed

        def feed_for(application: str, facility: str) -> Feed:
            nonlocal chosen, sender
            feeds = self._feeds()
            chosen = feeds.named(envelope.feed) or feeds.feed_for(application, facility)
            if envelope.feed == BY_HAND:
                chosen = feeds.by_hand(facility)
            sender = sender or _sender_of(chosen, application, facility)
            return chosen

        reading = read_adt(
            data,
            feed_for,
            message_id=envelope.message_id,
            received_at=envelope.received_at,
            test_mode=self._settings.test_mode,
        )
        if isinstance(reading, Event):
            return self._match(reading, chosen, envelope._replace(sender=sender), data)
        sender, feed = self._sender(record, envelope)
        envelope = envelope._replace(sender=sender, feed=feed)
        match reading:
            case Reject():
                output = Output(
                    Topic.REJECTS,
                    record.key or b"",
                    data,
                    envelope._replace(code=reading.code.value, place=reading.place).headers(),
                )
                return Ended(_entry(envelope, Ending.REJECTED, reading.code.value, data, place=reading.place), output)
            case NoTransition():
                return Ended(_entry(envelope, Ending.NO_TRANSITION, "", data, trigger=reading.trigger))
            case TestMessage():
                return Ended(_entry(envelope, Ending.TEST_MESSAGE, "", data, trigger=reading.trigger))

    def _match(self, event: Event, feed: Feed, envelope: Envelope, data: bytes) -> Forward | Ended:
        panel = self._panel()
        day = event.occurred_at.astimezone(_zone(feed.zone_at(event.facility))).date()
        whose = [
            (
                unsure(part, panel.match(part.patient, part.facility, day)),
                panel.match_prior(part.prior, part.facility, day) if part.prior else None,
            )
            for part in event.parts()
        ]
        enrollee_id = owner_of(whose)
        if enrollee_id is None:
            keep = self._settings.unmatched_days > 0 and worth_keeping(event)
            return Ended(suppressed(event, Reason.NOT_ON_PANEL), unmatched=event if keep else None)
        (match, prior), *others = whose
        further = tuple(Whose(match=own, prior_match=former) for own, former in others)
        sealed = seal_received(data, self._secret) if self._passes_on() else ""
        record = EventRecord(event=event, match=match, prior_match=prior, further=further, sealed=sealed)
        output = event_output(record, keyed_hash(self._secret, enrollee_id), envelope)
        return Forward(envelope, output, event.feed, event.trigger)


def gathered(results: Sequence[Forward | Ended | Crash]) -> ReadBatch:
    """What the records of a batch came to, by kind."""
    return ReadBatch(
        tuple(result for result in results if isinstance(result, Forward)),
        tuple(result for result in results if isinstance(result, Ended)),
        tuple(result for result in results if isinstance(result, Crash)),
    )


def header_of(data: bytes) -> Peek | None:
    """What MSH says, also when what follows it cannot be used; None without a readable MSH."""
    peeked = peek(data)
    if isinstance(peeked, Reject):
        peeked = peek(_LINE_END.split(data.lstrip(), maxsplit=1)[0])
    return None if isinstance(peeked, Reject) else peeked


def _sender_of(feed: Feed, application: str, facility: str) -> str:
    """Whose messages stand or fall together: a configured feed's, else those of one MSH-3 and MSH-4."""
    return feed.name if feed.sending else f"{application}|{facility}"[:_SENDER_LENGTH]


def event_output(record: EventRecord, key: bytes, envelope: Envelope) -> Output:
    """The record of an event on `toc.events.v1`."""
    value = record.written()
    return Output(Topic.EVENTS, key, value, envelope._replace(feed=record.event.feed).headers())


def suppressed(event: Event, reason: Reason) -> LedgerEntry:
    return LedgerEntry(
        message_id=event.message_id,
        ending=Ending.SUPPRESSED,
        code=reason.value,
        received_at=event.received_at,
        feed=event.feed,
        control_id=event.control_id,
        trigger=event.trigger,
        fingerprint=event.fingerprint,
        facts=facts_of(event),
    )


def _entry(
    envelope: Envelope, ending: Ending, code: str, data: bytes, *, place: str = "", trigger: str = ""
) -> LedgerEntry:
    seen = header_of(data)
    return LedgerEntry(
        message_id=envelope.message_id,
        ending=ending,
        code=code,
        received_at=envelope.received_at,
        place=place,
        feed=envelope.feed,
        control_id=seen.control_id if seen else "",
        trigger=trigger or (seen.trigger if seen else ""),
    )


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def envelope_of(record: RawRecord) -> Envelope:
    """The record's envelope; for a foreign producer's record without one, an id derived from where the record lies.

    Such an id is the same at every redelivery and sorts by the record's time like any other.
    """
    try:
        return Envelope.from_headers(record.headers)
    except (KeyError, ValueError):
        place = f"{record.topic}/{record.partition}/{record.offset}/{record.timestamp}"
        tail = hashlib.sha256(place.encode()).hexdigest()[:20]
        received_at = datetime.fromtimestamp(max(0.0, record.timestamp), UTC)
        return Envelope(f"{int(max(0.0, record.timestamp) * 1000) & 0xFFFFFFFFFFFF:012x}{tail}", received_at)
