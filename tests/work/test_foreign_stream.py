"""A stream nobody here made (google/simhospital, 12 days of one hospital) through the core, once and twice."""

from collections import Counter, defaultdict

import pytest

from streams.commands.explain import Core, explain_files


@pytest.fixture(scope="module")
def answers(corpus):
    core, stream = Core(test=True), corpus / "streams" / "simhospital_north.hl7"
    once = [answer for _, answer in explain_files(core, [stream])]
    twice = [answer for _, answer in explain_files(core, [stream])]
    return once, twice


def versions(answers):
    by_alert = defaultdict(list)
    for answer in answers:
        for alert in answer.get("alerts") or filter(None, [answer["alert"]]):
            by_alert[alert["id"]].append((answer["trigger"], alert))
    return by_alert


def test_every_message_has_its_ending(answers):
    assert Counter(answer["ending"] for answer in answers[0]) == {"event": 1322, "no_transition": 10}


def test_no_alert_stands_after_its_cancel(answers):
    cancels = [answer for answer in answers[0] if answer["trigger"] == "A11"]
    assert len(cancels) == 30
    last = {alert_id: history[-1][1] for alert_id, history in versions(answers[0]).items()}
    for answer in cancels:
        assert answer["decision"]["action"] == "retract"
        assert (last[answer["stay"]]["action"], last[answer["stay"]]["status"]) == ("retract", "cancelled")


def test_a_cancelled_discharge_reopens(answers):
    reopened = [answer["alert"] for answer in answers[0] if answer["trigger"] == "A13"]
    assert len(reopened) == 25
    for alert in reopened:
        assert alert["status"] == "in-progress"
        running = {clock["kind"] for clock in alert["clocks"] if clock["status"] == "running"}
        assert running == set()


@pytest.mark.parametrize("trigger", ["A05", "A14", "A16", "A25", "A27", "A02", "A12", "A34", "A40"])
def test_pending_events_bed_moves_and_merges_tell_nobody(answers, trigger):
    quiet = [answer for answer in answers[0] if answer["trigger"] == trigger]
    assert quiet
    assert {answer["decision"]["action"] for answer in quiet} == {"suppress"}


def test_merged_stays_go_to_the_survivor(answers):
    merged = [answer for answer in answers[0] if answer["trigger"] in ("A34", "A40")]
    assert all(answer["decision"]["reasons"] == ["merged"] for answer in merged)
    discharges = {answer["stay"] for answer in answers[0] if answer["trigger"] == "A03"}
    later = {
        answer["stay"]: answer["match"]["enrollee"]
        for answer in answers[0]
        if answer["trigger"] == "A03" and answer["decision"]["action"] == "amend"
    }
    assert set(later) == discharges, "every discharge found the stay its admission began, merged or not"


def test_one_alert_a_stay_without_gaps(answers):
    for history in versions(answers[0]).values():
        assert [alert["version"] for _, alert in history] == list(range(1, len(history) + 1))
        assert sum(alert["action"] == "notify" for _, alert in history) == 1


def test_the_whole_file_twice_adds_nothing(answers):
    assert not versions(answers[1])
    assert {answer["ending"] for answer in answers[1]} == {"duplicate", "no_transition"}


@pytest.mark.parametrize("folder", ["adt", "malformed", "batch"])
def test_every_foreign_message_gets_one_ending(folder, corpus):
    for path in sorted((corpus / folder).iterdir()):
        if path.is_file():
            endings = [answer["ending"] for _, answer in explain_files(Core(test=True, fields=True), [path])]
            assert endings, path.name
            assert set(endings) <= {"event", "duplicate", "no_transition", "reject"}, path.name
