"""The hash keys of an install in, the one secret that every process passes on out; and back.

One key seals and hashes. While it is changed, those before it (or the one to come) stand behind it: they open what was
sealed under them, and find what was hashed.
"""

from collections.abc import Sequence

_BETWEEN = b"\0"  # stands in no environment variable, and in no file of ours


def secret_from(keys: Sequence[bytes]) -> bytes:
    """The secret of these keys, of which the first seals."""
    return _BETWEEN.join(keys)


def keys_in(secret: bytes) -> tuple[bytes, ...]:
    """The keys of a secret, first the one that seals and hashes."""
    return tuple(secret.split(_BETWEEN))
