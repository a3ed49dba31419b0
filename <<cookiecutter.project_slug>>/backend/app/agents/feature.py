"""How the agents are put into the app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app.agents.findings import Findings
from app.agents.job import Agents, work
from app.agents.router import router
from app.feature import Feature, Services

__all__ = ["FEATURE"]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    findings = Findings(services.database, services.searches)
    app.state.agents = agents = Agents(findings, services.documents, services.processes, services.jobs)
    services.on_documents.append(agents.start)
    services.on_removed.append(findings.forget)
    yield


FEATURE = Feature(name="agents", router=router, lifespan=_lifespan, jobs=(work,))
