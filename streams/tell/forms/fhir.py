"""One alert version as its recipient may read it in; a Da Vinci notification (FHIR R4 message bundle) out.

Da Vinci Unsolicited Notifications 1.1.0: admit, discharge and transfer bundles. For a cancellation the guide has no
event; what is sent is valid and harmless: the base header profile, a code of our own, and an Encounter that is
`entered-in-error` under the identifier it was first told with. Never an admit code: a receiver that looks at the code
would admit again. `faults` checks what the profiles let pass.

Ids are made from the delivery id, so a retry is the same bundle byte for byte.
"""

import json
import uuid
from collections.abc import Mapping
from enum import StrEnum
from html import escape
from typing import Any, Final, NamedTuple

from parsers.events import Diagnosis, EncounterClass
from rules.decisions import AlertKind, StayStatus
from rules.stays.open import is_void
from rules.telling.views import AlertView
from streams.tell.fhir_words import (
    ENROLLEES,
    STAYS,
    TERMS,
    diagnosis_code,
    disposition,
    encounter_class,
    encounter_status,
    instant,
)

CONTENT_TYPE: Final = "application/fhir+json"
_GUIDE: Final = "http://hl7.org/fhir/us/davinci-alerts"
_PROFILE: Final = f"{_GUIDE}/StructureDefinition"
_CORE: Final = "http://hl7.org/fhir/us/core/StructureDefinition"
_EVENTS: Final = f"{_GUIDE}/CodeSystem/notification-event"
OWN_EVENTS: Final = "urn:x-warm-handoff:notification-event"
RETRACTED: Final = "notification-retracted"
_NPI: Final = "http://hl7.org/fhir/sid/us-npi"
_NAMESPACE: Final = uuid.UUID("7b0e4a52-5a0f-4d5c-9a6e-1c3f0d5d9b11")
_WITHHELD: Final = "Withheld"
_MOST_CONDITIONS: Final = 25
_ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


class Event(StrEnum):
    ADMIT = "admit"
    DISCHARGE = "discharge"
    TRANSFER = "transfer"
    RETRACT = "retract"


class Sender(NamedTuple):
    """Who sends: us, in the name of the office that runs this."""

    name: str
    npi: str
    endpoint: str  # a URL that stands for us as a source


def event_of(seen: AlertView) -> Event:
    """Which notification a version is. A bed move is never told, so every transfer is one the hospital calls so."""
    if is_void(seen.action, seen.status):
        return Event.RETRACT
    if seen.status is StayStatus.FINISHED:
        return Event.DISCHARGE
    changed = {change.field: change for change in seen.changes}
    began_in_ed = "encounter_class" in changed and changed["encounter_class"].before == EncounterClass.EMERGENCY
    if seen.kind is AlertKind.TRANSFER or (began_in_ed and seen.encounter_class is EncounterClass.INPATIENT):
        return Event.TRANSFER
    return Event.ADMIT


def bundle(seen: AlertView, delivery_id: str, sender: Sender, destination: str) -> bytes | None:
    """The message bundle; `None` where the recipient may not know whom it is about: a notification needs a patient.

    Only what is taken back goes out without one: by the stay's identifier, as first told, the patient masked.
    """
    if seen.person is None and event_of(seen) is not Event.RETRACT:
        return None
    return json.dumps(_Maker(seen, delivery_id, sender, destination).bundle(), separators=(",", ":")).encode()


