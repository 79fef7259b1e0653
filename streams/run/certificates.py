"""A PEM file of certificates in, when the first of them ends out: as a time and as the metric ops watches."""

from datetime import datetime
from pathlib import Path

from cryptography import x509

from streams.run import metrics
from streams.run.metrics import CertificateFile


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
