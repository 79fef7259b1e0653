"""The worker: raw messages from `adt.raw.v1` in, decided alerts on `toc.alerts.v1` and in the store out.

Two Faust agents, each taking small batches. Faust acks whatever leaves an agent, also by an exception, so nothing may
leave one: everything is caught inside the loop, what is away is waited for in place, and where there is no way on the
process ends at once without acking (`os._exit`). The records come again; their effects do not.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

import faust
import structlog
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport

from rules.deciding.decide import World
from streams.kafka.client import (
    GROUP,
    BrokerAway,
    Outlet,
    bootstrap_servers,
    client_dead,
    client_options,
    ensure_topics,
    record_bytes,
)
from streams.kafka.topics import Topic
from streams.run import metrics
from streams.run.health import Check, Health, Needed
from streams.run.metrics import Part
from streams.run.policy_file import PolicyFile
from streams.run.problems import Problem
from streams.run.rule_files import routes_of
from streams.run.settings import Settings, private_folder
from streams.store import Damaged, Store, Unavailable
from streams.store.keys import secret_of
from streams.store.opening import said_of
from streams.up.embedded_broker import write_atomically
from streams.work.decide import DecideStage
from streams.work.live_panel import PanelWatch
from streams.work.quarantine import Brake
from streams.work.read import RawRecord, Reader, ReadStage
from streams.work.unavailable import Waiting, park
from streams.work.watchdog import Exit, Watchdog

log = structlog.get_logger()

_SESSION_SECONDS: Final = 6.0  # Apache Kafka's least; a killed worker's partitions wait so long
_HEARTBEAT_SECONDS: Final = 2.0
_COMMIT_SECONDS: Final = 1.0
_RELAY_SECONDS: Final = 2.0
_PRUNE_SECONDS: Final = 3600.0
_STOP_SECONDS: Final = 8.0
_FETCH_WAIT: Final = (20, 64 * 1024)  # ms, bytes: whichever comes first; a fetch for each record costs more than it
_EMBEDDED_FETCH_WAIT: Final = (50, 1)  # the embedded broker answers a waiting fetch only at half of the time
_EMBEDDED_REBALANCE_SECONDS: Final = 3.0  # there every join waits for half of it, whoever is there
_BATCH_BYTES: Final = 1024 * 1024  # so that a batch of large messages is committed before anybody loses patience
_FOREVER_SECONDS: Final = 30 * 24 * 3600.0
_SWITCH_SECONDS: Final = 0.0005  # a tenth of Python's: every answer of the database waits for the interpreter's lock
_COLLECT_AFTER: Final = (10_000, 10, 10)  # the first is 700 in Python: less than one batch makes


def run_worker(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT; ends the process itself, with an `Exit`.

    Raises `Problem` before any record is taken: wrong settings, a taken port, an outdated or damaged store, another
    hash key, topics that cannot be used.
    """
    for name in ("aiokafka", "faust", "mode"):  # ten lines a second while a broker is away; the watchdog says it once
        logging.getLogger(name).setLevel(logging.CRITICAL)
    sys.setswitchinterval(_SWITCH_SECONDS)
    waiting = Waiting()
    policy = PolicyFile(settings.policy)
    workers: list[Worker] = []  # this one, once it is there
    scrape = metrics.serve_for(
        "HANDOFF_WORK_METRICS_PORT",
        settings.metrics_host,
        settings.work_metrics_port,
        lambda: workers[0].health() if workers else _starting(waiting),
    )
    for warning in _topics(settings, waiting):
        log.warning("topic_differs", topic=warning.topic.value, what=warning.text)
    store = _open_store(settings, waiting)
    panel = PanelWatch(store, waiting)
    panel.start()
    while not panel.wait(1.0):
        if not panel.alive():
            leave(Exit.STUCK, "panel_watch_ended")
    worker = Worker(settings, store, panel, policy, waiting)
    workers.append(worker)
    place = private_folder(settings.data_dir) / "worker.json"
    write_atomically(place, {"pid": os.getpid(), "metrics_port": scrape.port})
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
    asyncio.run(worker.run())


