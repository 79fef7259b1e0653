"""What an ADT message says, as frozen values: the one vocabulary `rules` shares with `parsers`.

Times are aware and in UTC (the facility's zone was applied where the message was read); identifiers are
`(system, value)`; absent is `None` or an empty tuple, never a failure. Every model here holds PHI, so its
`repr` names the type only.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import to_json

Form = TypeVar("Form", bound="Value")
_set: Final = object.__setattr__


class Value(BaseModel):  # noqa: PLW1641 (pydantic gives a frozen model its hash)
    """A frozen value whose `repr` shows nothing about a patient.

    As a document it may meet a program of another version. A field that is new has a default, and whoever does not know
    it reads over it and carries it along: `written` gives it back. So an older and a newer program may run side by side
    on the same documents, and neither takes from them what the other put in. Any other change (a further word of a
    closed set, a field that goes or means something else) is a new `SCHEMA`, or a migration of the store.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __copy__(self) -> Self:
        """What every `model_copy` begins with, three a message: as pydantic's own, which looks for extra and private
        attributes as well."""
        return self.in_form(type(self))

    def in_form(self, form: type[Form]) -> Form:
        """A copy as the same value in another form of it, a type with the same fields."""
        copied = form.__new__(form)
        _set(copied, "__dict__", self.__dict__.copy())
        _set(copied, "__pydantic_fields_set__", self.__pydantic_fields_set__.copy())
        _set(copied, "__pydantic_extra__", self.__pydantic_extra__)
        _set(copied, "__pydantic_private__", None)
        return copied

    def __eq__(self, other: object) -> bool:
        """By what we know of it, whatever is carried along."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    @classmethod
    def read(cls, document: str | bytes) -> Self:
        """The value of a document. Raises `ValidationError` for what is no document of this or an additive version."""
        try:
            return cls.model_validate_json(document)
        except ValidationError:
            return cls.model_validate_json(document, extra="allow")

    @property
    def carries(self) -> bool:
        """Whether it was read from a document with fields we do not know."""
        return self.__pydantic_extra__ is not None

    def written(self) -> bytes:
        """Its document, as JSON, with what was carried along."""
        if not self.carries:
            return self.__pydantic_serializer__.to_json(self)
        document = self.model_dump(mode="json")
        _carry(self, document)
        return to_json(document)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__


def _carry(value: Any, document: Any) -> None:
    """Puts the fields that a value carries, at each depth, into its document."""
    if isinstance(value, Value):
        for name in value.__dict__.keys() & document.keys():
            _carry(value.__dict__[name], document[name])
        document.update(value.__pydantic_extra__ or {})
    elif isinstance(value, tuple):
        for inner, part in zip(value, document, strict=True):
            _carry(inner, part)


class EventKind(StrEnum):
    """What happened, in the words of HL7 chapter 3, grouped by what it does to a stay."""

    ADMITTED = "admitted"  # A01
    REGISTERED = "registered"  # A04
    DISCHARGED = "discharged"  # A03
    TRANSFERRED = "transferred"  # A02
    CLASS_CHANGED = "class_changed"  # A06, A07
    UPDATED = "updated"  # A08
    ADMIT_CANCELLED = "admit_cancelled"  # A11
    TRANSFER_CANCELLED = "transfer_cancelled"  # A12
    DISCHARGE_CANCELLED = "discharge_cancelled"  # A13
    PLANNED = "planned"  # A05, A14
    PLAN_CANCELLED = "plan_cancelled"  # A27, A38
    DISCHARGE_EXPECTED = "discharge_expected"  # A16
    EXPECTED_CANCELLED = "expected_cancelled"  # A25
    LEFT_ON_LEAVE = "left_on_leave"  # A21, A53
    BACK_FROM_LEAVE = "back_from_leave"  # A22, A52
    VISIT_DELETED = "visit_deleted"  # A23
    PERSON_DELETED = "person_deleted"  # A29
    PERSON_UPDATED = "person_updated"  # A28, A31
    PERSON_MERGED = "person_merged"  # A18, A34, A36, A39, A40, A46, A47: MRG-1 gives way to PID-3
    ACCOUNT_MERGED = "account_merged"  # A35, A41, A49: MRG-3 gives way to PID-18
    VISIT_MERGED = "visit_merged"  # A42, A50: MRG-5 gives way to PV1-19
    PERSON_MOVED = "person_moved"  # A43: the identifier MRG-1 moves to the person of PID-3
    ACCOUNT_MOVED = "account_moved"  # A44: the account PID-18 leaves MRG-1 for PID-3
    VISIT_MOVED = "visit_moved"  # A45: the visit PV1-19 leaves MRG-1/MRG-3 for PID-3/PID-18
    LINKED = "linked"  # A24
    UNLINKED = "unlinked"  # A37


class EncounterClass(StrEnum):
    """Patient class in the words of HL7 v3 ActEncounterCode, as FHIR's Encounter.class uses them."""

    EMERGENCY = "EMER"
    OBSERVATION = "OBSENC"
    INPATIENT = "IMP"
    AMBULATORY = "AMB"
    PRE_ADMISSION = "PRENC"
    UNKNOWN = "UNK"  # a local code nobody mapped: treated as a possible admission, never as "nothing"


