"""HAPI, the HL7 v2 library that most interface engines are made of, as a receiver that nobody here wrote."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, NamedTuple

from tests.rigs.servers import free_port, jars, missing_jars, wait_for_port

HAPI = "hapi-2.6.0"
_POM = Path(__file__).with_name("hapi.xml")
_RECEIVER = Path(__file__).with_name("Hapi.java")


class Hapi(NamedTuple):
    """One that listens. `took` gives of the next message it took: structure, trigger, MSH-10, PID-3.1 and PID-5.1."""

    port: int
    said: IO[str]

    def took(self) -> list[str]:
        return self.said.readline().rstrip("\n").split("|")


def missing_hapi() -> str:
    return missing_jars(HAPI)


@contextmanager
def hapi() -> Iterator[Hapi]:
    """A receiver on a port of loopback, until it is ended, in a folder of its own: it keeps a file of ids there."""
    port = free_port()
    command = ["java", "-Xmx256m", "-cp", f"{jars(_POM, HAPI)}/*", str(_RECEIVER), str(port)]
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process,
    ):
        assert process.stdout
        try:
            assert process.stdout.readline() == "ready\n", "HAPI listens"
            wait_for_port(port)
            yield Hapi(port, process.stdout)
        finally:
            process.kill()
