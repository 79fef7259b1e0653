"""A destination's id in, the token of its link "stop these mails" out, and back: none is made without our key."""

import hashlib
import hmac


def stop_token(secret: bytes, destination_id: str) -> str:
    """What the link of `List-Unsubscribe` ends with."""
    return f"{destination_id}.{_sign(secret, destination_id)}"


def stopped_by(secret: bytes, token: str) -> str:
    """The destination a link stops; "" when it is none of ours."""
    destination_id, _, given = token.rpartition(".")
    expected = _sign(secret, destination_id)
    return destination_id if hmac.compare_digest(given.encode(), expected.encode()) else ""


def _sign(secret: bytes, destination_id: str) -> str:
    return hmac.digest(hashlib.sha256(b"mail_stop\x1f" + secret).digest(), destination_id.encode(), "sha256").hex()[:32]
