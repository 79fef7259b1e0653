"""How people sign in where there is no OpenID provider: passkeys, a password with its second factor, recovery codes.

Of a password there is its argon2id hash, of a recovery code its digest (it has 80 random bits), the secret of the
second factor is sealed by the hash key. A change is a row of the audit, in its own transaction.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from cryptography.fernet import InvalidToken
from sqlalchemy import Connection, delete, func, insert, select, update

from streams.store.audit import Audited, note
from streams.store.database import Database
from streams.store.notices import NoticeKind, leave
from streams.store.sealing import SealedFor, lock_for
from streams.store.tables import from_us, passkeys, passwords, recovery_codes, to_us


class Passkey(NamedTuple):
    """One passkey of somebody; `credential_id` is its own name, in base64url."""

    credential_id: str
    case_manager_id: str
    public_key: bytes
    sign_count: int
    name: str
    made_at: datetime
    used_at: datetime | None


class Password(NamedTuple):
    """The hash of somebody's password and the secret of the second factor that goes with it."""

    hash: str
    second_factor: bytes
    step: int  # of the last code that was used (RFC 6238); it and those before it are used up


class Enrolled(NamedTuple):
    """What somebody has set up."""

    passkeys: tuple[Passkey, ...]
    password_at: datetime | None
    codes_left: int

    def __bool__(self) -> bool:
        return bool(self.passkeys) or self.password_at is not None


