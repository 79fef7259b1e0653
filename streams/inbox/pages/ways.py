"""How somebody signs in where there is no provider: their passkeys, password and recovery codes, and changes of them.

Changes ask for a sign-in of a few minutes ago. Who came by a link of enrollment is let in for good by what they set up.
"""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio.to_thread
from cryptography.fernet import InvalidToken, MultiFernet
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from parsers.people import CaseManager
from streams.inbox.entering import enter
from streams.inbox.opened import WAYS
from streams.inbox.request import Reader
from streams.inbox.sign_in import second_factor
from streams.inbox.sign_in.passkeys import PasskeyFault, answer_of, ask_to_make, made
from streams.inbox.sign_in.passwords import SHORTEST, PasswordFault, fault_of, hash_of
from streams.store.credentials import Passkey, Password
from streams.store.sealing import SealedFor, lock_for
from streams.store.sessions import Session, Way
from streams.store.sign_in import CHALLENGE_FOR, Purpose
from streams.words import times as time_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox

RECENT: Final = timedelta(minutes=10)
SHOWN_FOR: Final = timedelta(minutes=30)  # a second factor that is being set up
MOST_PASSKEYS: Final = 10
_PASSWORD_WORDS: Final = {
    PasswordFault.SHORT: f"That password is too short: {SHORTEST} characters or more.",
    PasswordFault.LONG: "That password is too long.",
    PasswordFault.GUESSED: "That password is guessed soon: too much of it is your name, a row of digits, or a word "
    "that many people take. Four words that have nothing to do with each other are good.",
}
assert _PASSWORD_WORDS.keys() == set(PasswordFault)


def is_recent(reader: "Reader") -> bool:
    return datetime.now(UTC) - reader.session.made_at < RECENT


