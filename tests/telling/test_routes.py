"""Routing: whoever and whenever, somebody is told, and the explanation says why."""

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.events import Address, PersonName
from parsers.people import Absence, CaseManager, Enrollee, LmeMco, Network, Practice, RiskTier, Role
from rules.decisions import AlertKind, Reason
from rules.policy.rule_file import RuleFault
from rules.telling.directory import Directory, Level, county_key
from rules.telling.routes import Routed, Routes
from rules.telling.routes_file import default_routes, load_routes

MONDAY_NOON = datetime(2026, 11, 23, 17, tzinfo=UTC)
MONDAY_NIGHT = datetime(2026, 11, 24, 3, tzinfo=UTC)
CHRISTMAS = datetime(2026, 12, 25, 17, tzinfo=UTC)
NETWORKS = [Network(network_id="N1", name="Western Network"), Network(network_id="N2", name="Empty Network")]
PRACTICES = [
    Practice(practice_id="P1", name="Blue Ridge", network_id="N1", county="Buncombe"),
    Practice(practice_id="P2", name="Smoky", network_id="N1", county="Haywood County"),
    Practice(practice_id="P3", name="Lonely", network_id="N2", county="Wake"),
]
NURSE = CaseManager(
    case_manager_id="nurse", name="M. Ortiz", role=Role.NURSE, network_id="N1", practices=("P1",),
    hours="Mon-Fri 08:00-17:00",
)  # fmt: skip
SECOND = CaseManager(case_manager_id="second", name="B. Lee", role=Role.NURSE, network_id="N1", practices=("P2",))
THIRD = CaseManager(case_manager_id="third", name="C. Day", role=Role.NURSE, network_id="N1", practices=("P2",))
PHARMACIST = CaseManager(
    case_manager_id="pharmacist", name="D. Fox", role=Role.PHARMACIST, network_id="N1", practices=("P1",),
    hours="Mon-Fri 08:00-17:00",
)  # fmt: skip
MANAGER = CaseManager(case_manager_id="manager", name="E. Gale", role=Role.MANAGER, network_id="N1")
COORDINATOR = CaseManager(
    case_manager_id="coordinator", name="T. Vance", role=Role.CARE_COORDINATOR, lme_mco_id="vaya",
    hours="Mon-Fri 08:00-17:00",
)  # fmt: skip
CENTRAL = CaseManager(case_manager_id="central", name="Night desk", role=Role.CENTRAL_OFFICE, hours="20:00-06:00")
PLANS = [
    LmeMco(lme_mco_id="vaya", name="Vaya Health", counties=("Buncombe", "Haywood")),
    LmeMco(lme_mco_id="alliance", name="Alliance Health", counties=("Wake",)),
]


def away(who: str, backup: str = "", *, since: datetime = CHRISTMAS, days: int = 1) -> Absence:
    return Absence(
        case_manager_id=who, starts=since - timedelta(hours=1), ends=since + timedelta(days), backup_id=backup
    )


def directory(*absences: Absence, without: tuple[CaseManager, ...] = ()) -> Directory:
    people = [NURSE, SECOND, THIRD, PHARMACIST, MANAGER, COORDINATOR, CENTRAL]
    return Directory(NETWORKS, PRACTICES, [each for each in people if each not in without], absences, PLANS)


def enrollee(practice: str = "P1", **changes: object) -> Enrollee:
    values = {"enrollee_id": "E1", "name": PersonName(family="Whitfield"), "birth_date": date(1955, 3, 4)}
    return Enrollee.model_validate({**values, "practice_id": practice, **changes})


def route(
    who: Enrollee | None,
    at: datetime = MONDAY_NOON,
    *,
    reasons: set[Reason] = frozenset(),
    where: Directory | None = None,
    routes: Routes | None = None,
    kind: AlertKind = AlertKind.DISCHARGE,
) -> Routed:
    return (routes or default_routes()).route(where or directory(), who, kind, frozenset(reasons), at)


def owners(routed: Routed) -> list[tuple[str, str]]:
    return [(owner.case_manager_id, owner.because) for owner in routed.owners]


