"""Every story folder, run through the whole core, comes to what a person wrote down and to what was reviewed.

`0_adt.hl7` is what hospitals sent; `story.toml` says by hand what must come of it; `1_explained.json` is everything
the core said, rewritten by `UPDATE_STORIES=1` and reviewed by diff. A folder may hold a `panel.csv` (each practice has
a team of its own) and a `policy.toml`. Each story has one theme of `THEMES`, which is part of its test's name (`pytest
tests/stories -k merge-`); `README.md` here lists them by theme and is written anew by `UPDATE_STORIES=1`.
"""

import json
import os
import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest

from parsers.hl7.batches import split
from parsers.hl7.triggers import TRIGGERS
from rules.decisions import Owner
from rules.telling.routes import Routed
from streams.commands.explain import Core, read_panel, read_policy

HERE = Path(__file__).parent
FOLDERS = sorted(path.parent for path in HERE.glob("*/story.toml"))
THEMES = {
    "stay": "Which stay a message is about, and what it does to it",
    "transfer": "Moves within and between facilities",
    "cancel": "What did not happen after all, and is taken back",
    "plan": "What is only planned",
    "correction": "The hospital says it otherwise: days, diagnoses, dispositions, identity",
    "death": "A death told, corrected and taken back",
    "merge": "Two records become one, or a visit changes hands",
    "identity": "Whom a message is about",
    "repeat": "What was sent before, word for word or anew",
    "feed": "How hospitals write: framing, characters, what is missing, what is no event",
    "priority": "How urgent it is, and why",
    "clock": "What is due by when",
}
LOCAL = ZoneInfo("America/New_York")

C = TypeVar("C", bound=Core)


def team(enrollee: Any, kind: Any, reasons: Any, at: Any) -> Routed:
    who = f"team-{enrollee.practice_id}" if enrollee else "central-office"
    return Routed((Owner(case_manager_id=who, because="practice"),), "The practice's team.")


def core_for(folder: Path, facts: dict[str, Any], make: type[C] = Core) -> C:
    panel, policy = folder / "panel.csv", folder / "policy.toml"
    return make(
        read_panel(panel) if panel.exists() else None,
        policy=read_policy(policy) if policy.exists() else None,
        test=facts.get("test_mode", True),
        route=team,
    )


def messages(folder: Path) -> Iterator[tuple[bytes, Any]]:
    for item in split((folder / "0_adt.hl7").read_bytes()):
        yield item.message, item.reject


def line_of(answer: dict[str, Any]) -> str:
    """One message in the words of `story.toml`: trigger, what was done and why, and the version it made."""
    if answer["ending"] == "reject":
        return f"{answer['trigger'] or '?'} reject {answer['code']} {answer['place']}".strip()
    if answer["ending"] != "event":
        return f"{answer['trigger']} {answer['ending']}"
    words = [f"{answer['trigger']} {answer['decision']['action']} {','.join(answer['decision']['reasons'])}"]
    for alert in answer.get("alerts") or ([answer["alert"]] if answer["alert"] else []):
        again = "" if len(answer.get("alerts", ())) < 2 else f"{alert['action']} "
        who = ",".join(alert["told"] if alert["action"] == "retract" else alert["owners"])
        line = f"{again}v{alert['version']} {alert['kind']} {alert['class']} {alert['status']} {alert['priority']}"
        words.append(f"{line} {who}")
    return " | ".join(words)


def runs(lines: list[str]) -> list[str]:
    """Equal lines one after the other, counted."""
    counted: list[tuple[str, int]] = []
    for line in lines:
        if counted and counted[-1][0] == line:
            counted[-1] = (line, counted[-1][1] + 1)
        else:
            counted.append((line, 1))
    return [line if count == 1 else f"{count} x {line}" for line, count in counted]


def story(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "story.toml").read_text())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{story(folder).get('theme')}-{folder.name}")
def test_story(folder: Path) -> None:
    facts = story(folder)
    core = core_for(folder, facts)
    answers = [core.step(data, reject) for data, reject in messages(folder)]
    assert runs([line_of(answer) for answer in answers]) == facts["expect"], facts["title"]
    for clock in facts.get("clocks", ()):
        clocks = {alert_clock["kind"]: alert_clock for alert_clock in answers[clock["message"] - 1]["alert"]["clocks"]}
        if clock["status"] == "absent":
            assert clock["kind"] not in clocks
            continue
        due = datetime.fromisoformat(clocks[clock["kind"]]["due_at"]).astimezone(LOCAL)
        assert (f"{due:%Y-%m-%d %H:%M}", clocks[clock["kind"]]["status"]) == (clock["due"], clock["status"]), clock
    expected = folder / "1_explained.json"
    text = "".join(json.dumps(answer, ensure_ascii=False) + "\n" for answer in answers)
    if os.environ.get("UPDATE_STORIES"):
        expected.write_text(text)
    assert expected.read_text() == text


def test_every_story_has_one_theme_and_stands_in_the_index() -> None:
    themes = {folder: story(folder).get("theme") for folder in FOLDERS}
    assert {folder.name: theme for folder, theme in themes.items() if theme not in THEMES} == {}
    assert set(themes.values()) == set(THEMES), "a theme without a story"
    parts = ["# Stories, by theme\n\nEach is a folder; `pytest tests/stories -k merge-` runs those of one theme.\n"]
    for theme, meaning in THEMES.items():
        ones = [folder for folder in FOLDERS if themes[folder] == theme]
        lines = [f"- [{folder.name[:3]}]({folder.name}/story.toml) {story(folder)['title']}" for folder in ones]
        parts.append(f"\n## {theme}: {meaning[0].lower()}{meaning[1:]}\n\n" + "\n".join(lines) + "\n")
    index = HERE / "README.md"
    if os.environ.get("UPDATE_STORIES"):
        index.write_text("".join(parts))
    assert index.read_text() == "".join(parts)


def test_every_trigger_has_its_story() -> None:
    """Drop a row of the trigger table, or add one, and the trigger is named here."""
    told_of = {line.split(" x ")[-1].split()[0] for folder in FOLDERS for line in expectations(folder)}
    unassigned = {"A30", "A39", "A46", "A49", "A57", "A58", "A59"}  # like A40 and A35, or never assigned by HL7
    assert {f"A{number:02}" for number in range(1, 63)} - told_of - unassigned == set()
    assert set(TRIGGERS) == {f"A{number:02}" for number in range(1, 63)}


def expectations(folder: Path) -> list[str]:
    return list(story(folder)["expect"])
