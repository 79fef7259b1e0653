"""A certificate and an address in; whether the one is bound to the other, and may be encrypted to, out."""

from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

# name of a secret: PEM of the recipient's, then of anchors of its side; not secret, but kept with the others
CERTIFICATE: Final = "certificate"


def bound_to(certificate: x509.Certificate, address: str) -> bool:
    """Whether it names the address or its domain. Raises `x509.ExtensionNotFound` where it names none."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    mails = {name.lower() for name in names.get_values_for_type(x509.RFC822Name)}
    domains = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    return address.lower() in mails or address.lower().partition("@")[2] in domains


def why_not(certificate: x509.Certificate, address: str, now: datetime) -> str:
    """Why a message to `address` must not be encrypted to this certificate; "" when it may."""
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return "the certificate is not valid today"
    if not isinstance(certificate.public_key(), RSAPublicKey):
        return "the certificate's key must be RSA"
    if not _encrypts(certificate):
        return "the certificate is for signing: give the one for encryption"
    try:
        bound = bound_to(certificate, address)
    except x509.ExtensionNotFound:
        return "the certificate is bound to no address"
    return "" if bound else "the certificate is bound to another address"


def _encrypts(certificate: x509.Certificate) -> bool:
    """Whether a key may be sent under it (RFC 5280 4.2.1.3); many have one to sign with and another for this."""
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_encipherment
    except x509.ExtensionNotFound:
        return True