class _Maker:
    def __init__(self, seen: AlertView, delivery_id: str, sender: Sender, destination: str) -> None:
        self.seen = seen
        self.delivery_id = delivery_id
        self.sender = sender
        self.destination = destination
        self.event = event_of(seen)
        self.facility = seen.facility or _WITHHELD

    def id(self, what: str) -> str:
        return str(uuid.uuid5(_NAMESPACE, f"{self.delivery_id}:{what}"))

    def ref(self, what: str, display: str = "") -> dict[str, str]:
        return {"reference": f"urn:uuid:{self.id(what)}"} | ({"display": display} if display else {})

    def bundle(self) -> dict[str, Any]:
        named = [diagnosis for diagnosis in self.seen.diagnoses if diagnosis.code or diagnosis.text]
        parts = [
            self.header(),
            self.provenance(),
            self.encounter(),
            self.patient(),
            self.location(),
            self.organization("facility", self.facility, ""),
            self.organization("sender", self.sender.name, self.sender.npi),
            *([self.attending()] if self.seen.attending else []),
            *(self.condition(number, diagnosis) for number, diagnosis in enumerate(named[:_MOST_CONDITIONS])),
        ]
        return {
            "resourceType": "Bundle",
            "id": self.id("bundle"),
            "meta": {"profile": [f"{_PROFILE}/notifications-bundle"]},
            "type": "message",
            "timestamp": instant(self.seen.decided_at),
            "entry": [{"fullUrl": f"urn:uuid:{part['id']}", "resource": part} for part in parts],
        }

    def header(self) -> dict[str, Any]:
        if self.event is Event.RETRACT:
            profile, coding = "notifications-messageheader", {"system": OWN_EVENTS, "code": RETRACTED}
        else:
            profile = f"{self.event}-notification-messageheader"
            coding = {"system": _EVENTS, "code": f"notification-{self.event}"}
        return {
            "resourceType": "MessageHeader",
            "id": self.id("header"),
            "meta": {"profile": [f"{_PROFILE}/{profile}"]},
            "eventCoding": coding,
            "destination": [{"endpoint": self.destination}],
            "sender": self.ref("sender", self.sender.name),
            "source": {"name": "Warm Handoff", "endpoint": self.sender.endpoint},
            "responsible": self.ref("facility", self.facility),
            "focus": [self.ref("encounter")],
        }

    def provenance(self) -> dict[str, Any]:
        """HL7 v2 made FHIR: the hospital is the author, we assembled."""
        kinds = f"{TERMS}/provenance-participant-type"
        return {
            "resourceType": "Provenance",
            "id": self.id("provenance"),
            "meta": {"profile": [f"{_CORE}/us-core-provenance"]},
            "target": [self.ref("header")],
            "recorded": instant(self.seen.decided_at),
            "activity": {"text": "HL7 v2 ADT translated to FHIR and matched to an enrollee"},
            "agent": [
                {"type": _coded(kinds, "author"), "who": self.ref("facility")},
                {"type": _coded(kinds, "assembler"), "who": self.ref("sender")},
            ],
        }

    def encounter(self) -> dict[str, Any]:
        seen = self.seen
        status = "entered-in-error" if self.event is Event.RETRACT else encounter_status(seen)
        resource: dict[str, Any] = {
            "resourceType": "Encounter",
            "id": self.id("encounter"),
            "meta": {"profile": [f"{_CORE}/us-core-encounter", f"{_PROFILE}/adt-notification-encounter"]},
            "identifier": [{"system": STAYS, "value": seen.alert_id}],
            "status": status,
            "class": encounter_class(seen.encounter_class),
            "type": [{"text": _TYPES.get(seen.encounter_class or EncounterClass.UNKNOWN, "Hospital visit")}],
            "subject": self.ref("patient"),
            "location": [{"location": self.ref("location", self.facility)}],
            "serviceProvider": self.ref("facility", self.facility),
        }
        if seen.notice:
            words = f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(seen.notice)}</p></div>'
            resource["text"] = {"status": "additional", "div": words}
            resource["meta"]["security"] = [{"system": f"{TERMS}/v3-ActCode", "code": "42CFRPart2"}]
        period = {"start": seen.started_at, "end": seen.ended_at}
        if any(period.values()):
            resource["period"] = {name: instant(at) for name, at in period.items() if at}
        if seen.attending:
            resource["participant"] = [{"individual": self.ref("attending", seen.attending)}]
        if seen.complaint:
            resource["reasonCode"] = [{"text": seen.complaint}]
        if seen.disposition:
            resource["hospitalization"] = {"dischargeDisposition": disposition(seen.disposition)}
        return resource

    def patient(self) -> dict[str, Any]:
        person = self.seen.person
        if person is None:
            return {
                "resourceType": "Patient",
                "id": self.id("patient"),
                "meta": {"profile": [f"{_CORE}/us-core-patient"]},
                "identifier": [{"system": STAYS, "value": self.seen.alert_id}],
                "name": [{"extension": [{"url": _ABSENT, "valueCode": "masked"}]}],
                "gender": "unknown",
            }
        given = [name for name in (person.name.given, person.name.middle) if name]
        name: dict[str, Any] = {"use": "official"}
        name |= {"family": person.name.family} if person.name.family else {}
        name |= {"given": given} if given else {}
        name |= {"suffix": [person.name.suffix]} if person.name.suffix else {}
        resource: dict[str, Any] = {
            "resourceType": "Patient",
            "id": self.id("patient"),
            "meta": {"profile": [f"{_CORE}/us-core-patient"]},
            "identifier": [{"system": ENROLLEES, "value": person.enrollee_id}],
            "name": [name],
            "gender": {"F": "female", "M": "male", "O": "other"}.get(person.sex, "unknown"),
            "birthDate": person.birth_date.isoformat(),
        }
        if person.phone:
            resource["telecom"] = [{"system": "phone", "value": person.phone}]
        return resource

    def location(self) -> dict[str, Any]:
        return {
            "resourceType": "Location",
            "id": self.id("location"),
            "meta": {"profile": [f"{_CORE}/us-core-location"]},
            "status": "active",
            "name": self.facility,
            "managingOrganization": self.ref("facility", self.facility),
        }

    def organization(self, what: str, name: str, npi: str) -> dict[str, Any]:
        own = {"system": "urn:x-warm-handoff:organization", "value": self.id(name)}
        return {
            "resourceType": "Organization",
            "id": self.id(what),
            "meta": {"profile": [f"{_CORE}/us-core-organization"]},
            "identifier": [{"system": _NPI, "value": npi} if npi else own],
            "active": True,
            "name": name,
        }

    def attending(self) -> dict[str, Any]:
        family, _, given = map(str.strip, self.seen.attending.strip(", ").partition(","))
        return {
            "resourceType": "Practitioner",
            "id": self.id("attending"),
            "meta": {"profile": [f"{_CORE}/us-core-practitioner"]},
            "identifier": [{"system": "urn:x-warm-handoff:practitioner", "value": self.id(self.seen.attending)}],
            "name": [{"family": family or self.seen.attending} | ({"given": [given]} if given else {})],
        }

    def condition(self, number: int, diagnosis: Diagnosis) -> dict[str, Any]:
        return {
            "resourceType": "Condition",
            "id": self.id(f"condition{number}"),
            "meta": {"profile": [f"{_PROFILE}/adt-notification-condition"]},
            "clinicalStatus": _coded(f"{TERMS}/condition-clinical", "active"),
            "verificationStatus": _coded(f"{TERMS}/condition-ver-status", "unconfirmed"),
            "category": [_coded(f"{TERMS}/condition-category", "encounter-diagnosis")],
            "code": diagnosis_code(diagnosis),
            "subject": self.ref("patient"),
            "encounter": self.ref("encounter"),
        }


