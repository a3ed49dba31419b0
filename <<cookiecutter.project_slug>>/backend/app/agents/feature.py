"""How the agents are put into the app."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app.agents.coordinator import Coordinator
from app.agents.findings import Findings
from app.agents.router import router
from app.feature import Feature, Services

__all__ = ["FEATURE"]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    app.state.agents = findings = Findings(services.database, services.searches)
    lock = services.settings.data_dir / "agents.lock"
    coordinator = Coordinator(services.store, findings, services.documents, lock, services.processes)
    task = asyncio.create_task(coordinator.run(), name="agents")
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


FEATURE = Feature(name="agents", router=router, lifespan=_lifespan)
