"""How much waits for one person in; subject and text of a nudge or a daily digest out. No patient, no hospital, no id.

What a mail may say is counts, priorities, when the first step is due, and the address of the inbox's front page: mail
is read by relays, scanners and whoever looks over a shoulder.
"""

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streams.words import recovery_codes
from streams.words.times import hour, moment


class Waiting(NamedTuple):
    """What waits for one person."""

    urgent: int = 0
    soon: int = 0
    routine: int = 0
    taken_back: int = 0
    asked: int = 0  # questions of colleagues, and what nobody took
    first_due: datetime | None = None
    quiet_hospitals: int = 0

    @property
    def people(self) -> int:
        return self.urgent + self.soon + self.routine


class Mail(NamedTuple):
    subject: str
    text: str


def nudge(waiting: Waiting, front_page: str, zone: ZoneInfo) -> Mail:
    """At once, when something urgent came or somebody asks."""
    what = _people(waiting.urgent, "urgent") if waiting.urgent else _people(waiting.people, "new")
    if not waiting.people and waiting.taken_back:
        what = f"{waiting.taken_back} taken back by a hospital"
    elif not waiting.people and waiting.asked:
        what = f"{waiting.asked} waiting for your answer"
    return Mail(f"Warm Handoff: {what}", _text(waiting, front_page, zone))


def digest(waiting: Waiting, front_page: str, zone: ZoneInfo) -> Mail | None:
    """Once a day; `None` when there is nothing to say."""
    if not any(waiting[:5]) and not waiting.quiet_hospitals:
        return None
    return Mail(f"Warm Handoff: {_people(waiting.people, 'on your list')}", _text(waiting, front_page, zone))


def came_back(name: str) -> Mail:
    """To a manager: mail to one of their people comes back."""
    text = f"Mail to {name} comes back from the address we have, so no more is sent there.\n"
    text += "Whoever runs Warm Handoff can correct the address and resume it.\n"
    return Mail("Warm Handoff: mail to a colleague comes back", text)


def destination_paused(name: str, why: str, front_page: str, *, client_starts: bool) -> Mail:
    """To who looks after it: a destination that only fails is paused; `why` in words. `client_starts`: as a FHIR
    subscription, which nobody here may start again.
    """
    text = f"{name} is told nothing any more, because nothing arrives: {why}. What is due there is kept.\n\n"
    then = "call whose it is: their system starts it again" if client_starts else "start it again"
    text += f"Please look at it under Destinations, and {then}: {front_page}\n\n"
    text += "This mail holds no patient's data.\n"
    return Mail("Warm Handoff: a destination is paused", text)


def feed_is_quiet(feed: str, how: str) -> Mail:
    """To a hospital's interface desk: `how` says since when nothing comes and what usually does."""
    text = f"The ADT feed {feed} is {how}.\n\n"
    text += "Please look whether your interface engine sends, and whether messages wait there.\n"
    text += "What waited is taken when it comes. This mail holds no patient's data.\n"
    return Mail(f"Warm Handoff: the ADT feed {feed} is quiet", text)


def glass_broken(name: str, at: datetime, until: datetime, front_page: str, zone: ZoneInfo) -> Mail:
    """To who answers for a network: somebody opened a patient there who is not theirs."""
    text = f"{name} opened a patient of your network in an emergency, {moment(at, at, zone)}; "
    text += f"it can be read until {hour(until, zone)}.\n\n"
    text += f"Please look at it, on your board: {front_page}\n\nThis mail holds no patient's data.\n"
    return Mail("Warm Handoff: a patient was opened in an emergency", text)


def code_used(at: datetime, left: int, front_page: str, zone: ZoneInfo) -> Mail:
    """To whom a recovery code belonged that somebody signed in with."""
    text = f"One of your recovery codes was used to sign in, {moment(at, at, zone)}; {recovery_codes.left(left)}.\n\n"
    text += "If that was not you, tell whoever runs Warm Handoff at once.\n"
    text += f'New codes are made under "How you sign in": {front_page}\n'
    return Mail("Warm Handoff: a recovery code was used", text)


def _text(waiting: Waiting, front_page: str, zone: ZoneInfo) -> str:
    lines = [
        f"{count} {word}"
        for count, word in (
            (waiting.urgent, "urgent"),
            (waiting.soon, "soon"),
            (waiting.routine, "routine"),
            (waiting.taken_back, "taken back by a hospital"),
            (waiting.asked, "waiting for your answer"),
        )
        if count
    ]
    if waiting.first_due:
        due = waiting.first_due.astimezone(zone)
        lines.append(f"First step due {due:%a %b} {due.day}, {due:%I:%M %p}".replace(", 0", ", "))
    if waiting.quiet_hospitals:
        lines.append(f"{waiting.quiet_hospitals} hospitals have been quiet for longer than usual")
    return "\n".join([*lines, "", f"Open your list: {front_page}", "", "This mail holds no patient's data.", ""])


def _people(count: int, word: str) -> str:
    return f"{count} {'person' if count == 1 else 'people'} {word}" if word != "urgent" else f"{count} urgent"
