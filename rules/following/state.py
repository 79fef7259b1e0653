"""How far we are with the patient: the newest version of the alert and what people did in, a follow-up state out.

Theory. A follow-up stands on a *ground*: what the hospital says, by its newest version. The ground sets where the
follow-up begins (`BEGINS`); from there the acts that count are folded over `TABLE`, state by word, in the order in
which they happened. What counts: every act that happened after the ground was laid (a call before the discharge is no
call after it); `close`, `noted` and `reopen` count when they were done on the version that laid the ground or a later
one. Hence a discharge taken back leaves every call in the story and asks for a new one after the next discharge, a
corrected discharge time keeps the calls made after it, and neither the order of delivery nor a repetition changes
anything.

Two things lie over the fold and are computed, never stored: `paused` while another stay of the person is open, and
`done` once everything that must be done was done. Every state has a way on (`WAYS_ON`, tested); the words on the page
are in `streams.words`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final, NamedTuple

from rules.decisions import Alert, ClockKind, ClockStatus, Priority, StayStatus
from rules.following.acts import Act, ActKind, CloseReason, Mode, Outcome, Word, effective, word
from rules.stays.open import is_void


class FollowUpState(StrEnum):
    IN_HOSPITAL = "in_hospital"
    NO_CALL = "no_call"  # nobody has to be called
    TO_CALL = "to_call"
    TRYING = "trying"
    REACHED = "reached"
    UNABLE = "unable"
    PAUSED = "paused"  # back in the hospital
    DONE = "done"
    CLOSED = "closed"
    DIED = "died"
    VOID = "void"  # taken back by the hospital


class Ground(StrEnum):
    """What the newest version says."""

    IN_HOSPITAL = "in_hospital"
    CALL = "call"  # left for a place where somebody must be called
    NO_CALL = "no_call"
    DIED = "died"
    VOID = "void"


_S: Final = FollowUpState
BEGINS: Final[Mapping[Ground, FollowUpState]] = {
    Ground.IN_HOSPITAL: _S.IN_HOSPITAL,
    Ground.CALL: _S.TO_CALL,
    Ground.NO_CALL: _S.NO_CALL,
    Ground.DIED: _S.DIED,
    Ground.VOID: _S.VOID,
}
assert BEGINS.keys() == set(Ground)

_FOLDED: Final = (_S.IN_HOSPITAL, _S.NO_CALL, _S.TO_CALL, _S.TRYING, _S.REACHED, _S.UNABLE, _S.CLOSED, _S.DIED, _S.VOID)
_BEFORE: Final = None  # reopening leads back to the state before the closing


def _row(*states: FollowUpState | None) -> Mapping[FollowUpState, FollowUpState | None]:
    return dict(zip(_FOLDED, states, strict=True))


# fmt: off
_H, _N, _T, _Y, _R, _U, _C, _D, _V, _B = (
    _S.IN_HOSPITAL, _S.NO_CALL, _S.TO_CALL, _S.TRYING, _S.REACHED, _S.UNABLE, _S.CLOSED, _S.DIED, _S.VOID, _BEFORE,
)
TABLE: Final[Mapping[Word, Mapping[FollowUpState, FollowUpState | None]]] = {
    # word                 hosp. no c. to c. try.  reach. unab. closed died void
    Word.CONTACT:     _row(_H,   _R,   _R,   _R,   _R,    _R,   _R,    _D,  _V),  # they called back after the closing
    Word.TRY:         _row(_H,   _Y,   _Y,   _Y,   _R,    _U,   _C,    _D,  _V),
    Word.DECLINED:    _row(_H,   _R,   _R,   _R,   _R,    _R,   _C,    _D,  _V),  # two people talked
    Word.IN_FACILITY: _row(_H,   _N,   _N,   _N,   _R,    _N,   _C,    _D,  _V),
    Word.UNABLE:      _row(_H,   _N,   _T,   _U,   _R,    _U,   _C,    _D,  _V),  # only after a try
    Word.WORK:        _row(_H,   _N,   _T,   _Y,   _R,    _U,   _C,    _D,  _V),
    Word.ASIDE:       _row(_H,   _N,   _T,   _Y,   _R,    _U,   _C,    _D,  _V),
    Word.NOTED:       _row(_H,   _C,   _T,   _Y,   _R,    _U,   _C,    _C,  _C),
    Word.CLOSE:       _row(_C,   _C,   _C,   _C,   _C,    _C,   _C,    _C,  _C),
    Word.REOPEN:      _row(_H,   _N,   _T,   _Y,   _R,    _U,   _B,    _D,  _V),
}
# fmt: on
assert TABLE.keys() == set(Word)

WAYS_ON: Final[Mapping[FollowUpState, str]] = {
    _S.IN_HOSPITAL: "a discharge, a cancellation, a death; close",
    _S.NO_CALL: "noted; by itself after some days; any new version",
    _S.TO_CALL: "an attempt; close; the person is back in the hospital",
    _S.TRYING: "contact; unable; close",
    _S.REACHED: "every step done; close",
    _S.UNABLE: "contact; close",
    _S.PAUSED: "the other stay ends or is taken back; close",
    _S.DONE: "a version that starts a clock; reopen",
    _S.CLOSED: "reopen; a version that says something else",
    _S.DIED: "noted; a correction by the hospital",
    _S.VOID: "noted; a version that brings it back",
}
assert WAYS_ON.keys() == set(FollowUpState)

_CALLS: Final = frozenset(
    {ClockKind.TCM_CONTACT, ClockKind.FUH_7, ClockKind.FUM_7, ClockKind.FUA_7, ClockKind.TRC_ENGAGEMENT}
)  # a clock that asks for somebody to be spoken to
TRIES: Final = 3
TRY_DAYS: Final = 2
_ON_VERSION: Final = frozenset({Word.CLOSE, Word.NOTED, Word.REOPEN})
_OPEN_STATES: Final = frozenset({_S.TO_CALL, _S.TRYING, _S.REACHED, _S.UNABLE})
_ENDED: Final = frozenset({_S.CLOSED, _S.DONE})


class FollowUp(NamedTuple):
    """Where one stay's follow-up is, and how it came there."""

    state: FollowUpState
    ground: Ground
    since: datetime  # of the ground
    tries: int  # that count
    last_attempt: Act | None  # by anybody, before the ground too: nobody is called twice within hours
    remind_at: datetime | None  # out of the way until then; `None` when nobody asked for it, or it has come
    booked: Act | None  # the visit that is booked and neither kept nor missed
    closed_by: Act | None
    close_reason: CloseReason | None
    called_before_it_was_void: bool  # somebody called about what did not happen
    paused_from: FollowUpState | None = None  # where it would be, were the person not in the hospital again

    @property
    def unpaused(self) -> "FollowUp":
        """As whoever may not know of the other stay has to take it."""
        return self if self.paused_from is None else self._replace(state=self.paused_from, paused_from=None)


