"""Files that say that nothing was, written where they are wanted once their span is over."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from rules.telling.attempts import Failure
from rules.telling.destinations import Destination, FormKind, State, WayKind
from streams.run import metrics
from streams.store import Store
from streams.store.destinations import DestinationRow
from streams.tell.few import few_at_once
from streams.tell.form import Form
from streams.tell.in_thread import InThread
from streams.tell.resting import Resting
from streams.tell.seen import Known
from streams.tell.slots import opens_in, span_of
from streams.tell.trying import tried
from streams.tell.way import NotDelivered, Secrets, Way

AT_ONCE: Final = 20


class Empties:
    """Writes empty files; none while a destination is `busy` with what is not empty."""

    def __init__(
        self,
        store: Store,
        forms: Mapping[FormKind, Form],
        ways: Mapping[WayKind, Way],
        known: Callable[[], Known],
        secret: bytes,
        resting: Resting,
        in_thread: InThread,
        busy: Callable[[str], bool],
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._forms = forms
        self._ways = ways
        self._known = known
        self._secret = secret
        self._resting = resting
        self._in_thread = in_thread
        self._busy = busy
        self._now = now

    async def write(self) -> None:
        """Every empty file that is due; a slow place holds up no other. Raises `Unavailable`."""
        rows = await self._in_thread(self._store.destinations.all)
        await few_at_once(AT_ONCE, self._file, [row for row in rows if self._wanted(row, self._now())])

    def _wanted(self, row: DestinationRow, now: datetime) -> bool:
        destination = row.destination
        if not (destination.empty_files and destination.every_minutes) or destination.state is not State.ACTIVE:
            return False
        if self._busy(destination.destination_id) or (row.rests_until and row.rests_until > now):
            return False
        if opens_in(destination.hours, now.astimezone(self._known().policy.tz)):
            return False
        return row.succeeded_at is None or row.succeeded_at < self._began(now, destination)

    async def _file(self, row: DestinationRow) -> None:
        destination, now = row.destination, self._now()
        form, way = self._forms.get(destination.form), self._ways.get(destination.way)
        where = destination.destination_id
        if form is None or way is None or await self._in_thread(self._store.deliveries.waits, where):
            return
        parcel = form.empty(destination, row.sequence + 1, self._began(now, destination))
        if parcel is None:
            return
        try:
            kept = await self._in_thread(self._store.destinations.secrets_of, where, self._secret, now)
        except ValueError:  # under another key
            kept = None
        unopened = NotDelivered(Failure.MISCONFIGURED)
        said = unopened if kept is None else await tried(way.deliver(parcel, destination, Secrets(kept)), where)
        if isinstance(said, NotDelivered):
            metrics.DELIVERY_FAILURES.labels(destination.way, said.failure).inc()
            await self._resting.rests(destination, said.failure, now, said.retry_after)
        elif await self._in_thread(self._store.deliveries.number_batch, where, (), row.sequence):
            await self._in_thread(self._store.destinations.heard_well, where, now)

    def _began(self, now: datetime, destination: Destination) -> datetime:
        return span_of(now, destination.every_minutes, self._known().policy.tz, destination.hours)[0]
