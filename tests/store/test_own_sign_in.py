"""What signing in without a provider and opening in an emergency keep: on both databases, and never twice."""

from datetime import timedelta

from rules.following.glass import GlassReason
from streams.store import Store
from streams.store.credentials import Passkey, Password
from streams.store.guessing import Limit
from tests.rigs.store import NOW, store, store_url

__all__ = ["store", "store_url"]

SECRET = b"of the test"


def test_tries_are_counted_before_they_are_looked_at_wear_off_and_are_given_back(store: Store) -> None:
    limit = Limit(2, timedelta(minutes=10), timedelta(minutes=1))
    take = store.guessing.take
    assert [limit.wait(tries).total_seconds() for tries in (0, 2, 3, 4, 5, 99)] == [0, 0, 2, 4, 8, 60]
    assert [take({"a": limit}, NOW) for _ in range(3)] == [timedelta()] * 3
    assert take({"a": limit}, NOW) == timedelta(seconds=2)
    assert take({"a": limit, "b": limit}, NOW + timedelta(seconds=1)) == timedelta(seconds=1)
    assert take({"a": limit}, NOW + timedelta(seconds=2)) == timedelta()
    assert take({"a": limit}, NOW + timedelta(seconds=2)) == timedelta(seconds=4)
    assert take({"b": limit}, NOW) == timedelta()  # what had to wait for another was not counted
    store.guessing.give_back("a")
    assert take({"a": limit}, NOW + timedelta(seconds=3)) == timedelta()
    later = NOW + timedelta(minutes=41)
    assert [take({"a": limit}, later) for _ in range(3)] == [timedelta()] * 3
    store.guessing.clear("a")
    assert take({"a": limit}, later) == timedelta()
    assert store.guessing.prune(NOW + timedelta(days=1)) == 0
    assert store.guessing.prune(NOW + timedelta(days=3)) == 2


def test_a_code_is_used_once_and_what_is_forgotten_is_gone(store: Store) -> None:
    own = store.credentials
    assert not own.in_use()
    own.set_password("ortiz", Password("hash", b"factor", 5), ("a", "b"), SECRET, NOW)
    assert own.password("ortiz", SECRET) == Password("hash", b"factor", 5)
    assert own.password("ortiz", b"another") is own.password("lee", SECRET) is None
    assert [own.use_step("ortiz", step) for step in (5, 7, 6, 7, 8)] == [False, True, False, False, True]
    assert [own.use_code("ortiz", code, NOW) for code in ("c", "a", "a")] == [False, True, False]
    assert (own.has_code("ortiz", "a"), own.has_code("ortiz", "b")) == (False, True)
    key = Passkey("id", "ortiz", b"key", 0, "laptop", NOW, None)
    assert [own.add_passkey(key), own.add_passkey(key)] == [True, False]
    own.used_passkey("id", 3, NOW)
    assert own.passkey("id") == key._replace(sign_count=3, used_at=NOW)
    assert own.counts() == {"ortiz": (1, True)}
    assert own.of("ortiz").codes_left == 1
    assert own.remove_passkey("ortiz", "id", NOW)
    assert not own.remove_passkey("ortiz", "id", NOW)
    assert own.forget("ortiz", NOW, by="ad")
    assert not own.forget("ortiz", NOW, by="ad")
    assert not own.in_use()


def test_what_was_opened_in_an_emergency_is_looked_at_once(store: Store) -> None:
    broken = store.glass.break_for("far", "E1", "n1", GlassReason.CALLED, " the daughter calls ", NOW)
    assert store.glass.holds("far", "E1", NOW) == broken._replace(words="the daughter calls")
    assert store.glass.waiting({"n1"}, but="boss") == store.glass.waiting(None, but="boss") == [broken]
    assert [store.glass.look_at(broken.glass_id, "boss", NOW) for _ in range(2)] == [True, False]
    assert store.glass.waiting(None, but="boss") == []
