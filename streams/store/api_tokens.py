"""Tokens of the API: a secret in, in whose name and for what it may be used out. Only digests of secrets are kept."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import insert, select, update

from streams.store.audit import Audited, note
from streams.store.database import Database
from streams.store.tables import api_tokens, from_us, to_us

PREFIX: Final = "handoff_"  # scanners for leaked secrets find it
_USED_EVERY: Final = timedelta(minutes=1)  # so exactly is it noted when a token was used


class Scope(StrEnum):
    READ = "read"  # stays and alerts that the person reads
    ACT = "act"  # what the person may do


class Token(NamedTuple):
    """A token, without its secret."""

    token_id: str
    name: str
    case_manager_id: str
    scopes: frozenset[Scope]
    made_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None


class ApiTokens:
    """Makes, finds, lists and revokes tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        name: str,
        case_manager_id: str,
        scopes: Collection[Scope],
        now: datetime,
        expires_at: datetime | None,
        *,
        by: str = "",
    ) -> tuple[str, Token]:
        """A new token and its secret, which nobody can read again. `by`: who made it, in the audit."""
        secret = PREFIX + secrets.token_urlsafe(32)
        digest = _digest(secret)
        with self._database.writing() as connection:
            connection.execute(
                insert(api_tokens).values(
                    token_hash=digest,
                    token_id=digest[:12],
                    name=name,
                    case_manager_id=case_manager_id,
                    scopes=" ".join(sorted(scopes)),
                    made_us=to_us(now),
                    expires_us=to_us(expires_at) if expires_at else 0,
                )
            )
            row = connection.execute(select(api_tokens).where(api_tokens.c.token_hash == digest)).one()
            if by:
                detail = f"token {row.token_id} for {case_manager_id}: {row.scopes}"
                note(connection, now, by, Audited.BOUND, detail=detail)
        return secret, _token(row)

    def find(self, secret: str, now: datetime) -> Token | None:
        """The token of this secret, when it is valid now; notes that it was used."""
        which = api_tokens.c.token_hash == _digest(secret)
        with self._database.reading() as connection:
            row = connection.execute(select(api_tokens).where(which)).one_or_none()
        if row is None or row.revoked_us or (row.expires_us and row.expires_us <= to_us(now)):
            return None
        if to_us(now - _USED_EVERY) >= row.used_us:
            with self._database.writing() as connection:
                connection.execute(update(api_tokens).where(which).values(used_us=to_us(now)))
        return _token(row)

    def all(self) -> list[Token]:
        """Every token there ever was, the newest last."""
        with self._database.reading() as connection:
            return [_token(row) for row in connection.execute(select(api_tokens).order_by(api_tokens.c.made_us))]

    def revoke(self, token_id: str, now: datetime, *, by: str = "") -> bool:
        """End a token at once; False when there is none of that id that is valid. `by`: who did, in the audit."""
        which = (api_tokens.c.token_id == token_id) & (api_tokens.c.revoked_us == 0)
        with self._database.writing() as connection:
            gone = connection.execute(update(api_tokens).where(which).values(revoked_us=to_us(now))).rowcount > 0
            if gone and by:
                note(connection, now, by, Audited.UNBOUND, detail=f"token {token_id}")
        return gone


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _token(row: Any) -> Token:
    return Token(
        row.token_id,
        row.name,
        row.case_manager_id,
        frozenset(Scope(word) for word in row.scopes.split()),
        from_us(row.made_us),
        from_us(row.expires_us) if row.expires_us else None,
        from_us(row.used_us) if row.used_us else None,
        from_us(row.revoked_us) if row.revoked_us else None,
    )
