"""Raw records in; for each an event for the decision, a named ending, or a crash out, and all of them safely kept.

`Reader` reads and matches and does no I/O. `ReadStage` publishes first and writes the ledger then, so a kill between
the two repeats an output and loses nothing.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import structlog

from parsers.events import Event
from parsers.feeds import Feed
from parsers.hl7.adt import read_adt
from parsers.hl7.er7 import Peek, peek
from parsers.outcomes import NoTransition, Reject, RejectCode, TestMessage
from rules.deciding.groups import unsure
from rules.deciding.late_enrollment import worth_keeping
from rules.decisions import Grade, Match, Reason
from rules.endings import Ending, LedgerEntry
from rules.matching.index import PanelIndex
from streams.kafka.client import Outlet, Output
from streams.kafka.topics import Envelope, EventRecord, Topic, Whose, keyed_hash
from streams.run import metrics
from streams.run.metrics import Part, Stage
from streams.run.settings import Settings
from streams.store import Store
from streams.work.attempts import TAKEN_UP_TOO_OFTEN, Attempts
from streams.work.quarantine import PARKED, Brake, Crash, place_of
from streams.work.unavailable import Waiting

log = structlog.get_logger()

T = TypeVar("T")

_ASIDE_BYTES: Final = 64 * 1024  # a larger record is read in a thread, so that the loop goes on
_SLICE_SECONDS: Final = 0.02  # of reading, between two looks of the loop at what else is to be done
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

    def __init__(
        self,
        settings: Settings,
        secret: bytes,
        panel: Callable[[], PanelIndex],
        parked: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._panel = panel
        self._parked = parked
        self._feeds = {feed.name: feed for feed in settings.feeds}

    def read_batch(self, records: Sequence[RawRecord]) -> ReadBatch:
        """Never raises for what a record holds: the guard turns our own failures into `Crash`."""
        return gathered([self.read(record) for record in records])

    def read(self, record: RawRecord) -> Forward | Ended | Crash:
        """One record, as `read_batch`."""
        envelope = envelope_of(record)
        try:
            if self._parked() and self._sender(record, envelope)[0] in self._parked():
                return self.crash(record, PARKED)
            return self._read(record, envelope)
        except Exception as error:  # noqa: BLE001 the one guard: a message must never stop the others
            return self.crash(record, type(error).__name__, place_of(error))

    def crash(self, record: RawRecord, error: str, place: str = "") -> Crash:
        """The record on its way to quarantine, with whose it is as far as MSH can be made out."""
        envelope = envelope_of(record)
        try:
            sender, feed = self._sender(record, envelope)
        except Exception:  # noqa: BLE001 what we fail to read may fail here as well
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
        feed = self._settings.feed_for(seen.application, seen.facility)
        return _sender_of(feed, seen.application, seen.facility), feed.name

    def _read(self, record: RawRecord, envelope: Envelope) -> Forward | Ended:
        data = record.value or b""
        chosen = Feed()
        sender = envelope.feed

        def feed_for(application: str, facility: str) -> Feed:
            nonlocal chosen, sender
            chosen = self._feeds.get(envelope.feed) or self._settings.feed_for(application, facility)
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
            return self._match(reading, chosen, envelope._replace(sender=sender))
        envelope = envelope._replace(feed=self._sender(record, envelope)[1])
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

    def _match(self, event: Event, feed: Feed, envelope: Envelope) -> Forward | Ended:
        panel = self._panel()
        day = event.occurred_at.astimezone(_zone(feed.zone_at(event.facility))).date()
        whose = [
            Whose(
                match=unsure(part, panel.match(part.patient, part.facility, day)),
                prior_match=panel.match_prior(part.prior, part.facility, day) if part.prior else None,
            )
            for part in event.parts()
        ]
        enrollee_id = next((found for one in whose if (found := _owner(one))), None)
        if enrollee_id is None:
            keep = self._settings.unmatched_days > 0 and worth_keeping(event)
            return Ended(suppressed(event, Reason.NOT_ON_PANEL), unmatched=event if keep else None)
        first, *further = whose
        record = EventRecord(event=event, match=first.match, prior_match=first.prior_match, further=tuple(further))
        return Forward(envelope, event_output(record, keyed_hash(self._secret, enrollee_id), envelope))


def gathered(results: Sequence[Forward | Ended | Crash]) -> ReadBatch:
    """What the records of a batch came to, by kind."""
    return ReadBatch(
        tuple(result for result in results if isinstance(result, Forward)),
        tuple(result for result in results if isinstance(result, Ended)),
        tuple(result for result in results if isinstance(result, Crash)),
    )


def header_of(data: bytes) -> Peek | None:
    """What MSH says, also when what follows it cannot be used; None without a readable MSH."""
    found = peek(data)
    if isinstance(found, Reject):
        found = peek(_LINE_END.split(data.lstrip(), maxsplit=1)[0])
    return None if isinstance(found, Reject) else found


def _sender_of(feed: Feed, application: str, facility: str) -> str:
    """Whose messages stand or fall together: a configured feed's, else those of one MSH-3 and MSH-4."""
    return feed.name if feed.sending else f"{application}|{facility}"[:_SENDER_LENGTH]


