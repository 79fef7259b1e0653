"""What `rules.stays.open` says of an alert, in SQL over the tables `alerts`, `seen` and `stays`."""

from typing import Final

from sqlalchemy import func, or_

from rules.decisions import Action
from rules.stays.open import AWAITED
from rules.stays.table import DEAD, OPEN
from streams.store.tables import alerts, seen, stays

TAKEN_BACK: Final = alerts.c.action == str(Action.RETRACT)
UNSEEN: Final = func.coalesce(seen.c.version, 0) < alerts.c.version
UNANSWERED: Final = alerts.c.acknowledged_version < alerts.c.version
GOES_ON: Final = alerts.c.status.in_(sorted(OPEN)) & ~TAKEN_BACK
IS_AWAITED: Final = alerts.c.status.in_(sorted(AWAITED)) & ~TAKEN_BACK
ASKS_ANYBODY: Final = ~TAKEN_BACK & or_(IS_AWAITED, UNANSWERED)
ASKS: Final = or_(TAKEN_BACK & UNSEEN, ASKS_ANYBODY)
STAY_GOES_ON: Final = stays.c.status.in_(sorted(OPEN))
STAY_HAPPENED: Final = stays.c.status.not_in(sorted(DEAD))  # or may have
