"""TOML text in; a checked value, or every fault in it with its place, out."""

import tomllib
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError


class RuleFault(NamedTuple):
    """What is wrong in a rule file: where, and what is expected there."""

    place: str  # for example "rules[2].priority"; "file" for all of it
    message: str


M = TypeVar("M", bound=BaseModel)


def checked(text: str, model: type[M], *, part: str = "") -> M | tuple[RuleFault, ...]:
    """TOML text, or what stands under its key `part` alone, as a value of `model`; or every fault in it at once."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return (RuleFault("file", f"is not valid TOML: {error}"),)
    if part:
        table = {key: value for key, value in table.items() if key == part}
    try:
        return model.model_validate(table)
    except ValidationError as error:
        return tuple(_fault(detail) for detail in error.errors(include_input=False, include_url=False))


def _fault(error: Any) -> RuleFault:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    message = str(error["msg"]).removeprefix("Value error, ")
    if not place:
        place, _, message = message.partition(": ")
    return RuleFault(place, message)
