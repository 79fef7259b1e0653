"""`handoff up`: the embedded broker, listener, worker and inbox as children, started again whenever one ends.

Recycling keeps memory bounded: the embedded broker never forgets a record, so before it passes
`broker_max_mb` the worker is stopped, an empty broker takes its place, and the listener, which goes on
accepting into its journal all the while, plays back what has no ending yet.
"""

import fcntl
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO, Final

import structlog
import typer

from streams.kafka.client import BrokerAway, ensure_topics
from streams.run.problems import Problem
from streams.run.settings import Settings, environment_name, private_folder
from streams.store import Store
from streams.store.keys import secret_of
from streams.store.opening import open_store
from streams.up.embedded_broker import EmbeddedBroker, die_with_parent

log = structlog.get_logger()

ROLES: Final = ("work", "listen", "inbox")  # in the order of their start
_STOP_SECONDS: Final = 10.0
_MUST_BE_MENDED: Final = 2  # exit status of a `Problem`
_WHERE: Final = {"listen": "listener.json", "work": "worker.json", "inbox": "inbox.json"}
_LOOK_SECONDS: Final = 3.0
_LOOK_TIMEOUT: Final = 5.0
_GRACE_SECONDS: Final = 20.0  # after a start
_SICK_LOOKS: Final = 3
_LONGEST_PAUSE: Final = 10.0  # between two starts of a child that keeps ending


class CannotStart(Problem):
    """A child says at its first start that its user must mend something; it has said what."""


class AlreadyRunning(Problem):
    """Another `up` holds this data folder."""


