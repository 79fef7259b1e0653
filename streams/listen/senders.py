"""Who is at the other end of a connection, and whether it may speak for the facility a message names.

With `[[senders]]` in `handoff.toml` every connection must be one of them, by what it shows: a client certificate, the
address it comes from, a bearer token. What is not theirs to say is refused at the door, with the same answer whatever
we know: no match is tried, nothing is kept. The list is read again when it changes, and holds for connections that
stand.
"""

import hashlib
import hmac
import ssl
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any, Final, NamedTuple

import structlog
from cryptography import x509

from parsers.feeds import Feed
from parsers.hl7.er7 import Peek
from parsers.hl7.spoken_for import spoken_for
from parsers.outcomes import Reject, RejectCode
from parsers.senders import ANY, Sender, Senders
from streams.run import metrics

NOBODY: Final = ""  # its label where a connection is none of the senders

log = structlog.get_logger()


class Caller(NamedTuple):
    """What a connection shows of who it is."""

    host: str
    fingerprint: str = ""  # SHA-256 of its client certificate
    issuer: str = ""
    names: frozenset[str] = frozenset()
    until: float = 0.0  # when its certificate ends, seconds since 1970
    token_hash: str = ""
    folder: str = ""  # where its files are dropped
    serial: int = 0  # of its certificate


def caller_of(host: str, tls: Any = None, token: str = "") -> Caller:
    """Who calls from there; `tls` is the connection's `ssl_object`, whose certificate our own CA has signed."""
    token_hash = hashlib.sha256(token.encode()).hexdigest() if token else ""
    der = tls.getpeercert(binary_form=True) if isinstance(tls, ssl.SSLObject | ssl.SSLSocket) else None
    if not der:
        return Caller(host, token_hash=token_hash)
    certificate = x509.load_der_x509_certificate(der)
    common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    names = [str(attribute.value) for attribute in common]
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names += alternative.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        pass
    return Caller(
        host,
        hashlib.sha256(der).hexdigest(),
        certificate.issuer.rfc4514_string(),
        frozenset(name.casefold() for name in names),
        certificate.not_valid_after_utc.timestamp(),
        token_hash,
        serial=certificate.serial_number,
    )


class Gatekeeper:
    """The senders that are known, and what each may say."""

    def __init__(self, senders: Callable[[], Senders], feed_for: Callable[[str, str], Feed]) -> None:
        self._senders = senders
        self._feed_for = feed_for
        self._warned: set[tuple[str, str, str]] = set()

    @property
    def asks(self) -> bool:
        """Whether a connection must be one of some."""
        return bool(self._senders().senders)

    @property
    def knows_tokens(self) -> bool:
        return any(listed.token_hashes for listed in self._senders().senders)

    def is_token(self, token: str) -> bool:
        """Whether it is some sender's token."""
        shown = hashlib.sha256(token.encode()).hexdigest()
        known = [token_hash for sender in self._senders().senders for token_hash in sender.token_hashes]
        return any(hmac.compare_digest(shown, token_hash) for token_hash in known)

    def sender(self, caller: Caller) -> Sender | None:
        """Which sender it is; the first that fits and whose is each certificate and token that is shown and known. One
        hospital's certificate beside another's token is nobody's."""
        senders = self._senders().senders
        known = [
            {listed.name for listed in senders if shows(listed, caller)} for shows in (_shows_certificate, _shows_token)
        ]
        fitting = (listed for listed in senders if _is(listed, caller))
        return next((listed for listed in fitting if all(listed.name in names for names in known if names)), None)

    def refusal(self, data: bytes, seen: Peek, caller: Caller) -> Reject | None:
        """Why this message is not this caller's to send."""
        sender = self.sender(caller)
        if sender is None:
            return self._refused(Reject(code=RejectCode.SENDER_UNKNOWN), NOBODY, caller)
        if caller.until:
            metrics.SENDER_CERTIFICATE.labels(sender.name).set(caller.until)
        for said in spoken_for(data, seen, self._feed_for):
            if sender.speaks_for(said.names) or (said.gives_way and not self._has_it(said.names)):
                continue
            return self._refused(Reject(code=RejectCode.OTHER_FACILITY, place=said.place), sender.name, caller)
        return None

    def _has_it(self, said: frozenset[str]) -> bool:
        """Whether some sender speaks for this facility by name."""
        return any(ANY not in listed.facilities and listed.speaks_for(said) for listed in self._senders().senders)

    def _refused(self, reject: Reject, name: str, caller: Caller) -> Reject:
        once = (name, reject.code.value, caller.host)
        if once not in self._warned:
            if len(self._warned) >= 1_000:
                self._warned.clear()
            self._warned.add(once)
            log.warning("sender_refused", sender=name, code=reject.code.value, place=reject.place, peer=caller.host)
        return reject


def _is(sender: Sender, caller: Caller) -> bool:
    """A file shows its folder and nothing else, a connection everything else and no folder."""
    if caller.folder:
        return caller.folder in sender.folders
    if not (sender.by_certificate or sender.networks or sender.token_hashes):
        return False
    if sender.by_certificate and not _shows_certificate(sender, caller):
        return False
    if sender.networks and not _within(caller.host, sender.networks):
        return False
    return not sender.token_hashes or _shows_token(sender, caller)


def _shows_certificate(sender: Sender, caller: Caller) -> bool:
    if caller.fingerprint in sender.fingerprints:
        return True
    signed = bool(sender.issuer) and caller.issuer == sender.issuer
    return signed and bool(caller.names & {name.casefold() for name in sender.names})


def _shows_token(sender: Sender, caller: Caller) -> bool:
    shown = [hmac.compare_digest(caller.token_hash, token_hash) for token_hash in sender.token_hashes]
    return any(shown)


def _within(host: str, networks: tuple[str, ...]) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in ip_network(network) for network in networks)