CASES = {
    "the person who carries the practice": (enrollee(), MONDAY_NOON, [("nurse", "practice")]),
    "outside hours the network": (enrollee(), MONDAY_NIGHT, [("manager", "network")]),
    "no network team, so the central office": (enrollee("P3"), MONDAY_NIGHT, [("central", "central_office")]),
    "the central office answers outside its hours too": (enrollee("P3"), MONDAY_NOON, [("central", "central_office")]),
    "an unknown practice": (enrollee("P9"), MONDAY_NOON, [("central", "central_office")]),
    "nobody known": (None, MONDAY_NOON, [("central", "central_office")]),
}


@pytest.mark.parametrize("name", CASES)
def test_who_is_told(name: str) -> None:
    who, at, expected = CASES[name]
    routed = route(who, at)
    assert owners(routed) == expected
    assert routed.explanation


def test_the_practice_is_told_by_its_own_people_or_its_network_not_by_others() -> None:
    assert route(enrollee()).to_practice
    assert not route(None).to_practice
    assert not route(enrollee(), where=Directory()).to_practice
    named = load_routes('[[routes]]\nname = "asthma team"\nto = "practice"\n')
    assert isinstance(named, Routes)
    assert route(enrollee(), routes=named).to_practice


def test_behavioral_health_has_two_owners() -> None:
    routed = route(enrollee(), reasons={Reason.BEHAVIORAL_HEALTH})
    assert owners(routed) == [("nurse", "practice"), ("coordinator", "lme_mco")]
    assert "behavioral health" in routed.explanation
    assert "Vaya Health" in routed.explanation


@pytest.mark.parametrize("program", ["I/DD", "Innovations", "SUD", "Behavioral Health", "tailored-plan"])
def test_programs_have_two_owners(program: str) -> None:
    assert ("coordinator", "lme_mco") in owners(route(enrollee(programs=(program,))))


def test_the_enrollees_own_county_goes_before_the_practices() -> None:
    who = enrollee(address=Address(county="WAKE county"))
    routed = route(who, reasons={Reason.OVERDOSE})
    assert owners(routed) == [("nurse", "practice")]
    assert "Alliance Health has no care coordinator on file" in routed.explanation


def test_a_plan_whose_people_do_not_answer_leaves_it_to_the_central_office() -> None:
    routed = route(enrollee(), MONDAY_NIGHT, reasons={Reason.OVERDOSE})
    assert owners(routed) == [("manager", "network"), ("central", "central_office")]
    assert "nobody at Vaya Health answers at this hour" in routed.explanation


def test_a_county_without_a_plan_is_said() -> None:
    routed = route(enrollee("P9"), reasons={Reason.OVERDOSE})
    assert owners(routed) == [("central", "central_office")]
    assert "no behavioral-health plan (LME/MCO) is on file" in routed.explanation


COVER = {
    "a back-up": ([away("nurse", "second")], "second", "practice"),
    "a chain of back-ups": ([away("nurse", "second"), away("second", "third")], "third", "practice"),
    "a ring of back-ups falls to the next": (
        [away("nurse", "second"), away("second", "nurse")], "pharmacist", "practice",
    ),
    "no back-up falls to the next": ([away("nurse")], "pharmacist", "practice"),
    "a back-up nobody knows": ([away("nurse", "ghost")], "pharmacist", "practice"),
    "two absences, one with a back-up": ([away("nurse"), away("nurse", "second", days=2)], "second", "practice"),
    "all away": ([away("nurse"), away("pharmacist")], "manager", "network"),
    "all and the manager away": ([away("nurse"), away("pharmacist"), away("manager")], "second", "network"),
    "an absence that is over": ([away("nurse", "second", since=CHRISTMAS - timedelta(5))], "nurse", "practice"),
}  # fmt: skip


SILENT = {
    "all away": ((away("nurse"), away("pharmacist"), away("manager"), away("second"), away("third")), (), CHRISTMAS,
                 "Blue Ridge", "(all away)"),
    "nobody there": ((), (NURSE, PHARMACIST, MANAGER, SECOND, THIRD), CHRISTMAS, "Nobody carries Blue Ridge",
                     "the network has nobody"),
    "night and one away": ((away("nurse", since=MONDAY_NIGHT - timedelta(1), days=2),), (MANAGER, SECOND, THIRD),
                           MONDAY_NIGHT, "(1 away, 1 outside their hours)"),
}  # fmt: skip