def _starting(waiting: Waiting) -> Health:
    away = [part.value for part in Part if waiting.seconds(part)]
    why = f"waiting for: {', '.join(away)}" if away else "loading the panel"
    return Health((Check("started", ok=False, why=why, needed=Needed.READY),))


def _topics(settings: Settings, waiting: Waiting) -> Sequence[Any]:
    while True:
        try:
            warnings = ensure_topics(settings, seconds=10)
        except BrokerAway as error:
            waiting.away(Part.BROKER, type(error).__name__)
        else:
            waiting.back(Part.BROKER)
            return warnings


def _open_store(settings: Settings, waiting: Waiting) -> Store:
    while True:
        try:
            store = Store.open(settings.store_url)
        except Damaged as error:
            raise Problem(said_of(error, settings)) from None
        except Unavailable as error:
            waiting.away(Part.STORE, type(error).__name__)
            time.sleep(1)
        else:
            waiting.back(Part.STORE)
            return store


def leave(code: int, why: str) -> NoReturn:
    """Ends the process now: no `finally`, no ack, no commit. What was in hand comes again."""
    log.log(logging.INFO if code == 0 else logging.ERROR, "worker_ends", why=why, code=int(code))
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(int(code))


def faust_credentials(settings: Settings) -> Any:
    """What `client_options` says, for Faust's own clients; None for a plain connection."""
    options = client_options(settings)
    if not options:
        return None
    if "sasl_mechanism" not in options:
        return faust.SSLCredentials(options["ssl_context"])
    return faust.SASLCredentials(
        mechanism=options["sasl_mechanism"],
        username=options["sasl_plain_username"],
        password=options["sasl_plain_password"],
        ssl_context=options.get("ssl_context"),
    )


