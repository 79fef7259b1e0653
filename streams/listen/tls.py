"""TLS of the listener: PEM files in, a context for new connections out, read again when they change.

A certificate revocation list in the file of the client CA is obeyed: a client whose own certificate is on it does not
get in, and a list that has expired lets nobody in (RFC 5280). Connections that stand stay, but for those whose
certificate is on a new list.
"""

import ssl
from collections.abc import Callable
from enum import StrEnum
from typing import Final

import structlog
from cryptography import x509

from streams.run.certificates import lists_in, say_until
from streams.run.file_stamp import Stamp, stamp
from streams.run.metrics import CertificateFile
from streams.run.problems import Problem
from streams.run.settings import Settings

log = structlog.get_logger()


class TlsFailure(StrEnum):
    """Why a handshake failed."""

    NOT_TLS = "not_tls"  # plain MLLP or HTTP
    TIMEOUT = "timeout"
    LOST = "lost"  # the peer went away
    NO_CERTIFICATE = "no_certificate"  # the client showed none
    REVOKED = "revoked"
    EXPIRED = "expired"  # or not valid yet
    UNKNOWN_CA = "unknown_ca"
    CRL_EXPIRED = "crl_expired"  # or there is none of this CA
    WRONG_CERTIFICATE = "wrong_certificate"
    NO_COMMON_VERSION = "no_common_version"  # of TLS, or of its ciphers
    PEER_REFUSED = "peer_refused"  # the client does not trust us
    OTHER = "other"


# X509_V_ERR_… of OpenSSL's x509_vfy.h
_VERIFY: Final = {
    **dict.fromkeys((3, 11, 12, 33), TlsFailure.CRL_EXPIRED),
    **dict.fromkeys((9, 10), TlsFailure.EXPIRED),
    **dict.fromkeys((2, 18, 19, 20, 21), TlsFailure.UNKNOWN_CA),
    23: TlsFailure.REVOKED,
}
_REASONS: Final = {
    **dict.fromkeys(("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST"), TlsFailure.NOT_TLS),
    **dict.fromkeys(("RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL"), TlsFailure.NOT_TLS),
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": TlsFailure.NO_CERTIFICATE,
    **dict.fromkeys(("UNSUPPORTED_PROTOCOL", "NO_SHARED_CIPHER", "VERSION_TOO_LOW"), TlsFailure.NO_COMMON_VERSION),
    **dict.fromkeys(("UNEXPECTED_EOF_WHILE_READING",), TlsFailure.LOST),
}


def failure_of(error: BaseException) -> TlsFailure:
    """What a failed handshake's exception means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY.get(error.verify_code, TlsFailure.WRONG_CERTIFICATE)
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        if "ALERT" in reason:
            return TlsFailure.PEER_REFUSED
        return _REASONS.get(reason, TlsFailure.OTHER)
    if isinstance(error, ConnectionResetError | BrokenPipeError | EOFError):
        return TlsFailure.LOST
    if isinstance(error, ConnectionAbortedError | TimeoutError):  # asyncio's word for a handshake out of time
        return TlsFailure.TIMEOUT
    return TlsFailure.OTHER


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with the configured certificate, None without one. Raises `Problem`."""
    if settings.tls_cert is None:
        if settings.tls_key or settings.tls_client_ca:
            raise Problem(
                "HANDOFF_TLS_CERT is not set, but a key or a client CA is: set it to the PEM certificate chain"
            )
        return None
    cert, key, client_ca = settings.tls_cert, settings.tls_key, settings.tls_client_ca
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load("HANDOFF_TLS_CERT and HANDOFF_TLS_KEY", lambda: context.load_cert_chain(cert, key))
    if client_ca is not None:
        _load("HANDOFF_TLS_CLIENT_CA", lambda: context.load_verify_locations(client_ca))
        context.verify_mode = ssl.CERT_REQUIRED
        if _lists(settings):
            context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    return context


def _revoked(settings: Settings) -> frozenset[tuple[str, int]]:
    """(issuer, serial number) of each certificate on a list in the client CA's file."""
    return frozenset((each.issuer.rfc4514_string(), entry.serial_number) for each in _lists(settings) for entry in each)


def _lists(settings: Settings) -> list[x509.CertificateRevocationList]:
    return lists_in(settings.tls_client_ca.read_bytes()) if settings.tls_client_ca else []


def _load(names: str, load: Callable[[], None]) -> None:
    try:
        load()
    except (OSError, ValueError) as error:
        raise Problem(
            f"{names}: cannot be used ({type(error).__name__}): expected readable PEM files that fit"
        ) from None


class TlsFiles:
    """The context of now. `look` reads the files again; what cannot be used leaves the old ones in force."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen = self._state()
        self.context = tls_context(settings)
        self.revoked = _revoked(settings)
        self._say_until()
        self.trouble = ""  # what is wrong with the newest files

    def look(self, *, even_if_unchanged: bool = False) -> bool:
        """Whether new files came in force."""
        seen = self._state()
        if self.context is None or (seen == self._seen and not even_if_unchanged):
            return False
        self._seen = seen
        try:
            self.context, self.revoked = tls_context(self._settings), _revoked(self._settings)
        except (Problem, OSError, ValueError) as problem:
            self.trouble = str(problem) if isinstance(problem, Problem) else "a TLS file cannot be read"
            log.error("tls_files_not_usable", text=self.trouble)
            return False
        self.trouble = ""
        self._say_until()
        log.info("tls_files_read_again")
        return True

    def _say_until(self) -> None:
        say_until(CertificateFile.TLS_CERT, self._settings.tls_cert)
        say_until(CertificateFile.TLS_CLIENT_CA, self._settings.tls_client_ca)

    def _state(self) -> tuple[Stamp | None, ...]:
        files = (self._settings.tls_cert, self._settings.tls_key, self._settings.tls_client_ca)
        return tuple(stamp(path) for path in files)
