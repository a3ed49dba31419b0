"""The providers that call a model, against a server that speaks their protocol."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from app.generation.anthropic_api import AnthropicProvider
from app.generation.openai_api import OpenAIProvider
from app.generation.prompt import Prompts
from app.generation.provider import Attempt, Provider, Task
from app.generation.validate import Problem
from app.jobs import JobError
from tests.generation.model_server import ModelServer, Refusal
from tests.support import eventually_async

pytestmark = pytest.mark.anyio

PROMPTS = Prompts(Path(__file__).parents[2] / "app" / "generation" / "prompts")

MakeProvider = Callable[[ModelServer], Provider]


def anthropic(model: ModelServer) -> Provider:
    return AnthropicProvider(api_key="the-key", model="a-model", base_url=model.url)


def openai(model: ModelServer) -> Provider:
    return OpenAIProvider(api_key="the-key", model="a-model", base_url=f"{model.url}/v1")


both = pytest.mark.parametrize("make", [anthropic, openai])


async def task(*earlier: Attempt) -> Task:
    prompt = await PROMPTS.get("summary")
    assert prompt is not None
    return Task("The text.", prompt, "standard", earlier)


async def draft(provider: Provider, task: Task) -> list[str]:
    pieces = [piece async for piece in provider.generate(task, lambda message, done: None)]
    return [piece for piece in pieces if isinstance(piece, str)]


@both
async def test_a_draft_comes_piece_by_piece(make: MakeProvider, model: ModelServer) -> None:
    model.answers = [["## Key", " points", "\n\n- é“😀”"]]
    model.go_on.clear()
    provider = make(model)
    seen = []
    async with aclosing(provider.generate(await task(), lambda message, done: None)) as pieces:
        async for piece in pieces:
            if isinstance(piece, str):
                seen.append(piece)
                model.go_on.set()  # the first piece was here before the others were sent
    assert seen == ["## Key", " points", "\n\n- é“😀”"]


@both
async def test_the_model_is_told_what_to_write_and_of_what(make: MakeProvider, model: ModelServer) -> None:
    model.answers = [["Good."]]
    await draft(make(model), await task())
    [asked] = model.asked
    system = asked["system"] if "system" in asked else asked["messages"].pop(0)["content"]
    assert "## Key points\n## In short" in system
    assert "Between 20 and 320 words" in system
    assert asked["messages"] == [{"role": "user", "content": "<text>\nThe text.\n</text>"}]
    assert (asked["model"], asked["stream"]) == ("a-model", True)
    [headers] = model.headers
    assert "the-key" in (headers.get("x-api-key", "") + headers.get("authorization", ""))


@both
async def test_a_draft_is_sent_back_with_the_reasons(make: MakeProvider, model: ModelServer) -> None:
    model.answers = [["Better."]]
    refused = Attempt("Bad.", (Problem("It is too short."), Problem("It has no heading.")))
    await draft(make(model), await task(refused))
    turns = [(turn["role"], turn["content"]) for turn in model.asked[0]["messages"] if turn["role"] != "system"]
    assert [role for role, _ in turns] == ["user", "assistant", "user"]
    assert turns[1][1] == "Bad."
    assert "- It is too short.\n- It has no heading." in turns[2][1]


@both
async def test_the_call_ends_when_nobody_wants_the_draft_any_more(make: MakeProvider, model: ModelServer) -> None:
    model.answers = [["One", "Two"]]
    model.go_on.clear()
    first = asyncio.Event()

    async def write() -> None:
        async with aclosing(make(model).generate(await task(), lambda message, done: None)) as pieces:
            async for piece in pieces:
                if isinstance(piece, str):
                    first.set()

    writing = asyncio.create_task(write())
    await first.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await eventually_async(model.left.is_set)


@both
@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "API_KEY"), (404, "_MODEL and"), (400, "It would be refused again"), (500, "Try again later")],
)
async def test_a_refusal_is_said_with_the_fix(make: MakeProvider, model: ModelServer, status: int, said: str) -> None:
    model.answers = [Refusal(status, "not like this: the-key")]
    with pytest.raises(JobError) as raised:
        await draft(make(model), await task())
    assert f"answered {status}: " in str(raised.value)
    assert "not like this" in str(raised.value)
    assert said in str(raised.value)
    assert "the-key" not in str(raised.value)


@both
async def test_a_model_that_is_away_is_said(make: MakeProvider) -> None:
    away = ModelServer("http://127.0.0.1:9")
    with pytest.raises(JobError, match=r"cannot be reached\. Is it running\? Check \w+_BASE_URL"):
        await draft(make(away), await task())


@both
async def test_a_missing_sdk_is_said_when_it_is_needed(
    make: MakeProvider, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("anthropic", "openai"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(JobError, match=r"pip install 'app\[(anthropic|openai)\]'"):
        await draft(make(model), await task())