@pytest.mark.parametrize("name", SILENT)
def test_why_nobody_nearer_is_told(name: str) -> None:
    absences, without, at, *words = SILENT[name]
    routed = route(enrollee(), at, where=directory(*absences, without=without))
    assert owners(routed) == [("central", "central_office")]
    for word in words:
        assert word.casefold() in routed.explanation.casefold()


@pytest.mark.parametrize("name", COVER)
def test_cover(name: str) -> None:
    absences, who, because = COVER[name]
    routed = route(enrollee(), CHRISTMAS, where=directory(*absences))
    assert owners(routed) == [(who, because)]


def test_an_absence_begins_and_ends_on_the_minute() -> None:
    absence = Absence(case_manager_id="second", starts=MONDAY_NOON, ends=MONDAY_NIGHT, backup_id="manager")
    where = directory(absence, without=(THIRD,))
    owner_ids = [owners(route(enrollee("P2"), at + timedelta(seconds=step), where=where))[0][0]
            for at in (MONDAY_NOON, MONDAY_NIGHT) for step in (-1, 0)]  # fmt: skip
    assert owner_ids == ["second", "manager", "manager", "second"]


def test_people_of_one_role_share_a_practice_and_keep_their_enrollees() -> None:
    owner_of = {f"E{number}": owners(route(enrollee("P2", enrollee_id=f"E{number}")))[0][0] for number in range(200)}
    assert 60 < list(owner_of.values()).count("second") < 140
    again = {who: owners(route(enrollee("P2", enrollee_id=who), MONDAY_NIGHT))[0][0] for who in owner_of}
    assert owner_of == again


def test_a_directory_without_people_still_answers() -> None:
    routed = route(enrollee(), where=Directory([], [], [], [], []))
    assert owners(routed) == [("central-office", "central_office")]
    assert Directory().person("central-office") is not None
    assert Directory().person("nobody") is None


def test_cover_is_exact_over_the_year() -> None:
    since = datetime(2026, 11, 23, tzinfo=UTC)
    cover = {each.practice_id: each for each in directory(away("second", "third")).cover(since, since + timedelta(365))}
    year = 365 * 1440
    hours = sum(
        480 + 60 for day in range(365) if (since + timedelta(day)).weekday() < 5
    )  # 08:00-17:00 on weekdays, clock changes fall on Sundays
    assert cover["P1"].practice_minutes == hours
    assert cover["P1"].network_minutes == year - hours
    assert cover["P1"].first_gap == (since, since + timedelta(hours=13))
    assert cover["P2"].practice_minutes == year
    assert cover["P2"].first_gap is None
    assert cover["P3"].central_minutes == year


@given(st.integers(0, 366 * 1440 - 1), st.sampled_from(["P1", "P2", "P3"]))
def test_cover_agrees_with_asking_at_any_minute(minute: int, practice: str) -> None:
    since = datetime(2026, 6, 1, tzinfo=UTC)
    at = since + timedelta(minutes=minute)
    where = directory(away("nurse", "second"), away("second", "nurse"), away("manager", days=9), without=(PHARMACIST,))
    [cover] = [each for each in where.cover(at, at + timedelta(minutes=1)) if each.practice_id == practice]
    answer = where.of_practice(practice, at) or where.of_network({"P1": "N1", "P2": "N1", "P3": "N2"}[practice], at)
    level = answer.level if answer else Level.CENTRAL_OFFICE
    minutes = {
        Level.PRACTICE: cover.practice_minutes,
        Level.NETWORK: cover.network_minutes,
        Level.CENTRAL_OFFICE: cover.central_minutes,
    }
    assert minutes == {each: int(each is level) for each in minutes}


def test_cover_holds_when_the_clocks_change_within_the_hours() -> None:
    night = CaseManager(
        case_manager_id="n", name="N", role=Role.NURSE, network_id="N1", practices=("P1",), hours="Sun 01:15-01:45"
    )
    where = Directory(NETWORKS, PRACTICES[:1], [night], [], [])
    since = datetime(2026, 11, 1, tzinfo=UTC)  # 01:15-01:45 comes twice
    [cover] = where.cover(since, since + timedelta(1))
    assert cover.practice_minutes == 60


