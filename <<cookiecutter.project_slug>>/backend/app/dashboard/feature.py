"""How the dashboard is put into the app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app.dashboard.router import router
from app.dashboard.stats import StatsFeeds
from app.feature import Feature, Services

__all__ = ["FEATURE"]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    app.state.stats = StatsFeeds(services.jobs)
    yield


FEATURE = Feature(name="dashboard", router=router, lifespan=_lifespan)
