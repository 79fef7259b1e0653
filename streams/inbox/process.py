"""The process `handoff inbox`: settings in, the running inbox out, its address in `<data_dir>/inbox.json`."""

import ipaddress
import json
import os

import structlog
import uvicorn

from streams.inbox.app import app
from streams.inbox.request import Inbox
from streams.inbox.serving import StoppingServer, TimedProtocol, listening_socket
from streams.run.files import private_folder
from streams.run.scrape import serve_for
from streams.run.settings import Settings
from streams.store import Store

log = structlog.get_logger()


def open_to_others(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def run_inbox(settings: Settings, *, demo: bool = False) -> None:
    """Serves the inbox and its metrics until SIGINT or SIGTERM. With `demo` a reader may look as somebody else."""
    store = Store.open(settings.store_url)
    inbox = Inbox(settings, store, demo=demo)
    scrape = serve_for("HANDOFF_INBOX_METRICS_PORT", settings.metrics_host, settings.inbox_metrics_port, inbox.health)
    listening = listening_socket(settings.inbox_host, settings.inbox_port)
    port = listening.getsockname()[1]
    host = f"[{settings.inbox_host}]" if ":" in settings.inbox_host else settings.inbox_host
    _say_where(settings, f"http://{host}:{port}", scrape.port)
    config = uvicorn.Config(
        app(inbox),
        log_config=None,
        access_log=False,
        loop="asyncio",
        http=TimedProtocol,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=30,
    )
    server = StoppingServer(config, inbox.live.close)
    if open_to_others(settings.inbox_host):
        log.warning("inbox_open_to_the_network", why="it speaks plain HTTP: bind it to loopback")
    log.info("inbox_started", port=port, metrics_port=scrape.port)
    try:
        server.run(sockets=[listening])
    finally:
        scrape.close()
        store.close()


def _say_where(settings: Settings, url: str, metrics_port: int) -> None:
    private_folder(settings.data_dir)
    path = settings.data_dir / "inbox.json"
    draft = path.with_name(f".inbox.{os.getpid()}.json")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"url": url, "pid": os.getpid(), "metrics_port": metrics_port}, file)
    draft.replace(path)
