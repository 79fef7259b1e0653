"""Whom an alert belongs to: an enrollee, a kind and a minute in, at least one owner and the reason in words out.

A tree of routes as data (`routes.toml`): depth first, first match, `continue` looks further, children inherit, and
the root owns what nobody else does.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from parsers.hours import Spans, within
from parsers.people import CaseManager, Enrollee, RiskTier, Role
from rules.decisions import AlertKind, Owner, Reason
from rules.telling.directory import Answer, Directory, Level, county_key


class Target(StrEnum):
    """Whom a route hands an alert to."""

    PRACTICE = "practice"
    NETWORK = "network"
    LME_MCO = "lme_mco"
    CENTRAL_OFFICE = "central_office"
    CASE_MANAGER = "case_manager"


class Routed(NamedTuple):
    """The owners, never none; and why, in plain words that name no enrollee but may tell a program or a reason."""

    owners: tuple[Owner, ...]
    explanation: str
    to_practice: bool = True  # among the owners is somebody of the medical home or its network


@dataclass(frozen=True, slots=True)
class Route:
    """One branch. Empty conditions hold for everything."""

    name: str
    to: Target
    role: Role | None = None
    case_manager: str = ""
    practices: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    counties: frozenset[str] = frozenset()
    risk_tiers: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    programs: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    hours: Spans | None = None
    hours_text: str = ""
    go_on: bool = False
    routes: tuple["Route", ...] = ()

    @property
    def unconditional(self) -> bool:
        return self.hours is None and not any(getattr(self, name) for name in LISTS)


class _Facts(NamedTuple):
    """What conditions are held against."""

    enrollee_id: str
    practice_id: str
    network_id: str
    county: str
    lists: dict[str, frozenset[str]]  # condition name -> the values that would satisfy it
    at: datetime
    local: datetime


@dataclass(frozen=True, slots=True)
class Routes:
    """A routes file that was found in order."""

    root: Route

    def route(
        self,
        directory: Directory,
        enrollee: Enrollee | None,
        kind: AlertKind,
        reasons: frozenset[Reason],
        at: datetime,
    ) -> Routed:
        """Owners of an alert about `enrollee` (`None`: nobody known) at the aware time `at`."""
        facts = _facts(directory, enrollee, kind, reasons, at)
        owners: dict[str, Owner] = {}
        why: list[str] = []
        near = False
        for route in _matching(self.root, facts) or [self.root]:
            answer, words, meant = _resolve(route, directory, facts)
            why.append(words[:1].upper() + words[1:])
            if answer is not None:
                because = route.name if meant else answer.level.value
                who = answer.case_manager.case_manager_id
                owners.setdefault(who, Owner(case_manager_id=who, because=because))
                near = near or _of_medical_home(answer.case_manager, facts)
        if not owners:
            answer = directory.central_office(at)
            why.append(f"{answer.because}.")
            who = answer.case_manager.case_manager_id
            owners[who] = Owner(case_manager_id=who, because=answer.level.value)
        return Routed(tuple(owners.values()), " ".join(dict.fromkeys(why)), near)


def _of_medical_home(person: CaseManager, facts: _Facts) -> bool:
    """Carries the practice, or is of its network's team."""
    of_network = bool(facts.network_id) and person.network_id == facts.network_id
    return of_network or (bool(facts.practice_id) and facts.practice_id in person.practices)


LISTS: Final = ("practices", "networks", "counties", "risk_tiers", "kinds", "programs", "reasons")
_LEVEL_OF: Final = {
    Target.PRACTICE: Level.PRACTICE,
    Target.NETWORK: Level.NETWORK,
    Target.LME_MCO: Level.LME_MCO,
    Target.CENTRAL_OFFICE: Level.CENTRAL_OFFICE,
}


def _facts(
    directory: Directory,
    enrollee: Enrollee | None,
    kind: AlertKind,
    reasons: frozenset[Reason],
    at: datetime,
) -> _Facts:
    practice = directory.practices.get(enrollee.practice_id) if enrollee else None
    practice_id = enrollee.practice_id if enrollee else ""
    network_id = practice.network_id if practice else ""
    county = (enrollee.address.county if enrollee else "") or (practice.county if practice else "")
    lists: dict[str, frozenset[str]] = {
        "practices": _some(practice_id),
        "networks": _some(network_id),
        "counties": _some(county_key(county)),
        "risk_tiers": frozenset([(enrollee.risk_tier if enrollee else RiskTier.UNKNOWN).value]),
        "kinds": frozenset([kind.value]),
        "programs": frozenset(program_key(program) for program in (enrollee.programs if enrollee else ())),
        "reasons": frozenset(reason.value for reason in reasons),
    }
    enrollee_id = enrollee.enrollee_id if enrollee else ""
    return _Facts(enrollee_id, practice_id, network_id, county, lists, at, at.astimezone(directory.zone))


