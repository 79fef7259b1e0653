"""A destination and an alert in, what it may read of it out; decided here and nowhere else: a form sees a view."""

from typing import NamedTuple

from parsers.people import Enrollee
from rules.decisions import Alert
from rules.policy.policy import Policy
from rules.telling.confidentiality import Confidentiality, Relationship
from rules.telling.destinations import Destination
from rules.telling.directory import Directory
from rules.telling.due import related
from rules.telling.views import AlertView, WhyWithheld, ids_only, view_as


class Known(NamedTuple):
    """What is decided by, as it is now."""

    directory: Directory
    confidentiality: Confidentiality
    policy: Policy


def seen_by(destination: Destination, alert: Alert, enrollee: Enrollee | None, known: Known) -> AlertView:
    """What a destination may read of an alert: as the one it belongs to would on the page, and no more than its row.

    Of somebody who is nothing to it any more, or is not known any more: ids only.
    """
    if enrollee is None:
        return ids_only(alert, Relationship.NONE, WhyWithheld.NOT_YOURS)
    relationship = related(destination, alert, enrollee, known.directory)
    who = destination.owner_id or destination.destination_id
    return view_as(alert, enrollee, relationship, who, known.confidentiality, destination.tier)
