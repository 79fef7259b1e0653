"""A week's report: the numbers are those of the pages and of a count in SQL, for who may see them."""

import csv
import io
import random
import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from parsers.people import CaseManager, Role
from rules.decisions import Action, ClockKind, StayStatus
from rules.following.acts import ActKind, Mode, Outcome
from rules.following.counted import Counted, week_of
from rules.following.meets import Verdict
from rules.following.state import FollowUpState
from rules.policy.policy import default_policy
from streams.follow.reports import Reports
from streams.follow.ticks import TickName
from streams.store.audit import Audited
from streams.store.week_counts import Sums
from streams.words.report import COLUMN_WORDS
from tests.inbox.test_api import api
from tests.rigs.acts import acted, undone
from tests.rigs.client import browser
from tests.rigs.inbox import FAR, ORTIZ, alert, clock, discharge, load_people, open_store, person, tell

HALE = CaseManager(case_manager_id="mg-hale", name="S. Hale", role=Role.MANAGER, network_id="n1")
CENTRAL = CaseManager(case_manager_id="co-1", name="C. Office", role=Role.CENTRAL_OFFICE)
ZONE = default_policy().tz
NOW = datetime(2026, 11, 25, 20, tzinfo=UTC)  # its weeks are of one offset, as the SQL below has it
TALKED_STATES = (FollowUpState.REACHED, FollowUpState.DONE)
HOSPITALS = ("Mission Hospital", "PARDEE", '=HYPERLINK("x")')


@pytest.fixture
def store(settings):
    opened = open_store(settings)
    yield opened
    opened.close()


def count(store, now=None):
    turn = store.ticks.take(TickName.REPORTS, "test", 15)
    Reports(store, default_policy).run(turn, now or datetime.now(UTC))
    store.ticks.ran(turn, now or datetime.now(UTC))


def weeks_of(store, seed):
    """Stays told of over three weeks, at three hospitals, of three practices, with what people did; some corrected."""
    chance, now = random.Random(seed), NOW
    people = [person(n, f"Given{n}", "Smith", practice_id=chance.choice(("p1", "p2", "p9"))) for n in range(60)]
    load_people(store, people, staff=[HALE, CENTRAL])
    for number, enrollee in enumerate(people):
        stay, told_at = f"s{number}", now - timedelta(hours=chance.randrange(60, 15 * 24))
        home = told_at - timedelta(hours=5)
        at = {"facility": chance.choice(HOSPITALS), "occurred_at": home, "started_at": home - timedelta(days=2)}
        kinds = chance.choice(((), (ClockKind.TCM_CONTACT,), (ClockKind.TCM_CONTACT, ClockKind.TCM_VISIT)))
        clocks = tuple(
            clock(kind).model_copy(update={"starts_at": home, "due_at": home + timedelta(hours=40)}) for kind in kinds
        )
        ends = {"ended_at": home, "clocks": clocks, "decided_at": told_at}
        versions = [discharge(enrollee, stay, **at, **ends)]
        if chance.random() < 0.15:
            gone = {"action": Action.RETRACT, "status": StayStatus.CANCELLED}
            versions.append(alert(enrollee, stay, 2, **at, **gone, decided_at=told_at + timedelta(hours=1)))
        tell(store, *versions)
        if len(versions) > 1:
            continue
        called = {"mode": Mode.PHONE, "happened_at": home + timedelta(hours=chance.choice((1, 30, 50)))}
        tried = chance.random() < 0.7
        who = "cm-far" if enrollee.practice_id == "p9" else "cm-ortiz"
        for hours in range(chance.choice((0, 1, 2)) if tried else 0):
            more = called | {"happened_at": home + timedelta(hours=2 + hours), "outcome": Outcome.NO_ANSWER}
            acted(store, stay, who, ActKind.ATTEMPT, 1, now, **more)
        last = chance.choice((None, *[ActKind.UNABLE, ActKind.ATTEMPT, ActKind.VISIT_KEPT] * 2))
        if last is None:
            continue
        said = {"outcome": Outcome.REACHED, **called} if last is ActKind.ATTEMPT else {}
        if last is ActKind.VISIT_KEPT:
            said = {"day": (home + timedelta(days=chance.choice((1, 6)))).astimezone(ZONE).date()}
        done = acted(store, stay, who, last, 1, now, **said)
        if chance.random() < 0.2:
            undone(store, stay, done, now + timedelta(seconds=1))


# The columns said in SQL over what is stored: versions, acts and those that were taken back.
ACTS_IN_SQL = """SELECT t.* FROM acts t WHERE t.kind != 'undo' AND NOT EXISTS
  (SELECT 1 FROM acts u WHERE u.kind = 'undo' AND json_extract(u.document, '$.supersedes') = t.act_id)"""
