"""Another hash key: what was sealed and hashed under the one before is there under the new one alone, on both
databases, whoever writes meanwhile and wherever it is broken off."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import LargeBinary, insert

from streams.commands.rotate_key import run_rotate_key
from streams.kafka.records import keyed_hash
from streams.run.hash_keys import keys_in, secret_from
from streams.run.mail_stop import stop_token, stopped_by
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.store import Store
from streams.store.credentials import Password
from streams.store.delivery import mail_id, mail_ids
from streams.store.hand_events import HandEvent
from streams.store.keys import is_being_rotated, rotate, secret_of
from streams.store.opening import open_store
from streams.store.quarantine import Failed
from streams.store.received import seal_received
from streams.store.resealing import SEALED
from streams.store.tables import metadata, received
from streams.up.supervisor import AlreadyRunning, sole_holder
from tests.rigs.store import NOW, line, message_id, record, store, store_url

__all__ = ["store", "store_url"]

FORMER, CURRENT = b"f" * 64, b"c" * 64
BOTH = secret_from([CURRENT, FORMER])
TYPED = {"text": "has the key"}
STRANGERS = 120  # more than are sealed anew at once


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


def fill(store: Store, secret: bytes) -> None:
    """Something of each kind that is sealed, as it is written under `secret`."""
    store.unmatched.keep([record(n, mrn=f"M{n}", visit=f"V{n}").event for n in range(STRANGERS)], secret)
    store.destinations.put_secret("oak", "signing", "whsec_x", secret, NOW, timedelta())
    store.hand_events.keep(HandEvent(message_id(1), b"0" * 32, NOW, b"MSH"), secret)
    store.credentials.set_password("ortiz", Password("argon", b"factor", 1), ["code"], secret, NOW)
    store.drafts.keep("ortiz", "a1", "note.0", TYPED, secret, NOW)
    failed = Failed(message_id(2), "read", "read:KeyError", "x.py:7", "A|B", "", NOW, b"0" * 32, b"PID")
    store.quarantine.keep([failed], "0.1.0", secret, NOW)
    store.quarantine.correct(message_id(2), b"mended", secret)
    sealed = seal_received(b"as received", secret).encode()
    row = {"received_id": "r", "alert_id": "a1", "version": 1, "kept_us": 1, "sealed": sealed}
    with store.database.writing() as connection:
        connection.execute(insert(received).values(row))


def expect_all(store: Store, secret: bytes) -> None:
    """What `fill` wrote is there for whoever has `secret`, and whoever is enrolled late is found."""
    assert store.destinations.secrets_of("oak", secret, NOW) == {"signing": ("whsec_x",)}
    assert [event.message for event in store.hand_events.due(NOW, secret)] == [b"MSH"]
    kept = store.credentials.password("ortiz", secret)
    assert kept is not None and kept.second_factor == b"factor"
    assert store.drafts.of("ortiz", "a1", secret) == {"note.0": TYPED}
    assert store.quarantine.content(message_id(2), secret) == (b"PID", b"mended")
    assert store.received.of(secret, "a1", 1) == b"as received"
    late = [line(f"E{n}", mrns=f"MISSION:M{n}", birth_date="1990-01-01") for n in (0, STRANGERS - 1)]
    store.panel.load(late, full=False, now=NOW)
    about = store.unmatched.about(["E0", f"E{STRANGERS - 1}"], secret)
    assert [event.message_id for event in about] == [message_id(0), message_id(STRANGERS - 1)]


def test_all_is_there_for_both_keys_and_then_for_the_new_one_alone(store: Store) -> None:
    fill(store, FORMER)
    expect_all(store, BOTH)
    count = store.resealing.run(BOTH)
    assert (count.anew, count.lost) == (STRANGERS + 7, 0)
    expect_all(store, CURRENT)
    assert store.unmatched.about(["E0"], FORMER) == []
    assert store.resealing.run(BOTH) == store.resealing.run(CURRENT) == (0, 0)


def test_what_none_of_the_keys_opens_stays_and_is_counted(store: Store) -> None:
    fill(store, b"lost")
    assert store.resealing.run(BOTH) == (0, STRANGERS + 7)
    expect_all(store, b"lost")


def test_everything_sealed_is_known_to_it() -> None:
    columns = {
        column for table in metadata.tables.values() for column in table.columns if isinstance(column.type, LargeBinary)
    }
    assert {f"{column.table}.{column.name}" for column in columns - set(SEALED)} == {"passkeys.public_key"}


def test_a_new_key_is_made_each_time_and_the_store_is_its_own_when_all_is_sealed_anew(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = secret_of(settings, store)
    fill(store, first)
    with monkeypatch.context() as broken:
        broken.setattr(store.resealing, "run", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rotate(settings, store)
    second, former = keys_in(secret_of(settings, store))
    assert (former, is_being_rotated(settings, store)) == (first, True)
    settings.key_file.write_bytes(second)  # the former one taken out too early
    with pytest.raises(Problem, match="another one than this store was written with"):
        secret_of(settings, store)
    settings.key_file.write_bytes(second + b"\n" + first)
    assert rotate(settings, store).anew == STRANGERS + 7
    assert keys_in(secret_of(settings, store)) == (second, first)
    assert not is_being_rotated(settings, store)
    assert rotate(settings, store).anew == STRANGERS + 7
    third = keys_in(secret_of(settings, store))
    assert third[1:] == (second, first)
    settings.key_file.write_bytes(third[0])
    expect_all(store, secret_of(settings, store))
    settings.key_file.write_bytes(second)
    with pytest.raises(Problem, match="another one"):
        secret_of(settings, store)


def given(*keys: bytes) -> Settings:
    others = tuple(SecretStr(key.decode()) for key in keys[1:])
    return Settings(hash_key=SecretStr(keys[0].decode()), other_hash_keys=others)


def test_with_the_key_in_settings_processes_change_one_after_the_other(store: Store) -> None:
    fill(store, secret_of(given(FORMER), store))
    with pytest.raises(Problem, match="HANDOFF_OTHER_HASH_KEYS first"):
        rotate(given(FORMER), store)
    next_known, changed = given(FORMER, CURRENT), given(CURRENT, FORMER)
    assert keys_in(secret_of(next_known, store))[0] == FORMER
    store.destinations.put_secret("elm", "signing", "whsec_y", secret_of(changed, store), NOW, timedelta())
    assert store.destinations.secrets_of("elm", secret_of(next_known, store), NOW) == {"signing": ("whsec_y",)}
    assert rotate(changed, store).anew == STRANGERS + 7
    expect_all(store, secret_of(given(CURRENT), store))
    with pytest.raises(Problem, match="another one"):
        secret_of(given(FORMER), store)
    assert rotate(changed, store).anew == 0


def test_links_and_ids_of_mails_that_are_out_hold() -> None:
    assert stopped_by(BOTH, stop_token(FORMER, "d1")) == stopped_by(BOTH, stop_token(BOTH, "d1")) == "d1"
    assert stopped_by(CURRENT, stop_token(FORMER, "d1")) == ""
    assert mail_ids(BOTH, "d1", 4) == [mail_id(CURRENT, "d1", 4), mail_id(FORMER, "d1", 4)]
    assert keyed_hash(BOTH, "x") == keyed_hash(CURRENT, "x") != keyed_hash(FORMER, "x")


def test_nothing_is_changed_while_up_runs_on_the_folder(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_store(settings) as store:
        first = secret_of(settings, store)
        fill(store, first)
    with sole_holder(settings.data_dir), pytest.raises(AlreadyRunning):
        run_rotate_key(settings, as_json=True)
    assert settings.secret() == first
    assert run_rotate_key(settings, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"sealed_anew": STRANGERS + 7, "lost": 0}
    assert run_rotate_key(settings, as_json=False) == 0
    assert f"{STRANGERS + 7} things are sealed with the new key.\n" in capsys.readouterr().out
    assert len(keys_in(settings.secret())) == 3
