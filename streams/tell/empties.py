"""Files that say that nothing was, written where they are wanted once their span is over."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from rules.telling.destinations import FormKind, State, WayKind
from streams.run import metrics
from streams.store import Store
from streams.store.destinations import DestinationRow
from streams.tell.form import Form
from streams.tell.in_thread import InThread
from streams.tell.seen import Known
from streams.tell.slots import next_slot, opens_in
from streams.tell.way import NotDelivered, Secrets, Way


class Empties:
    """Writes empty files; none while a destination is `busy` with what is not empty."""

    def __init__(
        self,
        store: Store,
        forms: Mapping[FormKind, Form],
        ways: Mapping[WayKind, Way],
        known: Callable[[], Known],
        in_thread: InThread,
        busy: Callable[[str], bool],
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._forms = forms
        self._ways = ways
        self._known = known
        self._in_thread = in_thread
        self._busy = busy
        self._now = now

    async def write(self) -> None:
        """Every empty file that is due. Raises `Unavailable`."""
        for row in await self._in_thread(self._store.destinations.all):
            await self._file(row)

    async def _file(self, row: DestinationRow) -> None:
        destination, now = row.destination, self._now()
        form, way = self._forms.get(destination.form), self._ways.get(destination.way)
        every, where = destination.every_minutes, destination.destination_id
        if not (destination.empty_files and every and form and way) or destination.state is not State.ACTIVE:
            return
        slot = next_slot(now, every) - timedelta(minutes=every)
        if (row.succeeded_at and row.succeeded_at >= slot) or self._busy(where):
            return
        if opens_in(destination.hours, now.astimezone(self._known().policy.tz)):
            return
        if await self._in_thread(self._store.deliveries.waits, where):
            return
        parcel = form.empty(destination, row.sequence + 1, slot)
        if parcel is None:
            return
        said = await way.deliver(parcel, destination, Secrets({}))
        if isinstance(said, NotDelivered):
            metrics.DELIVERY_FAILURES.labels(destination.way, said.failure).inc()
        elif await self._in_thread(self._store.deliveries.number_batch, where, (), row.sequence):
            await self._in_thread(self._store.destinations.heard_well, where, now)