class Credentials:
    """What people prove themselves with."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def in_use(self) -> bool:
        """Whether anybody has set up anything."""
        with self._database.reading() as connection:
            return any(connection.scalar(select(table.c.made_us).limit(1)) for table in (passkeys, passwords))

    def counts(self) -> dict[str, tuple[int, bool]]:
        """Of everybody who has set up something: how many passkeys, and whether a password."""
        keys = select(passkeys.c.case_manager_id, func.count()).group_by(passkeys.c.case_manager_id)
        with self._database.reading() as connection:
            held = {row[0]: int(row[1]) for row in connection.execute(keys)}
            known = set(connection.scalars(select(passwords.c.case_manager_id)))
        return {who: (held.get(who, 0), who in known) for who in held.keys() | known}

    def of(self, case_manager_id: str) -> Enrolled:
        with self._database.reading() as connection:
            wanted = select(passkeys).where(passkeys.c.case_manager_id == case_manager_id).order_by(passkeys.c.made_us)
            keys = tuple(_passkey(row) for row in connection.execute(wanted))
            mine = passwords.c.case_manager_id == case_manager_id
            set_us = connection.scalar(select(passwords.c.made_us).where(mine))
            left = _codes_left(connection, case_manager_id)
        return Enrolled(keys, from_us(set_us) if set_us else None, left if set_us else 0)

    # passkeys

    def passkey(self, credential_id: str) -> Passkey | None:
        with self._database.reading() as connection:
            wanted = select(passkeys).where(passkeys.c.credential_id == credential_id)
            row = connection.execute(wanted).one_or_none()
        return None if row is None else _passkey(row)

    def add_passkey(self, key: Passkey) -> bool:
        """False when there is one of that name already."""
        with self._database.writing() as connection:
            there = select(passkeys.c.made_us).where(passkeys.c.credential_id == key.credential_id)
            if connection.scalar(there) is not None:
                return False
            connection.execute(
                insert(passkeys).values(
                    credential_id=key.credential_id,
                    case_manager_id=key.case_manager_id,
                    public_key=key.public_key,
                    sign_count=key.sign_count,
                    name=key.name,
                    made_us=to_us(key.made_at),
                )
            )
            note(connection, key.made_at, key.case_manager_id, Audited.BOUND, detail="a passkey")
        return True

    def used_passkey(self, credential_id: str, sign_count: int, now: datetime) -> None:
        with self._database.writing() as connection:
            values = {"sign_count": sign_count, "used_us": to_us(now)}
            connection.execute(update(passkeys).where(passkeys.c.credential_id == credential_id).values(values))

    def rename_passkey(self, case_manager_id: str, credential_id: str, name: str) -> bool:
        """False when this person has no such passkey."""
        mine = (passkeys.c.case_manager_id == case_manager_id) & (passkeys.c.credential_id == credential_id)
        with self._database.writing() as connection:
            return connection.execute(update(passkeys).where(mine).values(name=name)).rowcount == 1

    def remove_passkey(self, case_manager_id: str, credential_id: str, now: datetime) -> bool:
        """False when this person has no such passkey, or nothing else to sign in with."""
        mine = passkeys.c.case_manager_id == case_manager_id
        with self._database.writing() as connection:
            others = select(passkeys.c.made_us).where(mine & (passkeys.c.credential_id != credential_id)).limit(1)
            password = select(passwords.c.made_us).where(passwords.c.case_manager_id == case_manager_id)
            if connection.scalar(others) is None and connection.scalar(password) is None:
                return False
            gone = connection.execute(delete(passkeys).where(mine & (passkeys.c.credential_id == credential_id)))
            if gone.rowcount:
                note(connection, now, case_manager_id, Audited.UNBOUND, detail="a passkey")
            return gone.rowcount == 1

    # a password, its second factor, and what stands in for that

    def password(self, case_manager_id: str, secret: bytes) -> Password | None:
        """What this person's password is held against; `None` too where another hash key sealed the second factor."""
        with self._database.reading() as connection:
            wanted = select(passwords).where(passwords.c.case_manager_id == case_manager_id)
            row = connection.execute(wanted).one_or_none()
        if row is None:
            return None
        try:
            return Password(row.hash, lock_for(SealedFor.SECOND_FACTOR, secret).decrypt(row.sealed), row.step)
        except InvalidToken:
            return None

    def set_password(
        self, case_manager_id: str, kept: Password, codes: Sequence[str], secret: bytes, now: datetime
    ) -> None:
        """A password with its second factor and recovery codes, in place of what was there."""
        with self._database.writing() as connection:
            connection.execute(delete(passwords).where(passwords.c.case_manager_id == case_manager_id))
            connection.execute(
                insert(passwords).values(
                    case_manager_id=case_manager_id,
                    hash=kept.hash,
                    sealed=lock_for(SealedFor.SECOND_FACTOR, secret).encrypt(kept.second_factor),
                    step=kept.step,
                    made_us=to_us(now),
                )
            )
            _new_codes(connection, case_manager_id, codes)
            note(connection, now, case_manager_id, Audited.BOUND, detail="a password and a second factor")

    def use_step(self, case_manager_id: str, step: int) -> bool:
        """Uses up the code of a step of time; False when it or a later one was used."""
        unused = (passwords.c.case_manager_id == case_manager_id) & (passwords.c.step < step)
        with self._database.writing() as connection:
            return connection.execute(update(passwords).where(unused).values(step=step)).rowcount == 1

    def new_codes(self, case_manager_id: str, codes: Sequence[str], now: datetime) -> None:
        """Recovery codes in place of those that were there."""
        with self._database.writing() as connection:
            _new_codes(connection, case_manager_id, codes)
            note(connection, now, case_manager_id, Audited.BOUND, detail="new recovery codes")

    def has_code(self, case_manager_id: str, code: str) -> bool:
        with self._database.reading() as connection:
            mine = (recovery_codes.c.case_manager_id == case_manager_id) & (recovery_codes.c.used_us == 0)
            kept = connection.scalars(select(recovery_codes.c.code_hash).where(mine)).all()
        return _digest(code) in kept

    def use_code(self, case_manager_id: str, code: str, now: datetime) -> bool:
        """Uses up a recovery code, of which its owner is told; False when it is not one, or was used."""
        unused = (
            (recovery_codes.c.case_manager_id == case_manager_id)
            & (recovery_codes.c.code_hash == _digest(code))
            & (recovery_codes.c.used_us == 0)
        )
        with self._database.writing() as connection:
            if not connection.execute(update(recovery_codes).where(unused).values(used_us=to_us(now))).rowcount:
                return False
            note(connection, now, case_manager_id, Audited.UNBOUND, detail="a recovery code, used")
            left = _codes_left(connection, case_manager_id)
            leave(connection, NoticeKind.USED_CODE, case_manager_id, now, codes_left=left)
        return True

    def forget(self, case_manager_id: str, now: datetime, *, by: str) -> bool:
        """Everything this person has set up is gone; False when there was nothing. `by`: whose deed that is."""
        with self._database.writing() as connection:
            tables = (passkeys, passwords, recovery_codes)
            gone = [
                connection.execute(delete(table).where(table.c.case_manager_id == case_manager_id)).rowcount
                for table in tables
            ]
            if any(gone):
                detail = f"passkeys and password of {case_manager_id}"
                note(connection, now, by, Audited.UNBOUND, detail=detail)
        return any(gone)


def _codes_left(connection: Connection, case_manager_id: str) -> int:
    unused = (recovery_codes.c.case_manager_id == case_manager_id) & (recovery_codes.c.used_us == 0)
    return connection.scalar(select(func.count()).select_from(recovery_codes).where(unused)) or 0


def _new_codes(connection: Connection, case_manager_id: str, codes: Sequence[str]) -> None:
    connection.execute(delete(recovery_codes).where(recovery_codes.c.case_manager_id == case_manager_id))
    rows = [{"case_manager_id": case_manager_id, "code_hash": _digest(code), "used_us": 0} for code in codes]
    connection.execute(insert(recovery_codes), rows)


def _passkey(row: Any) -> Passkey:
    return Passkey(
        row.credential_id,
        row.case_manager_id,
        row.public_key,
        row.sign_count,
        row.name,
        from_us(row.made_us),
        from_us(row.used_us) if row.used_us else None,
    )


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
