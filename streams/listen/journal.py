"""Keeps accepted messages on disk: records in, appended to segments and synced; the same records out, in order.

A segment `<number>.journal` is a header and records `mark, length, CRC-32, body`; a body is the message id, the time
of receipt, the key, the feed and the bytes as received. A sealed segment ends in a footer that tells what it holds, so
opening a full folder reads little. What a crash left half-written at the end is cut off when the folder is opened, and
damage in the middle costs the damaged record only: reading goes on at the next mark with a right checksum. Once every
message of a sealed segment has its ending it is renamed to `<number>.ended` and deleted after the set time. One process
has the journal at a time: `<folder>.lock` says which, for a second one would cut what the first is writing.
"""

import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from streams.listen.folder_lock import FolderLock, command_of_listener
from streams.run.files import private_folder

log = structlog.get_logger()

_HEADER: Final = b"warm-handoff journal 1\n"
_MARK: Final = b"\xf5WHJ"
_FOOTER_MARK: Final = b"\xf5WHE"
_FRAME: Final = struct.Struct(">4sII")  # mark, length of body, CRC-32 of body
_BODY: Final = struct.Struct(">16sq16sH")  # id, microseconds since 1970, key, length of feed
_FOOTER: Final = struct.Struct(">Q16s16s")  # records, first id, last id
_LONGEST_BODY: Final = 80 * 1024 * 1024
_SEGMENT_AGE: Final = 24 * 3600.0  # seconds; bounds how long a message can wait in a segment that does not fill
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PROBE_BYTES: Final = 65536
_NOBODY: Final = "0" * 32
_sync: Final = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class Record(NamedTuple):
    """One accepted message. `key` is 32 hex digits of a keyed hash; `data` are the bytes as received."""

    message_id: str
    received_at: datetime
    key: bytes
    data: bytes
    feed: str = ""


class Position(NamedTuple):
    """A place between two records; positions compare in the order of writing."""

    segment: int
    offset: int


class Chunk(NamedTuple):
    """Records read, each with the position behind it, and where to read on."""

    records: tuple[tuple[Record, Position], ...]
    after: Position


@dataclass(frozen=True, slots=True)
class Segment:
    """What is known of one file. `length` counts bytes that are on disk and whole, without the footer."""

    number: int
    path: Path
    length: int
    records: int = 0
    first_id: str = _NOBODY
    last_id: str = _NOBODY
    ended: bool = False