class _ConsumerThread(AIOKafkaConsumerThread):  # type: ignore[misc]
    """Faust's consumer with another wait of a fetch, which Faust fixes at 1,500 ms or the first byte."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms, consumer._fetch_min_bytes = self.app.fetch_wait
        return consumer


class _Consumer(Consumer):  # type: ignore[misc]
    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class _Transport(Transport):  # type: ignore[misc]
    Consumer = _Consumer


class _App(faust.App):  # type: ignore[misc]
    """A Faust app that never stops by itself: a crash of any service ends the process before anything is acked."""

    fetch_wait = _FETCH_WAIT

    def _new_transport(self) -> _Transport:
        return _Transport(self.conf.broker_consumer, self)

    def _crash(self, reason: BaseException) -> None:
        leave(Exit.STUCK, f"faust:{type(reason).__name__}")


class Worker:
    """One worker process: agents, stages, watchdog and the orderly way out."""

    def __init__(
        self, settings: Settings, store: Store, panel: PanelWatch, policy: PolicyFile, waiting: Waiting
    ) -> None:
        self._settings = settings
        self._store = store
        self._panel = panel
        self._policy = policy
        self._waiting = waiting
        self._bootstrap = bootstrap_servers(settings)
        self._secret = secret_of(settings, store)
        self._routes = routes_of(settings)
        self._brake = Brake(settings.crash_limit)
        self._brake.take_over(one.sender for one in store.parked())
        self._busy: set[str] = set()
        self._chores: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._app: Any = None
        self._outlet = Outlet(settings, lambda: bootstrap_servers(settings))
        self._watchdog = Watchdog(settings, self._bootstrap, waiting, self, panel.alive, leave)

    def health(self) -> Health:
        return self._watchdog.health()

    async def run(self) -> None:
        """Never returns: ends in `leave`."""
        self._loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, stop.set)
        self._app = self._make_app()
        self._watchdog.start()
        for chore in (self._relay(), self._look_around()):
            self._chores.add(task := asyncio.create_task(chore))
            task.add_done_callback(self._chore_ended)
        starting = asyncio.create_task(self._app.start())
        starting.add_done_callback(self._start_ended)
        log.info("worker_started", broker="embedded" if self._settings.embedded else "kafka")
        await stop.wait()
        await self._stop()

    def consumer(self) -> Any:
        thread = self._consumer_thread()
        return getattr(thread, "_consumer", None)

    def consumer_loop(self) -> asyncio.AbstractEventLoop | None:
        consumer = self.consumer()
        return None if consumer is None else self._consumer_thread().thread_loop

    def main_loop(self) -> asyncio.AbstractEventLoop:
        assert self._loop
        return self._loop

    def dead_client(self) -> bool:
        """The metadata task of the producers has ended; an own one is replaced, Faust's cannot be."""
        producer = getattr(getattr(self._app, "_producer", None), "_producer", None)
        return producer is not None and client_dead(producer.client)

    def _consumer_thread(self) -> Any:
        return getattr(getattr(self._app, "_consumer", None), "_thread", None)

    def _make_app(self) -> Any:
        settings = self._settings
        app = _App(
            GROUP,
            broker_credentials=faust_credentials(settings),
            broker=";".join(f"kafka://{server.strip()}" for server in self._bootstrap.split(",")),
            datadir=str(settings.data_dir / "work"),
            store="memory://",
            processing_guarantee="at_least_once",
            consumer_auto_offset_reset="earliest",
            consumer_max_fetch_size=max(1024 * 1024, record_bytes(settings)),
            broker_session_timeout=_SESSION_SECONDS,
            broker_heartbeat_interval=_HEARTBEAT_SECONDS,
            broker_rebalance_timeout=_EMBEDDED_REBALANCE_SECONDS if settings.embedded else _SESSION_SECONDS,
            broker_request_timeout=30.0,
            broker_commit_interval=_COMMIT_SECONDS,
            broker_max_poll_interval=_FOREVER_SECONDS,  # a batch may wait for the database as long as it takes
            broker_max_poll_records=2_000,
            broker_check_crcs=False,
            producer_acks=-1,
            producer_linger=0.005,
            producer_request_timeout=30.0,
            producer_max_request_size=record_bytes(settings),
            stream_wait_empty=False,  # a rebalance must not wait for a batch that waits for the database
            stream_buffer_maxsize=2_000,
            topic_partitions=settings.partitions,
            topic_replication_factor=settings.replication,
            topic_allow_declare=False,
            topic_disable_leader=True,
            table_standby_replicas=0,
            web_enabled=False,
            key_serializer="raw",
            value_serializer="raw",
        )
        app.fetch_wait = _EMBEDDED_FETCH_WAIT if settings.embedded else _FETCH_WAIT
        brake = self._brake
        first = ThreadPoolExecutor(1, "store-read")
        second = first if self._store.backend == "sqlite" else ThreadPoolExecutor(1, "store-decide")
        reader = Reader(settings, self._secret, self._panel.index, lambda: brake.parked)
        read = ReadStage(reader, self._outlet, self._store, first, self._waiting, brake, self._secret)
        self._decide = DecideStage(self._store, self._outlet, second, self._waiting, brake, self._world, self._secret)
        self._agent(app, Topic.RAW, "read", read.run)
        self._agent(app, Topic.EVENTS, "decide", self._decide.run)
        return app

    def _world(self) -> World:
        directory = self._panel.directory()
        routes = self._routes
        return World(
            self._policy.current(),
            lambda enrollee, kind, reasons, at: routes.route(directory, enrollee, kind, reasons, at),
            datetime.now(UTC),
        )

    def _agent(self, app: Any, topic: Topic, name: str, run: Callable[[Sequence[RawRecord]], Awaitable[None]]) -> None:
        settings = self._settings
        channel = app.topic(topic.value, key_type=bytes, value_type=bytes, value_serializer="raw", key_serializer="raw")

        async def agent(stream: Any) -> None:
            try:
                async for messages in _batches(app, stream, settings.batch_max, settings.batch_seconds):
                    if self._waiting.stopping:
                        await park()
                    self._busy.add(name)
                    await run([_raw(message) for message in messages])
                    self._busy.discard(name)
            except BaseException as error:  # noqa: BLE001 whatever leaves the loop is acked, so nothing may
                leave(Exit.STUCK, f"{name}:{type(error).__name__}")
            leave(Exit.STUCK, f"{name}:stream ended")

        app.agent(channel, name=name)(agent)

    async def _relay(self) -> None:
        """Publishes what a kill left unsent, and forgets endings that are old enough."""
        pruned = 0.0
        while not self._waiting.stopping:
            with suppress(Unavailable, BrokerAway):
                await self._decide.relay(datetime.now(UTC))
                if time.monotonic() - pruned > _PRUNE_SECONDS:
                    await asyncio.to_thread(self._prune, datetime.now(UTC))
                    pruned = time.monotonic()
            await asyncio.sleep(_RELAY_SECONDS)

    async def _look_around(self) -> None:
        """Tells how much is to be published, and hears which senders are parked."""
        while not self._waiting.stopping:
            try:
                await self._decide.gauge(datetime.now(UTC))
                parked = await asyncio.to_thread(self._store.parked)
            except Unavailable as error:
                self._waiting.away(Part.STORE, type(error).__name__, "look_around")
            else:
                self._waiting.back(Part.STORE, "look_around")
                self._brake.take_over(one.sender for one in parked)
            await asyncio.sleep(_RELAY_SECONDS)

    def _prune(self, now: datetime) -> None:
        self._store.prune_sessions(now)
        self._store.prune(now, self._settings.ledger_days)
        self._store.prune_unmatched(now, self._settings.unmatched_days)

    def _chore_ended(self, task: "asyncio.Task[None]") -> None:
        if not self._waiting.stopping:
            error = None if task.cancelled() else task.exception()
            leave(Exit.STUCK, f"chore:{type(error).__name__}")

    @staticmethod
    def _start_ended(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()):
            leave(Exit.STUCK, f"start:{type(error).__name__}")

    async def _stop(self) -> None:
        """Finishes the batches in hand, commits, leaves the group so that others take over at once, and ends."""
        self._waiting.stopping = True
        guard = threading.Timer(_STOP_SECONDS, leave, (Exit.AGAIN, "stopped late"))
        guard.daemon = True
        guard.start()
        deadline = time.monotonic() + _STOP_SECONDS / 2
        while self._busy and time.monotonic() < deadline:  # noqa: ASYNC110 two loops, one look each
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.05)  # the agents' loops come back for more, which acks their last batch
        with suppress(Exception):
            async with asyncio.timeout(1):
                await self._decide.told()
        with suppress(Exception):
            async with asyncio.timeout(2):
                await self._app.consumer.commit()
                await self._app.consumer.commit()
        coordinator = getattr(self.consumer(), "_coordinator", None)
        loop = self.consumer_loop()
        if coordinator is not None and loop is not None:
            with suppress(Exception):
                closing = asyncio.run_coroutine_threadsafe(coordinator.close(), loop)
                async with asyncio.timeout(2):
                    await asyncio.wrap_future(closing)
        with suppress(Exception):
            async with asyncio.timeout(1):
                await self._outlet.close()
        leave(Exit.AGAIN, "stopped")


