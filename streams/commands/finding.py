"""What `handoff doctor` says of one part."""

from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


class Finding(NamedTuple):
    part: str
    state: State
    what: str
    do: str = ""
