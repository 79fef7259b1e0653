"""Judges a frame at the door, has it stored, and gives the acknowledgement that says truly what became of it.

Refused here with AR/CR is only what we will never take and one look shows: what has no readable MSH (empty, not HL7,
delimiters that cannot be used), what is too large, what is certainly not ADT, and ADT without any trigger. It leaves no
record but `toc_refused_total{code}`. Everything else gets AA/CA once it is stored, and the worker judges it; AE/CE when
it could not be stored in time. A large message is looked at aside, for the loop has others to answer.
Modes after HL7 v2 chapter 2: without MSH-15 and MSH-16 the original one (AA, AE, AR); else the accept code CA, CE, CR
where MSH-15 asks for it (table 0155), else the application code where MSH-16 does, else nothing. Where both ask, CA
comes first and AA after it, with an id of its own. An acknowledgement that was sent to us is never acknowledged.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Final, NamedTuple

from parsers.hl7.acks import AckCode, acknowledge
from parsers.hl7.er7 import NULL, Peek, peek
from parsers.hl7.several import messages_in
from parsers.hl7.triggers import is_adt
from parsers.outcomes import Reject, RejectCode
from streams.kafka.records import keyed_hash
from streams.listen.durable import Accepted, Durable, Refused, Stored
from streams.listen.message_ids import new_message_id
from streams.listen.senders import NOBODY, Caller, Gatekeeper
from streams.run import metrics
from streams.run.metrics import Way


class Fate(StrEnum):
    """What became of a message at the door; the last letter of its acknowledgement code."""

    STORED = "A"
    UNAVAILABLE = "E"  # send it again
    REFUSED = "R"  # never send it again


class Answer(NamedTuple):
    """What to tell the sender. `ack` is None when it asked for none; `control_id` is MSH-10 where it is readable."""

    fate: Fate
    ack: bytes | None
    code: AckCode | None
    control_id: str
    message_id: str  # "" unless stored
    reject: Reject | None = None
    also: tuple[bytes, AckCode] | None = None  # the application acknowledgement that follows the accept one

    @property
    def acks(self) -> tuple[tuple[bytes, AckCode], ...]:
        """Everything the sender asked to hear, in order."""
        first = () if self.ack is None or self.code is None else ((self.ack, self.code),)
        return (*first, self.also) if self.also else first


_WANTED: Final[dict[str, frozenset[Fate]]] = {
    "AL": frozenset(Fate),
    "ER": frozenset({Fate.UNAVAILABLE, Fate.REFUSED}),
    "SU": frozenset({Fate.STORED}),
    "NE": frozenset(),
    "": frozenset(),
}
_SAID: Final = {Fate.STORED: "stored", Fate.UNAVAILABLE: "unavailable", Fate.REFUSED: "refused"}
_LARGE: Final = 65536
_EVENT_CODE: Final = re.compile(rb"[\r\n][ \t]*EVN.([^\r\n])", re.IGNORECASE)
_LINE_END: Final = re.compile(rb"[\r\n]")
_ACKNOWLEDGEMENTS: Final = frozenset({"ACK", "MCF"})


def ack_code(accept: str, application: str, fate: Fate) -> AckCode | None:
    """The code for MSH-15, MSH-16 and a fate, or None when no answer is wanted.

    Unknown conditions count as AL; `""` (delete) is no value.
    """
    accept, application = _valued(accept), _valued(application)
    if not accept and not application:
        return AckCode(f"A{fate}")
    if fate in _WANTED.get(accept, _WANTED["AL"]):
        return AckCode(f"C{fate}")
    if fate in _WANTED.get(application, _WANTED["AL"]):
        return AckCode(f"A{fate}")
    return None


def second_ack_code(accept: str, application: str, fate: Fate) -> AckCode | None:
    """The application code that follows the accept one: where both were asked for and the message is safe.

    What was not accepted never reaches the application, so CE and CR stay alone (HL7 2.9.3).
    """
    accepted = ack_code(accept, application, fate) is AckCode.CA
    return AckCode.AA if accepted and fate in _WANTED.get(_valued(application), _WANTED["AL"]) else None


def _valued(condition: str) -> str:
    return "" if condition == NULL else condition.upper()


class Judged(NamedTuple):
    """A message as its MSH shows it. With a `reject` it is never taken."""

    peek: Peek | None
    reject: Reject | None


def judge(data: bytes) -> Judged:
    """Whether a message may come in."""
    match peek(data):
        case Reject() as reject:
            header = peek(_LINE_END.split(data.lstrip(), maxsplit=1)[0])
            return Judged(None if isinstance(header, Reject) else header, reject)
        case glance:
            if glance.message_type and not is_adt(glance.message_type):
                return Judged(glance, Reject(code=RejectCode.NOT_ADT, place="MSH-9.1"))
            return Judged(glance, None)


class Looked(NamedTuple):
    """One message of what came in, and how its header judges it."""

    data: bytes
    judged: Judged


def _each(data: bytes) -> list[Looked]:
    if data[:3] == b"MSH" and data.upper().find(b"MSH", 3) < 0:  # nearly always, and much cheaper
        return _one(data)
    return [Looked(message, _with_trigger(message, judge(message))) for message in messages_in(data)]


def _one(data: bytes) -> list[Looked]:
    return [Looked(data, _with_trigger(data, judge(data)))]


def _with_trigger(data: bytes, judged: Judged) -> Judged:
    """Refuses an ADT that says in neither MSH-9 nor EVN-1 what happened: nobody will ever know."""
    seen = judged.peek
    if seen is None or judged.reject is not None or seen.trigger or seen.message_type.upper() != "ADT":
        return judged
    separator = seen.field_separator.encode("latin-1")
    kind = seen.header.split(separator, 9)[8].strip(seen.encoding_characters[:1].encode("latin-1") + b" ")
    said = kind.upper() != b"ADT" or any(code[1] != separator for code in _EVENT_CODE.finditer(data))
    return judged if said else Judged(seen, Reject(code=RejectCode.TRIGGER_MISSING, place="MSH-9.2"))


class Door:
    """The one way in, whatever the sender speaks."""

    def __init__(
        self,
        durable: Durable,
        secret: bytes,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        gatekeeper: Gatekeeper | None = None,
    ) -> None:
        self.gatekeeper = gatekeeper
        self._durable = durable
        self._secret = secret
        self._clock = clock
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="door")

    def counted(self, answer: Awaitable[Answer], caller: Caller) -> Awaitable[Answer]:
        """The same answer, counted under the connection's sender."""
        if self.gatekeeper is None or not self.gatekeeper.asks:
            return answer
        sender = self.gatekeeper.sender(caller)
        return asyncio.ensure_future(_counting(answer, sender.name if sender else NOBODY))

    async def look(self, data: bytes, *, several: bool, caller: Caller | None = None) -> list[Looked]:
        """The message in `data`, or with `several` each of them, judged; also whether it is the caller's to send."""
        judging = partial(self._judged, _each if several else _one, caller)
        if len(data) < _LARGE:
            return judging(data)
        return await asyncio.get_running_loop().run_in_executor(self._aside, judging, data)

    def _judged(self, judging: Callable[[bytes], list[Looked]], caller: Caller | None, data: bytes) -> list[Looked]:
        looked = judging(data)
        if self.gatekeeper is None or caller is None or not self.gatekeeper.asks:
            return looked
        return [Looked(message, self._allowed(message, judged, caller)) for message, judged in looked]

    def _allowed(self, data: bytes, judged: Judged, caller: Caller) -> Judged:
        assert self.gatekeeper is not None
        if judged.peek is None or judged.reject is not None:
            return judged
        return Judged(judged.peek, self.gatekeeper.refusal(data, judged.peek, caller))

    def take(self, data: bytes, way: Way, feed: str = "", judged: Judged | None = None) -> Awaitable[Answer]:
        """Starts storing one message at once (calls keep their order) and gives its answer when it is settled."""
        now = self._clock()
        message_id = new_message_id(now)
        judged = judged or _one(data)[0].judged
        if judged.peek is None or judged.reject is not None:
            return _done(self._refused(judged.peek, judged.reject, message_id, now))
        seen = judged.peek
        who = (seen.patient_authority or seen.facility, seen.patient_key) if seen.patient_key else ("", message_id)
        storing = self._durable.accept(Accepted(message_id, now, keyed_hash(self._secret, *who), data, feed, way))
        return asyncio.ensure_future(self._answered(seen, message_id, now, storing, way))

    def refuse(self, code: RejectCode, beginning: bytes, fate: Fate = Fate.REFUSED) -> Answer:
        """The answer to a frame that did not come in whole, as far as its beginning tells whom to answer."""
        now = self._clock()
        peeked = peek(beginning)
        metrics.REFUSED.labels(code).inc()
        seen = None if isinstance(peeked, Reject) else peeked
        return _answer(seen, fate, Reject(code=code), new_message_id(now), now)

    async def _answered(
        self, seen: Peek, message_id: str, now: datetime, storing: Awaitable[Stored | Refused], way: Way
    ) -> Answer:
        match await storing:
            case Stored():
                metrics.RECEIVED.labels(way).inc()
                return _answer(seen, Fate.STORED, None, message_id, now)
            case Refused(away):
                return _answer(seen, Fate.UNAVAILABLE, None, message_id, now, away=away)

    @staticmethod
    def _refused(seen: Peek | None, reject: Reject | None, message_id: str, now: datetime) -> Answer:
        if reject is not None:
            metrics.REFUSED.labels(reject.code).inc()
        return _answer(seen, Fate.REFUSED, reject, message_id, now)


