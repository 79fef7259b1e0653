"""Bytes about to leave in, the signature headers of Standard Webhooks 1.0.0 out.

Each secret that is valid now signs: one that begins with `whsec_` by HMAC-SHA256 (`v1`), one that begins with `whsk_`
by ed25519 (`v1a`), whose public part the receiver has as `whpk_`.
"""

import base64
import hmac
import secrets as randomness
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SIGNING: Final = "signing"  # name of a secret: whsec_ and base64
SIGNING_KEY: Final = "signing_key"  # name of a secret: whsk_ and base64 of seed and public part
_SEED_BYTES: Final = 32


def signature(delivery_id: str, at: datetime, body: bytes, secrets: Iterable[str]) -> str:
    """The header `webhook-signature`: one signature for each secret."""
    signed = b".".join((delivery_id.encode(), str(int(at.timestamp())).encode(), body))
    return " ".join(_sign(secret, signed) for secret in secrets)


def new_secret() -> str:
    """A fresh `whsec_`."""
    return "whsec_" + base64.b64encode(randomness.token_bytes(32)).decode()


def new_key() -> str:
    """A fresh `whsk_`."""
    seed = randomness.token_bytes(_SEED_BYTES)
    return "whsk_" + base64.b64encode(seed + _public(seed)).decode()


def public_key(key: str) -> str:
    """The `whpk_` of a `whsk_`."""
    return "whpk_" + base64.b64encode(_public(_seed(key))).decode()


def _sign(secret: str, signed: bytes) -> str:
    if secret.startswith("whsk_"):
        made = Ed25519PrivateKey.from_private_bytes(_seed(secret)).sign(signed)
        return "v1a," + base64.b64encode(made).decode()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def _seed(key: str) -> bytes:
    return base64.b64decode(key.removeprefix("whsk_"))[:_SEED_BYTES]


def _public(seed: bytes) -> bytes:
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
