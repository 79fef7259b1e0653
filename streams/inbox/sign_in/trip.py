"""One way to the provider and back: a secret of the browser in, `state`, `nonce` and PKCE out. Nothing is stored here.

Everything follows from one random secret that only this browser's cookie holds, so any inbox behind the same address
can take the answer, and an answer that another browser asked for fits no cookie (RFC 6749 10.12, RFC 7636).
"""

import base64
import hashlib
import re
import secrets
from typing import Final, NamedTuple, Self

_COOKIE: Final = re.compile(r"([\w-]{43})\.([01])\.((?:/[\w-]+){0,3}/?)", re.A)


class Trip(NamedTuple):
    secret: str
    anew: bool  # the provider is to ask for the factor again
    back: str  # the page to come back to

    @classmethod
    def start(cls, *, anew: bool = False, back: str = "/") -> Self:
        return cls(secrets.token_urlsafe(32), anew, back if re.fullmatch(r"(?:/[\w-]+){1,3}", back, re.A) else "/")

    @classmethod
    def of_cookie(cls, cookie: str) -> Self | None:
        match = _COOKIE.fullmatch(cookie)
        return cls(match[1], match[2] == "1", match[3] or "/") if match else None

    @property
    def cookie(self) -> str:
        return f"{self.secret}.{int(self.anew)}.{self.back}"

    @property
    def state(self) -> str:
        return self._made("state")

    @property
    def nonce(self) -> str:
        return self._made("nonce")

    @property
    def verifier(self) -> str:
        """The PKCE code verifier."""
        return self._made("verifier")

    @property
    def challenge(self) -> str:
        """The PKCE code challenge, S256."""
        return _base64(hashlib.sha256(self.verifier.encode()).digest())

    def _made(self, what: str) -> str:
        return _base64(hashlib.sha256(f"{what}:{int(self.anew)}:{self.secret}".encode()).digest())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