TALKED = "json_extract(t.document, '$.outcome') = 'reached'"
DUE = "SELECT julianday(json_extract(c.value, '$.due_at')) FROM json_each(a.document, '$.clocks') c WHERE "
CALL = f"({DUE} json_extract(c.value, '$.kind') = 'tcm_contact')"
VISIT = f"({DUE} json_extract(c.value, '$.kind') = 'tcm_visit')"
AT = "julianday(json_extract(t.document, '$.happened_at'))"
MINE = "SELECT count(*) FROM live t WHERE t.alert_id = a.alert_id AND"
IN_SQL = {
    "to_call": f"{CALL} IS NOT NULL",
    "called_in_time": f"({MINE} t.kind = 'attempt' AND {TALKED} AND {AT} <= {CALL}) > 0 "
    f"OR (({MINE} t.kind = 'attempt' AND {TALKED}) = 0 AND ({MINE} t.kind = 'attempt' AND {AT} <= {CALL}) > 1)",
    "reached": f"({MINE} t.kind = 'attempt' AND {TALKED}) > 0",
    "to_visit": f"{VISIT} IS NOT NULL",
    "visited_in_time": f"({MINE} t.kind = 'visit_kept' AND json_extract(t.document, '$.day') <= "
    f"date({VISIT}, '-5 hours')) > 0",
    "unable": f"({MINE} t.kind = 'unable') > 0 AND ({MINE} t.kind = 'attempt') > 0 "
    f"AND ({MINE} t.kind = 'attempt' AND {TALKED}) = 0",
}
FIRST = "(SELECT v.decided_us FROM alert_versions v WHERE v.alert_id = a.alert_id AND v.version = 1)"
REPORT_IN_SQL = f"""WITH live AS ({ACTS_IN_SQL})
SELECT date({FIRST} / 1e6 - 5 * 3600, 'unixepoch', '-6 days', 'weekday 1') AS week, e.practice_id,
  json_extract(a.document, '$.facility'), count(*),
  {", ".join(f"sum(a.action != 'retract' AND ({where}))" for where in IN_SQL.values())}, sum(a.action = 'retract')
FROM alerts a JOIN enrollees e ON e.enrollee_id = a.enrollee_id GROUP BY 1, 2, 3"""


@pytest.mark.parametrize("seed", range(3))
def test_the_numbers_are_those_of_a_count_in_sql_and_of_the_rules(settings, store, seed):
    weeks_of(store, seed)
    count(store)
    with store.database.reading() as connection:
        in_sql = {tuple(row[:3]): Sums(*row[3:]) for row in connection.execute(text(REPORT_IN_SQL))}
    weeks = store.week_counts.weeks(None, NOW.date())
    mine = {
        (week.isoformat(), place.practice_id, place.facility): place.sums
        for week in weeks
        for place in store.week_counts.places(week, None)
    }
    assert mine == in_sql
    ids = [f"s{number}" for number in range(60)]
    loops = store.acts.loops(ids, store.directory.read(), default_policy(), NOW)
    on_page = Counter()
    for alert_id, loop in loops.items():
        on_page.update(
            (week_of(first_told(store)[alert_id], ZONE), column)
            for column, kind, verdicts in (
                (Counted.CALLED_IN_TIME, ClockKind.TCM_CONTACT, (Verdict.MET, Verdict.TRIED)),
                (Counted.VISITED_IN_TIME, ClockKind.TCM_VISIT, (Verdict.MET,)),
            )
            if any(standing.clock.kind is kind and standing.verdict in verdicts for standing in loop.standings)
        )
        on_page[week_of(first_told(store)[alert_id], ZONE), Counted.REACHED] += loop.follow_up.state in TALKED_STATES
    for week, sums in weeks.items():
        assert {column: count for (at, column), count in on_page.items() if at == week and count} == {
            column: count
            for column, count in zip(Counted, sums, strict=True)
            if count and column in (Counted.CALLED_IN_TIME, Counted.VISITED_IN_TIME, Counted.REACHED)
        }
    assert all(sum(sums) for sums in zip(*weeks.values(), strict=True)), "a column that nothing tests"


def first_told(store):
    return {
        record.alert.alert_id: record.alert.decided_at
        for record in store.changes.versions(0, 500)
        if record.alert.version == 1
    }


def shown(page, heading):
    """The figures of one table of the page, by the name of the line."""
    part = re.search(rf">{heading}</h2>(.*?)</table>", page, re.S).group(1)
    lines = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', part, re.S)
    return {
        re.sub(r"<.*?>", "", name): Sums(*(int(number) for number in re.findall(r"</span>(\d+)</td>", cells)))
        for name, cells in lines
    }


