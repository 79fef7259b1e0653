"""How a feed is in; since when it is quiet and what usually comes meanwhile, as people say it, out."""

from datetime import datetime, tzinfo
from typing import Final

from rules.feeds.rhythm import Talk
from rules.feeds.talk import State, What
from streams.words.numbers import count
from streams.words.times import ZONE, time_or_moment

_PARTS: Final = {What.ARRIVALS: "admission or arrival", What.DISCHARGES: "discharge"}


def quiet(state: State, now: datetime, zone: tzinfo = ZONE) -> str:
    """ "quiet since 2:10 AM, usually 14 messages by now"; "" of a feed that talks or is still learned."""
    if state.talk is Talk.PAUSED and state.until is not None:
        return f"paused as planned until {time_or_moment(state.until, now, zone)}"
    if state.talk not in (Talk.LATE, Talk.SILENT) or state.since is None:
        return ""
    since = time_or_moment(state.since, now, zone)
    if state.what is What.VOLUME:
        return f"thin since {since}, {state.came:,} of usually {count(round(state.usual), 'message')}"
    if part := _PARTS.get(state.what):
        return f"no {part} since {since}, usually {round(state.usual):,} of them by now"
    return f"quiet since {since}, usually {count(max(1, round(state.usual)), 'message')} by now"
