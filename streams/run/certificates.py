"""Files of certificates and revocation lists in; what is in them, and when the first certificate ends, out."""

import re
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from streams.run import metrics
from streams.run.metrics import CertificateFile

_CRL: Final = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)
_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_ARMOR: Final = b"-----BEGIN "


def lists_in(data: bytes) -> list[x509.CertificateRevocationList]:
    """The revocation lists (CRL, RFC 5280 5) of a file, PEM or DER. Raises `ValueError` for a PEM one that is none."""
    if _ARMOR in data:
        return [x509.load_pem_x509_crl(pem) for pem in _CRL.findall(data)]
    try:
        return [x509.load_der_x509_crl(data)]
    except ValueError:
        return []


def certificates_in(data: bytes) -> list[x509.Certificate]:
    """The certificates of a file, PEM or DER. Raises `ValueError` for a PEM one that is none."""
    if _ARMOR in data:
        return [x509.load_pem_x509_certificate(pem) for pem in _CERTIFICATE.findall(data)]
    try:
        return [x509.load_der_x509_certificate(data)]
    except ValueError:
        return []


def first_end(path: Path) -> datetime:
    """When the first certificate in the file ends. Raises `OSError` or `ValueError` when there is none to read."""
    return min(certificate.not_valid_after_utc for certificate in x509.load_pem_x509_certificates(path.read_bytes()))


def say_until(which: CertificateFile, path: Path | None) -> None:
    """Sets the metric; a file that cannot be read leaves it as it was: whoever uses it says so."""
    if path is not None:
        try:
            metrics.CERTIFICATE.labels(which).set(first_end(path).timestamp())
        except (OSError, ValueError):
            return
