"""How one hospital's feed is to be read: what its messages do not say or say in local words."""

import codecs
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, StringConstraints, field_validator

from parsers.events import EncounterClass, FacilityKind, Value


class Feed(Value):
    """One sending system. Chosen for a message by MSH-3/MSH-4; `default` serves everyone not listed."""

    name: str = "default"
    sending: tuple[str, ...] = ()  # "MSH-4", or "MSH-3|MSH-4", that select this feed
    facility: str = ""  # fixed facility name; "" takes it from `facility_from`
    facility_from: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{2}-\d+(\.\d+)?$")], ...] = (
        "PV1-3.4",
        "EVN-7",
        "PV1-39",
        "MSH-4",
        "MSH-3",
    )
    facility_kind: FacilityKind = FacilityKind.ACUTE
    facility_kinds: dict[str, FacilityKind] = Field(default_factory=dict)  # by facility, where they differ
    zone: str = "America/New_York"  # IANA name, for times without an offset
    charset: str = ""  # overrides MSH-18 when set (Python codec name)
    authority: str = ""  # assigning authority for identifiers sent without one; "" uses the facility
    classes: dict[str, EncounterClass] = Field(default_factory=dict)  # local PV1-2 codes
    dispositions: dict[str, Annotated[str, StringConstraints(pattern=r"^\d{2}$")]] = Field(
        default_factory=dict
    )  # local PV1-36 words as codes of HL7 table 0112
    accept_test: bool = False  # read MSH-11 other than P as if it were P

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("expected an IANA time zone such as America/New_York") from None
        return value

    @field_validator("charset")
    @classmethod
    def _known_charset(cls, value: str) -> str:
        try:
            codecs.lookup(value or "ascii")
        except LookupError:
            raise ValueError("expected a Python codec name such as utf-8 or cp1252") from None
        return value
