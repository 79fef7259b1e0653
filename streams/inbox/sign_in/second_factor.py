"""The second factor beside a password: a secret and `now` in, the code of six digits that an app shows out (RFC 6238).

And what stands in for a lost telephone: recovery codes of 80 random bits, each good once.
"""

import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import segno
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

SECONDS: Final = 30  # of a step
DIGITS: Final = 6
SECRET_BYTES: Final = 20  # RFC 4226, 4: 160 bits
AROUND: Final = (0, -1, 1)  # steps: a clock may be half a minute off
CODES: Final = 8
_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # none that looks like another
_CODE: Final = re.compile(rf"[{_LETTERS}]{{16}}")


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def step_of(secret: bytes, code: str, now: datetime) -> int | None:
    """The step of time this code belongs to, if it is one of now; the caller lets none be used twice."""
    typed = "".join(code.split())
    app, current = _app(secret), int(now.timestamp()) // SECONDS
    step = None
    for around in AROUND:
        if hmac.compare_digest(app.generate((current + around) * SECONDS), typed.encode()) and step is None:
            step = current + around
    return step


def address_of(secret: bytes, who: str) -> str:
    """The `otpauth` address that an app takes the secret from."""
    return _app(secret).get_provisioning_uri(who, "Warm Handoff")


def picture_of(address: str) -> str:
    """The address as a QR code, in SVG to stand in a page."""
    return segno.make(address, error="m").svg_inline(scale=4, border=2, light="#fff")


def new_codes() -> Sequence[str]:
    """Recovery codes, in groups of four to read."""
    return tuple("-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4)) for _ in range(CODES))


def recovery_code(typed: str) -> str:
    """A recovery code as `new_codes` writes it, however it was typed; "" for what is none."""
    bare = re.sub(r"[\s-]", "", typed).casefold()
    return "-".join(bare[at : at + 4] for at in range(0, 16, 4)) if _CODE.fullmatch(bare) else ""


def _app(secret: bytes) -> TOTP:
    return TOTP(secret, DIGITS, SHA1(), SECONDS)  # noqa: S303
