"""One-time sign-in links: a token out once, a person in once. Only digests of tokens are kept."""

import hashlib
import secrets
from datetime import datetime

from sqlalchemy import insert, select, update

from streams.store.audit import Audited, note
from streams.store.database import Database
from streams.store.tables import sign_in_links, to_us


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class SignInLinks:
    """Sign-in links, until real sign-in exists."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make_link(self, case_manager_id: str, expires: datetime) -> str:
        """A token that signs this person in once, until `expires`."""
        token = secrets.token_urlsafe(32)
        with self._database.writing() as connection:
            connection.execute(
                insert(sign_in_links).values(
                    token_hash=_digest(token), case_manager_id=case_manager_id, expires_us=to_us(expires)
                )
            )
        return token

    def link_for(self, token: str, now: datetime) -> str | None:
        """Whom the token would sign in, without using it up; None when it is unknown, used or too old."""
        wanted = select(sign_in_links.c.case_manager_id).where(
            sign_in_links.c.token_hash == _digest(token),
            sign_in_links.c.used_us == 0,
            sign_in_links.c.expires_us > to_us(now),
        )
        with self._database.reading() as connection:
            found = connection.scalar(wanted)
        return None if found is None else str(found)

    def redeem(self, token: str, now: datetime) -> str | None:
        """Whom the token signs in; None when it is unknown, used or too old. Uses it up."""
        mine = sign_in_links.c.token_hash == _digest(token)
        with self._database.writing() as connection:
            used = connection.execute(
                update(sign_in_links)
                .where(mine, sign_in_links.c.used_us == 0, sign_in_links.c.expires_us > to_us(now))
                .values(used_us=to_us(now))
            )
            if used.rowcount != 1:
                return None
            person = str(connection.scalar(select(sign_in_links.c.case_manager_id).where(mine)))
            note(connection, now, person, Audited.SIGNED_IN)
            return person
