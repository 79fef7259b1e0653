"""Several processes behind one port: the kernel deals connections out, and who has ended gets none."""

import socket
from contextlib import closing

import pytest

from streams.run.listening import bind


def listening(port: int, *, shared: bool) -> socket.socket:
    made = socket.socket()
    try:
        bind(made, ("127.0.0.1", port), shared=shared)
    except OSError:
        made.close()
        raise
    made.listen(8)
    made.settimeout(10)
    return made


def test_a_port_is_shared_only_by_those_who_say_so(port: int) -> None:
    with closing(listening(port, shared=True)), pytest.raises(OSError, match="in use"):
        listening(port, shared=False)
    with closing(listening(port, shared=False)), pytest.raises(OSError, match="in use"):
        listening(port, shared=True)


def test_who_stays_takes_the_connections_of_who_has_ended(port: int) -> None:
    with closing(listening(port, shared=True)) as stays:
        listening(port, shared=True).close()
        for _ in range(8):
            with socket.create_connection(("127.0.0.1", port), 10):
                stays.accept()[0].close()
