"""Anthropic's models, by Anthropic's own SDK."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

from app.generation.events import ProviderName
from app.generation.faults import Server, field
from app.generation.model_api import CONNECT_SECONDS, ChunkError, Found, ended, read_answer, thought, usage_of, written
from app.generation.provider import Piece, Report, Task, conversation
from app.jobs import JobError

__all__ = ["AnthropicProvider"]

_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class AnthropicProvider:
    """Drafts by a model of Anthropic's.

    Arguments:
        api_key: the key.
        model: the model's name.
        base_url: another address than Anthropic's own.
        max_tokens: the longest answer, the reasoning in it (ANTHROPIC_MAX_TOKENS).
        silence: the seconds that it may send nothing (GENERATION_SILENCE_SECONDS).
    """

    name: ProviderName = "anthropic"
    title = "Anthropic"

    def __init__(
        self, *, api_key: str, model: str, base_url: str | None = None, max_tokens: int = 8192, silence: float = 300.0
    ) -> None:
        self.model = model
        self._max_tokens = max_tokens
        self._server = Server(self.title, model, "ANTHROPIC", base_url, api_key, silence)

    async def generate(self, task: Task, report: Report) -> AsyncGenerator[Piece, None]:
        try:
            import anthropic
        except ImportError as error:
            raise JobError(f"Anthropic's SDK is not installed ({error}): pip install 'app[anthropic]'.") from error

        server = self._server
        messages: list[Any] = [{"role": role, "content": content} for role, content in conversation(task)]
        timeout = anthropic.Timeout(server.silence, connect=CONNECT_SECONDS)
        # When to ask again is for the run to say: it shows what it waits for.
        async with anthropic.AsyncAnthropic(
            api_key=server.key, base_url=server.address, timeout=timeout, max_retries=0
        ) as client:

            async def ask() -> Any:
                return await client.messages.create(
                    model=self.model,
                    max_tokens=self._max_tokens,
                    system=task.prompt.system(task.length),
                    messages=messages,
                    stream=True,
                )

            async with aclosing(read_answer(server, ask, _found_in)) as pieces:
                async for piece in pieces:
                    yield piece


def _found_in(event: object) -> Iterator[Found]:
    """What an event of the stream holds, or a message that came whole."""
    kind = field(event, "type")
    if kind == "error":
        raise ChunkError(field(event, "error"))
    message = field(event, "message") if kind == "message_start" else event if kind == "message" else None
    yield from usage_of(field(message, "usage") or field(event, "usage"), _INPUT, "output_tokens")
    for block in field(message, "content") or ():
        yield from _block(block)
    if kind == "content_block_start":
        yield from _block(field(event, "content_block"))
    elif kind == "content_block_delta":
        yield from _block(field(event, "delta"))
    elif kind == "message_delta":
        yield from ended(field(event, "delta", "stop_reason"))
    yield from ended(field(message, "stop_reason"))


def _block(block: object) -> Iterator[Found]:
    yield from written(field(block, "text"))
    yield from thought(field(block, "thinking"))
