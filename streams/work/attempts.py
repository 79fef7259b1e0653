"""Records in, the same records in batches out, so that one that ends the process each time does so three times only.

An ordinary record costs nothing here. Noted before they are worked on are large ones, and the first `WARY_RECORDS` of a
partition after it was assigned anew: what an unclean exit had in hand comes again there. A batch that holds a record
noted before and not ended is worked on in small groups, what was tried twice alone, and a record that has had
`MOST_ATTEMPTS` is given up: it goes to quarantine without being looked at again.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Generic, Protocol, TypeVar

from streams.run.metrics import Stage
from streams.store import Store

LARGE_BYTES: Final = 64 * 1024
WARY_RECORDS: Final = 1_000
MOST_ATTEMPTS: Final = 3
GROUP_RECORDS: Final = 16
TAKEN_UP_TOO_OFTEN: Final = "TakenUpTooOften"


class _Record(Protocol):
    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def value(self) -> bytes | None: ...


R = TypeVar("R", bound=_Record)


class Attempts(Generic[R]):
    """One for each stage. `id_of` gives a record's message id; `in_store` runs a function in the store's thread."""

    def __init__(
        self,
        store: Store,
        stage: Stage,
        id_of: Callable[[R], str],
        in_store: Callable[..., Awaitable[Any]],
    ) -> None:
        self._store = store
        self._stage = stage
        self._id_of = id_of
        self._in_store = in_store
        self._runs: dict[tuple[str, int], tuple[int, int]] = {}  # first offset since the assignment, and the next
        self._in_hand: list[str] = []  # names of what is noted and worked on now

    async def each(
        self,
        records: Sequence[R],
        run: Callable[[Sequence[R]], Awaitable[None]],
        give_up: Callable[[R], Awaitable[None]],
        again: Collection[str] = (),
    ) -> None:
        """Has `run` work on all of the records, in order; ids in `again` may have an ending and are to be run anew."""
        watched = {self._id_of(record) for record in records if self._to_be_noted(record)}
        before, ended = await self._in_store(self._note, watched, again) if watched else ({}, set())
        if not before:
            await run(records)
            return
        for group in self._groups(records, before):
            names = [self._name(message_id) for message_id in map(self._id_of, group) if message_id in watched - ended]
            taken = await self._in_store(self._store.keeping_up.take_up, names, datetime.now(UTC)) if names else {}
            self._in_hand = names
            if len(group) == 1 and max(taken.values(), default=0) > MOST_ATTEMPTS:
                await give_up(group[0])
            else:
                await run(group)
            await self.came_through()

    async def came_through(self) -> None:
        """What is in hand has been looked at and stopped nobody; that it waits for something else is not its fault."""
        names, self._in_hand = self._in_hand, []
        if names:
            await self._in_store(self._store.keeping_up.came_through, names)

    def _groups(self, records: Sequence[R], before: Mapping[str, int]) -> Iterator[list[R]]:
        """In order; alone is what has been tried twice, the rest comes in small groups."""
        group: list[R] = []
        for record in records:
            if before.get(self._id_of(record), 0) < MOST_ATTEMPTS - 1:
                group.append(record)
                if len(group) < GROUP_RECORDS:
                    continue
            elif group:
                yield group
                group = [record]
            else:
                group = [record]
            yield group
            group = []
        if group:
            yield group

    def _to_be_noted(self, record: R) -> bool:
        place = (record.topic, record.partition)
        first, following = self._runs.get(place, (-1, -1))
        if record.offset != following:
            first = record.offset
        self._runs[place] = (first, record.offset + 1)
        return record.offset - first < WARY_RECORDS or len(record.value or b"") >= LARGE_BYTES

    def _name(self, message_id: str) -> str:
        return f"{self._stage.value}:{message_id}"

    def _note(self, ids: Collection[str], again: Collection[str]) -> tuple[dict[str, int], set[str]]:
        """How often those were tried that may have ended a process; if none, all are noted as worked on together.

        And which of those noted before have ended: another copy of such a record is no attempt at it.
        """
        taken_up = self._store.keeping_up.taken_up([self._name(message_id) for message_id in ids])
        known = {name.partition(":")[2]: taken for name, taken in taken_up.items()}
        ended = (self._store.ledger.ended(sorted(known)) if known else set()) - set(again)
        for message_id in ended:
            del known[message_id]
        if not known:
            self._in_hand = [self._name(message_id) for message_id in ids if message_id not in ended]
            self._store.keeping_up.take_up(self._in_hand, datetime.now(UTC))
        return known, ended
