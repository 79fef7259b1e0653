"""Gives each message taken an id of 32 hex digits that sorts by time of receipt and says nothing about the message.

12 digits of milliseconds, 4 of a counter, 16 random: strictly increasing within a process even when the clock steps
back, and without collisions between listeners.
"""

import secrets
import threading
from datetime import datetime
from typing import Final

_COUNTER_BITS: Final = 16
_lock = threading.Lock()
_last = 0


def new_message_id(now: datetime) -> str:
    """The next id. `now` is aware."""
    global _last  # noqa: PLW0603 one clock per process
    wanted = int(now.timestamp() * 1000) << _COUNTER_BITS
    with _lock:
        _last = max(wanted, _last + 1)
        return f"{_last:016x}{secrets.token_hex(8)}"


def continue_after(message_id: str) -> None:
    """Makes every further id of this process sort behind `message_id`, the last one a journal holds."""
    global _last  # noqa: PLW0603 one clock per process
    with _lock:
        _last = max(_last, int(message_id[:16], 16))
