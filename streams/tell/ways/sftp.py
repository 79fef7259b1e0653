"""A parcel and `sftp://user@host[:port]/folder` in, one file out: written as `name.part`, sized, then renamed.

The server's host key is pinned by its fingerprint (option `host_key`); we sign in with a key pair of this destination's
own, or with a password. The connection goes to an address that was judged (`streams.tell.addresses`). After a cut the
same file comes again whole: a half-written `.part` is written anew, one that is there already is left as it is.
"""

import asyncio
import hashlib
import posixpath
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

import asyncssh

from rules.telling.attempts import Failure
from rules.telling.destinations import Destination
from streams.tell.addresses import NotAllowed, resolve
from streams.tell.way import BEARER, Delivered, NotDelivered, Parcel, Secrets

CONNECT_SECONDS: Final = 10.0
ALL_SECONDS: Final = 120.0  # a file of five thousand rows over a slow line
SSH_KEY: Final = "ssh_key"  # name of a secret: a private key as OpenSSH writes it
HOST_KEY: Final = "host_key"  # name of an option: SHA256:…, as `ssh-keygen -l` prints it
USUAL_PORT: Final = 22
_LOST: Final = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.ConnectionLost)
Work = Callable[[asyncssh.SFTPClient, str], Awaitable[Delivered | NotDelivered]]


class Place(NamedTuple):
    """An SFTP address, taken apart."""

    user: str
    host: str
    port: int
    folder: str


class _Pinned(asyncssh.SSHClient):
    """Takes the one host key that is pinned, and remembers what it was shown."""

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        self.shown = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        del host, addr, port
        self.shown = key.get_fingerprint()
        return self.shown == self._fingerprint


def place_of(address: str) -> Place | None:
    """`None`: it is no SFTP address we can use."""
    try:
        parts = urlsplit(address)
        port = parts.port or USUAL_PORT
    except ValueError:
        return None
    if parts.scheme != "sftp" or not parts.hostname or not parts.username or parts.password is not None:
        return None
    return Place(unquote(parts.username), parts.hostname, port, unquote(parts.path) or "/")


def new_ssh_key() -> tuple[str, str]:
    """A fresh private key, and its public line for the server's `authorized_keys`."""
    key = asyncssh.generate_private_key("ssh-ed25519", comment="warm-handoff")
    return key.export_private_key().decode(), key.export_public_key().decode().strip()


