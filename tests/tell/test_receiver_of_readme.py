"""README's webhook receiver, run as it is printed: it takes what we sign and nothing else."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

from rules.telling.attempts import Failure
from streams.tell.parcels import WebhookJson
from streams.tell.way import Delivered, NotDelivered, Secrets
from streams.tell.ways.http import Http
from tests.rigs.servers import free_port
from tests.rigs.telling import NOW, destination

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_receiver_in_readme_verifies_what_is_sent(tmp_path: Path) -> None:
    found = re.search(r"<!-- receiver -->\n```python\n(.*?)```", README.read_text(), re.S)
    assert found
    program = tmp_path / "receiver.py"
    program.write_text(found[1])
    secret, port = "whsec_" + "c2Vj" * 8, free_port()
    environment = {**os.environ, "SECRET": secret, "PORT": str(port), "PYTHONUNBUFFERED": "1"}
    running = subprocess.Popen([sys.executable, program], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        wait_for(port)
        to = destination(address=f"http://127.0.0.1:{port}/hook", allow_private=True)
        said = asyncio.run(send(to, secret, secret, "whsec_" + "ZXZl" * 8))
        assert said == [Delivered("204"), Delivered("204"), NotDelivered(Failure.NOT_ALLOWED, "401")]
    finally:
        running.terminate()
        output = running.communicate()[0]
    assert output.splitlines() == ["stay.started test 1"], "the repetition is told by its id"


async def send(to, *secrets: str):
    way = Http()
    parcel = WebhookJson().sample(to, NOW)
    try:
        return [await way.deliver(parcel, to, Secrets({"signing": (one,)})) for one in secrets]
    finally:
        await way.close()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the receiver did not start")