def _some(value: str) -> frozenset[str]:
    return frozenset([value]) if value else frozenset()


def program_key(program: str) -> str:
    return "_".join(program.casefold().replace("-", " ").replace("_", " ").split())


def _matching(route: Route, facts: _Facts) -> list[Route]:
    """The branches that take the alert, in order; empty when this one does not."""
    if not _holds(route, facts):
        return []
    branches: list[Route] = []
    for child in route.routes:
        taken = _matching(child, facts)
        branches.extend(taken)
        if taken and not child.go_on:
            break
    return branches or [route]


def _holds(route: Route, facts: _Facts) -> bool:
    if route.hours is not None and not within(route.hours, facts.local):
        return False
    for name in LISTS:
        wanted: frozenset[str] = getattr(route, name)
        if wanted and wanted.isdisjoint(facts.lists[name]):
            return False
    return True


def _resolve(route: Route, directory: Directory, facts: _Facts) -> tuple[Answer | None, str, bool]:
    """Who answers on a route, why, and whether the route meant them; nobody only where a plan has no people on file."""
    lead = _condition_words(route, facts)
    skipped: list[str] = []
    answer: Answer | None = None
    if route.to is Target.CASE_MANAGER:
        person = directory.person(route.case_manager)
        stand_in = directory.stand_in(person, facts.at) if person else None
        if person and stand_in:
            level = Level.CENTRAL_OFFICE if person.role is Role.CENTRAL_OFFICE else Level.NETWORK
            words = f"{lead}{person.name} is named by the route {route.name}{stand_in[1]}."
            return Answer(stand_in[0], level, ""), words, True
        skipped.append(f"the person named by the route {route.name} does not answer at this hour")
    if route.to is Target.LME_MCO:
        plan = directory.lme_mco_for(facts.county) if facts.county else None
        if plan is None:
            words = f"{lead}no behavioral-health plan (LME/MCO) is on file for this county, so nobody there was told."
            return None, words, False
        if not directory.has_coordinators(plan.lme_mco_id):
            return None, f"{lead}{plan.name} has no care coordinator on file.", False
        answer = directory.of_lme_mco(plan.lme_mco_id, facts.at, facts.enrollee_id)
        skipped.append(f"nobody at {plan.name} answers at this hour")
    if route.to is Target.PRACTICE:
        answer = directory.of_practice(facts.practice_id, facts.at, facts.enrollee_id, route.role)
        skipped.append(_nobody_at_practice(directory, facts, route.role))
    if answer is None and route.to in (Target.PRACTICE, Target.NETWORK) and facts.network_id:
        answer = directory.of_network(facts.network_id, facts.at, route.role)
        if answer is None and route.role is not None:
            answer = directory.of_network(facts.network_id, facts.at, None)
        if answer is None:
            why = directory.silent(facts.at, network_id=facts.network_id)
            skipped.append(f"nobody of the network answers at this hour ({why})" if why else "the network has nobody")
    elif answer is None and route.to is Target.NETWORK:
        skipped.append("the enrollee's network is not on file")
    if answer is None:
        answer = directory.central_office(facts.at)
    meant = answer.level == _LEVEL_OF.get(route.to)
    passed_over = [] if meant else skipped
    return answer, lead + "".join(f"{words}; " for words in passed_over) + f"{answer.because}.", meant


def _nobody_at_practice(directory: Directory, facts: _Facts, role: Role | None) -> str:
    if not facts.practice_id:
        return "no practice is known"
    practice = directory.practices.get(facts.practice_id)
    if practice is None:
        return f"practice {facts.practice_id} is not in the directory"
    why = directory.silent(facts.at, practice_id=facts.practice_id, role=role)
    if not why:
        return f"nobody{' of the role asked for' if role else ''} carries {practice.name}"
    return f"nobody who carries {practice.name} answers at this hour ({why})"


def _condition_words(route: Route, facts: _Facts) -> str:
    met: list[str] = []
    for name in LISTS:
        wanted: frozenset[str] = getattr(route, name)
        met.extend(f"{_WORDS[name]} {value.replace('_', ' ')}" for value in sorted(wanted & facts.lists[name]))
    if route.hours is not None:
        met.append(f"the hour is within {route.hours_text}")
    return f"Because {' and '.join(met)}: " if met else ""


_WORDS: Final = {
    "practices": "the practice is",
    "networks": "the network is",
    "counties": "the county is",
    "risk_tiers": "the risk tier is",
    "kinds": "this is about",
    "programs": "the enrollee is in the program",
    "reasons": "the reason is",
}
