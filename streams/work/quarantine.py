"""A record our own code could not process: the guard's finding in, a record on `adt.quarantine.v1` and an ending out.

Says stage, exception type and the place in our code only: the text of an exception about HL7 is PHI. Quarantine holds
the failing record's own bytes, which are the hospital's when reading failed and the `EventRecord` as JSON when deciding
did; header `code` is `stage:ExceptionType`, header `place` the file and line of our innermost frame.

A sender whose messages make us fail again and again is parked: its messages go to quarantine unread, with code
`parked`, until somebody takes it back; all others go on. That is written in the store, so every worker heeds it and a
restart changes nothing.
"""

import collections
import time
from collections.abc import Iterable
from typing import Final, NamedTuple

from rules.endings import Ending, LedgerEntry
from streams.kafka.outlet import Output
from streams.kafka.records import Envelope
from streams.kafka.topics import Topic
from streams.run import metrics
from streams.run.metrics import Stage
from streams.work.newer import is_newer

PARKED: Final = "parked"
_WINDOW_SECONDS: Final = 600.0
_MOST_SENDERS: Final = 10_000  # that are counted at one time


class Crash(NamedTuple):
    """Where our code failed on which record, and with what type of exception; or why it is set aside unread."""

    stage: Stage
    error: str  # name of the exception's type
    envelope: Envelope
    key: bytes
    value: bytes
    place: str = ""  # file and line of our innermost frame
    sender: str = ""  # as in `streams.kafka.records.Envelope`

    def __repr__(self) -> str:
        return f"<Crash {self.code}>"

    @property
    def code(self) -> str:
        return self.error if self.error == PARKED or is_newer(self.error) else f"{self.stage.value}:{self.error}"

    def output(self) -> Output:
        headers = self.envelope._replace(code=self.code, place=self.place).headers()
        return Output(Topic.QUARANTINE, self.key, self.value, headers)

    def entry(self) -> LedgerEntry:
        """The message's ending; nothing of its content, which may be what we stumbled over."""
        return LedgerEntry(
            message_id=self.envelope.message_id,
            ending=Ending.QUARANTINED,
            code=self.code,
            received_at=self.envelope.received_at,
            place=self.place,
            feed=self.envelope.feed,
        )


class Brake:
    """Counts quarantined records by sender; `parked` are the senders whose messages are set aside unread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._times: dict[str, collections.deque[float]] = {}
        self.parked: frozenset[str] = frozenset()

    def count(self, crash: Crash) -> bool:
        """True at the limit-th crash of a sender within ten minutes: park it."""
        metrics.QUARANTINED.labels(crash.stage).inc()
        if crash.sender in self.parked:
            return False
        if len(self._times) > _MOST_SENDERS:
            self._times.clear()
        now = time.monotonic()
        times = self._times.setdefault(crash.sender, collections.deque(maxlen=self._limit))
        times.append(now)
        if len(times) < self._limit or now - times[0] >= _WINDOW_SECONDS:
            return False
        del self._times[crash.sender]
        return True

    def take_over(self, senders: Iterable[str]) -> None:
        """What the store says is parked now."""
        self.parked = frozenset(senders)
        metrics.PARKED_FEEDS.set(len(self.parked))
