"""What all senders together may take of this machine: a socket in, its `Place` or the word why there is none out.

Connections are counted before any handshake, MLLP and HTTP as one, for each peer and in all; an IPv6 network of 64 bits
is one peer, for whoever has one address of it has all. When room is short the silent go first: who has brought nothing
yet, then who has said nothing for long. Bytes are counted in one budget, reserved before they are read where it is
known how many will come; who hoards most of it goes when others need room. File descriptors are the third thing that
can run out: some are kept back for the journal and the store.
"""

import asyncio
import errno
import ipaddress
import os
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Final, Protocol

import structlog

from streams.run import metrics
from streams.run.metrics import Way
from streams.run.settings import Settings

log = structlog.get_logger()

_LARGE: Final = 65536  # an unfinished message below this is never the one to go
_SILENT_SECONDS: Final = 3.0  # after its start, for a connection that brought no message
_QUIET_SECONDS: Final = 60.0  # after its last bytes, for one that did
_KEPT_BACK: Final = 64  # file descriptors for the journal, the store, the broker and the scrape address
_SAY_AGAIN_SECONDS: Final = 60.0
_MOST_SAID: Final = 1000
OUT_OF_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Closed(StrEnum):
    """How a connection ended."""

    PEER = "peer"  # orderly, between frames
    IN_FRAME = "in_frame"  # the peer went away with a frame unfinished
    LOST = "lost"  # reset
    IDLE = "idle"
    FRAME_TIMEOUT = "frame_timeout"
    WRITE_TIMEOUT = "write_timeout"
    BUFFERS_FULL = "buffers_full"
    NOT_MLLP = "not_mllp"
    TLS_FAILED = "tls_failed"
    TOO_MANY = "too_many"
    TOO_MANY_OF_PEER = "too_many_of_peer"
    MADE_ROOM = "made_room"  # silent, when others wanted in
    NO_FILES = "no_files"  # no file descriptor left
    REVOKED = "revoked"  # its certificate, while it stood
    STOPPING = "stopping"
    CRASHED = "crashed"  # a bug of ours


def raise_file_limit(wanted: int) -> int:
    """Raises the soft limit of open files to what so many connections need, as far as the hard one lets; gives it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted + 4 * _KEPT_BACK
    target = most if hard == resource.RLIM_INFINITY else min(hard, most)
    if soft != resource.RLIM_INFINITY and soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    return _file_limit()


def _file_limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 30 if soft == resource.RLIM_INFINITY else soft


def peer_of(host: str) -> str:
    """Whom an address stands for: itself, or the IPv6 network of 64 bits it is in."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


class Holder(Protocol):
    """Somebody whose unfinished message is in the budget."""

    unfinished: int

    def end(self, outcome: Closed) -> None:
        """Gives up the unfinished message."""


class Place:
    """One connection's place. `end` is called when it must go."""

    __slots__ = ("brought", "end", "heard", "peer", "way")

    def __init__(self, peer: str, way: Way, end: Callable[[Closed], None]) -> None:
        self.peer = peer
        self.way = way
        self.end = end
        self.heard = time.monotonic()  # of the last bytes of a message
        self.brought = False  # whether it brought a message that we keep

    def silent(self, now: float) -> bool:
        return now - self.heard >= (_QUIET_SECONDS if self.brought else _SILENT_SECONDS)