class Journal:
    """One folder, written by one thread at a time and read by any."""

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()
        self._segments: dict[int, Segment] = {}
        self._fd: int | None = None
        self._opened = 0.0
        self._held: FolderLock | None = None

    @classmethod
    def open(cls, folder: Path, segment_bytes: int) -> "Journal":
        """The journal in `folder`, made if need be, torn tails cut off. Raises `OSError` and `FolderHeld`."""
        journal = cls(private_folder(folder), segment_bytes)
        journal._held = FolderLock.take(folder.with_name(f"{folder.name}.lock"), command_of_listener())
        for path in sorted(folder.iterdir()):
            if path.suffix in {".journal", ".ended"} and path.stem.isdigit():
                segment = _inspect(path)
                journal._segments[segment.number] = segment
        return journal

    def close(self) -> None:
        with self._lock:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None
            if self._held is not None:
                self._held.release()
                self._held = None

    @property
    def last_id(self) -> str:
        """Id of the newest message here; 32 zeros when there is none."""
        return max((segment.last_id for segment in self._all()), default=_NOBODY)

    @property
    def bytes(self) -> int:
        """Bytes of all segments."""
        return sum(segment.length for segment in self._all())

    @property
    def start(self) -> Position:
        """Where the oldest segment begins that may hold messages without an ending."""
        return Position(min((s.number for s in self._all() if not s.ended), default=self._next_number()), 0)

    @property
    def end(self) -> Position:
        """Behind the last record that is synced to disk."""
        newest = max(self._all(), key=lambda segment: segment.number, default=None)
        return Position(newest.number, newest.length) if newest else Position(self._next_number(), 0)

    def count_behind(self, position: Position) -> int:
        """Records in the segment of `position` and in all newer ones."""
        return sum(segment.records for segment in self._all() if segment.number >= position.segment)

    def append(self, records: Sequence[Record]) -> Position:
        """Writes and syncs all records, or none: raises `OSError` and leaves the journal as it was."""
        data = b"".join(_encode(record) for record in records)
        with self._lock:
            segment = self._writable()
            fd = self._fd
            assert fd is not None
            try:
                _write_all(fd, data, segment.length)
                _sync(fd)
            except OSError:
                self._undo(fd, segment)
                raise
            grown = replace(
                segment,
                length=segment.length + len(data),
                records=segment.records + len(records),
                first_id=records[0].message_id if not segment.records else segment.first_id,
                last_id=records[-1].message_id,
            )
            self._segments[grown.number] = grown
            return Position(grown.number, grown.length)

    def probe(self) -> None:
        """Writes and syncs some bytes and takes them back. Raises `OSError` while the journal cannot be written."""
        with self._lock:
            segment = self._writable()
            fd = self._fd
            assert fd is not None
            try:
                _write_all(fd, bytes(_PROBE_BYTES), segment.length)
                _sync(fd)
            finally:
                self._undo(fd, segment)

    def read(self, start: Position, limit: Position, *, most_records: int = 500, most_bytes: int = 1 << 20) -> Chunk:
        """The next records from `start`, none at or behind `limit`; an empty chunk at `limit` means all was read."""
        while start < limit:
            segment = self._segments.get(start.segment)
            stop = 0 if segment is None or segment.ended else segment.length
            if start.segment == limit.segment:
                stop = min(stop, limit.offset)
            if segment is None or start.offset >= stop:
                following = [s.number for s in self._all() if s.number > start.segment and not s.ended]
                if start.segment == limit.segment or not following:
                    return Chunk((), limit)
                start = Position(min(following), 0)
                continue
            records = _read(segment, max(start.offset, len(_HEADER)), stop, most_records, most_bytes)
            if records:
                return Chunk(tuple(records), records[-1][1])
            start = Position(segment.number, stop)
        return Chunk((), max(start, limit))

    def mark_ended(self, before: Position) -> int:
        """Notes that every message before `before` has its ending; returns the number of segments this frees."""
        done = [s for s in self._all() if s.number < before.segment and not s.ended]
        for segment in done:
            path = segment.path.with_suffix(".ended")
            segment.path.rename(path)
            os.utime(path)
            with self._lock:
                self._segments[segment.number] = replace(segment, path=path, ended=True)
        return len(done)

    def delete_ended(self, keep: timedelta, now: datetime) -> int:
        """Deletes segments that have been ended for `keep`; returns how many."""
        gone = 0
        for segment in self._all():
            if segment.ended and segment.path.stat().st_mtime <= (now - keep).timestamp():
                segment.path.unlink()
                with self._lock:
                    del self._segments[segment.number]
                gone += 1
        return gone

    def segments(self) -> tuple[Segment, ...]:
        """What is there, oldest first."""
        return tuple(sorted(self._all(), key=lambda segment: segment.number))

    def _all(self) -> list[Segment]:
        with self._lock:
            return list(self._segments.values())

    def _next_number(self) -> int:
        return max(self._segments, default=0) + 1

    def _writable(self) -> Segment:
        newest = self._segments.get(max(self._segments, default=0))
        if self._fd is not None and newest is not None:
            if newest.length < self._segment_bytes and time.monotonic() - self._opened < _SEGMENT_AGE:
                return newest
            _seal(self._fd, newest)
            os.close(self._fd)
            self._fd = None
        number = self._next_number()
        path = self._folder / f"{number:012d}.journal"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _write_all(fd, _HEADER, 0)
            os.fsync(fd)
            _sync_folder(self._folder)
        except OSError:
            os.close(fd)
            path.unlink()
            raise
        self._fd = fd
        self._opened = time.monotonic()
        segment = Segment(number, path, len(_HEADER))
        self._segments[number] = segment
        return segment

    def _undo(self, fd: int, segment: Segment) -> None:
        """Takes back what a failed append may have left; a segment that cannot be cut is left behind for a new one."""
        try:
            os.ftruncate(fd, segment.length)
            _sync(fd)
        except OSError:
            log.warning("journal_segment_abandoned", segment=segment.number)
            os.close(fd)
            self._fd = None


