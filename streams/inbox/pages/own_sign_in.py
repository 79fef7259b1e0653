"""Signing in without a provider: a passkey, or a password with its second factor, in; a session or one refusal out.

The refusal is the same whoever was named and whatever was wrong, and takes as long; who tries too often is slowed by
name and by address, whether there is such a person or not. A browser in which that person signed in before is slowed by
its own tries alone.
"""

import hashlib
import hmac
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio.to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from streams.inbox.entering import address_of, enter
from streams.inbox.guesses import one_address
from streams.inbox.opened import back_of
from streams.inbox.request import log
from streams.inbox.sign_in.known import KNOWN, key_of, whose
from streams.inbox.sign_in.passkeys import PasskeyFault, answer_of, ask_to_use, sign_count
from streams.inbox.sign_in.passwords import fits
from streams.inbox.sign_in.second_factor import recovery_code, step_of
from streams.run.metrics import SIGN_INS
from streams.store.audit import ORIGIN, Audited
from streams.store.guessing import ADDRESS, PERSON, Limit
from streams.store.sessions import Way
from streams.store.sign_in import CHALLENGE_FOR, Purpose
from streams.words import recovery_codes

if TYPE_CHECKING:
    from streams.inbox.request import Inbox


ASKED_AND_ANSWERED: Final = 2  # tries that one sign-in by passkey counts as


async def with_password(inbox: "Inbox", request: Request) -> Response:
    form = await request.form(max_files=0, max_fields=10)
    who, password, code, back = (str(form.get(name, "")) for name in ("who", "password", "code", "back"))
    ORIGIN.set(address_of(request))
    person, key = await run_in_threadpool(meant, inbox, who)
    keys = await run_in_threadpool(counted_under, inbox, request, person)
    keys = keys or {key: PERSON, _address(request): ADDRESS}
    wait = await run_in_threadpool(inbox.store.guessing.take, keys, datetime.now(UTC))
    if wait > timedelta():
        return slowed(inbox, Way.PASSWORD, wait)
    checking = partial(proof_of, inbox, person, password, code)
    proof = await anyio.to_thread.run_sync(checking, limiter=inbox.hashing)
    if proof is Proof.NONE:
        return await refused(inbox, Way.PASSWORD, person)
    await run_in_threadpool(proven, inbox, keys)
    SIGN_INS.labels(Way.PASSWORD, "in").inc()
    if proof is Proof.RECOVERY_CODE:
        left = (await run_in_threadpool(inbox.store.credentials.of, person)).codes_left
        return await enter(inbox, request, person, Way.PASSWORD, page=lambda _: code_used(inbox, left, back_of(back)))
    return await enter(inbox, request, person, Way.PASSWORD, back=back_of(back))


def code_used(inbox: "Inbox", left: int, back: str) -> Response:
    """The first page of whoever came in by a recovery code: how many are left."""
    lines = (
        f"You signed in with a recovery code; {recovery_codes.left(left)}.",
        "New ones are made under “How you sign in”.",
    )
    button = {"href": back, "words": "Go on"}
    return inbox.page("words.html", heading="A recovery code is used up", lines=lines, button=button)


async def ask_for_passkey(inbox: "Inbox", request: Request) -> Response:
    """A challenge, good once for five minutes; it is kept, so whoever asks for many without an answer is slowed."""
    place = inbox.place_of(request)
    if place is None:
        return PlainTextResponse("not here", 404)
    keys = await run_in_threadpool(counted_under, inbox, request) or {_address(request): ADDRESS}
    wait = await run_in_threadpool(inbox.store.guessing.take, keys, datetime.now(UTC))
    if wait > timedelta():
        return slowed(inbox, Way.PASSKEY, wait)
    until = datetime.now(UTC) + CHALLENGE_FOR
    challenge = await run_in_threadpool(inbox.store.sign_in.make_link, "", until, Purpose.PASSKEY)
    return Response(ask_to_use(place, challenge), media_type="application/json")


