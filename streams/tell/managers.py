"""What happened to one of a network's people in; who answers for the network, their addresses, and the mail out.

Managers of the network; the central office where there is none that mail reaches. No patient is in it.
"""

from collections.abc import Iterable, Iterator

from parsers.people import CaseManager, Role
from rules.telling.destinations import Destination, State, WayKind, Whose
from rules.telling.directory import Directory
from streams.store.delivery import made_of
from streams.tell.forms import mail
from streams.tell.way import Parcel


def mailboxes(destinations: Iterable[Destination], directory: Directory) -> dict[str, Destination]:
    """The first active mail destination of each person who has one: with a nudge and a digest one is told once."""
    boxes: dict[str, Destination] = {}
    for destination in destinations:
        if (
            destination.way is WayKind.SMTP
            and destination.whose is Whose.PERSON
            and destination.state is State.ACTIVE
            and directory.person(destination.owner_id)
        ):
            boxes.setdefault(destination.owner_id, destination)
    return boxes


def answer_for(network_id: str, but: str, reached: Iterable[str], directory: Directory) -> list[CaseManager]:
    """Who is told about something in this network, of those whom mail reaches; `but`: nobody about themselves."""
    people = [person for owner in reached if owner != but and (person := directory.person(owner))]
    managers = [person for person in people if person.role is Role.MANAGER and person.network_id == network_id]
    return managers or [person for person in people if person.role is Role.CENTRAL_OFFICE]


def told_by_mail(
    paused: Destination, destinations: Iterable[Destination], directory: Directory
) -> Iterator[tuple[Destination, Parcel]]:
    """The destinations of those who answer for the owner of `paused`, each with its mail."""
    person = directory.person(paused.owner_id)
    if person is None:
        return
    boxes = mailboxes(
        (destination for destination in destinations if destination.destination_id != paused.destination_id), directory
    )
    made = mail.came_back(person.name)
    for manager in answer_for(person.network_id, "", boxes, directory):
        destination = boxes[manager.case_manager_id]
        name = made_of(destination.destination_id, "came back", paused.destination_id)
        yield destination, Parcel(name, made.text.encode(), "text/plain", subject=made.subject)
