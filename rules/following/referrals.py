"""The acts about referrals in; each referral with its steps, what may come next and when it is late, out.

A closed loop as FHIR R4 ServiceRequest and Task have it: made, sent, accepted, booked, kept, the report back, closed;
declined, missed and withdrawn are its other ends, though one that was missed may be booked again.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from rules.following.acts import Act, ActKind, ReferralStep, effective

_S: Final = ReferralStep
NEXT: Final[Mapping[ReferralStep, tuple[ReferralStep, ...]]] = {
    _S.MADE: (_S.SENT, _S.BOOKED, _S.WITHDRAWN),
    _S.SENT: (_S.ACCEPTED, _S.BOOKED, _S.DECLINED, _S.WITHDRAWN),
    _S.ACCEPTED: (_S.BOOKED, _S.DECLINED, _S.WITHDRAWN),
    _S.BOOKED: (_S.KEPT, _S.MISSED, _S.WITHDRAWN),
    _S.KEPT: (_S.REPORTED, _S.CLOSED),
    _S.REPORTED: (_S.CLOSED,),
    _S.CLOSED: (),
    _S.DECLINED: (),
    _S.MISSED: (_S.BOOKED, _S.WITHDRAWN),
    _S.WITHDRAWN: (),
}
# How long a referral may rest at a step before it is late (ours); a booked one, from the day it is booked for.
RESTS: Final[Mapping[ReferralStep, timedelta]] = {
    _S.MADE: timedelta(days=2),
    _S.SENT: timedelta(days=7),
    _S.ACCEPTED: timedelta(days=7),
    _S.BOOKED: timedelta(days=1),
    _S.KEPT: timedelta(days=14),
    _S.REPORTED: timedelta(days=7),
    _S.MISSED: timedelta(days=2),
}
assert NEXT.keys() == set(ReferralStep)
assert RESTS.keys() == {step for step, following in NEXT.items() if following}


class Referral(NamedTuple):
    """One referral of a stay."""

    referral_id: str
    to: str
    steps: tuple[Act, ...]  # in the order in which they happened
    due_at: datetime | None  # when it must have gone on; `None` once it has ended

    @property
    def step(self) -> ReferralStep:
        return self.steps[-1].referral_step or ReferralStep.MADE

    @property
    def next(self) -> tuple[ReferralStep, ...]:
        return NEXT[self.step]

    def overdue(self, now: datetime) -> bool:
        return self.due_at is not None and self.due_at < now


def referrals(acts: Iterable[Act], zone: ZoneInfo) -> tuple[Referral, ...]:
    """The referrals that these acts made, in the order in which they were made. `zone`: in which a booked day ends."""
    steps_of: dict[str, list[Act]] = {}
    for act in effective(acts):
        if act.kind is ActKind.REFERRAL and act.referral_id:
            steps_of.setdefault(act.referral_id, []).append(act)
    return tuple(
        Referral(
            referral_id,
            next((act.referral_to for act in reversed(steps) if act.referral_to), ""),
            tuple(steps),
            _due(steps[-1], zone),
        )
        for referral_id, steps in steps_of.items()
    )


def _due(last: Act, zone: ZoneInfo) -> datetime | None:
    rest = RESTS.get(last.referral_step or ReferralStep.MADE)
    if rest is None:
        return None
    start = last.happened_at
    if last.referral_step is ReferralStep.BOOKED and last.day is not None:
        start = datetime.combine(last.day + timedelta(days=1), time(), zone).astimezone(UTC)
    return start + rest
