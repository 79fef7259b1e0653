"""The whole way on invented data, for the demo and the bench: a loaded store, all processes, hospitals, an observer.

A rehearsal only ever works on a store that is empty or holds the invented panel, never on real people.
"""

import asyncio
import http.client
import json
import socket
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from rules.endings import balance
from streams.inbox.links import make_link
from streams.invented.community import FEEDS, HOSPITALS, sample_directory, sample_panel
from streams.invented.hospitals import MIX, Hospitals
from streams.listen.message_ids import new_message_id
from streams.listen.mllp_client import Ack, MllpClient
from streams.run.files import private_folder
from streams.run.problems import Problem
from streams.run.processes import PLACES
from streams.run.settings import Settings, load_settings
from streams.store import Store
from streams.store.keys import secret_of
from streams.up.supervisor import StopSignal, Supervisor, wait_until_up

_WINDOW: Final = 500  # unanswered messages of one hospital
_TICK_SECONDS: Final = 0.01


class ForeignPanel(Problem):
    """The store holds people who are not invented."""


def rehearsal_settings(folder: Path) -> Settings:
    """Settings of this environment, but with a data folder and ports of its own."""
    ports = iter(_free_ports(5))
    inbox = 8080 if _is_free(8080) else next(ports)
    return load_settings(
        only_own_file=True,
        data_dir=folder,
        mllp_host="127.0.0.1",
        mllp_port=next(ports),
        http_port=next(ports),
        inbox_host="127.0.0.1",
        inbox_port=inbox,
        metrics_host="127.0.0.1",
        listen_metrics_port=0,
        work_metrics_port=0,
        inbox_metrics_port=0,
        tell_metrics_port=0,
    )


class Tally:
    """What the hospitals have seen so far."""

    def __init__(self) -> None:
        self.sent = 0
        self.acks: Counter[str] = Counter()
        self.unanswered = 0
        self.ack_ms: list[float] = []

    def answered(self, answer: "asyncio.Future[Ack]") -> None:
        if answer.cancelled() or answer.exception():
            self.unanswered += 1
            return
        ack = answer.result()
        self.acks[ack.code] += 1
        self.ack_ms.append(ack.ms)

    @property
    def accepted(self) -> int:
        """Messages that we said AA or CA to."""
        return self.acks["AA"] + self.acks["CA"]


async def play(hospitals: Hospitals, port: int, rate: float, tally: Tally, going: Callable[[], bool]) -> None:
    """Sends `rate` messages a second over one connection a hospital while `going()`, then waits for the answers."""
    clients = {name: MllpClient("127.0.0.1", port) for name in HOSPITALS}
    waiting: dict[str, set[asyncio.Future[Ack]]] = {name: set() for name in HOSPITALS}
    began, sent = time.monotonic(), 0
    try:
        while going():
            due = int((time.monotonic() - began) * rate) - sent
            for _ in range(due):
                name, control_id, message = hospitals.next()
                sent += 1
                await _send(clients[name], waiting[name], message, control_id, tally)
            await asyncio.sleep(_TICK_SECONDS)
        if pending := set().union(*waiting.values()):
            await asyncio.wait(pending, timeout=30)
    finally:
        for client in clients.values():
            await client.close()


async def _send(
    client: MllpClient, waiting: set["asyncio.Future[Ack]"], message: bytes, control_id: str, tally: Tally
) -> None:
    while len(waiting) >= _WINDOW:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    while True:
        try:
            if not client.connected:
                await client.connect()
            answer = await client.send(message, control_id)
        except ConnectionError:
            await asyncio.sleep(0.2)
            continue
        break
    tally.sent += 1
    waiting.add(answer)
    answer.add_done_callback(waiting.discard)
    answer.add_done_callback(tally.answered)


class Arrival(NamedTuple):
    """An alert version on the page's event stream."""

    message_id: str
    alert_id: str
    version: int
    at_us: int


class Observer(threading.Thread):
    """A page that is open: reads the inbox's event stream as a browser would, and notes when what arrived."""

    def __init__(self, link: str) -> None:
        super().__init__(daemon=True, name="observer")
        self.arrivals: list[Arrival] = []
        self.listening = threading.Event()
        self._link = link
        self._closing = False
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        cookie, host = "", ""
        last = ""
        while not self._closing:
            with suppress(OSError, http.client.HTTPException):
                if not cookie:
                    cookie, host = self._sign_in()
                self._connection = http.client.HTTPConnection(host, timeout=60)
                headers = {"Cookie": cookie, "Accept": "text/event-stream"}
                self._connection.request(
                    "GET", "/stream/all", headers={**headers, **({"Last-Event-ID": last} if last else {})}
                )
                response = self._connection.getresponse()
                if response.status == 200:
                    self.listening.set()
                    last = self._read(response, last)
            time.sleep(0.1)

    def close(self) -> None:
        self._closing = True
        if self._connection and self._connection.sock:
            with suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)

    def _sign_in(self) -> tuple[str, str]:
        parts = urllib.parse.urlsplit(self._link)
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", parts.path, body=parts.query, headers=form)
        response = connection.getresponse()
        response.read()
        cookies = [value.split(";")[0] for name, value in response.getheaders() if name.lower() == "set-cookie"]
        connection.close()
        return "; ".join(cookies), parts.netloc

    def _read(self, response: http.client.HTTPResponse, last: str) -> str:
        while line := response.readline():
            if line.startswith(b"id:"):
                last = line[3:].strip().decode()
            elif line.startswith(b"data:"):
                now = time.time_ns() // 1000
                change: dict[str, Any] = json.loads(line[5:])
                if change.get("message_id"):
                    self.arrivals.append(Arrival(change["message_id"], change["alert_id"], change["version"], now))
        return last


