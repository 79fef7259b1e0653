"""A record our own code could not process: the guard's finding in, a record on `adt.quarantine.v1` and an ending out.

Says stage and exception type only: the text of an exception about HL7 is PHI. Quarantine holds the failing record's
own bytes, which are the hospital's when reading failed and the `EventRecord` as JSON when deciding did; header `code`
is `stage:ExceptionType`.
"""

import collections
import time
from typing import Final, NamedTuple

from streams import metrics
from streams.kafka import Output
from streams.ledger import Ending, LedgerEntry
from streams.metrics import Stage
from streams.topics import Envelope, Topic

_WINDOW_SECONDS: Final = 600.0


class Crash(NamedTuple):
    """Where our code failed on which record, and with what type of exception."""

    stage: Stage
    error: str  # name of the exception's type
    envelope: Envelope
    key: bytes
    value: bytes

    def __repr__(self) -> str:
        return f"<Crash {self.code}>"

    @property
    def code(self) -> str:
        return f"{self.stage.value}:{self.error}"

    def output(self) -> Output:
        headers = self.envelope._replace(code=self.code, place="").headers()
        return Output(Topic.QUARANTINE, self.key, self.value, headers)

    def entry(self) -> LedgerEntry:
        """The message's ending; nothing of its content, which may be what we stumbled over."""
        return LedgerEntry(
            message_id=self.envelope.message_id,
            ending=Ending.QUARANTINED,
            code=self.code,
            received_at=self.envelope.received_at,
            feed=self.envelope.feed,
        )


class TooManyCrashes(Exception):
    """Over the limit: something is wrong with the program, not with a message. The worker stops."""


class Brake:
    """Counts quarantined records of the last ten minutes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._times: collections.deque[float] = collections.deque(maxlen=limit)

    def count(self, crash: Crash) -> None:
        """Raises `TooManyCrashes` at the limit-th crash within ten minutes."""
        metrics.QUARANTINED.labels(crash.stage).inc()
        now = time.monotonic()
        self._times.append(now)
        if len(self._times) == self._limit and now - self._times[0] < _WINDOW_SECONDS:
            raise TooManyCrashes(f"{self._limit} records in quarantine within ten minutes")
