"""What the rules conclude: stays, alert versions, clocks, and why. Values only; JSON on the alerts topic."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import AliasChoices, Field

from parsers.events import Diagnosis, EncounterClass, Event, FacilityKind, Identifier, Value
from parsers.people import Enrollee, RiskTier
from rules.registers import Registers


class Grade(StrEnum):
    """FHIR match-grade, plus what the review queue works on."""

    CERTAIN = "certain"
    PROBABLE = "probable"
    POSSIBLE = "possible"
    CERTAINLY_NOT = "certainly-not"


class Match(Value):
    """Between the patient of a message and the panel."""

    grade: Grade
    enrollee_id: str | None = None
    runner_up: str | None = None
    weight: float = 0.0
    evidence: dict[str, str] = Field(default_factory=dict)  # field -> agreement word, as {"birth_date": "equal"}
    others: tuple[tuple[str, str], ...] = ()  # the patient's record numbers that are another enrollee's, as compared


class Action(StrEnum):
    NOTIFY = "notify"  # first version of an alert
    AMEND = "amend"  # a further version
    RETRACT = "retract"  # the alert was not true; told to exactly those who were told
    SUPPRESS = "suppress"  # nothing to tell; the reason says why
    HOLD = "hold"  # waits for a person's decision on a possible match


class Reason(StrEnum):
    """Why: closed, counted, shown to people in words (`streams.words.reasons`) and listed in the README. A row each:
    the word, and whether whoever may only know that something happened (`Tier.GENERAL`) reads it.
    """

    general: bool

    def __new__(cls, word: str, general: bool | None = None) -> "Reason":
        if general is None:
            raise TypeError(f"the reason {word} does not say how far it goes")
        member = str.__new__(cls, word)
        member._value_ = word
        member.general = general
        return member

    # what was told
    ED_ARRIVAL = "ed_arrival", True
    ADMITTED = "admitted", True
    OBSERVATION = "observation", True
    TRANSFERRED_IN = "transferred_in", True
    DISCHARGED = "discharged", True
    DISCHARGED_WITHOUT_ADMISSION = "discharged_without_admission", True
    CLASS_CHANGED = "class_changed", True
    DIAGNOSIS_ADDED = "diagnosis_added", False
    DISPOSITION_ADDED = "disposition_added", False
    DISPOSITION_CORRECTED = "disposition_corrected", False
    TIME_CORRECTED = "time_corrected", True  # the day of the admission or of the discharge is another than was told
    ATTENDING_CHANGED = "attending_changed", False
    EXPECTED_DISCHARGE_CHANGED = "expected_discharge_changed", False
    IDENTITY_CORRECTED = "identity_corrected", True
    LEFT_AGAINST_ADVICE = "left_against_advice", False
    DIED = "died", True
    DEATH_TAKEN_BACK = "death_taken_back", True
    NEWBORN = "newborn", False
    READMISSION = "readmission", True
    ED_HIGH_UTILIZER = "ed_high_utilizer", False
    RECENT_SNF_STAY = "recent_snf_stay", False
    BEHAVIORAL_HEALTH = "behavioral_health", False
    OVERDOSE = "overdose", False
    URGENCY_TAKEN_BACK = "urgency_taken_back", False  # an overdose or mental-health reason that was told is gone
    PLANNED_ADMISSION = "planned_admission", True
    CODE_CAME_LATE = "code_came_late", False  # the rule fired late because the code came late
    UNKNOWN_CLASS = "unknown_class", False
    REGISTERED = "registered", True  # under a class we do not know: a visit, perhaps of a clinic
    LATE_ENROLLMENT = "late_enrollment", True
    RELEASED_BY_REVIEW = "released_by_review", True
    # what was taken back
    ADMISSION_CANCELLED = "admission_cancelled", True
    DISCHARGE_CANCELLED = "discharge_cancelled", True
    TRANSFER_CANCELLED = "transfer_cancelled", True
    VISIT_DELETED = "visit_deleted", True
    PERSON_DELETED = "person_deleted", True
    MOVED_TO_ANOTHER_PERSON = "moved_to_another_person", True
    MERGED = "merged", True
    BACK_TO_OUTPATIENT = "back_to_outpatient", True
    FOLLOW_UP_ENDED = "follow_up_ended", False  # an inpatient stay follows: FUH, FUM and FUA of this one are not asked
    FOLLOW_UP_AGAIN = "follow_up_again", False  # and that stay was taken back
    # why nothing was told
    NOT_ON_PANEL = "not_on_panel", False
    NOT_ENROLLED_ON_DAY = "not_enrolled_on_day", False
    POSSIBLE_MATCH = "possible_match", False
    MATCH_REJECTED = "match_rejected", False
    NOTHING_NEW = "nothing_new", False
    OUTPATIENT = "outpatient", False
    PLANNED_ONLY = "planned_only", False
    MOVE_WITHIN_FACILITY = "move_within_facility", False
    LEAVE_OF_ABSENCE = "leave_of_absence", False
    STAY_UNKNOWN = "stay_unknown", False  # a cancel or an update of a stay we never saw
    STAY_BEFORE_ENROLLMENT = "stay_before_enrollment", False
    OUT_OF_ORDER = "out_of_order", False  # an older message about a stay that has moved on
    IDENTITY_ONLY = "identity_only", False
    MUTED_BY_POLICY = "muted_by_policy", False


class StayStatus(StrEnum):
    """FHIR R4 Encounter.status words."""

    UNKNOWN = "unknown"  # only updates have told of it so far; nobody is told until a start or a discharge comes
    PLANNED = "planned"
    IN_PROGRESS = "in-progress"
    ON_LEAVE = "onleave"
    FINISHED = "finished"
    CANCELLED = "cancelled"  # it did not happen (A11, A27, A38)
    ENTERED_IN_ERROR = "entered-in-error"  # it was somebody else's, or was deleted (A23, A29, moves)


class AlertKind(StrEnum):
    """What the latest version of an alert is about."""

    ED_VISIT = "ed_visit"
    OBSERVATION = "observation"
    ADMISSION = "admission"
    TRANSFER = "transfer"
    DISCHARGE = "discharge"
    DEATH = "death"


class Priority(StrEnum):
    URGENT = "urgent"
    HIGH = "high"
    ROUTINE = "routine"
    DIGEST = "digest"


class ClockKind(StrEnum):
    TCM_CONTACT = "tcm_contact"
    TCM_VISIT = "tcm_visit"
    TRC_ADMISSION_NOTICE = "trc_admission_notice"
    TRC_DISCHARGE_INFORMATION = "trc_discharge_information"
    TRC_ENGAGEMENT = "trc_engagement"
    TRC_MEDICATION_RECONCILIATION = "trc_medication_reconciliation"
    FUH_7 = "fuh_7"
    FUH_30 = "fuh_30"
    FUM_7 = "fum_7"
    FUM_30 = "fum_30"
    FUA_7 = "fua_7"
    FUA_30 = "fua_30"


class DischargeElement(StrEnum):
    """The six things TRC's discharge information must hold (HEDIS TRC, receipt of discharge information)."""

    PRACTITIONER = "practitioner"  # who was responsible for the stay
    PROCEDURES = "procedures"  # or treatment
    DIAGNOSES = "diagnoses"  # at discharge
    MEDICINES = "medicines"  # current ones, with allergies
    TEST_RESULTS = "test_results"  # or pending, or none pending
    INSTRUCTIONS = "instructions"  # for care after discharge


