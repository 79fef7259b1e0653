"""The journal: what is appended comes back in order, whatever was torn, full, damaged or deleted."""

import errno
import os
import stat
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.listen import journal as journal_module
from streams.listen import message_ids
from streams.listen.folder_lock import FolderHeld
from streams.listen.journal import Journal, Position, Record
from streams.listen.message_ids import continue_after, new_message_id

NOW = datetime(2026, 11, 22, 10, 30, 0, 123456, tzinfo=UTC)
MiB = 1 << 20


def record(data=b"MSH|^~\\&|", feed=""):
    return Record(new_message_id(NOW), NOW, b"0123456789abcdef" * 2, data, feed)


def all_of(journal, start=None, **limits):
    records, at = [], start or journal.start
    while chunk := journal.read(at, journal.end, **limits).records:
        records += [entry for entry, _ in chunk]
        at = chunk[-1][1]
    return records


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=300), st.sampled_from(["", "north", "höhe"])), max_size=20))
def test_what_goes_in_comes_out(tmp_path_factory, payloads):
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal.open(folder, MiB)
    written = [record(data, feed) for data, feed in payloads]
    for entry in written:
        journal.append([entry])
    assert all_of(journal) == written
    assert all_of(journal, most_records=3) == written
    assert all_of(journal, most_bytes=1) == written
    journal.close()
    again = Journal.open(folder, MiB)
    assert all_of(again) == written
    assert again.last_id == (written[-1].message_id if written else "0" * 32)


def test_files_are_for_their_owner_only(tmp_path):
    journal = Journal.open(tmp_path / "journal", MiB)
    journal.append([record()])
    assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "journal").iterdir()] == [0o600]
    journal.close()


def test_a_record_larger_than_every_buffer(tmp_path):
    journal = Journal.open(tmp_path, MiB)
    large = [record(bytes([n]) * 3 * MiB) for n in range(3)]
    journal.append(large)
    assert all_of(journal, most_bytes=1024) == large
    journal.close()


@pytest.mark.parametrize("cut", [1, 5, 11, 12, 13, 70, 200])
def test_a_torn_tail_is_cut_off_and_writing_goes_on(tmp_path, cut):
    journal = Journal.open(tmp_path, MiB)
    kept = [record(b"kept" * 30), record(b"kept too" * 30)]
    journal.append(kept)
    whole = journal.end
    journal.append([record(b"x" * 300)])
    journal.close()
    (path,) = tmp_path.iterdir()
    os.truncate(path, path.stat().st_size - cut)
    again = Journal.open(tmp_path, MiB)
    assert path.stat().st_size == whole.offset
    after = record(b"after")
    again.append([after])
    assert all_of(again) == [*kept, after]
    again.close()


def test_damage_in_the_middle_costs_one_record(tmp_path):
    journal = Journal.open(tmp_path, MiB)
    records = [record(b"%d" % n * 100) for n in range(5)]
    ends = [journal.append([entry]) for entry in records]
    journal.close()
    (path,) = tmp_path.iterdir()
    with path.open("r+b") as file:
        file.seek(ends[1].offset + 60)
        file.write(b"\xff\xff\xff")
    again = Journal.open(tmp_path, MiB)
    assert all_of(again) == [*records[:2], *records[3:]]


def test_zeros_behind_the_tail_are_no_records(tmp_path):
    journal = Journal.open(tmp_path, MiB)
    journal.append([record()])
    journal.close()
    (path,) = tmp_path.iterdir()
    with path.open("ab") as file:
        file.write(bytes(4096))
    assert len(all_of(Journal.open(tmp_path, MiB))) == 1


def test_segments_rotate_end_and_go(tmp_path):
    journal = Journal.open(tmp_path, MiB)
    written = [record(bytes(300_000)) for _ in range(20)]
    ends = [journal.append([entry]) for entry in written]
    assert len(journal.segments()) == 5
    assert all_of(journal) == written
    assert journal.count_behind(Position(1, 0)) == 20
    journal.close()

    again = Journal.open(tmp_path, MiB)
    assert [(s.records, s.first_id, s.last_id) for s in again.segments()] == [
        (s.records, s.first_id, s.last_id) for s in journal.segments()
    ]
    assert again.mark_ended(ends[9]) == 2
    assert all_of(again) == written[8:]
    assert again.delete_ended(timedelta(hours=1), datetime.now(UTC)) == 0
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".ended", ".ended"] + [".journal"] * 3
    reopened = Journal.open(tmp_path, MiB)
    assert reopened.start == Position(3, 0)
    assert reopened.delete_ended(timedelta(0), datetime.now(UTC) + timedelta(seconds=1)) == 2
    assert all_of(reopened) == written[8:]


