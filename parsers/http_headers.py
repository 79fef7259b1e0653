"""The name of a header in; whether it says how a request is sent (RFC 9110), so that only we write it, out."""

from typing import Final

_SENDING: Final = frozenset(
    {"host", "te", "trailer", "transfer-encoding", "connection", "keep-alive", "upgrade", "expect"}
)
_KINDS: Final = ("content-", "webhook-", "proxy-")


def is_of_sending(name: str) -> bool:
    """Also of Standard Webhooks, whose headers are signed."""
    word = name.strip().lower()
    return word in _SENDING or word.startswith(_KINDS)
