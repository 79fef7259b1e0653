"""A stay or the alert of one, the policy and a minute in; since when its discharge counts as never sent out."""

from datetime import datetime, timedelta

from rules.decisions import Alert, Stay
from rules.policy.policy import Policy
from rules.stays.table import OPEN


def unheard_since(stay: Stay, policy: Policy, now: datetime) -> datetime | None:
    """When a stay was last heard of whose end the hospital never sent: open, and silent for longer than the policy's
    hours for its class. `None` while it still counts as going on.

    Nothing of the stay changes by it: it stands out of the way, and any message about it is taken as before. So what
    is open too long is no place for keyless messages either (`find` has narrower bounds than this).
    """
    return _since(stay, stay.last_recorded_at, policy, now)


def alert_unheard_since(alert: Alert, heard_at: datetime | None, policy: Policy, now: datetime) -> datetime | None:
    """The same of an alert; `heard_at`: when its stay was last heard of, by the hospital's time."""
    return _since(alert, heard_at, policy, now)


def _since(of: Stay | Alert, heard_at: datetime | None, policy: Policy, now: datetime) -> datetime | None:
    if of.status not in OPEN:
        return None
    heard = max((at for at in (heard_at, of.started_at) if at), default=None)
    if heard is None or now - heard <= timedelta(hours=policy.unheard.hours(of.encounter_class)):
        return None
    return heard
