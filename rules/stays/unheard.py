"""An open stay, the policy and a minute in; since when its discharge counts as never sent out."""

from datetime import datetime, timedelta

from rules.decisions import Stay
from rules.policy.policy import Policy
from rules.stays.table import (
    OPEN,
)


def unheard_since(stay: Stay, policy: Policy, now: datetime) -> datetime | None:
    """When a stay was last heard of whose end the hospital never sent: open, and silent for longer than the policy's
    hours for its class. `None` while it still counts as going on.

    Nothing of the stay changes by it: it stands out of the way, and any message about it is taken as before. So what
    is open too long is no place for keyless messages either (`find` has narrower bounds than this).
    """
    if stay.status not in OPEN:
        return None
    heard = max((at for at in (stay.last_recorded_at, stay.started_at) if at), default=None)
    if heard is None or now - heard <= timedelta(hours=policy.unheard.hours(stay.encounter_class)):
        return None
    return heard