class _Child:
    """One of our own processes, with a growing pause between starts while it does not stay up."""

    def __init__(self, role: str, environment: dict[str, str], output: IO[bytes] | None) -> None:
        self.role = role
        self.starts = 0
        self._environment = environment
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = 0.0
        self._ended: float | None = None
        self._sick = 0  # looks at its health in a row that were bad

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        self.starts += 1
        self._started = time.monotonic()
        self._ended = None
        self._sick = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streams", self.role],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            env=self._environment,
            start_new_session=True,  # Ctrl-C is for the supervisor, which stops the others in order
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - started from the supervisor's main thread
        )

    def keep_up(self) -> None:
        """Starts it again when it has ended and its pause is over."""
        if self._process is None or self._process.poll() is None:
            return
        if self._process.returncode == _MUST_BE_MENDED and self.starts == 1:
            raise CannotStart(f"`handoff {self.role}` does not start: mend what it says above, then start again")
        now = time.monotonic()
        if self._ended is None:
            stable = now - self._started > 30
            self._pause = 0.0 if stable else min(_LONGEST_PAUSE, self._pause * 2 or 0.25)
            self._ended = now
            log.warning("child_ended", role=self.role, status=self._process.returncode, again_in=self._pause)
        if now - self._ended >= self._pause:
            self.start()

    def note_health(self, live: bool) -> None:
        """Ends it when it was not live a few times in a row: `keep_up` starts it again."""
        if self._process is None or self._process.poll() is not None:
            return
        if time.monotonic() - self._started < _GRACE_SECONDS:
            return
        self._sick = 0 if live else self._sick + 1
        if self._sick >= _SICK_LOOKS:
            log.error("child_not_healthy", role=self.role)
            self._sick = 0
            self._process.kill()  # one that hangs does not heed a request

    def signal(self, number: int) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)

    def ask_to_stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL when it does not end in time."""
        self.ask_to_stop()
        if self._process:
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                log.error("child_killed", role=self.role)
                self._process.kill()
                self._process.wait()
            self._process = None


class _HealthLook(threading.Thread):
    """Asks each child every few seconds whether it is live; `found` holds the last answers, taken out by the reader."""

    def __init__(self, settings: Settings, pids: Callable[[], dict[str, int]]) -> None:
        super().__init__(daemon=True, name="health-look")
        self._settings = settings
        self._pids = pids
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._found: list[tuple[str, int, bool]] = []

    def run(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            for role, pid in self._pids().items():
                if (port := self._port(role, pid)) is not None:
                    live = self._live(port)
                    with self._lock:
                        self._found.append((role, pid, live))

    def take(self) -> list[tuple[str, int, bool]]:
        """(role, process id, live) of the looks since the last call."""
        with self._lock:
            found, self._found = self._found, []
        return found

    def stop(self) -> None:
        self._stopped.set()

    def _port(self, role: str, pid: int) -> int | None:
        """Where this process said it serves its health; None while it has not said so."""
        with suppress(OSError, ValueError, KeyError):
            found = json.loads((self._settings.data_dir / _WHERE[role]).read_text())
            if int(found["pid"]) == pid:
                return int(found["metrics_port"])
        return None

    def _live(self, port: int) -> bool:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._settings.metrics_host, self._settings.metrics_host)  # noqa: S104
        connection = http.client.HTTPConnection(host, port, timeout=_LOOK_TIMEOUT)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class Supervisor:
    """Runs everything on one machine. Use as a context manager and call `keep_up` several times a second."""

    def __init__(self, settings: Settings, *, log_dir: Path | None = None, demo: bool = False) -> None:
        self._settings = settings
        self._recycled = 0
        self._lock: IO[str] | None = None
        self._broker: EmbeddedBroker | None = None
        environment = {**os.environ, **as_environment(settings), "HANDOFF_PARENT_PID": str(os.getpid())}
        if demo:
            environment["HANDOFF_DEMO"] = "1"
            environment.pop("HANDOFF_CONFIG", None)
        self._outputs = {role: (log_dir / f"{role}.log").open("ab") for role in ROLES} if log_dir else {}
        self._look = _HealthLook(settings, lambda: {role: pid for role, pid in self.pids.items() if role in _WHERE})
        self.children = {role: _Child(role, environment, self._outputs.get(role)) for role in ROLES}

    def __enter__(self) -> "Supervisor":
        private_folder(self._settings.data_dir)
        self._take_lock()
        try:
            with open_store(self._settings, migrate=True) as store:
                secret_of(self._settings, store)  # made here, before children ask for it at the same time
            if self._settings.embedded:
                self._broker = EmbeddedBroker(self._settings)
                self._new_broker()
            else:
                ensure_topics(self._settings)
            for child in self.children.values():
                child.start()
            self._look.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._look.stop()
        for child in self.children.values():
            child.ask_to_stop()
        for child in self.children.values():
            child.stop()
        if self._broker:
            self._broker.stop()
        for output in self._outputs.values():
            output.close()
        if self._lock:
            self._lock.close()

    @property
    def recycled(self) -> int:
        """How often the embedded broker has been replaced for its size."""
        return self._recycled

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run now, the embedded broker as `broker`."""
        found = {role: child.pid for role, child in self.children.items()}
        if self._broker:
            found["broker"] = self._broker.pid if self._broker.alive() else None
        return {role: pid for role, pid in found.items() if pid}

    def keep_up(self) -> None:
        """Starts what has ended, and recycles the embedded broker when it has grown too large."""
        if self._broker:
            if not self._broker.alive():
                log.warning("embedded_broker_ended")
                self._replace_broker()
            elif self._broker.resident_mb() > self._settings.broker_max_mb:
                self._recycled += 1
                log.info("embedded_broker_recycled", generation=self._broker.generation, times=self._recycled)
                self._replace_broker()
        for role, pid, live in self._look.take():
            if self.children[role].pid == pid:
                self.children[role].note_health(live)
        for child in self.children.values():
            child.keep_up()

    def _replace_broker(self) -> None:
        assert self._broker
        self.children["work"].stop()
        self._broker.stop()
        self._new_broker()
        self.children["work"].start()

    def _new_broker(self) -> None:
        assert self._broker
        bootstrap = self._broker.start()
        with ThreadPoolExecutor(1) as aside:  # our caller may have an event loop of its own
            try:
                aside.submit(ensure_topics, self._settings, bootstrap=bootstrap).result()
            except BrokerAway:
                raise Problem(
                    "the embedded broker does not answer: try again, or set KAFKA_BOOTSTRAP_SERVERS"
                ) from None
        self._broker.announce(bootstrap)

    def _take_lock(self) -> None:
        file = (self._settings.data_dir / "up.lock").open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise AlreadyRunning(
                f"another `handoff up` runs on {self._settings.data_dir}: stop it, or set HANDOFF_DATA_DIR"
            ) from None
        self._lock = file


