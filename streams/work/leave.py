"""The way out of a worker that may not go on: at once, without an ack."""

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn

import structlog

from streams.run.crash import place_of

log = structlog.get_logger()


def leave(code: int, why: str, error: BaseException | None = None) -> NoReturn:
    """Ends the process now: no `finally`, no ack, no commit. What was in hand comes again."""
    place = {"place": place_of(error)} if error else {}
    log.log(logging.INFO if code == 0 else logging.ERROR, "worker_ends", why=why, code=int(code), **place)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(int(code))
