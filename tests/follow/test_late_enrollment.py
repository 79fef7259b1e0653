"""What somebody missed before they were enrolled is told, also where the load was cut off or workers were behind it."""

from datetime import UTC, datetime, timedelta

import pytest

from rules.matching.index import PanelIndex
from streams.follow import late_enrollment
from streams.follow.late_enrollment import EVERYWHERE, LateEnrollment
from streams.run.settings import Settings
from streams.store import Store
from streams.store.ticks import Turn
from tests.commands.test_panel import JOINED, admission, kept, load, panel_file, perhaps, person, settings, store

__all__ = ["settings", "store"]

TURN = Turn("late_enrollment", 1)
OURS, THEIRS = "0" * 31 + "1", "0" * 31 + "2"


@pytest.fixture
def look(settings: Settings, store: Store):
    """One tick, so long after now; gives the ids of what is lined up since."""
    tick = LateEnrollment(settings, store, lambda: PanelIndex.build(store.panel.records(), store.panel.crosswalk()))

    def run(after: timedelta = EVERYWHERE) -> list[str]:
        tick.run(TURN, datetime.now(UTC) + after)
        waiting = store.reviews.unsent_events()
        store.reviews.sent_events([outbox_id for outbox_id, _ in waiting])
        return [record.event.message_id for _, record in waiting if record.released]

    return run


def test_a_load_that_was_cut_off_before_it_looked_is_made_up_for(settings, store, look, tmp_path, capsys, monkeypatch):
    assert look() == [], "before the first load"
    kept(store, settings, admission(OURS))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(late_enrollment, "_released", killed)
        load(settings, panel_file(tmp_path, person(7, **JOINED)), capsys)
    load(settings, panel_file(tmp_path, person(7, **JOINED)), capsys)  # again: nothing has changed
    assert look(timedelta(minutes=1)) == [], "whoever loads looks first"
    assert look() == [OURS]
    assert look() == [], "nobody is told twice"


def test_what_was_read_with_the_panel_before_is_looked_at_again(settings, store, look, tmp_path, capsys):
    load(settings, panel_file(tmp_path, person(1)), capsys)
    assert look() == []
    load(settings, panel_file(tmp_path, person(7, **JOINED)), capsys, full=False)
    event = admission(OURS).model_copy(update={"received_at": datetime.now(UTC)})
    kept(store, settings, event)  # by a worker that has not got the load yet
    kept(store, settings, perhaps(THEIRS).model_copy(update={"received_at": datetime.now(UTC)}))
    assert look() == [OURS]
    assert store.reviews.count() == 1, "asked about, not told"
    look()
    assert store.reviews.count() == 1
