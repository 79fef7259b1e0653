"""What people do about a stay, in words: an act, a follow-up, a verdict or an escalation step in, a sentence out. Pure.

Every member of a closed set has its words; one without them fails at import.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Final

from rules.following.acts import Act, ActFault, ActKind, CloseReason, Mode, Outcome, ReferralStep, With
from rules.following.escalation import Ask, CameTo, When
from rules.following.guides.guide import Need
from rules.following.holder import Holding
from rules.following.meets import Standing, Verdict
from rules.following.state import FollowUp, FollowUpState
from streams.words.numbers import count
from streams.words.people import phone
from streams.words.times import ZONE, full_date, time_or_moment
from streams.words.wishes import MAY_LEAVE_WORDS, NUMBER_WORDS

STATE_WORDS: Final[Mapping[FollowUpState, str]] = {
    FollowUpState.IN_HOSPITAL: "In the hospital. Follow-up starts when they leave.",
    FollowUpState.NO_CALL: "No call is required. Call if you think it helps.",
    FollowUpState.TO_CALL: "To call",
    FollowUpState.TRYING: "Tried, not reached yet",
    FollowUpState.REACHED: "Talked; something is still to do",
    FollowUpState.UNABLE: "Could not be reached",
    FollowUpState.PAUSED: "Back in the hospital: this follow-up waits",
    FollowUpState.DONE: "Done",
    FollowUpState.CLOSED: "Closed",
    FollowUpState.DIED: "Died. Do not call the patient.",
    FollowUpState.VOID: "Taken back by the hospital",
}
# After a name: "M. Ortiz, RN left a message".
ACT_WORDS: Final[Mapping[ActKind, str]] = {
    ActKind.TAKE: "has this one",
    ActKind.GIVE_BACK: "gave this back",
    ActKind.HAND_OVER: "offered this to",
    ActKind.ACCEPT: "accepted what was handed over",
    ActKind.ASSIGN: "gave this to",
    ActKind.ATTEMPT: "tried to reach the patient",
    ActKind.UNABLE: "said: could not be reached",
    ActKind.VISIT_BOOKED: "booked a visit",
    ActKind.VISIT_KEPT: "noted that the visit happened",
    ActKind.VISIT_MISSED: "noted that the visit did not happen",
    ActKind.MEDICINES_RECONCILED: "reviewed the medicines",
    ActKind.PAPERS_FILED: "filed the discharge papers",
    ActKind.GUIDE_ANSWERED: "went through the call guide",
    ActKind.REFERRAL: "noted of a referral",
    ActKind.NOTE: "wrote a note",
    ActKind.CONTACT_WISHES: "noted how the patient wants to be reached",
    ActKind.REMIND: "asked to be reminded",
    ActKind.ASK: "asked",
    ActKind.ANSWER: "answered",
    ActKind.NOT_OURS: "said: not our patient",
    ActKind.NOTED: "noted this",
    ActKind.CLOSE: "closed this",
    ActKind.REOPEN: "opened this again",
    ActKind.UNDO: "took that back",
}
OUTCOME_WORDS: Final[Mapping[Outcome, str]] = {
    Outcome.REACHED: "talked with",
    Outcome.LEFT_MESSAGE: "left a message",
    Outcome.NO_ANSWER: "called, no answer",
    Outcome.WRONG_NUMBER: "called, wrong number",
    Outcome.OUT_OF_SERVICE: "called, the number does not work",
    Outcome.DECLINED: "reached the patient, who declined",
    Outcome.LANGUAGE_BARRIER: "called, no common language",
    Outcome.IN_FACILITY: "called: the patient is in a facility",
    Outcome.SENT: "sent a letter or a message",
}
WITH_WORDS: Final[Mapping[With, str]] = {
    With.PATIENT: "the patient",
    With.CAREGIVER: "a family member or helper",
    With.FACILITY: "staff of a facility",
    With.OTHER: "somebody else",
}
MODE_WORDS: Final[Mapping[Mode, str]] = {
    Mode.PHONE: "by phone",
    Mode.VIDEO: "by video",
    Mode.IN_PERSON: "in person",
    Mode.PORTAL: "by portal or e-mail",
    Mode.TEXT: "by text",
    Mode.LETTER: "by letter",
    Mode.THROUGH_ANOTHER: "through somebody else",
}
CLOSE_WORDS: Final[Mapping[CloseReason, str]] = {
    CloseReason.DONE: "everything is done",
    CloseReason.NOT_REACHED: "could not be reached",
    CloseReason.DECLINED: "the patient declined",
    CloseReason.NOT_OURS: "not our patient",
    CloseReason.OTHER_MANAGER: "has another case manager",
    CloseReason.MOVED_AWAY: "moved away",
    CloseReason.DIED: "died",
    CloseReason.IN_HOSPITAL_AGAIN: "back in the hospital",
    CloseReason.IN_FACILITY: "lives in a facility",
    CloseReason.ENTERED_IN_ERROR: "it was entered in error",
    CloseReason.SUPERSEDED: "goes on in another stay",
    CloseReason.NO_CALL_NEEDED: "no call is needed",
    CloseReason.OTHER: "another reason",
}
# The reasons a person may press; the others come about by what hospitals say.
CLOSE_CHOICES: Final = (
    CloseReason.DONE,
    CloseReason.NOT_REACHED,
    CloseReason.DECLINED,
    CloseReason.OTHER_MANAGER,
    CloseReason.MOVED_AWAY,
    CloseReason.IN_FACILITY,
    CloseReason.NO_CALL_NEEDED,
    CloseReason.OTHER,
)
REFERRAL_WORDS: Final[Mapping[ReferralStep, str]] = {
    ReferralStep.MADE: "made",
    ReferralStep.SENT: "sent",
    ReferralStep.ACCEPTED: "accepted",
    ReferralStep.BOOKED: "booked",
    ReferralStep.KEPT: "kept",
    ReferralStep.REPORTED: "report is back",
    ReferralStep.CLOSED: "closed",
    ReferralStep.DECLINED: "declined",
    ReferralStep.MISSED: "missed",
    ReferralStep.WITHDRAWN: "withdrawn",
}
VERDICT_WORDS: Final[Mapping[Verdict, str]] = {
    Verdict.OPEN: "still to do",
    Verdict.MET: "done in time",
    Verdict.MET_LATE: "done late",
    Verdict.TRIED: "tried in time; the call is still to make",
    Verdict.MISSED: "the time has passed and it is not done",
    Verdict.WITHDRAWN: "no longer needed",
}
FAULT_WORDS: Final[Mapping[ActFault, str]] = {
    ActFault.FIELD_MISSING: "something is missing",
    ActFault.IN_THE_FUTURE: "the time lies in the future",
    ActFault.BEFORE_THE_EVENT: "the time lies before the hospital stay",
    ActFault.TOO_LONG: "the text is too long",
    ActFault.NOT_YOURS: "only who wrote it can change it",
    ActFault.NO_SUCH_ACT: "what it names is not there",
    ActFault.TOO_LATE_TO_UNDO: "too late to undo; correct it instead",
    ActFault.ROLE_MAY_NOT: "a nurse, a pharmacist or a prescriber must do this",
    ActFault.TOO_FAR: "the time is more than a year away",
    ActFault.NO_SUCH_PERSON: "nobody of that name is in the directory",
    ActFault.NO_SUCH_VERSION: "this stay changed meanwhile; look again",
    ActFault.NOT_ALLOWED: "this is not yours to do",
    ActFault.ACT_ID_TAKEN: "another act has this id",
    ActFault.WHY_SO_LATE: "it was a while ago; say in the note why it is written down now",
}
NEED_WORDS: Final[Mapping[Need, str]] = {
    Need.MEDICINES: "needs medicines",
    Need.TEACHING: "needs it explained again",
    Need.VISIT: "needs a visit",
    Need.RIDE: "needs a ride",
    Need.FOOD: "needs food",
    Need.HELP_AT_HOME: "needs help at home",
    Need.EQUIPMENT: "needs equipment or home care",
    Need.WORSE: "feels worse: a clinician must look today",
    Need.CRISIS: "may be in danger: stay on the line and call 988 or 911",
    Need.MENTAL_HEALTH: "needs mental-health care",
    Need.SUBSTANCE_USE: "wants help with substance use",
    Need.NALOXONE: "needs naloxone",
    Need.BABY_CARE: "needs help with the baby's care",
}
WHEN_WORDS: Final[Mapping[When, str]] = {
    When.NOBODY_TOOK: "nobody had this",
    When.NOTHING_TRIED: "nobody had tried yet",
    When.DUE_SOON: "the time was running out",
}
ASK_WORDS: Final[Mapping[Ask, str]] = {
    Ask.OWNER: "whom it is for",
    Ask.HOLDER: "who has it",
    Ask.COVER: "who covers",
    Ask.TEAM: "the team",
    Ask.MANAGER: "the network manager",
    Ask.CENTRAL_OFFICE: "the central office",
}
CAME_TO_WORDS: Final[Mapping[CameTo, str]] = {
    CameTo.ASKED: "asked",
    CameTo.NOBODY_ON_DUTY: "nobody was on duty; the next was asked at once",
    CameTo.ASKED_BEFORE: "asked before; the next was asked at once",
    CameTo.OVERTAKEN: "was overtaken by a later step",
}
_OWN_WORDS: Final[Mapping[ActKind, str]] = {
    ActKind.TAKE: "is yours",
    ActKind.GIVE_BACK: "given back; nobody has this now",
    ActKind.NOTED: "noted",
    ActKind.NOTE: "note written",
    ActKind.CONTACT_WISHES: "kept how to reach them",
}

for _words, _members in (
    (STATE_WORDS, FollowUpState), (ACT_WORDS, ActKind), (OUTCOME_WORDS, Outcome), (WITH_WORDS, With),
    (MODE_WORDS, Mode), (CLOSE_WORDS, CloseReason), (REFERRAL_WORDS, ReferralStep), (VERDICT_WORDS, Verdict),
    (FAULT_WORDS, ActFault), (NEED_WORDS, Need), (WHEN_WORDS, When), (ASK_WORDS, Ask), (CAME_TO_WORDS, CameTo),
):  # fmt: skip
    assert set(map(str, _words)) == set(map(str, _members)), _members.__name__


def did(act: Act, name: Callable[[str], str]) -> str:
    """What one act says in the story: "M. Ortiz, RN left a message by phone". `name`: a person by id."""
    who = name(act.by) + (f" (for {name(act.on_behalf_of)})" if act.on_behalf_of else "")
    return f"{who} {_what(act, name)}"


def _what(act: Act, name: Callable[[str], str]) -> str:
    words = ACT_WORDS[act.kind]
    match act.kind:
        case ActKind.ATTEMPT if act.outcome is not None:
            words = OUTCOME_WORDS[act.outcome]
            if act.outcome is Outcome.REACHED:
                words = f"{words} {WITH_WORDS[act.with_whom or With.PATIENT]}"
            by_phone = act.outcome not in (Outcome.REACHED, Outcome.LEFT_MESSAGE, Outcome.DECLINED)
            return (
                words
                if act.mode is None or (act.mode is Mode.PHONE and by_phone)
                else f"{words} {MODE_WORDS[act.mode]}"
            )
        case ActKind.HAND_OVER | ActKind.ASSIGN | ActKind.ASK:
            return f"{words} {name(act.for_id)}"
        case ActKind.CLOSE if act.close_reason is not None:
            return f"{words}: {CLOSE_WORDS[act.close_reason]}"
        case ActKind.REFERRAL if act.referral_step is not None:
            about = f" to {act.referral_to}" if act.referral_to else ""
            return f"noted of the referral{about}: {REFERRAL_WORDS[act.referral_step]}"
    return words


def written(act: Act, name: Callable[[str], str], now: datetime, zone: tzinfo = ZONE) -> str:
    """What one's own press wrote, for the line that confirms it: "left a message by phone"."""
    when = f", again {time_or_moment(act.until, now, zone)}" if act.until else ""
    return f"{_OWN_WORDS.get(act.kind, '') or _what(act, name)}{when}"


