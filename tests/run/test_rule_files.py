"""Rule files: found, read, reloaded and reported alike, whichever it is; a bad change changes nothing."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from parsers.feeds import Feed
from rules.following.guides.scripts import default_scripts
from streams.run import rule_file
from streams.run.metrics import REGISTRY
from streams.run.problems import SettingsError
from streams.run.rule_file import Rule, RuleFile, RuleKind
from streams.run.rule_files import GUIDES, RULE_FILES
from streams.run.settings import Settings, load_settings
from streams.run.site_file import FEEDS, SENDERS


class Edit(NamedTuple):
    """A file's text before and after an edit, and what tells the two values apart."""

    before: str
    after: str
    shows: Callable[[Any], object]


def _shipped(room: str, name: str) -> str:
    return resources.files(room).joinpath(name).read_text()


_POLICY, _ROUTES = _shipped("rules.policy", "policy.toml"), _shipped("rules.telling", "routes.toml")
_ESCALATION = _shipped("rules.following", "escalation.toml")
_GUIDE = _shipped("rules.following.guides", "discharge_home.toml").replace("order = 90", "order = 0")
_GUIDE = _GUIDE.replace('"discharge_home"', '"ours"')
_SENDER = '[[senders]]\nname = "a"\nfacilities = ["*"]\nnetworks = ["10.0.0.1"]'
IN_TOML = (FEEDS, SENDERS)  # parts of handoff.toml
EDITS = {
    Rule.POLICY: Edit(_POLICY, _POLICY.replace("readmission_days = 30", "readmission_days = 29"), lambda v: v.windows),
    Rule.ROUTES: Edit(_ROUTES, 'name = "all"\nto = "central_office"\n', lambda v: v.root.name),
    Rule.CONFIDENTIALITY: Edit('facility_122c = "withheld"', 'facility_122c = "general"', lambda v: v.facility_122c),
    Rule.ESCALATION: Edit(
        _ESCALATION, _ESCALATION.replace("Mon-Fri 08:00-17:00", "Mon-Fri 09:00-17:00"), lambda v: v.working_hours
    ),
    Rule.GUIDES: Edit(_GUIDE, _GUIDE.replace("Llamada", "Otra llamada"), lambda v: v.guides[0].title),
    Rule.SENDERS: Edit(_SENDER, _SENDER.replace('"a"', '"b"'), lambda v: v.senders[0].name),
    Rule.FEEDS: Edit('[[feeds]]\nname = "a"', '[[feeds]]\nname = "b"', lambda v: v.feeds[0].name),
}


@pytest.fixture(autouse=True)
def at_each_look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rule_file, "_LOOK_SECONDS", 0.0)
    for name in ("HANDOFF_CONFIG", "HANDOFF_FEEDS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HANDOFF_DATA_DIR", str(tmp_path))


def _file_of(kind: RuleKind[Any], folder: Path) -> tuple[Path, Settings]:
    """A file of the kind with the text before the edit, and settings that name it."""
    file = folder / ("handoff.toml" if kind in IN_TOML else f"{kind.rule}.toml")
    file.write_text(EDITS[kind.rule].before)
    return file, load_settings(**({} if kind in IN_TOML else {kind.rule.value: file}))


def _bad(kind: RuleKind[Any]) -> float | None:
    return REGISTRY.get_sample_value("toc_rule_file_bad", {"file": kind.rule.value})


@pytest.mark.parametrize("kind", RULE_FILES, ids=[kind.rule for kind in RULE_FILES])
def test_a_change_is_taken_and_a_bad_one_keeps_the_last_good_one(kind: RuleKind[Any], tmp_path: Path) -> None:
    file, settings = _file_of(kind, tmp_path)
    edit = EDITS[kind.rule]
    rules = RuleFile(kind, settings)
    first = edit.shows(rules.current())
    assert _bad(kind) == 0

    file.write_text(edit.after)
    assert edit.shows(rules.current()) == first, "a file that may still be written to is not taken"
    second = edit.shows(rules.current())
    assert second != first

    file.write_text("not [ TOML")
    rules.current()
    assert edit.shows(rules.current()) == second
    assert _bad(kind) == 1

    file.unlink()
    rules.current()
    assert edit.shows(rules.current()) == second
    assert _bad(kind) == 1

    file.write_text(edit.before)
    rules.current()
    assert edit.shows(rules.current()) == first
    assert _bad(kind) == 0


