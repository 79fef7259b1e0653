"""One-time tokens of signing in: a token out once, whose it is in once. Only digests of tokens are kept.

A token is good for one purpose: a link that signs in does not enroll, a passkey's challenge does neither.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, insert, select, update

from streams.store.audit import Audited, note
from streams.store.database import Database
from streams.store.tables import sign_in_links, to_us


class Purpose(StrEnum):
    """What a token is good for."""

    ENTER = "enter"  # a link that signs in
    ENROLL = "enroll"  # a link to set up how one signs in
    PASSKEY = "passkey"  # the challenge that a passkey signs
    NEW_PASSKEY = "new_passkey"  # the challenge under which one is made


ENROLL_FOR: Final = timedelta(days=3)
CHALLENGE_FOR: Final = timedelta(minutes=5)
_LINKS: Final = frozenset({Purpose.ENTER, Purpose.ENROLL})


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class SignInLinks:
    """Tokens that are used once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make_link(
        self,
        case_manager_id: str,
        expires: datetime,
        purpose: Purpose = Purpose.ENTER,
        *,
        by: str = "",
        now: datetime | None = None,
    ) -> str:
        """A token that is good for this person and purpose once, until `expires`; 256 random bits in base64url.

        `by`: who made it for them at `now`, in the audit: whoever holds it can be that person.
        """
        token = secrets.token_urlsafe(32)
        with self._database.writing() as connection:
            if by and now:
                signing_in = " to sign in" if purpose is Purpose.ENTER else ""
                note(connection, now, by, Audited.LINKED, detail=f"for {case_manager_id}{signing_in}")
            connection.execute(
                insert(sign_in_links).values(
                    token_hash=_digest(token),
                    case_manager_id=case_manager_id,
                    expires_us=to_us(expires),
                    purpose=str(purpose),
                )
            )
        return token

    def make_enrollment(self, case_manager_id: str, by: str, now: datetime) -> str:
        """A link's token by which this person sets up how they sign in, once; `by`: who made it, in the audit."""
        return self.make_link(case_manager_id, now + ENROLL_FOR, Purpose.ENROLL, by=by, now=now)

    def link_for(self, token: str, now: datetime, purpose: Purpose = Purpose.ENTER) -> str | None:
        """Whose the token is, without using it up; None when it is unknown, used, too old or for something else."""
        with self._database.reading() as connection:
            case_manager_id = connection.scalar(
                select(sign_in_links.c.case_manager_id).where(_good(token, now, purpose))
            )
        return None if case_manager_id is None else str(case_manager_id)

    def redeem(self, token: str, now: datetime, purpose: Purpose = Purpose.ENTER) -> str | None:
        """Whose the token is; None when it is unknown, used, too old or for something else. Uses it up."""
        with self._database.writing() as connection:
            used = connection.execute(
                update(sign_in_links)
                .where(_good(token, now, purpose))
                .values(used_us=to_us(now))
                .returning(sign_in_links.c.case_manager_id)
            ).one_or_none()
            if used is None:
                return None
            if purpose in _LINKS:
                note(
                    connection, now, used[0], Audited.SIGNED_IN, detail="to enroll" if purpose is Purpose.ENROLL else ""
                )
            return str(used[0])


def _good(token: str, now: datetime, purpose: Purpose) -> ColumnElement[bool]:
    return (
        (sign_in_links.c.token_hash == _digest(token))
        & (sign_in_links.c.purpose == str(purpose))
        & (sign_in_links.c.used_us == 0)
        & (sign_in_links.c.expires_us > to_us(now))
    )
