"""A parcel and a folder in, one file out: written under another name, synced, then renamed: whole or not there.

A file of the same name and content is the same delivery come again and is left as it is. Beside each lies its SHA-256.
"""

import asyncio
import hashlib
import os
from contextlib import suppress
from pathlib import Path

from rules.telling.attempts import Failure
from rules.telling.destinations import Destination
from streams.tell.way import Delivered, NotDelivered, Parcel, Secrets


class Folder:
    """Files into a folder of this machine."""

    at_once = 1

    async def deliver(self, parcel: Parcel, to: Destination, secrets: Secrets) -> Delivered | NotDelivered:
        del secrets
        return await asyncio.to_thread(_write, Path(to.address), parcel)

    async def reach(self, to: Destination, secrets: Secrets) -> Delivered | NotDelivered:
        del secrets
        return await asyncio.to_thread(_look, Path(to.address))

    async def close(self) -> None:
        """Nothing is kept open."""


def _look(folder: Path) -> Delivered | NotDelivered:
    if not folder.is_dir():
        return NotDelivered(Failure.NO_CONNECTION)
    return Delivered() if os.access(folder, os.W_OK | os.X_OK) else NotDelivered(Failure.NO_ROOM)


def _write(folder: Path, parcel: Parcel) -> Delivered | NotDelivered:
    if not parcel.name or "/" in parcel.name or parcel.name.startswith("."):
        return NotDelivered(Failure.MISCONFIGURED)
    try:
        if not folder.is_dir():
            return NotDelivered(Failure.NO_CONNECTION)
        target = folder / parcel.name
        if target.exists() and target.read_bytes() == parcel.body:
            return Delivered("already")
        digest = hashlib.sha256(parcel.body).hexdigest()
        _whole(folder / f"{parcel.name}.sha256", f"{digest}  {parcel.name}\n".encode())
        _whole(target, parcel.body)
    except OSError:
        return NotDelivered(Failure.NO_ROOM)
    try:
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError:  # it is there to be read, if nobody knows for how long
        return NotDelivered(Failure.CONNECTION_LOST)
    return Delivered("written")


def _whole(path: Path, body: bytes) -> None:
    partial = path.with_name(f"{path.name}.part")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()  # of a full disk it would keep the rest from others
        raise
