"""How generation is put into the app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from app.feature import Feature, Services
from app.generation.anthropic_api import AnthropicProvider
from app.generation.events import ProviderName
from app.generation.extractive import ExtractiveProvider
from app.generation.job import generate
from app.generation.openai_api import OpenAIProvider
from app.generation.pipeline import Pipeline, Price
from app.generation.prompt import Prompts
from app.generation.provider import Provider
from app.generation.router import LARGER_BODIES, router
from app.generation.runs import RunTable
from app.generation.writer import Patience
from app.processes import Processes
from app.settings import Settings

__all__ = ["FEATURE"]

_PROMPTS = Path(__file__).parent / "prompts"


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    prompts = Prompts(_PROMPTS)
    await prompts.all()  # a prompt that cannot be used is said at the start, not in a run
    app.state.generation = Pipeline(
        prompts=prompts,
        providers=_providers(services.settings, services.processes),
        runs=RunTable(services.database, kept=services.settings.max_kept_runs),
        processes=services.processes,
        prices=_prices(services.settings),
        patience=Patience(services.settings.generation_max_wait_seconds),
    )
    yield


def _providers(settings: Settings, processes: Processes) -> dict[ProviderName, Provider]:
    """The providers that are configured, the preferred one first."""
    providers: list[Provider] = []
    silence = settings.generation_silence_seconds
    if settings.anthropic_api_key is not None:
        key = settings.anthropic_api_key.get_secret_value()
        model, address = settings.anthropic_model, settings.anthropic_base_url
        most = settings.anthropic_max_tokens
        providers.append(
            AnthropicProvider(api_key=key, model=model, base_url=address, max_tokens=most, silence=silence)
        )
    if settings.openai_api_key is not None or settings.openai_base_url is not None:
        openai_key = settings.openai_api_key.get_secret_value() if settings.openai_api_key is not None else None
        model, address = settings.openai_model, settings.openai_base_url
        providers.append(OpenAIProvider(api_key=openai_key, model=model, base_url=address, silence=silence))
    providers.append(ExtractiveProvider(processes))
    providers.sort(key=lambda each: each.name != settings.generation_provider)
    return {each.name: each for each in providers}


def _prices(settings: Settings) -> dict[ProviderName, Price]:
    """What the providers cost whose price is set."""
    prices: dict[ProviderName, Price] = {}
    if settings.anthropic_input_price is not None and settings.anthropic_output_price is not None:
        prices["anthropic"] = Price(settings.anthropic_input_price, settings.anthropic_output_price)
    if settings.openai_input_price is not None and settings.openai_output_price is not None:
        prices["openai"] = Price(settings.openai_input_price, settings.openai_output_price)
    return prices


FEATURE = Feature(name="generation", router=router, lifespan=_lifespan, larger_bodies=LARGER_BODIES, jobs=(generate,))