def details(act: Act, now: datetime, zone: tzinfo = ZONE) -> tuple[str, ...]:
    """The lines under it: when, with whom, which number, until when, and what was said."""
    late = act.recorded_at - act.happened_at
    lines = (
        f"happened {time_or_moment(act.happened_at, now, zone)}" if late.total_seconds() > 90 else "",
        act.who,
        MAY_LEAVE_WORDS[act.message] if act.message else "",
        f"{NUMBER_WORDS[act.number_use]} {phone(act.number)}" if act.number else "",
        count(act.minutes, "minute") if act.minutes else "",
        f"in {act.language}" if act.language else "",
        "with an interpreter" if act.interpreter else "",
        full_date(act.day) if act.day else "",
        f"again {time_or_moment(act.until, now, zone)}" if act.until else "",
        f"“{act.text}”" if act.text else "",
    )
    return tuple(line for line in lines if line)


def taken_from(held: Holding, me: str, name: Callable[[str], str], now: datetime, zone: tzinfo = ZONE) -> str:
    """ "T. Vance, RN took this from you, 3:52 PM"; "" where nobody did."""
    if not me or held.taken_from != me:
        return ""
    when = f", {time_or_moment(held.since, now, zone)}" if held.since else ""
    return f"{name(held.holder)} took this from you{when}"


