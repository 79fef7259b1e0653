"""Raw records in; for each an event for the decision, a named ending, or a crash out, and all of them safely kept.

`Reader` reads and matches and does no I/O. `ReadStage` publishes first and writes the ledger then, so a kill between
the two repeats an output and loses nothing.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from parsers.adt import read_adt
from parsers.events import EncounterClass, Event, EventKind
from parsers.feeds import Feed
from parsers.hl7 import peek
from parsers.outcomes import NoTransition, Reject, RejectCode, TestMessage
from rules.decisions import Grade, Match, Reason
from rules.panel_index import PanelIndex
from streams import metrics
from streams.kafka import Outlet, Output
from streams.ledger import Ending, LedgerEntry
from streams.metrics import Part, Stage
from streams.quarantine import Brake, Crash
from streams.settings import Settings
from streams.store import Store
from streams.topics import Envelope, EventRecord, Topic, keyed_hash
from streams.waiting import Waiting

KEPT_WHEN_UNMATCHED: Final = frozenset(
    {
        EventKind.ADMITTED,
        EventKind.REGISTERED,
        EventKind.CLASS_CHANGED,
        EventKind.DISCHARGED,
        EventKind.ADMIT_CANCELLED,  # without the cancels, somebody enrolled late would be told of what did not happen
        EventKind.DISCHARGE_CANCELLED,
        EventKind.VISIT_DELETED,
    }
)
_NO_STAY: Final = frozenset({EncounterClass.AMBULATORY, EncounterClass.PRE_ADMISSION})


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
    """Reads and matches. `panel` gives the index to use now; `secret` keys the hashes on topics."""

    def __init__(self, settings: Settings, secret: bytes, panel: Callable[[], PanelIndex]) -> None:
        self._settings = settings
        self._secret = secret
        self._panel = panel
        self._feeds = {feed.name: feed for feed in settings.feeds}

    def read_batch(self, records: Sequence[RawRecord]) -> ReadBatch:
        """Never raises for what a record holds: the guard turns our own failures into `Crash`."""
        results = [self._guard(record) for record in records]
        return ReadBatch(
            tuple(result for result in results if isinstance(result, Forward)),
            tuple(result for result in results if isinstance(result, Ended)),
            tuple(result for result in results if isinstance(result, Crash)),
        )

    def _guard(self, record: RawRecord) -> Forward | Ended | Crash:
        envelope = envelope_of(record)
        try:
            return self._read(record, envelope)
        except Exception as error:  # noqa: BLE001 the one guard: a message must never stop the others
            return Crash(Stage.READ, type(error).__name__, envelope, record.key or b"", record.value or b"")

    def _read(self, record: RawRecord, envelope: Envelope) -> Forward | Ended:
        data = record.value or b""
        chosen = Feed()

        def feed_for(application: str, facility: str) -> Feed:
            nonlocal chosen
            chosen = self._feeds.get(envelope.feed) or self._settings.feed_for(application, facility)
            return chosen

        reading = read_adt(
            data,
            feed_for,
            message_id=envelope.message_id,
            received_at=envelope.received_at,
            test_mode=self._settings.test_mode,
        )
        match reading:
            case Event():
                return self._match(reading, chosen, envelope)
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

    def _match(self, event: Event, feed: Feed, envelope: Envelope) -> Forward | Ended:
        panel = self._panel()
        day = event.occurred_at.astimezone(_zone(feed.zone_at(event.facility))).date()
        match = panel.match(event.patient, event.facility, day)
        prior = panel.match_prior(event.prior, event.facility, day) if event.prior else None
        enrollee_id = _found(match) or (_found(prior) if prior else None)
        if enrollee_id is None:
            keep = self._settings.unmatched_days > 0 and _transition(event)
            return Ended(suppressed(event, Reason.NOT_ON_PANEL), unmatched=event if keep else None)
        record = EventRecord(event=event, match=match, prior_match=prior)
        return Forward(envelope, event_output(record, keyed_hash(self._secret, enrollee_id), envelope))


def _transition(event: Event) -> bool:
    """Whether somebody enrolled later would want to know: a stay's beginning, end or undoing, not a clinic visit."""
    clinic = event.visit is not None and event.visit.encounter_class in _NO_STAY
    return event.kind in KEPT_WHEN_UNMATCHED and not (clinic and event.kind is EventKind.REGISTERED)


def _found(match: Match) -> str | None:
    return None if match.grade is Grade.CERTAINLY_NOT else match.enrollee_id