def _owner(whose: Whose) -> str | None:
    return _found(whose.match) or (_found(whose.prior_match) if whose.prior_match else None)


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
        self._aside = ThreadPoolExecutor(1, "read-aside")
        self._attempts: Attempts[RawRecord] = Attempts(
            store, Stage.READ, lambda record: envelope_of(record).message_id, self._in_store
        )

    async def run(self, records: Sequence[RawRecord]) -> None:
        """Returns when every record's forward or ending is safe."""
        metrics.BATCH.labels(Stage.READ).observe(len(records))
        await self._attempts.each(records, self._run, self._give_up)

    async def _give_up(self, record: RawRecord) -> None:
        await self._keep(gathered([self._reader.crash(record, TAKEN_UP_TOO_OFTEN)]), [record])

    async def _run(self, records: Sequence[RawRecord]) -> None:
        await self._keep(await self._read(records), records)

    async def _read(self, records: Sequence[RawRecord]) -> ReadBatch:
        """In slices, and large records in a thread: whatever they hold, the loop is not kept waiting."""
        loop = asyncio.get_running_loop()
        results: list[Forward | Ended | Crash] = []
        began = time.monotonic()
        for record in records:
            if len(record.value or b"") > _ASIDE_BYTES:
                results.append(await loop.run_in_executor(self._aside, self._reader.read, record))
            else:
                results.append(self._reader.read(record))
            if time.monotonic() - began > _SLICE_SECONDS:
                await asyncio.sleep(0)
                began = time.monotonic()
        return gathered(results)

    async def _keep(self, batch: ReadBatch, records: Sequence[RawRecord]) -> None:
        crashes = list(batch.crashes)
        told = [item for item in batch.ended if item.output]
        outputs = [forward.output for forward in batch.forwards] + [item.output for item in told if item.output]
        refused, _ = await asyncio.gather(  # of different messages, so neither has to wait for the other
            self._waiting.until(Part.BROKER, lambda: self._outlet.publish(outputs), "read"),
            self._end([item for item in batch.ended if not item.output]),
        )
        by_id = {envelope_of(record).message_id: record for record in records} if refused else {}
        lost = set()
        for index, error in refused.items():
            envelope = Envelope.from_headers(outputs[index].headers)
            record = by_id[envelope.message_id]
            lost.add(envelope.message_id)
            crashes.append(self._reader.crash(record, error))
        if crashes:
            dead = [crash.output() for crash in crashes]
            await self._waiting.until(Part.BROKER, lambda: self._outlet.publish(dead), "read")
        await self._end(
            [item for item in told if item.entry.message_id not in lost] + [Ended(crash.entry()) for crash in crashes]
        )
        now = datetime.now(UTC)
        for forward in batch.forwards:
            metrics.STAGE.labels(Stage.READ).observe((now - forward.envelope.received_at).total_seconds())
        await brake_on(crashes, self._brake, self._store, self._in_store)

    async def _in_store(self, function: Callable[..., T], *arguments: object) -> T:
        loop = asyncio.get_running_loop()
        return await self._waiting.until(
            Part.STORE, lambda: loop.run_in_executor(self._executor, function, *arguments), "read"
        )

    async def _end(self, ended: Sequence[Ended]) -> None:
        """Returns when the endings are in the ledger, and what is kept for late enrollment in its place."""
        if not ended:
            return
        entries = [item.entry for item in ended]
        unmatched = [item.unmatched for item in ended if item.unmatched]
        await self._in_store(self._write, entries, unmatched)

    def _write(self, entries: list[LedgerEntry], unmatched: list[Event]) -> None:
        """In the thread of the store. Raises `Unavailable`, having written whole messages or none."""
        if unmatched:
            self._store.keep_unmatched(unmatched, self._secret)
        write_endings(self._store, entries, Stage.READ)


async def brake_on(
    crashes: Sequence[Crash], brake: Brake, store: Store, in_store: Callable[..., Awaitable[object]]
) -> None:
    """Counts crashes, and parks a sender that has too many of them."""
    for crash in crashes:
        if crash.error == PARKED:
            metrics.PARKED.inc()
        elif brake.count(crash):
            await in_store(store.park, crash.sender, crash.envelope.feed, crash.code, datetime.now(UTC))
            brake.take_over({*brake.parked, crash.sender})
            log.error("feed_parked", feed=crash.envelope.feed, code=crash.code, place=crash.place)


def write_endings(store: Store, entries: Sequence[LedgerEntry], stage: Stage) -> None:
    """Endings into the ledger; those that are new there are counted, a redelivery's are not. Raises `Unavailable`."""
    new = store.end_new(entries)
    if len(new) < len(entries):
        metrics.REDELIVERED.labels(stage).inc(len(entries) - len(new))
    for entry in {entry.message_id: entry for entry in entries}.values():
        if entry.message_id in new:
            count_ending(entry)


def count_ending(entry: LedgerEntry) -> None:
    """One message more has reached its end."""
    metrics.ENDINGS.labels(entry.ending).inc()
    metrics.END_TO_END.observe(metrics.seconds_since(entry.received_at))
    if entry.ending is Ending.REJECTED:
        metrics.REJECTED.labels(RejectCode(entry.code)).inc()
