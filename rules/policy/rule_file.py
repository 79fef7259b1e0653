"""TOML text in; a checked value, or every fault in it with its place, out."""

import tomllib
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError


class PolicyFault(NamedTuple):
    """What is wrong in a policy file: where, and what is expected there."""

    place: str  # for example "rules[2].priority"
    message: str


M = TypeVar("M", bound=BaseModel)


def checked(text: str, model: type[M]) -> M | tuple[PolicyFault, ...]:
    """TOML text as a value of `model`, or every fault in it at once."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return (PolicyFault("file", f"is not valid TOML: {error}"),)
    try:
        return model.model_validate(table)
    except ValidationError as error:
        return tuple(_fault(found) for found in error.errors(include_input=False, include_url=False))


def _fault(found: Any) -> PolicyFault:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found["loc"]).lstrip(".")
    message = str(found["msg"]).removeprefix("Value error, ")
    if not place:
        place, _, message = message.partition(": ")
    return PolicyFault(place, message)
