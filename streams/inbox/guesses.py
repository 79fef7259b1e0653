"""Wrong secrets in, whether whoever tried them may try another one out. Logged without what was tried.

Who that is: an address and, behind it, a browser by its cookie, so that another process of the machine, or another
person behind the same address, cannot close the door to somebody else.
"""

from collections import deque
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

import structlog

MOST: Final = 10
SECONDS: Final = 60.0
KEPT: Final = 10_000

log = structlog.get_logger()


class Guesses:
    """The wrong tries of the last minute by address and browser; an IPv6 /64 is one address, a browser without a cookie
    is "". `now` is a monotonic clock's."""

    def __init__(self) -> None:
        self._wrong: dict[tuple[str, str], deque[float]] = {}

    def wait(self, address: str, now: float, browser: str = "") -> float:
        """Seconds until they may try again; 0: now."""
        wrong = self._wrong.get((one_address(address), browser))
        if not wrong or len(wrong) < MOST:
            return 0.0
        return max(0.0, wrong[0] + SECONDS - now)

    def wrong(self, address: str, now: float, browser: str = "") -> None:
        """One wrong try."""
        key = (one_address(address), browser)
        if key not in self._wrong and len(self._wrong) >= KEPT:
            self._wrong = {known: tries for known, tries in self._wrong.items() if tries[-1] + SECONDS > now}
            if len(self._wrong) >= KEPT:  # cookies are made up: they count as one
                key = (key[0], "")
        tries = self._wrong.setdefault(key, deque(maxlen=MOST))
        tries.append(now)
        refused = len(tries) == MOST and now - tries[0] < SECONDS
        log.warning("sign_in_refused", address=key[0], for_a_minute=refused)


def plain(address: str) -> IPv4Address | IPv6Address:
    """An IPv4 address as itself, though a socket for both kinds writes it as IPv6 (RFC 4291, 2.5.5.2). Raises
    `ValueError` for what is no address."""
    ip = ip_address(address)
    return (ip.ipv4_mapped if isinstance(ip, IPv6Address) else None) or ip


def as_itself(address: str) -> str:
    """As `plain`, for what is no address itself."""
    try:
        return str(plain(address))
    except ValueError:
        return address


def one_address(address: str) -> str:
    """An address as tries are counted by it: an IPv6 /64 is one."""
    try:
        ip = plain(address)
    except ValueError:
        return address
    return str(ip_network((ip, 64), strict=False)) if isinstance(ip, IPv6Address) else str(ip)
