"""A socket and an address in; bound there, alone or beside other processes of ours. And who can reach an address."""

import ipaddress
import socket
from typing import Any


def open_to_others(host: str) -> bool:
    """Whether other machines can reach what listens there."""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def bind(listening: socket.socket, address: tuple[Any, ...], *, shared: bool) -> None:
    """Bind, also right after a process that listened there. `shared`: the kernel deals new connections out among all
    processes of this user that listen there so (SO_REUSEPORT of Linux). Raises `OSError`."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind(address)