class Limits:
    """The counts of all connections and bytes of one listener."""

    def __init__(self, settings: Settings) -> None:
        files = _file_limit()
        self.most = max(1, min(settings.max_connections, files - min(_KEPT_BACK, files * 3 // 4)))
        self.most_of_peer = settings.max_connections_per_peer
        self.most_bytes = settings.max_buffered_bytes
        self.peers: Counter[str] = Counter()
        self.held = 0
        self.holders: set[Holder] = set()
        self._places: dict[Place, None] = {}
        self._freed = asyncio.Event()
        self._looked_in_vain = 0.0
        self._said: dict[tuple[Closed, str], float] = {}

    def enter(self, host: str, way: Way, end: Callable[[Closed], None]) -> Place | Closed:
        """A place for a new connection, or why there is none."""
        peer = peer_of(host)
        if self.peers[peer] >= self.most_of_peer and not self._make_room(peer):
            return self._refused(Closed.TOO_MANY_OF_PEER, way, host)
        if len(self._places) >= self.most and not self._make_room(None):
            return self._refused(Closed.TOO_MANY, way, host)
        place = Place(peer, way, end)
        self._places[place] = None
        self.peers[peer] += 1
        metrics.CONNECTIONS.labels(way).inc()
        return place

    def leave(self, place: Place) -> None:
        if place not in self._places:
            return
        del self._places[place]
        self.peers[place.peer] -= 1
        if self.peers[place.peer] <= 0:
            del self.peers[place.peer]
        metrics.CONNECTIONS.labels(place.way).dec()

    def _make_room(self, peer: str | None) -> bool:
        now = time.monotonic()
        if peer is None and now - self._looked_in_vain < 0.1:
            return False
        silent = [place for place in self._places if place.silent(now) and peer in (None, place.peer)]
        if not silent:
            self._looked_in_vain = now if peer is None else self._looked_in_vain
            return False
        going = min(silent, key=lambda place: (place.brought, place.heard))
        self.leave(going)
        going.end(Closed.MADE_ROOM)
        return True

    def _refused(self, why: Closed, way: Way, host: str) -> Closed:
        if not self.peers[peer_of(host)]:
            del self.peers[peer_of(host)]
        self.say_refused(why, way, host)
        return why

    def say_refused(self, why: Closed, way: Way, host: str) -> None:
        """Counts a connection that was not taken; logged once a minute for each peer, so floods fill no logs."""
        metrics.CONNECTIONS_REFUSED.labels(way).inc()
        now = time.monotonic()
        key = (why, peer_of(host))
        if now - self._said.get(key, -_SAY_AGAIN_SECONDS) < _SAY_AGAIN_SECONDS:
            return
        if len(self._said) >= _MOST_SAID:
            self._said.clear()
        self._said[key] = now
        log.warning("connection_refused", why=why, way=way, peer=host)

    def hold(self, size: int) -> None:
        self.held += size
        metrics.BUFFERED.set(self.held)

    def release(self, size: int) -> None:
        self.held -= size
        metrics.BUFFERED.set(self.held)
        self._freed.set()

    async def room(self) -> None:
        """Returns when another read is affordable; makes room where somebody hoards."""
        while self.held > self.most_bytes:
            self._freed.clear()
            self._end_largest(_LARGE)
            await self._freed.wait()

    async def reserve(self, size: int, seconds: float = 1.0) -> bool:
        """Holds so many bytes before they are there; False when there is no room for them in time."""
        if size > self.most_bytes:
            return False
        try:
            async with asyncio.timeout(seconds):
                while self.held + size > self.most_bytes:
                    self._freed.clear()
                    if not self._end_largest(max(_LARGE, size)):
                        return False
                    await self._freed.wait()
        except TimeoutError:
            return False
        self.hold(size)
        return True

    def _end_largest(self, above: int) -> bool:
        largest = max(self.holders, key=lambda holder: holder.unfinished, default=None)
        if largest is None or largest.unfinished <= above:
            return False
        largest.end(Closed.BUFFERS_FULL)
        return True


class Acceptor:
    """Takes connections from one listening socket, and goes on when there is no file descriptor for them."""

    def __init__(
        self, listening: socket.socket, way: Way, limits: Limits, serve: Callable[[socket.socket, str], None]
    ) -> None:
        self._listening = listening
        self._way = way
        self._limits = limits
        self._serve = serve
        self._spare: int | None = None
        self.task = asyncio.create_task(self._accept())

    def close(self) -> None:
        self.task.cancel()
        self._listening.close()
        self._drop_spare()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        self._keep_spare()
        while True:
            try:
                peer, address = await loop.sock_accept(self._listening)
            except OSError as error:
                if error.errno in OUT_OF_FILES:
                    self._turn_away()
                else:
                    log.error("cannot_accept", way=self._way, errno=error.errno)
                await asyncio.sleep(0.05)
                continue
            self._serve(peer, str(address[0]))

    def _turn_away(self) -> None:
        """Closes one that waits, with the descriptor kept for it, so that it is not left hanging."""
        self._drop_spare()
        try:
            peer, address = self._listening.accept()
            peer.close()
            self._limits.say_refused(Closed.NO_FILES, self._way, str(address[0]))
            metrics.CONNECTIONS_CLOSED.labels(Closed.NO_FILES).inc()
        except OSError:
            self._limits.say_refused(Closed.NO_FILES, self._way, "")
        self._keep_spare()

    def _keep_spare(self) -> None:
        try:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._spare = None

    def _drop_spare(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
