"""Tests of destinations that a page asks for in; a marked sample about nobody sent, and what was said to it, out.

From here, because what a destination says depends on who asks: this process has the ways, and stands where it stands.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from rules.telling.attempts import Failure
from rules.telling.destinations import Destination, FormKind, WayKind
from streams.store import Store
from streams.tell.few import few_at_once
from streams.tell.form import Form
from streams.tell.in_thread import InThread
from streams.tell.looking import look_every
from streams.tell.trying import tried
from streams.tell.way import Delivered, NotDelivered, Secrets, Way

LOOK_SECONDS: Final = 1.0
AT_ONCE: Final = 20


class Samples:
    """Sends the samples that pages ask for."""

    def __init__(
        self,
        store: Store,
        forms: Mapping[FormKind, Form],
        ways: Mapping[WayKind, Way],
        secret: bytes,
        in_thread: InThread,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._forms = forms
        self._ways = ways
        self._secret = secret
        self._in_thread = in_thread
        self._now = now

    async def run(self) -> None:
        """Answers what pages ask, until it is cancelled."""
        await look_every(LOOK_SECONDS, self.look)

    async def look(self) -> None:
        """Answers what pages ask now. Raises `Unavailable`."""
        names = await self._in_thread(self._store.destination_tests.take, self._now())
        await few_at_once(AT_ONCE, self._answer, names)

    async def _answer(self, destination_id: str) -> None:
        row = await self._in_thread(self._store.destinations.find, destination_id)
        if row is None:
            return
        said = await self._send(row.destination)
        failure = str(said.failure) if isinstance(said, NotDelivered) else ""
        end = self._store.destination_tests.end
        await self._in_thread(end, destination_id, failure, said.status, self._now())

    async def _send(self, destination: Destination) -> Delivered | NotDelivered:
        form, way = self._forms.get(destination.form), self._ways.get(destination.way)
        if form is None or way is None:
            return NotDelivered(Failure.MISCONFIGURED)
        secrets_of, where = self._store.destinations.secrets_of, destination.destination_id
        try:
            secrets = await self._in_thread(secrets_of, where, self._secret, self._now())
        except ValueError:  # kept under another key
            return NotDelivered(Failure.MISCONFIGURED)

        async def sample() -> Delivered | NotDelivered:
            return await way.deliver(form.sample(destination, self._now()), destination, Secrets(secrets))

        return await tried(sample(), where)
