"""One thing a person did about a stay in; what is wrong with it, or the word by which the rules know it, out.

Acts are append-only. Nothing of a follow-up is stored but acts: state, holder and clocks are computed from them
(`rules.following.state`, `holder`, `meets`). `happened_at` is when it was done, `recorded_at` when it was written down;
work done on paper and entered late counts by when it was done. A correction is an act that names the act it replaces
(`supersedes`), taking back is one that names what it takes back; both stay readable.

Every model here may hold what was said about a patient, so its `repr` names the type only (`Value`).
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from parsers.events import Value
from parsers.people import Role


class ActKind(StrEnum):
    """What a person can do about a stay. The values are stored; they never change."""

    TAKE = "take"
    GIVE_BACK = "give_back"
    HAND_OVER = "hand_over"  # offered to a colleague; mine until accepted
    ACCEPT = "accept"  # what was handed over
    ASSIGN = "assign"  # a manager gives it to somebody
    ATTEMPT = "attempt"  # tried to reach somebody; `outcome` says what came of it
    UNABLE = "unable"  # a person declares that the patient cannot be reached
    VISIT_BOOKED = "visit_booked"
    VISIT_KEPT = "visit_kept"
    VISIT_MISSED = "visit_missed"
    MEDICINES_RECONCILED = "medicines_reconciled"
    PAPERS_FILED = "papers_filed"  # the hospital's discharge information is in the record
    GUIDE_ANSWERED = "guide_answered"
    REFERRAL = "referral"  # one step of one referral
    NOTE = "note"
    CONTACT_WISHES = "contact_wishes"  # how the person wants to be reached; of the person, not of the stay
    REMIND = "remind"  # out of the way until a time
    ASK = "ask"  # a question to a colleague
    ANSWER = "answer"
    NOT_OURS = "not_ours"
    NOTED = "noted"  # "OK, noted" of a version
    CLOSE = "close"
    REOPEN = "reopen"
    UNDO = "undo"


class Mode(StrEnum):
    """By which way somebody was tried."""

    PHONE = "phone"
    VIDEO = "video"
    IN_PERSON = "in_person"
    PORTAL = "portal"  # portal or e-mail, two-way
    TEXT = "text"
    LETTER = "letter"
    THROUGH_ANOTHER = "through_another"


class With(StrEnum):
    PATIENT = "patient"
    CAREGIVER = "caregiver"
    FACILITY = "facility"
    OTHER = "other"


class Outcome(StrEnum):
    """What an attempt came to."""

    REACHED = "reached"
    LEFT_MESSAGE = "left_message"
    NO_ANSWER = "no_answer"
    WRONG_NUMBER = "wrong_number"
    OUT_OF_SERVICE = "out_of_service"
    DECLINED = "declined"
    LANGUAGE_BARRIER = "language_barrier"
    IN_FACILITY = "in_facility"
    SENT = "sent"  # a letter, or a message that nobody answered yet


class CloseReason(StrEnum):
    DONE = "done"
    NOT_REACHED = "not_reached"
    DECLINED = "declined"
    NOT_OURS = "not_ours"
    OTHER_MANAGER = "other_manager"  # has another case manager
    MOVED_AWAY = "moved_away"
    DIED = "died"
    IN_HOSPITAL_AGAIN = "in_hospital_again"
    IN_FACILITY = "in_facility"
    ENTERED_IN_ERROR = "entered_in_error"
    SUPERSEDED = "superseded"
    NO_CALL_NEEDED = "no_call_needed"
    OTHER = "other"


class MayLeave(StrEnum):
    """Whether a message may be left for somebody (45 CFR 164.522(b): how a person asks to be reached)."""

    UNKNOWN = "unknown"  # nobody has asked
    NO = "no"
    UNNAMED = "unnamed"  # without the name of the practice
    YES = "yes"


class NumberUse(StrEnum):
    FIRST = "first"
    NEVER = "never"


class ReferralStep(StrEnum):
    """FHIR R4 ServiceRequest and Task in the order of a closed loop; the last four end it."""

    MADE = "made"
    SENT = "sent"
    ACCEPTED = "accepted"
    BOOKED = "booked"
    KEPT = "kept"
    REPORTED = "reported"  # the report is back
    CLOSED = "closed"
    DECLINED = "declined"
    MISSED = "missed"
    WITHDRAWN = "withdrawn"


class Act(Value):
    """One row of a stay's story."""

    act_id: str  # given by whoever sends it, so that sending it again adds nothing
    kind: ActKind
    by: str  # case_manager_id
    role: Role
    on_behalf_of: str = ""  # whom `by` covered for
    version: int = 0  # of the alert that was before the person
    happened_at: datetime
    recorded_at: datetime
    supersedes: str = ""  # act_id of what this corrects or, with UNDO, takes back
    for_id: str = ""  # whom it is handed to, given to or asked of
    mode: Mode | None = None
    with_whom: With | None = None
    who: str = ""  # name and relation of the helper, or with whom a visit is
    outcome: Outcome | None = None
    number: str = ""  # digits dialed, or that `number_use` speaks of
    number_use: NumberUse | None = None
    message: MayLeave | None = None
    minutes: int | None = None
    language: str = ""
    interpreter: bool | None = None
    day: date | None = None  # of a visit, or papers
    until: datetime | None = None  # remind: when it comes back; attempt: when to try again
    close_reason: CloseReason | None = None
    answers: Mapping[str, str] = {}  # of a call guide: question id -> answer id
    guide: str = ""
    referral_id: str = ""
    referral_step: ReferralStep | None = None
    referral_to: str = ""
    answers_act: str = ""  # act_id of the question an ANSWER answers, or of the hand-over an ACCEPT accepts
    text: str = ""  # what was said, short; never leaves the store in a notification


