"""What other libraries log, and exceptions that nobody catches, stand in our log without their texts."""

import json
import subprocess
import sys

SAID = """
import asyncio, gc, logging, threading
from streams.run.logs import configure

async def forgotten():
    task = asyncio.ensure_future(asyncio.to_thread(int, "Whitfield"))
    await asyncio.wait([task])
    del task
    gc.collect()

configure("INFO")
library = logging.getLogger("uvicorn.error")
library.error("of %s", "Whitfield")
library.exception("of Whitfield", exc_info=ValueError("Whitfield"))
asyncio.run(forgotten())
thread = threading.Thread(target=int, args=("Whitfield",))
thread.start()
thread.join()
int("Whitfield")
"""


def test_no_text_of_others_is_in_the_log():
    done = subprocess.run([sys.executable, "-c", SAID], capture_output=True, text=True, check=False)
    assert "Whitfield" not in done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["event"], line.get("logger", ""), line.get("error", "")) for line in lines] == [
        ("library", "uvicorn.error", ""),
        ("library", "uvicorn.error", "ValueError"),
        ("library", "asyncio", "ValueError"),
        ("thread_crashed", "", "ValueError"),
        ("crashed", "", "ValueError"),
    ]
