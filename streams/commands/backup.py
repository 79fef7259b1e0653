"""A data folder in, one sealed file out; and that file in, another data folder out on which everything goes on.

The store is copied first and the journal after it: a message that came to its end in between is played back once more
and found to have ended; the other way round it would be missing. With Apache Kafka and PostgreSQL the messages and the
store lie there, with their own means of copying, and only settings and keys are ours.
"""

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final, NamedTuple

import typer

from rules.policy.office import OFFICE_ZONE
from streams import __version__
from streams.commands.backup_file import Sealing, Unsealing, backup_key
from streams.commands.printing import print_json
from streams.run.files import private_folder
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.store import Damaged, Store, StoreOutdated, Unavailable
from streams.store.copying import check_sqlite, copy_of_sqlite
from streams.store.keeping_up import BACKED_UP
from streams.store.opening import open_store, said_of

STORE: Final = "handoff.sqlite3"
_SUMS: Final = "SHA256.json"
_SEGMENTS: Final = ("*.ended", "*.journal")
_GUIDES: Final = "guides"  # where `handoff rules guides` writes them


class BackedUp(NamedTuple):
    """What a backup holds: path within the data folder to SHA-256."""

    made_at: str
    version: str
    sums: dict[str, str]


def run_backup(settings: Settings, to: Path, key_file: Path, *, as_json: bool) -> int:
    """Write the backup `to`; gives 0. Raises `Problem`."""
    if to.exists():
        raise Problem(f"{to} is there already: name a new file, backups are never overwritten")
    folder = settings.data_dir
    if not folder.is_dir():
        raise Problem(f"there is no data folder {folder}: set HANDOFF_DATA_DIR")
    new_key = not key_file.exists()
    key = backup_key(key_file, make=True)
    draft = to.with_name(f".{to.name}.partial")
    try:
        with draft.open("xb") as out:
            draft.chmod(0o600)
            with Sealing(out, key) as sealing:
                held = _write(settings, sealing)
        draft.replace(to)
    except FileExistsError:
        raise Problem(f"{draft} is there: another backup is being made, or one was broken off; remove it") from None
    except OSError as error:
        raise Problem(f"the backup cannot be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)
    _note(settings, held.made_at)
    if as_json:
        print_json({"file": str(to), "files": len(held.sums), "bytes": to.stat().st_size, "made_at": held.made_at})
        return 0
    typer.echo(f"{to}: {len(held.sums)} files, {to.stat().st_size:,} bytes.")
    if new_key:
        typer.echo(
            f"The key is in {key_file}, made just now: keep it elsewhere, without it nobody can open the backup."
        )
    if settings.hash_key.get_secret_value():
        typer.echo(
            "HANDOFF_HASH_KEY is not in this file: keep it as well, without it the store cannot be gone on with."
        )
    if settings.database_url.get_secret_value():
        typer.echo("The store is in PostgreSQL and not in this file: run `pg_dump -Fc` with it, first.")
    if not settings.embedded:
        typer.echo("Messages not decided yet are on Apache Kafka and not in this file.")
    return 0


def run_restore(backup: Path, to: Path | None, key_file: Path, *, as_json: bool) -> int:
    """Bring a backup back into the new folder `to`, or with `None` only read it whole; gives 0. Raises `Problem`."""
    key = backup_key(key_file, make=False)
    if to and to.exists() and any(to.iterdir()):
        raise Problem(f"{to} is not empty: restore into a new folder, then set HANDOFF_DATA_DIR to it")
    try:
        if to:
            to.absolute().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=to.absolute().parent if to else None) as name:
            draft = private_folder(Path(name) / "data")
            held = _read(backup, key, draft)
            if to:
                draft.replace(to)  # also in the place of an empty one
    except OSError as error:
        raise Problem(f"the backup cannot be brought back to {to}: {error.strerror}") from None
    if as_json:
        print_json({"files": len(held.sums), "made_at": held.made_at, "version": held.version, "restored": bool(to)})
        return 0
    typer.echo(f"{len(held.sums)} files of {held.made_at}, each whole" + ("." if to else ": it can be restored."))
    if to:
        typer.echo(
            f"Go on with HANDOFF_DATA_DIR={to} handoff up; what hospitals sent after the backup they must send again."
        )
    return 0


def _note(settings: Settings, made_at: str) -> None:
    """Tell the store when; one that awaits its migration, before which people make a backup, is not touched."""
    try:
        with open_store(settings, migrate=False, office=OFFICE_ZONE) as store:
            store.keeping_up.note_fact(BACKED_UP, made_at, replace=True)
    except StoreOutdated:
        pass