def test_a_manager_reads_the_own_network_and_the_central_office_all(settings, store):
    weeks_of(store, 7)
    count(store)
    week, sums = max(store.week_counts.weeks(("p1", "p2"), NOW.date()).items(), key=lambda week: week[1])
    with browser(settings, store, HALE) as client:
        page = client.get(f"/report?week={week + timedelta(days=3)}").text
        file = client.get(f"/report.csv?week={week}")
        assert client.get("/report?week=never").status_code == 200
        named = client.get(f"/report?week={week}&names=yes").text
        named_file = list(csv.reader(io.StringIO(client.get(f"/report.csv?week={week}&names=yes").text)))
        assert client.get("/report?week=0001-01-02").status_code == 200
        assert f"/report?week={week + timedelta(weeks=1)}" in page
        assert 'href="/report"' in client.get("/board").text
    by_practice, by_hospital, by_week = (shown(page, f"{of}") for of in ("By practice", "By hospital", "Week by week"))
    assert set(by_practice) <= {"Haywood Family Medicine", "Black Mountain Clinic", "All"}
    assert by_practice["All"] == by_hospital["All"] == sums
    assert "Pardee" in by_hospital
    assert list(by_week.values()) == list(store.week_counts.weeks(("p1", "p2"), week).values())
    assert list(by_practice) == [*sorted(set(by_practice) - {"All"}), "All"], "lines stand by name, in no other order"
    assert not re.search(r"Given\d|Smith|Ortiz|cm-ortiz", page + file.text)
    assert re.search(r"Counted up to \d+:\d\d [AP]M\.", page)
    lines = list(csv.reader(io.StringIO(file.text)))
    assert lines[0] == ["week", "practice_id", "practice", "hospital", *Counted]
    assert Sums(*(sum(int(line[place]) for line in lines[1:]) for place in range(4, 12))) == sums
    assert {line[1] for line in lines[1:]} == {"p1", "p2"}
    assert not any(cell.startswith("=") for line in lines for cell in line)
    assert file.headers["content-disposition"] == f'attachment; filename="report-{week}.csv"'
    with browser(settings, store, CENTRAL) as client:
        everybody = shown(client.get(f"/report?week={week}").text, "By practice")
        assert "Harbor Clinic" in everybody
        assert client.get(f"/report.csv?week={week}&names=yes").status_code == 404  # it exports nobody's patients
    assert len(re.findall(r'<a href="/stay/s\d+">Given\d+ Smith, \d+ F</a>', named)) == sums.told
    assert named_file[0] == ["patient", "practice", "hospital", *Counted]
    assert Sums(*(sum(int(line[place]) for line in named_file[1:]) for place in range(3, 11))) == sums
    details = [(row.what, row.detail) for row in store.audit.read(case_manager_id="mg-hale") if "named" in row.detail]
    assert details == [(what, f"report of {week}, {sums.told} named") for what in (Audited.PRINTED, Audited.READ_LIST)]


def test_who_sees_no_board_sees_no_report(settings, store):
    load_people(store, [person(1)], staff=[HALE])
    for who in (ORTIZ, FAR):
        with browser(settings, store, who) as client:
            assert client.get("/report").status_code == client.get("/report.csv").status_code == 404
    with browser(settings, store, HALE) as client:
        page = client.get("/report").text
        assert "Nothing has been counted yet." in page
        assert "Nobody was told of anything in this week." in page
        assert all(f"<dt>{words}</dt>" in page for words in COLUMN_WORDS.values())


def test_what_is_done_later_counts_and_a_stay_stays_with_the_practice_of_its_day(settings, store):
    enrollee, now = person(1), datetime.now(UTC)
    load_people(store, [enrollee], staff=[HALE])
    tell(store, discharge(enrollee, "a1", occurred_at=now - timedelta(hours=3), ended_at=now - timedelta(hours=3)))
    count(store)
    [place] = store.week_counts.places(week_of(now, ZONE), None)
    assert place == ("p1", "Mission Hospital", Sums(told=1, to_call=1))
    tomorrow = now + timedelta(days=1)
    store.panel.load([enrollee.model_copy(update={"practice_id": "p2"})], full=True, now=tomorrow)
    acted(store, "a1", "cm-ortiz", ActKind.ATTEMPT, 1, now, outcome=Outcome.REACHED, mode=Mode.PHONE)
    count(store)
    [place] = store.week_counts.places(week_of(now, ZONE), None)
    assert place == ("p1", "Mission Hospital", Sums(told=1, to_call=1, called_in_time=1, reached=1))
    turn = store.ticks.take(TickName.REPORTS, "test", 15)
    assert not store.week_counts.count(turn, ZONE), "nothing is counted twice"


def test_another_system_reads_the_same_numbers(settings, store):
    weeks_of(store, 7)
    count(store)
    week, sums = max(store.week_counts.weeks(("p1", "p2"), NOW.date()).items(), key=lambda week: week[1])
    with api(settings, store, HALE) as client:
        answer = client.get("/report", params={"week": week + timedelta(days=6)}).json()
        assert client.get("/report").json()["week"] == week_of(datetime.now(UTC), ZONE).isoformat()
        for wrong in ("soon", "2026-W48-1"):
            assert client.get("/report", params={"week": wrong}).status_code == 400
    assert answer["week"] == week.isoformat()
    assert {name: sum(place[name] for place in answer["places"]) for name in Counted} == sums._asdict()
    assert {place["practice"] for place in answer["places"]} <= {"Haywood Family Medicine", "Black Mountain Clinic"}
    with api(settings, store, ORTIZ) as client:
        assert client.get("/report").status_code == 403
