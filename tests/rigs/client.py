"""An inbox served on a free port, and a signed-in client of it; what its list says."""

import re
import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import uvicorn

from streams.inbox import serving
from streams.inbox.app import app
from streams.inbox.request import COOKIE, Inbox
from tests.rigs.inbox import ORTIZ


@contextmanager
def browser(settings, store, who=ORTIZ, *, demo=False):
    """A signed-in client of a served inbox, or with `who=None` one that is not."""
    with served(settings, store, who, demo=demo) as (client, _):
        yield client


@contextmanager
def served(settings, store, who=ORTIZ, *, demo=False):
    """Such a client, and the inbox."""
    inbox = Inbox(settings, store, demo=demo)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app(inbox), log_config=None, access_log=False, lifespan="on", http=serving.TimedProtocol)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=20) as client:
            if who is not None:
                session = store.sessions.open(who.case_manager_id, datetime.now(UTC))
                client.cookies.set(COOKIE, session.secret)
                client.headers["X-CSRF-Token"] = session.csrf
            yield client, inbox
    finally:
        inbox.live.close()
        server.should_exit = True
        thread.join(20)
        listening.close()


def rows_of(html):
    """{alert_id: text of the row}, and the groups by alert."""
    rows = {}
    for match in re.finditer(r'<li class="row.*?</li>', html, re.S):
        item = match.group()
        (name,) = re.findall(r'data-id="(.*?)"', item)[:1]
        (group,) = re.findall(r'data-group="(.*?)"', item)[:1]
        rows[name] = group, " ".join(re.sub(r"<[^>]+>", " ", item).split())
    return rows