async def with_passkey(inbox: "Inbox", request: Request) -> Response:
    place = inbox.place_of(request)
    if place is None:
        return PlainTextResponse("not here", 404)
    form = await request.form(max_files=0, max_fields=5)
    ORIGIN.set(address_of(request))
    keys = await run_in_threadpool(counted_under, inbox, request) or {_address(request): ADDRESS}
    wait = await run_in_threadpool(inbox.store.guessing.take, keys, datetime.now(UTC))
    if wait > timedelta():
        return slowed(inbox, Way.PASSKEY, wait)
    answer = answer_of(str(form.get("credential", "")))
    if isinstance(answer, PasskeyFault):
        return await refused(inbox, Way.PASSKEY, why=answer)
    now = datetime.now(UTC)
    if await run_in_threadpool(inbox.store.sign_in.redeem, answer.challenge, now, Purpose.PASSKEY) is None:
        return await refused(inbox, Way.PASSKEY, why=PasskeyFault.NOT_ASKED)
    key = await run_in_threadpool(inbox.store.credentials.passkey, answer.credential_id)
    if key is None or await run_in_threadpool(inbox.desk.person, key.case_manager_id) is None:
        return await refused(inbox, Way.PASSKEY, why=PasskeyFault.UNKNOWN)
    count = sign_count(answer, place, key.public_key, key.sign_count)
    if isinstance(count, PasskeyFault):
        return await refused(inbox, Way.PASSKEY, key.case_manager_id, count)
    await run_in_threadpool(inbox.store.credentials.used_passkey, key.credential_id, count, now)
    await run_in_threadpool(proven, inbox, keys, ASKED_AND_ANSWERED)
    SIGN_INS.labels(Way.PASSKEY, "in").inc()
    return await enter(inbox, request, key.case_manager_id, Way.PASSKEY, back=back_of(str(form.get("back", ""))))


def counted_under(inbox: "Inbox", request: Request, who: str = "") -> dict[str, Limit]:
    """What tries are counted under in a browser where somebody signed in before, that person alone where `who` is
    said; nothing for another browser."""
    cookie = request.cookies.get(inbox.cookie(KNOWN), "")
    owner = whose(cookie, inbox.secret)
    return {key_of(cookie): PERSON} if owner and who in ("", owner) else {}


def proven(inbox: "Inbox", keys: Mapping[str, Limit], tries: int = 1) -> None:
    """What was tried under these keys, so many times, was no guess."""
    for name, limit in keys.items():
        if limit is ADDRESS:
            inbox.store.guessing.give_back(name, tries)
        else:
            inbox.store.guessing.clear(name)


def meant(inbox: "Inbox", typed: str) -> tuple[str, str]:
    """Whose id or e-mail was typed ("" for nobody's, or several people's), and what tries at it are counted under.

    The key is a keyed hash: what was typed may be anything, such as a password in the wrong field.
    """
    said = typed.strip().casefold()
    people = inbox.desk.directory().case_managers.values()
    ids = [
        case_manager.case_manager_id
        for case_manager in people
        if said in {case_manager.case_manager_id.casefold(), case_manager.email.casefold()}
    ]
    person = ids[0] if said and len(ids) == 1 else ""
    return person, "person:" + hmac.new(inbox.secret, (person or said).encode(), hashlib.sha256).hexdigest()


class Proof(StrEnum):
    """What a password came with."""

    NONE = "none"  # nothing that holds
    SECOND_FACTOR = "second_factor"
    RECOVERY_CODE = "recovery_code"


def proof_of(inbox: "Inbox", who: str, password: str, code: str) -> Proof:
    """Whether the password and a code that was not used yet are this person's; uses the code up."""
    kept = inbox.store.credentials.password(who, inbox.secret)
    knows = fits(kept.hash if kept else None, password)
    step = step_of(kept.second_factor if kept else bytes(20), code, datetime.now(UTC))
    instead = recovery_code(code)
    has = bool(instead) and inbox.store.credentials.has_code(who, instead)
    if not knows or not who:
        return Proof.NONE
    if step is not None:
        return Proof.SECOND_FACTOR if inbox.store.credentials.use_step(who, step) else Proof.NONE
    used = has and inbox.store.credentials.use_code(who, instead, datetime.now(UTC))
    return Proof.RECOVERY_CODE if used else Proof.NONE


async def refused(inbox: "Inbox", way: Way, who: str = "", why: PasskeyFault | None = None) -> Response:
    """The one page for whatever was wrong."""
    SIGN_INS.labels(way, "refused").inc()
    log.warning("own_sign_in_refused", way=way.value, why=why.value if why else "")
    now = datetime.now(UTC)
    await run_in_threadpool(partial(inbox.store.audit.write, who, Audited.REFUSED, now, detail=way.value))
    return await inbox.please_sign_in(401, "That did not sign you in", "Look at what you typed, or try another way.")


def slowed(inbox: "Inbox", way: Way, wait: timedelta) -> Response:
    SIGN_INS.labels(way, "slowed").inc()
    seconds = math.ceil(wait.total_seconds())
    lines = (f"Too many tries to sign in. Wait {seconds} second{'s' if seconds > 1 else ''}.",)
    answer = inbox.page("words.html", 429, heading="Please wait", lines=lines, button=None)
    answer.headers["Retry-After"] = str(seconds)
    return answer


def _address(request: Request) -> str:
    return f"address:{one_address(address_of(request))}"
