"""`handoff quarantine`: what is said of one message, of those of a sender, and which are sent on their way again."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from rules.endings import Ending, LedgerEntry
from streams.commands.quarantine import EVERYTHING, Which, run_dismiss, run_list, run_replay, run_show, which_of
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.store import Store
from streams.store.audit import Audited
from streams.store.opening import open_store
from streams.store.quarantine import Failed, State
from tests.rigs.store import NOW, message_id

BYTES = b"MSH|^~\\&|A|MERCY"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", hash_key="0" * 64)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings) as opened:
        for number, sender in ((1, "A|MERCY"), (2, "A|MERCY"), (3, "B|OTHER")):
            failed_id = message_id(number)
            failed = Failed(failed_id, "read", "read:KeyError", "parsers/x.py:7", sender, "", NOW, b"0" * 32, BYTES)
            opened.quarantine.keep([failed], "0.1.0", settings.secret(), NOW)
            opened.ledger.end([LedgerEntry(failed_id, Ending.QUARANTINED, failed.code, NOW)])
        yield opened


def replay(settings: Settings, *ids: str, of: Which = EVERYTHING, dry_run: bool = False) -> int:
    return run_replay(settings, ids, of, corrected=None, dry_run=dry_run, as_json=True)


def test_one_is_shown_by_its_id_and_its_bytes_only_when_asked_for(
    settings: Settings, store: Store, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run_show(settings, message_id(2), content=False, as_json=True) == 0
    said = capfdbinary.readouterr().out
    assert json.loads(said)["message_id"] == message_id(2)
    assert b"MERCY|" not in said and BYTES not in said
    assert store.audit.read() == []
    assert run_show(settings, message_id(2), content=True, as_json=False) == 0
    assert capfdbinary.readouterr().out == BYTES
    (read,) = store.audit.read()
    assert (read.what, read.detail) == (Audited.READ_QUARANTINED, message_id(2))
    with pytest.raises(Problem, match="no message"):
        run_show(settings, message_id(9), content=False, as_json=True)


def test_of_a_sender_all_that_wait_go_and_of_ids_only_those(
    settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    replay(settings, of=Which(sender="A|MERCY"), dry_run=True)
    assert json.loads(capsys.readouterr().out) == {"waiting": 2, "lined_up": 0, "dry_run": True}
    replay(settings, message_id(3))
    (third,) = store.quarantine.all(message_id=message_id(3), states=tuple(State))
    assert third.state is State.LINED_UP
    for wrong in ((message_id(3),), (message_id(1), message_id(9))):
        with pytest.raises(Problem, match="no message"):
            replay(settings, *wrong)
    assert store.quarantine.waiting() == 2
    with pytest.raises(Problem, match="say which"):
        replay(settings)
    replay(settings, of=Which(sender="A|MERCY"))
    assert store.quarantine.waiting() == 0


def test_a_dismissed_one_is_not_sent_and_listed_only_among_all(
    settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dismiss(settings, message_id(1), "a test of ours")
    with pytest.raises(Problem, match="no message"):
        replay(settings, message_id(1))
    capsys.readouterr()
    run_list(settings, Which(sender="A|MERCY"), everything=False, as_json=True)
    assert [json.loads(line)["message_id"] for line in capsys.readouterr().out.splitlines()] == [message_id(2)]
    run_list(settings, Which(sender="A|MERCY"), everything=True, as_json=True)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_span_or_a_whole_topic_goes(settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    later = NOW + timedelta(hours=2)
    more = [Failed(message_id(n), "read", "no_pid", "PID", "C", "", later, b"0" * 32, BYTES) for n in (4, 5)]
    store.quarantine.keep(more[:1], "0.1.0", settings.secret(), later)
    store.quarantine.keep(more[1:], "0.1.0", settings.secret(), later, State.REJECTED)

    def lined_up(of: Which) -> int:
        replay(settings, of=of)
        return json.loads(capsys.readouterr().out)["lined_up"]

    assert lined_up(which_of("", "", "", later, None)) == 1
    assert lined_up(which_of("", "", "", None, NOW)) == 0, "before a moment is before it"
    assert lined_up(which_of("", "", "adt.rejects.v1", None, None)) == 1
    assert lined_up(which_of("", "", "adt.quarantine.v1", None, None)) == 3
    with pytest.raises(Problem, match="nothing is kept of it"):
        which_of("", "", "adt.raw.v1", None, None)