@pytest.mark.parametrize("failing", ["pwrite", "_sync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EFBIG])
def test_a_failed_append_leaves_no_trace(tmp_path, monkeypatch, failing, number):
    journal = Journal.open(tmp_path, MiB)
    before = record(b"before")
    journal.append([before])

    def fail(fd, *rest):
        if failing == "pwrite":
            os.write(fd, b"")
        raise OSError(number, "no")

    with monkeypatch.context() as patch:
        patch.setattr(journal_module.os if failing == "pwrite" else journal_module, failing, fail)
        with pytest.raises(OSError, match="no"):
            journal.append([record(b"lost")])
    after = record(b"after")
    journal.append([after])
    assert all_of(journal) == [before, after]
    journal.close()
    assert all_of(Journal.open(tmp_path, MiB)) == [before, after]


def test_a_disk_that_is_really_full(tmp_path):
    """A file size limit of the kernel in a process of its own: part of the write goes through, then EFBIG."""
    program = f"""
        import resource
        from datetime import UTC, datetime
        from pathlib import Path
        from streams.listen.journal import Journal, Record
        from streams.listen.message_ids import new_message_id
        now = datetime.now(UTC)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        journal = Journal.open(Path({str(tmp_path)!r}), {MiB})
        stored = refused = 0
        for n in range(20):
            try:
                journal.append([Record(new_message_id(now), now, b"0" * 32, bytes([n]) * 9_000)])
                stored += 1
            except OSError as error:
                assert error.errno == {errno.EFBIG}, error
                refused += 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        journal.append([Record(new_message_id(now), now, b"0" * 32, b"room again")])
        print(stored, refused)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60, check=True
    )
    stored, refused = map(int, done.stdout.split()[-2:])
    assert (stored, refused) == (11, 9)
    kept = all_of(Journal.open(tmp_path, MiB))
    assert [entry.data[:1] for entry in kept] == [bytes([n]) for n in range(11)] + [b"r"]


def test_ids_grow_whatever_the_clock_does(monkeypatch):
    monkeypatch.setattr(message_ids, "_last", 0)
    ids = [new_message_id(NOW - timedelta(seconds=n)) for n in range(1000)]
    assert ids == sorted(set(ids))
    continue_after("0fffffffffff0000" + "0" * 16)
    assert new_message_id(NOW) > "0fffffffffff0000"


def test_a_second_process_is_told_who_has_the_journal_and_cuts_nothing(tmp_path):
    folder = tmp_path / "journal"
    holding = (
        "import sys; from pathlib import Path; from streams.listen.journal import Journal\n"
        f"journal = Journal.open(Path({str(folder)!r}), {MiB}); print('held', flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen([sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == "held\n"
        half = folder / "000000000001.journal"
        half.write_bytes(b"warm-handoff journal 1\n" + b"\xf5WHJ half of a record")
        before = half.read_bytes()
        with pytest.raises(FolderHeld, match=rf"`handoff listen` \(process {first.pid}\)"):
            Journal.open(folder, MiB)
        assert half.read_bytes() == before
    finally:
        first.communicate("")
    Journal.open(folder, MiB).close()
    assert half.read_bytes() != before


def test_a_probe_leaves_no_trace_and_fails_as_an_append_would(tmp_path, monkeypatch):
    journal = Journal.open(tmp_path, MiB)
    written = [record(b"one")]
    journal.append(written)
    end = journal.end
    journal.probe()
    with monkeypatch.context() as patch:
        patch.setattr("streams.listen.journal._sync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "no")))
        with pytest.raises(OSError, match="no"):
            journal.probe()
    assert journal.end == end
    written.append(record(b"two"))
    journal.append(written[1:])
    assert all_of(journal) == written
    journal.close()
    assert all_of(Journal.open(tmp_path, MiB)) == written
