"""How one hospital's feed is to be read: what its messages do not say or say in local words."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Final, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, field_validator, model_validator

from parsers.events import EncounterClass, FacilityKind, Value
from parsers.hl7.charsets import codec_of, is_codec
from parsers.hl7.times import zone_of

T = TypeVar("T")
BY_HAND: Final = "by-hand"  # the name of the feed of what people enter on the page
_NO_ZONE = "expected an IANA time zone such as America/New_York"


class Pause(Value):
    """A planned down-time, from `starts` to before `ends`; times without an offset are in the feed's zone."""

    starts: datetime
    ends: datetime


class Feed(Value):
    """One sending system. Chosen for a message by MSH-3/MSH-4; `default` serves everyone not listed."""

    name: str = "default"
    sending: tuple[str, ...] = ()  # "MSH-4", or "MSH-3|MSH-4", that select this feed; names, or universal ids (OID)
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
    zones: dict[str, str] = Field(default_factory=dict)  # by facility, where a sender speaks for several zones
    charset: str = ""  # overrides MSH-18 when set (Python codec name)
    authority: str = ""  # assigning authority for identifiers sent without one; "" uses the facility
    classes: dict[str, EncounterClass] = Field(default_factory=dict)  # local PV1-2 codes
    dispositions: dict[str, Annotated[str, StringConstraints(pattern=r"^\d{2}$")]] = Field(
        default_factory=dict
    )  # local PV1-36 words as codes of HL7 table 0112
    folder: str = ""  # watched for files of HL7 that are this feed's, whatever their MSH says; "" for none
    contact: str = ""  # e-mail of the hospital's interface desk: told when the feed falls silent; "" for nobody
    pauses: tuple[Pause, ...] = ()  # when it is down as planned, and nobody is told that it is silent
    accept_test: bool = False  # read MSH-11 other than P as if it were P

    def zone_at(self, facility: str) -> str:
        """The zone of a facility's times."""
        return _under(self.zones, facility) or self.zone

    def kind_at(self, facility: str) -> FacilityKind:
        """What sort of facility it is."""
        return _under(self.facility_kinds, facility) or self.facility_kind

    def class_of(self, code: str) -> EncounterClass | None:
        """What a local PV1-2 means."""
        return _under(self.classes, code)

    def disposition_of(self, word: str) -> str:
        """The code of HL7 table 0112 for a local PV1-36, "" where the feed has none."""
        return _under(self.dispositions, word) or ""

    def planned(self) -> tuple[tuple[datetime, datetime], ...]:
        """The pauses as aware times."""
        zone = ZoneInfo(self.zone)
        return tuple((_aware(pause.starts, zone), _aware(pause.ends, zone)) for pause in self.pauses)

    @model_validator(mode="after")
    def _pauses_end(self) -> Self:
        if any(ends <= starts for starts, ends in self.planned()):
            raise ValueError("pauses: each ends after it starts")
        return self

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if zone_of(value) is None:
            raise ValueError(_NO_ZONE)
        return value

    @field_validator("zones")
    @classmethod
    def _known_zones(cls, value: dict[str, str]) -> dict[str, str]:
        if any(zone_of(zone) is None for zone in value.values()):
            raise ValueError(_NO_ZONE)
        return value

    @field_validator("charset")
    @classmethod
    def _known_charset(cls, value: str) -> str:
        if value and not codec_of(value) and not is_codec(value):
            raise ValueError("expected a Python codec name such as utf-8 or cp1252")
        return value


def _under(table: Mapping[str, T], sent: str) -> T | None:
    """What a table of the feed's says of a name or code, whatever its case, its blanks and its leading zeros."""
    if not table or not sent:
        return None
    if sent in table:
        return table[sent]
    plain = _plain(sent)
    return next((value for name, value in table.items() if _plain(name) == plain), None)


def _plain(text: str) -> str:
    bare = text.strip().casefold()
    return bare.lstrip("0") if bare.isdigit() else bare


@lru_cache(maxsize=1024)
def _plain_sender(sent: str) -> str:
    """MSH-4, or "MSH-3|MSH-4", whatever the case, the blanks and the form of an OID."""
    return "|".join(part.strip().removeprefix("urn:oid:") for part in sent.casefold().split("|"))


def _aware(at: datetime, zone: ZoneInfo) -> datetime:
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


PLAIN: Final = Feed()


class Feeds(Value):
    """How each hospital's feed is to be read: the `[[feeds]]` of `handoff.toml`."""

    feeds: tuple[Feed, ...] = ()

    def feed_for(self, application: str, facility: str) -> Feed:
        """The feed configured for MSH-3/MSH-4, else the one named `default`, else a plain one."""
        fallback = PLAIN
        named = {_plain_sender(facility), _plain_sender(f"{application}|{facility}")}
        for feed in self.feeds:
            if not named.isdisjoint(map(_plain_sender, feed.sending)):
                return feed
            if feed.name == "default":
                fallback = feed
        return fallback

    def by_hand(self, facility: str) -> Feed:
        """How what a person enters about a facility is read: as that facility's own feed, under a name of its own."""
        known = (
            feed
            for feed in self.feeds
            if facility in {feed.facility, *feed.facility_kinds, *feed.zones, *feed.sending} - {""}
        )
        speaking = next(known, Feed())
        return speaking.model_copy(update={"name": BY_HAND, "facility": speaking.facility or facility})

    def named(self, name: str) -> Feed | None:
        """The feed of this name."""
        return next((feed for feed in self.feeds if feed.name == name), None)
