"""The key of the keyed hashes: settings and store in, the keys out, or a `Problem` where they are not those of before.

The store keeps a trace of the key (never the key), because what was sealed and hashed under one key is not found under
another: people enrolled late would silently never be told of. While the key is changed it may be any of those there
are; the trace is that of the former one until all is sealed anew.
"""

import hashlib

from streams.run.hash_keys import keys_in
from streams.run.problems import Problem
from streams.run.settings import Settings, write_key
from streams.store import Store
from streams.store.keeping_up import HASH_KEY
from streams.store.resealing import Resealed

_AGAIN = (
    "bring back hash.key from your copy of the data folder, or set HANDOFF_HASH_KEY as it was; if it is lost for good, "
    "`handoff migrate --new-hash-key` goes on with another one (who joins the panel late is then not told of what "
    "happened before)"
)
_NO_NEW_KEY = (
    "HANDOFF_HASH_KEY is still the key of before. Give every process the new one in HANDOFF_OTHER_HASH_KEYS first, "
    "then change the two, each time starting one process after the other anew; and run this again"
)


def trace_of(key: bytes) -> str:
    """16 hex digits by which a key is known again and from which it is not found."""
    return hashlib.sha256(b"handoff hash key\x1f" + key).hexdigest()[:16]


def secret_of(settings: Settings, store: Store, *, accept: bool = False) -> bytes:
    """The keys, the first made at the first start only. `accept` takes another one than before as this store's."""
    before = store.keeping_up.fact(HASH_KEY)
    known = bool(before) or store.unmatched.seals()
    if known and not accept and not settings.has_secret():
        raise Problem(f"the hash key of this store is missing ({settings.key_file}): {_AGAIN}")
    secret = settings.secret()
    traces = [trace_of(key) for key in keys_in(secret)]
    noted = store.keeping_up.note_fact(HASH_KEY, traces[0], replace=accept) if accept or not before else before
    if noted not in traces:
        raise Problem(f"the hash key is another one than this store was written with: {_AGAIN}")
    return secret


def rotate(settings: Settings, store: Store) -> Resealed:
    """Changes the hash key: all that is sealed is sealed with the new one, and from then on the store is the new one's.

    Without HANDOFF_HASH_KEY the new one is made here, unless a change to one was broken off.
    """
    secret = secret_of(settings, store)
    current, *others = keys_in(secret)
    if trace_of(current) == store.keeping_up.fact(HASH_KEY):
        if not settings.hash_key.get_secret_value():
            write_key(settings.key_file, (current, *others))
            secret = settings.secret()
        elif not others:
            raise Problem(_NO_NEW_KEY)
    resealed = store.resealing.run(secret)
    store.keeping_up.note_fact(HASH_KEY, trace_of(keys_in(secret)[0]), replace=True)
    return resealed


def is_being_rotated(settings: Settings, store: Store) -> bool:
    """Whether a change of the key was begun and not ended."""
    before = store.keeping_up.fact(HASH_KEY)
    traces = [trace_of(key) for key in keys_in(settings.secret())] if settings.has_secret() else []
    return before in traces[1:]
