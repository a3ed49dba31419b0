"""Anthropic's models, by Anthropic's own SDK."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

from app.generation.events import ProviderName
from app.generation.faults import Server, field
from app.generation.model_api import CONNECT_SECONDS, Found, ended, read_answer, said, usage_of
from app.generation.provider import Piece, Report, Task, Usage, conversation
from app.jobs import JobError

__all__ = ["AnthropicProvider"]


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
            api_key=server.key,
            base_url=server.address,
            timeout=timeout,
            max_retries=0,
            http_client=anthropic.DefaultAsyncHttpxClient(follow_redirects=False),  # the key is for one address alone
        ) as client:
            create = client.messages.create  # imports more of the SDK: that is no silence of the server's

            async def ask() -> Any:
                return await create(
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
    message = event if kind == "message" else field(event, "message")
    for usage in usage_of(field(message, "usage") or field(event, "usage")):
        # What a message that begins has of its output is no count yet.
        yield Usage(usage.input) if kind == "message_start" else usage
    yield from said(field(message, "content"))
    yield from said(field(event, "content_block"))
    yield from said(field(event, "delta"))
    yield from ended(field(event, "delta", "stop_reason") or field(message, "stop_reason"))
