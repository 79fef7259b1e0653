"""One stay whole, as its reader may see it: who was told, what was done, what was before, what is to follow.

Every alert version passes `Desk.view` before it leaves this file, so no page can show more.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from parsers.people import CaseManager, Practice
from rules.decisions import Alert, Reason
from rules.following.acts import Act, ActKind
from rules.following.allowed import relation
from rules.following.loop import Loop
from rules.telling.confidentiality import Relationship, Tier
from rules.telling.destinations import FormKind, State
from rules.telling.views import AlertView, audited, former, told_versions
from streams.inbox.access import Desk, acknowledged, is_away
from streams.inbox.following import Following, counting, readable
from streams.inbox.pages.reader_stay import ReaderStay
from streams.store.delivery import DeliveryRow, DeliveryState
from streams.store.escalations import StepRow
from streams.store.inbox_rows import InboxRow, StayPage


class Deed(NamedTuple):
    """What a person did about an alert."""

    name: str
    kind: ActKind
    version: int
    at: datetime
    undone: bool


class ToldPerson(NamedTuple):
    """One person an alert is or was for."""

    person: CaseManager
    because: str
    owning: bool
    seen: bool  # the newest version
    acknowledged: bool  # the newest version


class ToldSystem(NamedTuple):
    """The newest version that a place outside was told, or is to be."""

    name: str
    form: FormKind
    version: int
    state: DeliveryState
    failure: str  # of the last try
    maybe: bool  # a try was not answered
    kept: bool  # nothing is tried there: it is paused
    at: datetime | None  # when it ended


class StayDetail(NamedTuple):
    """Everything the page of one stay shows."""

    stay: ReaderStay
    told: tuple[ToldPerson, ...]
    deeds: tuple[Deed, ...]  # oldest first
    earlier: tuple[AlertView, ...]  # newest first
    earlier_withheld: int
    practice: Practice | None
    ruling: str  # which tier and why, for the audit
    systems: tuple[ToldSystem, ...] = ()  # only for who reads the whole of it
    following: Following | None = None  # `None` where it is not the reader's to follow
    steps: tuple[StepRow, ...] = ()  # of escalation, oldest first
    joined_into: str = ""  # alert_id of the stay that a hospital joined it to, for who may know why it is over


def detail_of(desk: Desk, reader: CaseManager, alert_id: str) -> StayDetail | None:
    """One stay whole; `None` when there is no such stay or it is and was never this reader's."""
    who = reader.case_manager_id
    page = desk.store.inbox.stay_page(who, alert_id)
    now = datetime.now(UTC)
    if page is None:
        page = _of_team(desk, reader, alert_id, now)
    if page is None or page.row.enrollee is None:
        return None
    enrollee = page.row.enrollee
    past = former(page.row.alert, enrollee, reader, desk.network_id(enrollee), assigned=page.row.asked)
    versions = tuple(reversed(page.versions))
    if past:
        versions = told_versions(versions, enrollee, reader, desk.network_id(enrollee))
    loop = desk.loops(reader, [alert_id], now)[alert_id]
    stay = desk.stay_of(reader, page.row._replace(told_before=()), versions, enrollee, loop)
    newest = page.row.alert
    latest = stay.latest
    asked_since = newest.told if latest.tier is Tier.FULL else ()  # of the newest version, after it was decided
    known = {who, *latest.told, *asked_since, *(owner.case_manager_id for owner in latest.owners)}
    told_people = []
    for other in page.told:
        person = desk.person(other.case_manager_id)
        if person is None or other.case_manager_id not in known:
            continue
        done = acknowledged(page.row.acts, other.case_manager_id) >= newest.version
        because = other.because if latest.tier is Tier.FULL else ""
        told_people.append(ToldPerson(person, because, other.owning, other.seen_version >= newest.version, done))
    counts = counting(page.acts)
    earlier = [
        desk.view(other.alert, enrollee, reader)
        for other in page.earlier
        if other.alert and not former(other.alert, enrollee, reader, desk.network_id(enrollee))
    ]
    shown = tuple(item for item in earlier if item.tier is not Tier.WITHHELD)
    return StayDetail(
        stay=stay,
        told=tuple(told_people),
        deeds=tuple(
            Deed(desk.name(done.by), done.kind, done.version, done.happened_at, done.act_id not in counts)
            for done in page.acts
            if done.by in known and done.kind is not ActKind.UNDO
        ),
        earlier=shown,
        earlier_withheld=len([item for item in earlier if item.relationship is not Relationship.NONE]) - len(shown),
        practice=desk.directory().practices.get(enrollee.practice_id) if latest.person and not past else None,
        ruling=audited(newest, enrollee, latest, desk.confidentiality()),
        systems=_systems(desk, alert_id) if latest.tier is Tier.FULL else (),
        following=None
        if latest.tier is Tier.WITHHELD or past
        else _following(desk, reader, page.row, stay.loop or loop, readable(page.acts, latest.tier, who), now),
        steps=desk.store.escalations.of_stay(alert_id) if latest.tier is Tier.FULL else (),
        joined_into=page.stay.merged_into if Reason.MERGED in latest.reasons else "",
    )


