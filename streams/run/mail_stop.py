"""A destination's id in, the token of its link "stop these mails" out, and back: none is made without our key."""

import hashlib
import hmac

from streams.run.hash_keys import keys_in


def stop_token(secret: bytes, destination_id: str) -> str:
    """What the link of `List-Unsubscribe` ends with."""
    return f"{destination_id}.{_sign(keys_in(secret)[0], destination_id)}"


def stopped_by(secret: bytes, token: str) -> str:
    """The destination a link stops; "" when it is none of ours."""
    destination_id, _, given = token.rpartition(".")
    ours = (_sign(key, destination_id).encode() for key in keys_in(secret))
    return destination_id if any(hmac.compare_digest(given.encode(), expected) for expected in ours) else ""


def _sign(key: bytes, destination_id: str) -> str:
    return hmac.digest(hashlib.sha256(b"mail_stop\x1f" + key).digest(), destination_id.encode(), "sha256").hex()[:32]
