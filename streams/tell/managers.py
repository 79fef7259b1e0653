"""What happened to a person or a destination in; who is told of it by mail, and at which address, out.

Managers of the network; the central office where there is none that mail reaches.
"""

from collections.abc import Iterable

from parsers.people import CaseManager, Role
from rules.following.roles import Doing, may
from rules.telling.destinations import Destination, State, WayKind, Whose
from rules.telling.directory import Directory


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


def answer_for_destination(paused: Destination, reached: Iterable[str], directory: Directory) -> list[CaseManager]:
    """Who is told that a destination was paused, of those whom mail reaches: of a person's, who answers for the person
    (who may not hear of it themselves); of another, who may start it again.
    """
    person = directory.person(paused.owner_id) if paused.whose is Whose.PERSON else None
    if person is not None:
        return answer_for(person.network_id, person.case_manager_id, reached, directory)
    people = (directory.person(owner) for owner in reached)
    return [each for each in people if each and may(each.role, Doing.CHANGE_DESTINATIONS).allowed]
