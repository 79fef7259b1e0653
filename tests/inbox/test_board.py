"""The manager's board and cover: numbers that open to their rows and equal what the store holds, giving, being away."""

import random
import re
from datetime import UTC, datetime, time, timedelta

import pytest
from sqlalchemy import text

from parsers.people import CaseManager, Role
from rules.decisions import Action, Priority, StayStatus
from rules.endings import Ending, LedgerEntry
from rules.following.acts import ActKind, CloseReason, Mode, Outcome
from rules.policy.policy import default_policy
from streams.inbox.board import Tile
from streams.inbox.pages.board import of_network
from streams.inbox.request import Inbox, Reader
from tests.rigs.acts import acted
from tests.rigs.client import browser, rows_of
from tests.rigs.inbox import BROWN, FAR, ORTIZ, TWO, alert, clock, discharge, load_people, open_store, person, tell

HALE = CaseManager(case_manager_id="mg-hale", name="S. Hale", role=Role.MANAGER, network_id="n1")


@pytest.fixture
def store(settings):
    opened = open_store(settings)
    people = [person(number, f"Given{number}", "Smith") for number in range(1, 7)]
    load_people(opened, [*people, person(9, "Other", "Coast", practice_id="p9")], staff=[HALE])
    home = {"ended_at": datetime.now(UTC) - timedelta(hours=60), "started_at": datetime.now(UTC) - timedelta(hours=90)}
    tell(
        opened,
        discharge(people[0], "late", clocks=(clock(hours=-3),), **home),
        discharge(people[1], "free", clocks=(clock(hours=90),), priority=Priority.URGENT, **TWO, **home),
        alert(people[2], "inside"),
        discharge(people[3], "called", clocks=(clock(hours=-3),), **home),
        discharge(people[4], "held", clocks=(clock(hours=90),), **TWO, **home),
    )
    now = datetime.now(UTC)
    called = {"outcome": Outcome.REACHED, "mode": Mode.PHONE}
    acted(opened, "called", "cm-ortiz", ActKind.ATTEMPT, 1, now, happened_at=now - timedelta(hours=7), **called)
    acted(opened, "held", "cm-brown", ActKind.TAKE, 1, now)
    acted(opened, "held", "cm-brown", ActKind.ASK, 1, now, for_id="cm-ortiz", text="Which dose?")
    yield opened
    opened.close()


def tiles(html):
    return {words: int(number) for number, words in re.findall(r"<strong>(\d+)</strong> <span>(.*?)</span>", html)}


def listed(client, tile):
    return set(re.findall(r'name="stay" value="\d+\.(\w+)\|[^"]*"', client.get(f"/board?tile={tile}").text))


def test_every_number_opens_to_its_rows_and_equals_a_count_in_sql(settings, store, monkeypatch):
    with browser(settings, store, HALE) as client:
        numbers = tiles(client.get("/board").text)
        names = ("nobody", "urgent", "overdue", "due-today", "in-hospital", "asked")
        opened = {name: listed(client, name) for name in names}
        assert "the oldest for " in client.get("/board").text
        monkeypatch.setattr("streams.store.among.MOST_OPEN", 3)
        monkeypatch.setattr("streams.inbox.pages.board.MOST_OPEN", 3)
        assert "the 3 most urgent and oldest stays are counted" in client.get("/board").text
        team = "/?view=team"
        assert "There are more stays than" not in client.get(team).text
        monkeypatch.setattr("streams.store.among.MOST_ROWS", 3)
        monkeypatch.setattr("streams.inbox.pages.list.MOST_ROWS", 3)
        assert "There are more stays than the 3 this list is taken from" in client.get(team).text
    words = ("Nobody has it", "Urgent", "Overdue", "Due today", "In the hospital", "Asked, not answered")
    assert [numbers[word] for word in words] == [len(opened[name]) for name in names]
    assert opened == dict(zip(names, ({"free"}, {"free"}, {"late"}, set(), {"inside"}, {"held"}), strict=True))
    with store.database.reading() as connection:
        inside = "SELECT count(*) FROM alerts WHERE status = 'in-progress' AND action != 'retract'"
        nobody = (
            "SELECT count(*) FROM alerts a WHERE 1 != "
            "(SELECT count(*) FROM alert_owners o WHERE o.alert_id = a.alert_id AND o.owning = 1) "
            "AND NOT EXISTS (SELECT 1 FROM acts t WHERE t.alert_id = a.alert_id AND t.kind = 'take')"
        )
        asked = "SELECT count(*) FROM acts WHERE kind = 'ask'"
        reviews = "SELECT count(*) FROM reviews"
        counts = [connection.scalar(text(query)) for query in (nobody, inside, asked, reviews)]
    assert counts == [
        numbers["Nobody has it"], numbers["In the hospital"], numbers["Asked, not answered"],
        numbers["Possible matches waiting"],
    ]  # fmt: skip