class Rehearsal:
    """All processes on invented data. Use as a context manager; `keep_up` is the supervisor's."""

    def __init__(self, settings: Settings, panel: int, stop: StopSignal) -> None:
        self.settings = settings
        self.panel = panel
        self.run = f"{int(time.time()) % 100_000_000:08d}"
        self.first_id = new_message_id(datetime.now(UTC))
        self._stop = stop
        self._logs = settings.data_dir / "logs"

    def __enter__(self) -> "Rehearsal":
        private_folder(self.settings.data_dir)
        private_folder(self._logs)
        write_feeds(self.settings.data_dir)
        self.store = Store.open(self.settings.store_url, migrate=True)
        try:
            _load_sample(self.store, self.panel)
            secret_of(self.settings, self.store, accept=True)  # nobody waits under an older one
            self.supervisor = Supervisor(self.settings, log_dir=self._logs, demo=True)
            self.supervisor.__enter__()
        except BaseException:
            self.store.close()
            raise
        try:
            if not wait_until_up(self.settings, self.supervisor, self._stop):
                raise Problem(f"the processes did not come up: {self._complaints()}")
            self.observer = Observer(make_link(self.settings, store=self.store))
            self.observer.start()
            self.observer.listening.wait(10)
            self._wait_for_worker()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "observer"):
            self.observer.close()
        self.supervisor.__exit__()
        self.store.close()

    @property
    def mllp_port(self) -> int:
        return int(json.loads((self.settings.data_dir / PLACES["listen"]).read_text())["mllp_port"])

    def hospitals(
        self, mix: Mapping[str, float] = MIX, on_panel_share: float = 0.2, regulars: Sequence[int] = ()
    ) -> Hospitals:
        return Hospitals(self.panel, run=self.run, mix=mix, on_panel_share=on_panel_share, regulars=regulars)

    def endings(self) -> dict[str, int]:
        """Of the messages of this rehearsal."""
        return self.store.ledger.endings(self.first_id)

    def drain(self, tally: Tally, seconds: float = 60) -> None:
        """Waits until every accepted message has its ending and every alert version is on the event stream."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.supervisor.keep_up()
            if sum(self.endings().values()) >= tally.accepted and not self.store.changes.unsent(1):
                time.sleep(0.3)
                return
            time.sleep(0.1)

    def summary(self, tally: Tally) -> dict[str, Any]:
        """What both the demo and the bench print of a finished run."""
        endings = self.endings()
        received = {timing.message_id: timing.received_us for timing in self.store.ledger.timings(self.first_id)}
        arrivals = [arrival for arrival in self.observer.arrivals if arrival.message_id in received]
        milliseconds = [(arrival.at_us - received[arrival.message_id]) / 1000 for arrival in arrivals]
        return {
            "messages": tally.sent,
            "acks": dict(tally.acks),
            "endings": endings,
            "alerts": len({arrival.alert_id for arrival in arrivals}),
            "versions": len({(arrival.alert_id, arrival.version) for arrival in arrivals}),
            "latency_ms": percentiles(milliseconds),
            "ledger": balance(tally.accepted, endings),
            "broker": "embedded" if self.settings.embedded else "kafka",
            "store": "postgresql" if self.settings.database_url.get_secret_value() else "sqlite",
        }

    def _wait_for_worker(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not self._stop.wait(0.1):
            self.supervisor.keep_up()
            with suppress(OSError, ValueError, KeyError):
                port = json.loads((self.settings.data_dir / PLACES["work"]).read_text())["metrics_port"]
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
                connection.request("GET", "/readyz")
                answer = connection.getresponse()
                answer.read()
                connection.close()
                if answer.status == 200:
                    return
        raise Problem(f"the worker did not get ready: {self._complaints()}")

    def _complaints(self) -> str:
        complaints = []
        for file in sorted(self._logs.glob("*.log")):
            lines = file.read_text(errors="replace").strip().splitlines()
            if lines:
                complaints.append(f"{file.stem}: {lines[-1][:300]}")
        return " / ".join(complaints) or "no process said anything"


def percentiles(values: Iterable[float]) -> dict[str, float | None]:
    """{"p50": x, "p99": x}; null when there is nothing to measure."""
    ordered = sorted(values)
    if not ordered:
        return {"p50": None, "p99": None}
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1)
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }


def write_feeds(folder: Path) -> None:
    """Says in the folder's `handoff.toml`, unless there is one, what the invented hospitals are called and are."""
    lines: list[str] = []
    for feed in FEEDS:
        said = {"name": feed.name, "sending": feed.sending, "facility": feed.facility}
        lines += ["[[feeds]]", *(f"{name} = {json.dumps(value)}" for name, value in said.items())]
        lines += [f'facility_kind = "{feed.facility_kind}"', ""]
    with suppress(FileExistsError), (folder / "handoff.toml").open("x", encoding="utf-8") as file:
        file.write("\n".join(lines))


def _load_sample(store: Store, size: int) -> None:
    there = store.panel.size()
    if there and any(not record.enrollee_id.startswith("SAMPLE-") for record in store.panel.records()):
        raise ForeignPanel("this store holds people who are not invented: set DATABASE_URL to an empty database")
    community = sample_directory()
    store.directory.load(
        community.networks,
        community.practices,
        community.case_managers,
        community.absences,
        community.lme_mcos,
        replace=True,
    )
    if there != size:
        store.panel.load(sample_panel(size), full=True, force=True, now=datetime.now(UTC))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
