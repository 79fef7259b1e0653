"""A FHIR R4 Parameters resource as JSON in; its parameters by name, each value as text, out."""

from collections.abc import Mapping
from typing import Any


def parameters_of(resource: Mapping[str, Any]) -> dict[str, list[str]] | None:
    """In their order; "" for one without a simple value. `None`: it is no Parameters resource."""
    listed = resource.get("parameter", [])
    if resource.get("resourceType", "Parameters") != "Parameters":
        return None
    if not isinstance(listed, list) or not all(isinstance(each, Mapping) for each in listed):
        return None
    values: dict[str, list[str]] = {}
    for parameter in listed:
        name = parameter.get("name")
        if not isinstance(name, str):
            return None
        value = next((str(value) for key, value in parameter.items() if key.startswith("value")), "")
        values.setdefault(name, []).append(value)
    return values