# What the tiles count, said in SQL over what is stored; in this scenario a stay has at most one clock, a call.
OPEN_IN_SQL = """
SELECT a.alert_id, a.priority, a.status, json_extract(c.value, '$.due_at') AS due,
  (SELECT count(*) FROM alert_owners o WHERE o.alert_id = a.alert_id AND o.owning = 1) AS owners,
  EXISTS (SELECT 1 FROM acts t WHERE t.alert_id = a.alert_id AND t.kind = 'take') AS taken
FROM alerts a LEFT JOIN json_each(a.document, '$.clocks') c
WHERE a.action != 'retract' AND NOT EXISTS
  (SELECT 1 FROM acts t WHERE t.alert_id = a.alert_id AND t.kind IN ('close', 'attempt'))
"""
IN_SQL = {
    Tile.NOBODY: "owners != 1 AND NOT taken",
    Tile.URGENT: "priority = 'urgent'",
    Tile.OVERDUE: "julianday(due) < julianday(:now)",
    Tile.DUE_TODAY: "julianday(due) BETWEEN julianday(:now) AND julianday(:midnight)",
    Tile.IN_HOSPITAL: "status = 'in-progress'",
}


@pytest.mark.parametrize("seed", range(3))
def test_the_tiles_of_any_network_equal_a_count_in_sql(settings, seed, monkeypatch):
    monkeypatch.setattr("streams.store.among.MOST_ROWS", 10)  # a board reads more than a list
    chance, store = random.Random(seed), open_store(settings)
    people = [person(number, f"Given{number}", "Smith") for number in range(50)]
    load_people(store, people, staff=[HALE])
    now = datetime.now(UTC)
    begun = {"started_at": now - timedelta(hours=90), "ended_at": now - timedelta(hours=60)}
    for number, enrollee in enumerate(people):
        stay, more = f"s{number}", {"priority": chance.choice(list(Priority))} | chance.choice(({}, TWO))
        versions = [alert(enrollee, stay, **more)]
        if chance.random() < 0.7:
            versions.append(
                discharge(enrollee, stay, 2, clocks=(clock(hours=chance.choice((-50, -1, 1, 9, 90))),), **begun, **more)
            )
        if chance.random() < 0.1:
            away = {"action": Action.RETRACT, "status": StayStatus.CANCELLED}
            versions.append(alert(enrollee, stay, len(versions) + 1, **more, **away))
        tell(store, *versions)
        done = chance.choice((None, ActKind.TAKE, ActKind.CLOSE, ActKind.ATTEMPT)) if len(versions) > 1 else None
        if done and versions[-1].action is not Action.RETRACT:
            said = {
                ActKind.CLOSE: {"close_reason": CloseReason.MOVED_AWAY},
                ActKind.ATTEMPT: {"outcome": Outcome.REACHED, "mode": Mode.PHONE},
            }
            acted(store, stay, "cm-ortiz", done, len(versions), now, **said.get(done, {}))
    zone = default_policy().tz
    midnight = datetime.combine(now.astimezone(zone).date() + timedelta(days=1), time(0, 1), zone).astimezone(UTC)
    inbox = Inbox(settings, store)
    board, _ = of_network(inbox, Reader(None, HALE), now)
    with store.database.reading() as connection:
        counted = {
            tile: {
                row[0]
                for row in connection.execute(
                    text(f"SELECT alert_id FROM ({OPEN_IN_SQL}) WHERE {where}"),
                    {"now": now.isoformat(), "midnight": midnight.isoformat()},
                )
            }
            for tile, where in IN_SQL.items()
        }
    store.close()
    assert {tile: {stay.latest.alert_id for stay in board.tiles[tile]} for tile in IN_SQL} == counted
    assert all(counted[tile] for tile in (Tile.NOBODY, Tile.URGENT, Tile.OVERDUE, Tile.IN_HOSPITAL))


