"""A server that speaks the streaming protocols of Anthropic and OpenAI, and says what a test tells it to."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support import JsonObject

__all__ = ["ModelServer", "Refusal", "model_server"]


@dataclass(frozen=True)
class Refusal:
    """An answer that is no draft."""

    status: int
    message: str


@dataclass
class ModelServer:
    """Its answers, in their order: the pieces of a draft, or a refusal. The last one is given again and again.

    Between the first piece and the others it waits until `go_on` is set, which it is to begin with.
    """

    url: str
    answers: list[list[str] | Refusal] = field(default_factory=list)
    asked: list[JsonObject] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    """Set when an asker has gone before the answer was whole."""


@contextlib.contextmanager
def model_server() -> Iterator[ModelServer]:
    """Runs a server for as long as the block lasts."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = model.answers.pop(0) if len(model.answers) > 1 else model.answers[0]
            model.asked.append(asked)
            model.headers.append({name.lower(): value for name, value in self.headers.items()})
            if isinstance(answer, Refusal):
                body = json.dumps({"type": "error", "error": {"type": "error", "message": answer.message}}).encode()
                self.send_response(answer.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            frames = _anthropic(answer) if self.path == "/v1/messages" else _openai(answer)
            try:
                for frame, is_first_piece in frames:
                    self.wfile.write(frame)
                    if is_first_piece:
                        while not model.go_on.wait(0.01):
                            self.wfile.write(b": waiting\n\n")  # finds out when the asker has gone
            except ConnectionError:
                model.left.set()

        def log_message(self, *args: Any) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    model = ModelServer(f"http://127.0.0.1:{server.server_port}")
    model.go_on.set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield model
    model.go_on.set()
    server.shutdown()
    server.server_close()


def _openai(pieces: list[str]) -> Iterator[tuple[bytes, bool]]:
    def chunk(delta: JsonObject, reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        data = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        return f"data: {json.dumps(data)}\n\n".encode()

    yield chunk({"role": "assistant", "content": ""}), False
    for number, piece in enumerate(pieces):
        yield chunk({"content": piece}), number == 0
    yield chunk({}, "stop"), False
    yield b"data: [DONE]\n\n", False


def _anthropic(pieces: list[str]) -> Iterator[tuple[bytes, bool]]:
    def event(kind: str, **fields: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()

    usage = {"input_tokens": 1, "output_tokens": 1}
    message: JsonObject = {
        "id": "m1", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    yield event("message_start", message=message), False
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""}), False
    for number, piece in enumerate(pieces):
        delta = {"type": "text_delta", "text": piece}
        yield event("content_block_delta", index=0, delta=delta), number == 0
    yield event("content_block_stop", index=0), False
    yield event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=usage), False
    yield event("message_stop"), False
