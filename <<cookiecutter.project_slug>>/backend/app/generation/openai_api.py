"""Any endpoint that speaks OpenAI's protocol, by OpenAI's own SDK."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlsplit

from app.generation.events import ProviderName
from app.generation.provider import Report, Task, conversation, fix, said
from app.jobs import JobError

__all__ = ["OpenAIProvider"]

_TIMEOUT = 120.0


class OpenAIProvider:
    """Drafts by a model of OpenAI's, or of any server with the same chat completions (Ollama, vLLM, ...).

    Arguments:
        api_key: the key; a server of one's own may need none.
        model: the model's name.
        base_url: another address than OpenAI's own, such as http://127.0.0.1:11434/v1.
    """

    name: ProviderName = "openai"

    def __init__(self, *, api_key: str | None, model: str, base_url: str | None = None) -> None:
        self.model = model
        self.title = "OpenAI" if base_url is None else urlsplit(base_url).hostname or base_url
        self._api_key = api_key
        self._base_url = base_url

    async def generate(self, task: Task, report: Report) -> AsyncGenerator[str, None]:
        try:
            import openai
        except ImportError as error:
            raise JobError(f"OpenAI's SDK is not installed ({error}): pip install 'app[openai]'.") from error

        messages: list[Any] = [{"role": "system", "content": task.prompt.system(task.length)}]
        messages += [{"role": role, "content": content} for role, content in conversation(task)]
        try:
            key = self._api_key or "none"  # the SDK insists on one
            async with openai.AsyncOpenAI(api_key=key, base_url=self._base_url, timeout=_TIMEOUT) as client:
                stream = await client.chat.completions.create(model=self.model, messages=messages, stream=True)
                async with stream:
                    async for chunk in stream:
                        text = chunk.choices[0].delta.content if chunk.choices else None
                        if text:
                            yield text
        except openai.APIStatusError as error:
            status = error.status_code
            reason = f"{said(error, self._api_key)} {fix(status, 'OPENAI')}"
            raise JobError(f"{self.title} answered {status}: {reason}") from error
        except openai.APIError as error:
            raise JobError(f"{self.title}'s answer broke off: {said(error, self._api_key)} Try again later.") from error
