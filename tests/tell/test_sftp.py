"""Files by SFTP against a server nobody here wrote: whole or not there, to the pinned host only, the same again."""

import asyncio
import errno
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from rules.telling.attempts import Failure
from rules.telling.destinations import FormKind, WayKind
from streams.tell.way import BEARER, Delivered, NotDelivered, Parcel, Secrets
from streams.tell.ways.sftp import HOST_KEY, SSH_KEY, Sftp, fingerprint_of, new_ssh_key, place_of
from tests.rigs.telling import destination

PARCEL = Parcel("a" * 32, b"one\r\ntwo\r\n" * 20_000, "text/csv", name="stays_1.csv")


class Cutting(asyncssh.SFTPServer):
    """Keeps half of a large write and breaks the connection, so many times; may have room for so many bytes only."""

    cuts = 0
    room = 2**40

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        if offset + len(data) > Cutting.room:
            raise OSError(errno.ENOSPC, "full")
        if len(data) > 1000 and Cutting.cuts:
            Cutting.cuts -= 1
            super().write(file_obj, offset, data[: len(data) // 2])
            self.channel.get_connection().abort()
            raise asyncssh.SFTPFailure("cut")
        return super().write(file_obj, offset, data)


class Login(asyncssh.SSHServer):
    connections: list[asyncssh.SSHServerConnection] = []

    def connection_made(self, connection: asyncssh.SSHServerConnection) -> None:
        Login.connections.append(connection)

    def __init__(self, public: str) -> None:
        self._key = asyncssh.import_public_key(public)

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("handoff", "right")

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key == self._key


@asynccontextmanager
async def server(root: Path, public: str):
    key = asyncssh.generate_private_key("ssh-ed25519")
    listening = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[key],
        server_factory=lambda: Login(public),
        sftp_factory=lambda channel: Cutting(channel, chroot=str(root)),
    )
    try:
        yield listening.get_port(), key.get_fingerprint()
    finally:
        listening.close()
        await listening.wait_closed()
        for connection in Login.connections:
            connection.abort()
            await connection.wait_closed()
        Login.connections.clear()
        await asyncio.sleep(0.05)  # transports that were just closed say so to their loop


def files(port: int, pinned: str, folder: str = "in"):
    address = f"sftp://handoff@127.0.0.1:{port}/{folder}"
    options = {HOST_KEY: pinned}
    return destination(form=FormKind.CSV, way=WayKind.SFTP, address=address, allow_private=True, options=options)


def put(root: Path, *secrets: Secrets, pinned: str = "", folder: str = "in", parcel: Parcel = PARCEL) -> list:
    """What each of these secrets comes to; the first public key is the one the server knows."""

    async def all_of_them() -> list:
        private, public = new_ssh_key()
        async with server(root, public) as (port, fingerprint):
            assert await fingerprint_of("127.0.0.1", port) == fingerprint
            to = files(port, pinned or fingerprint, folder)
            given = secrets or (Secrets({SSH_KEY: (private,)}),)
            return [await Sftp().deliver(parcel, to, keys) for keys in given]

    (root / "in").mkdir(exist_ok=True)
    return asyncio.run(all_of_them())


def test_a_file_is_there_whole_with_its_digest_and_again_changes_nothing(tmp_path: Path) -> None:
    password = Secrets({BEARER: ("right",)})
    assert put(tmp_path, password, password) == [Delivered("written"), Delivered("already")]
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["stays_1.csv", "stays_1.csv.sha256"]
    assert (tmp_path / "in" / "stays_1.csv").read_bytes() == PARCEL.body


def test_the_key_pair_that_was_made_for_it_signs_in(tmp_path: Path) -> None:
    assert put(tmp_path) == [Delivered("written")]


def test_whether_one_gets_in_and_the_folder_is_there_is_found_out_without_a_file(tmp_path: Path) -> None:
    async def reached() -> list:
        private, public = new_ssh_key()
        async with server(tmp_path, public) as (port, pinned):
            ours = Secrets({SSH_KEY: (private,)})
            tries = (("in", ours), ("gone", ours), ("in", Secrets({BEARER: ("wrong",)})))
            return [await Sftp().reach(files(port, pinned, folder), secrets) for folder, secrets in tries]

    (tmp_path / "in").mkdir()
    refused = [NotDelivered(Failure.NO_ROOM), NotDelivered(Failure.NOT_ALLOWED)]
    assert asyncio.run(reached()) == [Delivered(), *refused]
    assert not list((tmp_path / "in").iterdir())


def test_a_cut_leaves_no_half_file_under_the_name_and_the_same_file_comes_again(tmp_path: Path) -> None:
    Cutting.cuts = 1
    password = Secrets({BEARER: ("right",)})
    first, second = put(tmp_path, password, password)
    assert first == NotDelivered(Failure.CONNECTION_LOST)
    assert second == Delivered("written")
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["stays_1.csv", "stays_1.csv.sha256"]
    assert (tmp_path / "in" / "stays_1.csv").read_bytes() == PARCEL.body


def test_a_full_disk_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cutting, "room", 60_000)
    assert put(tmp_path, Secrets({BEARER: ("right",)})) == [NotDelivered(Failure.NO_ROOM)]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["stays_1.csv.sha256"], "no half of a file"


def test_a_line_that_is_cut_by_its_own_machine_may_have_carried_the_file(tmp_path: Path) -> None:
    async def cut(*_: object) -> Delivered:
        raise ConnectionResetError

    async def said() -> list:
        private, public = new_ssh_key()
        async with server(tmp_path, public) as (port, pinned):
            to, keys = files(port, pinned), Secrets({SSH_KEY: (private,)})
            nobody = files(port, pinned).model_copy(update={"address": "sftp://handoff@127.0.0.1:1/in"})
            return [await Sftp()._signed_in(where, keys, cut) for where in (to, nobody)]

    assert asyncio.run(said()) == [NotDelivered(Failure.CONNECTION_LOST), NotDelivered(Failure.NO_CONNECTION)]


def test_what_a_server_refuses_and_a_server_that_is_another(tmp_path: Path) -> None:
    wrong, right = Secrets({BEARER: ("wrong",)}), Secrets({BEARER: ("right",)})
    assert put(tmp_path, wrong) == [NotDelivered(Failure.NOT_ALLOWED)]
    assert put(tmp_path, right, pinned="SHA256:" + "A" * 43) == [NotDelivered(Failure.TLS)]
    assert put(tmp_path, right, folder="gone") == [NotDelivered(Failure.NO_ROOM)]
    assert put(tmp_path, right, parcel=PARCEL._replace(name="../x")) == [NotDelivered(Failure.MISCONFIGURED)]
    assert not list((tmp_path / "in").iterdir())


def test_nobody_there_and_one_s_own_network() -> None:
    async def to(address: str, private: bool):
        where = files(9, "x").model_copy(update={"address": address, "allow_private": private})
        return await Sftp().deliver(PARCEL, where, Secrets({BEARER: ("right",)}))

    assert asyncio.run(to("sftp://a@127.0.0.1:9/in", True)) == NotDelivered(Failure.NO_CONNECTION)
    assert asyncio.run(to("sftp://a@127.0.0.1:9/in", False)) == NotDelivered(Failure.ADDRESS_REFUSED)


@pytest.mark.parametrize("address", ["sftp://host/in", "sftp://a:b@host/in", "ftp://a@host/in", "sftp://a@host:x/in"])
def test_what_is_no_address(address: str) -> None:
    assert place_of(address) is None