def tries(number: int) -> str:
    """ "1 try, no answer yet"; "" for none."""
    return f"{count(number, 'try', 'tries')}, not reached" if number else ""


def where_it_is(follow_up: FollowUp, name: Callable[[str], str], now: datetime, zone: tzinfo = ZONE) -> str:
    """How far a follow-up is, in one line."""
    if follow_up.state is FollowUpState.TRYING:
        return tries(follow_up.tries)
    if follow_up.state is FollowUpState.REACHED and follow_up.last_attempt is not None:
        return f"Talked {time_or_moment(follow_up.last_attempt.happened_at, now, zone)}"
    if follow_up.state is FollowUpState.CLOSED:
        why = f": {CLOSE_WORDS[follow_up.close_reason]}" if follow_up.close_reason else ""
        by = f", {name(follow_up.closed_by.by)}" if follow_up.closed_by else ""
        return f"Closed{why}{by}"
    if follow_up.called_before_it_was_void and follow_up.last_attempt is not None:
        when = time_or_moment(follow_up.last_attempt.happened_at, now, zone)
        return f"Somebody called about this ({when}): call back if needed"
    return STATE_WORDS[follow_up.state]


def verdict(standing: Standing, name: Callable[[str], str], now: datetime, zone: tzinfo = ZONE) -> str:
    """How a clock stands and who made it so: "done in time: M. Ortiz, RN talked with the patient by phone, 14:02"."""
    words = VERDICT_WORDS[standing.verdict]
    if standing.verdict is Verdict.MET and standing.act is None:
        at = standing.clock.met_at
        return f"noted for you{', ' + time_or_moment(at, now, zone) if at else ''}; nothing to do"
    if standing.verdict is Verdict.TRIED:
        words = f"tried {count(standing.tries, 'time')} in time; the call is still to make"
    if standing.act is None:
        return f"{words}, {count(standing.tries, 'try', 'tries')} so far" if standing.tries else words
    when = full_date(standing.act.day) if standing.act.day else time_or_moment(standing.act.happened_at, now, zone)
    return f"{words}: {did(standing.act, name)}, {when}"
