"""What is kept up is what would be read anew: the same sums from the same moment on, the same last times."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rules.feeds.heard import Added, Hearing
from rules.feeds.talk import Heard, Said

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


def added(feed: str, said: Said, minutes: int, messages: int) -> Added:
    last = BEGIN + timedelta(minutes=minutes)
    return Added(feed, said, last.replace(minute=0), messages, last)


ADDED = st.builds(added, st.sampled_from("ab"), st.sampled_from(Said), st.integers(0, 3_000), st.integers(1, 9))
MOMENTS = st.lists(st.tuples(st.lists(ADDED, max_size=6), st.integers(0, 400)), max_size=8)


def anew(rows: list[Added], since: datetime) -> dict[str, Heard]:
    """As a store adds it up."""
    heard: dict[str, Heard] = {}
    for row in rows:
        hours, last = heard.setdefault(row.feed, Heard({}, {}))
        last[row.said] = max(last.get(row.said, row.last), row.last)
        if row.hour >= since:
            of_said = hours.setdefault(row.said, {})
            of_said[row.hour] = of_said.get(row.hour, 0) + row.messages
    return heard


def spoken(heard: dict[str, Heard]) -> dict[str, Heard]:
    return {
        feed: Heard({said: hours for said, hours in of.hours.items() if hours}, of.last) for feed, of in heard.items()
    }


@given(st.lists(ADDED, max_size=12), MOMENTS)
def test_kept_up_is_read_anew(before: list[Added], steps: list[tuple[list[Added], int]]) -> None:
    since = BEGIN
    rows = list(before)
    hearing = Hearing(anew(rows, since), since)
    for more, minutes in steps:
        since += timedelta(minutes=minutes)
        rows += more
        hearing.add(more)
        assert spoken(hearing.since(since)) == spoken(anew(rows, since))
