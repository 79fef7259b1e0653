"""A receiver of our own that behaves as badly as it is told: no framework, a thread a connection."""

import json
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple


class Got(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes
    at: float  # when, by `time.monotonic`


class Receiver:
    """Answers `POST /<manner>/<name>`: ok, 500, 429, 410, 401, 400, hang, reset, redirect, huge, drip, dripping_ok,
    unknown.

    `unknown` takes what it gets and resets without an answer. What was taken lies in `got`.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.got: list[Got] = []
        self.asked: Counter[str] = Counter()
        self.connections = 0
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listening.getsockname()[1]
        self._ended = threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path: str) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}/{path}"

    def close(self) -> None:
        self._ended.set()
        self._listening.close()

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def bodies(self, path: str) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in self.of(path)]

    def of(self, path: str) -> list[Got]:
        with self._lock:
            return [request for request in self.got if request.path == f"/{path}"]

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(30)
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            self._answer(connection)
        except (OSError, ValueError):
            pass
        finally:
            connection.close()

    def _answer(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536) or _end()
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536) or _end()
        path = first.split()[1]
        manner = path.split("/")[1]
        with self._lock:
            self.asked[manner] += 1
            if manner in ("ok", "unknown"):
                self.got.append(Got(path, headers, body, time.monotonic()))
        match manner:
            case "ok":
                connection.sendall(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
            case "429":
                connection.sendall(b"HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n")
            case "hang":
                self._ended.wait(60)
            case "reset" | "unknown":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            case "redirect":
                to = f"http://127.0.0.1:{self.port}/ok/stolen"
                connection.sendall(f"HTTP/1.1 307 There\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n".encode())
            case "huge":
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 10485760\r\n\r\n")
                connection.sendall(bytes(10_485_760))
            case "drip" | "dripping_ok":
                status = b"500 No" if manner == "drip" else b"200 OK"
                connection.sendall(b"HTTP/1.1 " + status + b"\r\ncontent-length: 10000\r\n\r\n")
                while not self._ended.is_set():
                    connection.sendall(b"x")
                    time.sleep(0.2)
            case code:
                connection.sendall(f"HTTP/1.1 {code} Word\r\ncontent-length: 0\r\n\r\n".encode())


def _end() -> bytes:
    raise ValueError("the client hung up")


def make_ca(folder: Path, host: str = "localhost") -> tuple[Path, Path, Path]:
    """PEM files: a CA, and certificate and key of `host` (and 127.0.0.1) that it signed."""
    ca, ca_key, cert, key, request = (folder / name for name in ("ca.pem", "ca.key", "cert.pem", "key.pem", "r.csr"))
    names = folder / "names"
    names.write_text(f"subjectAltName=DNS:{host},IP:127.0.0.1\n")
    for line in (
        f"req -x509 -newkey rsa:2048 -nodes -keyout {ca_key} -out {ca} -days 2 -subj /CN=test-ca"
        " -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign",
        f"req -newkey rsa:2048 -nodes -keyout {key} -out {request} -subj /CN={host}",
        f"x509 -req -in {request} -CA {ca} -CAkey {ca_key} -CAcreateserial -out {cert} -days 2 -extfile {names}",
    ):
        subprocess.run(["openssl", *line.split()], check=True, capture_output=True)
    return ca, cert, key


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context