def _answer(
    seen: Peek | None, fate: Fate, reject: Reject | None, message_id: str, now: datetime, away: str = ""
) -> Answer:
    control_id = seen.control_id if seen else ""
    stored_as = message_id if fate is Fate.STORED else ""
    if seen is not None and seen.message_type.upper() in _ACKNOWLEDGEMENTS:
        return Answer(fate, None, None, control_id, stored_as, reject)
    code = ack_code(seen.accept_ack, seen.application_ack, fate) if seen else AckCode(f"A{fate}")
    if code is None:
        return Answer(fate, None, None, control_id, stored_as, reject)
    ack = acknowledge(seen, code, reject=reject, control_id=message_id[:20], at=now, away=away)
    also = None
    if seen and (second := second_ack_code(seen.accept_ack, seen.application_ack, fate)):
        ours = f"{message_id[:19]}A"
        also = acknowledge(seen, second, reject=None, control_id=ours, at=now), second
    return Answer(fate, ack, code, control_id, stored_as, reject, also)


async def _counting(answer: Awaitable[Answer], sender: str) -> Answer:
    answered = await answer
    said = answered.reject.code.value if answered.reject else _SAID[answered.fate]
    metrics.SENDERS.labels(sender, said).inc()
    return answered


def _done(answer: Answer) -> Awaitable[Answer]:
    settled: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    settled.set_result(answer)
    return settled
