"""A line between browser and inbox that can go dead without a word: no FIN, no RST, nothing forwarded."""

import socket
import threading
from contextlib import suppress


class SilentLine:
    """A TCP relay on a port of its own. What was open when it was cut stays dead for good, as behind a lost route."""

    def __init__(self, port):
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._era = 0
        self._dead = False
        self._sockets = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def cut(self):
        self._era += 1
        self._dead = True

    def mend(self):
        self._dead = False

    def close(self):
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # ends the wait in accept; what it gave later nobody would close
        self._accepting.join(30)
        for connection in [self._listening, *self._sockets]:
            with suppress(OSError):
                connection.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                here, _ = self._listening.accept()
                self._sockets.append(here)
                if self._dead:
                    continue
                there = socket.create_connection(("127.0.0.1", self._to))
                self._sockets.append(there)
                for pair in ((here, there), (there, here)):
                    threading.Thread(target=self._pump, args=(*pair, self._era), daemon=True).start()

    def _pump(self, source, target, era):
        with suppress(OSError):
            while data := source.recv(65536):
                if era != self._era:
                    return
                target.sendall(data)
            if era == self._era:
                target.shutdown(socket.SHUT_WR)
