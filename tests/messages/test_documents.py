"""Documents of another version of the program: read over, carried along, or refused by name."""

import json

import pytest
from pydantic import ValidationError

from parsers.events import Identifier, Value
from rules.registers import Registers


class Inner(Value):
    word: str = ""


class Outer(Value):
    number: int = 0
    inner: Inner = Inner()
    several: tuple[Inner, ...] = ()
    registers: Registers = Registers()


NEXT = {
    "number": 1,
    "inner": {"word": "a", "more": [1]},
    "several": [{"word": "b"}, {"word": "c", "new": None}],
    "registers": {"version": 2, "began": True, "ended": "x"},
    "later": {"any": "thing"},
}


def test_a_field_we_do_not_know_is_read_over_and_carried_along():
    read = Outer.read(json.dumps(NEXT))
    assert (read.number, read.inner.word, [each.word for each in read.several]) == (1, "a", ["b", "c"])
    assert read.carries
    changed = read.model_copy(update={"number": 2, "registers": read.registers.opened().closed()})
    assert json.loads(changed.written()) == NEXT | {"number": 2}
    replaced = read.model_copy(update={"inner": Inner(word="z"), "several": ()})
    assert json.loads(replaced.written()) == NEXT | {"inner": {"word": "z"}, "several": []}


def test_what_is_carried_makes_no_other_value():
    known, newer = Identifier(system="A", value="1"), Identifier.read('{"system":"A","value":"1","use":"old"}')
    assert known == newer
    assert hash(known) == hash(newer)
    assert known != Identifier(system="A", value="2")


def test_a_document_of_ours_carries_nothing_and_is_written_as_ever():
    value = Outer(number=3, several=(Inner(word="b"),))
    read = Outer.read(value.written())
    assert read == value
    assert not read.carries
    assert read.written() == value.model_dump_json().encode()


def test_a_typo_is_refused_wherever_a_program_or_a_person_writes():
    with pytest.raises(ValidationError):
        Outer(nomber=1)
    with pytest.raises(ValidationError):
        Outer.model_validate({"inner": {"wrod": ""}})


def test_a_newer_document_is_no_document_of_ours():
    with pytest.raises(ValidationError):
        Outer.read('{"registers":{"version":3}}')
