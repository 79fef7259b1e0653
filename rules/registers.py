"""What a stay remembers beside what is shown of it. Values only; part of the stay's JSON in the store."""

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import ConfigDict, model_serializer, model_validator

from parsers.events import EncounterClass, FacilityKind, Value


class Before(Value):
    """What an emergency visit was when it became an admission, for when that is cancelled."""

    encounter_class: EncounterClass
    ended_at: datetime | None = None
    disposition: str = ""
    number: str = ""
    account: str = ""


_RENAMED: Final = {
    "class": "encounter_class",
    "death_is": "dead",
    "ed": "emergency",
    "person_deleted": "deleted_with_person",
}
_SEPARATOR: Final = "\x1f"


def of_memory(memory: dict[str, str]) -> dict[str, Any]:
    """A document of version 1 in, one of version 2 out; to be dropped with the release after the next."""
    registers: dict[str, Any] = {_RENAMED.get(name, name): value for name, value in memory.items()}
    if "former" in memory:
        registers["former"] = [former for former in memory["former"].split(_SEPARATOR) if former]
    if "before" in memory:
        registers["before"] = dict(zip(Before.model_fields, memory["before"].split(_SEPARATOR), strict=True))
        registers["before"]["ended_at"] = registers["before"]["ended_at"] or None
    return registers | {"version": 2}


class Registers(Value):
    """When the newest message that spoke of each thing was recorded, and what is needed to undo a cancel.

    `rules.stays` writes them and, of merges and moves, `rules.deciding`.
    """

    version: Literal[2] = 2  # of the document; 1 was a flat dictionary of words
    existence: datetime | None = None  # a start or a discharge against a cancel, a delete against starts
    discharge: datetime | None = None
    leave: datetime | None = None
    encounter_class: datetime | None = None
    started: datetime | None = None
    plan: datetime | None = None
    death: datetime | None = None
    dead: bool = False  # and what PID-30 or PID-29 said then
    highest: datetime | None = None  # when the highest class was first said
    began: bool = False  # a start has been read
    admitted: bool = False  # and one that was no mere registration
    emergency: bool = False  # has been in the ED
    hospital: bool = False  # or under observation
    assumed: bool = False  # a message did not name the facility
    buried: bool = False  # cancelled or deleted before anything else was heard
    deleted_with_person: bool = False  # undone by an A29 only
    number: str = ""  # the visit number in force
    account: str = ""  # the account in force, marked as one
    former: tuple[str, ...] = ()  # numbers and accounts of the emergency visit that became the admission
    before: Before | None = None
    source: str = ""  # PV1-14 as first said
    said: str = ""  # fingerprint of the newest message applied
    place: str | None = None  # the HL7 address that named the facility; "" when the feed is configured with it
    sender: str | None = None
    named: str = ""  # the facility, once a message named it more exactly
    facility_before: str = ""  # of a transfer
    facility_kind_before: FacilityKind | None = None
    unit_before: str | None = None
    waits_for: str = ""  # the message that took it from one person and waits for another
    was: str = ""  # and the `StayStatus` it had

    def over(self, other: "Registers") -> "Registers":
        """Of two stays that are one: what is written here counts, the other's fills what is not."""
        return other.model_copy(update=_written(self.__dict__))

    def opened(self) -> "OpenRegisters":
        """A copy to write in."""
        return self.in_form(OpenRegisters)

    @model_serializer
    def _document(self) -> dict[str, Any]:
        return {"version": self.version, **_written(self.__dict__)}

    @model_validator(mode="before")
    @classmethod
    def _read(cls, document: Any) -> Any:
        if (
            not isinstance(document, dict)
            or "version" in document
            or not all(isinstance(word, str) for word in document.values())
        ):
            return document
        return of_memory(document)


class OpenRegisters(Registers):
    """Registers that a message is writing; like any copy with other values, what is written is not validated."""

    model_config = ConfigDict(frozen=False)
    __setattr__ = object.__setattr__

    def closed(self) -> Registers:
        """What was written."""
        return self.in_form(Registers)


_UNWRITTEN: Final = {name: field.default for name, field in Registers.model_fields.items()}


def _written(registers: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in registers.items() if value != _UNWRITTEN[name]}
