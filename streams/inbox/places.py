"""The list a reader was shown in, the place of a stay in it out; so that a stay's page need not read the list again."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from streams.inbox.pages.cards import on_card
from streams.inbox.pages.list_rows import Group, Row, grouped

MOST_READERS: Final = 500  # the one shown a list longest ago is forgotten first


class Places:
    """Each reader's own list as they were last shown it, those that are done left out."""

    def __init__(self, most_readers: int = MOST_READERS) -> None:
        self._most = most_readers
        self._lists: OrderedDict[str, list[tuple[str, ...]]] = OrderedDict()
        self._lock = threading.Lock()

    def shown(self, who: str, rows: Iterable[Row]) -> list[tuple[str, ...]]:
        """The alert_ids on each card, in the order of the list."""
        groups = grouped(rows).items()
        order = [on_card(row) for group, members in groups if group is not Group.FINISHED for row in members]
        with self._lock:
            self._lists[who] = order
            self._lists.move_to_end(who)
            if len(self._lists) > self._most:
                self._lists.popitem(last=False)
        return order

    def words(self, who: str, alert_id: str) -> str:
        """ "1 of 9"; "" where the reader was shown no list, or none with this stay."""
        with self._lock:
            order = self._lists.get(who, [])
        place = next((place for place, card in enumerate(order, start=1) if alert_id in card), None)
        return f"{place} of {len(order)}" if place else ""