def event_output(record: EventRecord, key: bytes, envelope: Envelope) -> Output:
    """The record of an event on `toc.events.v1`."""
    value = record.__pydantic_serializer__.to_json(record)
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
    )


def _entry(
    envelope: Envelope, ending: Ending, code: str, data: bytes, *, place: str = "", trigger: str = ""
) -> LedgerEntry:
    found = peek(data)
    seen = None if isinstance(found, Reject) else found
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


class ReadStage:
    """Does with a batch what `Reader` found: outputs to the broker, then endings to the ledger."""

    def __init__(
        self,
        reader: Reader,
        outlet: Outlet,
        store: Store,
        executor: Executor,
        waiting: Waiting,
        brake: Brake,
        secret: bytes,
    ) -> None:
        self._reader = reader
        self._outlet = outlet
        self._store = store
        self._executor = executor
        self._waiting = waiting
        self._brake = brake
        self._secret = secret

    async def run(self, records: Sequence[RawRecord]) -> None:
        """Returns when every record's forward or ending is safe. Raises `TooManyCrashes` over the limit."""
        metrics.BATCH.labels(Stage.READ).observe(len(records))
        batch = self._reader.read_batch(records)
        crashes = list(batch.crashes)
        told = [item for item in batch.ended if item.output]
        outputs = [forward.output for forward in batch.forwards] + [item.output for item in told if item.output]
        refused, _ = await asyncio.gather(  # of different messages, so neither has to wait for the other
            self._waiting.until(Part.BROKER, lambda: self._outlet.publish(outputs)),
            self._end([item for item in batch.ended if not item.output]),
        )
        by_id = {envelope_of(record).message_id: record for record in records} if refused else {}
        lost = set()
        for index, error in refused.items():
            envelope = Envelope.from_headers(outputs[index].headers)
            record = by_id[envelope.message_id]
            lost.add(envelope.message_id)
            crashes.append(Crash(Stage.READ, error, envelope, record.key or b"", record.value or b""))
        if crashes:
            dead = [crash.output() for crash in crashes]
            await self._waiting.until(Part.BROKER, lambda: self._outlet.publish(dead))
        await self._end(
            [item for item in told if item.entry.message_id not in lost] + [Ended(crash.entry()) for crash in crashes]
        )
        now = datetime.now(UTC)
        for forward in batch.forwards:
            metrics.STAGE.labels(Stage.READ).observe((now - forward.envelope.received_at).total_seconds())
        for crash in crashes:
            self._brake.count(crash)

    async def _end(self, ended: Sequence[Ended]) -> None:
        """Returns when the endings are in the ledger, and what is kept for late enrollment in its place."""
        if not ended:
            return
        entries = [item.entry for item in ended]
        unmatched = [item.unmatched for item in ended if item.unmatched]
        loop = asyncio.get_running_loop()
        await self._waiting.until(
            Part.STORE, lambda: loop.run_in_executor(self._executor, self._write, entries, unmatched)
        )

    def _write(self, entries: list[LedgerEntry], unmatched: list[Event]) -> None:
        """In the thread of the store. Raises `Unavailable`, having written whole messages or none."""
        if unmatched:
            self._store.keep_unmatched(unmatched, self._secret)
        write_endings(self._store, entries, Stage.READ)


_may_repeat: Final = set(Stage)  # stages that may see records again: at the start, and after one that was seen again


def write_endings(store: Store, entries: Sequence[LedgerEntry], stage: Stage) -> None:
    """Endings into the ledger; those that are new there are counted, a redelivery's are not. Raises `Unavailable`."""
    known: set[str] = set()
    if stage in _may_repeat:
        known = store.ended([entry.message_id for entry in entries])
        if not known:
            _may_repeat.discard(stage)
    new = store.end(entries)
    if new < len(entries):
        _may_repeat.add(stage)
        metrics.REDELIVERED.labels(stage).inc(len(entries) - new)
    if known or new == len(entries):
        for entry in entries:
            if entry.message_id not in known:
                count_ending(entry)


def count_ending(entry: LedgerEntry) -> None:
    """One message more has reached its end."""
    metrics.ENDINGS.labels(entry.ending).inc()
    metrics.END_TO_END.observe(metrics.seconds_since(entry.received_at))
    if entry.ending is Ending.REJECTED:
        metrics.REJECTED.labels(RejectCode(entry.code)).inc()