class FacilityKind(StrEnum):
    """What sort of facility a feed or a sending facility is; decides confidentiality and clocks."""

    ACUTE = "acute"
    PSYCHIATRIC = "psychiatric"  # a facility under NC G.S. 122C
    SUBSTANCE_USE = "substance_use"  # a 42 CFR Part 2 programme
    SKILLED_NURSING = "skilled_nursing"
    REHABILITATION = "rehabilitation"
    LONG_TERM_ACUTE = "long_term_acute"


class Identifier(Value):
    """A value with the authority that issued it, as in CX.1/CX.4/CX.5; `system` is "" when none was given."""

    system: str
    value: str
    type: str = ""

    @property
    def names_a_record(self) -> bool:
        """Whether it is a number of the patient's own record, by its type (`RECORD_NUMBERS`)."""
        return self.type.upper() in RECORD_NUMBERS


# HL7 table 0203: the types of a patient's own number; "" where the sender gives none
RECORD_NUMBERS: Final = frozenset({"", "MR", "MRN", "MRT", "PI", "PT", "U"})


class PersonName(Value):
    family: str = ""
    given: str = ""
    middle: str = ""
    suffix: str = ""


class Address(Value):
    street: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""
    county: str = ""


class Patient(Value):
    """Whom the hospital names (PID)."""

    identifiers: tuple[Identifier, ...] = ()  # PID-3, then PID-2 and PID-4 where they add something
    name: PersonName = PersonName()
    other_names: tuple[PersonName, ...] = ()  # further PID-5 repetitions, PID-9
    mother_maiden_name: str = ""
    birth_date: date | None = None
    birth_time: datetime | None = None
    sex: str = ""  # HL7 table 0001: F M O U A N
    addresses: tuple[Address, ...] = ()
    phones: tuple[str, ...] = ()  # digits only
    ssn: str = ""  # digits only
    account: Identifier | None = None  # PID-18
    mother: tuple[Identifier, ...] = ()  # PID-21
    multiple_birth: bool = False  # PID-24
    birth_order: int | None = None  # PID-25
    language: str = ""
    deceased: bool | None = None  # PID-30
    deceased_at: datetime | None = None  # PID-29
    primary_care: bool = False  # whether PD1-4, or a ROL of a primary care provider, names somebody


class Diagnosis(Value):
    code: str = ""
    system: str = ""  # as sent in CWE.3, for example I10
    text: str = ""
    type: str = ""  # HL7 table 0052: A admitting, W working, F final
    rank: int | None = None


class Visit(Value):
    """One hospital visit as this message describes it (PV1, PV2, DG1)."""

    encounter_class: EncounterClass | None = None  # None: PV1-2 was absent
    class_code: str = ""  # PV1-2 as sent
    number: Identifier | None = None  # PV1-19
    alternate_number: Identifier | None = None  # PV1-50
    unit: str = ""  # PV1-3.1
    room: str = ""
    bed: str = ""
    prior_unit: str = ""  # PV1-6.1
    prior_facility: str = ""  # PV1-6.4
    attending: str = ""  # PV1-7, "Family, Given"
    service: str = ""  # PV1-10
    admit_source: str = ""  # PV1-14
    admission_type: str = ""  # PV1-4
    disposition: str = ""  # PV1-36 as a code of HL7 table 0112; a word in no table as it was sent
    discharged_to: str = ""  # PV1-37
    admitted_at: datetime | None = None  # PV1-44
    discharged_at: datetime | None = None  # PV1-45
    expected_admit: datetime | None = None  # PV2-8
    expected_discharge: datetime | None = None  # PV2-9
    complaint: str = ""  # PV2-3 text, else its code
    newborn: bool = False  # PV2-36, or a name such as BABYBOY
    diagnoses: tuple[Diagnosis, ...] = ()
    diagnoses_deleted: tuple[Diagnosis, ...] = ()  # DG1-21 D: no longer so


class Prior(Value):
    """Who or what gives way in a merge or a move (MRG)."""

    identifiers: tuple[Identifier, ...] = ()  # MRG-1
    account: Identifier | None = None  # MRG-3
    visit: Identifier | None = None  # MRG-5
    name: PersonName = PersonName()  # MRG-7


