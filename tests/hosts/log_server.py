"""A server of logs that is cut off in each, for pages on another origin; and of the pages' files."""

from __future__ import annotations

import json
import mimetypes
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

LINES = [f"line {number}" for number in range(1, 31)]
EVENTS: list[dict[str, object]] = [
    *({"event": "log", "message": line, "level": "info", "t": place / 10} for place, line in enumerate(LINES)),
    {"event": "progress", "step": "write", "percent": 40, "t": 3.1},
    {"event": "token", "token": "A draft", "t": 3.2},
    {"event": "agent", "stream": "agent", "payload": {"agent_name": "Reader", "status": "completed"}, "t": 3.3},
    {"event": "done", "status": "completed", "t": 3.4},
]
CURSOR = 10
"""The last event that comes whole before the cut."""


class LogServer(ThreadingHTTPServer):
    """Serves a log by any name, always of the same EVENTS, and the files of a folder.

    - `/log/{name}/stream` streams. Without a cursor it ends in the middle of the event after CURSOR.
      `cursors` has the `Last-Event-ID` of each request.
    - `/log/{name}` is polled. The first answer ends at CURSOR, and the next request gets no answer. `polls` counts.
    - `/pages/{path}` is a file.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.cursors: dict[str, list[str | None]] = defaultdict(list)
        self.polls: dict[str, int] = defaultdict(int)
        self.base = f"http://127.0.0.1:{self.server_port}/log"
        self.pages = f"http://localhost:{self.server_port}/pages"  # another origin
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: LogServer

    def do_OPTIONS(self) -> None:
        self.answer("", b"")

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        match url.path.split("/"):
            case ["", "log", name, "stream"]:
                self.stream(name, self.headers["last-event-id"])
            case ["", "log", name]:
                self.poll(name, int(parse_qs(url.query).get("after", ["0"])[0]))
            case ["", "pages", *path]:
                file = self.server.folder.joinpath(*path)
                self.answer(mimetypes.guess_type(file.name)[0] or "", file.read_bytes())

    def stream(self, name: str, cursor: str | None) -> None:
        self.server.cursors[name].append(cursor)
        texts = [f"id: {number}\ndata: {json.dumps(event)}\n\n" for number, event in enumerate(EVENTS, 1)]
        if cursor is None:
            texts[CURSOR:] = [texts[CURSOR][:20]]
        self.answer("text/event-stream", ("retry: 100\n\n" + "".join(texts[int(cursor or 0) :])).encode())

    def poll(self, name: str, after: int) -> None:
        self.server.polls[name] += 1
        if self.server.polls[name] == 2:
            return  # closed without an answer
        last = CURSOR if self.server.polls[name] == 1 else len(EVENTS)
        answer = {"logs": EVENTS[after:last], "next": last, "closed": last == len(EVENTS)}
        self.answer("application/json", json.dumps(answer).encode())

    def answer(self, content_type: str, body: bytes) -> None:
        """Answers in HTTP/1.0: the connection's end is the body's."""
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("access-control-allow-origin", "*")
        self.send_header("access-control-allow-headers", "last-event-id")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""
