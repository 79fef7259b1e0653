"""Folders that feeds are dropped into, watched: files in, their messages taken once, acknowledged beside them, out.

A file is taken when it has not changed for a few seconds. It is moved to `.taking` first, so one process has it; then
to `done`, or to `failed` when a message of it was refused; `NAME.ack` lies in the folder for the sender. One process
watches a folder; what it had in hand when it ended is gone on with.
"""

import asyncio
import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from parsers.feeds import Feed, Feeds
from streams.listen.drop_file import settled_of, take_file
from streams.listen.folder_lock import FolderHeld, FolderLock
from streams.listen.intake import Door
from streams.listen.senders import Caller
from streams.run import metrics

log = structlog.get_logger()
LOOK_SECONDS: Final = 1.0
STILL_SECONDS: Final = 4.0
DONE_DAYS: Final = 7  # as the topic of raw messages
FAILED_DAYS: Final = 30  # as that of rejects
TAKING: Final = ".taking"
LOCK: Final = "lock"
NOT_WHOLE: Final = frozenset({".part", ".partial", ".filepart", ".tmp"})
_FORGET_SECONDS: Final = 3600.0
_DAY: Final = 86_400.0


class FileSaid(StrEnum):
    """What became of a file, and the folder it is moved to."""

    DONE = "done"
    FAILED = "failed"  # a message of it was refused, or it is no whole batch: its .ack says which


class _Seen(NamedTuple):
    size: int
    changed: int
    since: float  # by our own clock


class DropFolders:
    """Watches the `folder` of each feed that has one."""

    def __init__(self, feeds: Callable[[], Feeds], door: Door, max_bytes: int) -> None:
        self._feeds = feeds
        self._door = door
        self._max_bytes = max_bytes
        self._locks: dict[str, FolderLock] = {}
        self._seen: dict[Path, _Seen] = {}
        self._trouble: dict[str, str] = {}
        self._forgot: dict[str, float] = {}

    async def run(self) -> None:
        """Until it is cancelled. A folder that cannot be used is said once, and looked at again."""
        running: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for feed in self._feeds().feeds:
                    task = running.get(feed.name)
                    if task is not None and task.done():
                        task.result()
                    if feed.folder and (task is None or task.done()):
                        running[feed.name] = asyncio.create_task(self.look(feed))
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for task in running.values():
                task.cancel()
            await asyncio.gather(*running.values(), return_exceptions=True)
            for lock in self._locks.values():
                lock.release()

    async def look(self, feed: Feed) -> None:
        """Takes what lies whole in the folder of a feed. One that cannot be taken now holds up no other."""
        folder, trouble = Path(feed.folder), ""
        try:
            for name in (TAKING, *FileSaid):
                await asyncio.to_thread(_own_folder, folder / name)
            if feed.folder not in self._locks:
                self._locks[feed.folder] = FolderLock.take(folder / TAKING / LOCK, "handoff listen")
                await asyncio.to_thread(_give_acks, folder)
            for path in await asyncio.to_thread(self._whole, folder):
                try:
                    await self._take(feed, folder, path)
                except OSError as error:
                    trouble = type(error).__name__
            await asyncio.to_thread(self._forget, folder)
        except FolderHeld:
            return
        except OSError as error:
            trouble = type(error).__name__
        self._say(feed.name, trouble)

    def _say(self, feed: str, trouble: str) -> None:
        metrics.DROP_UP.labels(feed).set(0 if trouble else 1)
        if trouble and self._trouble.get(feed) != trouble:
            log.warning("drop_folder_not_usable", feed=feed, error=trouble)
        self._trouble[feed] = trouble

    def _whole(self, folder: Path) -> list[Path]:
        """Files in hand already, and those that have been still for long enough, in the order of their names."""
        taking = [path for path in _files(folder / TAKING) if path.name != LOCK and path.suffix not in _OURS]
        now, still = time.monotonic(), []
        there = dict(_stats(folder))
        for path, (size, changed) in sorted(there.items()):
            seen = self._seen.get(path)
            if seen is None or (seen.size, seen.changed) != (size, changed):
                self._seen[path] = _Seen(size, changed, now)
            elif now - seen.since >= STILL_SECONDS:
                still.append(path)
        for path in [seen_path for seen_path in self._seen if seen_path.parent == folder and seen_path not in there]:
            del self._seen[path]
        return [*sorted(taking), *still]

    async def _take(self, feed: Feed, folder: Path, path: Path) -> None:
        inside = await asyncio.to_thread(_claim, folder, path)
        caller = Caller("", folder=feed.folder)
        settled = await take_file(self._door, inside, feed.name, caller, self._max_bytes)
        said = FileSaid.FAILED if settled.refused else FileSaid.DONE
        await asyncio.to_thread(_put_away, folder, inside, said)
        metrics.DROP_FILES.labels(feed.name, said).inc()
        log.info("file_taken", feed=feed.name, said=said.value, messages=settled.items, refused=settled.refused)

    def _forget(self, folder: Path) -> None:
        if time.monotonic() - self._forgot.get(str(folder), float("-inf")) < _FORGET_SECONDS:
            return
        self._forgot[str(folder)] = time.monotonic()
        acks = (path for path in _files(folder) if path.suffix == ".ack")
        for files, days in (
            (_files(folder / FileSaid.DONE), DONE_DAYS),
            (_files(folder / FileSaid.FAILED), FAILED_DAYS),
            (acks, FAILED_DAYS),
        ):
            for path in files:
                if time.time() - path.lstat().st_ctime > days * _DAY:  # since it was put there; its sender dates it
                    path.unlink(missing_ok=True)


_OURS: Final = frozenset({".ack", ".settled"})


def _own_folder(path: Path) -> None:
    """The folder, made if need be. Who drops files may have put a link in its place, or a folder of their own: what we
    move, write and forget in it would be another's. Raises `OSError`."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise NotADirectoryError(errno.ENOTDIR, "not a folder of our own", path.name)
    if stat.S_IMODE(status.st_mode) != 0o700:
        path.chmod(0o700)


def _files(folder: Path) -> Iterator[Path]:
    yield from (path for path in folder.iterdir() if stat.S_ISREG(path.lstat().st_mode))


def _stats(folder: Path) -> Iterator[tuple[Path, tuple[int, int]]]:
    """Files that may be taken, with size and time of change."""
    for path in _files(folder):
        if path.name.startswith(".") or path.suffix.lower() in NOT_WHOLE | _OURS:
            continue
        status = path.lstat()
        yield path, (status.st_size, status.st_mtime_ns)


def _claim(folder: Path, path: Path) -> Path:
    """The file where only we touch it."""
    return path if path.parent == folder / TAKING else path.rename(_free(folder / TAKING / path.name))


def _put_away(folder: Path, inside: Path, said: FileSaid) -> None:
    inside.rename(_free(folder / said / inside.name))
    _give_acks(folder)


def _free(path: Path) -> Path:
    """The path, with a number when a file of that name is there."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}.{number}")
    return free


def _give_acks(folder: Path) -> None:
    """Lay the acknowledgments of files that are settled beside the sender's files."""
    for ack in list(_files(folder / TAKING)):
        file = ack.with_suffix("")
        if ack.suffix == ".ack" and not file.exists():
            ack.replace(folder / ack.name)
            settled_of(file).unlink(missing_ok=True)
