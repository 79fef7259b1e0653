"""Drafts: sealed, their writer's alone, gone when sent or old; that one was begun is audited, what it says is not."""

from datetime import UTC, datetime, timedelta

from streams.store import Store
from streams.store.audit import Audited
from streams.store.drafts import KEPT_DAYS, MOST
from tests.rigs.store import store, store_url

__all__ = ["store", "store_url"]

SECRET = b"s" * 32
AT = datetime(2026, 11, 26, 15, 0, tzinfo=UTC)
TYPED = {"text": "Zqxmarker has the key"}


def keep(store: Store, who: str = "ortiz", stay: str = "a1", form: str = "note.0", at: datetime = AT) -> bool:
    return store.drafts.keep(who, stay, form, TYPED, SECRET, at)


def test_a_draft_comes_back_to_its_writer_alone_until_it_is_sent(store: Store) -> None:
    assert keep(store)
    assert keep(store, form="close.0")
    assert store.drafts.keep("ortiz", "a1", "close.0", {"close_reason": "done"}, SECRET, AT)
    both = {"note.0": TYPED, "close.0": {"close_reason": "done"}}
    assert store.drafts.of("ortiz", "a1", SECRET) == both
    assert store.drafts.of("lee", "a1", SECRET) == store.drafts.of("ortiz", "a2", SECRET) == {}
    assert store.drafts.of("ortiz", "a1", b"t" * 32) == {}  # of another key
    store.drafts.forget("lee", "a1", "note.0")
    store.drafts.forget("ortiz", "a1", "note.0")
    assert store.drafts.of("ortiz", "a1", SECRET) == {"close.0": {"close_reason": "done"}}
    assert [(row.what, row.case_manager_id, row.alert_id) for row in store.audit.read()] == [
        (Audited.DRAFTED, "ortiz", "a1")
    ] * 2


def test_what_lies_in_the_store_says_nothing(store: Store) -> None:
    keep(store)
    with store.database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM drafts").all()
        audited = connection.exec_driver_sql("SELECT * FROM audit").all()
    assert len(rows) == 1
    assert "arker" not in repr(rows) + repr([bytes(part) for row in rows for part in row if isinstance(part, bytes)])
    assert "arker" not in repr(audited)


def test_old_ones_go_and_nobody_fills_the_store(store: Store) -> None:
    keep(store, at=AT - timedelta(days=KEPT_DAYS, seconds=1))
    keep(store, stay="a2")
    assert store.drafts.prune(AT) == 1
    assert store.drafts.of("ortiz", "a1", SECRET) == {}
    assert all(keep(store, form=f"f{number}") for number in range(MOST - 1))
    assert not keep(store, form="one-more")
    assert keep(store, form="f1")
    assert keep(store, who="lee")
