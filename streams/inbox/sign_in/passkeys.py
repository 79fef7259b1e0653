"""A browser's answer about a passkey in, the key or a named fault out; and what the browser is asked. No I/O.

Source: W3C Web Authentication Level 2, 7.1 and 7.2. Asked for: a passkey that names its person (resident) and asks for
finger, face or PIN (user verification), so that it is two factors by itself; no attestation.
"""

import hashlib
import json
from collections.abc import Iterable
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import bytes_to_base64url, parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

LONGEST: Final = 64_000
_TIMEOUT_MS: Final = 300_000


class PasskeyFault(StrEnum):
    """Why an answer is not believed."""

    NOT_ONE = "not_one"  # not the answer of an authenticator
    NOT_ASKED = "not_asked"  # no challenge of ours, or one that was used or is too old
    UNKNOWN = "unknown"  # a passkey of nobody
    NOT_VERIFIED = "not_verified"  # origin, host, signature, counter, or nobody proved to be there


class Place(NamedTuple):
    """Where a passkey is good: the host's name and the exact origin."""

    host: str
    origin: str


class Made(NamedTuple):
    """A new passkey."""

    credential_id: str
    public_key: bytes
    sign_count: int


class Answer(NamedTuple):
    """A browser's answer, not yet believed."""

    credential: dict[str, Any]
    credential_id: str
    challenge: str


def place_of(origin: str) -> Place | None:
    """Where passkeys of a page at this origin are good; `None`: at an address without a name they are nowhere."""
    host = urlsplit(origin).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return Place(host, origin) if host else None
    return None


def ask_to_make(place: Place, challenge: str, who: str, name: str, known: Iterable[str]) -> str:
    """The options of `navigator.credentials.create` as JSON; `known`: passkeys this person has."""
    return webauthn.options_to_json(
        webauthn.generate_registration_options(
            rp_id=place.host,
            rp_name="Warm Handoff",
            user_id=hashlib.sha256(f"passkey\x1f{who}".encode()).digest(),
            user_name=name,
            user_display_name=name,
            challenge=webauthn.base64url_to_bytes(challenge),
            timeout=_TIMEOUT_MS,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                require_resident_key=True,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[
                PublicKeyCredentialDescriptor(webauthn.base64url_to_bytes(credential_id)) for credential_id in known
            ],
        )
    )


def ask_to_use(place: Place, challenge: str) -> str:
    """The options of `navigator.credentials.get` as JSON; whose passkeys there are, they do not say."""
    return webauthn.options_to_json(
        webauthn.generate_authentication_options(
            rp_id=place.host,
            challenge=webauthn.base64url_to_bytes(challenge),
            timeout=_TIMEOUT_MS,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
    )


def answer_of(text: str) -> Answer | PasskeyFault:
    """What a browser sent, as far as one must read it to know which challenge and passkey it is about."""
    try:
        credential: dict[str, Any] = json.loads(text) if len(text) <= LONGEST else {}
        said = parse_client_data_json(webauthn.base64url_to_bytes(credential["response"]["clientDataJSON"]))
        return Answer(credential, str(credential["id"]), bytes_to_base64url(said.challenge))
    except (ValueError, TypeError, LookupError, AttributeError, WebAuthnException, RecursionError):
        return PasskeyFault.NOT_ONE


def made(answer: Answer, place: Place) -> Made | PasskeyFault:
    """The passkey that was made."""
    try:
        registration = webauthn.verify_registration_response(
            credential=answer.credential,
            expected_challenge=webauthn.base64url_to_bytes(answer.challenge),
            expected_rp_id=place.host,
            expected_origin=place.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, LookupError, AttributeError):
        return PasskeyFault.NOT_VERIFIED
    return Made(
        bytes_to_base64url(registration.credential_id), registration.credential_public_key, registration.sign_count
    )


def sign_count(answer: Answer, place: Place, public_key: bytes, before: int) -> int | PasskeyFault:
    """The passkey's counter after it signed; those that are synced count nothing."""
    try:
        return webauthn.verify_authentication_response(
            credential=answer.credential,
            expected_challenge=webauthn.base64url_to_bytes(answer.challenge),
            expected_rp_id=place.host,
            expected_origin=place.origin,
            credential_public_key=public_key,
            credential_current_sign_count=before,
            require_user_verification=True,
        ).new_sign_count
    except (WebAuthnException, ValueError, TypeError, LookupError, AttributeError):
        return PasskeyFault.NOT_VERIFIED
