"""Where alerts go beside the page: a destination and an alert version in, whether and in which tier it is told out.

A destination belongs to somebody (`Whose`), and that decides what it may know, as the same person or team would read it
on the page: a practice and a network treat, a plan pays, a partner and a hospital have only what their row says, never
more than the general tier. Its row can narrow that further, never widen it.
"""

from enum import StrEnum
from typing import Final

from pydantic import model_validator

from parsers.events import Value
from parsers.people import Enrollee, RiskTier
from rules.decisions import Action, Alert, AlertKind, Priority, Reason
from rules.stays.places import same_facility
from rules.telling.confidentiality import Relationship, Tier


class WayKind(StrEnum):
    """By which way bytes travel."""

    HTTP = "http"
    SMTP = "smtp"
    MLLP = "mllp"
    FOLDER = "folder"
    SFTP = "sftp"
    DIRECT = "direct"


class FormKind(StrEnum):
    """What the bytes are."""

    WEBHOOK_JSON = "webhook_json"
    NUDGE = "nudge"  # no patient data
    DIGEST = "digest"  # no patient data
    DA_VINCI = "da_vinci"
    SUBSCRIPTION = "subscription"
    HL7_ADT = "hl7_adt"  # of our own making
    HL7_RECEIVED = "hl7_received"  # the hospital's, as received
    HL7_MDM = "hl7_mdm"
    SMS = "sms"  # no patient data
    CSV = "csv"
    NDJSON = "ndjson"
    DIRECT_ADT = "direct_adt"
    HL7_COORDINATOR = "hl7_coordinator"  # to a hospital: who coordinates its patient's care
    DIRECT_COORDINATOR = "direct_coordinator"  # the same


STATES: Final = frozenset({FormKind.NUDGE, FormKind.DIGEST, FormKind.SMS, FormKind.CSV})
TO_HOSPITALS: Final = frozenset({FormKind.HL7_COORDINATOR, FormKind.DIRECT_COORDINATOR})  # once a stay
NAME_THE_FIRST: Final = frozenset(
    {FormKind.HL7_MDM, FormKind.HL7_ADT, FormKind.DIRECT_ADT}
)  # another version is about the one that the recipient has
NO_PATIENT: Final = frozenset({FormKind.NUDGE, FormKind.DIGEST, FormKind.SMS})
WAYS_OF: Final = {
    FormKind.WEBHOOK_JSON: WayKind.HTTP,
    FormKind.NUDGE: WayKind.SMTP,
    FormKind.DIGEST: WayKind.SMTP,
    FormKind.SMS: WayKind.HTTP,  # of a gateway
    FormKind.DA_VINCI: WayKind.HTTP,
    FormKind.SUBSCRIPTION: WayKind.HTTP,
    FormKind.HL7_ADT: WayKind.MLLP,
    FormKind.HL7_RECEIVED: WayKind.MLLP,
    FormKind.HL7_MDM: WayKind.MLLP,
    FormKind.CSV: WayKind.FOLDER,
    FormKind.NDJSON: WayKind.FOLDER,
    FormKind.DIRECT_ADT: WayKind.DIRECT,
    FormKind.HL7_COORDINATOR: WayKind.MLLP,
    FormKind.DIRECT_COORDINATOR: WayKind.DIRECT,
}  # the usual way; files go by SFTP as well
assert WAYS_OF.keys() == set(FormKind)


class Whose(StrEnum):
    PERSON = "person"
    PRACTICE = "practice"
    NETWORK = "network"
    PLAN = "plan"  # an LME/MCO
    CENTRAL_OFFICE = "central_office"
    HOSPITAL = "hospital"
    PARTNER = "partner"


