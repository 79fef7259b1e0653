"""A patient opened in an emergency: who may, for what reason, what is then read, and who is told."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from parsers.events import FacilityKind
from parsers.people import CaseManager, Consent, Role
from rules.following.acts import ActKind, MayLeave
from rules.following.glass import LONGEST, MEDICAL, GlassFault, GlassReason, fault_of, is_part2_emergency
from streams.inbox.asked_for import AskedFor, read
from streams.inbox.pages.glass import is_exact
from streams.inbox.request import COOKIE
from streams.store.audit import Audited
from tests.rigs.acts import acted
from tests.rigs.client import browser
from tests.rigs.inbox import FAR, LANE, ORTIZ, alert, load_people, person, tell

BOSS = CaseManager(case_manager_id="mg-boss", name="B. Boss", role=Role.MANAGER, network_id="n1")
OTHER = CaseManager(case_manager_id="mg-other", name="O. Other", role=Role.MANAGER, network_id="n2")
SOCIAL = CaseManager(case_manager_id="sw-far", name="S. Far", role=Role.SOCIAL_WORKER, network_id="n2")
ADMIN = CaseManager(case_manager_id="ad", name="D. Min", role=Role.ADMIN, network_id="n2")
WHY = {"reason": "medical_emergency", "text": "found without consciousness in the lobby"}
ROSA = "Rosa Whitfield 3/4/1955"


@pytest.fixture
def town(store):
    rosa = person(1, consent=Consent.NONE)
    luis = person(2, "Luis", "Bennett")
    load_people(store, [rosa, luis], staff=(BOSS, OTHER, SOCIAL, ADMIN))
    tell(
        store,
        alert(rosa, "a1", complaint="chest pain"),
        alert(rosa, "a2", facility="Elm Recovery", facility_kind=FacilityKind.SUBSTANCE_USE, unit="Detox"),
        alert(rosa, "a3", facility="Balsam Center", facility_kind=FacilityKind.PSYCHIATRIC),
        alert(luis, "a4", facility="Pardee"),
    )
    return store


def enter(client, store, who):
    session = store.sessions.open(who.case_manager_id, datetime.now(UTC))
    client.cookies.set(COOKIE, session.secret)
    client.headers["X-CSRF-Token"] = session.csrf


def search(client, words=ROSA):
    page = client.post("/glass", data={"words": words})
    refs = re.findall(r'action="(/glass/[\w-]+)"', page.text)
    return refs[0] if refs else ""


def test_a_reason_of_the_list_and_some_words_are_asked():
    assert fault_of("curiosity", WHY["text"]) is GlassFault.REASON
    for words in ("", "too short", " " * 40, "x" * (LONGEST + 1)):
        assert fault_of("called", words) is GlassFault.WORDS
    assert fault_of("called", WHY["text"]) is None


def test_records_of_a_program_are_open_to_medical_personnel_in_a_medical_emergency_alone():
    opened = {(role, reason) for role in Role for reason in GlassReason if is_part2_emergency(role, reason)}
    assert opened == {(role, GlassReason.MEDICAL_EMERGENCY) for role in MEDICAL}
    assert {Role.NURSE, Role.PHARMACIST, Role.MEDICAL_DIRECTOR} == MEDICAL


@pytest.mark.parametrize(
    ("words", "exact"),
    [(ROSA, True), ("90000001K", True), ("Rosa Whitfield", False), ("Whitfield 3/4/1955", False),
     ("R W 3/4/1955", False), ("", False), ("828-555-0147", False)],
)  # fmt: skip
def test_only_who_is_named_exactly_is_looked_for(words, exact):
    assert is_exact(read(words, datetime.now(UTC).date())) is exact
    assert not is_exact(AskedFor())


def test_an_hour_of_reading_with_the_reason_in_the_audit_and_the_manager_told(settings, town):
    wish = {"message": MayLeave.NO, "language": "Mixtec"}
    acted(town, "a1", "cm-ortiz", ActKind.CONTACT_WISHES, 1, datetime.now(UTC), **wish)
    with browser(settings, town, None) as client:
        enter(client, town, FAR)
        assert client.get("/stay/a1").status_code == 404
        where = search(client)
        assert client.get(where).status_code == 404  # not opened yet
        assert client.post(where, data={"reason": "medical_emergency", "text": "x"}).status_code == 400
        assert client.post(where, data={"reason": "", "text": WHY["text"]}).status_code == 400
        assert town.glass.waiting(None, "") == []
        assert client.post(where, data=WHY).headers["location"] == where
        page = client.get(where).text
        for words in ("Rosa Whitfield", "chest pain", "Elm Recovery", "42 CFR part 2 prohibits"):
            assert words in page
        for words in ("Leave no message (somebody elsewhere, ", "Wants to speak Mixtec", 'href="tel:+18285550100"'):
            assert words in page
        for words in ("Balsam", "Pardee", "12 Oak St"):  # state law's consent, another patient, the address
            assert words not in page
        assert "More is kept back" in page
        assert client.get("/stay/a1").status_code == 404  # that page alone
        assert client.post("/stay/a1/take", data={"version": 1}).status_code in {404, 409}
        for boss, seen in ((OTHER, False), (BOSS, True)):
            enter(client, town, boss)
            assert ("A. Far, RN" in client.get("/board").text and WHY["text"] in client.get("/board").text) is seen
        broken = town.glass.waiting(None, "")[0]
        enter(client, town, OTHER)
        assert client.post("/board/glass", data={"of": broken.glass_id}).status_code == 404
        enter(client, town, BOSS)
        assert client.post("/board/glass", data={"of": broken.glass_id}).status_code == 303
        assert WHY["text"] not in client.get("/board").text
        enter(client, town, LANE)
        assert client.get(where).status_code == 404  # it is open to who opened it
    rows = [row for row in town.audit.read(enrollee_id="E00001") if row.case_manager_id in {"cm-far", "mg-boss"}]
    kinds = [row.what for row in reversed(rows)]
    assert kinds[:2] == [Audited.READ_LIST, Audited.BROKE_GLASS]
    assert kinds.count(Audited.READ_STAY) == 3
    assert Audited.LOOKED_AT_GLASS in kinds
    opening = next(row for row in rows if row.what is Audited.BROKE_GLASS)
    assert opening.detail == f"medical_emergency, until {broken.until.isoformat(timespec='seconds')}: {WHY['text']}"


def test_after_an_hour_it_is_closed_and_nobody_looks_at_their_own(town):
    now = datetime.now(UTC)
    town.glass.break_for("cm-far", "E00001", "n1", GlassReason.CALLED, "the daughter is on the line", now)
    assert town.glass.holds("cm-far", "E00001", now + timedelta(minutes=59))
    assert town.glass.holds("cm-far", "E00001", now + timedelta(hours=1)) is None
    assert town.glass.holds("cm-far", "E00002", now) is None
    assert town.glass.holds("cm-ortiz", "E00001", now) is None
    assert town.glass.waiting({"n1"}, but="cm-far") == []
    assert len(town.glass.waiting({"n1"}, but="mg-boss")) == 1
    assert town.glass.waiting({"n2"}, but="mg-boss") == []


def test_other_reasons_and_other_roles_open_no_record_of_a_program(settings, town):
    with browser(settings, town, None) as client:
        for who, reason in ((FAR, "called"), (SOCIAL, "medical_emergency"), (LANE, "medical_emergency")):
            enter(client, town, who)
            where = search(client)
            client.post(where, data=WHY | {"reason": reason})
            page = client.get(where).text
            assert "Mission Hospital" in page, who
            assert "Elm Recovery" not in page, who
            assert "Detox" not in page, who


def test_a_role_without_patients_breaks_nothing_and_who_searches_much_waits(settings, town):
    with browser(settings, town, None) as client:
        enter(client, town, ADMIN)
        assert client.get("/glass").status_code == client.post("/glass", data={"words": ROSA}).status_code == 404
        enter(client, town, ORTIZ)
        assert search(client) == ""  # hers anyway: the page leads to the person's own
        enter(client, town, FAR)
        answers = [client.post("/glass", data={"words": "Nobody Known 1/1/1950"}).status_code for _ in range(12)]
        assert answers[:11] == [200] * 11
        assert answers[11] == 429
    assert len(town.audit.read(case_manager_id="cm-far")) == 11
