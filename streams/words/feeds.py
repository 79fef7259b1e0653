"""How a feed is in; since when it is quiet and what usually comes meanwhile, as people say it, out."""

from datetime import datetime, timedelta, tzinfo
from typing import Final

from rules.feeds.rhythm import Talk
from rules.feeds.talk import State, What
from streams.words.numbers import count
from streams.words.times import ZONE, part_of_day, time_or_moment

USED_MONTHS: Final = 12  # of which it is said how many people used a hospital
_PARTS: Final = {What.ARRIVALS: "admission or arrival", What.DISCHARGES: "discharge"}

_LEAST_SHARE: Final = 0.01
_NOT_SENT: Final = {What.FEED: "nothing", What.ARRIVALS: "no admission or arrival", What.DISCHARGES: "no discharge"}


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


def sentence(state: State, hospital: str, people: int, now: datetime, zone: tzinfo = ZONE) -> str:
    """ "Pardee Hospital has sent nothing since 9:40 this morning. It usually sends every 6 minutes. 14 of your people
    used it in the last 12 months."; what is not known is left out. `state`: of a quiet feed, with since when."""
    if state.since is None:
        return ""
    since = part_of_day(state.since, now, zone)
    if state.what is What.VOLUME:
        usually = count(round(state.usual), "message")
        said = [f"{hospital} has sent {state.came:,} of usually {usually} since {since}."]
    else:
        said = [f"{hospital} has sent {_NOT_SENT[state.what]} since {since}.", _usually(state, now)]
    used = f"{people:,} of your people used it in the last {count(USED_MONTHS, 'month')}." if people else ""
    return " ".join(part for part in (*said, used) if part)


def _usually(state: State, now: datetime) -> str:
    """What was to be expected since then tells how often something came."""
    if not state.usual or state.since is None:
        return ""
    gap = (now - state.since) / state.usual
    return f"It usually sends {'' if state.what is What.FEED else 'one '}{every(gap)}."


def every(gap: timedelta) -> str:
    """ "every 6 minutes", "every hour"."""
    minutes = round(gap.total_seconds() / 60)
    number, unit = (round(minutes / 60), "hour") if minutes >= 60 else (max(1, minutes), "minute")
    return f"every {unit if number == 1 else f'{number} {unit}s'}"


def share(part: float | None) -> str:
    """ "4%", "under 1%"; of too few to say "–"."""
    if part is None:
        return "–"
    return f"{100 * part:.0f}%" if part >= _LEAST_SHARE or not part else "under 1%"
