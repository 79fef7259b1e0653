"""Runs the listener: settings in; MLLP and `POST /hl7` served, messages made durable, health told, until SIGTERM.

Without Apache Kafka the journal in the data folder is the durable place and the publisher brings it to the embedded
broker; with it, Kafka is. The ports it really has are in `<data_dir>/listener.json`.
"""

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from streams import metrics
from streams.broker import write_atomically
from streams.door import Door
from streams.durable import Durable, JournalDurable, KafkaDurable
from streams.health import Check, Health, Needed
from streams.http_in import HttpIn
from streams.journal import Journal
from streams.kafka import BrokerAway, TopicsUnusable, client_options, ensure_topics_async, record_bytes
from streams.message_ids import continue_after
from streams.mllp_server import MllpServer
from streams.problems import Problem
from streams.publisher import Publisher
from streams.settings import Settings, private_folder
from streams.store import Store

log = structlog.get_logger()

JOURNAL_FOLDER: Final = "journal"


class _Parts(NamedTuple):
    durable: Durable
    running: list[asyncio.Task[None]]
    trouble: Callable[[], str]
    close: Callable[[], None]


def run_listener(settings: Settings) -> None:
    """Blocks until SIGTERM or SIGINT. Raises `Problem` for what its user can mend."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(serve(settings))


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with the configured certificate, None without one. Raises `Problem`."""
    if settings.tls_cert is None:
        if settings.tls_key or settings.tls_client_ca:
            raise Problem(
                "HANDOFF_TLS_CERT is not set, but a key or a client CA is: set it to the PEM certificate chain"
            )
        return None
    cert, key, client_ca = settings.tls_cert, settings.tls_key, settings.tls_client_ca
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load("HANDOFF_TLS_CERT and HANDOFF_TLS_KEY", lambda: context.load_cert_chain(cert, key))
    if client_ca is not None:
        _load("HANDOFF_TLS_CLIENT_CA", lambda: context.load_verify_locations(client_ca))
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _load(names: str, load: Callable[[], None]) -> None:
    try:
        load()
    except (OSError, ValueError) as error:
        raise Problem(
            f"{names}: cannot be used ({type(error).__name__}): expected readable PEM files that fit"
        ) from None


async def serve(settings: Settings, stop: asyncio.Event | None = None) -> None:
    """As `run_listener`, on a running loop; also ends when `stop` is set."""
    stopping = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    with contextlib.suppress(ValueError, RuntimeError):  # not the main thread: whoever runs us stops us
        for number in signals:
            loop.add_signal_handler(number, stopping.set)
    private_folder(settings.data_dir)
    tls = tls_context(settings)
    parts = _kafka(settings) if not settings.embedded else _journal(settings)
    door = Door(parts.durable, settings.secret())
    mllp = MllpServer(settings, door, tls)
    http = HttpIn(settings, door, tls)
    scrape = None
    try:
        await _bind(mllp.start, "HANDOFF_MLLP_HOST and HANDOFF_MLLP_PORT")
        await _bind(http.start, "HANDOFF_HTTP_PORT")
        scrape = await _scrape(settings, lambda: _health(parts))
        ports = {"mllp_port": mllp.port, "http_port": http.port, "metrics_port": scrape.port, "tls": tls is not None}
        where = settings.data_dir / "listener.json"
        write_atomically(where, {"pid": os.getpid(), "host": settings.mllp_host, **ports})
        log.info("listening", host=settings.mllp_host, **ports)
        waiting = asyncio.create_task(stopping.wait())
        await asyncio.wait({waiting, *parts.running}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for task in parts.running:
            if task.done():
                task.result()
        log.info("stopping")
    finally:
        await asyncio.gather(mllp.stop(), http.stop())
        for task in parts.running:
            task.cancel()
        await asyncio.wait(parts.running)
        parts.close()
        if scrape is not None:
            scrape.close()
        _forget(settings.data_dir / "listener.json")
    log.info("stopped")


def _forget(where: Path) -> None:
    where.unlink(missing_ok=True)


async def _bind(start: Callable[[], object], names: str) -> None:
    try:
        await start()  # type: ignore[misc]
    except OSError as error:
        raise Problem(f"{names}: cannot listen there ({os.strerror(error.errno or 0)}): choose another") from None


async def _scrape(settings: Settings, health: Callable[[], Health]) -> metrics.Scrape:
    try:
        return metrics.serve(settings.metrics_host, settings.listen_metrics_port, health)
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
    store = Store.open(settings.store_url)
    publisher = Publisher(settings, journal, durable, store)

    def close() -> None:
        journal.close()
        store.close()

    running = [asyncio.create_task(durable.run()), asyncio.create_task(publisher.run())]
    return _Parts(durable, running, durable.trouble, close)


def _health(parts: _Parts) -> Health:
    alive = not any(task.done() for task in parts.running)
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
