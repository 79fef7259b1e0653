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
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog

from rules.deciding.case import World
from streams.follow.table import ticks_of
from streams.follow.ticks import Ticker
from streams.kafka.admin import ensure_topics
from streams.kafka.client import BrokerAway, bootstrap_servers, client_dead, record_bytes
from streams.kafka.offsets import GROUP
from streams.kafka.outlet import Outlet
from streams.kafka.topics import Topic
from streams.run.files import private_folder, write_atomically
from streams.run.health import Check, Health, Needed
from streams.run.metrics import Part
from streams.run.problems import Problem
from streams.run.processes import PLACES
from streams.run.rule_file import RuleFile
from streams.run.rule_files import ESCALATION, POLICY, ROUTES
from streams.run.scrape import serve_for
from streams.run.settings import Settings
from streams.run.site_file import FEEDS
from streams.store import Damaged, Store, Unavailable
from streams.store.keys import secret_of
from streams.store.opening import said_of
from streams.work.by_hand import ByHand
from streams.work.chores import Chores, Steps
from streams.work.decide import DecideStage
from streams.work.faust_app import FETCH_WAIT, FaustApp, batches_of, faust_credentials, raw_record
from streams.work.grammar import GrammarSamples
from streams.work.leave import leave
from streams.work.live_destinations import LiveDestinations
from streams.work.live_panel import PanelWatch
from streams.work.quarantine import Brake
from streams.work.read import ReadStage
from streams.work.reader import RawRecord, Reader
from streams.work.replay import Replay
from streams.work.unavailable import Waiting, park
from streams.work.watchdog import Exit, Watchdog

log = structlog.get_logger()
_SESSION_SECONDS: Final = 6.0  # Apache Kafka's least; a killed worker's partitions wait so long
_HEARTBEAT_SECONDS: Final = 2.0
_COMMIT_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 8.0
_EMBEDDED_FETCH_WAIT: Final = (50, 1)  # the embedded broker answers a waiting fetch only at half of the time
_EMBEDDED_REBALANCE_SECONDS: Final = 3.0  # there every join waits for half of it, whoever is there
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
    rules = WorkerRules(settings)
    workers: list[Worker] = []  # this one, once it is there
    scrape = serve_for(
        "HANDOFF_WORK_METRICS_PORT",
        settings.metrics_host,
        settings.work_metrics_port,
        lambda: workers[0].health() if workers else _starting(waiting),
    )
    for warning in _topics(settings, waiting):
        log.warning("topic_differs", topic=warning.topic.value, what=warning.text)
    store = _open_store(settings, waiting, rules.policy.current().tz)
    panel = PanelWatch(store, waiting)
    panel.start()
    while not panel.wait(1.0):
        if not panel.alive():
            leave(Exit.STUCK, "panel_watch_ended")
    worker = Worker(settings, store, panel, rules, waiting)
    workers.append(worker)
    place = private_folder(settings.data_dir) / PLACES["work"]
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


def _open_store(settings: Settings, waiting: Waiting, zone: ZoneInfo) -> Store:
    while True:
        try:
            store = Store.open(settings.store_url, zone=zone)
        except Damaged as error:
            raise Problem(said_of(error, settings)) from None
        except Unavailable as error:
            waiting.away(Part.STORE, type(error).__name__)
            time.sleep(1)
        else:
            waiting.back(Part.STORE)
            return store


class WorkerRules:
    """The rule files that a worker decides by. Raises `SettingsError` when one it starts with has faults."""

    def __init__(self, settings: Settings) -> None:
        self.policy = RuleFile(POLICY, settings)
        self.routes = RuleFile(ROUTES, settings)
        self.feeds = RuleFile(FEEDS, settings)
        self.escalation = RuleFile(ESCALATION, settings)

    def look(self) -> None:
        """Takes what has changed, so that a fault is seen before the next message comes."""
        for file in (self.policy, self.routes, self.feeds, self.escalation):
            file.current()


