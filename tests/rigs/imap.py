"""An IMAP server by TLS with one mailbox: as much of RFC 3501 as reading what is unseen takes."""

import re
import ssl
import threading
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

LOGIN = b"LOGIN reports"


class ImapServer(ThreadingTCPServer):
    """`mails` by number; `seen` holds the numbers that were marked; `refuses` is said NO to."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: dict[int, bytes] = {}
        self.seen: set[int] = set()
        self.refuses = b"-"
        self.context = context
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def get_request(self) -> Any:
        connection, address = super().get_request()
        connection.settimeout(30)
        return self.context.wrap_socket(connection, server_side=True), address


class _Session(StreamRequestHandler):
    def handle(self) -> None:
        box: ImapServer = self.server  # type: ignore[assignment]
        self.wfile.write(b"* OK ready\r\n")
        while line := self.rfile.readline().strip():
            tag, _, command = line.partition(b" ")
            if command.startswith(box.refuses):
                self.wfile.write(tag + b" NO not today\r\n")
                continue
            if command == b"CAPABILITY":
                self.wfile.write(b"* CAPABILITY IMAP4rev1\r\n")
            elif command.startswith(b"UID SEARCH"):
                self.wfile.write(b"* SEARCH %s\r\n" % b" ".join(b"%d" % n for n in box.mails if n not in box.seen))
            elif match := re.match(rb"UID FETCH (\d+) \(BODY.PEEK\[\]<0.(\d+)>\)", command):
                raw = box.mails[int(match[1])][: int(match[2])]
                self.wfile.write(b"* 1 FETCH (UID %s BODY[]<0> {%d}\r\n%s)\r\n" % (match[1], len(raw), raw))
            elif match := re.match(rb"UID STORE (\d+) \+FLAGS", command):
                box.seen.add(int(match[1]))
            self.wfile.write(tag + b" OK done\r\n")
            if command == b"LOGOUT":
                return
