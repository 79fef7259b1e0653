"""A folder as a feed: files are taken once and whole, acknowledged beside them, and gone on with after a kill."""

import asyncio
import contextlib
import os
import time
from pathlib import Path

import pytest

from parsers.feeds import Feed, Feeds
from parsers.senders import Sender, Senders
from streams.listen import drop, drop_file
from streams.listen.drop import DropFolders
from streams.listen.durable import Away
from streams.listen.intake import Door
from streams.listen.senders import Gatekeeper
from streams.run import metrics
from tests.listen.test_mllp import SECRET, Memory, frame, message
from tests.listen.test_process import listening, settings

__all__ = ["settings"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(drop, "STILL_SECONDS", 0.0)
    monkeypatch.setattr(drop_file, "AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(drop_file, "AT_ONCE", 10)


class Rig:
    """A watched folder and what was stored."""

    def __init__(self, folder: Path, senders: Senders | None = None) -> None:
        self.folder, self.stored = folder / "mission", Memory()
        self.folder.mkdir(exist_ok=True)
        self.feed = Feed(name="mission", folder=str(self.folder))
        keeper = Gatekeeper(lambda: senders, lambda *_: self.feed) if senders else None
        self.door = Door(self.stored, SECRET, gatekeeper=keeper)
        self.watch = self.watching()

    def watching(self) -> DropFolders:
        return DropFolders(lambda: Feeds(feeds=(self.feed,)), self.door, 1_000_000)

    def put(self, name: str, data: bytes) -> None:
        (self.folder / name).write_bytes(data)

    def look(self, times: int = 2) -> None:
        """A file is taken at the second look that finds it unchanged."""

        async def looks() -> None:
            for _ in range(times):
                await self.watch.look(self.feed)

        asyncio.run(looks())

    def ids(self) -> list[str]:
        return [stored.data.split(b"|")[9].decode() for stored in self.stored.frames]

    def names(self, below: str = ".") -> list[str]:
        return sorted(path.name for path in (self.folder / below).iterdir() if path.is_file())


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def batch(*messages: bytes, count: int | None = None) -> bytes:
    declared = len(messages) if count is None else count
    return b"FHS|^~\\&\rBHS|^~\\&\r" + b"".join(messages) + f"BTS|{declared}\rFTS|1\r".encode()


@pytest.mark.parametrize("name", [drop.TAKING, drop.FileSaid.DONE, drop.FileSaid.FAILED])
@pytest.mark.parametrize("later", [False, True])
def test_a_link_in_place_of_our_own_folder_leads_nowhere(rig, tmp_path, name, later):
    ours = tmp_path / "data"
    ours.mkdir()
    (ours / "handoff.db").write_bytes(b"not yours")
    if later:
        rig.look()
        (rig.folder / name).rename(rig.folder / "away")
    (rig.folder / name).symlink_to(ours)
    rig.put("a.hl7", message("F1"))
    rig.look(3)
    assert [(path.name, path.read_bytes()) for path in ours.iterdir()] == [("handoff.db", b"not yours")]
    assert rig.ids() == []
    assert metrics.DROP_UP.labels("mission")._value.get() == 0
    (rig.folder / name).unlink()
    rig.look(3)
    assert rig.ids() == ["F1"]


def test_each_form_of_file_is_taken_once_and_answered_beside_it(rig):
    rig.put("a.hl7", frame(message("F1")) + frame(message("F2")))
    rig.put("b.hl7", message("P1", end="\n") + message("P2", end="\n"))
    rig.put("c.hl7", batch(message("B1"), message("B2")))
    rig.look(4)
    assert rig.ids() == ["F1", "F2", "P1", "P2", "B1", "B2"]
    assert {stored.feed for stored in rig.stored.frames} == {"mission"}
    assert rig.names() == ["a.hl7.ack", "b.hl7.ack", "c.hl7.ack"]
    assert (rig.names("done"), rig.names("failed"), rig.names(".taking")) == (["a.hl7", "b.hl7", "c.hl7"], [], ["lock"])
    acks = (rig.folder / "c.hl7.ack").read_bytes()
    assert [line[:10] for line in acks.split(b"\r") if line.startswith(b"MSA")] == [b"MSA|AA|B1", b"MSA|AA|B2"]
    rig.put("a.hl7", frame(message("F3")))
    rig.look()
    assert rig.ids()[-1] == "F3"
    assert rig.names("done") == ["a.hl7", "a.hl7.2", "b.hl7", "c.hl7"]


def test_a_file_that_is_not_whole_waits(rig, monkeypatch):
    monkeypatch.setattr(drop, "STILL_SECONDS", 3_600.0)
    rig.put("slow.hl7", message("S1"))
    rig.put("later.hl7.part", message("L1"))
    rig.put(".hidden", message("H1"))
    rig.look()
    rig.put("slow.hl7", message("S1") + message("S2"))
    rig.look()
    assert rig.ids() == []
    monkeypatch.setattr(drop, "STILL_SECONDS", 0.0)
    (rig.folder / "later.hl7.part").rename(rig.folder / "later.hl7")
    rig.look(1)
    assert rig.ids() == ["S1", "S2"]
    rig.look(1)
    assert rig.ids() == ["S1", "S2", "L1"]
    assert rig.names() == [".hidden", "later.hl7.ack", "slow.hl7.ack"]


@pytest.mark.parametrize(
    ("data", "says", "taken"),
    [
        (message("G1") + message("O1", kind="ORU^R01"), b"not_adt", ["G1"]),
        (batch(message("B1"), count=2), b"batch_count", ["B1"]),
        (b"", b"empty", []),
        (b"no HL7 at all", b"not_hl7", []),
        (message("X1", padding=2_000_000) + message("X2"), b"frame_too_large", ["X2"]),
    ],
)
def test_what_is_refused_fails_the_file_and_nothing_else_in_it(rig, data, says, taken):
    rig.put("a.hl7", data)
    rig.look()
    assert (rig.ids(), rig.names("failed"), rig.names("done")) == (taken, ["a.hl7"], [])
    assert says in (rig.folder / "a.hl7.ack").read_bytes()


def test_what_a_kill_left_is_gone_on_with(rig):
    rig.put("a.hl7", b"".join(message(f"M{number}") for number in range(35)))

    async def killed() -> None:
        await rig.watch.look(rig.feed)
        task = asyncio.create_task(rig.watch.look(rig.feed))
        while len(rig.stored.frames) < 15:
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(killed())
    before = len(rig.ids())
    assert 15 <= before < 35
    rig.watch = rig.watching()
    rig.look(1)
    assert list(dict.fromkeys(rig.ids())) == [f"M{number}" for number in range(35)]
    assert len(rig.ids()) <= 35 + 10  # no more than what was in hand comes again
    acks = (rig.folder / "a.hl7.ack").read_bytes()
    assert [ack.split(b"|")[2].split(b"\r")[0] for ack in acks.split(b"MSA")[1:]] == [
        f"M{number}".encode() for number in range(35)
    ]
    assert rig.names("done") == ["a.hl7"]


def test_an_acknowledgment_that_a_kill_kept_back_is_given(rig):
    rig.look()
    (rig.folder / ".taking" / "a.hl7.ack").write_bytes(b"MSH")
    (rig.folder / ".taking" / "a.hl7.settled").write_text("{}")
    rig.watch = rig.watching()
    rig.look()
    assert (rig.names(), rig.names(".taking")) == (["a.hl7.ack"], ["lock"])


def test_what_cannot_be_stored_is_brought_again_and_not_answered_before(rig):
    rig.stored.refuse = Away.DISK
    rig.put("a.hl7", message("M1") + message("M2"))

    async def back_after_a_while() -> None:
        await rig.watch.look(rig.feed)
        task = asyncio.create_task(rig.watch.look(rig.feed))
        for _ in range(200):
            await asyncio.sleep(0.001)
        assert not (rig.folder / "a.hl7.ack").exists()
        rig.stored.refuse = None
        await task

    asyncio.run(back_after_a_while())
    assert (rig.ids(), rig.names("done")) == (["M1", "M2"], ["a.hl7"])


def test_with_senders_a_folder_is_one_of_them(tmp_path):
    other = Sender(name="north", facilities=("NORTH",), folders=(str(tmp_path / "north"),))
    rig = Rig(tmp_path, Senders(senders=(other,)))
    rig.put("a.hl7", message("M1"))
    rig.look()
    assert (rig.ids(), rig.names("failed")) == ([], ["a.hl7"])
    assert b"sender_unknown" in (rig.folder / "a.hl7.ack").read_bytes()
    theirs = Rig(tmp_path, Senders(senders=(other.model_copy(update={"folders": (str(tmp_path / "mission"),)}),)))
    theirs.put("b.hl7", message("M2"))
    theirs.look()
    assert theirs.ids() == ["M2"]


def test_a_folder_that_cannot_be_used_is_said_and_looked_at_again(rig, tmp_path):
    rig.feed = Feed(name="mission", folder=str(tmp_path / "mission" / "file" / "deep"))
    rig.put("file", b"")
    rig.look()
    up = metrics.REGISTRY.get_sample_value("toc_drop_folder_up", {"feed": "mission"})
    assert up == 0
    rig.feed = Feed(name="mission", folder=str(rig.folder))
    rig.look()
    assert metrics.REGISTRY.get_sample_value("toc_drop_folder_up", {"feed": "mission"}) == 1


def test_what_is_done_with_is_forgotten_after_its_days_however_old_its_sender_calls_it(rig, monkeypatch):
    rig.put("a.hl7", message("M1"))
    rig.put("b.hl7", b"no message")
    for name in ("a.hl7", "b.hl7"):
        os.utime(rig.folder / name, (1, 1))
    rig.look()
    monkeypatch.setattr(drop, "_FORGET_SECONDS", 0.0)
    rig.look()
    assert (rig.names("done"), rig.names("failed"), rig.names()) == (["a.hl7"], ["b.hl7"], ["a.hl7.ack", "b.hl7.ack"])
    monkeypatch.setattr(drop, "DONE_DAYS", 0)
    rig.look()
    assert (rig.names("done"), rig.names("failed"), rig.names()) == ([], ["b.hl7"], ["a.hl7.ack", "b.hl7.ack"])
    monkeypatch.setattr(drop, "FAILED_DAYS", 0)
    rig.look()
    assert rig.names("done") == rig.names("failed") == rig.names() == []


def test_a_file_that_cannot_be_taken_holds_up_no_other_and_is_said(rig):
    stuck = "a" * 250  # no room for the name of its acknowledgments
    rig.put(stuck, message("M1"))
    rig.put("b.hl7", message("M2"))
    rig.look(4)
    assert rig.ids() == ["M2"]
    assert metrics.REGISTRY.get_sample_value("toc_drop_folder_up", {"feed": "mission"}) == 0
    rig.put(stuck, message("M3"))  # does not take its place
    rig.look(4)
    assert (rig.folder / ".taking" / stuck).read_bytes() == message("M1")
    for name, short in ((stuck, "a.hl7"), (f"{stuck}.2", "c.hl7")):
        (rig.folder / ".taking" / name).rename(rig.folder / ".taking" / short)
    rig.put("lock", message("M4"))  # as we call our own file there
    rig.look(4)
    assert rig.ids() == ["M2", "M1", "M3", "M4"]
    assert metrics.REGISTRY.get_sample_value("toc_drop_folder_up", {"feed": "mission"}) == 1


def test_the_listener_watches(settings, tmp_path):
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "a.hl7").write_bytes(message("M1"))
    feeds = Feeds(feeds=(Feed(name="mission", folder=str(folder)),)).model_dump_json(include={"feeds"})
    with listening(settings, feeds=feeds[len('{"feeds":') : -1]):
        deadline = time.monotonic() + 30
        while not (folder / "a.hl7.ack").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert b"MSA|AA|M1" in (folder / "a.hl7.ack").read_bytes()
    assert (folder / "done" / "a.hl7").exists()