class Finding(StrEnum):
    """What was read around, and what to ask the hospital to fix; never a reason to drop a message."""

    LINE_END_NOT_CR = "line_end_not_cr"
    SEGMENT_NAME_BLANK = "segment_name_blank"  # a blank between a segment's name and its first separator
    TRIGGER_FROM_EVN = "trigger_from_evn"
    TRIGGER_FROM_STRUCTURE = "trigger_from_structure"
    TRIGGER_DISAGREES = "trigger_disagrees"
    STRUCTURE_WRONG = "structure_wrong"
    STRUCTURE_MISSING = "structure_missing"
    CHARSET_MISSING = "charset_missing"
    CHARSET_UNKNOWN = "charset_unknown"
    CHARSET_LYING = "charset_lying"
    PROCESSING_ID_UNKNOWN = "processing_id_unknown"  # MSH-11 is not of HL7 table 0103, nor a word for a test
    VERSION_UNKNOWN = "version_unknown"
    CONTROL_ID_MISSING = "control_id_missing"
    VISIT_NUMBER_MISSING = "visit_number_missing"
    ADMIT_TIME_MISSING = "admit_time_missing"
    TIME_UNREADABLE = "time_unreadable"
    TIME_CUT = "time_cut"  # read as far as it is certain
    TIME_ZONE_ASSUMED = "time_zone_assumed"
    TIME_AMBIGUOUS = "time_ambiguous"
    TIME_NONEXISTENT = "time_nonexistent"
    TIME_IMPLAUSIBLE = "time_implausible"  # a placeholder, or after the message that tells of it: not used
    AUTHORITY_MISSING = "authority_missing"
    CLASS_UNKNOWN = "class_unknown"
    DISPOSITION_UNKNOWN = "disposition_unknown"
    DEATH_DISAGREES = "death_disagrees"  # PID-29 names a time of death, PID-30 or the birth date says otherwise
    CLASS_MISSING = "class_missing"
    FACILITY_ASSUMED = "facility_assumed"
    ESCAPE_UNKNOWN = "escape_unknown"
    VALUE_TOO_LONG = "value_too_long"  # cut or left out: longer, or repeated more often, than any real one
    DEFAULT_BIRTH_DATE = "default_birth_date"
    PLACEHOLDER_NAME = "placeholder_name"
    PLACEHOLDER_NUMBER = "placeholder_number"  # UNKNOWN, 000000: nobody's number, and not kept


class Note(Value):
    """A finding and the HL7 address where it was made."""

    finding: Finding
    place: str  # for example "PV1-2"


class Group(Value):
    """A further group of a message that repeats them: another pair that is merged, another visit that is moved."""

    patient: Patient
    visit: Visit | None = None
    prior: Prior | None = None
    stay_keys: tuple[Identifier, ...] = ()


class Event(Value):
    """One message that may change what we know about a person or a stay."""

    message_id: str  # ours, 32 hex digits; sorts by time of receipt
    kind: EventKind
    trigger: str  # for example "A01"
    feed: str  # configured name of the feed
    facility: str  # where it happened, as the feed is configured to name it
    facility_kind: FacilityKind = FacilityKind.ACUTE
    facility_from: str = ""  # the HL7 address that named it; "" when the feed is configured with it
    sender: str = ""  # MSH-4, else MSH-3
    occurred_at: datetime  # PV1-44 for admissions, PV1-45 for discharges, else EVN-6, EVN-2, MSH-7
    recorded_at: datetime  # EVN-2, unless MSH-7 knows better: the order in which the sender learned things
    recorded_from: str = "EVN-2"  # or "MSH-7", by which a message sent again differs from the first
    received_at: datetime  # when we took the message
    control_id: str = ""  # MSH-10: shown to people, never an identity
    patient: Patient = Patient()
    visit: Visit | None = None
    prior: Prior | None = None
    stay_keys: tuple[Identifier, ...] = ()  # best first: PV1-19, PID-18, MRN + PV1-44; system carries the facility
    cleared: frozenset[str] = frozenset()  # HL7 addresses sent as "" (delete), for example "PV1-45"
    fingerprint: str  # digest of what the message says, without MSH-7, MSH-10 and batch wrapping
    notes: tuple[Note, ...] = ()
    groups: tuple[Group, ...] = ()  # what A40, A42, A45 and their like say beyond the first pair

    def parts(self) -> "tuple[Event, ...]":
        """The event of each group, in the order of the message; itself alone when the message has but one."""
        if not self.groups:
            return (self,)
        first = self.model_copy(update={"groups": ()})
        return (
            first,
            *(
                first.model_copy(
                    update={
                        "patient": group.patient,
                        "visit": group.visit,
                        "prior": group.prior,
                        "stay_keys": group.stay_keys,
                    }
                )
                for group in self.groups
            ),
        )


FIRST_SCHEMA: Final = 1
