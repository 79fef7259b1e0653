"""Who answers for whom at a given minute: directory values in, the answering person and the reason in words out.

A practice is answered for by the people who carry it, else by its network's team, else by the central office, which
always answers. Whoever is absent is stood in for by the back-up (and that one's back-up); whoever is outside working
hours is passed over.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple
from zlib import crc32
from zoneinfo import ZoneInfo

from parsers.hours import ALWAYS, read_hours, within
from parsers.people import NO_PATIENTS, Absence, CaseManager, LmeMco, Network, Practice, Role
from rules.policy.office import OFFICE_ZONE

BUILT_IN_CENTRAL_OFFICE: Final = CaseManager(
    case_manager_id="central-office", name="Central office", role=Role.CENTRAL_OFFICE
)
_CARRIERS_FIRST: Final = (Role.NURSE, Role.SOCIAL_WORKER, Role.PHARMACIST, Role.MANAGER, Role.MEDICAL_DIRECTOR)
_TEAM_FIRST: Final = (Role.MANAGER, Role.NURSE, Role.SOCIAL_WORKER, Role.PHARMACIST, Role.MEDICAL_DIRECTOR)


class Level(StrEnum):
    """Which part of the organization answers."""

    PRACTICE = "practice"
    NETWORK = "network"
    LME_MCO = "lme_mco"
    CENTRAL_OFFICE = "central_office"


class Answer(NamedTuple):
    """A person who answers, and how we came to them, in words that name no enrollee."""

    case_manager: CaseManager
    level: Level
    because: str


class Cover(NamedTuple):
    """How one practice is covered over a span: minutes by level, and the first time its own people do not answer."""

    practice_id: str
    practice_minutes: int
    network_minutes: int
    central_minutes: int
    first_gap: tuple[datetime, datetime] | None


class Directory:
    """Lookup value over the directory's files; references that lead nowhere are treated as absent."""

    def __init__(
        self,
        networks: Iterable[Network] = (),
        practices: Iterable[Practice] = (),
        case_managers: Iterable[CaseManager] = (),
        absences: Iterable[Absence] = (),
        lme_mcos: Iterable[LmeMco] = (),
        *,
        zone: ZoneInfo = OFFICE_ZONE,
    ) -> None:
        self.zone = zone  # the office's: people's working hours are local to it
        self.networks = {network.network_id: network for network in networks}
        self.practices = {practice.practice_id: practice for practice in practices}
        self.case_managers = {person.case_manager_id: person for person in case_managers}
        self.lme_mcos = {plan.lme_mco_id: plan for plan in lme_mcos}
        self.absences: dict[str, list[Absence]] = {}
        for absence in sorted(absences, key=lambda absence: (absence.starts, absence.ends, absence.backup_id)):
            self.absences.setdefault(absence.case_manager_id, []).append(absence)
        self._by_county = {county_key(county): plan for plan in self.lme_mcos.values() for county in plan.counties}
        people = sorted(self.case_managers.values(), key=lambda person: person.case_manager_id)
        self._carriers: dict[str, list[CaseManager]] = {}
        self._teams: dict[str, list[CaseManager]] = {}
        self._coordinators: dict[str, list[CaseManager]] = {}
        for person in people:
            if person.role in NO_PATIENTS:
                continue
            for practice_id in person.practices:
                self._carriers.setdefault(practice_id, []).append(person)
            if person.network_id:
                self._teams.setdefault(person.network_id, []).append(person)
            if person.lme_mco_id:
                self._coordinators.setdefault(person.lme_mco_id, []).append(person)
        for carriers in self._carriers.values():
            carriers.sort(key=lambda person: _rank(person.role, _CARRIERS_FIRST))
        for team in self._teams.values():
            team.sort(key=lambda person: _rank(person.role, _TEAM_FIRST))
        for plan_people in self._coordinators.values():
            plan_people.sort(key=lambda person: _rank(person.role, (Role.CARE_COORDINATOR,)))
        self.at_plans = frozenset(person.case_manager_id for person in people if person.is_at_plan)
        self._central = [person for person in people if person.role is Role.CENTRAL_OFFICE]

    def person(self, case_manager_id: str) -> CaseManager | None:
        """The case manager of that id, the built-in central office included."""
        if case_manager_id == BUILT_IN_CENTRAL_OFFICE.case_manager_id:
            return self.case_managers.get(case_manager_id, BUILT_IN_CENTRAL_OFFICE)
        return self.case_managers.get(case_manager_id)

    def practice_name(self, practice_id: str) -> str:
        """ "" for one that is not on file."""
        practice = self.practices.get(practice_id)
        return practice.name if practice else ""

    def lme_mco_for(self, county: str) -> LmeMco | None:
        """The plan that answers for a county, however the county is spelled."""
        return self._by_county.get(county_key(county))

    def stand_in(self, person: CaseManager, at: datetime) -> tuple[CaseManager, str] | None:
        """Who answers when `person` should: that person, or a back-up; `None` when neither does at that minute."""
        return self._stand_in(person, at, ())

    def back_at(self, case_manager_id: str, at: datetime) -> datetime | None:
        """When somebody is back who is away at that minute; `None` for who is there."""
        ends = [absence.ends for absence in self.absences.get(case_manager_id, ()) if _covers(absence, at)]
        return max(ends, default=None)

    def carriers(self, practice_id: str) -> tuple[CaseManager, ...]:
        """Who carries the practice's panel, those first who coordinate it."""
        return tuple(self._carriers.get(practice_id, ()))

    def of_practice(self, practice_id: str, at: datetime, share: str = "", role: Role | None = None) -> Answer | None:
        """Of the people who carry the practice, the one who answers; people of one role share its panel by `share`.

        `share` is an enrollee_id: the same enrollee stays with the same person.
        """
        carriers = [person for person in self._carriers.get(practice_id, ()) if role in (None, person.role)]
        name = self.practices[practice_id].name if practice_id in self.practices else practice_id
        return self._first(_shared(carriers, share), Level.PRACTICE, f"carries the panel of {name}", at)

    def of_network(self, network_id: str, at: datetime, role: Role | None = None) -> Answer | None:
        """Of the network's team the one who answers: the manager first, then nurses and the others."""
        team = [person for person in self._teams.get(network_id, ()) if role in (None, person.role)]
        name = self.networks[network_id].name if network_id in self.networks else network_id
        return self._first(team, Level.NETWORK, f"answers for the network {name}", at)

    def silent(self, at: datetime, *, practice_id: str = "", network_id: str = "", role: Role | None = None) -> str:
        """Why none of those who carry the practice, or of the network's team, answers: "all away", or by number.

        "" when there are none.
        """
        some = self._carriers.get(practice_id, []) if practice_id else self._teams.get(network_id, [])
        people = [person for person in some if role in (None, person.role)]
        away = sum(
            any(_covers(each, at) for each in self.absences.get(member.case_manager_id, ())) for member in people
        )
        counts = {"away": away, "outside their hours": len(people) - away}
        words = [f"{count} {word}" for word, count in counts.items() if count]
        return f"all {words[0].partition(' ')[2]}" if len(words) == 1 and len(people) > 1 else ", ".join(words)

    def of_lme_mco(self, lme_mco_id: str, at: datetime, share: str = "") -> Answer | None:
        """Of the plan's people the one who answers, care coordinators first; coordinators share by `share`."""
        people = _shared(self._coordinators.get(lme_mco_id, ()), share)
        name = self.lme_mcos[lme_mco_id].name if lme_mco_id in self.lme_mcos else lme_mco_id
        return self._first(people, Level.LME_MCO, f"coordinates care at {name}", at)

    def has_coordinators(self, lme_mco_id: str) -> bool:
        """Whether anybody is on file at that plan."""
        return bool(self._coordinators.get(lme_mco_id))

    def central_office(self, at: datetime) -> Answer:
        """The root: whoever of the central office answers, else its first person all the same."""
        answer = self._first(self._central, Level.CENTRAL_OFFICE, "answers for whatever nobody else does", at)
        if answer is not None:
            return answer
        person = self._central[0] if self._central else self.person(BUILT_IN_CENTRAL_OFFICE.case_manager_id)
        return Answer(
            person or BUILT_IN_CENTRAL_OFFICE,
            Level.CENTRAL_OFFICE,
            f"{(person or BUILT_IN_CENTRAL_OFFICE).name} answers for whatever nobody else does",
        )

    def cover(self, starts: datetime, ends: datetime) -> Iterator[Cover]:
        """How each practice is covered from `starts` to `ends` (aware): exact, not sampled.

        Between two neighboring bounds of absences and working hours nothing changes, so looking once there is enough.
        """
        known: dict[tuple[tuple[str, ...], str], Cover] = {}
        for practice in self.practices.values():
            carriers = self._carriers.get(practice.practice_id, [])
            key = (tuple(person.case_manager_id for person in carriers), practice.network_id)
            if key not in known:
                known[key] = self._cover_of(practice, carriers, starts, ends)
            yield known[key]._replace(practice_id=practice.practice_id)

    def _cover_of(self, practice: Practice, carriers: Sequence[CaseManager], starts: datetime, ends: datetime) -> Cover:
        concerned = self._with_backups([*carriers, *self._teams.get(practice.network_id, ())])
        bounds = sorted({starts, ends} | set(self._bounds(concerned, starts, ends)))
        minutes = {Level.PRACTICE: 0.0, Level.NETWORK: 0.0, Level.CENTRAL_OFFICE: 0.0}
        gap: tuple[datetime, datetime] | None = None
        for since, until in pairwise(bounds):
            if self.of_practice(practice.practice_id, since):
                level = Level.PRACTICE
            elif self.of_network(practice.network_id, since):
                level = Level.NETWORK
            else:
                level = Level.CENTRAL_OFFICE
            minutes[level] += (until - since).total_seconds() / 60
            if level is not Level.PRACTICE and (gap is None or gap[1] == since):
                gap = (gap[0] if gap else since, until)
        return Cover(
            practice.practice_id,
            round(minutes[Level.PRACTICE]),
            round(minutes[Level.NETWORK]),
            round(minutes[Level.CENTRAL_OFFICE]),
            gap,
        )

    def _with_backups(self, people: Iterable[CaseManager]) -> list[CaseManager]:
        people_by_id: dict[str, CaseManager] = {}
        waiting = list(people)
        while waiting:
            person = waiting.pop()
            if person.case_manager_id in people_by_id:
                continue
            people_by_id[person.case_manager_id] = person
            backups = (self.person(absence.backup_id) for absence in self.absences.get(person.case_manager_id, ()))
            waiting.extend(backup for backup in backups if backup)
        return list(people_by_id.values())

    def _bounds(self, people: Iterable[CaseManager], starts: datetime, ends: datetime) -> Iterator[datetime]:
        for person in people:
            for absence in self.absences.get(person.case_manager_id, ()):
                yield from (at for at in (absence.starts, absence.ends) if starts < at < ends)
            yield from _hour_bounds(person.hours, starts, ends, self.zone)

    def _first(self, people: Iterable[CaseManager], level: Level, what: str, at: datetime) -> Answer | None:
        for person in people:
            answerer = self.stand_in(person, at)
            if answerer is not None:
                answering, how = answerer
                return Answer(answering, level, f"{person.name} {what}{how}")
        return None

    def _stand_in(self, person: CaseManager, at: datetime, trail: tuple[str, ...]) -> tuple[CaseManager, str] | None:
        if person.case_manager_id in trail or person.role in NO_PATIENTS:
            return None
        away = [absence for absence in self.absences.get(person.case_manager_id, ()) if _covers(absence, at)]
        if away:
            for absence in away:
                backup = self.person(absence.backup_id) if absence.backup_id else None
                deputy = backup and self._stand_in(backup, at, (*trail, person.case_manager_id))
                if backup and deputy:
                    return deputy[0], f", is away and {backup.name} stands in{deputy[1]}"
            return None
        spans = read_hours(person.hours) or ALWAYS
        if spans is not ALWAYS and not within(spans, at.astimezone(self.zone)):
            return None
        return person, ""


