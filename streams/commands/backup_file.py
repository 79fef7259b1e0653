"""Members in, one sealed file out; and back, every byte checked before anything is used.

A backup is a tar of named members, cut into pieces of 1 MiB, each sealed with AES-256-GCM under a key of its own file.
A nonce is the file's random prefix and the piece's number, and the last piece says that it is the last (the STREAM
construction): a piece that is changed, moved, doubled or cut off is noticed, and where reading ends is never in doubt.
"""

import io
import os
import secrets
import struct
from pathlib import Path
from typing import IO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from streams.run.problems import Problem

_MAGIC: Final = b"warm-handoff backup 1\n"
_PREFIX: Final = 8  # bytes of a nonce that are the file's own
_PIECE: Final = 1024 * 1024
_TAG: Final = 16
_KEY_BYTES: Final = 32


def backup_key(path: Path, *, make: bool) -> bytes:
    """The key in the file `path` (64 hex digits); with `make`, a new one where there is no file yet.

    Raises `Problem` when there is none, or none that could be one.
    """
    try:
        if make and not path.exists():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(_KEY_BYTES) + "\n")
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        do = "name a place for it" if make else "give --key-file the key the backup was made with"
        raise Problem(f"the key {path} cannot be {'made' if make else 'read'} ({error.strerror}): {do}") from None
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise Problem(f"{path} holds no backup key: expected 64 hex digits")
    return key


class Sealing(io.RawIOBase):
    """What is written to it goes sealed into `out`; nothing is whole before `close`."""

    def __init__(self, out: IO[bytes], key: bytes) -> None:
        self._out, self._cipher, self._count = out, AESGCM(key), 0
        self._prefix = secrets.token_bytes(_PREFIX)
        self._kept = bytearray()
        out.write(_MAGIC + self._prefix)

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        self._kept += view
        while len(self._kept) > _PIECE:
            self._seal(bytes(self._kept[:_PIECE]), last=False)
            del self._kept[:_PIECE]
        return view.nbytes

    def close(self) -> None:
        if not self.closed:
            self._seal(bytes(self._kept), last=True)
            self._out.flush()
            os.fsync(self._out.fileno())
        super().close()

    def _seal(self, piece: bytes, *, last: bool) -> None:
        self._out.write(self._cipher.encrypt(_nonce(self._prefix, self._count), piece, b"last" if last else b""))
        self._count += 1


class Unsealing(io.RawIOBase):
    """Reads what `Sealing` wrote. Raises `Problem` for another key and for a file that is not whole."""

    def __init__(self, source: IO[bytes], key: bytes) -> None:
        self._source, self._cipher, self._count = source, AESGCM(key), 0
        head = source.read(len(_MAGIC) + _PREFIX)
        if not head.startswith(_MAGIC) or len(head) < len(_MAGIC) + _PREFIX:
            raise Problem("this is no backup of Warm Handoff, or one of another version")
        self._prefix = head[len(_MAGIC) :]
        self._next = source.read(_PIECE + _TAG)
        self._piece = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, into: object) -> int:
        view = memoryview(into)  # type: ignore[arg-type]
        while not self._piece and not self._ended:
            self._piece = memoryview(self._open())
        count = min(len(view), len(self._piece))
        view[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def _open(self) -> bytes:
        sealed, self._next = self._next, self._source.read(_PIECE + _TAG)
        self._ended = not self._next
        try:
            piece = self._cipher.decrypt(_nonce(self._prefix, self._count), sealed, b"last" if self._ended else b"")
        except InvalidTag:
            what = (
                "the key is another one, or the file was changed" if self._count == 0 else "it was cut short or changed"
            )
            raise Problem(f"the backup cannot be opened: {what}") from None
        self._count += 1
        return piece


def _nonce(prefix: bytes, number: int) -> bytes:
    return prefix + struct.pack(">I", number)
