"""Each setting of generation, where it makes a difference."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from streamator import JobEmitter, MemoryStore

from app.database import Database
from app.generation.feature import FEATURE
from app.generation.pipeline import Pipeline
from app.jobs import JobError
from app.settings import Settings
from app.users import LOCAL_USER
from tests.generation.model_server import ANTHROPIC, OPENAI, Dialect, ModelServer, Refusal, Reply
from tests.generation.texts import GOOD_DRAFT, LIGHTHOUSES
from tests.here import Here

pytestmark = pytest.mark.anyio

Configured = Callable[..., AbstractAsyncContextManager[Pipeline]]
both = pytest.mark.parametrize("dialect", [OPENAI, ANTHROPIC], ids=lambda dialect: dialect.name)


@pytest.fixture
def configured(settings: Callable[..., Settings], tmp_path: Any) -> Configured:
    """The pipeline as the app makes it of its settings."""

    @asynccontextmanager
    async def configure(made: Any = None, **values: Any) -> Any:
        app = FastAPI()
        database = Database(settings().database)
        await database.open()
        app.state.services = SimpleNamespace(settings=made or settings(**values), database=database, processes=Here())
        async with FEATURE.lifespan(app):
            yield app.state.generation
        await database.close()

    return configure


def of(dialect: Dialect, model: ModelServer, **more: Any) -> dict[str, Any]:
    """The settings of one provider, each other than its default."""
    address = model.url if dialect is ANTHROPIC else f"{model.url}/v1"
    values = {"api_key": "the-key", "base_url": f"{address}", "model": "a-model", **more}
    return {f"{dialect.name}_{name}": value for name, value in values.items()}


async def ran(pipeline: Pipeline) -> dict[str, Any]:
    provider = next(iter(pipeline.providers.values()))
    with JobEmitter(store=MemoryStore()) as emitter:
        result = await pipeline.run(LIGHTHOUSES, "summary", provider, "standard", LOCAL_USER, emitter)
    return {**result["metadata"], "job_id": emitter.job_id}


@both
async def test_a_model_is_asked_as_its_settings_say(
    dialect: Dialect, configured: Configured, model: ModelServer
) -> None:
    whole = Reply([dialect.start(), dialect.text(GOOD_DRAFT), dialect.end(dialect.full, (1000, 100)), dialect.close()])
    model.answers = [whole]
    more: dict[str, Any] = {"input_price": 3, "output_price": 15}
    if dialect is ANTHROPIC:
        more["max_tokens"] = 1234
    async with configured(**of(dialect, model, **more)) as pipeline:
        metadata = await ran(pipeline)
    assert (metadata["provider"], metadata["model"], model.asked[0]["model"]) == (dialect.name, "a-model", "a-model")
    assert model.asked[0].get("max_tokens") == more.get("max_tokens")
    assert "the-key" in (model.headers[0].get("x-api-key", "") + model.headers[0].get("authorization", ""))
    assert metadata["price"] == pytest.approx(0.0045)


@both
@pytest.mark.parametrize("missing", ["input_price", "output_price"])
async def test_half_a_price_is_none(dialect: Dialect, missing: str, configured: Configured, model: ModelServer) -> None:
    model.answers = [Reply([dialect.text(GOOD_DRAFT), dialect.end(dialect.full, (9, 9)), dialect.close()])]
    prices = {name: 3 for name in ("input_price", "output_price") if name != missing}
    async with configured(**of(dialect, model, **prices)) as pipeline:
        assert (await ran(pipeline))["price"] is None


@both
async def test_a_silent_model_is_waited_for_as_long_as_is_set(
    dialect: Dialect, configured: Configured, model: ModelServer, settings: Callable[..., Settings]
) -> None:
    model.answers = [Reply([60.0])]
    # Less than anybody can set: the test takes as long.
    made = settings(**of(dialect, model)).model_copy(update={"generation_silence_seconds": 0.05})
    async with configured(made) as pipeline:
        with pytest.raises(JobError, match="sent nothing for 50 ms"):
            await ran(pipeline)


@both
async def test_a_busy_model_is_waited_for_as_long_as_is_set(
    dialect: Dialect, configured: Configured, model: ModelServer
) -> None:
    model.answers = [Refusal(429, "Slow", headers={"retry-after": "2"})]
    async with configured(generation_max_wait_seconds=1, **of(dialect, model)) as pipeline:
        with pytest.raises(JobError, match=r"asks to wait 2\.0 s, and GENERATION_MAX_WAIT_SECONDS is 1\."):
            await ran(pipeline)
    assert len(model.asked) == 1


async def test_the_provider_that_is_set_is_the_first(configured: Configured, model: ModelServer) -> None:
    both = {**of(OPENAI, model), **of(ANTHROPIC, model)}
    for name in ("openai", "anthropic", "extractive"):
        async with configured(generation_provider=name, **both) as pipeline:
            assert next(iter(pipeline.providers)) == name
    async with configured(**both) as pipeline:
        assert list(pipeline.providers) == ["anthropic", "openai", "extractive"]


async def test_as_many_runs_are_kept_as_is_set(configured: Configured) -> None:
    async with configured(max_kept_runs=1) as pipeline:
        first, second = (await ran(pipeline))["job_id"], (await ran(pipeline))["job_id"]
        assert await pipeline.runs.get(first, user=LOCAL_USER) is None
        assert await pipeline.runs.get(second, user=LOCAL_USER) is not None


async def test_each_setting_that_generation_reads_is_tested_here(
    configured: Configured, settings: Callable[..., Settings], model: ModelServer
) -> None:
    read = set()
    made = settings(**of(OPENAI, model), **of(ANTHROPIC, model))

    class Noted:
        def __getattr__(self, name: str) -> object:
            read.add(name)
            return 1 if name.endswith("_price") else getattr(made, name)

    async with configured(Noted()):
        pass
    names = ("api_key", "base_url", "model", "input_price", "output_price")
    tested = {f"{provider}_{name}" for provider in ("openai", "anthropic") for name in names}
    tested |= {"anthropic_max_tokens", "generation_silence_seconds", "generation_max_wait_seconds"}
    assert read == tested | {"generation_provider", "max_kept_runs"}
