"""A parcel and a Direct address in, one mail signed by us and encrypted to the recipient's certificate out.

Detached signature (SHA-256), then enveloped data (AES-256) as `application/pkcs7-mime`, handed to the same relay as
other mail (Applicability Statement for Secure Health Transport 1.3). The recipient's certificate was given with the
destination, must be valid today, not be revoked and be bound to the address or its domain.
"""

import asyncio
import base64
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as CRLF
from email.utils import format_datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7

from rules.telling.attempts import Failure
from rules.telling.destinations import Destination
from streams.tell.certificates import CERTIFICATE, why_not
from streams.tell.relay import Relay, hand_in, reach
from streams.tell.revocation import Revocations
from streams.tell.way import Delivered, NotDelivered, Parcel, Secrets

_ENCRYPTED: Final = ("application/pkcs7-mime", "application/x-pkcs7-mime")


class Identity:
    """Who signs: our Direct address, its certificate and key."""

    def __init__(self, address: str, certificate: Path, key: Path) -> None:
        """Raises `ValueError`, `OSError`."""
        self.address = address
        self.certificate = x509.load_pem_x509_certificate(certificate.read_bytes())
        private_key = load_pem_private_key(key.read_bytes(), None)
        if not isinstance(private_key, RSAPrivateKey):
            raise ValueError("the key must be RSA")
        self.key = private_key

    def __repr__(self) -> str:
        return f"<Identity {self.address}>"

    def opened(self, raw: bytes) -> bytes:
        """What a mail that is encrypted to us holds; the mail itself when it is not, or cannot be opened."""
        try:
            message = message_from_bytes(raw)
            if message.get_content_type() not in _ENCRYPTED:
                return raw
            sealed = message.get_payload(decode=True)
            return pkcs7.pkcs7_decrypt_der(bytes(sealed or b""), self.certificate, self.key, [])
        except (ValueError, TypeError, UnsupportedAlgorithm, RecursionError):
            return raw


class Direct:
    """Direct messages by one relay."""

    at_once = 1

    def __init__(
        self,
        relay: Relay,
        identity: Identity,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        revocations: Revocations | None = None,
    ) -> None:
        self._relay = relay
        self._identity = identity
        self._now = now
        self._revocations = revocations or Revocations()

    async def deliver(self, parcel: Parcel, to: Destination, secrets: Secrets) -> Delivered | NotDelivered:
        try:
            certificate = x509.load_pem_x509_certificate(secrets.newest(CERTIFICATE).encode())
        except ValueError:
            return NotDelivered(Failure.MISCONFIGURED)
        now = self._now()
        if why_not(certificate, to.address, now) or self._revocations.why_not(certificate, now):
            return NotDelivered(Failure.TLS)
        body = await asyncio.to_thread(self.sealed, parcel.body, certificate)
        return await hand_in(self._relay, self.mail(parcel, to.address, body), self._identity.address, to.address)

    def opened(self, raw: bytes) -> bytes:
        """What a mail that is encrypted to us holds; the mail itself when it is not, or cannot be opened."""
        return self._identity.opened(raw)

    def sealed(self, body: bytes, certificate: x509.Certificate) -> bytes:
        """A MIME entity signed by us, then encrypted: DER of the enveloped data."""
        identity = self._identity
        signed = (
            pkcs7.PKCS7SignatureBuilder()
            .set_data(body)
            .add_signer(identity.certificate, identity.key, hashes.SHA256())
            .sign(Encoding.SMIME, [pkcs7.PKCS7Options.DetachedSignature])
        )
        return (
            pkcs7.PKCS7EnvelopeBuilder()
            .set_data(signed)
            .add_recipient(certificate)
            .set_content_encryption_algorithm(AES256)
            .encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])
        )

    def mail(self, parcel: Parcel, address: str, sealed: bytes) -> EmailMessage:
        """The outer message: who, to whom and when; no word about anybody."""
        message = EmailMessage(policy=CRLF)
        domain = self._identity.address.partition("@")[2]
        message["From"], message["To"], message["Subject"] = self._identity.address, address, "Event notification"
        message["Date"] = format_datetime(self._now())
        message["Message-ID"] = f"<{parcel.delivery_id}@{domain}>"
        for name, value in parcel.headers.items():
            message[name] = value
        message["MIME-Version"] = "1.0"
        message["Content-Type"] = 'application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"'
        message["Content-Disposition"] = 'attachment; filename="smime.p7m"'
        message["Content-Transfer-Encoding"] = "base64"
        message.set_payload(base64.encodebytes(sealed).decode())
        return message

    async def reach(self, to: Destination, secrets: Secrets) -> Delivered | NotDelivered:
        del to, secrets
        return await reach(self._relay)

    async def close(self) -> None:
        """Nothing is kept open."""