class ClockStatus(StrEnum):
    RUNNING = "running"
    MET = "met"
    MISSED = "missed"
    STOPPED = "stopped"  # cancelled with the stay, by death, or by a move


class Clock(Value):
    """One deadline, computed from the event's own time."""

    kind: ClockKind
    starts_at: datetime
    due_at: datetime
    status: ClockStatus = ClockStatus.RUNNING
    stopped_by: str = ""  # what stopped it: a reason or an action
    met_at: datetime | None = None  # the dated evidence, once it is met
    hours_lost: float = 0.0  # between the event and our knowing of it
    calendar: str = ""  # counted in business days: whose holidays were left out, "federal" or a state
    same_day: bool = True  # what is done on the day of the event counts
    tries: int = 0  # so many separate tries in time count as tried; 0: only what meets it counts
    notice_at: datetime | None = None  # when the practice could see a notice that is only a part of what is asked
    missing: tuple[DischargeElement, ...] = ()  # and what that notice did not bring
    assumed: bool = False  # the payer is not known; it runs as if the measure asked for it


class Owner(Value):
    """A person the alert is for, and which branch of the routing tree said so."""

    case_manager_id: str
    because: str  # route name, for example "practice", "network", "lme_mco", "central_office"


class Change(Value):
    """One thing that differs from the version before."""

    field: str  # for example "status", "encounter_class", "diagnoses", "disposition"
    before: str = ""
    after: str = ""


