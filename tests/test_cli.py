"""The command's words: help that teaches for every command, and errors that end non-zero in one sentence."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from streams import __version__
from streams.cli import app

ROOT: Any = typer.main.get_command(app)


def commands(group: Any = ROOT, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*before, name))
        else:
            yield (*before, name), command


ALL = dict(commands())


def handoff(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    clean = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("HANDOFF_", "COV_", "KAFKA_", "DATABASE_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "streams", *words], env=clean | environment, capture_output=True, text=True, timeout=120
    )


def test_version_is_the_distribution_s() -> None:
    assert handoff("--version").stdout.strip() == __version__


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_and_option_is_explained(words: tuple[str, ...]) -> None:
    command = ALL[words]
    assert command.help, "no help"
    assert command.help.strip().splitlines()[0].endswith((".", ":")), "the first line is a sentence"
    unexplained = [option.name for option in command.params if option.param_type_name == "option" and not option.help]
    assert unexplained == []


@pytest.mark.parametrize(
    ("words", "environment", "status", "said"),
    [
        (["nonsense"], {}, 2, "nonsense"),
        (["explain", "/nowhere.hl7"], {}, 2, "does not exist"),
        (["listen"], {"HANDOFF_MLLP_PORT": "x"}, 2, "HANDOFF_MLLP_PORT"),
        (["work"], {"DATABASE_URL": "mysql://x"}, 2, "DATABASE_URL"),
        (["sign-in"], {}, 2, "no inbox is running"),
    ],
)
def test_an_error_is_a_sentence(
    words: list[str], environment: dict[str, str], status: int, said: str, tmp_path: Path
) -> None:
    done = handoff(*words, HANDOFF_DATA_DIR=str(tmp_path / "data"), **environment)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_on_a_fresh_machine_says_what_to_do(tmp_path: Path) -> None:
    done = handoff("doctor", HANDOFF_DATA_DIR=str(tmp_path / "data"))
    assert "handoff up" in done.stdout
    assert "Traceback" not in done.stderr