def as_environment(settings: Settings) -> dict[str, str]:
    """What the children need to come to the same settings: whatever was given to us other than by default."""
    found: dict[str, str] = {environment_name("data_dir"): str(settings.data_dir.absolute())}
    for name in settings.model_fields_set - {"data_dir", "feeds"}:
        value = getattr(settings, name)
        if value is None:
            continue
        text = value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
        found[environment_name(name)] = text
    return found


def end_with_parent() -> None:
    """In a child: ends this process when its supervisor is gone (where the kernel does not see to it)."""
    parent = os.environ.get("HANDOFF_PARENT_PID")
    if not parent:
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(1)
        os._exit(70)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


class StopSignal:
    """SIGINT and SIGTERM as a flag that the main loop looks at."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopped.set()

    def wait(self, seconds: float) -> bool:
        """True when it is time to stop."""
        return self._stopped.wait(seconds)


def wait_until_up(settings: Settings, supervisor: Supervisor, stop: StopSignal, seconds: float = 60) -> bool:
    """Until listener and inbox have written where they are; False when stopped or out of time."""
    deadline = time.monotonic() + seconds
    files = [settings.data_dir / "listener.json", settings.data_dir / "inbox.json"]
    while time.monotonic() < deadline:
        supervisor.keep_up()
        if all(_written_by(file, supervisor) for file in files):
            return True
        if stop.wait(0.1):
            return False
    return False


def _written_by(file: Path, supervisor: Supervisor) -> bool:
    with suppress(FileNotFoundError, ValueError, KeyError):
        return int(json.loads(file.read_text())["pid"]) in supervisor.pids.values()
    return False


def run_up(settings: Settings, *, link: bool = False) -> int:
    """Runs everything until SIGINT or SIGTERM; gives the exit status. `link`: print a one-time link at the start."""
    stop = StopSignal()
    with Supervisor(settings) as supervisor:
        signal.signal(signal.SIGHUP, lambda *_: supervisor.children["listen"].signal(signal.SIGHUP))
        if wait_until_up(settings, supervisor, stop):
            _say_where(settings, link=link)
        while not stop.wait(0.25):
            supervisor.keep_up()
    return 0


def _say_where(settings: Settings, *, link: bool) -> None:
    from streams.inbox.links import inbox_url, make_link

    listener = json.loads((settings.data_dir / "listener.json").read_text())
    typer.echo(f"MLLP    {settings.mllp_host}:{listener['mllp_port']}")
    typer.echo(f"HTTP    POST to port {listener['http_port']}, path /hl7")
    if link:
        typer.echo(f"inbox   {make_link(settings, None)}  (one-time link; `handoff sign-in` makes another)")
    else:
        typer.echo(f"inbox   {inbox_url(settings)}  (`handoff sign-in` makes a one-time link)")
    if settings.embedded:
        typer.echo("broker  embedded, asks nobody who they are: keep other people off this machine")
    typer.echo(f"data    {settings.data_dir.absolute()}")
    store = Store.open(settings.store_url)
    if not store.panel_size():
        typer.echo("panel   empty: load your people with `handoff panel load FILE`")
    store.close()
