"""The FHIR server's port, beside the deliveries of the same process; serves until it is cancelled."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import structlog
import uvicorn
from starlette.concurrency import run_in_threadpool

from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.store import Store, Unavailable
from streams.tell.seen import Known
from streams.tell.serving.app import FhirApp
from streams.tell.serving.key_sets import Fetch, KeySets
from streams.tell.serving.subscriptions import Subscriptions
from streams.tell.serving.upkeep import LOOK_SECONDS, Upkeep
from streams.tell.way import Way

log = structlog.get_logger()


class _Server(uvicorn.Server):
    """Leaves the signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class FhirServer:
    """`serve` it as a task."""

    def __init__(self, settings: Settings, store: Store, way: Way, known: Callable[[], Known], fetch: Fetch) -> None:
        """Raises `Problem` when the port cannot be had."""
        try:
            self._listening = socket.create_server((settings.fhir_host, settings.fhir_port))
        except OSError:
            raise Problem("HANDOFF_FHIR_HOST and HANDOFF_FHIR_PORT: cannot listen there: choose another") from None
        self._news = asyncio.Event()
        self._way = way
        subscriptions = Subscriptions(store, settings.secret(), settings.fhir_url, settings.tell_allow)
        self._upkeep = Upkeep(store, subscriptions, settings.secret())
        secret, base = settings.secret(), settings.fhir_url
        self.app = FhirApp(store, secret, base, subscriptions, known, KeySets(fetch), self._news).asgi()
        config: dict[str, Any] = {"log_config": None, "access_log": False, "lifespan": "off", "server_header": False}
        self._server = _Server(uvicorn.Config(self.app, ws="none", timeout_graceful_shutdown=2, **config))

    async def serve(self) -> None:
        """Until it is cancelled."""
        looking = asyncio.create_task(self._look())
        try:
            log.info("fhir_started")
            await self._server.serve([self._listening])
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    def close(self) -> None:
        """Gives the port back, also where it never served."""
        self._listening.close()

    async def _look(self) -> None:
        while True:
            self._news.clear()
            with contextlib.suppress(Unavailable):
                await self.turn(datetime.now(UTC))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LOOK_SECONDS)

    async def turn(self, now: datetime) -> None:
        """What every subscription needs now."""
        for row in await run_in_threadpool(self._upkeep.rows):
            destination = row.destination
            if self._upkeep.over(row, now):
                await run_in_threadpool(self._upkeep.switch_off, destination, now)
            elif kind := self._upkeep.what(row, now):
                parcel, secrets = await run_in_threadpool(self._upkeep.made, destination, kind, now)
                said = await self._way.deliver(parcel, destination, secrets)
                await run_in_threadpool(self._upkeep.settle, destination, kind, said, datetime.now(UTC))