class ActFault(StrEnum):
    """What can be wrong with an act before it is written; closed, counted, answered in words."""

    FIELD_MISSING = "field_missing"
    IN_THE_FUTURE = "in_the_future"
    BEFORE_THE_EVENT = "before_the_event"
    TOO_LONG = "too_long"
    NOT_YOURS = "not_yours"  # only one's own act is taken back or corrected
    NO_SUCH_ACT = "no_such_act"
    TOO_LATE_TO_UNDO = "too_late_to_undo"
    ROLE_MAY_NOT = "role_may_not"
    TOO_FAR = "too_far"  # a time more than a year away
    NO_SUCH_PERSON = "no_such_person"
    NO_SUCH_VERSION = "no_such_version"
    NOT_ALLOWED = "not_allowed"  # by what the person is to the patient
    ACT_ID_TAKEN = "act_id_taken"  # by another act
    WHY_SO_LATE = "why_so_late"  # written down by hand more than a day after, without a word on it


class Fault(NamedTuple):
    code: ActFault
    field: str = ""


MAX_TEXT: Final = 1000  # characters of a note
MAX_ANSWERS: Final = 100
MAX_NUMBER: Final = 1_000_000  # of a version or of minutes
NEAR: Final = timedelta(days=400)  # nothing that is written today happened, or is planned, further away
UNDO_FOR: Final = timedelta(seconds=30)  # ten on the page, and what a slow line needs
AHEAD: Final = timedelta(minutes=2)  # a clock of another machine
MAY_RECONCILE: Final = frozenset(
    {Role.NURSE, Role.PHARMACIST, Role.MEDICAL_DIRECTOR}
)  # HEDIS TRC 4: prescriber, pharmacist, RN
CLINICAL: Final = frozenset(
    {Role.NURSE, Role.PHARMACIST, Role.SOCIAL_WORKER, Role.MEDICAL_DIRECTOR, Role.CARE_COORDINATOR}
)

_NEEDS: Final[Mapping[ActKind, tuple[str, ...]]] = {
    ActKind.TAKE: (),
    ActKind.GIVE_BACK: (),
    ActKind.HAND_OVER: ("for_id",),
    ActKind.ACCEPT: ("answers_act",),
    ActKind.ASSIGN: ("for_id",),
    ActKind.ATTEMPT: ("outcome", "mode"),
    ActKind.UNABLE: (),
    ActKind.VISIT_BOOKED: ("day",),
    ActKind.VISIT_KEPT: ("day",),
    ActKind.VISIT_MISSED: ("day",),
    ActKind.MEDICINES_RECONCILED: (),
    ActKind.PAPERS_FILED: ("day",),
    ActKind.GUIDE_ANSWERED: ("guide", "answers"),
    ActKind.REFERRAL: ("referral_id", "referral_step"),
    ActKind.NOTE: ("text",),
    ActKind.CONTACT_WISHES: ("message",),
    ActKind.REMIND: ("until",),
    ActKind.ASK: ("for_id", "text"),
    ActKind.ANSWER: ("answers_act",),
    ActKind.NOT_OURS: (),
    ActKind.NOTED: (),
    ActKind.CLOSE: ("close_reason",),
    ActKind.REOPEN: (),
    ActKind.UNDO: ("supersedes",),
}
assert _NEEDS.keys() == set(ActKind)


class Word(StrEnum):
    """What an act says to the follow-up: the columns of `rules.following.state.TABLE`."""

    CONTACT = "contact"  # two people talked
    TRY = "try"  # tried, nobody reached
    DECLINED = "declined"
    IN_FACILITY = "in_facility"
    UNABLE = "unable"
    WORK = "work"  # a visit, medicines, papers, a guide, a referral: moves a clock, not the state by itself
    ASIDE = "aside"  # note, question, answer, reminder, who has it
    NOTED = "noted"
    CLOSE = "close"
    REOPEN = "reopen"


