"""Revocation lists of receivers' CAs in, as an operator keeps them; why a certificate may not be trusted any more out.

A file, or a folder of files: certificates of CAs and their lists (CRL, RFC 5280 5), PEM or DER, read again when they
change. A certificate whose CA has lists here is looked up in them, and when all of these have ended it is refused, as
the listener does. Whose CA has none here is not looked up: nothing is fetched and nobody is asked (OCSP), because the
address would be one that somebody else wrote into a certificate.
"""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from streams.run.certificates import certificates_in, lists_in
from streams.run.file_stamp import Stamp, stamp
from streams.run.problems import Problem

log = structlog.get_logger()

REVOKED: Final = "the certificate is revoked"
ENDED: Final = "the revocation list of the certificate's CA has ended"


class RevocationList(NamedTuple):
    """A list and the CA that signed it."""

    ca: x509.Certificate
    crl: x509.CertificateRevocationList

    def ended(self, now: datetime) -> bool:
        until = self.crl.next_update_utc
        return until is not None and until < now


def read_lists(path: Path) -> tuple[RevocationList, ...]:
    """Every list of a file or folder. Raises `Problem` where one cannot be used."""
    cas: list[x509.Certificate] = []
    crls: list[x509.CertificateRevocationList] = []
    try:
        for file in _files(path):
            data = file.read_bytes()
            lists, certificates = lists_in(data), certificates_in(data)
            if not lists and not certificates:
                raise ValueError
            crls += lists
            cas += certificates
        return tuple(RevocationList(_signer(crl, cas), crl) for crl in crls)
    except (OSError, ValueError) as error:
        why = str(error) if isinstance(error, _NotUsable) else "expected certificates and lists, PEM or DER"
        raise Problem(f"HANDOFF_TELL_CRLS: cannot be used: {why}") from None


class Revocations:
    """The lists of now. `look` reads them again; what cannot be used leaves the old ones in force."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises `Problem`."""
        self._path = path
        self._seen = self._state()
        self._lists = read_lists(path) if path else ()

    def look(self) -> bool:
        """Whether new lists came in force."""
        seen = self._state()
        if self._path is None or seen == self._seen:
            return False
        self._seen = seen
        try:
            self._lists = read_lists(self._path)
        except Problem as problem:
            log.error("revocation_lists_not_usable", text=str(problem))
            return False
        log.info("revocation_lists_read_again", lists=len(self._lists))
        return True

    def why_not(self, certificate: x509.Certificate, now: datetime) -> str:
        """Why it may not be trusted; "" when nothing here says so."""
        lists = [each for each in self._lists if _issued(certificate, each.ca)]
        current = [each for each in lists if not each.ended(now)]
        if any(each.crl.get_revoked_certificate_by_serial_number(certificate.serial_number) for each in lists):
            return REVOKED
        return ENDED if lists and not current else ""

    def refuses(self, tls: ssl.SSLObject) -> str:
        """Why the peer of a connection, shaken hands with now or long ago, may not be trusted now; "" when it may."""
        shown = tls.getpeercert(binary_form=True)
        return self.why_not(x509.load_der_x509_certificate(shown), datetime.now(UTC)) if shown else ""

    def context(self) -> ssl.SSLContext:
        """TLS to servers whose certificate is not revoked; the handshake fails before anything of ours is sent."""
        lists = self

        class Handshake(ssl.SSLObject):
            def do_handshake(self) -> None:
                super().do_handshake()
                if why := lists.refuses(self):
                    raise ssl.SSLCertVerificationError(why)

        context = ssl.create_default_context()
        context.sslobject_class = Handshake
        return context

    def _state(self) -> tuple[tuple[str, Stamp | None], ...]:
        try:
            return tuple((file.name, stamp(file)) for file in _files(self._path)) if self._path else ()
        except OSError:
            return ()


class _NotUsable(ValueError):
    """With a text of ours."""


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))


def _signer(crl: x509.CertificateRevocationList, cas: list[x509.Certificate]) -> x509.Certificate:
    """The CA whose list it is. Only whole lists are taken: a delta says nothing by itself."""
    if any(isinstance(extension.value, x509.DeltaCRLIndicator) for extension in crl.extensions):
        raise _NotUsable("a list is a delta of another")
    for ca in cas:
        try:
            if ca.subject == crl.issuer and crl.is_signature_valid(ca.public_key()):  # type: ignore[arg-type]
                return ca
        except (TypeError, UnsupportedAlgorithm):
            continue
    raise _NotUsable(f"the certificate of the CA that signed a list is missing: {crl.issuer.rfc4514_string()}")


def _issued(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