class Worker:
    """One worker process: agents, stages, watchdog and the orderly way out."""

    def __init__(
        self, settings: Settings, store: Store, panel: PanelWatch, rules: WorkerRules, waiting: Waiting
    ) -> None:
        self._settings = settings
        self._store = store
        self._panel = panel
        self._destinations = LiveDestinations(store, panel.directory)
        self._rules = rules
        self._waiting = waiting
        self._bootstrap = bootstrap_servers(settings)
        self._secret = secret_of(settings, store)
        self._brake = Brake(settings.crash_limit)
        self._brake.take_over(feed.sender for feed in store.keeping_up.parked())
        self._busy: set[str] = set()
        self._chores: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._app: Any = None
        self._outlet = Outlet(settings, lambda: bootstrap_servers(settings))
        self._samples = GrammarSamples(store)
        escalation, policy = rules.escalation.current, rules.policy.current
        ticks = ticks_of(settings, store, escalation, policy, rules.feeds.current, panel.directory, panel.index)
        self._ticker = Ticker(store, ticks)
        self._by_hand = ByHand(store, self._outlet, waiting, self._secret)
        self._replay = Replay(store, self._outlet, waiting, self._secret, timedelta(days=settings.ledger_days - 1))
        self._watchdog = Watchdog(settings, self._bootstrap, waiting, self, panel.alive, leave)

    def health(self) -> Health:
        watched = self._watchdog.health()
        return watched._replace(checks=(*watched.checks, self._ticker.check()))

    async def run(self) -> None:
        """Never returns: ends in `leave`."""
        self._loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, stop.set)
        self._app = self._make_app()
        self._watchdog.start()
        self._ticker.start()
        publish = (self._decide.relay, self._replay.run, self._by_hand.run)
        steps = Steps(publish, self._decide.gauge, (self._rules.look, self._destinations.look))
        chores = Chores(self._settings, self._store, self._waiting, self._brake, steps)
        for chore in (chores.publish(), chores.look_around(), self._samples.run()):
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
        app = FaustApp(
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
        app.fetch_wait = _EMBEDDED_FETCH_WAIT if settings.embedded else FETCH_WAIT
        brake = self._brake
        first = ThreadPoolExecutor(1, "store-read")
        second = first if self._store.database.backend == "sqlite" else ThreadPoolExecutor(1, "store-decide")
        destinations = self._destinations
        reader = Reader(
            settings,
            self._secret,
            self._panel.index,
            lambda: brake.parked,
            self._rules.feeds.current,
            lambda: destinations.passes_on,
        )
        read = ReadStage(reader, self._outlet, self._store, first, self._waiting, brake, self._secret, self._samples)
        self._decide = DecideStage(
            self._store, self._outlet, second, self._waiting, brake, self._world, self._secret, destinations.ask
        )
        self._agent(app, Topic.RAW, "read", read.run)
        self._agent(app, Topic.EVENTS, "decide", self._decide.run)
        return app

    def _world(self) -> World:
        directory = self._panel.directory()
        routes = self._rules.routes.current()
        return World(
            self._rules.policy.current(),
            lambda enrollee, kind, reasons, at: routes.route(directory, enrollee, kind, reasons, at),
            datetime.now(UTC),
        )

    def _agent(self, app: Any, topic: Topic, name: str, run: Callable[[Sequence[RawRecord]], Awaitable[None]]) -> None:
        settings = self._settings
        channel = app.topic(topic.value, key_type=bytes, value_type=bytes, value_serializer="raw", key_serializer="raw")

        async def agent(stream: Any) -> None:
            try:
                async for messages in batches_of(app, stream, settings.batch_max, settings.batch_seconds):
                    if self._waiting.stopping:
                        await park()
                    self._busy.add(name)
                    await run([raw_record(message) for message in messages])
                    self._busy.discard(name)
            except BaseException as error:  # whatever leaves the loop is acked, so nothing may
                leave(Exit.STUCK, f"{name}:{type(error).__name__}", error)
            leave(Exit.STUCK, f"{name}:stream ended")

        app.agent(channel, name=name)(agent)

    def _chore_ended(self, task: "asyncio.Task[None]") -> None:
        if not self._waiting.stopping:
            error = None if task.cancelled() else task.exception()
            leave(Exit.STUCK, f"chore:{type(error).__name__}", error)

    @staticmethod
    def _start_ended(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()):
            leave(Exit.STUCK, f"start:{type(error).__name__}", error)

    async def _stop(self) -> None:
        """Finishes the batches in hand, commits, leaves the group so that others take over at once, and ends."""
        self._waiting.stopping = True
        guard = threading.Timer(_STOP_SECONDS, leave, (Exit.AGAIN, "stopped late"))
        guard.daemon = True
        guard.start()
        deadline = time.monotonic() + _STOP_SECONDS / 2
        giving_back = asyncio.create_task(asyncio.to_thread(self._ticker.stop, _STOP_SECONDS / 4))
        while self._busy and time.monotonic() < deadline:  # noqa: ASYNC110 two loops, one look each
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.05)  # the agents' loops come back for more, which acks their last batch
        with suppress(Exception):
            async with asyncio.timeout(1):
                await self._decide.published()
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
        await giving_back
        leave(Exit.AGAIN, "stopped")
