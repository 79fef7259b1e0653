"""What the FHIR server can do, as a CapabilityStatement."""

from typing import Any, Final

from parsers.fhir.subscriptions import BACKPORT, TOPIC

_GUIDE: Final = "http://hl7.org/fhir/uv/subscriptions-backport"


def capabilities(base: str) -> dict[str, Any]:
    """The CapabilityStatement."""
    extension = f"{BACKPORT}/capabilitystatement-subscriptiontopic-canonical"
    definitions = f"{_GUIDE}/OperationDefinition"
    interactions = ("create", "read", "update", "delete", "search-type")
    operations = [
        {"name": name, "definition": f"{definitions}/backport-subscription-{name}"} for name in ("status", "events")
    ]
    subscription = {
        "extension": [{"url": extension, "valueCanonical": TOPIC}],
        "type": "Subscription",
        "supportedProfile": [f"{BACKPORT}/backport-subscription"],
        "interaction": [{"code": code} for code in interactions],
        "searchParam": [{"name": "url", "type": "uri"}, {"name": "status", "type": "token"}],
        "operation": operations,
    }
    read = [{"type": kind, "interaction": [{"code": "read"}]} for kind in ("Encounter", "Patient")]
    team: dict[str, Any] = {
        "type": "CareTeam",
        "interaction": [{"code": "search-type"}],
        "searchParam": [{"name": "patient.identifier", "type": "token"}],
    }
    service = {"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR"}
    security = {"service": [{"coding": [service]}]}
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-26",
        "kind": "instance",
        "instantiates": [f"{_GUIDE}/CapabilityStatement/backport-subscription-server-r4"],
        "software": {"name": "Warm Handoff"},
        "implementation": {"description": "Stays of people that a client answers for", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [{"mode": "server", "security": security, "resource": [subscription, *read, team]}],
    }
