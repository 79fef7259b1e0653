"""The process `handoff inbox`: settings in, the running inbox out, its address in `<data_dir>/inbox.json`."""

import json
import os

import structlog
import uvicorn

from streams.inbox.app import app
from streams.inbox.request import Inbox
from streams.inbox.serving import Certificates, StoppingServer, TimedProtocol, listening_socket
from streams.run.files import private_folder
from streams.run.listening import open_to_others
from streams.run.problems import Problem
from streams.run.processes import PLACES
from streams.run.scrape import serve_for
from streams.run.settings import Settings
from streams.store import Store
from streams.store.opening import office_zone

log = structlog.get_logger()


def run_inbox(settings: Settings, *, demo: bool = False) -> None:
    """Serves the inbox and its metrics until SIGINT or SIGTERM. Raises `Problem` rather than be open in clear."""
    check_exposure(settings, demo=demo)
    certificates = Certificates(settings.inbox_tls_cert, settings.inbox_tls_key) if settings.inbox_tls_cert else None
    store = Store.open(settings.store_url, zone=office_zone(settings))
    inbox = Inbox(settings, store, demo=demo)
    scrape = serve_for("HANDOFF_INBOX_METRICS_PORT", settings.metrics_host, settings.inbox_metrics_port, inbox.health)
    listening = listening_socket(settings.inbox_host, settings.inbox_port, shared=settings.share_ports)
    port = listening.getsockname()[1]
    host = f"[{settings.inbox_host}]" if ":" in settings.inbox_host else settings.inbox_host
    _say_where(settings, f"http{'s' if certificates else ''}://{host}:{port}", scrape.port)
    config = uvicorn.Config(
        app(inbox),
        log_config=None,
        access_log=False,
        loop="asyncio",
        http=TimedProtocol,
        lifespan="on",
        server_header=False,
        proxy_headers=False,  # of whom they are believed, `streams.inbox.behind_proxy` says
        timeout_graceful_shutdown=2,
        timeout_keep_alive=30,
    )
    server = StoppingServer(config, inbox.live.close, certificates)
    log.info("inbox_started", port=port, metrics_port=scrape.port, tls=certificates is not None)
    try:
        server.run(sockets=[listening])
    finally:
        scrape.close()
        store.close()


def check_exposure(settings: Settings, *, demo: bool) -> None:
    """Raises `Problem` where the inbox would be reached in clear, or its demo by others than who started it."""
    if not open_to_others(settings.inbox_host):
        return
    if demo:
        raise Problem("HANDOFF_INBOX_HOST: the demo lets anybody be anybody; keep it on loopback")
    if settings.inbox_tls_cert is None and not settings.inbox_proxy:
        raise Problem(
            "HANDOFF_INBOX_HOST: on anything but loopback the inbox speaks no plain HTTP: set HANDOFF_INBOX_TLS_CERT "
            "and HANDOFF_INBOX_TLS_KEY, or name the proxy that speaks TLS for it in HANDOFF_INBOX_PROXY"
        )
    if settings.inbox_proxy and not settings.front_page.startswith("https://"):
        raise Problem("HANDOFF_INBOX_PROXY needs HANDOFF_FRONT_PAGE: the https:// address that people reach it by")


def _say_where(settings: Settings, url: str, metrics_port: int) -> None:
    private_folder(settings.data_dir)
    path = settings.data_dir / PLACES["inbox"]
    draft = path.with_name(f".inbox.{os.getpid()}.json")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"url": url, "pid": os.getpid(), "metrics_port": metrics_port}, file)
    draft.replace(path)
