"""A server that speaks the streaming protocols of Anthropic and OpenAI, well or badly, as a test tells it to."""

from __future__ import annotations

import contextlib
import http.server
import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.support import JsonObject

__all__ = ["ANTHROPIC", "OPENAI", "Answer", "Dialect", "ModelServer", "Refusal", "Reply", "model_server"]


@dataclass(frozen=True)
class Refusal:
    """An answer that is no draft: JSON, or a body of another type.

    Arguments:
        status: its status.
        message: what its error says; or the whole body, where that is bytes.
        kind: its error's type, and its code.
        headers: beside the usual ones.
    """

    status: int
    message: str | bytes
    kind: str = "error"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """An answer as it goes over the wire: bytes, and between them pauses in seconds. One at its end is repeated until
    the asker has gone.

    Arguments:
        parts: the body.
        kind: its content type.
        headers: beside it.
        missing: how many bytes more its content-length promises; None for a body that the connection's end ends.
        status: its status; None for none at all: the connection is closed without an answer.
    """

    parts: Sequence[bytes | float]
    kind: str = "text/event-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    missing: int | None = None
    status: int | None = 200


Answer = list[str] | Refusal | Reply


@dataclass
class ModelServer:
    """Its answers, in their order. The last one is given again and again.

    Between the first piece of a draft and the others it waits until `go_on` is set, which it is to begin with.
    """

    url: str
    answers: list[Answer] = field(default_factory=list)
    asked: list[JsonObject] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    """Set when an asker has gone before the answer was whole."""
    pause: Callable[[float, socket.socket], object] = lambda seconds, _: time.sleep(seconds)
    """What lets the seconds of a pause go by, unless the asker at the other end has gone."""


class Dialect(Protocol):
    """One of the protocols: the frames of a stream, and the words it has for how answers end."""

    name: str
    full: str
    cut: str
    withheld: str
    tool: str

    def start(self) -> bytes:
        """What comes before the first piece."""

    def text(self, piece: str) -> bytes:
        """A piece of the draft."""

    def thought(self, piece: str) -> bytes:
        """A piece of the reasoning."""

    def end(self, reason: str | None, tokens: tuple[int, int] | None = None) -> bytes:
        """How it ended, and what it took."""

    def close(self) -> bytes:
        """The last frame."""

    def error(self, kind: str, message: str) -> bytes:
        """An error in the midst of it."""

    def whole(self, text: str, reason: str) -> bytes:
        """The answer of a server that does not stream."""


class _OpenAI:
    name = "openai"
    full, cut, withheld, tool = "stop", "length", "content_filter", "tool_calls"

    def frame(self, data: object) -> bytes:
        return f"data: {json.dumps(data)}\n\n".encode()

    def chunk(self, delta: object, reason: str | None = None, index: int = 0, **fields: object) -> bytes:
        choice = {"index": index, "delta": delta, "finish_reason": reason}
        common = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        return self.frame({**common, "choices": [choice], **fields})

    def start(self) -> bytes:
        return self.chunk({"role": "assistant", "content": ""})

    def text(self, piece: str) -> bytes:
        return self.chunk({"content": piece})

    def thought(self, piece: str) -> bytes:
        return self.chunk({"reasoning_content": piece})

    def end(self, reason: str | None, tokens: tuple[int, int] | None = None) -> bytes:
        if tokens is None:
            return self.chunk({}, reason)
        usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
        return self.chunk({}, reason) + self.chunk({}, None, choices=[], usage=usage)

    def close(self) -> bytes:
        return b"data: [DONE]\n\n"

    def error(self, kind: str, message: str) -> bytes:
        return self.frame({"error": {"message": message, "type": kind, "code": kind}})

    def whole(self, text: str, reason: str) -> bytes:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
        return json.dumps({"id": "c1", "object": "chat.completion", "choices": [choice]}).encode()


class _Anthropic:
    name = "anthropic"
    full, cut, withheld, tool = "end_turn", "max_tokens", "refusal", "tool_use"

    def event(self, kind: str, **fields: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()

    def start(self) -> bytes:
        message: JsonObject = {
            "id": "m1", "type": "message", "role": "assistant", "model": "m", "content": [],
            "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 7, "output_tokens": 1},
        }  # fmt: skip
        block = self.event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        return self.event("message_start", message=message) + block

    def text(self, piece: str) -> bytes:
        return self.event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})

    def thought(self, piece: str) -> bytes:
        return self.event("content_block_delta", index=1, delta={"type": "thinking_delta", "thinking": piece})

    def end(self, reason: str | None, tokens: tuple[int, int] | None = None) -> bytes:
        usage = {"output_tokens": 1} if tokens is None else {"input_tokens": tokens[0], "output_tokens": tokens[1]}
        stop = self.event("content_block_stop", index=0)
        return stop + self.event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=usage)

    def close(self) -> bytes:
        return self.event("message_stop")

    def error(self, kind: str, message: str) -> bytes:
        return self.event("error", error={"type": kind, "message": message})

    def whole(self, text: str, reason: str) -> bytes:
        usage = {"input_tokens": 7, "output_tokens": 9}
        content = [{"type": "text", "text": text}]
        message = {"id": "m1", "type": "message", "content": content, "stop_reason": reason, "usage": usage}
        return json.dumps(message).encode()


OPENAI = _OpenAI()
ANTHROPIC = _Anthropic()


@contextlib.contextmanager
def model_server() -> Iterator[ModelServer]:
    """Runs a server for as long as the block lasts."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = model.answers.pop(0) if len(model.answers) > 1 else model.answers[0]
            model.asked.append(asked)
            model.headers.append({name.lower(): value for name, value in self.headers.items()})
            with contextlib.suppress(ConnectionError):
                if isinstance(answer, Refusal):
                    self.refuse(answer)
                elif isinstance(answer, Reply):
                    self.reply(answer)
                else:
                    self.draft(answer)

        def refuse(self, answer: Refusal) -> None:
            if isinstance(answer.message, bytes):
                kind, body = "text/html", answer.message
            else:
                error = {"type": answer.kind, "code": answer.kind, "message": answer.message}
                kind, body = "application/json", json.dumps({"type": "error", "error": error}).encode()
            self.head(answer.status, {"content-type": kind, "content-length": str(len(body)), **answer.headers})
            self.wfile.write(body)

        def reply(self, answer: Reply) -> None:
            if answer.status is None:
                return
            headers = {"content-type": answer.kind, **answer.headers}
            if answer.missing is not None:
                length = sum(len(part) for part in answer.parts if isinstance(part, bytes))
                headers["content-length"] = str(length + answer.missing)
            self.head(answer.status, headers)
            for part in answer.parts:
                if isinstance(part, bytes):
                    self.wfile.write(part)
                else:
                    model.pause(part, self.connection)
            if answer.parts and isinstance(answer.parts[-1], float):
                while not select.select([self.connection], [], [], 0.01)[0]:
                    model.pause(answer.parts[-1], self.connection)

        def draft(self, pieces: list[str]) -> None:
            dialect: Dialect = ANTHROPIC if self.path == "/v1/messages" else OPENAI
            self.head(200, {"content-type": "text/event-stream"})
            try:
                self.wfile.write(dialect.start())
                for number, piece in enumerate(pieces):
                    self.wfile.write(dialect.text(piece))
                    while number == 0 and not model.go_on.wait(0.01):
                        self.wfile.write(b": waiting\n\n")  # finds out when the asker has gone
                self.wfile.write(dialect.end(dialect.full) + dialect.close())
            except ConnectionError:
                model.left.set()

        def head(self, status: int, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

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
