"""The invented community and its demo: named hospitals, a nurse with regulars, people who work."""

import tomllib
from contextlib import closing
from datetime import UTC, datetime

import pytest

from parsers.events import FacilityKind
from parsers.feeds import Feed
from rules.decisions import Action, Clock, ClockKind, Priority, Stay, StayStatus
from rules.following.acts import ActKind
from streams.commands.demo import CaseManagers, answer_to, regulars_of
from streams.inbox.links import busiest
from streams.invented.community import FEEDS, HOSPITALS, sample_directory, sample_panel
from streams.invented.hospitals import Hospitals
from streams.invented.rehearsal import write_feeds
from streams.run.settings import load_settings
from streams.store import Store
from tests.rigs.acts import NURSES
from tests.rigs.store import NOW, alert_of, decide, message_id, record


def test_every_hospital_has_a_name_and_one_withholds(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDOFF_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("HANDOFF_CONFIG", raising=False)
    write_feeds(tmp_path)
    settings = load_settings()
    assert settings.feeds == FEEDS
    feeds = {code: settings.feed_for("EPIC", code) for code in HOSPITALS}
    assert len({feed.facility for feed in feeds.values()}) == len(HOSPITALS) == 6
    assert [code for code, feed in feeds.items() if feed.facility_kind is FacilityKind.PSYCHIATRIC] == ["FORSYTH"]
    assert settings.feed_for("EPIC", "ELSEWHERE") == Feed()


def test_settings_of_one_s_own_are_left_alone(tmp_path):
    (tmp_path / "handoff.toml").write_text("lock_minutes = 3\n")
    write_feeds(tmp_path)
    assert tomllib.loads((tmp_path / "handoff.toml").read_text()) == {"lock_minutes": 3}


def test_some_of_the_panel_have_consented():
    consents = [row.consent for row in sample_panel(8)]
    assert sorted(set(consents)) == ["all", "none"]


def test_a_quarter_of_the_visits_are_about_the_regulars():
    at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    regular = next(iter(sample_panel(8)))
    hospitals = Hospitals(10_000, regulars=[0], mix={"A01": 1.0})
    sent = [hospitals.next(at)[2] for _ in range(400)]
    about = sum(f"||{regular.last_name}^{regular.first_name}^".encode() in message for message in sent)
    assert 70 < about < 130
    plain = Hospitals(10_000, mix={"A01": 1.0})
    assert (
        sum(
            f"{regular.last_name}^{regular.first_name}^{regular.middle_name}".encode() in plain.next(at)[2]
            for _ in range(400)
        )
        < 5
    )


def stay_of(status):
    return Stay(stay_id="a" * 32, enrollee_id="E1", facility="Laurel Gap Hospital", status=status)


def clock():
    return Clock(kind=ClockKind.TCM_CONTACT, starts_at=NOW, due_at=NOW)


@pytest.mark.parametrize(
    ("name", "status", "action", "said", "answers"),
    [
        ("in the hospital", StayStatus.IN_PROGRESS, Action.NOTIFY, {}, {None, ActKind.TAKE}),
        ("urgent waits", StayStatus.IN_PROGRESS, Action.NOTIFY, {"priority": Priority.URGENT}, {None}),
        ("home, a clock runs", StayStatus.FINISHED, Action.AMEND, {"clocks": (clock(),)}, {None, ActKind.TAKE}),
        ("left, nothing to do", StayStatus.FINISHED, Action.AMEND, {}, {None, ActKind.NOTED}),
        ("taken back", StayStatus.IN_PROGRESS, Action.RETRACT, {}, {None, ActKind.NOTED}),
    ],
)
def test_what_people_do_about_an_alert(name, status, action, said, answers):
    event = record(1).event
    alerts = [
        alert_of(stay_of(status), 1, event, action, **said).model_copy(update={"alert_id": f"{number:032x}"})
        for number in range(60)
    ]
    assert {answer_to(alert) for alert in alerts} == answers, name


def test_people_act_after_a_while_and_nobody_else_does(tmp_path):
    with closing(Store.open(f"sqlite:///{tmp_path / 'handoff.sqlite3'}", migrate=True)) as store:
        store.directory.load(case_managers_=list(NURSES.case_managers.values()))
        people = CaseManagers(store, pause_seconds=0)
        patients = [record(number, f"E{number}", visit=f"V{number}", mrn=f"M{number}") for number in range(1, 31)]
        store.decisions.decide(patients, decide, NOW)
        people.work()
        people.work()
        rows = store.inbox.rows_for("ortiz", NOW)
        done = {row.alert.alert_id: [act.kind for act in row.acts] for row in rows}
        expected = {row.alert.alert_id: [answer] if (answer := answer_to(row.alert)) else [] for row in rows}
        assert done == expected
        assert 0 < sum(map(len, done.values())) < 30
        assert message_id(1) in done


def test_the_link_is_for_a_nurse_with_regulars(tmp_path):
    community = sample_directory()
    with closing(Store.open(f"sqlite:///{tmp_path / 'handoff.sqlite3'}", migrate=True)) as store:
        store.directory.load(*community, replace=True)
        who = busiest(store)
        assert len(regulars_of(store, who)) > 100
        assert regulars_of(store, "central-office") == []
