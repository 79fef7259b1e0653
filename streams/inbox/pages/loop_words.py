"""What the page of a stay offers and shows of its follow-up, in ready words for the templates. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final, NamedTuple

from parsers.people import CaseManager
from rules.following.acts import Act, ActKind, MayLeave, NumberUse
from rules.following.guides.guide import Facts, Guide, Language, Need, guide_for, language_of
from rules.following.meets import MEETS, Deed, Standing, Verdict
from rules.following.referrals import Referral
from rules.following.state import FollowUp, FollowUpState, may_be_given_up, struck_numbers
from rules.following.wishes import dialed, is_never
from rules.policy.policy import Policy
from rules.telling.views import AlertView
from streams.inbox.following import Following
from streams.words import acts as act_words
from streams.words import clocks as clock_words
from streams.words import people as people_words
from streams.words import times as time_words
from streams.words import wishes as wish_words

CALL_PRESSES: Final = (
    ("talked", "Talked with patient", "1"),
    ("talked_helper", "Talked with family or helper", "2"),
    ("left_message", "Left a message", "3"),
    ("no_answer", "No answer", "4"),
    ("wrong_number", "Wrong number", "5"),
    ("declined", "Declined", ""),
)
MORE_PRESSES: Final = (
    ("out_of_service", "Number does not work"),
    ("language_barrier", "No common language"),
    ("in_facility", "Is in a facility"),
    ("letter_sent", "Letter sent"),
)
_STEP_NAMES: Final[Mapping[Deed, str]] = {
    Deed.TALK: "Call",
    Deed.VISIT: "Visit",
    Deed.VISIT_OR_TALK: "See or call",
    Deed.MEDICINES: "Medicines",
    Deed.PAPERS: "Papers",
    Deed.NOTICE: "Notice",
}
_STEP_MARKS: Final[Mapping[Verdict, str]] = {
    Verdict.OPEN: "next",
    Verdict.TRIED: "tried",
    Verdict.MET: "done",
    Verdict.MET_LATE: "done",
    Verdict.MISSED: "late",
    Verdict.WITHDRAWN: "gone",
}
assert _STEP_MARKS.keys() == set(Verdict)
assert _STEP_NAMES.keys() == set(Deed)
_TO_DO: Final = frozenset({Verdict.OPEN, Verdict.TRIED, Verdict.MISSED})
_CLOSED: Final = frozenset({FollowUpState.CLOSED, FollowUpState.DONE})
_NO_CALLS: Final = frozenset({FollowUpState.VOID, FollowUpState.DIED})


class Step(NamedTuple):
    """One of the steps as the strip shows it."""

    name: str
    mark: str  # done, tried, next, late, gone or waits
    words: str


class Colleague(NamedTuple):
    """Somebody who may be asked, or be given the stay."""

    case_manager_id: str
    words: str


class Asked(NamedTuple):
    """A question to a colleague, with the answer when there is one."""

    act_id: str
    words: str
    text: str
    answer: str
    mine: bool  # the reader is asked and has not answered


class ReferralWords(NamedTuple):
    """One referral and what may come next."""

    referral_id: str
    to: str
    where: str
    overdue: str
    next: tuple[tuple[str, str], ...]  # (value, words)


class QuestionWords(NamedTuple):
    """One question of the guide in both languages, with its answers."""

    name: str
    en: str
    es: str
    answers: tuple[tuple[str, str, str], ...]  # (value, English, Spanish)


class GuideWords(NamedTuple):
    """The call guide that fits."""

    name: str
    title: str
    opening: tuple[str, str]
    closing: tuple[str, str]
    spanish_first: bool
    questions: tuple[QuestionWords, ...]
    needs: tuple[tuple[str, str], ...]  # of the last answers: (value, words)


class WishWords(NamedTuple):
    """How the person wants to be reached, and what may be written of it."""

    message: str
    first: str  # the number to call first
    others: tuple[str, ...]
    never: bool  # the number on file is not to be called
    chosen: str
    choices: tuple[tuple[str, str], ...]  # (value, words)
    uses: tuple[tuple[str, str], ...]


@dataclass(slots=True, frozen=True)
class LoopWords:
    """Everything the template shows of a follow-up; what the reader may not do is empty or false."""

    far: str
    mine: bool
    beside: str  # who has it on the other side
    covered: str
    taken_from: str
    offered: str  # act_id of what is handed over to the reader
    steps: tuple[Step, ...]
    last_try: str  # by anybody else, lately
    struck: bool  # the number on file is known to be wrong
    wishes: WishWords
    calls: tuple[tuple[str, str, str], ...]
    more_calls: tuple[tuple[str, str], ...]
    may: frozenset[str]
    closed: bool
    booked: str
    asked: tuple[Asked, ...]
    team: tuple[Colleague, ...]
    referrals: tuple[ReferralWords, ...]
    guide: GuideWords | None
    close_choices: tuple[tuple[str, str], ...]
    unable: bool


def loop_words(
    following: Following,
    latest: AlertView,
    name: Callable[[str], str],
    policy: Policy,
    now: datetime,
    zone: tzinfo = time_words.ZONE,
) -> LoopWords:
    """The words for one reader."""
    follow_up, held = following.loop.follow_up, following.loop.holding
    me = following.reader.case_manager_id
    may = frozenset(kind.value for kind in ActKind if following.may(kind))
    calls = ActKind.ATTEMPT.value in may and follow_up.state not in _NO_CALLS
    paused = follow_up.state is FollowUpState.PAUSED
    counting = [act for act in following.acts if act.act_id in following.counting]
    seen = {clock.kind for clock in latest.clocks}
    phone = latest.person.phone if latest.person else ""
    return LoopWords(
        far=act_words.where_it_is(follow_up, name, now, zone),
        mine=held.holder == me,
        beside=_beside(following, latest, name),
        covered=name(following.covered) if following.covered else "",
        taken_from=act_words.taken_from(held, me, name, now, zone),
        offered=_offered(counting, me) if held.offered_to == me else "",
        steps=tuple(
            _step(standing, paused, name, policy, now, zone)
            for standing in following.loop.standings
            if standing.clock.kind in seen
        ),
        last_try=_last_try(follow_up, me, name, now, zone),
        struck=dialed(phone) in {dialed(number) for number in struck_numbers(counting)},
        wishes=_wishes(following, phone, now, zone),
        calls=CALL_PRESSES if calls else (),
        more_calls=MORE_PRESSES if calls else (),
        may=may,
        closed=follow_up.state in _CLOSED,
        booked=time_words.full_date(follow_up.booked.day) if follow_up.booked and follow_up.booked.day else "",
        asked=_asked(following, name),
        team=tuple(_colleague(colleague, following) for colleague in following.team),
        referrals=_referrals(following, policy, now, zone),
        guide=_guide(following, counting, latest, now) if calls else None,
        close_choices=tuple((reason.value, act_words.CLOSE_WORDS[reason]) for reason in act_words.CLOSE_CHOICES),
        unable=calls
        and follow_up.state is FollowUpState.TRYING
        and may_be_given_up(counting, follow_up.since, policy.tz),
    )


def _wishes(following: Following, phone: str, now: datetime, zone: tzinfo) -> WishWords:
    known = following.wishes
    return WishWords(
        message=wish_words.message(known, following.wishes_by, now, zone),
        first=people_words.phone(known.first),
        others=wish_words.others(known),
        never=is_never(known, phone),
        chosen=known.message.value,
        choices=tuple((choice.value, wish_words.MAY_LEAVE_WORDS[choice].capitalize()) for choice in MayLeave),
        uses=tuple((use.value, wish_words.NUMBER_WORDS[use].capitalize()) for use in NumberUse),
    )


def _step(
    standing: Standing, paused: bool, name: Callable[[str], str], policy: Policy, now: datetime, zone: tzinfo
) -> Step:
    if paused and standing.verdict in _TO_DO:
        return Step(_STEP_NAMES[MEETS[standing.clock.kind].deed], "waits", "waits: back in the hospital")
    words = act_words.verdict(standing, name, now, zone)
    if standing.verdict in _TO_DO:
        due = clock_words.due(clock_words.last_moment(standing.clock, now, zone, policy), now, zone)
        words = f"by {due}: {words}"
    return Step(_STEP_NAMES[MEETS[standing.clock.kind].deed], _STEP_MARKS[standing.verdict], words)


def _beside(following: Following, latest: AlertView, name: Callable[[str], str]) -> str:
    who = following.loop.beside
    whose = "the practice" if following.reader.is_at_plan else "the behavioral-health plan"
    return f"{name(who)} has this for {whose}" if who in latest.told else ""


def _offered(acts: list[Act], me: str) -> str:
    return next((act.act_id for act in reversed(acts) if act.kind is ActKind.HAND_OVER and act.for_id == me), "")


def _last_try(follow_up: FollowUp, me: str, name: Callable[[str], str], now: datetime, zone: tzinfo) -> str:
    """That a colleague called lately, so that nobody is called twice within hours."""
    last = follow_up.last_attempt
    if last is None or last.by == me:
        return ""
    return f"{act_words.did(last, name)}, {time_words.time_or_moment(last.happened_at, now, zone)}"


def _asked(following: Following, name: Callable[[str], str]) -> tuple[Asked, ...]:
    me = following.reader.case_manager_id
    texts = {act.act_id: act.text for act in following.acts}  # as this reader may read them
    return tuple(
        Asked(
            question.asked.act_id,
            f"{name(question.asked.by)} asked {'you' if question.asked.for_id == me else name(question.asked.for_id)}",
            texts.get(question.asked.act_id, ""),
            f"{name(question.answered.by)}: {texts.get(question.answered.act_id, '')}" if question.answered else "",
            question.asked.for_id == me and question.answered is None,
        )
        for question in following.loop.holding.questions
    )


def _colleague(colleague: CaseManager, following: Following) -> Colleague:
    away = " (away)" if colleague.case_manager_id in following.away else ""
    return Colleague(colleague.case_manager_id, f"{colleague.name} · {people_words.ROLE_WORDS[colleague.role]}{away}")


def _referrals(following: Following, policy: Policy, now: datetime, zone: tzinfo) -> tuple[ReferralWords, ...]:
    return tuple(
        ReferralWords(
            referral.referral_id,
            referral.to or "Referral",
            f"{act_words.REFERRAL_WORDS[referral.step]} {_last_step(referral, now, zone)}",
            _overdue(referral, now, zone),
            tuple((step.value, act_words.REFERRAL_WORDS[step]) for step in referral.next),
        )
        for referral in following.referrals(policy)
    )


def _last_step(referral: Referral, now: datetime, zone: tzinfo) -> str:
    return time_words.time_or_moment(referral.steps[-1].happened_at, now, zone)


def _overdue(referral: Referral, now: datetime, zone: tzinfo) -> str:
    due = referral.due_at
    return f"was to go on by {time_words.day(due, now, zone)}" if due and referral.overdue(now) else ""


def guide_of(guides: Sequence[Guide], latest: AlertView, now: datetime) -> Guide:
    """The guide that fits what this reader may know of the stay."""
    person = latest.person
    usual = Facts()
    facts = Facts(
        frozenset(latest.reasons),
        latest.encounter_class or usual.encounter_class,
        latest.facility_kind or usual.facility_kind,
        (now.date() - person.birth_date).days if person else None,
    )
    return guide_for(guides, facts)


def _guide(following: Following, acts: list[Act], latest: AlertView, now: datetime) -> GuideWords:
    guide = guide_of(following.scripts.guides, latest, now)
    last = next((act for act in reversed(acts) if act.kind is ActKind.GUIDE_ANSWERED and act.guide == guide.name), None)
    needs: tuple[Need, ...] = guide.needs(last.answers) if last else ()
    return GuideWords(
        guide.name,
        guide.title.en,
        (guide.opening.en, guide.opening.es),
        (guide.closing.en, guide.closing.es),
        language_of(following.wishes.language or (latest.person.language if latest.person else "")) is Language.SPANISH,
        tuple(
            QuestionWords(
                f"q-{question.id}",
                question.en,
                question.es,
                tuple((answer.id, answer.en, answer.es) for answer in question.answers),
            )
            for question in guide.questions
        ),
        tuple((need.value, act_words.NEED_WORDS[need]) for need in needs),
    )