def goes_on_as(desk: Desk, reader: CaseManager, detail: StayDetail) -> AlertView | None:
    """The stay that this one was joined to; `None` where it was not, or the reader may not know of that one."""
    other = detail_of(desk, reader, detail.joined_into) if detail.joined_into else None
    return other.stay.latest if other and other.stay.latest.person else None


def _following(
    desk: Desk, reader: CaseManager, row: InboxRow, loop: Loop, acts: tuple[Act, ...], now: datetime
) -> Following:
    directory, enrollee = desk.directory(), row.enrollee
    to_patient = relation(reader, row.alert, enrollee, loop.holding, directory, now, asked=row.asked)
    network = desk.network_id(enrollee) if enrollee else ""
    wished = desk.store.acts.wishes([row.alert.enrollee_id])[row.alert.enrollee_id]
    team = [
        colleague
        for colleague in directory.case_managers.values()
        if colleague.network_id == network and colleague != reader
    ]
    return Following(
        loop=loop,
        acts=acts,
        counting=counting(acts),
        to_patient=to_patient,
        covered=desk.covered(reader, row.alert, loop),
        reader=reader,
        team=tuple(sorted(team, key=lambda colleague: (colleague.name, colleague.case_manager_id))),
        away=frozenset(
            colleague.case_manager_id for colleague in team if is_away(directory, colleague.case_manager_id, now)
        ),
        scripts=desk.scripts(),
        wishes=wished,
        wishes_by=desk.name_near(reader, wished.last.by) if wished.last else "",
    )


def _of_team(desk: Desk, reader: CaseManager, alert_id: str, now: datetime) -> StayPage | None:
    """A stay that was never put before the reader, whose role may see it for the practice or the network.

    Where there is none of this id another is looked at, so that how long it takes does not tell which was refused.
    """
    looked_at = desk.store.inbox.nearest_of_others(reader.case_manager_id, alert_id)
    page = desk.store.inbox.stay_page(reader.case_manager_id, looked_at, anybody_s=True)
    if page is None:
        return None
    loop = desk.loops(reader, [looked_at], now)[looked_at]
    return page if desk.may_see(reader, page.row, loop, now) and looked_at == alert_id else None


def _systems(desk: Desk, alert_id: str) -> tuple[ToldSystem, ...]:
    newest: dict[str, DeliveryRow] = {}
    for row in desk.store.deliveries.of(alert_id=alert_id):
        newest.setdefault(row.destination_id, row)
    if not newest:
        return ()
    places = desk.store.destinations.among(newest)
    return tuple(
        ToldSystem(
            places[where].name,
            places[where].form,
            row.version,
            row.state,
            row.failure,
            row.maybe,
            places[where].state is State.PAUSED,
            row.ended_at,
        )
        for where, row in sorted(newest.items())
    )


def views_of(desk: Desk, reader: CaseManager, alerts: Sequence[Alert]) -> list[AlertView | None]:
    """Each of these versions as it was told to the reader; `None` where it was not."""
    pages = {
        alert_id: desk.store.inbox.stay_page(reader.case_manager_id, alert_id)
        for alert_id in {each.alert_id for each in alerts}
    }
    views: list[AlertView | None] = []
    for alert in alerts:
        page = pages[alert.alert_id]
        if page is None or page.row.enrollee is None:
            views.append(None)
            continue
        enrollee, asked = page.row.enrollee, page.row.asked
        network_id = desk.network_id(enrollee)
        so_far = [version for version in reversed(page.versions) if version.version <= alert.version]
        last = told_versions(so_far, enrollee, reader, network_id, asked)[-1]
        past = former(page.row.alert, enrollee, reader, network_id, asked)
        was_told = last.version == alert.version
        views.append(desk.view(last, enrollee, reader, past, asked) if was_told else None)
    return views
