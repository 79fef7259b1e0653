"""Runs the listener: settings in; MLLP and `POST /hl7` served, messages made durable, health told, until SIGTERM.

Without Apache Kafka the journal in the data folder is the durable place and the publisher brings it to the embedded
broker; with it, Kafka is. The ports it really has are in `<data_dir>/listener.json`. TLS files are read again when they
change and on SIGHUP; connections that stand stay. A task that ends unasked ends the process.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from streams.kafka.admin import TopicsUnusable, ensure_topics_async
from streams.kafka.client import BrokerAway, client_options, record_bytes
from streams.listen.connections import Limits, raise_file_limit
from streams.listen.drop import DropFolders
from streams.listen.durable import Durable
from streams.listen.http import HttpIn
from streams.listen.intake import Door
from streams.listen.into_journal import JournalDurable
from streams.listen.into_kafka import KafkaDurable
from streams.listen.journal import Journal
from streams.listen.message_ids import continue_after
from streams.listen.mllp import MllpServer
from streams.listen.playback import Publisher
from streams.listen.senders import Gatekeeper
from streams.listen.tls import TlsFiles
from streams.run import scrape
from streams.run.crash import place_of
from streams.run.disk import watch_disk
from streams.run.files import private_folder, write_atomically
from streams.run.health import Check, Health, Needed
from streams.run.listening import open_to_others
from streams.run.problems import Problem
from streams.run.processes import PLACES
from streams.run.rule_file import RuleFile
from streams.run.settings import Settings
from streams.run.site_file import FEEDS, SENDERS
from streams.store.open_ledger import open_ledger

log = structlog.get_logger()

JOURNAL_FOLDER: Final = "journal"
_SOFTWARE: Final = 70  # EX_SOFTWARE of sysexits.h: our fault, start me again
_LOOK_SECONDS: Final = 60.0  # between two looks at the TLS files


class _Parts(NamedTuple):
    durable: Durable
    running: list[asyncio.Task[None]]
    trouble: Callable[[], str]
    close: Callable[[], None]


class TaskEnded(Exception):
    """A task of the listener ended though nobody asked it to; the text holds no PHI."""


def run_listener(settings: Settings) -> int:
    """Blocks until SIGTERM or SIGINT; gives the exit status. Raises `Problem` for what its user can mend."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # ten lines a second of a broker that is away; ours is one
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        try:
            runner.run(serve(settings))
        except TaskEnded as ended:
            print(ended, file=sys.stderr)  # noqa: T201
            return _SOFTWARE
    return 0


async def serve(settings: Settings, stop: asyncio.Event | None = None) -> None:
    """As `run_listener`, on a running loop; also ends when `stop` is set."""
    stopping = stop or asyncio.Event()
    look = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ValueError, RuntimeError):  # not the main thread: whoever runs us stops us
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        loop.add_signal_handler(signal.SIGHUP, look.set)
    secret = _prepare(settings)
    files = TlsFiles(settings)
    raise_file_limit(settings.max_connections)
    limits = Limits(settings)
    parts = _kafka(settings) if not settings.embedded else _journal(settings)
    door = Door(parts.durable, secret, gatekeeper=_gatekeeper(settings))
    mllp = MllpServer(settings, door, files.context, limits)
    http = HttpIn(settings, door, files.context, limits)
    scrape = None
    watched = list(parts.running)
    try:
        await _bind(mllp.start, "HANDOFF_MLLP_HOST and HANDOFF_MLLP_PORT")
        await _bind(http.start, "HANDOFF_HTTP_PORT")
        drop = DropFolders(RuleFile(FEEDS, settings).current, door, settings.max_frame_bytes)
        parts.running.append(asyncio.create_task(drop.run()))
        parts.running.append(asyncio.create_task(_keep_tls(files, look, mllp, http)))
        watched = [*parts.running, *mllp.running, *http.running]
        scrape = await _scrape(settings, lambda: _health(parts, watched))
        tls = files.context is not None
        ports = {"mllp_port": mllp.port, "http_port": http.port, "metrics_port": scrape.port, "tls": tls}
        _say_where(settings, ports)
        log.info("listening", host=settings.mllp_host, **ports)
        _warn(settings, limits)
        waiting = asyncio.create_task(stopping.wait())
        await asyncio.wait({waiting, *watched}, return_when=asyncio.FIRST_COMPLETED)
        asked = waiting.done()
        waiting.cancel()
        if not asked:
            _unasked(watched)
        log.info("stopping")
    finally:
        await asyncio.gather(mllp.stop(), http.stop())
        for task in parts.running:
            task.cancel()
        await asyncio.wait(parts.running)
        parts.close()
        if scrape is not None:
            scrape.close()
        _forget(settings.data_dir / PLACES["listen"])
    log.info("stopped")


def _prepare(settings: Settings) -> bytes:
    """Makes the data folder; gives the key of the keyed hashes."""
    try:
        private_folder(settings.data_dir)
        return settings.secret()
    except OSError as error:
        raise Problem(
            f"HANDOFF_DATA_DIR: {settings.data_dir} cannot be used ({os.strerror(error.errno or 0)}): "
            "it must be a folder that this user owns and can write"
        ) from None