class Stay(Value):
    """One hospital visit of one enrollee, as far as the messages so far tell."""

    stay_id: str  # ours; from the message that opened it, so it names nobody
    enrollee_id: str
    facility: str
    facility_kind: FacilityKind = FacilityKind.ACUTE
    feed: str = ""
    keys: tuple[Identifier, ...] = ()  # every key a message has used for it
    patient_ids: tuple[Identifier, ...] = ()  # the MRNs it has run under
    encounter_class: EncounterClass = EncounterClass.UNKNOWN
    highest_class: EncounterClass = EncounterClass.UNKNOWN  # an ED visit that became inpatient stays one for the rules
    status: StayStatus = StayStatus.IN_PROGRESS
    started_at: datetime | None = None
    ended_at: datetime | None = None
    disposition: str = ""
    diagnoses: tuple[Diagnosis, ...] = ()
    complaint: str = ""
    attending: str = ""
    unit: str = ""
    expected_discharge: datetime | None = None
    planned: bool = False
    newborn: bool = False
    died: bool = False
    last_recorded_at: datetime | None = None  # recorded_at of the newest message applied
    opened_by: str = ""  # message_id
    merged_into: str = ""  # stay_id of the survivor
    registers: Registers = Field(Registers(), validation_alias=AliasChoices("registers", "memory"))


class Alert(Value):
    """One version of the living alert of a stay: what a person reads."""

    alert_id: str  # stable for the stay's life
    version: int  # from 1, without gaps
    stay_id: str
    enrollee_id: str
    kind: AlertKind
    encounter_class: EncounterClass
    status: StayStatus
    priority: Priority
    owners: tuple[Owner, ...]
    told: tuple[str, ...] = ()  # case_manager_ids told by any version so far, this one included
    action: Action
    reasons: tuple[Reason, ...]
    changes: tuple[Change, ...] = ()
    clocks: tuple[Clock, ...] = ()
    facility: str
    facility_kind: FacilityKind = FacilityKind.ACUTE
    occurred_at: datetime  # when what this version tells happened
    decided_at: datetime
    message_id: str
    trigger: str
    control_id: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    disposition: str = ""
    diagnoses: tuple[Diagnosis, ...] = ()
    complaint: str = ""
    attending: str = ""
    unit: str = ""
    expected_discharge: datetime | None = None
    risk_tier: RiskTier = RiskTier.UNKNOWN
    ed_visits: int = 0  # in the policy's window, this one included
    ed_window_days: int = 0
    grade: Grade = Grade.CERTAIN
    evidence: dict[str, str] = Field(default_factory=dict)
    rule: str = ""  # name of the policy rule that set kind and priority
    route: str = ""  # the routing explanation in words


class CrosswalkChange(Value):
    """From now on this identifier means this enrollee (or nobody, when `enrollee_id` is None)."""

    identifier: Identifier
    enrollee_id: str | None


class History(NamedTuple):
    """What is already known, as far as one event can touch it. Holds PHI."""

    stays: tuple[Stay, ...] = ()  # of the enrollee(s) in question, and any with one of the event's keys
    alerts: tuple[Alert, ...] = ()  # the latest version of each of those stays' alerts
    seen: bool = False  # an event with this fingerprint has been decided before
    earlier: tuple[Event, ...] = ()  # kept of people who were nobody's: of the number that gives way, or of this visit
    enrollees: tuple[Enrollee, ...] = ()  # the matched one, the prior one, and owners of the stays above

    def __repr__(self) -> str:
        return "<History>"


class Decision(Value):
    """The answer to one event."""

    action: Action
    reasons: tuple[Reason, ...]
    duplicate: bool = False
    stays: tuple[Stay, ...] = ()  # to be written: new or changed
    alerts: tuple[Alert, ...] = ()  # new versions, to be written and told; a move may give two
    crosswalk: tuple[CrosswalkChange, ...] = ()
    stay_id: str = ""  # the stay the event was about, also when nothing of it changed
    waits: bool = False  # for a person's decision on a possible match, also where it took something back at once
    caught_up: tuple[str, ...] = ()  # message ids of `History.earlier` that have become somebody's
    waiting: dict[int, str] = Field(default_factory=dict)  # number of each group that waits -> id it waits under
