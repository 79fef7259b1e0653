"""One process at a time in a folder: a lock file in, the lock or who holds it out.

The kernel gives the lock back when its holder ends, however it ends. The file says who that is, so that whoever comes
second can be told in a sentence; it stays behind, for only the lock on it means something.
"""

import fcntl
import json
import os
from pathlib import Path
from typing import NamedTuple

from streams.run.parent import has_parent
from streams.run.problems import Problem


class Holder(NamedTuple):
    """Who has the lock: its process, and the command it was started as."""

    pid: int
    command: str


class FolderHeld(Problem):
    """Another process holds the folder; the text says which."""

    def __init__(self, folder: Path, holder: Holder) -> None:
        who = f"`{holder.command}` (process {holder.pid})" if holder.pid else "another process"
        super().__init__(f"{who} already runs on {folder}: stop it, or set HANDOFF_DATA_DIR to another folder")
        self.holder = holder


class FolderLock:
    """Held from `take` to `release`, or to the end of the process."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd

    @classmethod
    def take(cls, path: Path, command: str) -> "FolderLock":
        """Raises `FolderHeld` when another process has it, and `OSError` when there can be no lock file."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _read(fd)
            os.close(fd)
            raise FolderHeld(path.parent, holder) from None
        try:
            os.ftruncate(fd, 0)
            os.pwrite(fd, json.dumps({"pid": os.getpid(), "command": command}).encode(), 0)
        except OSError:
            pass  # a full disk: the lock holds all the same
        return cls(fd)

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def command_of_listener() -> str:
    """What to call this process where it holds the journal."""
    return "handoff listen, started by handoff up" if has_parent() else "handoff listen"


def _read(fd: int) -> Holder:
    try:
        document = json.loads(os.pread(fd, 4096, 0))
        return Holder(int(document["pid"]), str(document["command"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Holder(0, "")
