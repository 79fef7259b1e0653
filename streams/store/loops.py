"""Acts of stays in, what the follow-up of each comes to out; the versions and other stays it needs are read here."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from rules.decisions import Alert, Stay, StayStatus
from rules.following.acts import Act
from rules.following.loop import Loop, loop
from rules.following.sides import Side
from rules.policy.policy import Policy
from rules.stays.open import goes_on
from rules.stays.unheard import unheard_since
from rules.telling.directory import BUILT_IN_CENTRAL_OFFICE, Directory
from streams.store.database import rows_among


class OtherStay(NamedTuple):
    """A stay that goes on."""

    alert: Alert
    stay: Stay


def loops_of(
    connection: Connection,
    versions: Mapping[str, Sequence[Alert]],
    done: Mapping[str, Sequence[Act]],
    directory: Directory,
    policy: Policy,
    now: datetime,
    side: Side = Side.HOME,
) -> dict[str, Loop]:
    """The loop, as `side` has it, of each alert of which `versions` and `done` give all versions and acts, oldest
    first."""
    finished = {
        its_versions[-1].enrollee_id
        for its_versions in versions.values()
        if its_versions[-1].status is StayStatus.FINISHED
    }
    going_on = _going_on(connection, finished, policy, now)
    staff = directory.case_managers.keys() | {BUILT_IN_CENTRAL_OFFICE.case_manager_id}
    return {
        alert_id: loop(
            its_versions,
            done[alert_id],
            staff,
            now,
            policy.tz,
            no_call_days=policy.windows.no_call_days,
            side=side,
            at_plans=directory.at_plans,
            in_hospital_again=any(
                _later(other, its_versions[-1]) for other in going_on.get(its_versions[-1].enrollee_id, ())
            ),
        )
        for alert_id, its_versions in versions.items()
    }


def versions_of(connection: Connection, alert_ids: Sequence[str]) -> dict[str, list[Alert]]:
    """All versions of these alerts, oldest first."""
    versions: dict[str, list[Alert]] = {}
    statement = "SELECT alert_id, document FROM alert_versions WHERE alert_id IN :among ORDER BY version"
    for alert_id, document in rows_among(connection, statement, alert_ids):
        versions.setdefault(alert_id, []).append(Alert.read(document))
    return versions


def _going_on(
    connection: Connection, enrollee_ids: set[str], policy: Policy, now: datetime
) -> dict[str, list[OtherStay]]:
    """Stays of these people that go on, and are still heard of."""
    statement = (
        "SELECT a.document, s.document, a.action, a.status FROM alerts a JOIN stays s ON s.stay_id = a.stay_id "
        "WHERE a.enrollee_id IN :among"
    )
    running: dict[str, list[OtherStay]] = {}
    for alert_document, stay_document, *newest in rows_among(connection, statement, list(enrollee_ids)):
        if not goes_on(*newest):
            continue
        other = OtherStay(Alert.read(alert_document), Stay.read(stay_document))
        if unheard_since(other.stay, policy, now) is None:
            running.setdefault(other.alert.enrollee_id, []).append(other)
    return running


def _later(other: OtherStay, alert: Alert) -> bool:
    """Whether the other stay was heard of after this one ended, so that the person is in the hospital again."""
    ended = alert.ended_at or alert.occurred_at
    return other.alert.alert_id != alert.alert_id and other.alert.occurred_at > ended
