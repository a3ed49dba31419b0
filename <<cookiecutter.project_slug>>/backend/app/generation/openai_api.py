"""Any endpoint that speaks OpenAI's protocol, by OpenAI's own SDK."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit

from app.generation.events import ProviderName
from app.generation.faults import Server, field
from app.generation.model_api import CONNECT_SECONDS, Found, ended, read_answer, said, usage_of
from app.generation.provider import Piece, Report, Task, conversation
from app.jobs import JobError

__all__ = ["OpenAIProvider"]


class OpenAIProvider:
    """Drafts by a model of OpenAI's, or of any server with the same chat completions (Ollama, vLLM, ...).

    Arguments:
        api_key: the key; a server of one's own may need none.
        model: the model's name.
        base_url: another address than OpenAI's own, such as http://127.0.0.1:11434/v1.
        silence: the seconds that it may send nothing (GENERATION_SILENCE_SECONDS).
    """

    name: ProviderName = "openai"

    def __init__(self, *, api_key: str | None, model: str, base_url: str | None = None, silence: float = 300.0) -> None:
        self.model = model
        self.title = "OpenAI" if base_url is None else urlsplit(base_url).hostname or base_url
        self._server = Server(self.title, model, "OPENAI", base_url, api_key, silence)

    async def generate(self, task: Task, report: Report) -> AsyncGenerator[Piece, None]:
        try:
            import openai
        except ImportError as error:
            raise JobError(f"OpenAI's SDK is not installed ({error}): pip install 'app[openai]'.") from error

        server = self._server
        messages: list[Any] = [{"role": "system", "content": task.prompt.system(task.length)}]
        messages += [{"role": role, "content": content} for role, content in conversation(task)]
        timeout = openai.Timeout(server.silence, connect=CONNECT_SECONDS)
        # The SDK insists on a key. When to ask again is for the run to say: it shows what it waits for.
        async with openai.AsyncOpenAI(
            api_key=server.key or "none",
            base_url=server.address,
            timeout=timeout,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False),  # the key is for one address alone
        ) as client:
            create = client.chat.completions.create  # imports more of the SDK: that is no silence of the server's

            async def ask(**options: Any) -> Any:
                return await create(model=self.model, messages=messages, stream=True, **options)

            async def ask_for_usage() -> Any:
                try:
                    return await ask(stream_options={"include_usage": True})
                except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                    if "stream_options" not in str(error.body):
                        raise
                    return await ask()  # an older server

            async with aclosing(read_answer(server, ask_for_usage, _found_in)) as pieces:
                async for piece in pieces:
                    yield piece


def _found_in(chunk: object) -> Iterator[Found]:
    """What a chunk of the stream holds, or an answer that came whole."""
    yield from usage_of(field(chunk, "usage") or field(chunk, "x_groq", "usage"))
    choice = _first(field(chunk, "choices"))
    # A server of the older completions has the text in the choice itself.
    held = (field(choice, "delta"), field(choice, "message"), choice)
    yield from said(next((each for each in held if each is not None), None))
    yield from ended(field(choice, "finish_reason"))


def _first(choices: object) -> object:
    """The choice of the first draft: nobody has asked for more."""
    if not isinstance(choices, Sequence):
        return None
    return next((choice for choice in choices if str(field(choice, "index") or 0) == "0"), None)
