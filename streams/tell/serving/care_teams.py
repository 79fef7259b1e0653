"""A hospital's question "who coordinates this patient's care" in; a searchset with one CareTeam or none, out.

Only of somebody who has a stay at this very hospital that runs or ended within 30 days. Unknown, nobody of ours, not
theirs and not allowed look the same. Each look is audited.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rules.telling.destinations import Whose
from rules.telling.directory import Directory
from streams.store import Store
from streams.store.audit import Audited
from streams.store.delivery import made_of
from streams.store.fhir import FhirClient
from streams.tell.forms.care_team import care_team
from streams.tell.serving.answers import Wrong, searchset

NOT_LONG_OVER: Final = timedelta(days=30)
LONGEST: Final = 200  # characters of an identifier


class CareTeams:
    """Answers hospitals."""

    def __init__(self, store: Store, base: str) -> None:
        self._store = store
        self._base = base

    def search(self, client: FhirClient, identifier: str, directory: Directory) -> dict[str, Any]:
        """`identifier`: system|value, an authority's name or OID as its HL7 v2 has it (PID-3.4). Raises `Wrong`."""
        system, bar, value = identifier.partition("|")
        if not (bar and system and value and identifier.isprintable()) or len(identifier) > LONGEST:
            raise Wrong(400, "required", "patient.identifier must be system|value")
        now = datetime.now(UTC)
        hospital = client.owner_id if client.whose is Whose.HOSPITAL else ""
        enrollee = (
            self._store.at_hospital.find(system.removeprefix("urn:oid:"), value, hospital, now - NOT_LONG_OVER)
            if hospital
            else None
        )
        self._store.audit.write(
            f"fhir:{client.client_id}",
            Audited.READ_STAY,
            now,
            enrollee_id=enrollee.enrollee_id if enrollee else "",
            detail="care team",
        )
        if enrollee is None:
            return searchset([], self._base)
        practice = directory.practices.get(enrollee.practice_id)
        name = made_of(hospital, identifier)
        return searchset(
            [care_team(name, (system, value), practice, directory.carriers(enrollee.practice_id))], self._base
        )
