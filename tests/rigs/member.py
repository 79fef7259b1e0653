"""One process of several of its role: started, ended, and waited for until it is ready."""

import contextlib
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Final

from tests.rigs.servers import free_port

READY_SECONDS: Final = 180.0
STOP_SECONDS: Final = 30.0


class Member:
    """One process of a role, with a folder and a metrics port of its own."""

    def __init__(self, role: str, number: int, folder: Path, environment: dict[str, str], tree: Path) -> None:
        self.role = role
        self.name = f"{role}-{number}"
        self.metrics = free_port()
        data = folder / self.name
        data.mkdir()
        (data / "handoff.toml").write_text('[[feeds]]\nname = "mercy"\nsending = ["MERCY"]\n')
        self.environment = environment | {
            "HANDOFF_DATA_DIR": str(data),
            f"HANDOFF_{role.upper()}_METRICS_PORT": str(self.metrics),
        }
        self._log = folder / f"{self.name}.log"
        self.wanted = False
        self.tree = tree  # whose code it is started with
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "streams", self.role]
            self.process = subprocess.Popen(
                command, cwd=self.tree, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        self.wanted = True

    def end(self, number: signal.Signals) -> bool:
        """Whether it was gone within its time."""
        self.wanted = False
        if self.process is None:
            return True
        self.process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
            return True
        self.process.kill()
        self.process.wait()
        return False

    def ready(self) -> bool:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/readyz", timeout=5).close()
                return True
            time.sleep(0.2)
        return False
