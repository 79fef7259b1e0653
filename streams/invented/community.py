"""An invented community: 14 networks, their practices and case managers, a panel, and hospitals that send ADT.

Everything comes from a seed and is nobody's data. The panel is given as lines of `parsers.files.panel`, the
directory as values, messages as bytes of HL7 v2.5.1 with CR line ends.
"""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final, NamedTuple

from parsers.events import FacilityKind
from parsers.feeds import Feed
from parsers.files.panel_columns import PanelRow
from parsers.people import Absence, CaseManager, LmeMco, Network, Practice, Role

FEMALE: Final = (
    "Rosa Maria Linda Alice Grace Dorothy Hannah Imani Keisha Latoya Megan Nora Olivia Paula Quinn Renee Sofia "
    "Tamika Ursula Violet Wendy Yolanda Zoe Abigail Beatrice Carmen Danielle Elena Fatima Gloria Harriet Irene "
    "Jasmine Katherine Lucia Margaret Nadia Opal Priscilla Ruth Shanice Teresa Valerie Whitney Ximena Yvonne "
    "Brenda Cynthia"
).split()
MALE: Final = (
    "James Robert Luis Andre Benjamin Carlos Darnell Edward Felix George Harold Isaac Jamal Kevin Leon Marcus "
    "Nathan Oscar Patrick Quentin Raymond Samuel Terrence Victor Walter Xavier Yusuf Zachary Anthony Brian Calvin "
    "Dwight Ernest Francisco Gerald Hector Ivan Jerome Kenneth Lawrence Miguel Norman Otis Peter Russell Stanley "
    "Thomas"
).split()
FAMILY: Final = (
    "Whitfield Ortiz Bennett Caldwell Dawson Everett Fletcher Gaines Holloway Ingram Jernigan Kearns Locklear "
    "McNeill Norwood Oxendine Pruitt Quick Ransom Spivey Tillman Underwood Vaughn Wooten Yarborough Zimmerman "
    "Alston Barnhill Coley Dunston Eubanks Faircloth Gilchrist Hargrove Isley Joyner Kirkland Lassiter Moody "
    "Newkirk Outlaw Pittman Rountree Staton Teague Upchurch Vick Winstead Yates Ayers Bullock Cherry Daughtry "
    "Edmonds Farmer Godwin Hinton Ivey Jarman Kinlaw Lucas Melvin Nance Overby Penland Rhodes Sessoms Thigpen "
    "Umstead Venable Womack Young Askew Batts Creech Dail Elmore Forbes Gupton Harrell Irvin Jolly Knox Ledford "
    "Medlin Norris Oakley Peele Riddick"
).split()
STREETS: Final = ("Oak Maple Church Main Pine Elm Depot Mill Trade Ridge Creek Academy Railroad Poplar Sunset").split()
PLACES: Final = (
    ("Asheville", "Buncombe", "28801"), ("Boone", "Watauga", "28607"), ("Charlotte", "Mecklenburg", "28202"),
    ("Durham", "Durham", "27701"), ("Elizabeth City", "Pasquotank", "27909"), ("Fayetteville", "Cumberland", "28301"),
    ("Greensboro", "Guilford", "27401"), ("Greenville", "Pitt", "27834"), ("Hickory", "Catawba", "28601"),
    ("New Bern", "Craven", "28560"), ("Raleigh", "Wake", "27601"), ("Rocky Mount", "Nash", "27801"),
    ("Wilmington", "New Hanover", "28401"), ("Winston-Salem", "Forsyth", "27101"),
)  # fmt: skip
FEEDS: Final = tuple(
    Feed(name=code.lower(), sending=(code,), facility=name, facility_kind=kind)
    for code, name, kind in (
        ("MISSION", "Laurel Gap Hospital", FacilityKind.ACUTE),
        ("CAROLINAS", "Piedmont Meadows Medical Center", FacilityKind.ACUTE),
        ("DUKEREG", "Quail Bend Regional Hospital", FacilityKind.ACUTE),
        ("CAPEFEAR", "Heron Sound Medical Center", FacilityKind.ACUTE),
        ("PITTMEM", "Longleaf Memorial Hospital", FacilityKind.ACUTE),
        ("FORSYTH", "Balsam Hollow Behavioral Health", FacilityKind.PSYCHIATRIC),
    )
)
HOSPITALS: Final = tuple(feed.sending[0] for feed in FEEDS)  # MSH-4
COMPLAINTS: Final = (
    "chest pain", "shortness of breath", "fall", "abdominal pain", "fever", "swelling of both legs", "dizziness",
    "suicidal thoughts", "overdose", "high blood sugar", "headache", "back pain", "wound check", "weakness",
)  # fmt: skip
DIAGNOSES: Final = (
    ("I50.9", "Heart failure, unspecified"), ("J44.1", "COPD with acute exacerbation"), ("E11.65", "Type 2 diabetes"),
    ("R07.9", "Chest pain, unspecified"), ("N39.0", "Urinary tract infection"), ("F32.9", "Major depressive disorder"),
    ("T40.1X1A", "Poisoning by heroin"), ("S72.001A", "Fracture of femur"), ("J18.9", "Pneumonia"), ("A41.9", "Sepsis"),
)  # fmt: skip


