"""The rows of a list that was sent and the rows of now in, what changed between them out; so that a page that polls
gets that and not the whole list again."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from streams.inbox.pages.list_rows import Row

MOST_ROWS: Final = 200_000  # of all lists remembered together; the one asked for longest ago is forgotten first


class Delta(NamedTuple):
    """What a list holds that another did not, and what it holds no more; each as alert_ids."""

    changed: frozenset[str]
    gone: tuple[str, ...]


class Deltas:
    """The lists that were sent lately, by who got them and the name they were sent under."""

    def __init__(self, most_rows: int = MOST_ROWS) -> None:
        self._most = most_rows
        self._lists: OrderedDict[tuple[str, str], Mapping[str, bytes]] = OrderedDict()
        self._rows = 0
        self._lock = threading.Lock()

    def sent(self, who: str, name: str, rows: Iterable[Row], known: str = "") -> Delta | None:
        """Remember the rows that are sent now under `name`; gives what changed since the list of the name `known`, and
        `None` where that one is not remembered, or not this person's.

        Too much at once is not remembered, and then the whole is sent again.
        """
        marks = _marks(rows)
        with self._lock:
            before = self._lists.get((who, known))
            self._rows += len(marks) - len(self._lists.pop((who, name), ()))
            self._lists[who, name] = marks
            while self._rows > self._most:
                _, oldest = self._lists.popitem(last=False)
                self._rows -= len(oldest)
        if before is None:
            return None
        changed = frozenset(alert_id for alert_id, mark in marks.items() if before.get(alert_id) != mark)
        return Delta(changed, tuple(sorted(before.keys() - marks.keys())))


def _marks(rows: Iterable[Row]) -> dict[str, bytes]:
    return {row.alert_id: hashlib.blake2b(repr(row).encode(), digest_size=12).digest() for row in rows}
