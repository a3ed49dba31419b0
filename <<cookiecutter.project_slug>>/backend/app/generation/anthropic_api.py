"""Anthropic's models, by Anthropic's own SDK."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from app.generation.events import ProviderName
from app.generation.provider import Report, Task, conversation, fix, said
from app.jobs import JobError

__all__ = ["AnthropicProvider"]

_MAX_TOKENS = 8192
_TIMEOUT = 120.0


class AnthropicProvider:
    """Drafts by a model of Anthropic's.

    Arguments:
        api_key: the key.
        model: the model's name.
        base_url: another address than Anthropic's own.
    """

    name: ProviderName = "anthropic"
    title = "Anthropic"

    def __init__(self, *, api_key: str, model: str, base_url: str | None = None) -> None:
        self.model = model
        self._api_key = api_key
        self._base_url = base_url

    async def generate(self, task: Task, report: Report) -> AsyncGenerator[str, None]:
        try:
            import anthropic
        except ImportError as error:
            raise JobError(f"Anthropic's SDK is not installed ({error}): pip install 'app[anthropic]'.") from error

        messages: list[Any] = [{"role": role, "content": content} for role, content in conversation(task)]
        try:
            async with (
                anthropic.AsyncAnthropic(api_key=self._api_key, base_url=self._base_url, timeout=_TIMEOUT) as client,
                client.messages.stream(
                    model=self.model,
                    max_tokens=_MAX_TOKENS,
                    system=task.prompt.system(task.length),
                    messages=messages,
                ) as stream,
            ):
                async for text in stream.text_stream:
                    yield text
        except anthropic.APIStatusError as error:
            status = error.status_code
            reason = f"{said(error, self._api_key)} {fix(status, 'ANTHROPIC')}"
            raise JobError(f"Anthropic answered {status}: {reason}") from error
        except anthropic.APIError as error:
            raise JobError(f"Anthropic's answer broke off: {said(error, self._api_key)} Try again later.") from error