def _encode(record: Record) -> bytes:
    feed = record.feed.encode()
    body = b"".join(
        (
            _BODY.pack(
                bytes.fromhex(record.message_id),
                (record.received_at - _EPOCH) // timedelta(microseconds=1),
                bytes.fromhex(record.key.decode()),
                len(feed),
            ),
            feed,
            record.data,
        )
    )
    return _FRAME.pack(_MARK, len(body), zlib.crc32(body)) + body


def _decode(body: memoryview) -> Record:
    message_id, micros, key, feed = _BODY.unpack_from(body)
    at = _BODY.size + feed
    return Record(
        message_id.hex(),
        _EPOCH + timedelta(microseconds=micros),
        key.hex().encode(),
        bytes(body[at:]),
        bytes(body[_BODY.size : at]).decode(),
    )


def _write_all(fd: int, data: bytes, offset: int) -> None:
    done = 0
    view = memoryview(data)
    while done < len(data):
        done += os.pwrite(fd, view[done:], offset + done)


def _seal(fd: int, segment: Segment) -> None:
    """Writes the footer. It only saves time when the folder is opened, so a full disk is no reason to fail."""
    body = _FOOTER.pack(segment.records, bytes.fromhex(segment.first_id), bytes.fromhex(segment.last_id))
    try:
        _write_all(fd, _FRAME.pack(_FOOTER_MARK, len(body), zlib.crc32(body)) + body, segment.length)
        _sync(fd)
    except OSError:
        log.warning("journal_segment_not_sealed", segment=segment.number)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _inspect(path: Path) -> Segment:
    size = path.stat().st_size
    ended = path.suffix == ".ended"
    with path.open("rb") as file:
        tail = _FRAME.size + _FOOTER.size
        if size >= len(_HEADER) + tail:
            file.seek(size - tail)
            mark, length, checksum = _FRAME.unpack(file.read(_FRAME.size))
            footer = file.read(_FOOTER.size)
            if mark == _FOOTER_MARK and length == _FOOTER.size and zlib.crc32(footer) == checksum:
                records, first, last = _FOOTER.unpack(footer)
                return Segment(int(path.stem), path, size - tail, records, first.hex(), last.hex(), ended)
    segment = Segment(int(path.stem), path, len(_HEADER), ended=ended)
    for body, after in _walk(path, len(_HEADER), size):
        message_id = bytes(body[:16]).hex()
        first_id = segment.first_id if segment.records else message_id
        segment = replace(segment, length=after, records=segment.records + 1, first_id=first_id, last_id=message_id)
    if size > segment.length:
        log.warning("journal_tail_cut", segment=segment.number, cut_bytes=size - segment.length)
        os.truncate(path, segment.length)
    elif size < segment.length:
        segment = replace(segment, length=size)
    return segment


def _read(segment: Segment, start: int, stop: int, most_records: int, most_bytes: int) -> list[tuple[Record, Position]]:
    records: list[tuple[Record, Position]] = []
    size = 0
    for body, after in _walk(segment.path, start, stop):
        records.append((_decode(body), Position(segment.number, after)))
        size += len(body)
        if len(records) >= most_records or size >= most_bytes:
            break
    return records


def _walk(path: Path, start: int, stop: int, step: int = 1 << 18) -> Iterator[tuple[memoryview, int]]:
    """Bodies with a right checksum between two offsets, each with the offset behind it."""
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        buffer = b""
        at = 0  # of the next record in the buffer, which begins at `start`
        while True:
            need = _FRAME.size
            if len(buffer) - at >= need:
                mark, length, checksum = _FRAME.unpack_from(buffer, at)
                whole = mark == _MARK and _BODY.size <= length <= _LONGEST_BODY
                need = _FRAME.size + length if whole and start + at + _FRAME.size + length <= stop else 0
                if need and len(buffer) - at >= need:
                    body = memoryview(buffer)[at + _FRAME.size : at + need]
                    if zlib.crc32(body) == checksum:
                        at += need
                        yield body, start + at
                        continue
                    need = 0
            if not need:
                skipped = buffer.find(_MARK, at + 1)
                if skipped >= 0:
                    log.warning("journal_record_damaged", segment=path.stem, skipped_bytes=skipped - at)
                    at = skipped
                    continue
                at = max(at + 1, len(buffer) - len(_MARK) + 1)
                at = min(at, len(buffer))
            more = file.read(max(step, need)) if start + len(buffer) < stop else b""
            if not more:
                return
            start += at
            buffer = (buffer[at:] + more)[: stop - start]
            at = 0
