"""A mail that came back and whom it must be from in; what was signed and whether that one signed it, out.

A signature counts when it fits the content and its certificate is valid today, bound to the address or its domain, and
either the recipient's own or issued below an anchor that was given with it (Applicability Statement for Secure Health
Transport 1.3), and neither it nor one between them is revoked. RSA (PKCS #1 v1.5, PSS) and ECDSA with SHA-2. No clock,
no network.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from email import message_from_bytes
from email.message import Message
from enum import StrEnum
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import verification

from parsers.cms import Signed, Signer, read_signed
from streams.tell.certificates import bound_to
from streams.tell.revocation import Revocations

_SIGNATURES: Final = ("application/pkcs7-signature", "application/x-pkcs7-signature")
_OPAQUE: Final = ("application/pkcs7-mime", "application/x-pkcs7-mime")
_PSS: Final = "1.2.840.113549.1.1.10"  # RFC 4056; with the same digest within, as all write it
_DIGESTS: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}


class Unproven(StrEnum):
    """Why nobody vouches for what a mail says."""

    UNSIGNED = "unsigned"
    BADLY_SIGNED = "badly_signed"
    SIGNED_BY_ANOTHER = "signed_by_another"  # than the recipient's side, or by a certificate nobody trusts


class SignedMail(NamedTuple):
    """What a mail says, and the signature over it where there is one that can be read."""

    content: bytes
    signed: Signed | None
    is_signed: bool

    def __repr__(self) -> str:
        return f"<SignedMail of {len(self.content)} bytes>"


def signed_mail(raw: bytes) -> SignedMail:
    """Of a signed mail only what is signed counts; of another one all."""
    try:
        message = message_from_bytes(raw)
    except RecursionError:  # a mail in a mail in a mail …
        return SignedMail(raw, None, is_signed=False)
    kind = message.get_content_type()
    if kind == "multipart/signed":
        parts = [part for part in message.get_payload() if isinstance(part, Message)]
        content = _first_part(raw, str(message.get_boundary()).encode("utf-8", "replace"))
        sealed = len(parts) == 2 and parts[1].get_content_type() in _SIGNATURES
        return SignedMail(content, read_signed(_decoded(parts[1])) if sealed else None, is_signed=True)
    if kind in _OPAQUE:
        signed = read_signed(_decoded(message))
        return SignedMail(signed.content if signed else b"", signed, is_signed=True)
    return SignedMail(raw, None, is_signed=False)


def why_unproven(
    mail: SignedMail, address: str, trusted: Sequence[x509.Certificate], now: datetime, revocations: Revocations
) -> Unproven | None:
    """Why it is not proven that `address` said this; `None` when it is. `trusted`: its certificate, and anchors."""
    if not mail.is_signed:
        return Unproven.UNSIGNED
    if mail.signed is None or not mail.signed.signers:
        return Unproven.BADLY_SIGNED
    certificates = [*_loaded(mail.signed.certificates), *trusted]
    usable = [each for each in certificates if not revocations.why_not(each, now)]
    anchors = [each for each in trusted if each in usable]
    reasons = []
    for signer in mail.signed.signers:
        certificate = next((each for each in certificates if _named(signer, each)), None)
        if certificate is None or not _fits(signer, mail.content, certificate):
            reasons.append(Unproven.BADLY_SIGNED)
        elif certificate in usable and _may_speak(certificate, usable, address, anchors, now):
            return None
        else:
            reasons.append(Unproven.SIGNED_BY_ANOTHER)
    return reasons[0]


def _may_speak(
    certificate: x509.Certificate,
    usable: Sequence[x509.Certificate],
    address: str,
    anchors: Sequence[x509.Certificate],
    now: datetime,
) -> bool:
    valid = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    known = certificate in anchors or _below(certificate, usable, anchors, now)
    return valid and known and _names(certificate, address)


def _names(certificate: x509.Certificate, address: str) -> bool:
    try:
        return bound_to(certificate, address)
    except (x509.ExtensionNotFound, ValueError):
        return False


def _named(signer: Signer, certificate: x509.Certificate) -> bool:
    if signer.issuer:
        return (signer.issuer, signer.serial) == (certificate.issuer.public_bytes(), certificate.serial_number)
    try:
        key_id = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except (x509.ExtensionNotFound, ValueError):
        return False
    return key_id == signer.key_id


def _fits(signer: Signer, content: bytes, certificate: x509.Certificate) -> bool:
    """Whether the certificate's key signed this content."""
    digest = _DIGESTS.get(signer.digest)
    if digest is None:
        return False
    if signer.attributes:
        hashed = hashes.Hash(digest)
        hashed.update(content)
        if hashed.finalize() != signer.content_digest:
            return False
    what = signer.attributes or content
    try:
        key = certificate.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            pss = padding.PSS(padding.MGF1(digest), padding.PSS.AUTO)
            key.verify(signer.signature, what, pss if signer.algorithm == _PSS else padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signer.signature, what, ec.ECDSA(digest))
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _below(
    certificate: x509.Certificate,
    certificates: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    now: datetime,
) -> bool:
    """Whether a chain leads from one of the anchors to the certificate (RFC 5280 6)."""
    if not anchors:
        return False
    policy = verification.ExtensionPolicy
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store(list(anchors)))
        .time(now)
        .extension_policies(ca_policy=policy.webpki_defaults_ca(), ee_policy=policy.permit_all())
        .build_client_verifier()
    )
    try:
        verifier.verify(certificate, list(certificates))
    except verification.VerificationError:
        return False
    return True


def _loaded(certificates: Sequence[bytes]) -> list[x509.Certificate]:
    loaded = []
    for der in certificates:
        try:
            loaded.append(x509.load_der_x509_certificate(der))
        except ValueError:
            continue
    return loaded


def _decoded(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _first_part(raw: bytes, boundary: bytes) -> bytes:
    """The bytes between the first two boundaries as they were signed: lines end with CRLF (RFC 8551 3.1.1)."""
    lines = raw.replace(b"\r\n", b"\n").split(b"\n")
    marks = [number for number, line in enumerate(lines) if line.rstrip() == b"--" + boundary]
    return b"\r\n".join(lines[marks[0] + 1 : marks[1]]) if len(marks) > 1 else b""
