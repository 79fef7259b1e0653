"""One child process: started, looked at, started again with growing pauses, stopped."""

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, Final

import structlog

from streams.run.parent import die_with_parent
from streams.run.problems import Problem
from streams.run.processes import PLACES
from streams.run.settings import Settings

log = structlog.get_logger()
_STOP_SECONDS: Final = 10.0
_MUST_BE_MENDED: Final = 2  # exit status of a `Problem`
_LOOK_SECONDS: Final = 3.0
_LOOK_TIMEOUT: Final = 5.0
_GRACE_SECONDS: Final = 20.0  # after a start
_SICK_LOOKS: Final = 3
_LONGEST_PAUSE: Final = 10.0  # between two starts of a child that keeps ending


class CannotStart(Problem):
    """A child says at its first start that its user must mend something; it has said what."""


class Child:
    """One of our own processes, with a growing pause between starts while it does not stay up."""

    def __init__(
        self, role: str, environment: dict[str, str], output: IO[bytes] | None, flags: Sequence[str] = ()
    ) -> None:
        self.role = role
        self.starts = 0
        self._environment = environment
        self._flags = flags
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
            [sys.executable, "-m", "streams", self.role, *self._flags],
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


class HealthLook(threading.Thread):
    """Asks each child every few seconds whether it is live; `found` holds the last answers, taken out by the reader."""

    def __init__(self, settings: Settings, pids: Callable[[], dict[str, int]]) -> None:
        super().__init__(daemon=True, name="health-look")
        self._settings = settings
        self._pids = pids
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._looks: list[tuple[str, int, bool]] = []

    def run(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            for role, pid in self._pids().items():
                if (port := self._port(role, pid)) is not None:
                    live = self._live(port)
                    with self._lock:
                        self._looks.append((role, pid, live))

    def take(self) -> list[tuple[str, int, bool]]:
        """(role, process id, live) of the looks since the last call."""
        with self._lock:
            looks, self._looks = self._looks, []
        return looks

    def stop(self) -> None:
        self._stopped.set()

    def _port(self, role: str, pid: int) -> int | None:
        """Where this process said it serves its health; None while it has not said so."""
        with suppress(OSError, ValueError, KeyError):
            place = json.loads((self._settings.data_dir / PLACES[role]).read_text())
            if int(place["pid"]) == pid:
                return int(place["metrics_port"])
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