def ground_of(version: Alert) -> Ground:
    """What a version says to whoever follows the stay."""
    if is_void(version.action, version.status):
        return Ground.VOID
    if version.kind == "death":
        return Ground.DIED
    if version.status is not StayStatus.FINISHED:
        return Ground.IN_HOSPITAL
    asks = any(clock.kind in _CALLS and clock.status is not ClockStatus.STOPPED for clock in version.clocks)
    return Ground.CALL if asks or version.priority in (Priority.URGENT, Priority.HIGH) else Ground.NO_CALL


def laid_by(versions: Sequence[Alert]) -> tuple[Ground, datetime, int]:
    """The ground, since when it holds, and the version that laid it: the first of the last run that says the same.

    The ground after a discharge holds since the discharge itself (`ended_at`), so that a call that was made before we
    heard of it counts; every other ground since the time of what its version tells.
    """
    newest = versions[-1]
    ground = ground_of(newest)
    first = newest
    for version in reversed(versions):
        if ground_of(version) is not ground:
            break
        first = version
    after = ground in (Ground.CALL, Ground.NO_CALL) and newest.ended_at is not None
    return ground, newest.ended_at if after and newest.ended_at else first.occurred_at, first.version


def follow_up(
    versions: Sequence[Alert],
    acts: Iterable[Act],
    now: datetime,
    *,
    in_hospital_again: bool = False,
    steps_left: bool = True,
    no_call_days: int | None = None,
) -> FollowUp:
    """The follow-up of one stay at `now`.

    `versions`: all of its alert, oldest first, at least one. `in_hospital_again`: another stay of the person, begun
    after this one's end, is open. `steps_left`: something that must be done is not done (`rules.following.meets`).
    `no_call_days`: so long after its last version and act, what asks for no call is closed by itself; `None`: never.
    """
    ground, since, laid = laid_by(versions)
    all_acts = effective(acts)
    state, before, tries = BEGINS[ground], BEGINS[ground], 0
    closed_by: Act | None = None
    for act in all_acts:
        said = word(act)
        if act.version < laid if said in _ON_VERSION else act.happened_at < since:
            continue
        to = TABLE[said][state]
        if to is None:
            to = before
        elif to is _S.CLOSED and state is not _S.CLOSED:
            before, closed_by = state, act
        closed_by = closed_by if to is _S.CLOSED else None
        tries += said is Word.TRY and state in _OPEN_STATES | {_S.NO_CALL}
        state = to
    if state is _S.REACHED and not steps_left:
        state = _S.DONE
    if state is _S.NO_CALL and not steps_left and no_call_days is not None:
        touched = max(since, versions[-1].decided_at, *(act.happened_at for act in all_acts))
        state = _S.CLOSED if now - touched >= timedelta(days=no_call_days) else state
    paused_from = state if state in _OPEN_STATES and in_hospital_again else None
    if paused_from is not None:
        state = _S.PAUSED
    attempts = [act for act in all_acts if act.kind is ActKind.ATTEMPT]
    return FollowUp(
        state=state,
        ground=ground,
        since=since,
        tries=tries,
        last_attempt=attempts[-1] if attempts else None,
        remind_at=_reminder(all_acts, since, now) if state not in _ENDED else None,
        booked=_booked(all_acts, since),
        closed_by=closed_by,
        close_reason=_reason(closed_by, ground) if state is _S.CLOSED else None,
        called_before_it_was_void=ground is Ground.VOID
        and any(word(act) in (Word.CONTACT, Word.TRY) for act in attempts),
        paused_from=paused_from,
    )


