"""What each feed said from some hour on, and what is added since, in; what it said from a later moment on, out."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from rules.feeds.talk import Heard, Said


class Added(NamedTuple):
    """So many more messages of a feed that said the same, all in one full hour (UTC)."""

    feed: str
    said: Said
    hour: datetime
    messages: int
    last: datetime  # when the last of them came


class Hearing:
    """What was heard of each feed, kept up instead of read anew."""

    def __init__(self, heard: Mapping[str, Heard], since: datetime) -> None:
        self._hours = {
            feed: {said: dict(hours) for said, hours in of_feed.hours.items()} for feed, of_feed in heard.items()
        }
        self._last = {feed: dict(of_feed.last) for feed, of_feed in heard.items()}
        self.begins = since

    def add(self, more: Iterable[Added]) -> None:
        """Take up what was said since."""
        for added in more:
            last = self._last.setdefault(added.feed, {})
            last[added.said] = max(last.get(added.said, added.last), added.last)
            if added.hour >= self.begins:
                hours = self._hours.setdefault(added.feed, {}).setdefault(added.said, {})
                hours[added.hour] = hours.get(added.hour, 0) + added.messages

    def since(self, moment: datetime) -> dict[str, Heard]:
        """What each feed said in each full hour from `moment` on, which is never before `begins`, and when it said each
        thing last. What was before is forgotten."""
        last_hour = (moment - timedelta.resolution).replace(minute=0, second=0, microsecond=0)
        if last_hour >= self.begins:
            for by_said in self._hours.values():
                for said, hours in by_said.items():
                    by_said[said] = {hour: messages for hour, messages in hours.items() if hour >= moment}
        self.begins = max(self.begins, moment)
        return {feed: Heard(self._hours.get(feed, {}), last) for feed, last in self._last.items()}