async def _batches(app: Any, stream: Any, most: int, seconds: float) -> AsyncIterator[list[Any]]:
    """Faust's messages, at most `most` and `_BATCH_BYTES` (or one) at once.

    `seconds` is how long the first waits for others to come.
    Acks a batch when the next one is asked for, as `stream.take_events` does, which runs several tasks for each message
    and wakes up for nothing all the time. And it acks what it leaves out, because the partitions were assigned anew
    since: such messages come again, so here they are left out and no more.
    """
    await stream.maybe_start()
    queue = stream.channel.queue
    ahead: Any = None  # did not fit any more
    while True:
        events, ahead = [ahead if ahead is not None else await queue.get()], None
        size = len(events[0].message.value or b"")
        await asyncio.sleep(seconds)
        while len(events) < most and size < _BATCH_BYTES and not queue.empty():
            following = queue.get_nowait()
            size += len(following.message.value or b"")
            if size > _BATCH_BYTES:
                ahead = following
                break
            events.append(following)
        messages = []
        for message in (event.message for event in events):
            if not app.flow_control.is_active() or message.generation_id != app.consumer_generation_id:
                continue
            if not message.tracked:
                message.tracked = True
                app.consumer.track_message(message)
            messages.append(message)
        if messages:
            yield messages
        for message in messages:
            message.ack(app.consumer)


def _raw(message: Any) -> RawRecord:
    return RawRecord(
        message.topic,
        message.partition,
        message.offset,
        message.timestamp or 0.0,
        message.key,
        message.value,
        message.headers,
    )