class Community(NamedTuple):
    networks: tuple[Network, ...]
    practices: tuple[Practice, ...]
    case_managers: tuple[CaseManager, ...]
    absences: tuple[Absence, ...]
    lme_mcos: tuple[LmeMco, ...]


def sample_directory(seed: int = 1) -> Community:
    """14 networks with 12 practices and 5 case managers each, and one central office."""
    dice = random.Random(seed)
    networks, practices, people = [], [], []
    for number, (city, county, _zip) in enumerate(PLACES, 1):
        network = Network(network_id=f"N{number:02}", name=f"{city} Community Care")
        networks.append(network)
        own = [
            Practice(
                practice_id=f"P{number:02}{index:02}",
                name=f"{dice.choice(FAMILY)} Family Medicine",
                network_id=network.network_id,
                county=county,
                phone=f"828555{number:02}{index:02}",
            )
            for index in range(12)
        ]
        practices += own
        for index, role in enumerate((Role.NURSE, Role.NURSE, Role.NURSE, Role.SOCIAL_WORKER, Role.MANAGER)):
            given, family = dice.choice(FEMALE + MALE), dice.choice(FAMILY)
            title = {Role.NURSE: ", RN", Role.SOCIAL_WORKER: ", LCSW"}.get(role, "")
            carried = (
                tuple(practice.practice_id for practice in own[index * 4 : index * 4 + 4]) if role is Role.NURSE else ()
            )
            person = CaseManager(
                case_manager_id=f"{network.network_id}-{index}",
                name=f"{given[0]}. {family}{title}",
                role=role,
                network_id=network.network_id,
                practices=carried,
                capacity=40 if carried else 0,
            )
            people.append(person)
    people.append(CaseManager(case_manager_id="central-office", name="Central office", role=Role.CENTRAL_OFFICE))
    return Community(tuple(networks), tuple(practices), tuple(people), (), ())


class Person(NamedTuple):
    """Somebody invented, on the panel or not, with one MRN at every hospital."""

    number: int
    given: str
    family: str
    middle: str
    birth_date: date
    sex: str
    street: str
    place: int
    phone: str
    on_panel: bool

    @property
    def medicaid_id(self) -> str:
        return f"9{self.number:08d}{'KLMNPQRST'[self.number % 9]}"

    def mrn(self, hospital: str) -> str:
        return f"{hospital[0]}{HOSPITALS.index(hospital)}{self.number:08d}"


def sample_person(number: int, *, on_panel: bool, seed: int = 1) -> Person:
    """The same person for the same number and seed, without making the others."""
    dice = random.Random(f"{seed}/{number}/{on_panel}")
    sex = dice.choice("FM")
    return Person(
        number=number if on_panel else number + 50_000_000,
        given=dice.choice(FEMALE if sex == "F" else MALE),
        family=dice.choice(FAMILY) + (f"-{dice.choice(FAMILY)}" if dice.random() < 0.05 else ""),
        middle=dice.choice(FEMALE if sex == "F" else MALE),
        birth_date=date(1930, 1, 1) + timedelta(days=dice.randrange(365 * 92)),
        sex=sex,
        street=f"{dice.randrange(1, 9999)} {dice.choice(STREETS)} St",
        place=dice.randrange(len(PLACES)),
        phone=f"919{dice.randrange(2_000_000, 9_999_999)}",
        on_panel=on_panel,
    )


def sample_panel(size: int, seed: int = 1) -> Iterator[PanelRow]:
    """`size` lines of a panel."""
    for number in range(size):
        person = sample_person(number, on_panel=True, seed=seed)
        dice = random.Random(f"{seed}/{number}/panel")
        city, county, zip_code = PLACES[person.place]
        yield PanelRow(
            enrollee_id=f"SAMPLE-{number:08d}",
            medicaid_id=person.medicaid_id,
            ssn="",
            last_name=person.family,
            first_name=person.given,
            middle_name=person.middle,
            suffix="",
            birth_date=person.birth_date.isoformat(),
            sex=person.sex,
            address=person.street,
            city=city,
            state="NC",
            zip=zip_code,
            county=county,
            phone=person.phone,
            mother_enrollee_id="",
            mrns="",
            practice_id=f"P{person.place + 1:02}{dice.randrange(12):02}",
            pcp_npi="",
            risk_tier=dice.choices(("high", "rising", "low"), (24, 26, 50))[0],
            programs="",
            consent="none" if number % 4 else "all",
            effective_from="2020-01-01",
            effective_to="",
            language="",
        )