async def ways_page(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(shown, inbox, visit)


def shown(inbox: "Inbox", visit: "Visit", said: str = "", status: int = 200) -> Response:
    now, zone, reader = datetime.now(UTC), inbox.desk.zone, visit.reader
    has = inbox.store.credentials.of(reader.person.case_manager_id)
    keys = [
        {
            "id": key.credential_id,
            "name": key.name,
            "since": time_words.time_or_moment(key.made_at, now, zone),
            "used": time_words.ago((now - key.used_at).total_seconds()) if key.used_at else "",
        }
        for key in has.passkeys
    ]
    return inbox.page(
        "ways.html",
        status,
        reader=reader,
        keys=keys,
        password_since=time_words.time_or_moment(has.password_at, now, zone) if has.password_at else "",
        codes_left=has.codes_left,
        recent=is_recent(reader),
        enrolling=reader.session.way == Way.ENROLL,
        named=inbox.place_of(visit.request) is not None and len(keys) < MOST_PASSKEYS,
        said=said,
    )


async def ask_for_new_passkey(inbox: "Inbox", visit: "Visit") -> Response:
    """A challenge, good once for five minutes, for this person alone."""
    if not is_recent(visit.reader):
        return PlainTextResponse("sign in again", 403)
    place, person = inbox.place_of(visit.request), visit.reader.person
    if place is None:
        return PlainTextResponse("not here", 404)
    who, until = person.case_manager_id, datetime.now(UTC) + CHALLENGE_FOR
    challenge = await run_in_threadpool(inbox.store.sign_in.make_link, who, until, Purpose.NEW_PASSKEY)
    has = await run_in_threadpool(inbox.store.credentials.of, who)
    known = [key.credential_id for key in has.passkeys]
    return Response(ask_to_make(place, challenge, who, person.name, known), media_type="application/json")


async def add_passkey(inbox: "Inbox", visit: "Visit") -> Response:
    reader = visit.reader
    if not is_recent(reader):
        return RedirectResponse(WAYS, 303)
    if not await run_in_threadpool(kept_passkey, inbox, visit):
        said = "That passkey was not kept. Try it again."
        return await run_in_threadpool(partial(shown, inbox, visit, said, 400))
    if reader.session.way == Way.ENROLL:
        return await enter(inbox, visit.request, reader.person.case_manager_id, Way.PASSKEY, back=WAYS)
    return RedirectResponse(WAYS, 303)


def kept_passkey(inbox: "Inbox", visit: "Visit") -> bool:
    """Whether the browser's answer is a new passkey to a challenge of this person's."""
    form = visit.form
    who, now, place = visit.reader.person.case_manager_id, datetime.now(UTC), inbox.place_of(visit.request)
    answer = answer_of(str(form.get("credential", "")))
    if place is None or isinstance(answer, PasskeyFault):
        return False
    if inbox.store.sign_in.redeem(answer.challenge, now, Purpose.NEW_PASSKEY) != who:
        return False
    if len(inbox.store.credentials.of(who).passkeys) >= MOST_PASSKEYS:
        return False
    key = made(answer, place)
    if isinstance(key, PasskeyFault):
        return False
    name = _name(form)
    return inbox.store.credentials.add_passkey(
        Passkey(key.credential_id, who, key.public_key, key.sign_count, name, now, None)
    )


async def rename_passkey(inbox: "Inbox", visit: "Visit") -> Response:
    reader, form = visit.reader, visit.form
    if not is_recent(reader):
        return RedirectResponse(WAYS, 303)
    rename = inbox.store.credentials.rename_passkey
    key = str(form.get("key", ""))
    if not await run_in_threadpool(rename, reader.person.case_manager_id, key, _name(form)):
        return PlainTextResponse("no such passkey", 404)
    return RedirectResponse(WAYS, 303)


async def remove_passkey(inbox: "Inbox", visit: "Visit") -> Response:
    reader, form = visit.reader, visit.form
    if not is_recent(reader):
        return RedirectResponse(WAYS, 303)
    remove, now = inbox.store.credentials.remove_passkey, datetime.now(UTC)
    if not await run_in_threadpool(remove, reader.person.case_manager_id, str(form.get("key", "")), now):
        said = "That passkey stays: it is the only way you have to sign in."
        return await run_in_threadpool(partial(shown, inbox, visit, said, 409))
    return RedirectResponse(WAYS, 303)


async def password_page(inbox: "Inbox", visit: "Visit") -> Response:
    if not is_recent(visit.reader):
        return RedirectResponse(WAYS, 303)
    return await run_in_threadpool(asked_for_password, inbox, visit.reader, second_factor.new_secret())


def asked_for_password(inbox: "Inbox", reader: "Reader", secret: bytes, said: str = "") -> Response:
    """The form, with a secret for the app that is sealed to this person until it is kept."""
    who = reader.person
    address = second_factor.address_of(secret, who.name)
    return inbox.page(
        "way_password.html",
        400 if said else 200,
        reader=reader,
        said=said,
        shortest=SHORTEST,
        key=base64.b32encode(secret).decode(),
        picture=second_factor.picture_of(address),
        sealed=_lock(inbox).encrypt(who.case_manager_id.encode() + b"\0" + secret).decode(),
    )


async def set_password(inbox: "Inbox", visit: "Visit") -> Response:
    reader, form = visit.reader, visit.form
    if not is_recent(reader):
        return RedirectResponse(WAYS, 303)
    secret = await run_in_threadpool(unsealed, inbox, reader, str(form.get("sealed", "")))
    if secret is None:
        return RedirectResponse("/sign-in/ways/password", 303)
    password, person, now = str(form.get("password", "")), reader.person, datetime.now(UTC)
    fault = fault_of(password, (person.name, person.case_manager_id, person.email))
    if fault:
        return await run_in_threadpool(asked_for_password, inbox, reader, secret, _PASSWORD_WORDS[fault])
    step = second_factor.step_of(secret, str(form.get("code", "")), now)
    if step is None:
        said = "Those six digits are not the ones of now. Look again; if it goes on, set the telephone's clock."
        return await run_in_threadpool(asked_for_password, inbox, reader, secret, said)
    kept = Password(await anyio.to_thread.run_sync(hash_of, password, limiter=inbox.hashing), secret, step)
    codes = second_factor.new_codes()
    keep = partial(inbox.store.credentials.set_password, person.case_manager_id, kept, codes, inbox.secret, now)
    await run_in_threadpool(keep)
    page = partial(show_codes, inbox, reader.person, codes)
    if reader.session.way == Way.ENROLL:
        return await enter(inbox, visit.request, person.case_manager_id, Way.PASSWORD, page=page)
    return page(reader.session)


def unsealed(inbox: "Inbox", reader: "Reader", sealed: str) -> bytes | None:
    """The secret of the form, if it was made for this person a short while ago."""
    try:
        seconds = int(SHOWN_FOR.total_seconds())
        text = _lock(inbox).decrypt(sealed.encode(), ttl=seconds)
    except InvalidToken:
        return None
    who, _, secret = text.partition(b"\0")
    return secret if who == reader.person.case_manager_id.encode() else None


def _lock(inbox: "Inbox") -> MultiFernet:
    return lock_for(SealedFor.NEW_SECOND_FACTOR, inbox.secret)


async def new_codes(inbox: "Inbox", visit: "Visit") -> Response:
    if not is_recent(visit.reader):
        return RedirectResponse(WAYS, 303)
    who, codes = visit.reader.person.case_manager_id, second_factor.new_codes()
    if (await run_in_threadpool(inbox.store.credentials.of, who)).password_at is None:
        return RedirectResponse(WAYS, 303)
    await run_in_threadpool(inbox.store.credentials.new_codes, who, codes, datetime.now(UTC))
    return show_codes(inbox, visit.reader.person, codes, visit.reader.session)


def show_codes(inbox: "Inbox", person: CaseManager, codes: Sequence[str], session: Session) -> Response:
    return inbox.page("way_codes.html", reader=Reader(session, person), codes=codes)


def _name(form: FormData) -> str:
    return " ".join(str(form.get("name", "")).split())[:40] or "a passkey"