class State(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"  # by a person, or by itself after days of failure; what is due is kept
    REMOVED = "removed"
    REQUESTED = "requested"  # a FHIR subscription before its handshake
    OFF = "off"  # a FHIR subscription after its end


class Wants(Value):
    """Which alerts; an empty list wants all."""

    kinds: tuple[AlertKind, ...] = ()
    priorities: tuple[Priority, ...] = ()
    reasons: tuple[Reason, ...] = ()
    facilities: tuple[str, ...] = ()
    practices: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    risk_tiers: tuple[RiskTier, ...] = ()
    enrollees: tuple[str, ...] = ()

    def fit(self, alert: Alert, enrollee: Enrollee) -> bool:
        return (
            (not self.kinds or alert.kind in self.kinds)
            and (not self.priorities or alert.priority in self.priorities)
            and (not self.reasons or any(reason in self.reasons for reason in alert.reasons))
            and (not self.facilities or any(same_facility(name, alert.facility) for name in self.facilities))
            and (not self.practices or enrollee.practice_id in self.practices)
            and (not self.programs or any(program in self.programs for program in enrollee.programs))
            and (not self.enrollees or enrollee.enrollee_id in self.enrollees)
            and (not self.risk_tiers or enrollee.risk_tier in self.risk_tiers)
        )


class Destination(Value):
    """One place outside that is told. Its secret is not here: `streams.store` keeps it encrypted."""

    destination_id: str
    name: str
    whose: Whose
    owner_id: str = ""  # of the person, practice, network, plan or facility it belongs to
    form: FormKind
    way: WayKind
    address: str  # URL, e-mail address, host:port or folder
    state: State = State.ACTIVE
    wants: Wants = Wants()
    tier: Tier = Tier.FULL  # at most
    hours: str = ""  # as in `parsers.hours`; "" sends at any minute
    every_minutes: int = 0  # files and mails: at most one every so many minutes; 0: as soon as something is due
    empty_files: bool = False  # a file is written also when nothing was to tell
    allow_private: bool = False  # the address may lie in one's own network
    headers: tuple[tuple[str, str], ...] = ()  # sent along over HTTP, never logged
    options: dict[str, str] = {}  # what one form or way needs beside, see `handoff destination add --help`

    @property
    def is_state(self) -> bool:
        """Whether a newer version takes the place of an unsent older one; of CSV as its option `rows` says."""
        return self.form in STATES and self.options.get("rows") != "version"

    @model_validator(mode="after")
    def _can_be(self) -> "Destination":
        usual = WAYS_OF[self.form]
        if self.way is not usual and {self.way, usual} != {WayKind.FOLDER, WayKind.SFTP}:
            raise ValueError(f"the form {self.form} does not go by {self.way}")
        if self.whose in _OWNED and not self.owner_id:
            raise ValueError(f"a destination of a {self.whose} needs whose it is")
        if self.form is FormKind.HL7_RECEIVED and self.whose not in _TREATS:
            raise ValueError("what a hospital sent goes on as received only to those who treat")
        if self.form in TO_HOSPITALS and self.whose is not Whose.HOSPITAL:
            raise ValueError("who coordinates a patient's care is told to the hospital the patient is in")
        return self


_TREATS: Final = frozenset({Whose.PERSON, Whose.PRACTICE, Whose.NETWORK})
_OWNED: Final = frozenset({Whose.PERSON, Whose.PRACTICE, Whose.NETWORK, Whose.PLAN, Whose.HOSPITAL})


def relationship_to(
    destination: Destination, alert: Alert, enrollee: Enrollee, network_id: str = "", lme_mco_id: str = ""
) -> Relationship:
    """What the destination is to the enrollee. `network_id`: of the practice; `lme_mco_id`: of the county."""
    match destination.whose:
        case Whose.PRACTICE if destination.owner_id == enrollee.practice_id:
            return Relationship.TREATING
        case Whose.NETWORK if destination.owner_id == network_id:
            return Relationship.TREATING
        case Whose.PLAN if lme_mco_id and destination.owner_id == lme_mco_id:
            return Relationship.PLAN
        case Whose.CENTRAL_OFFICE:
            return Relationship.CENTRAL
        case Whose.HOSPITAL if same_facility(destination.owner_id, alert.facility):
            return Relationship.PLAN
        case Whose.PARTNER:
            return Relationship.PLAN
        case _:
            return Relationship.NONE


def wanted(
    destination: Destination, alert: Alert, enrollee: Enrollee, relationship: Relationship, told_before: bool
) -> bool:
    """Whether this version is due to this destination.

    `told_before`: an earlier version was delivered there, or may have been. Then every later one is due, whatever the
    row wants today; where the person is nothing to the destination any more, only the retraction is. Who coordinates
    the care is told once a stay.
    """
    retracted = alert.action is Action.RETRACT
    if destination.form in TO_HOSPITALS and told_before and not retracted:
        return False
    if relationship is Relationship.NONE:
        return told_before and retracted
    return told_before or (not retracted and destination.wants.fit(alert, enrollee))
