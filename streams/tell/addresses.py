"""Where an address really leads: a host and a port in, the addresses that may be connected to or why none out.

A destination is given by somebody outside this process, so it must not reach what only this machine can reach
(server-side request forgery). The name is resolved here, every address it has is looked at, and the connection is made
to the address that was looked at, for each attempt anew; a name that changes its mind in between gains nothing.
"""

import asyncio
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
RESOLVE_SECONDS: Final = 5.0
_NOT_PUBLIC: Final = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
        *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/3", "::/3", "4000::/2", "8000::/1", "2001::/23", "2001:db8::/32", "3fff::/20"),
    )
)  # RFC 6890 and the IANA special-purpose registries; of IPv6 all but the global unicast addresses, 2000::/3
_NEVER: Final = tuple(  # link-local, where machines of a cloud read their own credentials, and where some do beside it
    ip_network(text)
    for text in (
        *("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128"),  # the last: AWS
        *("100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),  # Alibaba, Azure, Oracle
    )
)
_MAPPED: Final = tuple(IPv6Network(text) for text in ("::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96"))
_RESOLVERS: Final = ThreadPoolExecutor(32, "resolve")  # of our own: a name that hangs must not hold up the store
_TO_6TO4: Final = IPv6Network("2002::/16")


class NotAllowed(Exception):
    """The address may not be used; the text says why and holds neither credentials nor a path."""


class Target(NamedTuple):
    """An HTTP address, taken apart and looked at."""

    scheme: str
    host: str
    port: int
    path: str  # with its query
    addresses: tuple[str, ...]

    @property
    def authority(self) -> str:
        usual = {"https": 443, "http": 80}.get(self.scheme)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == usual else f"{host}:{self.port}"


def public(address: IPAddress) -> bool:
    """Whether an address lies outside every private and special range, also when it hides an IPv4 one."""
    return not _among(address, _NOT_PUBLIC)


def forbidden(address: IPAddress) -> bool:
    """Whether no destination may ever lie there, whoever allows it; also when the address hides an IPv4 one."""
    return _among(address, _NEVER)


def _among(address: IPAddress, networks: Iterable[IPNetwork]) -> bool:
    address = _inner(address)
    return any(address.version == network.version and address in network for network in networks)


def _inner(address: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv6 one leads to, else the address itself."""
    if isinstance(address, IPv6Address):
        if any(address in network for network in _MAPPED):
            return IPv4Address(int(address) & 0xFFFFFFFF)
        if address in _TO_6TO4:
            return IPv4Address((int(address) >> 80) & 0xFFFFFFFF)
    return address


def split_url(url: str, *, plain: bool) -> SplitResult:
    """The parts of an address we may speak HTTP to. `plain`: without TLS, too. Raises `NotAllowed`."""
    if any(character <= " " or character == "\x7f" for character in url):
        raise NotAllowed("the address holds a space or a control character")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise NotAllowed("the address is not a URL") from None
    if parts.scheme not in ({"https", "http"} if plain else {"https"}):
        raise NotAllowed("the address must begin with https://")
    if not parts.hostname:
        raise NotAllowed("the address names no host")
    if parts.username is not None or parts.password is not None:
        raise NotAllowed("the address must not hold a user or a password")
    if port is not None and port < 1024 and port not in (80, 443) and not plain:
        raise NotAllowed("ports below 1024 are refused, except 80 and 443")
    return parts


async def look_up(url: str, *, private: bool, allowed: Iterable[str] = ()) -> Target:
    """Resolve and judge the host of a URL. `private`: the own network is allowed. `allowed`: CIDR ranges that are, too.
    Without TLS nothing goes anywhere else.

    Raises `NotAllowed`, and `OSError` when the name leads nowhere.
    """
    parts = split_url(url, plain=private)
    host = str(parts.hostname)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    addresses = await resolve(host, port, private=private, allowed=allowed, plain=parts.scheme == "http")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path, addresses)


async def resolve(
    host: str, port: int, *, private: bool, allowed: Iterable[str] = (), plain: bool = False
) -> tuple[str, ...]:
    """Every address of a host, none of which is forbidden. `plain`: what goes there is not encrypted, so it must not
    leave the own network. Raises `NotAllowed`, `OSError`.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(RESOLVE_SECONDS):
        entries = await loop.run_in_executor(
            _RESOLVERS, partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        )
    addresses = tuple(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in entries))
    ranges = [ip_network(text) for text in allowed]
    for text in addresses:
        address = ip_address(text)
        ours = any(address.version == network.version and address in network for network in ranges)
        if forbidden(address):
            raise NotAllowed("the address is link-local or a cloud's own, which no destination may be")
        if not (private or ours or public(address)):
            raise NotAllowed("the address lies in a private or special network")
        if plain and public(address) and not ours:
            raise NotAllowed("nothing goes without TLS beyond the own network")
    if not addresses:
        raise NotAllowed("the address leads nowhere")
    return addresses
