"""The hash key: made once whoever asks, whole or not at all, and never another one than the store was written with."""

import multiprocessing
from pathlib import Path

import pytest
from sqlalchemy import insert

from streams.run.problems import Problem, SettingsError
from streams.run.settings import Settings
from streams.store import Store
from streams.store.keys import secret_of, trace_of
from streams.store.tables import unmatched


def _ask(folder: Path, barrier: object, answers: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    answers.put(Settings(data_dir=folder).secret())  # type: ignore[attr-defined]


def test_all_who_start_at_the_same_time_have_the_same_key(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("fork")
    for attempt in range(20):
        barrier, answers = processes.Barrier(4), processes.Queue()
        asking = [processes.Process(target=_ask, args=(tmp_path / str(attempt), barrier, answers)) for _ in range(4)]
        for process in asking:
            process.start()
        keys = {answers.get(timeout=20) for _ in asking}
        for process in asking:
            process.join()
        assert len(keys) == 1
        assert len(keys.pop()) == 64
        assert [path.name for path in (tmp_path / str(attempt)).iterdir()] == ["hash.key"]


@pytest.mark.parametrize("content", ["", "abc", "0" * 63])
def test_a_key_that_is_empty_or_cut_short_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "hash.key").write_text(content)
    with pytest.raises(SettingsError, match="empty or cut short"):
        Settings(data_dir=tmp_path).secret()
    assert (tmp_path / "hash.key").read_text() == content


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def opened(settings: Settings) -> Store:
    return Store.open(settings.store_url, migrate=True)


def test_a_key_that_is_missing_is_not_replaced(settings: Settings) -> None:
    store = opened(settings)
    first = secret_of(settings, store)
    assert secret_of(settings, store) == first
    assert first.decode() not in store.keeping_up.fact("hash_key")
    (settings.data_dir / "hash.key").unlink()
    with pytest.raises(Problem, match=r"is missing.*bring back hash\.key"):
        secret_of(settings, store)
    assert not (settings.data_dir / "hash.key").exists()
    accepted = secret_of(settings, store, accept=True)
    assert accepted != first
    assert secret_of(settings, store) == accepted
    store.close()


def test_another_key_is_refused_until_it_is_accepted(settings: Settings) -> None:
    store = opened(settings)
    secret_of(settings, store)
    other = Settings(data_dir=settings.data_dir, hash_key="another one")
    with pytest.raises(Problem, match="another one than this store was written with"):
        secret_of(other, store)
    assert secret_of(other, store, accept=True) == b"another one"
    assert store.keeping_up.fact("hash_key") == trace_of(b"another one")
    store.close()


def test_a_store_from_before_that_holds_sealed_events_had_a_key(settings: Settings) -> None:
    store = opened(settings)
    with store.database.writing() as connection:
        connection.execute(insert(unmatched).values(message_id="1", received_us=1, sealed=b"x"))
    with pytest.raises(Problem, match="missing"):
        secret_of(settings, store)
    key = settings.secret()
    assert secret_of(settings, store) == key
    store.close()