def faults(message: Mapping[str, Any]) -> tuple[str, ...]:
    """What the profiles let pass and a receiver stumbles over; empty for a bundle of ours."""
    parts = [entry["resource"] for entry in message["entry"]]
    header = parts[0]
    stays = [part for part in parts if part["resourceType"] == "Encounter"]
    contradictions = []
    if header["resourceType"] != "MessageHeader":
        contradictions.append("the first entry is not the header")
    code = header.get("eventCoding", {}).get("code", "")
    profile = header.get("meta", {}).get("profile", [""])[-1].rpartition("/")[2]
    if code == RETRACTED:
        expected, status = "notifications-messageheader", {"entered-in-error"}
    else:
        expected = f"{code.removeprefix('notification-')}-notification-messageheader"
        status = {"finished"} if code == "notification-discharge" else {"in-progress", "onleave", "unknown"}
    if profile != expected:
        contradictions.append("the event code is not that of the header's profile")
    for stay in stays:
        if stay["status"] not in status:
            contradictions.append("the Encounter's status contradicts the event")
        if not stay.get("location"):
            contradictions.append("the Encounter has no location")
    if len(stays) != 1:
        contradictions.append("there is not exactly one Encounter")
    return tuple(contradictions)


_TYPES: Final[Mapping[EncounterClass, str]] = {
    EncounterClass.EMERGENCY: "Emergency department visit",
    EncounterClass.OBSERVATION: "Observation stay",
    EncounterClass.INPATIENT: "Inpatient stay",
    EncounterClass.AMBULATORY: "Outpatient visit",
}


def _coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}
