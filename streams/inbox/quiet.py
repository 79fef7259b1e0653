"""What a list says where it is empty, out of what stands behind it. Pure: no sentence here may be false for any role.

A sentence speaks of the list, unless it is known what is not on it: "nobody needs you" is said only when nobody of the
people this reader answers for asks for anything anywhere.
"""

from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

from streams.inbox.pages.list_rows import Group
from streams.words import numbers as number_words
from streams.words import times as time_words


class Around(NamedTuple):
    """What stands behind a reader's list."""

    people: int | None  # whom they answer for; None: nobody in particular, what is routed to them comes
    in_hospital: int  # stays of those people that run, whoever has them
    open_elsewhere: int  # stays of those people that ask for something and are with others
    feeds: int  # hospitals that have ever sent
    received_at: datetime | None  # the last message of any of them
    quietest_at: datetime | None = None  # the last one of the hospital that has been silent longest
    away_until: datetime | None = None  # the reader is away until then
    stands_in: str = ""  # and who answers meanwhile; "" nobody nearer than the network or the central office
    listed: int = 0  # rows there are, shown or not


def empty_words(around: Around, now: datetime, zone: tzinfo = time_words.ZONE) -> dict[Group, str]:
    """What to say where a group has no row."""
    return {
        Group.NOW: f"{_now(around, now, zone)} {_watching(around, now)}",
        Group.TAKEN_BACK: "",
        Group.IN_HOSPITAL: _in_hospital(around),
        Group.HOME: "Nobody further on this list is home with a deadline running. "
        "People come here when they are discharged.",
        Group.WAITING: "",
        Group.FINISHED: "People come here when there is nothing left to do for them.",
    }


def cut_of_team_words(most: int) -> str:
    """That a team has more stays than a list of it is taken from."""
    return f"There are more stays than the {most:,} this list is taken from: open ones, most urgent and oldest, first."


def cut_words(shown: int, listed: int) -> str:
    """That a list is longer than what is shown; "" when it is not."""
    if listed <= shown:
        return ""
    return (
        f"{listed:,} stays are yours; the {shown:,} that are open, most urgent and oldest first, are shown and counted."
    )


def _now(around: Around, now: datetime, zone: tzinfo) -> str:
    if around.away_until is not None:
        who = f"{around.stands_in} answers for you" if around.stands_in else "nobody stands in for you by name"
        lead = f"You are away until {time_words.time_or_moment(around.away_until, now, zone)}; {who}."
        return f"{lead} {_elsewhere(around)}".strip()
    if around.open_elsewhere:
        return f"Nothing on this list is due now. {_elsewhere(around)}"
    return "Nobody needs you now." if around.people is not None else "Nothing that was routed to you is due now."


def _elsewhere(around: Around) -> str:
    if not around.open_elsewhere:
        return ""
    stays = number_words.count(
        around.open_elsewhere, "stay of people you answer for is", "stays of people you answer for are"
    )
    return f"{stays} open with others."


def _in_hospital(around: Around) -> str:
    if around.people is None:
        return "Nobody further on this list is in a hospital."
    if not around.in_hospital:
        return "None of your people is in a hospital we hear from."
    stays = number_words.count(
        around.in_hospital, "stay of people you answer for has", "stays of people you answer for have"
    )
    return f"{stays} not ended: above, or on lists of others."


def _watching(around: Around, now: datetime) -> str:
    hospitals = number_words.count(around.feeds, "hospital")
    if around.received_at is None:
        heard = "no message has come yet"
    else:
        heard = f"the last message came {_ago(now - around.received_at)}"
        if around.feeds > 1 and around.quietest_at is not None:
            heard += f", the quietest hospital's {_ago(now - around.quietest_at)}"
    if around.people is None:
        return f"What is routed to you comes here from {hospitals}; {heard}."
    people = number_words.count(around.people, "person", "people")
    return f"{people} on your panel {'is' if around.people == 1 else 'are'} being watched at {hospitals}; {heard}."


def _ago(length: timedelta) -> str:
    """In whole minutes: a list that changed each second would be sent anew at each look."""
    return time_words.ago(length.total_seconds()) if length >= timedelta(minutes=1) else "less than a minute ago"