def test_the_load_of_each_person_opens_to_what_they_have(settings, store):
    with browser(settings, store, HALE) as client:
        html = client.get("/board").text
        ortiz = re.search(r"whose=cm-ortiz\">.*?</tr>", html, re.S).group(0)
        assert numbers(ortiz) == {"not yet noted": "4", "urgent": "0", "overdue": "1", "due today": "0"}
        assert "<td>2</td>" in ortiz  # nobody said how many she can carry
        assert "meter" not in ortiz
        assert re.search(r"last act </span>\d+:\d\d [AP]M<", ortiz)
        assert "A. Far" not in html
        rows = set(re.findall(r'name="stay" value="\d+\.(\w+)\|[^"]*"', client.get("/board?whose=cm-brown").text))
        assert rows == {"held"}


def numbers(line):
    return dict(re.findall(r'narrow-word">(.*?) </span>(\d+)</td>', line))


def test_a_load_stands_against_what_a_person_can_carry(settings, store):
    brown = BROWN.model_copy(update={"capacity": 1})
    load_people(store, staff=[HALE, brown])
    now = datetime.now(UTC)
    acted(store, "free", "cm-brown", ActKind.TAKE, 1, now)
    with browser(settings, store, HALE) as client:
        html = client.get("/board?tile=overdue").text
    line = re.search(r"whose=cm-brown\">.*?</tr>", html, re.S).group(0)
    assert "2 of 1, over<br>" in line
    assert re.search(r'<meter min="0" max="1" [^>]*value="2" aria-label="Load of T. Brown, RN">2 of 1, over<', line)
    assert "T. Brown, RN (2 open of 1, here)" in html
    hale = re.search(r"whose=mg-hale\">.*?</tr>", html, re.S).group(0)
    assert "none yet" in hale


def ticked(client, address):
    return re.findall(r'value="\d+\.(\w+)\|[^"]*" aria-label="[^"]*" checked', client.get(address).text)


def test_some_are_moved_by_practice_by_the_newest_and_by_what_is_due_later(settings, store):
    now = datetime.now(UTC)
    people = [person(20 + number, f"More{number}", "Jones", practice_id=f"p{number % 2 + 1}") for number in range(6)]
    store.panel.load(people, full=False, now=now)
    for number, enrollee in enumerate(people):
        times = {"started_at": now - timedelta(hours=70 - number), "ended_at": now - timedelta(hours=60)}
        tell(store, discharge(enrollee, f"m{number}", clocks=(clock(hours=10 + (number * 4) % 7),), **times))
        acted(store, f"m{number}", "cm-brown", ActKind.TAKE, 1, now)
    with browser(settings, store, HALE) as client:
        page = client.get("/board?whose=cm-brown").text
        assert 'aria-label="Move some"' in page
        assert " checked" not in page
        chosen = "/board?whose=cm-brown&some={}&which={}&practice={}"
        assert ticked(client, chosen.format(3, "newest", "")) == ["m5", "m4", "m3"]
        assert ticked(client, chosen.format(2, "newest", "p1")) == ["m4", "m2"]
        assert ticked(client, chosen.format(2, "due-later", "p2")) == ["m5", "m3"]  # 6, 5 of 0 4 1 5 2 6
        assert ticked(client, chosen.format(2, "due-later", "")) == ["held", "m5"]
        assert ticked(client, chosen.format("x", "newest", "")) == []
        page = client.get(chosen.format(3, "newest", "")).text
        assert "3 chosen. Give them to somebody below." in page
        assert 'value="cm-brown"' not in re.search(r'name="for_id">.*?</select>', page, re.S).group(0)
        form = {"stay": ["1.m5", "1.m4"], "for_id": "cm-ortiz", "press": "assign", "act": "f" * 32, "back": "board"}
        assert client.post("/many", data=form).headers["location"] == "/board?said=2"
        assert ticked(client, chosen.format(1, "newest", "")) == ["m3"]


