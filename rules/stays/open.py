"""An alert's newest version in; whether its stay goes on, and whether it still asks a reader for something, out.

The one place that says so: the store makes its SQL of the same lists (`streams.store.open_alerts`). Whether people have
done what a stay asks of them is another question (`rules.following.state`), and so is whether a stay that goes on is
still heard of (`rules.stays.unheard`).
"""

from typing import Final

from rules.decisions import Action, StayStatus
from rules.stays.table import DEAD, OPEN

AWAITED: Final = OPEN | {StayStatus.PLANNED}  # an end is still to come


def is_void(action: Action | None, status: StayStatus | None) -> bool:
    """It was taken back, or what it told of did not happen."""
    return action == Action.RETRACT or status in DEAD


def goes_on(action: Action | None, status: StayStatus | None) -> bool:
    """The patient is in the hospital, or on leave from it."""
    return action != Action.RETRACT and status in OPEN


def is_awaited(action: Action | None, status: StayStatus | None) -> bool:
    """The patient is in the hospital, or is to come."""
    return action != Action.RETRACT and status in AWAITED


def asks(action: Action, status: StayStatus, version: int, *, acknowledged: int, seen: int) -> bool:
    """Whether it asks for something: the patient is in or to come, or nobody has acknowledged the newest version; what
    was taken back asks only to be seen. `acknowledged`: the newest version that anybody has; `seen`: that the reader
    has looked at."""
    if action == Action.RETRACT:
        return seen < version
    return is_awaited(action, status) or acknowledged < version