def county_key(county: str) -> str:
    """One spelling per county: `New Hanover County` and ` new  hanover` are the same."""
    words = county.casefold().replace(".", "").split()
    return " ".join(words[:-1] if len(words) > 1 and words[-1] == "county" else words)


def _covers(absence: Absence, at: datetime) -> bool:
    return absence.starts <= at < absence.ends


def _rank(role: Role, order: Sequence[Role]) -> int:
    return order.index(role) if role in order else len(order)


def _shared(people: Sequence[CaseManager], share: str) -> list[CaseManager]:
    peers = [person for person in people if person.role is people[0].role]
    turn = crc32(share.encode()) % len(peers) if share and peers else 0
    return [*peers[turn:], *peers[:turn], *people[len(peers) :]]


@lru_cache(maxsize=256)
def _hour_bounds(hours: str, starts: datetime, ends: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    spans = read_hours(hours) or ALWAYS
    if spans == ALWAYS:
        return ()
    first, last = starts.astimezone(zone).date(), ends.astimezone(zone).date()
    bounds: set[datetime] = set()
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        bounds.update(
            _clock(day, minute, zone, fold) for minute in _minutes_of(day.weekday(), spans) for fold in (0, 1)
        )
        midnight, next_midnight = _clock(day, 0, zone), _clock(day + timedelta(days=1), 0, zone)
        if next_midnight - midnight != timedelta(
            days=1
        ):  # clocks change, on a full hour, and wall times repeat or jump
            bounds.update(midnight + timedelta(hours=hour) for hour in range(25))
    return tuple(sorted(at for at in bounds if starts < at < ends))


def _minutes_of(weekday: int, spans: Iterable[tuple[int, int]]) -> set[int]:
    bounds = {bound for span in spans for bound in span}
    return {bound - weekday * 1440 for bound in bounds if weekday * 1440 <= bound < (weekday + 1) * 1440}


def _clock(day: date, minute: int, zone: ZoneInfo, fold: int = 0) -> datetime:
    return datetime.combine(day, time(minute // 60, minute % 60, fold=fold), zone).astimezone(UTC)
