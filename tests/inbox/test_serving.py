"""An inbox that is told to stop hears nobody new before its pages are told to come back."""

import socket
import threading

import uvicorn
from starlette.applications import Starlette

from streams.inbox.serving import StoppingServer, listening_socket


def test_who_stops_hears_nobody_new_before_its_streams_end() -> None:
    listening = listening_socket("127.0.0.1", 0)
    address = listening.getsockname()
    heard: list[bool] = []

    def end_streams() -> None:
        with socket.socket() as page:
            heard.append(page.connect_ex(address) == 0)

    config = uvicorn.Config(Starlette(), log_config=None, lifespan="off")
    server = StoppingServer(config, end_streams)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    with socket.create_connection(address, 30):
        server.should_exit = True
        thread.join(30)
    assert heard == [False]
