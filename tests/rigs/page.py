"""An open page of the inbox: reads its stream as the browser's script does, and notes for how long there was none."""

import http.client
import random
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime

from streams.inbox.pages.stream import MOVE_MS
from streams.inbox.request import COOKIE
from streams.store import Store

FIRST_RETRY_SECONDS = 0.25
LAST_RETRY_SECONDS = 2.0
SILENT_SECONDS = 8.0  # as `static/live.js` has it


class Page(threading.Thread):
    """One person's page. `gaps`: (when, for how long) nothing was live, by the monotonic clock."""

    def __init__(self, store_url: str, person: str, port: int) -> None:
        super().__init__(daemon=True, name="page")
        store = Store.open(store_url)
        self._cookie = f"{COOKIE}={store.sessions.open(person, datetime.now(UTC)).secret}"
        store.close()
        self._port = port
        self._closing = False
        self._position = ""
        self.gaps: list[tuple[float, float]] = []
        self.words = 0
        self.spoke = threading.Event()
        self.moved = threading.Event()  # from one stream to another

    def close(self) -> None:
        self._closing = True
        self.join(2 * SILENT_SECONDS)

    def run(self) -> None:
        cut = None
        moves = False  # from an inbox that closes in order
        retry = FIRST_RETRY_SECONDS
        while not self._closing:
            with suppress(OSError, http.client.HTTPException):
                if cut is None or moves or self._still():
                    moves = False
                    connection, response = self._get("/stream" + (f"?after={self._position}" if self._position else ""))
                    try:
                        while not self._closing and (line := response.readline()):
                            if line.startswith(b"id:"):
                                self._position = line[3:].strip().decode()
                            if line.startswith(b"event: closing"):
                                moves = True
                            elif line.startswith(b"event:"):
                                if cut is not None:
                                    self.gaps.append((cut, time.monotonic() - cut))
                                    self.moved.set()
                                self.spoke.set()
                                cut, retry = None, FIRST_RETRY_SECONDS
                                self.words += 1
                    finally:
                        connection.close()
            if cut is None and not self._closing:
                cut = time.monotonic()
            if moves:
                time.sleep(random.random() * MOVE_MS / 1000)
                continue
            time.sleep(retry)
            retry = min(2 * retry, LAST_RETRY_SECONDS)
        if cut is not None:
            self.gaps.append((cut, time.monotonic() - cut))

    def _still(self) -> bool:
        connection, response = self._get("/still", 3.0)
        connection.close()
        return 200 <= response.status < 300

    def _get(
        self, path: str, seconds: float = SILENT_SECONDS
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=seconds)
        connection.request("GET", path, headers={"Cookie": self._cookie, "Accept": "text/event-stream"})
        response = connection.getresponse()
        return connection, response
