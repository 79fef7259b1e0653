"""One stay as one reader may see it, and what it asks of them next. Pure."""

from collections.abc import Callable, Iterable
from datetime import datetime, tzinfo
from typing import Final, NamedTuple

from rules.decisions import Action, Clock, StayStatus
from rules.following.loop import Loop
from rules.following.meets import Verdict
from rules.following.state import FollowUpState
from rules.policy.policy import Policy, default_policy
from rules.telling.views import AlertView
from streams.words import acts as act_words
from streams.words import clocks as clock_words
from streams.words import times as time_words

_S: Final = FollowUpState
OVER: Final = frozenset({_S.CLOSED, _S.DONE})
CALLABLE: Final = frozenset({_S.TO_CALL, _S.TRYING, _S.REACHED, _S.UNABLE, _S.NO_CALL, _S.DONE})
TOUCHED: Final = frozenset({_S.TRYING, _S.REACHED, _S.UNABLE})
_SAID: Final = frozenset({_S.TRYING, _S.REACHED, _S.UNABLE, _S.CLOSED, _S.DONE})
_ENDED: Final = frozenset({Verdict.MET, Verdict.MET_LATE, Verdict.WITHDRAWN})


class Taken(NamedTuple):
    """Who said "this one is mine"."""

    case_manager_id: str
    name: str


class ReaderStay(NamedTuple):
    """One stay as one reader may see it. Every version here went through the confidentiality rules."""

    versions: tuple[AlertView, ...]  # oldest first, never empty
    seen: int = 0  # the latest version this reader looked at; 0: none
    acknowledged: int = 0  # the latest version this reader acknowledged or took; 0: none
    closed: int = 0  # the latest version this reader marked as seen, by a press of its own; 0: none
    taken: Taken | None = None
    not_seen_by: tuple[str, ...] = ()  # names of those told who have not acknowledged the latest version
    not_noted_by: tuple[str, ...] = ()  # ids of its owners who have done nothing about the latest version
    again: AlertView | None = None  # a later stay of the same person that still runs, as this reader may see it
    unheard_since: datetime | None = None  # no discharge was sent, and this is when the stay was last heard of
    passed_to: tuple[str, ...] = ()  # it was this reader's, and is with these now
    policy: Policy = default_policy()  # in force; words that name numbers take them from it
    loop: Loop | None = None  # what people did about it comes to
    asked: tuple[str, ...] = ()  # what colleagues ask of this reader
    covered: str = ""  # for whom the reader stands in here, and until when
    name: Callable[[str], str] = str  # a person by id

    @property
    def latest(self) -> AlertView:
        return self.versions[-1]


def whose_stay(stay: ReaderStay) -> str:
    """The same for the stays of one person; stays of whom the reader may not know are never taken for one person's."""
    person = stay.latest.person
    return f"person:{person.enrollee_id}" if person else f"stay:{stay.latest.alert_id}"


def people_of(stays: Iterable[ReaderStay]) -> list[str]:
    """Whose stays these are, as far as their reader may know: for the audit."""
    return [stay.latest.person.enrollee_id for stay in stays if stay.latest.person]


def is_struck(alert: AlertView) -> bool:
    """It was taken back. The stay may go on, as an outpatient's does, and a later version may open the alert again."""
    return alert.action is Action.RETRACT


def clock_of(stay: ReaderStay) -> Clock | None:
    """The clock that is the next step; none where there is nothing for this reader to do until something else comes."""
    if is_struck(stay.latest) or stay.passed_to or state_of(stay) in OVER or waits_for_another(stay):
        return None
    return clock_words.next_clock(asking(stay))


def waits_for_another(stay: ReaderStay) -> bool:
    """The person is back in the hospital: what this stay asks for waits."""
    if stay.again is None or stay.latest.status is not StayStatus.FINISHED or state_of(stay) in OVER:
        return False
    return state_of(stay) is _S.PAUSED or clock_words.next_clock(asking(stay)) is not None


def state_of(stay: ReaderStay) -> FollowUpState | None:
    return stay.loop.follow_up.state if stay.loop else None


def asking(stay: ReaderStay) -> tuple[Clock, ...]:
    """The clocks this reader may see that no act has ended."""
    ended = (
        {standing.clock.kind for standing in stay.loop.standings if standing.verdict in _ENDED} if stay.loop else set()
    )
    return tuple(clock for clock in stay.latest.clocks if clock.kind not in ended)


def far_of(stay: ReaderStay, reader_id: str, now: datetime, zone: tzinfo = time_words.ZONE) -> str:
    """How far we are with the patient, what waits, and who took it from this reader: "1 try, not reached · again Mon
    Nov 30, 9:00 AM"."""
    if stay.loop is None or stay.passed_to or is_struck(stay.latest):
        return ""
    follow_up, held = stay.loop.follow_up, stay.loop.holding
    parts = (
        act_words.where_it_is(follow_up, stay.name, now, zone) if follow_up.state in _SAID else "",
        f"again {time_words.time_or_moment(follow_up.remind_at, now, zone)}" if follow_up.remind_at else "",
        f"visit booked for {time_words.full_date(follow_up.booked.day)}"
        if follow_up.booked and follow_up.booked.day
        else "",
        f"offered to {stay.name(held.offered_to)}" if held.offered_to else "",
        act_words.taken_from(held, reader_id, stay.name, now, zone),
    )
    return " · ".join(part for part in parts if part)
