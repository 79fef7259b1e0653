"""Destinations in; for each alert version the ones it is due to, out: by whose they are, not by asking each of them.

Ten thousand practices that each have a destination cost an alert one look, because it has one practice.
"""

from collections.abc import Collection, Iterable
from typing import Final

from parsers.people import Enrollee
from rules.decisions import Alert
from rules.stays.places import facility_key
from rules.telling.confidentiality import Relationship, relationship_of
from rules.telling.destinations import NO_PATIENT, Destination, State, Whose, relationship_to, wanted
from rules.telling.directory import Directory
from rules.telling.views import former

_TO_ALL: Final = ""


class DestinationIndex:
    """Every destination that is told or paused, by whose it is."""

    def __init__(self, destinations: Iterable[Destination] = ()) -> None:
        self._by_id: dict[str, Destination] = {}
        self._by_owner: dict[tuple[Whose, str], list[Destination]] = {}
        for destination in destinations:
            if destination.state not in (State.ACTIVE, State.PAUSED):
                continue
            self._by_id[destination.destination_id] = destination
            self._by_owner.setdefault((destination.whose, _owner_of(destination)), []).append(destination)

    def __len__(self) -> int:
        return len(self._by_id)

    def due(
        self, alert: Alert, enrollee: Enrollee, told_before: Collection[str], directory: Directory
    ) -> list[Destination]:
        """The destinations one version is due to. `told_before`: ids of those that have an earlier one, or may have."""
        practice = directory.practices.get(enrollee.practice_id)
        plan = directory.lme_mco_for(enrollee.address.county)
        owners = [
            (Whose.PRACTICE, enrollee.practice_id),
            (Whose.NETWORK, practice.network_id if practice else ""),
            (Whose.PLAN, plan.lme_mco_id if plan else ""),
            (Whose.HOSPITAL, facility_key(alert.facility)),
            (Whose.CENTRAL_OFFICE, _TO_ALL),
            (Whose.PARTNER, _TO_ALL),
            *((Whose.PERSON, owner.case_manager_id) for owner in alert.owners),
        ]
        candidates: dict[str, Destination] = {}
        for owner in owners:
            candidates.update(
                (destination.destination_id, destination) for destination in self._by_owner.get(owner, ())
            )
        candidates.update(
            (destination_id, self._by_id[destination_id])
            for destination_id in told_before
            if destination_id in self._by_id
        )
        return [
            destination
            for destination in candidates.values()
            if wanted(
                destination,
                alert,
                enrollee,
                related(destination, alert, enrollee, directory),
                destination.destination_id in told_before,
            )
        ]


def related(destination: Destination, alert: Alert, enrollee: Enrollee, directory: Directory) -> Relationship:
    """What a destination is to the enrollee of an alert, by the directory of now.

    A person who was told once and does not answer any more reads no later version, as on the page; a mail of counts is
    about nobody.
    """
    practice = directory.practices.get(enrollee.practice_id)
    network_id = practice.network_id if practice else ""
    if destination.whose is Whose.PERSON:
        person = directory.person(destination.owner_id)
        if person is None or (destination.form not in NO_PATIENT and former(alert, enrollee, person, network_id)):
            return Relationship.NONE
        return relationship_of(alert, enrollee, person, network_id)
    plan = directory.lme_mco_for(enrollee.address.county)
    return relationship_to(destination, alert, enrollee, network_id, plan.lme_mco_id if plan else "")


def _owner_of(destination: Destination) -> str:
    match destination.whose:
        case Whose.CENTRAL_OFFICE | Whose.PARTNER:
            return _TO_ALL
        case Whose.HOSPITAL:
            return facility_key(destination.owner_id)
        case _:
            return destination.owner_id
