"""`handoff up`: the embedded broker, listener, worker, inbox and ways out as children, started again whenever one ends.

Recycling keeps memory bounded: the embedded broker never forgets a record, so before it passes
`broker_max_mb` the worker is stopped, an empty broker takes its place, and the listener, which goes on
accepting into its journal all the while, plays back what has no ending yet.
"""

import fcntl
import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO, Final

import structlog
import typer

from streams.kafka.admin import ensure_topics
from streams.kafka.client import BrokerAway
from streams.run.files import private_folder
from streams.run.parent import environment_of_own
from streams.run.problems import Problem
from streams.run.processes import PLACES, PROCESSES
from streams.run.settings import Settings, environment_name
from streams.store import Store
from streams.store.keys import secret_of
from streams.store.opening import open_store
from streams.up.child import Child, HealthLook
from streams.up.embedded_broker import EmbeddedBroker

log = structlog.get_logger()
ROLES: Final = tuple(process.role for process in PROCESSES)


class AlreadyRunning(Problem):
    """Another `up` holds this data folder."""


class Supervisor:
    """Runs everything on one machine. Use as a context manager and call `keep_up` several times a second."""

    def __init__(self, settings: Settings, *, log_dir: Path | None = None, demo: bool = False) -> None:
        self._settings = settings
        self._recycled = 0
        self._lock: IO[str] | None = None
        self._broker: EmbeddedBroker | None = None
        environment = environment_of_own(as_environment(settings), without="HANDOFF_CONFIG" if demo else "")
        flags = {"inbox": ("--demo",)} if demo else {}
        self._outputs = {role: (log_dir / f"{role}.log").open("ab") for role in ROLES} if log_dir else {}
        self._look = HealthLook(settings, lambda: {role: pid for role, pid in self.pids.items() if role in PLACES})
        self.children = {role: Child(role, environment, self._outputs.get(role), flags.get(role, ())) for role in ROLES}

    def __enter__(self) -> "Supervisor":
        private_folder(self._settings.data_dir)
        self._lock = sole_holder(self._settings.data_dir)
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
    def pids(self) -> dict[str, int]:
        """The processes that run now, the embedded broker as `broker`."""
        running = {role: child.pid for role, child in self.children.items()}
        if self._broker:
            running["broker"] = self._broker.pid if self._broker.alive() else None
        return {role: pid for role, pid in running.items() if pid}

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


def sole_holder(folder: Path) -> IO[str]:
    """A file whose holder is alone on a data folder, until it is closed. Raises `AlreadyRunning`."""
    file = (folder / "up.lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise AlreadyRunning(f"another `handoff up` runs on {folder}: stop it, or set HANDOFF_DATA_DIR") from None
    return file


def as_environment(settings: Settings) -> dict[str, str]:
    """What the children need to come to the same settings: whatever was given to us other than by default. Lists they
    read where we did, from `handoff.toml` or an environment that is theirs as well."""
    environment: dict[str, str] = {environment_name("data_dir"): str(settings.data_dir.absolute())}
    for name in settings.model_fields_set - {"data_dir"}:
        value = getattr(settings, name)
        if value is None or isinstance(value, tuple):
            continue
        text = value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
        environment[environment_name(name)] = text
    return environment


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
    files = [settings.data_dir / PLACES[role] for role in ("listen", "inbox")]
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

    listener = json.loads((settings.data_dir / PLACES["listen"]).read_text())
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
    if not store.panel.size():
        typer.echo("panel   empty: load your people with `handoff panel load FILE`")
    store.close()
