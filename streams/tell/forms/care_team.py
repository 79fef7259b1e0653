"""A person's practice and who carries it in; a US Core CareTeam for the hospital that has them as a patient, out.

Who coordinates, where and by which phone; nothing of the enrollee beside the identifier that was asked with.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

from parsers.people import CaseManager, Practice
from streams.words.hl7 import OID

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S")
_PROFILE: Final = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-careteam"
PRACTITIONERS: Final = "urn:x-warm-handoff:practitioner"
_ROLES: Final = "http://snomed.info/sct"
_COORDINATOR: Final = {"system": _ROLES, "code": "768820003", "display": "Care coordinator"}
_HOME: Final = {"system": _ROLES, "code": "224891009", "display": "Healthcare services"}


def care_team(
    name: str, identifier: tuple[str, str], practice: Practice | None, coordinators: Sequence[CaseManager]
) -> dict[str, Any]:
    """`name`: the resource's id; `identifier`: system and value, as they were asked with."""
    contained: list[dict[str, Any]] = []
    participants: list[dict[str, Any]] = []
    if practice:
        organization: dict[str, Any] = {
            "resourceType": "Organization",
            "id": "practice",
            "active": True,
            "name": practice.name,
        }
        organization |= {"telecom": [{"system": "phone", "value": practice.phone}]} if practice.phone else {}
        contained.append(organization)
        participants.append(_participant(_HOME, "practice", practice.name))
    for number, person in enumerate(coordinators, 1):
        plain = person.name.partition(",")[0].split()
        own = {"system": PRACTITIONERS, "value": hashlib.sha256(person.case_manager_id.encode()).hexdigest()[:32]}
        who: dict[str, Any] = {
            "resourceType": "Practitioner",
            "id": f"coordinator{number}",
            "identifier": [own],
            "name": [{"text": person.name, "family": plain[-1] if plain else person.name}],
        }
        who |= {"telecom": [{"system": "email", "value": person.email}]} if person.email else {}
        contained.append(who)
        participants.append(_participant(_COORDINATOR, f"coordinator{number}", person.name))
    team: dict[str, Any] = {
        "resourceType": "CareTeam",
        "id": name,
        "meta": {"profile": [_PROFILE]},
        "status": "active",
        "subject": {"type": "Patient", "identifier": _identifier(*identifier)},
        "participant": participants,
    }
    return team | ({"contained": contained} if contained else {})


def _identifier(system: str, value: str) -> dict[str, Any]:
    """FHIR takes an absolute URI as system; what HL7 v2 names an authority by is a display."""
    if _URI.match(system):
        return {"system": system, "value": value}
    if OID.fullmatch(system):
        return {"system": f"urn:oid:{system}", "value": value}
    return {"value": value, "assigner": {"display": system}}


def _participant(role: dict[str, str], name: str, display: str) -> dict[str, Any]:
    return {"role": [{"coding": [role]}], "member": {"reference": f"#{name}", "display": display}}