class Sftp:
    """Files into a folder of another machine."""

    at_once = 1

    def __init__(self, allowed: tuple[str, ...] = ()) -> None:
        self._allowed = allowed

    async def deliver(self, parcel: Parcel, to: Destination, secrets: Secrets) -> Delivered | NotDelivered:
        if not parcel.name or "/" in parcel.name or parcel.name.startswith("."):
            return NotDelivered(Failure.MISCONFIGURED)
        return await self._signed_in(to, secrets, partial(_put, parcel))

    async def reach(self, to: Destination, secrets: Secrets) -> Delivered | NotDelivered:
        return await self._signed_in(to, secrets, _look)

    async def _signed_in(self, to: Destination, secrets: Secrets, work: Work) -> Delivered | NotDelivered:
        place = place_of(to.address)
        if place is None:
            return NotDelivered(Failure.MISCONFIGURED)
        connection = None
        try:
            async with asyncio.timeout(ALL_SECONDS):
                addresses = await resolve(place.host, place.port, private=to.allow_private, allowed=self._allowed)
                connection = await self._connected(place, addresses, to.options, secrets)
                try:
                    return await work(await connection.start_sftp_client(), place.folder)
                finally:
                    connection.close()
                    await connection.wait_closed()
        except NotAllowed:
            return NotDelivered(Failure.ADDRESS_REFUSED)
        except asyncssh.HostKeyNotVerifiable:
            return NotDelivered(Failure.TLS)
        except (asyncssh.PermissionDenied, asyncssh.KeyImportError):
            return NotDelivered(Failure.NOT_ALLOWED)
        except TimeoutError:
            return NotDelivered(Failure.TIMED_OUT if connection else Failure.NO_CONNECTION)
        except (*_LOST, OSError, UnicodeError):
            return NotDelivered(Failure.CONNECTION_LOST if connection else Failure.NO_CONNECTION)
        except asyncssh.SFTPError:  # no such folder, not ours to write, full
            return NotDelivered(Failure.NO_ROOM)
        except asyncssh.Error:
            return NotDelivered(Failure.BAD_ANSWER)

    async def _connected(
        self, place: Place, addresses: Sequence[str], options: Mapping[str, str], secrets: Secrets
    ) -> asyncssh.SSHClientConnection:
        """To the first of the addresses that takes a connection."""
        for address in addresses[:-1]:
            with suppress(OSError):
                return await self._connection(place, address, options, secrets)
        return await self._connection(place, addresses[-1], options, secrets)

    async def _connection(
        self, place: Place, address: str, options: Mapping[str, str], secrets: Secrets
    ) -> asyncssh.SSHClientConnection:
        key, password = secrets.newest(SSH_KEY), secrets.newest(BEARER)
        return await asyncssh.connect(
            address,
            place.port,
            username=place.user,
            client_factory=lambda: _Pinned(options.get(HOST_KEY, "")),
            known_hosts=([], [], []),
            client_keys=[asyncssh.import_private_key(key)] if key else None,
            password=password or None,
            agent_path=None,
            config=None,
            connect_timeout=CONNECT_SECONDS,
            login_timeout=CONNECT_SECONDS,
        )

    async def close(self) -> None:
        """Nothing is kept open."""


async def fingerprint_of(host: str, port: int) -> str:
    """The fingerprint of the host key a server shows now; to be compared with what its owner says. Raises `OSError`."""
    try:
        key = await asyncio.wait_for(asyncssh.get_server_host_key(host, port, config=None), CONNECT_SECONDS)
    except asyncssh.Error as error:
        raise OSError(type(error).__name__) from None
    return str(key.get_fingerprint()) if key else ""


async def _put(parcel: Parcel, sftp: asyncssh.SFTPClient, folder: str) -> Delivered:
    target = posixpath.join(folder, parcel.name)
    if await _is_there(sftp, target, parcel.body):
        return Delivered("already")
    digest = hashlib.sha256(parcel.body).hexdigest()
    await _whole(sftp, f"{target}.sha256", f"{digest}  {parcel.name}\n".encode())
    await _whole(sftp, target, parcel.body)
    return Delivered("written")


async def _look(sftp: asyncssh.SFTPClient, folder: str) -> Delivered | NotDelivered:
    return Delivered() if await sftp.isdir(folder) else NotDelivered(Failure.NO_ROOM)


async def _is_there(sftp: asyncssh.SFTPClient, path: str, body: bytes) -> bool:
    try:
        if (await sftp.stat(path)).size != len(body):
            return False
        async with sftp.open(path, "rb") as file:
            content: bytes | str = await file.read()
            return content == body
    except asyncssh.SFTPNoSuchFile:
        return False


async def _whole(sftp: asyncssh.SFTPClient, path: str, body: bytes) -> None:
    partial = f"{path}.part"
    try:
        async with sftp.open(partial, "wb") as file:
            await file.write(body)
        if (await sftp.stat(partial)).size != len(body):
            raise asyncssh.SFTPFailure("the server kept less than it was given")
    except asyncssh.SFTPError:
        with suppress(asyncssh.SFTPError):
            await sftp.remove(partial)  # of a full disk it would keep the rest from others
        raise
    try:
        await sftp.posix_rename(partial, path)
    except asyncssh.SFTPOpUnsupported:  # not OpenSSH: a plain rename fails where the target is
        if await sftp.exists(path):
            await sftp.remove(path)
        await sftp.rename(partial, path)
