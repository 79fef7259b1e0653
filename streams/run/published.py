"""A model of what leaves us in; its JSON Schema (2020-12), against which receivers hold it, out.

Fields may be added within a version, so a receiver's copy of the schema must not refuse what it does not know.
"""

from typing import Any

from pydantic import BaseModel


def published_schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    """The schema of a model's documents."""
    made = model.model_json_schema()
    for part in (made, *made.get("$defs", {}).values()):
        if part.get("type") == "object":
            part["additionalProperties"] = True
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": title}
