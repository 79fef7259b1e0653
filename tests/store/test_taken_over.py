"""A data folder of the version before the house: stories begun there end here.

`folders_of_0005.json` holds what the code before the move to rooms, with tables at revision 0005 and stays that
remember in flat words, had written of the first half of some stories. The tables are built by the migrations of then,
filled with it and migrated; the second half must come to what it comes to in a story told from its beginning.
"""

import json
import random
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import text

from rules.deciding.history import owner_of
from rules.decisions import Decision
from streams.store import Store
from streams.store.database import Database, make_engine
from streams.store.migrating import migrate
from tests.rigs.store import store_url
from tests.store.test_one_history import Watched, decided_anew
from tests.stories.test_stories import FOLDERS, core_for, messages, story

__all__ = ["store_url"]
OLD: Final = json.loads((Path(__file__).parent / "folders_of_0005.json").read_text())
STORIES: Final = {folder.name: folder for folder in FOLDERS if folder.name in OLD}


@pytest.mark.parametrize("name", OLD)
def test_a_story_begun_before_ends_after(name: str, store_url: str) -> None:
    folder, old = STORIES[name], OLD[name]
    core = core_for(folder, story(folder), Watched)
    halves: list[int] = []
    for number, (data, reject) in enumerate(messages(folder)):
        if number == old["messages"]:
            halves.append(len(core.decided))
        core.step(data, reject)
    wanted = core.decided[halves[0] :]
    write(store_url, old["tables"])
    opened = Store.open(store_url, migrate=True)
    try:
        decisions = decided_anew(opened, core, wanted, random.Random(3))
        assert [said(decision) for decision in decisions] == [
            said(step.decision) for step in wanted if owner_of(step.whose)
        ]
    finally:
        opened.close()


def write(url: str, tables: dict[str, list[dict[str, Any]]]) -> None:
    """The database as it was."""
    database = Database(make_engine(url))
    migrate(database, "0005")
    with database.writing() as connection:
        connection.execute(text("DELETE FROM counters"))
        for table, rows in tables.items():
            for row in rows:
                names, places = ", ".join(f'"{name}"' for name in row), ", ".join(f":{name}" for name in row)
                values = {
                    name: bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
                    for name, value in row.items()
                }
                connection.execute(text(f'INSERT INTO "{table}" ({names}) VALUES ({places})'), values)
    database.close()


def said(decision: Decision | None) -> object:
    """What people hear, and by which version of which alert."""
    assert decision is not None
    alerts = [
        (
            alert.alert_id,
            alert.version,
            alert.kind,
            alert.encounter_class,
            alert.status,
            alert.priority,
            alert.told,
            alert.reasons,
        )
        for alert in decision.alerts
    ]
    return decision.action, decision.reasons, decision.waits, alerts
