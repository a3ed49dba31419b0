"""A DynamoDB for tests: moto in a process on this machine, behind a proxy that can make requests fail."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

Answer = tuple[int, bytes]

# One request at a time: moto checks a write's condition and writes in two steps, and the requests to a paused server
# would all arrive at once.
MOTO = """
import sys, threading
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

app = DomainDispatcherApplication(create_backend_app)
turn = threading.Lock()

def in_turn(environ, start_response):
    with turn:
        return list(app(environ, start_response))

run_simple("127.0.0.1", int(sys.argv[1]), in_turn, threaded=True, request_handler=MotoRequestHandler)
"""


@contextlib.contextmanager
def moto() -> Iterator[tuple[int, int]]:
    """A moto server: (port, pid)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-c", MOTO, str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None and time.monotonic() < end, "moto did not start"
            time.sleep(0.05)
        yield port, server.pid
    finally:
        server.kill()
        server.wait()


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *args: Any) -> None:
        self.connections: set[Any] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *args: object) -> None:
        pass  # the client has given up


class Proxy:
    """Between the store and moto: counts the requests, and answers instead of moto if ``on_call`` returns an answer."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.calls: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        self.on_call: Callable[[str, dict[str, Any]], Answer | str | None] = lambda name, body: None
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                name = self.headers["x-amz-target"].partition(".")[2]
                body = json.loads(raw)
                answer = proxy.on_call(name, body)
                if answer == "drop":
                    self.close_connection = True
                    return
                if not isinstance(answer, tuple):
                    answer = self.forward(json.dumps(body).encode())
                    if proxy.on_call(name, {"answered": True}) == "drop":
                        self.close_connection = True
                        return
                status, content = answer
                proxy.calls.append((name, body, json.loads(content)))
                self.send_response(status)
                self.send_header("content-type", "application/x-amz-json-1.0")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def forward(self, raw: bytes) -> Answer:
                headers = {k: v for k, v in self.headers.items() if k.lower() != "content-length"}
                target = http.client.HTTPConnection("127.0.0.1", proxy.target, timeout=30)
                with contextlib.closing(target) as connection:
                    connection.request("POST", "/", raw, headers)
                    response = connection.getresponse()
                    return response.status, response.read()

            def log_message(self, *args: object) -> None:
                pass

        self._handler = Handler
        self.port = 0
        self.open()
        self.url = f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Accept connections again, at the same port."""
        self._server = _Listener(("127.0.0.1", self.port), self._handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def shut(self) -> None:
        """Refuse connections, and close the open ones."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._server.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def named(self, name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        return [(body, answer) for called, body, answer in list(self.calls) if called == name]


def error(code: str, status: int = 400) -> Answer:
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": code}
    return status, json.dumps(body).encode()