@pytest.mark.parametrize("kind", RULE_FILES, ids=[kind.rule for kind in RULE_FILES])
def test_a_file_with_faults_starts_nothing_and_every_fault_is_said(kind: RuleKind[Any], tmp_path: Path) -> None:
    file, settings = _file_of(kind, tmp_path)
    faults = "[[feeds]]\nzone = 'Mars'\n[[feeds]]\ncolor = 1\n"
    file.write_text(faults.replace("feeds", "senders") if kind is SENDERS else faults)
    with pytest.raises(SettingsError, match="has faults") as error:
        RuleFile(kind, settings)
    assert str(file) in str(error.value)
    if kind is FEEDS:
        assert "feeds[0].zone" in str(error.value)
        assert "feeds[1].color" in str(error.value)
    elif kind is SENDERS:
        assert "senders[0].name" in str(error.value)
    else:
        assert "feeds: " in str(error.value)


@pytest.mark.parametrize("kind", RULE_FILES, ids=[kind.rule for kind in RULE_FILES])
def test_a_file_that_is_named_must_be_there_but_handoff_toml_may_come_later(
    kind: RuleKind[Any], tmp_path: Path
) -> None:
    file, settings = _file_of(kind, tmp_path)
    file.unlink()
    if kind not in IN_TOML:
        with pytest.raises(SettingsError, match="cannot be read"):
            RuleFile(kind, settings)
        return
    if kind is SENDERS:
        assert RuleFile(kind, load_settings()).current().senders == ()
        return
    feeds = RuleFile(FEEDS, load_settings())
    assert feeds.current().feeds == ()
    file.write_text('idle_seconds = 5\n[[feeds]]\nname = "late"\nsending = ["LATE"]\n')
    feeds.current()
    assert feeds.current().feed_for("X", "LATE").name == "late"
    assert feeds.current().feed_for("X", "OTHER") == Feed()


def test_guides_of_one_s_own_lie_in_a_folder_over_the_shipped_ones_and_a_bad_one_keeps_them_all(tmp_path: Path) -> None:
    folder = tmp_path / "guides"
    folder.mkdir()
    rules = RuleFile(GUIDES, load_settings(guides=folder))
    shipped = rules.current()
    assert shipped == default_scripts()
    letter = _shipped("rules.following.guides", "letter.toml")
    (folder / "letter.toml").write_text(letter.replace("Dear {name},", "Good day {name},"))
    (folder / "ours.toml").write_text(_GUIDE)
    (folder / ".#ours.toml").symlink_to("nobody@nowhere")  # as an editor locks a file
    rules.current()
    own = rules.current()
    assert own.letter.greeting.en == "Good day {name},"
    assert [guide.name for guide in own.guides] == ["ours", *(guide.name for guide in shipped.guides)]

    (folder / "letter.toml").write_text(letter.replace("{name}", "{diagnosis}"))
    (folder / "ours.toml").write_text(_GUIDE.replace('id = "feels"', 'id = "has_ride"'))
    rules.current()
    assert rules.current() == own
    assert _bad(GUIDES) == 1
    with pytest.raises(SettingsError, match=r"ours\.toml: questions: every question needs an id of its own") as error:
        RuleFile(GUIDES, load_settings(guides=folder))
    assert "letter.toml: text: no blank is called {diagnosis}" in str(error.value)

    for file in folder.iterdir():
        file.unlink()
    rules.current()
    assert rules.current() == shipped
    assert _bad(GUIDES) == 0


def test_feeds_given_otherwise_follow_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "handoff.toml").write_text('[[feeds]]\nname = "file"\n')
    monkeypatch.setenv("HANDOFF_FEEDS", '[{"name": "environment"}]')
    assert load_settings().feeds_file is None
    assert [feed.name for feed in RuleFile(FEEDS, load_settings()).current().feeds] == ["environment"]
    monkeypatch.delenv("HANDOFF_FEEDS")
    assert load_settings(feeds=()).feeds_file is None
    assert load_settings().feeds_file == tmp_path / "handoff.toml"


def test_without_a_file_the_shipped_ones_hold(tmp_path: Path) -> None:
    settings = load_settings()
    assert all(RuleFile(kind, settings).current() == kind.shipped(settings) for kind in RULE_FILES)


def test_a_planned_pause_is_in_the_feeds_zone_and_ends_after_it_starts(tmp_path: Path) -> None:
    file, settings = _file_of(FEEDS, tmp_path)
    pauses = "pauses = [{ starts = 2026-12-05T22:00:00, ends = 2026-12-06T04:00:00 }]"
    file.write_text(f'[[feeds]]\nname = "a"\nzone = "America/Denver"\n{pauses}\n')
    (feed,) = RuleFile(FEEDS, settings).current().feeds
    assert feed.planned() == ((datetime(2026, 12, 6, 5, tzinfo=UTC), datetime(2026, 12, 6, 11, tzinfo=UTC)),)
    file.write_text(f'[[feeds]]\nname = "a"\n{pauses.replace("06T04", "05T04")}\n')
    with pytest.raises(SettingsError, match="pauses: each ends after it starts"):
        RuleFile(FEEDS, settings)
