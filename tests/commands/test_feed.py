"""`handoff feed`: a parked sender is seen, taken back and set aside by hand; each is audited."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from parsers.feeds import Feed
from streams.commands.feed import run_list, run_park, run_resume
from streams.run.problems import Problem
from streams.run.settings import Settings, load_settings
from streams.store import Store
from streams.store.audit import Audited

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path, database_url="", feeds=(Feed(name="mission", sending=("MISSION",)),))


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store.open(settings.store_url, migrate=True)


def test_a_parked_sender_is_listed_and_taken_back(
    settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_list(settings) == 0
    assert "No feed was heard" in capsys.readouterr().out
    assert store.keeping_up.park("EPIC|NORTH", "default", "read:KeyError", AT)
    assert run_list(settings, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {
        "feed": "EPIC|NORTH", "heard_at": None, "talk": "learning", "how": "",
        "parked_since": AT.isoformat(), "after": "read:KeyError",
    }  # fmt: skip
    assert run_list(settings) == 0
    assert "EPIC|NORTH  never heard  PARKED since 2026-11-26 12:00 UTC" in capsys.readouterr().out
    assert run_resume(settings, "EPIC|NORTH") == 0
    assert "quarantine replay --sender 'EPIC|NORTH' --code parked" in capsys.readouterr().out
    assert store.keeping_up.parked() == ()
    assert run_resume(settings, "EPIC|NORTH", as_json=True) == 1
    assert json.loads(capsys.readouterr().out) == {"feed": "EPIC|NORTH", "changed": False}
    assert [(row.what, row.detail) for row in store.audit.read()] == [(Audited.RESUMED, "EPIC|NORTH")]


def test_a_feed_is_parked_by_hand(settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Problem, match="no such feed"):
        run_park(settings, "mision")
    assert run_park(settings, "mission") == 0
    assert run_park(settings, "mission") == 1
    assert "was parked already" in capsys.readouterr().out
    assert [(parking.sender, parking.code) for parking in store.keeping_up.parked()] == [("mission", "by hand")]
    assert [row.what for row in store.audit.read()] == [Audited.PARKED]
