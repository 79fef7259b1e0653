"""What `rules.stays.open` says of an alert, in SQL over the tables `alerts`, `seen` and `stays`."""

from typing import Final

from sqlalchemy import func, or_, select

from rules.decisions import Action, Priority, StayStatus
from rules.stays.open import AWAITED
from rules.stays.table import DEAD, OPEN
from streams.store.tables import acts, alerts, seen, stays

TAKEN_BACK: Final = alerts.c.action == str(Action.RETRACT)
UNSEEN: Final = func.coalesce(seen.c.version, 0) < alerts.c.version
UNANSWERED: Final = alerts.c.acknowledged_version < alerts.c.version
GOES_ON: Final = alerts.c.status.in_(sorted(OPEN)) & ~TAKEN_BACK
IS_AWAITED: Final = alerts.c.status.in_(sorted(AWAITED)) & ~TAKEN_BACK
ASKS_ANYBODY: Final = ~TAKEN_BACK & or_(IS_AWAITED, UNANSWERED)
ASKS: Final = or_(TAKEN_BACK & UNSEEN, ASKS_ANYBODY)
_NO_CLOCK: Final = alerts.c.document.like('%"clocks":[]%')
_PRESSES: Final = alerts.c.priority.in_([str(Priority.URGENT), str(Priority.HIGH)])
_HAS_NOT_ENDED: Final = alerts.c.status != str(StayStatus.FINISHED)
_ACTED: Final = select(acts.c.act_id).where(acts.c.enrollee_id == alerts.c.enrollee_id).exists()
# Nobody follows what was taken back, nor what has ended, is not urgent and has no clock, while nobody has begun to.
MAY_BE_OPEN: Final = ~TAKEN_BACK & or_(_HAS_NOT_ENDED, _PRESSES, ~_NO_CLOCK, _ACTED)
STAY_GOES_ON: Final = stays.c.status.in_(sorted(OPEN))
STAY_HAPPENED: Final = stays.c.status.not_in(sorted(DEAD))  # or may have
