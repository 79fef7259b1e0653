"""One file of HL7 in; each of its messages through the door in order, and the acknowledgments of all of them, out.

What is settled is noted every few messages, so a process that is killed goes on behind them: at most the last few come
again, and end as duplicates. What cannot be stored just now is tried again until it can.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from parsers.hl7.batches import BatchItem, split
from streams.listen.intake import Answer, Door, Fate
from streams.listen.senders import Caller
from streams.run import metrics
from streams.run.files import write_atomically
from streams.run.metrics import Way

AT_ONCE: Final = 50
BYTES_AT_ONCE: Final = 16 * 1024 * 1024
AGAIN_SECONDS: Final = 5.0
_PIECE: Final = 1024 * 1024


class Settled(NamedTuple):
    """How far a file is: items settled, those of them that were refused, and the bytes of their acknowledgments."""

    items: int = 0
    refused: int = 0
    ack_bytes: int = 0


def ack_of(path: Path) -> Path:
    """Where the acknowledgments of a file that is being taken are written."""
    return path.with_name(path.name + ".ack")


def settled_of(path: Path) -> Path:
    """Where it is noted how far a file is."""
    return path.with_name(path.name + ".settled")


async def take_file(door: Door, path: Path, feed: str, caller: Caller, max_bytes: int) -> Settled:
    """Takes what is not settled yet. Raises `OSError`; called again it goes on."""
    settled = await asyncio.to_thread(_read_settled, path)
    items = _items(path, max_bytes, settled.items)
    while some := await asyncio.to_thread(_some, items):
        answers = await _answers(door, some, feed, caller)
        for _, code in (ack for answer in answers for ack in answer.acks):
            metrics.ACKS.labels(code).inc()
        settled = await asyncio.to_thread(_note, path, settled, answers)
    return settled


async def _answers(door: Door, items: list[BatchItem], feed: str, caller: Caller) -> list[Answer]:
    """What the door says to each, in order. All are on their way at once; what it cannot store is brought again."""
    judged = [(await door.look(item.message, several=False, caller=caller))[0].judged for item in items]

    def bring(number: int) -> Awaitable[Answer]:
        return door.counted(door.take(items[number].message, Way.FOLDER, feed, judged[number]), caller)

    whole = [number for number, item in enumerate(items) if item.reject is None]
    answers = dict(zip(whole, await asyncio.gather(*[bring(number) for number in whole]), strict=True))
    for number in whole:
        while answers[number].fate is Fate.UNAVAILABLE:
            await asyncio.sleep(AGAIN_SECONDS)
            answers[number] = await bring(number)
    refused = {
        n: door.refuse(item.reject.code, item.message) for n, item in enumerate(items) if item.reject is not None
    }
    return [refused[number] if number in refused else answers[number] for number in range(len(items))]


def _some(items: Iterator[BatchItem]) -> list[BatchItem]:
    """The next items, as many as may be held at once."""
    some: list[BatchItem] = []
    size = 0
    for item in items:
        some.append(item)
        size += len(item.message)
        if len(some) == AT_ONCE or size >= BYTES_AT_ONCE:
            break
    return some


def _items(path: Path, max_bytes: int, after: int) -> Iterator[BatchItem]:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        yield from islice(split(iter(lambda: file.read(_PIECE), b""), max_bytes), after, None)


def _read_settled(path: Path) -> Settled:
    try:
        settled = Settled(**json.loads(settled_of(path).read_text()))
    except FileNotFoundError:
        settled = Settled()
    with ack_of(path).open("ab") as acks:
        acks.truncate(settled.ack_bytes)
    return settled


def _note(path: Path, before: Settled, answers: list[Answer]) -> Settled:
    with ack_of(path).open("ab") as acks:
        for answer in answers:
            for ack, _ in answer.acks:
                acks.write(ack + b"\n")
        acks.flush()
        os.fsync(acks.fileno())
        size = acks.tell()
    refused = sum(answer.fate is Fate.REFUSED for answer in answers)
    settled = Settled(before.items + len(answers), before.refused + refused, size)
    write_atomically(settled_of(path), settled._asdict())
    return settled
