"""Every metric of every process in one commented table, and the scrape address that serves them.

Labels come from enums only (the enum is named beside each); units are in the names. The own registry holds nothing
that we did not put there, and the address answers from its own thread, so also while the process is recovering.
"""

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from streams.run.health import Check, Health, Needed
from streams.run.problems import Problem


class Way(StrEnum):
    """How a message came in."""

    MLLP = "mllp"
    HTTP = "http"
    BATCH = "batch"


class Stage(StrEnum):
    """Where a message spends its time; quarantine headers begin with the same words."""

    ACK = "ack"  # frame complete to ACK written (listener)
    READ = "read"  # frame received to event forwarded or ended (worker)
    DECIDE = "decide"  # event on its topic to decision committed (worker)
    TOLD = "told"  # decision committed to alert acknowledged by the broker (worker)
    SHOWN = "shown"  # frame received to alert on a page's event stream (inbox)


class Part(StrEnum):
    """What a process may have to wait for."""

    BROKER = "broker"
    STORE = "store"
    DISK = "disk"


REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)  # CPU seconds, resident memory and open files of this process

_SECONDS: Final = (
    *(0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.35, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0),
)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, text, labels, registry=REGISTRY)


def _seconds(name: str, text: str, *labels: str) -> Histogram:
    return Histogram(name, text, labels, registry=REGISTRY, buckets=_SECONDS)


# The way in. received = messages we answered for with AA or CA; refused never got that far.
RECEIVED: Final = _counter("toc_received", "Messages durably accepted", "way")  # Way
REFUSED: Final = _counter("toc_refused", "Messages and frames refused at the door", "code")  # RejectCode
ACKS: Final = _counter("toc_acks", "Acknowledgements sent", "code")  # AckCode
CONNECTIONS: Final = _gauge("toc_connections", "Open connections of senders", "way")  # Way
CONNECTIONS_REFUSED: Final = _counter("toc_connections_refused", "Connections over a limit", "way")  # Way
CONNECTIONS_CLOSED: Final = _counter("toc_connections_closed", "How MLLP connections ended", "outcome")  # Closed
TLS_FAILURES: Final = _counter("toc_tls_failures", "Handshakes that failed, by cause", "reason")  # TlsFailure
TOKEN_GUESSES: Final = _counter("toc_token_guesses", "Wrong bearer tokens at POST /hl7")
BUFFERED: Final = _gauge("toc_buffered_bytes", "Bytes of unfinished and unanswered frames")

# The journal, which is the durable place beside the embedded broker.
JOURNAL_BACKLOG: Final = _gauge("toc_journal_backlog_messages", "Journaled messages the broker does not hold yet")
JOURNAL_BYTES: Final = _gauge("toc_journal_bytes", "Bytes of journal segments on disk")
PLAYED_BACK: Final = _counter("toc_played_back", "Messages published again from the journal")
BROKER_GENERATION: Final = _gauge("toc_broker_generation", "Which embedded broker this is, counted from 1")

# The worker. Endings are counted when they are newly in the ledger, so a redelivery does not count twice.
ENDINGS: Final = _counter("toc_endings", "Messages by how they ended", "ending")  # Ending
REJECTED: Final = _counter("toc_rejected", "Rejects by code", "code")  # RejectCode
REASONS: Final = _counter("toc_reasons", "Decisions by their first reason", "reason")  # Reason
QUARANTINED: Final = _counter("toc_quarantined", "Records our code could not process, by stage", "stage")  # Stage
PARKED_FEEDS: Final = _gauge("toc_parked_feeds", "Senders whose messages are set aside because we failed on too many")
PARKED: Final = _counter("toc_parked", "Messages of parked senders, set aside unread")
REDELIVERED: Final = _counter("toc_redelivered", "Records that had their ending already", "stage")  # Stage
END_TO_END: Final = _seconds("toc_end_to_end_seconds", "From frame received to ending committed")
STAGE: Final = _seconds("toc_stage_seconds", "Time in one stage", "stage")  # Stage
BATCH: Final = Histogram(
    *("toc_batch_records", "Records in one batch of the worker", ("stage",)),  # Stage
    registry=REGISTRY,
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
LAG: Final = _gauge("toc_lag_records", "Records on the broker that the worker has not committed", "topic")  # Topic
COORDINATOR_ERRORS: Final = _counter("toc_coordinator_errors", "Errors of the consumer group, cleared by the watchdog")
UNAVAILABLE: Final = _counter("toc_unavailable", "Attempts in vain because something was away", "part")  # Part

# What was told.
OUTBOX_AGE: Final = _gauge("toc_outbox_age_seconds", "Age of the oldest alert version not on its topic yet")
OUTBOX_SIZE: Final = _gauge("toc_outbox_alerts", "Alert versions not on their topic yet")
INBOX_STREAMS: Final = _gauge("toc_inbox_streams", "Pages that listen for changes")

# What we decide by.
PANEL_SIZE: Final = _gauge("toc_panel_enrollees", "Enrollees on the panel in memory")
PANEL_AGE: Final = _gauge("toc_panel_age_seconds", "Time since the panel was last loaded")
POLICY_RELOAD_FAILURES: Final = _counter("toc_policy_reload_failures", "Policies that did not load; the old one stays")


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
            except Exception as error:  # noqa: BLE001 whatever it is, the truth is "not live"
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


def seconds_since(moment: datetime) -> float:
    """Seconds from an aware moment to now, never negative."""
    return max(0.0, (datetime.now(UTC) - moment).total_seconds())
