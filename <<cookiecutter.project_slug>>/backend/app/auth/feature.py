"""How sign-in is put into the app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app.auth.gate import Gate
from app.auth.router import router
from app.auth.service import Auth
from app.feature import Feature, Services

__all__ = ["FEATURE"]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    app.state.auth = None
    if services.settings.auth == "none":
        yield
        return
    auth = app.state.auth = await Auth.open(services)
    watch = asyncio.create_task(auth.watch.run())
    yield
    watch.cancel()


FEATURE = Feature(name="auth", router=router, lifespan=_lifespan, authentication=Gate)