def test_the_hospitals_of_a_network_stand_with_their_rhythm_and_what_came_late_or_was_cancelled(settings, store):
    now = datetime.now(UTC)
    facts = {"A01": ("arrivals", "arrival_late"), "A03": ("discharges",), "A11": ("cancelled",)}
    sent = {"test": ["A01"] * 25 + ["A03"] * 25 + ["A11"] * 5, "elsewhere": ["A01"] * 25}
    store.ledger.end(
        [
            LedgerEntry(
                f"{feed}{number:026x}",
                Ending.SUPPRESSED,
                "not_on_panel",
                now,
                feed=feed,
                trigger=code,
                facts=facts[code],
            )
            for feed, codes in sent.items()
            for number, code in enumerate(codes)
        ]
    )
    turn = store.ticks.take("silence", "test", 15)
    store.feed_talk.fold(turn)
    with browser(settings, store, HALE) as client:
        board, every_feed = client.get("/board").text, client.get("/feeds").text
    line = re.search(r'<th scope="row">test</th>(.*?)</tr>', board, re.S).group(1)
    assert re.search(r"last message </span>\d+ s ago<", line)
    assert re.search(r"usually </span>every (\d+ minutes|minute)<", line)
    assert re.search(r"late </span>[45]\d%<", line)  # the stays of the fixture came by it, too
    assert "cancelled </span>17%<" in line
    assert "elsewhere" not in board
    assert '<th scope="row">elsewhere</th>' in every_feed


def test_one_or_many_are_given_at_once_and_a_repetition_gives_nothing_twice(settings, store):
    with browser(settings, store, HALE) as client:
        form = {"stay": ["1.free", "1.late", "1.made-up"], "for_id": "cm-brown", "press": "assign", "act": "d" * 32}
        form["back"] = "board"
        for _ in range(2):
            answer = client.post("/many", data=form)
            assert (answer.status_code, answer.headers["location"]) == (303, "/board?said=2")
        assert listed(client, "nobody") == set()
        assert client.post("/many", data=form | {"for_id": "cm-far"}).status_code == 422
        assert client.get("/stay/late").status_code == 200
    assert [act.kind for act in store.acts.of_stay("late")] == [ActKind.ASSIGN]
    with browser(settings, store, BROWN) as client:
        assert "· you T. Brown, RN" in rows_of(client.get("/").text)["free"][1]


def test_two_managers_who_give_the_same_stay_at_the_same_moment_are_told(settings, store):
    other = CaseManager(case_manager_id="mg-vance", name="T. Vance", role=Role.MANAGER, network_id="n1")
    load_people(store, staff=[HALE, other])
    with browser(settings, store, HALE) as hale, browser(settings, store, other) as vance:
        box = re.search(r'value="(1\.free\|[^"]*)"', vance.get("/board?tile=nobody").text).group(1)
        give = {"press": "assign", "back": "board", "stay": [box]}
        assert hale.post("/many", data=give | {"for_id": "cm-brown", "act": "1" * 32}).status_code == 303
        answer = vance.post("/many", data=give | {"for_id": "cm-ortiz", "act": "2" * 32})
        assert answer.status_code == 422
        assert "Not written for 1: T. Brown, RN has it meanwhile." in answer.text
        both = give | {"stay": [box, "1.late|cm-ortiz"], "for_id": "cm-ortiz", "act": "3" * 32}
        some = vance.post("/many", data=both)
        assert (some.status_code, "Given to M. Ortiz, RN: 1 person." in some.text) == (200, True)
        assert "Not written for 1: T. Brown, RN has it meanwhile." in some.text
        again = re.search(r'value="(1\.free\|[^"]*)"', vance.get("/board?whose=cm-brown").text).group(1)
        give |= {"stay": [again], "for_id": "cm-ortiz", "act": "4" * 32}
        assert vance.post("/many", data=give).status_code == 303  # who has seen it may
    assert [(act.by, act.for_id) for act in store.acts.of_stay("free")] == [
        ("mg-hale", "cm-brown"),
        ("mg-vance", "cm-ortiz"),
    ]


