"""What `handoff destination add` was given in; the same checked, or the sentence that says what is wrong, out."""

import asyncio
import re
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from cryptography import x509

from parsers.http_headers import is_of_sending
from rules.telling.destinations import WAYS_OF, Destination, FormKind, WayKind, Whose
from rules.telling.directory import Directory
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.tell.addresses import NotAllowed, look_up, resolve
from streams.tell.certificates import why_not
from streams.tell.contacts import INSTRUCTIONS, PROGRAMS
from streams.tell.forms.sms import FORM
from streams.tell.revocation import Revocations
from streams.tell.ways.http import METHOD
from streams.tell.ways.mllp import without_tls
from streams.tell.ways.sftp import HOST_KEY, fingerprint_of, place_of

_WORD: Final = r"[A-Za-z0-9_.-]{1,60}"
OPTIONS: Final = {
    "what": _WORD,  # of files: how their names begin
    "rows": "version|stay",  # of CSV: each version, or the newest unsent one of a stay
    "application": _WORD,  # of MLLP: MSH-5
    "facility": _WORD,  # MSH-6
    "tls": "1",
    HOST_KEY: r"SHA256:[A-Za-z0-9+/]{43}",  # of SFTP
    "oid": r"[0-9]+(\.[0-9]+)+",  # of Direct: the assigning authority of our patient identifiers
    "to": r"\+?[0-9]{5,15}",  # of SMS
    "body": r"[ -~]{1,1000}",  # of SMS: what the gateway wants, with {to} and {text}
    METHOD: "GET|POST",  # of SMS
    PROGRAMS: r"[^,|]{1,60}(,[^,|]{1,60}){0,19}",  # to a hospital: those that may be named
    INSTRUCTIONS: r"[^\x00-\x1f]{1,500}",  # to a hospital: what it is asked to do
    "type": r"[a-z]+/[a-z0-9.+-]{1,60}",  # of SMS: the body's content type
}
T = TypeVar("T")
_MAIL: Final = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")


def way_of(form: FormKind, address: str) -> WayKind:
    """By which way an address is reached; files by SFTP where it says so."""
    usual = WAYS_OF[form]
    return WayKind.SFTP if usual is WayKind.FOLDER and address.startswith("sftp://") else usual


def check_address(settings: Settings, made: Destination) -> None:
    """Raises `Problem`."""
    match made.way:
        case WayKind.HTTP:
            _reached(look_up(made.address, private=made.allow_private, allowed=settings.tell_allow))
            if made.form is FormKind.SMS and not ("to" in made.options and made.whose is Whose.PERSON):
                raise Problem("a text counts what waits for a person: --whose person:ID and --option to=+18285550100")
            if METHOD in made.options and (made.form is not FormKind.SMS or made.options.get("type", "") != FORM):
                raise Problem(f"--option method is for --form sms with --option type={FORM}")
        case WayKind.MLLP:
            host, _, port = made.address.rpartition(":")
            if not host or not port.isdigit() or not 0 < int(port) < 65536:
                raise Problem("the address must be host:port")
            plain, allowed = without_tls(made), settings.tell_allow
            _reached(resolve(host.strip("[]"), int(port), private=made.allow_private, allowed=allowed, plain=plain))
        case WayKind.FOLDER:
            if not Path(made.address).is_absolute() or not Path(made.address).is_dir():
                raise Problem("the address must be the absolute path of a folder that is there, or sftp://user@host/…")
        case WayKind.SFTP:
            _check_sftp(settings, made)
        case WayKind.SMTP:
            if not _MAIL.fullmatch(made.address):
                raise Problem("the address must be one e-mail address")
            if made.whose is not Whose.PERSON:
                raise Problem("a mail counts what waits for a person: --whose person:ID")
        case WayKind.DIRECT:
            if not _MAIL.fullmatch(made.address):
                raise Problem("the address must be one Direct address")


def certificate_of(settings: Settings, path: Path | None, made: Destination) -> str:
    """The recipient's certificate in PEM and what follows it, "" where the way needs none. Raises `Problem`."""
    if made.way is not WayKind.DIRECT:
        return ""
    if path is None:
        raise Problem("--certificate FILE: a Direct message is encrypted to its recipient's certificate (PEM)")
    try:
        text = path.read_text()
        certificate, *_ = x509.load_pem_x509_certificates(text.encode())
    except (OSError, ValueError):
        raise Problem(f"{path} is no certificate in PEM") from None
    now = datetime.now(UTC)
    if why := why_not(certificate, made.address, now) or Revocations(settings.tell_crls).why_not(certificate, now):
        raise Problem(why)
    return text


def is_known(made: Destination, directory: Directory) -> bool:
    """Whether the one it belongs to is in the directory; of those who are in none, yes."""
    owner = made.owner_id
    match made.whose:
        case Whose.PERSON:
            return directory.person(owner) is not None
        case Whose.PRACTICE:
            return owner in directory.practices
        case Whose.NETWORK:
            return owner in directory.networks
        case Whose.PLAN:
            return owner in directory.lme_mcos
    return True


def header(text: str) -> tuple[str, str]:
    """Name and value. Raises `Problem`."""
    name, colon, value = text.partition(":")
    if not colon or not re.fullmatch(r"[A-Za-z0-9-]+", name.strip()) or not value.strip().isprintable():
        raise Problem("--header is 'Name: value'")
    if is_of_sending(name):
        raise Problem(f"--header cannot be {name.strip()}: that one is ours")
    return name.strip(), value.strip()


def option(text: str) -> tuple[str, str]:
    """Name and value. Raises `Problem`."""
    name, equals, value = text.partition("=")
    if not equals or name not in OPTIONS or not re.fullmatch(OPTIONS[name], value):
        raise Problem(f"--option is NAME=VALUE, its names are {', '.join(OPTIONS)}")
    return name, value


def _check_sftp(settings: Settings, made: Destination) -> None:
    place = place_of(made.address)
    if place is None:
        raise Problem("the address must be sftp://user@host/folder")
    addresses = _reached(resolve(place.host, place.port, private=made.allow_private, allowed=settings.tell_allow))
    if HOST_KEY in made.options:
        return
    try:
        shown = asyncio.run(fingerprint_of(addresses[0], place.port))  # the one that was judged
    except (OSError, TimeoutError):
        raise Problem("the server does not answer, so its host key is not known: --option host_key=SHA256:…") from None
    raise Problem(
        f"the host key must be pinned: the server shows {shown}. If its owner says the same: --option host_key={shown}"
    )


def _reached(looking: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(looking)
    except NotAllowed as error:
        hint = "; --allow-private takes it all the same" if "private" in str(error) else ""
        raise Problem(f"{error}{hint}") from None
    except (OSError, UnicodeError):
        raise Problem("the address's host cannot be found: check its spelling") from None