def may_be_given_up(acts: Iterable[Act], since: datetime, zone: tzinfo) -> bool:
    """Whether enough was tried to say that somebody cannot be reached: three tries on two days, and a letter or a visit
    to where they live."""
    tried = [act for act in effective(acts) if act.happened_at >= since and word(act) is Word.TRY]
    calls = [act for act in tried if act.mode is not Mode.LETTER]
    days = {act.happened_at.astimezone(zone).date() for act in calls}
    went = any(act.mode in (Mode.LETTER, Mode.IN_PERSON) for act in tried)
    return len(calls) >= TRIES and len(days) >= TRY_DAYS and went


def _reminder(acts: Sequence[Act], since: datetime, now: datetime) -> datetime | None:
    """The latest wish to be reminded, while its time has not come and nothing was done since."""
    for act in reversed(acts):
        if act.happened_at < since:
            return None
        if act.until is not None:
            return act.until if act.until > now else None
        if word(act) is not Word.ASIDE:
            return None
    return None


def _booked(acts: Sequence[Act], since: datetime) -> Act | None:
    booked: Act | None = None
    for act in acts:
        if act.kind is ActKind.VISIT_BOOKED and act.happened_at >= since:
            booked = act
        elif act.kind in (ActKind.VISIT_KEPT, ActKind.VISIT_MISSED):
            booked = None
    return booked


def _reason(closed_by: Act | None, ground: Ground) -> CloseReason:
    if closed_by is not None and closed_by.kind is ActKind.NOT_OURS:
        return CloseReason.NOT_OURS
    if closed_by is not None and closed_by.close_reason is not None:
        return closed_by.close_reason
    return {
        Ground.VOID: CloseReason.ENTERED_IN_ERROR,
        Ground.DIED: CloseReason.DIED,
        Ground.NO_CALL: CloseReason.NO_CALL_NEEDED,
    }.get(ground, CloseReason.DONE)


def struck_numbers(acts: Iterable[Act]) -> frozenset[str]:
    """Numbers of a person known to be wrong, for everybody: the last word on each number counts."""
    last: dict[str, bool] = {}
    for act in effective(acts):
        if act.kind is ActKind.ATTEMPT and act.number:
            last[act.number] = act.outcome in (Outcome.WRONG_NUMBER, Outcome.OUT_OF_SERVICE)
    return frozenset(number for number, wrong in last.items() if wrong)
