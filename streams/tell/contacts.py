"""An alert and the hospital it is about in; whom that hospital turns to for its patient, out. Each look is audited."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from rules.telling.destinations import Destination
from rules.telling.directory import Directory
from rules.telling.routes import program_key
from rules.telling.views import AlertView
from streams.store import Store
from streams.store.audit import Audited
from streams.tell.forms.coordinator import Contact

PROGRAMS: Final = "programs"  # of a destination's options: those that may be named, by comma
INSTRUCTIONS: Final = "instructions"  # what the hospital is asked to do


class Contacts:
    """Looks up whom a hospital turns to."""

    def __init__(self, store: Store, directory: Callable[[], Directory], now: Callable[[], datetime]) -> None:
        self._store = store
        self._directory = directory
        self._now = now

    def of(self, seen: AlertView, to: Destination) -> Contact | None:
        """`None` where the stay is not at that hospital, or it may not know whom it is about. Raises `Unavailable`."""
        stay = self._store.at_hospital.stay_of(seen.alert_id, to.owner_id)
        if stay is None or seen.person is None:
            return None
        person, directory = seen.person, self._directory()
        self._store.audit.write(
            f"destination:{to.destination_id}",
            Audited.READ_STAY,
            self._now(),
            alert_ids=[seen.alert_id],
            enrollee_id=person.enrollee_id,
            detail="care team",
        )
        named = {program_key(name) for name in to.options.get(PROGRAMS, "").split(",")}
        return Contact(
            tuple(number for number in stay.patient_ids if number.names_a_record),
            directory.practices.get(person.practice_id),
            directory.carriers(person.practice_id),
            tuple(program for program in person.programs if program_key(program) in named),
            to.options.get(INSTRUCTIONS, ""),
        )
