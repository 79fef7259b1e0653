"""Messages built to make reading slow or its result large are read in linear time and come out small."""

import sys
import time
from collections.abc import Callable

import pytest

from parsers.events import Event, Finding, Identifier
from parsers.hl7.fields import read_fields
from parsers.people import Enrollee
from rules.stays.keys import MOST_KEYS, joined
from streams.commands.explain import Core
from tests.rigs.hostile_shapes import HEADER, PID, PV1, SHAPES, read

MB = 1_000_000
LARGEST_EVENT = 131_072  # bytes of JSON; a usual one has 2,000
NOISE_SECONDS = 0.02  # what an interrupted process may lose at each measurement


def seconds(action: Callable[[], object]) -> float:
    """The least of three runs, untraced: measuring coverage is not linear."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        times = []
        for _ in range(3):
            begun = time.process_time()
            action()
            times.append(time.process_time() - begun)
        return min(times)
    finally:
        sys.settrace(tracer)


@pytest.mark.parametrize("shape", SHAPES)
def test_twice_the_bytes_take_at_most_thrice_the_time(shape: str) -> None:
    once, twice = SHAPES[shape](MB // 2), SHAPES[shape](MB)
    assert seconds(lambda: read(twice)) < 3 * seconds(lambda: read(once)) + NOISE_SECONDS
    assert seconds(lambda: read_fields(twice)) < 3 * seconds(lambda: read_fields(once)) + NOISE_SECONDS


@pytest.mark.parametrize("shape", SHAPES)
def test_whatever_comes_the_event_is_small(shape: str) -> None:
    reading = read(SHAPES[shape](MB))
    assert not isinstance(reading, Event) or len(reading.model_dump_json()) < LARGEST_EVENT
    assert not isinstance(reading, Event) or len(reading.notes) <= 100


@pytest.mark.parametrize(
    ("shape", "place"),
    [
        ("escapes by field", "PID"),
        ("separators in PID", "PID"),
        ("PID-5 names", "PID-5"),
        ("PID-11 addresses", "PID-11"),
        ("PID-5 letters", "PID-5"),
        ("lines of a value", ""),
        ("notes", ""),
        ("diagnoses", "DG1"),
        ("merges", "MRG"),
    ],
)
def test_what_is_cut_is_noted(shape: str, place: str) -> None:
    reading = read(SHAPES[shape](MB))
    assert isinstance(reading, Event)
    assert (Finding.VALUE_TOO_LONG, place) in {(note.finding, note.place) for note in reading.notes}


@pytest.mark.parametrize(
    "rest",
    [b"\\Q\\|" * 230_000, b'|""' * 300_000, b"|" * 920_000, b"\rNTE|1||a note\rOBX|1|ST|1^A||2" * 28_000],
    ids=["escapes", "nulls", "separators", "notes and results"],
)
def test_a_large_admission_of_somebody_on_the_panel_is_told(rest: bytes) -> None:
    core = Core([Enrollee.model_validate(PERSON)])
    answer = core.step(HEADER % b"S" + PID + b"\r" + PV1 + rest)
    assert (answer["ending"], answer["decision"]["action"]) == ("event", "notify")


def test_a_stay_does_not_grow_with_every_message_about_it() -> None:
    known: tuple[Identifier, ...] = ()
    for number in range(20):
        known = joined(known, [Identifier(system="H", value=f"{number}-{suffix}") for suffix in range(100)])
    assert len(known) == MOST_KEYS
    assert joined(known, [Identifier(system="H", value="one more")]) == known


PERSON = {
    "enrollee_id": "E1",
    "name": {"family": "Roe", "given": "Ann"},
    "birth_date": "1958-03-14",
    "sex": "F",
    "address": {"street": "12 Oak Lane", "city": "Durham", "state": "NC", "zip": "27701"},
    "practice_id": "P1",
}
