"""OpenID providers for the tests: one nobody here wrote, from npm, and a stub whose every answer a test decides."""

import contextlib
import json
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.conftest import missing
from tests.rigs.servers import free_port, wait_for_port

SCRIPT = Path(__file__).with_name("oidc_provider.mjs")
SECRET = "a+secret/with=signs"


class ForeignProvider:
    """oidc-provider under Node; whoever types a name is that person, with NAME@example.org as e-mail."""

    def __init__(self, folder, front_page):
        npm, node = shutil.which("npm"), shutil.which("node")
        if not npm or not node:
            missing("no npm or node to run an OpenID provider with")
        command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent", "oidc-provider@9"]
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
        if done.returncode or not (folder / "node_modules/oidc-provider").exists():
            missing("the OpenID provider oidc-provider could not be fetched through npm")
        shutil.copy(SCRIPT, folder)
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        with (folder / "provider.log").open("wb") as log:
            self._process = subprocess.Popen(
                [node, SCRIPT.name, str(self.port), front_page], cwd=folder, stdout=log, stderr=log
            )
        wait_for_port(self.port)

    def stop(self):
        self._process.kill()
        self._process.wait(10)


@contextlib.contextmanager
def stub_provider(answers):
    """(issuer, paths asked for). `answers`: {path: (status, value)} with "ISSUER" in values replaced."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            length = int(self.headers.get("content-length", "0"))
            self.rfile.read(length)
            status, value = answers.get(self.path, (404, {}))
            body = json.dumps(value).replace("ISSUER", issuer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield issuer, asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
