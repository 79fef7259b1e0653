"""What stands on standard output: a value for machines, and how others' words may stand in a line for people."""

import json
import sys


def one_line(text: str) -> str:
    """What somebody typed, without breaks, which would look like a line of ours, and what a terminal obeys."""
    return "".join(character if character.isprintable() else " " for character in text)


def print_json(value: object) -> None:
    """One line of JSON on standard output."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
