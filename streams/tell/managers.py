"""A mail address that was paused in; who is to hear of it, and the mail that says so, out.

Their managers, by the network's mail destinations; the central office where there is none. No patient is in it.
"""

from collections.abc import Iterable, Iterator

from parsers.people import Role
from rules.telling.destinations import Destination, State, WayKind, Whose
from rules.telling.directory import Directory
from streams.store.delivery import made_of
from streams.tell.forms import mail
from streams.tell.way import Parcel


def told_by_mail(
    paused: Destination, destinations: Iterable[Destination], directory: Directory
) -> Iterator[tuple[Destination, Parcel]]:
    """The destinations of those who answer for the owner of `paused`, each with its mail."""
    person = directory.person(paused.owner_id)
    if person is None:
        return
    mails = [
        (destination, owner)
        for destination in destinations
        if destination.way is WayKind.SMTP
        and destination.whose is Whose.PERSON
        and destination.state is State.ACTIVE
        and destination.destination_id != paused.destination_id
        and (owner := directory.person(destination.owner_id))
    ]
    managers = [
        destination for destination, who in mails if who.role is Role.MANAGER and who.network_id == person.network_id
    ]
    office = [destination for destination, who in mails if who.role is Role.CENTRAL_OFFICE]
    made = mail.came_back(person.name)
    seen: set[str] = set()
    for destination in managers or office:
        if destination.owner_id in seen:  # who has a nudge and a digest is told once
            continue
        seen.add(destination.owner_id)
        name = made_of(destination.destination_id, "came back", paused.destination_id)
        yield destination, Parcel(name, made.text.encode(), "text/plain", subject=made.subject)
