"""Panel loads in, the matcher's view and its changes out: nothing a person was known by is lost."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from parsers.events import Address, Identifier, PersonName
from parsers.people import Consent, Enrollee, Payer, RiskTier
from rules.matching.person import PanelRecord
from streams.run.settings import Settings
from streams.store import Store, Unavailable
from streams.store import database as engine_module
from streams.store.opening import open_store
from streams.store.panel_rows import enrollee_on, load_enrollees
from tests.rigs.store import NOW, days, line, panel, store, store_url

__all__ = ["store", "store_url"]


def load(store: Store, *lines: object, full: bool = True, day: float = 0, **options: object):
    return store.panel.load(lines, full=full, now=NOW + days(day), **options)


def record_of(store: Store, enrollee_id: str = "E1") -> PanelRecord:
    return next(store.panel.records([enrollee_id]))


def enrollee(store: Store, enrollee_id: str = "E1", day: float | None = None) -> Enrollee:
    with store.database.reading() as connection:
        at = None if day is None else (NOW + days(day)).astimezone(store.database.zone).date()
        rows, homes = load_enrollees(connection, [enrollee_id], at)
    return enrollee_on(rows[enrollee_id], homes.get(enrollee_id, ()), at)


def test_a_first_load_adds_everybody(store: Store) -> None:
    report = load(store, *panel(3))
    assert report == (1, "full", 3, 3, 0, {}, 0, 0, 0.0, 3, False)
    assert store.panel.size() == 3
    assert store.panel.loaded_at() == NOW
    assert store.panel.age(NOW + days(91)) == days(91)
    assert {record.enrollee_id for record in store.panel.records()} == {"E0", "E1", "E2"}


def test_before_the_first_load_there_is_nothing(store: Store) -> None:
    assert (store.panel.size(), store.panel.loaded_at(), store.panel.age(NOW)) == (0, None, None)
    assert (list(store.panel.records()), list(store.panel.crosswalk())) == ([], [])
    assert store.panel.changes(store.panel.seq()) == (0, (), (), ())


def test_a_line_comes_back_as_the_matcher_and_the_rules_read_it(store: Store) -> None:
    load(store, line(mrns="MISSION:M1;A:B:7;X9", suffix="JR"))
    assert record_of(store) == PanelRecord(
        enrollee_id="E1",
        medicaid_id="901234567L",
        ssn="123121234",
        last="WHITFIELD",
        first="ROSA",
        middle="M",
        suffix="JR",
        birth_date="1955-03-02",
        sex="F",
        street="12 Oak St",
        city="Asheville",
        state="NC",
        zip="28801",
        phone="8285550101",
        mrns=(("MISSION", "M1"), ("A:B", "7"), ("", "X9")),
        effective_from="2024-01-01",
    )
    stored = enrollee(store)
    assert (stored.risk_tier, stored.consent, stored.programs) == (RiskTier.HIGH, Consent.NONE, ("asthma", "diabetes"))
    assert (stored.effective_from, stored.effective_to, stored.language) == (date(2024, 1, 1), None, "en")
    assert stored.mrns[1] == Identifier(system="A:B", value="7")


def test_a_payer_is_kept_and_one_that_is_not_known_is_no_change(store: Store) -> None:
    load(store, line("E1", payer="medicare"))
    assert enrollee(store).payer is Payer.MEDICARE
    assert load(store, line("E1"), day=1).changed_fields == {"payer": 1}
    assert enrollee(store).payer is Payer.UNKNOWN
    assert load(store, enrollee(store), day=2).changed == 0


def test_enrollees_load_as_well_as_lines(store: Store) -> None:
    load(store, line(suffix="JR"))
    stored = enrollee(store)
    assert load(store, stored, day=1).changed == 0
    changed = stored.model_copy(update={"phone": "1", "effective_to": date(2030, 1, 1)})
    assert load(store, changed, day=2).changed_fields == {"phone": 1, "effective_to": 1}


def test_the_same_panel_again_changes_nothing(store: Store) -> None:
    load(store, *panel(3))
    seq = store.panel.seq()
    report = load(store, *reversed(panel(3)), day=1)
    assert (report.added, report.changed, report.ended) == (0, 0, 0)
    assert store.panel.changes(seq).enrollee_ids == ()


def test_what_somebody_was_known_by_stays(store: Store) -> None:
    load(store, line())
    new = line(last_name="ORTIZ", address="9 Elm St", zip="27601", phone="9195550102", mrns="MISSION:M2")
    report = load(store, new, day=1)
    assert report.changed_fields == {"last": 1, "street": 1, "zip": 1, "phone": 1, "mrns": 1}
    record = record_of(store)
    assert record.former_names == (("WHITFIELD", "ROSA"),)
    assert record.former_addresses == (("12 Oak St", "28801"),)
    assert record.former_phones == ("8285550101",)
    assert record.mrns == (("MISSION", "M2"), ("MISSION", "M1"))
    person = enrollee(store)
    assert person.former_names == (PersonName(family="WHITFIELD", given="ROSA"),)
    assert person.former_addresses == (Address(street="12 Oak St", zip="28801"),)
    assert person.former_mrns == (Identifier(system="MISSION", value="M1"),)
    load(store, line(), day=2)
    load(store, new, day=3)
    load(store, line(last_name="LEE", phone=""), day=4)
    record = record_of(store)
    assert sorted(record.former_names) == [("ORTIZ", "ROSA"), ("WHITFIELD", "ROSA")]
    assert sorted(record.former_phones) == ["8285550101", "9195550102"]
    assert record.mrns == (("MISSION", "M1"), ("MISSION", "M2"))


def test_a_delta_leaves_the_others_alone(store: Store) -> None:
    load(store, *panel(3))
    report = load(store, line("E1", phone="1"), line("E7"), full=False, day=1)
    assert (report.mode, report.added, report.changed, report.ended, report.size) == ("delta", 1, 1, 0, 4)
    assert enrollee(store, "E2").effective_to is None


def test_who_is_missing_from_a_full_load_ended_the_day_before(store: Store) -> None:
    load(store, *panel(3))
    seq = store.panel.seq()
    report = load(store, *panel(2), day=3, max_end_share=0.5)
    assert (report.ended, report.end_share, report.refused) == (1, 1 / 3, False)
    assert enrollee(store, "E2").effective_to == date(2026, 11, 24)
    assert record_of(store, "E2").effective_to == "2026-11-24"
    assert store.panel.changes(seq).enrollee_ids == ("E2",)
    assert load(store, *panel(2), day=4).ended == 0
    back = load(store, *panel(3), day=5)
    assert (back.changed, enrollee(store, "E2").effective_to) == (1, None)


def test_a_load_that_would_end_too_many_is_refused_whole(store: Store) -> None:
    load(store, *panel(10))
    seq = store.panel.seq()
    report = load(store, line("E0", phone="1"), line("E99"), day=1, max_end_share=0.2)
    assert (report.refused, report.ended, report.end_share, report.seq, report.size) == (True, 9, 0.9, 0, 10)
    assert (store.panel.size(), store.panel.seq(), record_of(store, "E0").phone) == (10, seq, "8285550101")
    assert load(store, line("E0", phone="1"), day=1, force=True, max_end_share=0.2).ended == 9


def test_who_left_long_ago_leaves_the_matcher_and_may_come_back(store: Store) -> None:
    load(store, *panel(2))
    load(store, *panel(1), day=1, force=True)
    load(store, *panel(1), day=300)
    assert {record.enrollee_id for record in store.panel.records()} == {"E0", "E1"}
    seq = store.panel.seq()
    load(store, *panel(1), day=500)
    assert {record.enrollee_id for record in store.panel.records()} == {"E0"}
    assert store.panel.changes(seq)[1:3] == ((), ("E1",))
    assert store.panel.size() == 1
    seq = store.panel.seq()
    load(store, *panel(2), day=501)
    assert store.panel.changes(seq)[1:3] == (("E1",), ())


MOVES = [
    ("dated by the file", {"practice_id": "P2", "effective_from": "2026-12-01"}, ["P1", "P1", "P2"]),
    ("dated by the load", {"practice_id": "P2"}, ["P1", "P2", "P2"]),
    ("a new enrollment at the same practice", {"effective_from": "2026-12-01"}, ["P1", "P1", "P1"]),
    ("an earlier beginning is a correction", {"effective_from": "2023-01-01"}, ["P1", "P1", "P1"]),
]


@pytest.mark.parametrize(("change", "homes"), [case[1:] for case in MOVES], ids=[case[0] for case in MOVES])
def test_the_practice_of_a_day(store: Store, change: dict[str, str], homes: list[str]) -> None:
    load(store, line())
    report = load(store, line(**change), day=3)
    assert report.moved == ("practice_id" in change)
    assert [enrollee(store, day=day).practice_id for day in (2, 4, 10)] == homes


def test_an_enrollment_after_a_gap_keeps_the_one_before(store: Store) -> None:
    load(store, line(effective_to="2026-11-25"))
    load(store, line(effective_from="2027-02-01", practice_id="P2"), day=80)
    inside, gap, after = (enrollee(store, day=day) for day in (1, 30, 75))
    assert (inside.practice_id, str(inside.effective_from), str(inside.effective_to)) == (
        "P1",
        "2024-01-01",
        "2026-11-25",
    )
    assert (gap.practice_id, str(gap.effective_from)) == ("P2", "2027-02-01")
    assert (after.practice_id, after.effective_to) == ("P2", None)


def test_days_are_those_of_north_carolina(store: Store) -> None:
    load(store, line())
    load(store, line(practice_id="P2", effective_from="2026-11-23"), day=1)
    late_evening = 15.9 / 24  # 2026-11-23 03:54 UTC is still the 22nd
    assert enrollee(store, day=late_evening).practice_id == "P1"
    assert enrollee(store, day=17.1 / 24).practice_id == "P2"


def test_an_enrollee_that_comes_twice_stops_the_load(store: Store) -> None:
    load(store, line("E1"))
    with pytest.raises(ValueError, match="twice") as caught:
        load(store, line("E2"), line("E1", phone="1"), line("E2"))
    assert "WHITFIELD" not in str(caught.value)
    assert (store.panel.size(), record_of(store).phone) == (1, "8285550101")


def test_a_source_that_fails_changes_nothing_and_leaves_the_store_usable(store: Store) -> None:
    def lines() -> Iterator[object]:
        yield line("E5")
        raise RuntimeError("the file ended")

    load(store, line("E1"))
    with pytest.raises(RuntimeError):
        store.panel.load(lines(), full=True, now=NOW)
    assert store.panel.size() == 1
    assert load(store, line("E1"), line("E2")).added == 1


def test_progress_is_told(store: Store) -> None:
    stages: list[tuple[str, int]] = []
    load(store, *panel(5), progress=lambda stage, done: stages.append((stage, done)))
    assert ("read", 5) in stages
    assert stages[-1] == ("write", 5)


def test_many_changes_are_written_in_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.store.panel_read.READ_AT_ONCE", 2)
    monkeypatch.setattr("streams.store.panel_load.STAGED_AT_ONCE", 2)
    load(store, *panel(7))
    seq = store.panel.seq()
    report = load(store, *(record._replace(phone="1") for record in panel(7)), day=1)
    assert report.changed == 7
    changes = store.panel.changes(seq)
    assert len(changes.enrollee_ids) == 7
    assert {record.phone for record in store.panel.records(changes.enrollee_ids)} == {"1"}
    assert {record.phone for record in store.panel.records()} == {"1"}


def test_other_writers_wait_only_for_the_last_part(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "BUSY_SECONDS", 0.5)
    loading, other = Store.open(store_url, migrate=True), Store.open(store_url)

    def lines() -> Iterator[object]:
        for number in range(3):
            other.directory.load([], [], [], [], [])
            yield line(f"E{number}")

    try:
        assert loading.panel.load(lines(), full=True, now=NOW).added == 3
        assert other.directory.version() == 3
    finally:
        loading.close()
        other.close()


def test_a_locked_store_makes_a_load_unavailable(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "BUSY_SECONDS", 0.1)
    path = tmp_path / "handoff.sqlite3"
    opened = Store.open(f"sqlite:///{path}", migrate=True)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        load(opened, line())
    other.execute("ROLLBACK")
    other.close()
    assert load(opened, line()).added == 1
    opened.close()


def test_the_panel_s_days_are_the_office_s(store: Store) -> None:
    """23:30 on the 23rd in Los Angeles is the 24th in New York: whoever moves that day has moved on the 23rd."""
    store.database.zone = ZoneInfo("America/Los_Angeles")
    late = datetime(2026, 11, 24, 7, 30, tzinfo=UTC)
    store.panel.load([line()], full=True, now=late - timedelta(days=3))
    store.panel.load([line(practice_id="P2")], full=True, now=late)
    assert enrollee(store).practice_id == "P2"
    with store.database.reading() as connection:
        rows, homes = load_enrollees(connection, ["E1"], date(2026, 11, 20))
    assert [enrollee_on(rows["E1"], homes["E1"], date(2026, 11, day)).practice_id for day in (22, 23)] == ["P1", "P2"]


def test_the_store_is_opened_with_the_zone_of_the_policy_in_force(tmp_path: Path) -> None:
    shipped = resources.files("rules.policy").joinpath("policy.toml").read_text()
    own = tmp_path / "policy.toml"
    own.write_text(shipped.replace("America/New_York", "America/Denver"))
    with open_store(Settings(data_dir=tmp_path / "data", policy=own)) as store:
        assert (store.database.zone.key, store.directory.read().zone.key) == ("America/Denver", "America/Denver")
