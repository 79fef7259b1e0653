"""The address that serves metrics and health, from a thread of its own."""

import os
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from streams.run.health import Check, Health, Needed
from streams.run.metrics import REGISTRY
from streams.run.problems import Problem


class Scrape:
    """The running scrape address. `port` is the real one, also when 0 was asked for."""

    def __init__(self, server: ThreadingHTTPServer, thread: threading.Thread) -> None:
        self._server = server
        self._thread = thread
        self.port: int = server.server_address[1]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def serve_for(setting: str, host: str, port: int, health: Callable[[], Health]) -> Scrape:
    """As `serve`, for a command: raises `Problem` naming the port's setting when it is taken."""
    try:
        return serve(host, port, health)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise Problem(f"HANDOFF_METRICS_HOST and {setting}: cannot listen there ({why}): choose another") from None


def serve(host: str, port: int, health: Callable[[], Health]) -> Scrape:
    """Serves /metrics, /healthz and /readyz from a daemon thread. Raises `OSError` when the port is taken.

    `health` is called on that thread for each request and should answer from memory; when it raises, the process is
    not live.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/metrics":
                    self._reply(200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY))
                case "/healthz":
                    self._health(Needed.LIVE)
                case "/readyz":
                    self._health(Needed.READY)
                case _:
                    self._reply(404, "text/plain; charset=utf-8", b"/metrics /healthz /readyz\n")

        def _health(self, needed: Needed) -> None:
            try:
                now = health()
            except Exception as error:  # whatever it is, the truth is "not live"
                now = Health((Check("health", ok=False, why=type(error).__name__, needed=Needed.LIVE),))
            status, body = now.answer(needed)
            self._reply(status, "application/json", body)

        def _reply(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: a scrape every few seconds is no news."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Says nothing: a scraper that hangs up is no news either."""

    server = Server((host, port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, name="metrics", daemon=True)
    thread.start()
    return Scrape(server, thread)
