"""A reader's network in: the stays of all its people, its staff, who of them is away and who covers, out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from parsers.people import CaseManager, Enrollee, Role
from rules.following.roles import Doing, Relation, may
from streams.inbox.access import Desk, is_away
from streams.inbox.pages.reader_stay import ReaderStay
from streams.store.among import Among

NOBODY_S: Final[frozenset[str]] = frozenset()


def scope(desk: Desk, reader: CaseManager) -> frozenset[str] | None:
    """The practices of whose people the reader may see rows: carried ones, those of the network; `None`: all."""
    if reader.role is Role.CENTRAL_OFFICE:
        return None
    if not may(reader.role, Doing.SEE_ROW, Relation.NETWORK):
        return NOBODY_S
    practices = desk.directory().practices.values()
    network = {
        practice.practice_id for practice in practices if reader.network_id and practice.network_id == reader.network_id
    }
    return frozenset(reader.practices) | network


def team_stays(desk: Desk, reader: CaseManager, now: datetime, *, open_only: bool = False) -> list[ReaderStay]:
    """The stays of everybody on the panels of the reader's network and practices, whoever has them."""
    practices = scope(desk, reader)
    if practices is not None and not practices:
        return []
    return _shown(desk, reader, Among(practice_ids=practices, open_only=open_only), now)


def is_cut(desk: Desk, reader: CaseManager, now: datetime, *, open_only: bool = False) -> bool:
    """Whether there are more than `team_stays` gives; those it gives are what is open, most urgent and oldest first."""
    return desk.store.inbox.is_cut(Among(practice_ids=scope(desk, reader), open_only=open_only), now)


def stays_of(desk: Desk, reader: CaseManager, enrollee: Enrollee, now: datetime) -> list[ReaderStay]:
    """The stays of one person, whoever has them."""
    return _shown(desk, reader, Among(enrollee_id=enrollee.enrollee_id), now)


def stays_named(desk: Desk, reader: CaseManager, alert_ids: Sequence[str], now: datetime) -> list[ReaderStay]:
    """Those of these stays that the reader may open, whoever has them."""
    return _shown(desk, reader, Among(alert_ids=alert_ids), now)


def _shown(desk: Desk, reader: CaseManager, among: Among, now: datetime) -> list[ReaderStay]:
    rows = desk.store.inbox.rows_of(reader.case_manager_id, among, now)
    loops = desk.loops(reader, [row.alert.alert_id for row in rows], now)
    loops_by_row = [(row, row.enrollee, loops[row.alert.alert_id]) for row in rows]
    return [
        desk.stay_of(reader, row, row.unseen or (row.alert,), enrollee, loop)
        for row, enrollee, loop in loops_by_row
        if enrollee is not None and desk.may_see(reader, row, loop, now)
    ]


def colleagues(desk: Desk, reader: CaseManager) -> list[CaseManager]:
    """Everybody of the reader's network, the reader too; for the central office everybody."""
    everybody = reader.role is Role.CENTRAL_OFFICE
    people = [
        person
        for person in desk.directory().case_managers.values()
        if everybody or person == reader or (person.network_id and person.network_id == reader.network_id)
    ]
    return sorted(people, key=lambda person: (person.name, person.case_manager_id))


def away_until(desk: Desk, person: CaseManager, now: datetime) -> datetime | None:
    return desk.directory().back_at(person.case_manager_id, now)


def covers_for(desk: Desk, person: CaseManager, now: datetime) -> tuple[str, ...]:
    """The names of those for whom this person stands in just now."""
    directory = desk.directory()
    absent = [directory.person(who) for who in directory.absences if is_away(directory, who, now)]
    pairs = [(away, directory.stand_in(away, now)) for away in absent if away is not None and away != person]
    return tuple(sorted(away.name for away, stand_in in pairs if stand_in and stand_in[0] == person))