def _gatekeeper(settings: Settings) -> Gatekeeper:
    """Who may send, as `handoff.toml` says now."""
    senders, feeds = RuleFile(SENDERS, settings), RuleFile(FEEDS, settings)
    if settings.tls_client_ca is None and any(sender.by_certificate for sender in senders.current().senders):
        raise Problem(
            "[[senders]]: one is known by its certificate, which only HANDOFF_TLS_CLIENT_CA asks for: set it, and "
            "HANDOFF_TLS_CERT"
        )
    return Gatekeeper(senders.current, lambda application, facility: feeds.current().feed_for(application, facility))


def _say_where(settings: Settings, ports: dict[str, int | bool]) -> None:
    try:
        write_atomically(
            settings.data_dir / PLACES["listen"], {"pid": os.getpid(), "host": settings.mllp_host, **ports}
        )
    except OSError as error:
        log.error("listener_json_not_written", errno=error.errno)


def _warn(settings: Settings, limits: Limits) -> None:
    if limits.most < settings.max_connections:
        text = "fewer connections than HANDOFF_MAX_CONNECTIONS: the limit of open files is low (ulimit -n)"
        log.warning("few_file_descriptors", connections=limits.most, text=text)
    if open_to_others(settings.mllp_host) and settings.tls_cert is None:
        text = (
            "messages and tokens cross the network unencrypted: set HANDOFF_TLS_CERT and HANDOFF_TLS_KEY, "
            "or let only a VPN reach this address"
        )
        log.warning("listening_without_encryption", host=settings.mllp_host, text=text)


def _unasked(watched: list[asyncio.Task[None]]) -> None:
    """Raises for the task that ended though nobody asked it to: whoever watches this process starts it again."""
    for task in watched:
        if not task.done():
            continue
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Problem):
            raise error
        kind = type(error).__name__ if error else "nothing"
        place = place_of(error) if error else ""
        log.error("listener_task_ended", error=kind, place=place)
        raise TaskEnded(f"a task of the listener ended unasked ({kind} at {place}): start it again and report this")


async def _keep_tls(files: TlsFiles, look: asyncio.Event, mllp: MllpServer, http: HttpIn) -> None:
    """New connections get the files of now: looked at every minute, and on SIGHUP."""
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await look.wait()
        asked = look.is_set()
        look.clear()
        files.look(even_if_unchanged=asked)
        mllp.renew(files.context, files.revoked)
        http.renew(files.context, files.revoked)


def _forget(where: Path) -> None:
    with contextlib.suppress(OSError):
        where.unlink(missing_ok=True)


async def _bind(start: Callable[[], object], names: str) -> None:
    try:
        await start()  # type: ignore[misc]
    except OSError as error:
        raise Problem(f"{names}: cannot listen there ({os.strerror(error.errno or 0)}): choose another") from None


async def _scrape(settings: Settings, health: Callable[[], Health]) -> scrape.Scrape:
    watch_disk(settings.data_dir)
    try:
        return scrape.serve(settings.metrics_host, settings.listen_metrics_port, health)
    except OSError as error:
        names = "HANDOFF_METRICS_HOST and HANDOFF_LISTEN_METRICS_PORT"
        raise Problem(f"{names}: cannot listen there ({os.strerror(error.errno or 0)}): choose another") from None


def _kafka(settings: Settings) -> _Parts:
    checked = False

    async def prepare() -> None:
        nonlocal checked
        if checked:
            return
        try:
            for warning in await ensure_topics_async(settings, seconds=settings.accept_seconds):
                log.warning("topic_differs", topic=warning.topic.value, text=warning.text)
        except BrokerAway:
            raise TimeoutError from None
        except TopicsUnusable as error:
            raise Problem(str(error)) from None
        checked = True

    durable = KafkaDurable(
        settings.kafka_bootstrap_servers,
        accept_seconds=settings.accept_seconds,
        max_request_bytes=record_bytes(settings) + 1024,
        prepare=prepare,
        **client_options(settings),
    )
    return _Parts(durable, [asyncio.create_task(durable.run())], durable.trouble, lambda: None)


def _journal(settings: Settings) -> _Parts:
    try:
        journal = Journal.open(settings.data_dir / JOURNAL_FOLDER, settings.journal_segment_bytes)
    except OSError as error:
        raise Problem(
            f"HANDOFF_DATA_DIR: the journal in it cannot be opened ({os.strerror(error.errno or 0)})"
        ) from None
    continue_after(journal.last_id)
    durable = JournalDurable(journal, settings.accept_seconds)
    ledger, close_ledger = open_ledger(settings.store_url)
    publisher = Publisher(settings, journal, durable, ledger)

    def close() -> None:
        journal.close()
        close_ledger()

    running = [asyncio.create_task(durable.run()), asyncio.create_task(publisher.run())]
    return _Parts(durable, running, durable.trouble, close)


def _health(parts: _Parts, watched: list[asyncio.Task[None]]) -> Health:
    alive = not any(task.done() for task in watched)
    trouble = parts.trouble()
    return Health(
        (
            Check(
                "tasks",
                ok=alive,
                why="" if alive else "a task of the listener has ended: restart it",
                needed=Needed.LIVE,
            ),
            Check("durable", ok=not trouble, why=trouble),
        )
    )
