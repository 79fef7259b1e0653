"""Children with their parent's environment and more, which end when their parent does, however it ended."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

_PARENT: Final = "HANDOFF_PARENT_PID"


def die_with_parent() -> Callable[[], None] | None:
    """What a child runs before it starts, so that the kernel ends it when its parent is killed (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def arm() -> None:
        prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

    return arm


def environment_of_child(more: Mapping[str, str], *, without: str = "") -> dict[str, str]:
    """This process's environment and `more`, for a child of another program."""
    return {name: value for name, value in {**os.environ, **more}.items() if name != without}


def environment_of_own(more: Mapping[str, str], *, without: str = "") -> dict[str, str]:
    """As `environment_of_child`, for one of our own processes, which is to end with this one."""
    return environment_of_child({**more, _PARENT: str(os.getpid())}, without=without)


def has_parent() -> bool:
    """Whether a supervisor started this process."""
    return bool(os.environ.get(_PARENT))


def end_with_parent() -> None:
    """In a child: ends this process when its supervisor is gone (where the kernel does not see to it)."""
    parent = os.environ.get(_PARENT)
    if not parent:
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(1)
        os._exit(70)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


def end_with_maker() -> None:
    """In a process of a pool: ends it when the process that made it is gone."""
    maker = multiprocessing.parent_process()
    if maker is None:
        return

    def watch() -> None:
        maker.join()
        os._exit(70)

    threading.Thread(target=watch, daemon=True, name="maker-watch").start()
