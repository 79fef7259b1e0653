"""The FHIR server's port, beside the deliveries of the same process; serves until it is cancelled."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import structlog
import uvicorn
from starlette.concurrency import run_in_threadpool

from streams.run.crash import traced
from streams.run.listening import bind, open_to_others
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.store import Store, Unavailable
from streams.store.destinations import DestinationRow
from streams.tell.seen import Known
from streams.tell.serving.app import FhirApp
from streams.tell.serving.key_sets import Fetch, KeySets
from streams.tell.serving.subscriptions import Subscriptions
from streams.tell.serving.upkeep import LOOK_SECONDS, Upkeep
from streams.tell.way import Way

log = structlog.get_logger()

AT_ONCE: Final = 100  # handshakes and heartbeats
BACKLOG: Final = 128  # connections not taken yet


class _Server(uvicorn.Server):
    """Leaves the signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class FhirServer:
    """`serve` it as a task."""

    def __init__(self, settings: Settings, store: Store, way: Way, known: Callable[[], Known], fetch: Fetch) -> None:
        """Raises `Problem` when the port cannot be had, or others would reach it in clear."""
        if open_to_others(settings.fhir_host) and not settings.fhir_base.startswith("https://"):
            raise Problem(
                "HANDOFF_FHIR_HOST: on anything but loopback put TLS before it, and say the https:// URL that clients "
                "reach it by in HANDOFF_FHIR_BASE"
            )
        self._listening = socket.socket(socket.AF_INET6 if ":" in settings.fhir_host else socket.AF_INET)
        try:
            bind(self._listening, (settings.fhir_host, settings.fhir_port), shared=settings.share_ports)
            self._listening.listen(BACKLOG)
        except OSError:
            self._listening.close()
            raise Problem("HANDOFF_FHIR_HOST and HANDOFF_FHIR_PORT: cannot listen there: choose another") from None
        self._news = asyncio.Event()
        self._way = way
        self._at_work: dict[str, asyncio.Task[None]] = {}
        self._few = asyncio.Semaphore(AT_ONCE)
        subscriptions = Subscriptions(store, settings.secret(), settings.fhir_url, settings.tell_allow)
        self._upkeep = Upkeep(store, subscriptions, settings.secret())
        secret, base = settings.secret(), settings.fhir_url
        self.app = FhirApp(store, secret, base, subscriptions, known, KeySets(fetch), self._news).asgi()
        config: dict[str, Any] = {"log_config": None, "access_log": False, "lifespan": "off", "server_header": False}
        self._server = _Server(uvicorn.Config(self.app, ws="none", timeout_graceful_shutdown=2, **config))

    async def serve(self) -> None:
        """Until it is cancelled; ends, as the process then does, when nobody looks after the subscriptions any more."""
        looking = asyncio.create_task(self._look())
        serving = asyncio.create_task(self._server.serve([self._listening]))
        try:
            log.info("fhir_started")
            done, _ = await asyncio.wait((looking, serving), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            tasks = (looking, serving, *self._at_work.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        """Gives the port back, also where it never served."""
        self._listening.close()

    async def _look(self) -> None:
        while True:
            self._news.clear()
            with contextlib.suppress(Unavailable):
                await self._begun(datetime.now(UTC))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LOOK_SECONDS)

    async def turn(self, now: datetime) -> None:
        """What every subscription needs now; returns when all have it."""
        await asyncio.gather(*await self._begun(now))

    async def _begun(self, now: datetime) -> list[asyncio.Task[None]]:
        """One task a subscription, which holds up no other; one that is still at work is left alone."""
        rows = [
            row
            for row in await run_in_threadpool(self._upkeep.rows)
            if row.destination.destination_id not in self._at_work
            and (self._upkeep.over(row, now) or self._upkeep.what(row, now))
        ]
        ours = await run_in_threadpool(self._upkeep.is_ours, now) if rows or self._at_work else False
        for row in rows if ours else ():
            name = row.destination.destination_id
            task = self._at_work[name] = asyncio.create_task(self._see_to(row, now))
            task.add_done_callback(partial(self._ended, name))
        return list(self._at_work.values())

    def _ended(self, name: str, _task: asyncio.Task[None]) -> None:
        del self._at_work[name]

    async def _see_to(self, row: DestinationRow, now: datetime) -> None:
        destination = row.destination
        try:
            async with self._few:
                if self._upkeep.over(row, now):
                    await run_in_threadpool(self._upkeep.switch_off, row, now)
                elif kind := self._upkeep.what(row, now):
                    parcel, secrets = await run_in_threadpool(self._upkeep.made, destination, kind, now)
                    said = await self._way.deliver(parcel, destination, secrets)
                    await run_in_threadpool(self._upkeep.settle, row, kind, said, datetime.now(UTC))
        except Unavailable:  # at the next look
            return
        except Exception as error:  # one subscription's fault must not end the others
            log.error("subscription_crashed", destination=destination.destination_id, **traced(error))