def test_the_board_is_its_role_s_and_its_network_s_only(settings, store):
    with browser(settings, store, ORTIZ) as nurse, browser(settings, store, FAR) as far:
        assert nurse.get("/board").status_code == 404
        assert 'href="/board"' not in nurse.get("/").text
        form = {"stay": "1.late", "for_id": "cm-brown", "press": "assign"}
        assert nurse.post("/many", data=form).status_code == 404
        assert far.get("/stay/late").status_code == 404


def test_a_colleague_of_the_network_opens_a_stay_that_was_never_hers_and_may_log_a_call(settings, store):
    with browser(settings, store, BROWN) as client:
        assert "Given1 Smith" in client.get("/stay/late").text
        form = {"press": "no_answer", "version": 1, "act": "e" * 32}
        assert client.post("/stay/late/log", data=form).status_code == 303
    assert store.acts.of_stay("late")[-1].by == "cm-brown"


# being away


def local(hours):
    return (datetime.now(UTC) + timedelta(hours=hours) - timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M")


def test_who_says_that_they_are_away_is_covered_from_then_on_and_a_load_keeps_it(settings, store):
    now = datetime.now(UTC)
    with browser(settings, store, BROWN) as client:
        form = {"who": "cm-brown", "starts": local(-2), "ends": local(48), "backup_id": "cm-ortiz", "press": "away"}
        assert client.post("/cover", data=form).headers["location"] == "/cover"
    assert store.directory.read().stand_in(BROWN, now)[0] == ORTIZ
    load_people(store, staff=[HALE])
    assert store.directory.read().stand_in(BROWN, now)[0] == ORTIZ
    with browser(settings, store, ORTIZ) as other:
        assert "T. Brown, RN" in other.get("/cover").text
        other.post("/stay/held/log", data={"press": "answer", "version": 1, "text": "5 mg", "answers_act": "x"})
        other.post("/stay/held/log", data={"press": "left_message", "version": 1, "left": "1"})
    with browser(settings, store, HALE) as manager:
        assert "away until" in manager.get("/board").text
    with browser(settings, store, BROWN) as client:
        page = client.get("/cover").text
        assert "You are away until" in page
        assert "While you were away" in page
        assert "left a message by phone" in page
        client.post("/cover", data={"press": "back"})
        assert "You are away until" not in client.get("/cover").text
    assert store.directory.read().stand_in(BROWN, datetime.now(UTC))[0] == BROWN


def test_a_manager_says_it_for_them_and_nobody_else_does(settings, store):
    form = {"who": "cm-ortiz", "starts": local(24), "ends": local(24 * 6), "backup_id": "", "press": "away"}
    with browser(settings, store, BROWN) as nurse:
        assert nurse.post("/cover", data=form).status_code == 404
    with browser(settings, store, HALE) as manager:
        assert manager.post("/cover", data=form).headers["location"] == "/cover"
        page = manager.get("/cover").text
        assert "nobody named: the team answers" in page
        assert re.search(r"Gap:</strong> nobody stands in for M. Ortiz, RN on \w{3} \w{3} \d+", page)
        assert "M. Ortiz, RN is away.<br><strong" in page
        assert "nobody stands in for 1 person on some of the next days" in manager.get("/board").text
        assert manager.post("/cover", data=form | {"who": "cm-far"}).status_code == 404


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"ends": local(-1)}, "times"),
        ({"starts": "soon"}, "times"),
        ({"starts": "9999-12-31T23:00", "ends": "9999-12-31T23:59"}, "times"),
        ({"ends": local(24 * 400)}, "times"),
        ({"backup_id": "cm-brown"}, "who"),
        ({"backup_id": "nobody"}, "who"),
        ({"backup_id": "cm-far"}, "who"),  # of another network: who covers sees the patients
    ],
)
def test_what_cannot_be_is_said_in_words(settings, store, more, said):
    form = {"who": "cm-brown", "starts": local(1), "ends": local(48), "backup_id": "cm-ortiz", "press": "away"}
    with browser(settings, store, BROWN) as client:
        assert client.post("/cover", data=form | more).headers["location"] == f"/cover?said={said}"
        assert "Not written:" in client.get(f"/cover?said={said}").text
