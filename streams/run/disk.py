"""The folder whose disk must not become full in; how much room there is out: at each scrape, and for who asks."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path

from streams.run import metrics


def free_bytes(folder: Path) -> int:
    """What we may still write there. Raises `OSError`."""
    return shutil.disk_usage(folder).free


def watch_disk(folder: Path) -> None:
    """Let the metrics of this process say how much room there is; NaN while the folder cannot be asked."""
    metrics.DISK_FREE.set_function(_asked(lambda: free_bytes(folder)))
    metrics.DISK.set_function(_asked(lambda: shutil.disk_usage(folder).total))


def _asked(ask: Callable[[], int]) -> Callable[[], float]:
    def value() -> float:
        try:
            return ask()
        except OSError:
            return math.nan

    return value
