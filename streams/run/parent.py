"""Children that end when their parent does, however it ended."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable


def die_with_parent() -> Callable[[], None] | None:
    """What a child runs before it starts, so that the kernel ends it when its parent is killed (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def arm() -> None:
        prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

    return arm


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