_WORDS: Final[Mapping[ActKind, Word]] = {
    ActKind.UNABLE: Word.UNABLE,
    ActKind.VISIT_BOOKED: Word.WORK,
    ActKind.VISIT_KEPT: Word.WORK,
    ActKind.VISIT_MISSED: Word.WORK,
    ActKind.MEDICINES_RECONCILED: Word.WORK,
    ActKind.PAPERS_FILED: Word.WORK,
    ActKind.GUIDE_ANSWERED: Word.WORK,
    ActKind.REFERRAL: Word.WORK,
    ActKind.NOTED: Word.NOTED,
    ActKind.CLOSE: Word.CLOSE,
    ActKind.NOT_OURS: Word.CLOSE,
    ActKind.REOPEN: Word.REOPEN,
}
_OUTCOMES: Final[Mapping[Outcome, Word]] = {
    Outcome.REACHED: Word.CONTACT,
    Outcome.LEFT_MESSAGE: Word.TRY,
    Outcome.NO_ANSWER: Word.TRY,
    Outcome.WRONG_NUMBER: Word.TRY,
    Outcome.OUT_OF_SERVICE: Word.TRY,
    Outcome.DECLINED: Word.DECLINED,
    Outcome.LANGUAGE_BARRIER: Word.TRY,
    Outcome.IN_FACILITY: Word.IN_FACILITY,
    Outcome.SENT: Word.TRY,
}
assert _OUTCOMES.keys() == set(Outcome)
_PEOPLE_TALKED_WITH: Final = frozenset({With.PATIENT, With.CAREGIVER, None})


def word(act: Act) -> Word:
    """The word of an act. Talking with somebody else than the patient or a caregiver is a try."""
    if act.kind is ActKind.ATTEMPT:
        said = _OUTCOMES[act.outcome or Outcome.NO_ANSWER]
        return said if said is not Word.CONTACT or act.with_whom in _PEOPLE_TALKED_WITH else Word.TRY
    return _WORDS.get(act.kind, Word.ASIDE)


def faults(act: Act, began_at: datetime | None) -> tuple[Fault, ...]:
    """Every fault of one act by itself. `began_at`: when the stay began; nothing was done about it before."""
    faulty = [Fault(ActFault.FIELD_MISSING, name) for name in _NEEDS[act.kind] if getattr(act, name) in (None, "", {})]
    if act.kind is ActKind.CONTACT_WISHES and bool(act.number) is (act.number_use is None):
        faulty.append(Fault(ActFault.FIELD_MISSING, "number_use" if act.number else "number"))
    faulty += [Fault(ActFault.TOO_LONG, name) for name, value in act if _long(value)]
    if act.until is not None and abs(act.until - act.recorded_at) > NEAR:
        faulty.append(Fault(ActFault.TOO_FAR, "until"))
    if act.day is not None and abs(act.day - act.recorded_at.date()) > NEAR:
        faulty.append(Fault(ActFault.TOO_FAR, "day"))
    if act.happened_at > act.recorded_at + AHEAD:
        faulty.append(Fault(ActFault.IN_THE_FUTURE, "happened_at"))
    elif began_at is not None and act.happened_at < began_at:
        faulty.append(Fault(ActFault.BEFORE_THE_EVENT, "happened_at"))
    elif act.recorded_at - act.happened_at > NEAR:
        faulty.append(Fault(ActFault.TOO_FAR, "happened_at"))
    if act.kind is ActKind.MEDICINES_RECONCILED and act.role not in MAY_RECONCILE:
        faulty.append(Fault(ActFault.ROLE_MAY_NOT, "kind"))
    return tuple(faulty)


def _long(value: object) -> bool:
    """Longer than anything a person writes: a text, or the answers to a guide."""
    if isinstance(value, Mapping):
        return len(value) > MAX_ANSWERS or any(_long(part) for pair in value.items() for part in pair)
    if isinstance(value, int):
        return not 0 <= value <= MAX_NUMBER
    return isinstance(value, str) and len(value) > MAX_TEXT


def may_replace(act: Act, before: Iterable[Act]) -> Fault | None:
    """Why `act` may not take back or correct what it names; `None` when it may, or names nothing."""
    if not act.supersedes:
        return None
    former = next((earlier for earlier in before if earlier.act_id == act.supersedes), None)
    if former is None or former.kind is ActKind.UNDO:
        return Fault(ActFault.NO_SUCH_ACT, "supersedes")
    if former.by != act.by:
        return Fault(ActFault.NOT_YOURS, "supersedes")
    if act.kind is ActKind.UNDO and act.recorded_at - former.recorded_at > UNDO_FOR:
        return Fault(ActFault.TOO_LATE_TO_UNDO, "supersedes")
    return None


def effective(acts: Iterable[Act]) -> tuple[Act, ...]:
    """The acts that count, by when they happened: once each by `act_id`, without what was taken back or corrected.

    The order of delivery does not matter: ties go by who and by `act_id`.
    """
    once = {act.act_id: act for act in acts}
    gone: set[str] = set()
    for act in sorted(once.values(), key=lambda act: (act.recorded_at, act.act_id), reverse=True):
        if act.supersedes and act.act_id not in gone:  # what was itself taken back takes nothing away
            gone.add(act.supersedes)
    left = [act for act in once.values() if act.act_id not in gone and act.kind is not ActKind.UNDO]
    return tuple(sorted(left, key=lambda act: (act.happened_at, act.recorded_at, act.by, act.act_id)))
