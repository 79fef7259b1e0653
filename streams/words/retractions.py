"""That a hospital, or a person of ours, took an alert back, in words."""

from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import Final

from rules.decisions import AlertKind, Reason
from streams.words.stays import facility
from streams.words.times import ZONE, at_time, time_or_moment

SAID_LATE_SECONDS: Final = 600


def retraction(
    reasons: Iterable[Reason],
    kind: AlertKind,
    at: datetime,
    now: datetime,
    zone: tzinfo = ZONE,
    *,
    hospital: str = "",
    heard_at: datetime | None = None,
) -> str:
    """ "Mission Hospital cancelled this at 11:30 AM (we heard 3:32 PM): the admission did not happen"; no cause when
    reasons are withheld. `heard_at` is said where it is minutes later."""
    given = frozenset(reasons)
    by = facility(hospital) or "The hospital"
    late = heard_at is not None and (heard_at - at).total_seconds() >= SAID_LATE_SECONDS
    when = at_time(at, now, zone) + (f" (we heard {time_or_moment(heard_at, now, zone)})" if late and heard_at else "")
    what = {
        AlertKind.ED_VISIT: "ED visit",
        AlertKind.OBSERVATION: "observation stay",
        AlertKind.TRANSFER: "transfer",
        AlertKind.DISCHARGE: "stay",
        AlertKind.DEATH: "report",
    }.get(kind, "admission")
    if Reason.MOVED_TO_ANOTHER_PERSON in given:
        return f"{by} corrected this {when}: the {what} belongs to somebody else"
    if Reason.MERGED in given:
        return f"{by} joined this {when} with another stay of the same person, which goes on"
    if Reason.BACK_TO_OUTPATIENT in given:
        return f"{by} changed this {when}: no longer an inpatient, now outpatient"
    if Reason.VISIT_DELETED in given or Reason.PERSON_DELETED in given:
        return f"{by} deleted this {when}: the {what} was entered by mistake"
    if Reason.MATCH_REJECTED in given:
        return f"Taken back {when}: somebody found that this is another person"
    if not given:
        return f"The hospital took this back {when}"
    return f"{by} cancelled this {when}: the {what} did not happen"