TREE = """
name = "root"
to = "central_office"

[[routes]]
name = "deaths"
kinds = ["death"]
to = "case_manager"
case_manager = "manager"

[[routes]]
name = "high risk"
risk_tiers = ["high"]
to = "practice"
continue = true
  [[routes.routes]]
  name = "medicines"
  programs = ["polypharmacy"]
  role = "pharmacist"

[[routes]]
name = "nights"
hours = "17:00-08:00"
to = "network"

[[routes]]
name = "west"
networks = ["N1"]
counties = ["Haywood County"]
practices = ["P2"]
to = "practice"
"""


def tree() -> Routes:
    routes = load_routes(TREE)
    assert isinstance(routes, Routes), routes
    return routes


TREE_CASES = {
    "first match": (enrollee(), MONDAY_NOON, AlertKind.DEATH, [("manager", "deaths")]),
    "the root takes the rest": (enrollee(), MONDAY_NOON, AlertKind.DISCHARGE, [("central", "root")]),
    "continue, and a second owner": (
        enrollee(risk_tier=RiskTier.HIGH), MONDAY_NIGHT, AlertKind.DISCHARGE, [("manager", "network")],
    ),
    "the deepest one, which inherits": (
        enrollee(risk_tier=RiskTier.HIGH, programs=("Polypharmacy",)), MONDAY_NOON, AlertKind.DISCHARGE,
        [("pharmacist", "medicines")],
    ),
    "all conditions hold": (enrollee("P2"), MONDAY_NOON, AlertKind.DISCHARGE, [("third", "west")]),
    "one condition does not hold": (
        enrollee("P2", address=Address(county="Wake")), MONDAY_NOON, AlertKind.DISCHARGE, [("central", "root")],
    ),
    "the hour": (enrollee(), MONDAY_NIGHT, AlertKind.DISCHARGE, [("manager", "nights")]),
    "the hour, of no network": (enrollee("P9"), MONDAY_NIGHT, AlertKind.DISCHARGE, [("central", "central_office")]),
    "the hour, of a network without people": (
        enrollee("P3"), MONDAY_NIGHT, AlertKind.DISCHARGE, [("central", "central_office")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TREE_CASES)
def test_a_tree_of_your_own(name: str) -> None:
    who, at, kind, expected = TREE_CASES[name]
    assert owners(route(who, at, kind=kind, routes=tree())) == expected


def test_a_named_person_who_is_away_leaves_it_to_the_root() -> None:
    routed = route(enrollee(), CHRISTMAS, kind=AlertKind.DEATH, routes=tree(), where=directory(away("manager")))
    assert owners(routed) == [("central", "central_office")]
    assert "does not answer" in routed.explanation


def test_the_root_takes_what_a_route_leads_nowhere_with() -> None:
    routes = load_routes('[[routes]]\nname = "plan"\nto = "lme_mco"')
    assert isinstance(routes, Routes)
    routed = route(enrollee("P3"), routes=routes)
    assert owners(routed) == [("central", "central_office")]
    assert "Night desk" in routed.explanation


def test_a_role_nobody_has_falls_to_the_network() -> None:
    who = enrollee("P2", risk_tier=RiskTier.HIGH, programs=("polypharmacy",))
    routed = route(who, routes=tree(), where=directory(without=(PHARMACIST,)))
    assert owners(routed)[0] == ("manager", "network")


FAULTS = {
    "not TOML": ("routes = [", "file", "TOML"),
    "unknown key": ("colour = 1", "colour", "known keys"),
    "unknown target": ('to = "moon"', "to", "one of"),
    "unknown role": ('[[routes]]\nname = "a"\nrole = "boss"', "routes[0].role", "one of"),
    "unknown kind": ('[[routes]]\nname = "a"\nkinds = ["party"]', "routes[0].kinds", "one of"),
    "unknown reason": ('[[routes]]\nname = "a"\nreasons = ["why"]', "routes[0].reasons", "one of"),
    "empty list": ('[[routes]]\nname = "a"\nkinds = []', "routes[0].kinds", "empty"),
    "not a list": ('[[routes]]\nname = "a"\ncounties = "Wake"', "routes[0].counties", "list"),
    "no name": ('[[routes]]\nto = "practice"', "routes[0].name", "missing"),
    "name is a number": ("[[routes]]\nname = 7", "routes[0].name", "text"),
    "hours": ('[[routes]]\nname = "a"\nhours = "late"', "routes[0].hours", "hours such as"),
    "continue": ('[[routes]]\nname = "a"\ncontinue = "yes"', "routes[0].continue", "true or false"),
    "no person": ('[[routes]]\nname = "a"\nto = "case_manager"', "routes[0].case_manager", "missing"),
    "conditions on the root": ('kinds = ["death"]', "kinds", "root"),
    "routes are no tables": ("routes = 3", "routes", "[[routes]]"),
    "never reached": (
        '[[routes]]\nname = "a"\n[[routes]]\nname = "b"\nkinds = ["death"]', "routes[1]", "never reached",
    ),
    "deep down": (
        '[[routes]]\nname = "a"\nkinds = ["death"]\n[[routes.routes]]\nname = "b"\nto = "x"',
        "routes[0].routes[0].to", "one of",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_place(name: str) -> None:
    text, place, words = FAULTS[name]
    faults = load_routes(text)
    assert isinstance(faults, list)
    assert any(fault.place == place and words in fault.message for fault in faults), faults


def test_all_faults_come_at_once() -> None:
    faults = load_routes('to = "x"\ncolour = 1\n[[routes]]\nkinds = ["zz"]\nhours = "ab"\n')
    assert isinstance(faults, list)
    assert all(isinstance(fault, RuleFault) for fault in faults)
    assert len(faults) == 5


def test_one_spelling_per_county() -> None:
    assert county_key(" New  Hanover County") == county_key("new hanover") == "new hanover"
    assert county_key("County") == "county"


def test_ten_thousand_random_questions_each_have_an_owner_and_a_reason() -> None:
    dice = random.Random(20261122)
    people = [NURSE, SECOND, THIRD, PHARMACIST, MANAGER, COORDINATOR, CENTRAL]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    trees = [default_routes(), tree()]
    worlds = []
    for _ in range(20):
        absences = [
            away(dice.choice(people).case_manager_id, dice.choice([*(each.case_manager_id for each in people), ""]),
                 since=start + timedelta(days=dice.randrange(365)), days=dice.randrange(1, 90))
            for _ in range(dice.randrange(12))
        ]  # fmt: skip
        present = [each for each in people if dice.random() < 0.7]
        worlds.append(Directory(NETWORKS, PRACTICES, present, absences, dice.sample(PLANS, dice.randrange(3))))
    for number in range(10_000):
        who = enrollee(
            dice.choice(["P1", "P2", "P3", "P9"]),
            enrollee_id=f"E{number}",
            risk_tier=dice.choice(list(RiskTier)),
            programs=tuple(dice.sample(["sud", "idd", "asthma", "polypharmacy"], dice.randrange(3))),
            address=Address(county=dice.choice(["", "Wake", "Buncombe", "Elsewhere"])),
        )
        where = dice.choice(worlds)
        routed = route(
            dice.choice([who, who, who, None]),
            start + timedelta(minutes=dice.randrange(366 * 1440)),
            kind=dice.choice(list(AlertKind)),
            reasons=set(dice.sample(list(Reason), dice.randrange(3))),
            where=where,
            routes=dice.choice(trees),
        )
        assert routed.owners
        assert routed.explanation.endswith(".")
        for owner in routed.owners:
            person = where.person(owner.case_manager_id)
            assert person is not None
            assert person.name in routed.explanation


def test_working_hours_are_those_of_the_office_s_zone():
    early = datetime(2026, 11, 24, 14, 30, tzinfo=UTC)  # 09:30 in New York, 07:30 in Denver
    here = Directory(NETWORKS, PRACTICES, [NURSE], (), PLANS)
    there = Directory(NETWORKS, PRACTICES, [NURSE], (), PLANS, zone=ZoneInfo("America/Denver"))
    assert here.stand_in(NURSE, early) == (NURSE, "")
    assert there.stand_in(NURSE, early) is None
    assert there.stand_in(NURSE, early + timedelta(hours=1)) == (NURSE, "")