def _write(settings: Settings, sealing: IO[bytes] | io.RawIOBase) -> BackedUp:
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    sums: dict[str, str] = {}
    with (
        tempfile.TemporaryDirectory(prefix=".backup-", dir=settings.data_dir) as name,
        tarfile.open(fileobj=sealing, mode="w|", bufsize=1024 * 1024) as tar,
    ):
        for member, path in _members(settings, Path(name)):
            try:
                data = path.open("rb")
            except FileNotFoundError:  # a segment whose messages had all ended was deleted meanwhile
                continue
            with data:
                size = data.seek(0, io.SEEK_END)
                data.seek(0)
                sums[member] = _add(tar, member, data, size)
        held = BackedUp(made_at, __version__, sums)
        said = json.dumps(held._asdict()).encode()
        _add(tar, _SUMS, io.BytesIO(said), len(said))
    return held


def _members(settings: Settings, scratch: Path) -> Iterator[tuple[str, Path]]:
    folder = settings.data_dir
    if not settings.database_url.get_secret_value():
        copy = scratch / STORE
        if (folder / STORE).exists():
            try:
                copy_of_sqlite(folder / STORE, copy)
            except Unavailable as error:
                raise Problem(said_of(error, settings)) from None
            yield STORE, copy
            copy.unlink()
    for path in sorted({folder / "hash.key", *folder.glob("*.toml"), *folder.glob("*.pem")}):
        if path.is_file():
            yield path.name, path
    for path in sorted((folder / _GUIDES).glob("*.toml")):
        yield f"{_GUIDES}/{path.name}", path
    for pattern in _SEGMENTS:
        for path in sorted((folder / "journal").glob(pattern)):
            yield f"journal/{path.name}", path


class _Summed(io.RawIOBase):
    """Exactly `size` bytes of a file that may still grow, with their SHA-256."""

    def __init__(self, data: IO[bytes], size: int) -> None:
        self._data, self._left, self.sum = data, size, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._data.read(min(size, self._left) if size >= 0 else self._left)
        self._left -= len(data)
        self.sum.update(data)
        return data


def _add(tar: tarfile.TarFile, member: str, data: IO[bytes], size: int) -> str:
    entry = tarfile.TarInfo(member)
    entry.size, entry.mode = size, 0o600
    summed = _Summed(data, size)
    tar.addfile(entry, summed)
    return summed.sum.hexdigest()


def _read(backup: Path, key: bytes, into: Path) -> BackedUp:
    """Unpack into the folder `into`; what does not fit its sum, or is not a store of ours, is a `Problem`."""
    sums: dict[str, str] = {}
    said = b""
    try:
        with (
            backup.open("rb") as source,
            io.BufferedReader(Unsealing(source, key), 1024 * 1024) as plain,
            tarfile.open(fileobj=plain, mode="r|") as tar,
        ):
            for entry in tar:
                data = tar.extractfile(entry) if entry.isfile() else None
                if data is None or not _is_ours(entry.name):
                    raise Problem("the backup holds something that no backup of ours holds")
                if entry.name == _SUMS:
                    said = data.read()
                else:
                    sums[entry.name] = _unpack(data, into / entry.name)
    except OSError as error:
        raise Problem(f"the backup cannot be brought back: {error.strerror}") from None
    except tarfile.TarError:
        raise Problem("the backup cannot be brought back: it was cut short or changed") from None
    held = BackedUp(**json.loads(said)) if said else BackedUp("", "", {})
    if not said or held.sums != sums:
        raise Problem("the backup is not whole: take another one")
    if STORE in sums:
        _check_store(into / STORE)
    return held


def _is_ours(name: str) -> bool:
    parts = name.split("/")
    return (
        not name.startswith("/")
        and ".." not in parts
        and (len(parts) == 1 or (len(parts) == 2 and parts[0] in {"journal", _GUIDES}))
    )


def _unpack(data: IO[bytes], to: Path) -> str:
    private_folder(to.parent)
    digest = hashlib.sha256()
    with to.open("xb") as out:
        to.chmod(0o600)
        while piece := data.read(1024 * 1024):
            digest.update(piece)
            out.write(piece)
    return digest.hexdigest()


def _check_store(path: Path) -> None:
    try:
        check_sqlite(path)
        Store.open(f"sqlite:///{path.absolute()}", migrate=True).close()
    except Damaged:
        raise Problem("the store in the backup is damaged: take an earlier backup") from None
    except StoreOutdated:
        raise Problem("the backup was made by a newer handoff: install that or a later one, and restore then") from None
    except Unavailable as error:
        raise Problem(f"the store in the backup cannot be opened here ({error})") from None
